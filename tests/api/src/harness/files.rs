//! Files: declared in a request, uploaded to S3 by presigned URLs.

use serde_json::{Value, json};

use super::{Client, Request, Response, aws};

pub const PDF: &[u8] = b"%PDF-1.7\n%%EOF\n";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01";

/// Returns the JSON that declares a file.
pub fn declared(name: &str, content_type: &str, content: &[u8]) -> Value {
    json!({"name": name, "content_type": content_type, "size_bytes": content.len()})
}

/// Sends a request to S3, which is not part of the API.
#[track_caller]
pub fn transfer(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    content: Option<&[u8]>,
) -> Response {
    let request = headers
        .iter()
        .fold(Request::new(method, url), |request, (name, value)| request.header(name, value));
    match content {
        Some(content) => request.body(content),
        None => request,
    }
    .send_unchecked()
}

/// Makes a file available, as after an upload.
#[track_caller]
pub fn make_available(patient: &str, record: &str, file: &str) {
    aws::update_item(
        &format!("PATIENT#{patient}"),
        &format!("RECORD#{record}#FILE#{file}"),
        "SET #status = :status",
        json!({":status": {"S": "available"}}),
    );
}

/// Downloads a file by the URL in a record.
#[track_caller]
pub fn download(reader: &Client, file: &Value) -> Response {
    let request = reader.request("GET", file["file"].as_str().unwrap());
    let given = request.header("accept", "application/json").send().ok(200);
    transfer("GET", given.text("url"), &[], None)
}

/// Uploads `content` as the `upload` of the file says; returns the status of S3.
pub fn upload(file: &Value, content: &[u8]) -> u16 {
    let upload = &file["upload"];
    let headers = upload["headers"].as_object().unwrap();
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    transfer(
        upload["method"].as_str().unwrap(),
        upload["url"].as_str().unwrap(),
        &headers,
        Some(content),
    )
    .status
}
