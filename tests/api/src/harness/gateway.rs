//! The event that API Gateway makes of a request.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use super::unique;

/// A request as a client sent it.
pub(super) struct ClientRequest<'a> {
    pub(super) method: &'a Method,
    /// Path with query.
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Option<&'a [u8]>,
    /// Address of the client.
    pub(super) source_ip: &'a str,
}

/// Returns the event of a request in payload format 2.0: the path decoded, cookies separate, the
/// lines of a header joined, a body that is not text in base64.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api.html>
pub(super) fn event(sent: &ClientRequest<'_>) -> Value {
    let (path, query) = sent.path.split_once('?').unwrap_or((sent.path, ""));
    let path = decoded(path);
    let mut headers = serde_json::Map::from_iter([
        ("host".to_owned(), json!("api.example.org")),
        ("x-forwarded-for".to_owned(), json!(sent.source_ip)),
        ("x-forwarded-proto".to_owned(), json!("https")),
    ]);
    let lines = |name| {
        let lines = sent.headers.get_all(name).iter();
        lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect::<Vec<_>>()
    };
    for name in sent.headers.keys().filter(|name| **name != header::COOKIE) {
        headers.insert(name.to_string(), json!(lines(name).join(",")));
    }
    headers.entry("user-agent").or_insert_with(|| json!("tests"));
    let cookies: Vec<String> = lines(&header::COOKIE)
        .iter()
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .collect();
    let text = sent.body.map(std::str::from_utf8);
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api1234567",
            "domainName": "api.example.org",
            "domainPrefix": "api",
            "http": {
                "method": sent.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": sent.source_ip,
                "userAgent": headers.get("user-agent"),
            },
            "requestId": unique(),
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1_795_428_000_000_i64,
        },
        "body": match (sent.body, text) {
            (Some(bytes), Some(Err(_))) => Some(BASE64_STANDARD.encode(bytes)),
            (_, Some(Ok(text))) => Some(text.to_owned()),
            _ => None,
        },
        "isBase64Encoded": matches!(text, Some(Err(_))),
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    event
}

/// Decodes the escapes of a path.
fn decoded(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%');
        let value = escaped
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = &tail[if value.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
