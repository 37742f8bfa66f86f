//! Requests and responses, and the checks that hold for every response.

use std::ops::Index;
use std::sync::OnceLock;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use ureq::Agent;

use store_tests::meter::Cost;

use super::Transport;
use super::gateway::ClientRequest;

/// Longer than any function may run.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Returns the client of all tests: it follows no redirects, sends any method, and returns error
/// statuses as responses.
fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .max_idle_connections_per_host(16)
            .timeout_global(Some(TIMEOUT))
            .build()
            .new_agent()
    })
}

/// A request, built step by step.
#[derive(Clone)]
pub struct Request {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    source_ip: String,
}

impl Request {
    /// Makes a request to the API for a path, or to anywhere for a URL.
    pub fn new(method: &str, path: &str) -> Self {
        let url = if path.starts_with('/') {
            format!("{}{path}", Transport::get().base_url())
        } else {
            path.to_owned()
        };
        Self {
            method: method.parse().unwrap(),
            url,
            headers: HeaderMap::new(),
            body: None,
            source_ip: "127.0.0.1".to_owned(),
        }
    }

    /// Adds an access token.
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Adds a header; a name may be repeated.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
        self
    }

    /// Sets the address of the client, where the test and not the network determines it.
    pub(super) fn sent_from(mut self, address: &str) -> Self {
        self.source_ip = address.to_owned();
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets a body of any type.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sends the request and checks what holds for every response of the API.
    #[track_caller]
    pub fn send(self) -> Response {
        let (method, path) = (self.method.clone(), self.path());
        let response = self.send_unchecked();
        response.check(&method, &path);
        response
    }

    /// Sends the request within this process, and also returns what it cost.
    #[track_caller]
    pub fn measure(self) -> (Response, Cost) {
        let Transport::InProcess(local) = &*Transport::get() else {
            panic!("costs are measured in the process of the tests alone");
        };
        local.send(&self.sent())
    }

    /// Returns the path in the API, without its query.
    fn path(&self) -> String {
        let path = self.url.strip_prefix(Transport::get().base_url()).unwrap_or(&self.url);
        path.split('?').next().unwrap().to_owned()
    }

    pub(super) fn sent(&self) -> ClientRequest<'_> {
        ClientRequest {
            method: &self.method,
            path: self.url.strip_prefix(Transport::get().base_url()).unwrap_or(&self.url),
            headers: &self.headers,
            body: self.body.as_deref(),
            source_ip: &self.source_ip,
        }
    }

    /// Sends the request without checks, for responses that are not the API's: S3, the emulated
    /// AWS, preflights of the gateway.
    #[track_caller]
    pub fn send_unchecked(self) -> Response {
        if let Transport::InProcess(local) = &*Transport::get()
            && self.url.starts_with(Transport::get().base_url())
        {
            return local.send(&self.sent()).0;
        }
        let what = format!("{} {}", self.method, self.url.split('?').next().unwrap());
        let mut request = http::Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.url.parse().unwrap_or_else(|error| panic!("{what}: {error}"));
        *request.headers_mut() = self.headers;
        let response = match self.body {
            Some(body) => agent().run(request.map(|()| body)),
            None => agent().run(request),
        };
        let (head, mut body) =
            response.unwrap_or_else(|error| panic!("{what}: {error}")).into_parts();
        let bytes = body
            .with_config()
            .limit(64 << 20)
            .read_to_vec()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        Response::new(what, head.status.as_u16(), head.headers, bytes)
    }
}

/// Returns the origin of the API.
pub fn origin() -> String {
    Transport::get().base_url().to_owned()
}

/// Returns the name of a cookie of the service, which depends on where the service is.
pub fn cookie_name(name: &str) -> String {
    let prefix = if origin().starts_with("http://localhost") { "" } else { "__Host-" };
    format!("{prefix}{name}")
}

/// Returns the path and query of a link to the API.
#[track_caller]
pub fn path_of(url: &str) -> &str {
    url.strip_prefix(Transport::get().base_url()).unwrap_or_else(|| panic!("{url} leads elsewhere"))
}

/// Makes a request with a JSON body, or with none.
#[track_caller]
pub fn call(
    method: &str,
    path: &str,
    token: Option<&str>,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Response {
    let mut request = Request::new(method, path);
    if let Some(token) = token {
        request = request.token(token);
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send()
}

/// A response; `response["name"]` is a field of its JSON body.
#[derive(Clone, Debug)]
pub struct Response {
    what: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// Null without JSON.
    pub body: Value,
    pub bytes: Vec<u8>,
}

/// Gets what is no operation of the API, without the checks of those.
#[track_caller]
pub fn get(path: &str, headers: &[(&str, &str)]) -> Response {
    headers
        .iter()
        .fold(Request::new("GET", path), |request, (name, value)| request.header(name, value))
        .send_unchecked()
}

impl Response {
    /// Returns the body as text.
    #[track_caller]
    pub fn body_text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(super) fn new(what: String, status: u16, headers: HeaderMap, bytes: Vec<u8>) -> Self {
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { what, status, headers, body, bytes }
    }

    /// Makes the response from what a directly invoked function returned.
    #[track_caller]
    pub fn of_function(what: &str, response: &Value) -> Self {
        let status = response["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
        let status =
            status.unwrap_or_else(|| panic!("{what}: no response for a gateway: {response}"));
        let mut headers = HeaderMap::new();
        for (name, value) in response["headers"].as_object().into_iter().flatten() {
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                value.as_str().unwrap().parse().unwrap(),
            );
        }
        for cookie in response["cookies"].as_array().into_iter().flatten() {
            headers.append(header::SET_COOKIE, cookie.as_str().unwrap().parse().unwrap());
        }
        let bytes = response["body"].as_str().unwrap_or_default().as_bytes().to_vec();
        Self::new(what.to_owned(), status, headers, bytes)
    }

    /// Returns the response if it has this status; panics otherwise.
    #[track_caller]
    pub fn ok(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Returns the response if it is a problem with this status and code; panics otherwise.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self["code"].as_str()), (status, Some(code)), "{self}");
        self
    }

    /// Returns the response if it is 400 for this field alone, with this code; panics otherwise.
    #[track_caller]
    pub fn refused(self, field: &str, code: &str) -> Self {
        assert_eq!(self.status, 400, "{self}");
        assert_eq!(self.errors(), [format!("{field} {code}")], "{self}");
        self
    }

    /// Returns the refused fields, each as `field code`.
    pub fn errors(&self) -> Vec<String> {
        let errors = self["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors
            .iter()
            .map(|error| {
                format!("{} {}", error["field"].as_str().unwrap(), error["code"].as_str().unwrap())
            })
            .collect()
    }

    /// Returns the entries of a page.
    #[track_caller]
    pub fn results(&self) -> &[Value] {
        self["results"].as_array().unwrap_or_else(|| panic!("no page: {self}"))
    }

    /// Returns the ids on a page, read from this field.
    #[track_caller]
    pub fn ids(&self, field: &str) -> Vec<&str> {
        self.results().iter().map(|entry| entry[field].as_str().unwrap()).collect()
    }

    /// Returns a header, with all its lines joined; empty without it.
    pub fn header(&self, name: &str) -> String {
        let lines: Vec<&str> =
            self.headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
        lines.join(", ")
    }

    /// Returns a text field.
    #[track_caller]
    pub fn text(&self, field: &str) -> &str {
        self[field].as_str().unwrap_or_else(|| panic!("{field} is no text: {self}"))
    }

    /// Returns the names of the fields, sorted.
    pub fn keys(&self) -> Vec<&str> {
        self.body
            .as_object()
            .map(|object| object.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// Checks what holds for every response of the API.
    #[track_caller]
    pub fn check(&self, method: &Method, path: &str) {
        assert!(self.status < 500, "a failure: {self}");
        assert!(!self.header("x-request-id").is_empty(), "no request id: {self}");
        for (name, value) in [
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            ),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(self.header(name), value, "{name}: {self}");
        }
        let public = self.status == 200 && path.trim_end_matches('/') == "/.well-known/jwks.json";
        assert_eq!(self.header("cache-control") == "no-store", !public, "cached: {self}");
        assert_eq!(
            self.status == 401,
            self.header("www-authenticate").starts_with("Bearer"),
            "WWW-Authenticate: {self}"
        );
        assert!(self.status != 405 || !self.header("allow").is_empty(), "Allow: {self}");
        let leads_on = [201, 303].contains(&self.status);
        assert_eq!(leads_on, !self.header("location").is_empty(), "Location: {self}");
        if *method == Method::HEAD {
            assert!(self.bytes.is_empty(), "HEAD with a body: {self}");
        } else if self.status >= 400 {
            self.check_problem();
        } else if !self.bytes.is_empty() {
            assert_eq!(self.header("content-type"), "application/json", "{self}");
            assert!(!self.body.is_null(), "{self}");
        }
        if self.status == 204 {
            assert!(self.bytes.is_empty(), "204 with a body: {self}");
        }
    }

    /// Checks what RFC 9457 requires of a problem, and the members that all problems of the API
    /// have.
    #[track_caller]
    fn check_problem(&self) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        let code = self.text("code");
        assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{self}");
        assert_eq!(self.text("type"), format!("/problems/{code}"), "{self}");
        assert_eq!(self["status"], self.status, "{self}");
        assert_eq!(self.text("request_id"), self.header("x-request-id"), "{self}");
        for field in ["title", "detail", "instance"] {
            assert!(!self.text(field).is_empty(), "{field}: {self}");
        }
        assert_eq!(code == "validation_failed", !self.errors().is_empty(), "{self}");
        for error in self["errors"].as_array().into_iter().flatten() {
            assert!(
                error["message"].as_str().is_some_and(|message| message.ends_with('.')),
                "{self}"
            );
        }
    }
}

impl Index<&str> for Response {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.body[field]
    }
}

/// Formats the whole response, for messages of failed tests.
impl std::fmt::Display for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} got {}", self.what, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.bytes))
    }
}
