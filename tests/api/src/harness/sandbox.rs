//! A cold function with settings of its own for one test, or behind a [`FaultProxy`], with a table
//! that fails.
//!
//! On the stack it is the deployed binary with the deployed role and table; the gateway in front of
//! it is left out, and the test makes the gateway's event.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use argon2::Argon2;
use serde_json::Value;

use super::{Client, Host, Request, Response, Stack, Transport, aws, gateway, local};

/// Longer than any function may run.
const TIMEOUT: Duration = Duration::from_secs(40);

/// The settings of a sandbox that has not started.
pub struct FunctionSettings {
    function: String,
    variables: BTreeMap<String, String>,
}

/// A function that runs for one test.
pub enum Sandbox {
    /// Inside this process.
    Router(axum::Router),
    /// As Lambda runs it.
    Program(Program),
}

/// The process of a function, and the runtime API from which it requests events.
pub struct Program {
    process: Child,
    calls: Mutex<(Sender<Value>, Receiver<Value>)>,
}

impl FunctionSettings {
    /// Returns the deployed settings.
    #[track_caller]
    pub fn of(function: &str) -> Self {
        if let Transport::InProcess(_) = &*Transport::get() {
            return Self { function: function.to_owned(), variables: local::variables() };
        }
        let deployed = aws::environment_of(function);
        let mut variables: BTreeMap<String, String> = deployed
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let (stack, role) = (Stack::get(), aws::role_of(function));
        variables.extend(
            [
                ("AWS_ENDPOINT_URL", stack.endpoint_url.as_str()),
                ("AWS_REGION", &stack.region),
                ("AWS_ACCESS_KEY_ID", role.access_key_id()),
                ("AWS_SECRET_ACCESS_KEY", role.secret_access_key()),
                ("AWS_SESSION_TOKEN", role.session_token().unwrap()),
                ("AWS_LAMBDA_FUNCTION_NAME", &stack.functions[function]),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "tests"),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "tests"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        Self { function: function.to_owned(), variables }
    }

    /// Sets a variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives the function all rights, for tests that need more than its role has.
    pub fn with_roots_rights(mut self) -> Self {
        let root = aws::root();
        self.variables.remove("AWS_SESSION_TOKEN");
        self.with("AWS_ACCESS_KEY_ID", root.access_key_id())
            .with("AWS_SECRET_ACCESS_KEY", root.secret_access_key())
    }

    /// Starts the function.
    #[track_caller]
    pub fn start(self) -> Sandbox {
        if let Transport::InProcess(local) = &*Transport::get() {
            let argon2 = Argon2::default();
            return Sandbox::Router(local.function(&self.function, &self.variables, argon2));
        }
        // Both programs are built into one folder.
        let program: PathBuf =
            std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(&self.function);
        assert!(
            program.exists(),
            "{} is missing: build it with `cargo build --workspace`",
            program.display()
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ((event, events), (response, responses)) = (channel::<Value>(), channel::<Value>());
        let events = Arc::new(Mutex::new(events));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, events, response) =
                    (stream.unwrap(), Arc::clone(&events), response.clone());
                thread::spawn(move || serve_runtime(stream, &events, &response));
            }
        });
        let process = Command::new(program)
            .env_clear()
            .envs(self.variables)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Sandbox::Program(Program { process, calls: Mutex::new((event, responses)) })
    }
}

impl Sandbox {
    /// Sends a request of a client with a JSON body, or with none.
    #[track_caller]
    pub fn send(&self, client: &Client, method: &str, path: &str, body: &Value) -> Response {
        self.send_with(client, method, path, &[], body)
    }

    /// Sends the same with additional headers.
    #[track_caller]
    pub fn send_with(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Response {
        let mut request = client.request(method, path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        self.handle(request, &format!("{method} {path}"))
    }

    /// Posts a JSON body from a client with an address of its own.
    #[track_caller]
    pub fn post_from(&self, host: &Host, path: &str, body: &Value) -> Response {
        self.handle(host.request("POST", path).json(body), &format!("POST {path}"))
    }

    #[track_caller]
    fn handle(&self, request: Request, name: &str) -> Response {
        match self {
            Self::Router(function) => {
                let Transport::InProcess(local) = &*Transport::get() else {
                    panic!("a router that was made on another system");
                };
                local.send_to(function, &request.sent()).0
            }
            Self::Program(program) => {
                let response = program.invoke(gateway::event(&request.sent()));
                Response::of_function(name, &response)
            }
        }
    }
}

impl Program {
    #[track_caller]
    fn invoke(&self, event: Value) -> Value {
        let calls = self.calls.lock().unwrap();
        calls.0.send(event).unwrap();
        calls
            .1
            .recv_timeout(TIMEOUT)
            .unwrap_or_else(|error| panic!("the function does not respond: {error}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the runtime API of Lambda:
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
fn serve_runtime(stream: TcpStream, events: &Mutex<Receiver<Value>>, responses: &Sender<Value>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(HttpMessage { head, body }) = HttpMessage::read(&mut reader) {
        if head.starts_with("GET /2018-06-01/runtime/invocation/next ") {
            // The channel is closed when the test is over.
            let Ok(event) = events.lock().unwrap().recv() else { return };
            let event = event.to_string();
            let deadline = jiff::Timestamp::now().as_millisecond() + 10_000;
            let response = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: \
                 application/json\r\nLambda-Runtime-Aws-Request-Id: {}\r\n\
                 Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: \
                 tests\r\nContent-Length: {}\r\n\r\n{event}",
                uuid::Uuid::now_v7(),
                event.len()
            );
            let _ = stream.write_all(response.as_bytes());
        } else {
            let _ = responses.send(serde_json::from_slice(&body).unwrap_or_default());
            let _ = stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

/// What happens to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyFault {
    Passed,
    /// It gets 500 and is not passed on.
    Failed,
    /// It gets no response and is not passed on.
    Silence,
}

/// A proxy in front of the table that lets some requests fail.
pub struct FaultProxy {
    /// The value of `AWS_ENDPOINT_URL`.
    pub url: String,
}

impl FaultProxy {
    /// Starts a proxy where `decide` decides on each request, by its operation
    /// (`DynamoDB_20120810.PutItem`) and body.
    pub fn new(decide: impl Fn(&str, &str) -> ProxyFault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (decide, onward) = (Arc::new(decide), Transport::get().endpoint_url());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, decide, onward) =
                    (stream.unwrap(), Arc::clone(&decide), onward.clone());
                thread::spawn(move || pass(stream, &*decide, &onward));
            }
        });
        Self { url }
    }
}

/// Handles one request of a connection, which then ends.
fn pass(
    mut stream: TcpStream,
    decide: &(impl Fn(&str, &str) -> ProxyFault + ?Sized),
    onward: &str,
) {
    let Some(HttpMessage { head, body }) =
        HttpMessage::read(&mut BufReader::new(stream.try_clone().unwrap()))
    else {
        return;
    };
    let lower = head.to_ascii_lowercase();
    let target = lower
        .find("x-amz-target:")
        .map(|at| head[at + 13..].lines().next().unwrap().trim().to_owned())
        .unwrap_or_default();
    // Secrets Manager has the same address.
    let is_for_table = target.starts_with("DynamoDB_");
    let body_text = String::from_utf8_lossy(&body);
    match if is_for_table { decide(&target, &body_text) } else { ProxyFault::Passed } {
        ProxyFault::Passed => {
            let mut onward = TcpStream::connect(onward.strip_prefix("http://").unwrap()).unwrap();
            let (line, headers) = head.split_once("\r\n").unwrap();
            // As it was signed, including Host.
            onward
                .write_all(format!("{line}\r\nConnection: close\r\n{headers}\r\n").as_bytes())
                .unwrap();
            onward.write_all(&body).unwrap();
            let mut response = Vec::new();
            let _ = onward.read_to_end(&mut response);
            let _ = stream.write_all(&response);
        }
        ProxyFault::Failed => {
            let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}"#;
            let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: \
                        application/x-amz-json-1.0\r\nConnection: close";
            let _ = stream.write_all(
                format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes(),
            );
        }
        // Waits until the client gives up.
        ProxyFault::Silence => drop(stream.read_exact(&mut [0])),
    }
}

/// Reads a request from a connection.
struct HttpMessage {
    /// The request line and the headers, each with its line end.
    head: String,
    body: Vec<u8>,
}

impl HttpMessage {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let (mut head, mut length, mut chunked) = (String::new(), 0, false);
        loop {
            let start = head.len();
            if reader.read_line(&mut head).ok()? == 0 {
                return None;
            }
            let line = head[start..].trim_end().to_ascii_lowercase();
            if line.is_empty() {
                head.truncate(start);
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        while chunked {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend(&chunk[..size]);
            chunked = size > 0;
        }
        Some(Self { head, body })
    }
}
