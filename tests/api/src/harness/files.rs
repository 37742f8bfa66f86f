//! Files: declared in a request, uploaded to S3 by presigned URLs.

use serde_json::{Value, json};

use super::{Client, Request, Response, aws};

pub const PDF: &[u8] = b"%PDF-1.7\n%%EOF\n";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01";

/// Returns the JSON that declares a file.
pub fn new_file(name: &str, content_type: &str, content: &[u8]) -> Value {
    json!({"name": name, "content_type": content_type, "size_bytes": content.len()})
}

/// Makes an Office document since 2007: a ZIP file with an empty part beside its list of types.
pub fn office(part: &str) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for name in ["[Content_Types].xml", part] {
        let (at, length) = ((file.len() as u32).to_le_bytes(), [name.len() as u8, 0]);
        file.extend([b"PK\x03\x04", &[0; 22][..], &length, &[0; 2], name.as_bytes()].concat());
        directory.extend([b"PK\x01\x02", &[0; 24][..], &length, &[0; 12], &at].concat());
        directory.extend(name.as_bytes());
    }
    let (size, at) = ((directory.len() as u32).to_le_bytes(), (file.len() as u32).to_le_bytes());
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0\x02\0\x02\0", &size[..], &at, &[0; 2]].concat());
    file
}

/// Makes an Office document before 2007: a compound file with one empty stream.
pub fn compound(stream: &str) -> Vec<u8> {
    let mut file = vec![0xff; 3 * 512];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    // Sectors of 512 bytes: the first one is the allocation table, the second one the directory.
    put(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    put(30, &[9, 0]);
    put(44, &[1, 0, 0, 0, 1, 0, 0, 0]);
    put(76, &[0; 4]);
    put(512 + 4, &[0xfe, 0xff, 0xff, 0xff]);
    put(1024, &[0; 512]);
    for (at, name, kind) in [(1024, "Root Entry", 5), (1152, stream, 2)] {
        for (index, unit) in name.encode_utf16().enumerate() {
            put(at + 2 * index, &unit.to_le_bytes());
        }
        put(at + 64, &[2 * (name.len() as u8 + 1), 0, kind, 1]);
        put(at + 68, &[0xff; 12]);
    }
    put(1024 + 76, &[1, 0, 0, 0]);
    file
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

/// Asks by the URL in a record for the one of S3.
#[track_caller]
pub fn download_url(reader: &Client, file: &Value) -> String {
    let request = reader.request("GET", file["file"].as_str().unwrap());
    request.header("accept", "application/json").send().ok(200).text("url").to_owned()
}

/// Downloads a file by the URL in a record.
#[track_caller]
pub fn download(reader: &Client, file: &Value) -> Response {
    transfer("GET", &download_url(reader, file), &[], None)
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
