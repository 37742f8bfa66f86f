// A function that responds with its event, its name and a variable of its environment. It needs
// only the standard library, so that it is compiled in a second. The crates of `checkout.py`
// include it.

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends a request to the runtime API, and returns head and body of the response.
fn send(start: &str, body: &str) -> (String, String) {
    let host = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut connection = TcpStream::connect(&host).unwrap();
    // HTTP/1.0: the response ends with the connection.
    let head =
        format!("{start} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len());
    connection.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn main() {
    let path = "/2018-06-01/runtime/invocation";
    loop {
        let (head, event) = send(&format!("GET {path}/next"), "");
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let (_, id) = headers.find(|(name, _)| *name == "lambda-runtime-aws-request-id").unwrap();
        let variable = env::var("PUBLISH_DOCS").unwrap_or_default();
        let body = format!(r#"{{"says": "{SAYS}", "variable": "{variable}", "event": {event}}}"#);
        // As a string of JSON: the escapes of Rust are the same for what the events contain.
        let response = format!(r#"{{"statusCode": 200, "body": {body:?}}}"#);
        send(&format!("POST {path}/{id}/response"), &response);
    }
}
