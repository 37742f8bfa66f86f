//! Starting a function, and serving events until Lambda ends it.

use std::io::Write;
use std::process::ExitCode;

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, IntoResponse, Request};
use lambda_runtime::{Diagnostic, LambdaEvent, Service, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{config, telemetry};

pub use lambda_runtime::Error;

/// Runs a function: begins to log, then runs `start`, which reads the configuration, builds the
/// clients and serves. What cannot start says so in one sentence and exits with 1.
///
/// One thread: a function handles one event at a time, and every thread costs time at the start.
pub fn run(start: impl AsyncFnOnce() -> Result<(), Error>) -> ExitCode {
    let served = config::Telemetry::from_env().map_err(Error::from).and_then(|telemetry| {
        telemetry::init(telemetry.log_level);
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(start())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by the log: its own configuration may be what is wrong.
            let _ = writeln!(std::io::stderr(), "The function cannot run: {}.", sentence(&*error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, one behind the other: what may stand in a log.
pub fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Serves HTTP requests from API Gateway.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn http<'a, S, R, E>(service: S) -> Result<(), Error>
where
    S: Service<Request, Response = R, Error = E>,
    S::Future: Send + 'a,
    R: IntoResponse,
    E: std::fmt::Debug + Into<Diagnostic>,
{
    let mut adapter = Adapter::from(service);
    lambda_runtime::run(service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        make_parsable(&mut event.payload);
        adapter.call(event)
    }))
    .await
}

/// Changes what `lambda_http` would panic on or read otherwise when it puts the URI together,
/// before any code of ours can answer: it takes the gateway's word that path, query, host and
/// protocol are parts of a URI, but the client has written them.
fn make_parsable(request: &mut LambdaRequest) {
    if let LambdaRequest::ApiGatewayV2(request) = request {
        request.raw_path = request.raw_path.take().map(|path| escape_path(&path));
        request.raw_query_string =
            request.raw_query_string.take().map(|query| escape_query(&query));
        // Nobody asks for them: links are made from the configuration and the gateway's own domain.
        request.headers.remove("host");
        request.headers.remove("x-forwarded-proto");
    }
}

/// What a path segment must not contain: `?` and `#` would end the path, `\` would begin another
/// segment (<https://url.spec.whatwg.org/#path-state>). `%` stays, because what the gateway has left
/// encoded stays encoded.
const NOT_IN_A_SEGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'?').add(b'#').add(b'\\');

/// What a query must not contain (RFC 3986, section 3.4).
const NOT_IN_A_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Escapes a path that the gateway has decoded, so that its segments stay the same. `.` and `..`
/// are escaped twice, because a parser resolves them even if escaped once.
fn escape_path(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "." | ".." => segment.replace('.', "%252E"),
        _ => utf8_percent_encode(segment, NOT_IN_A_SEGMENT).to_string(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Escapes what a query must not contain, and leaves what is escaped already.
fn escape_query(query: &str) -> String {
    utf8_percent_encode(query, NOT_IN_A_QUERY).to_string()
}

/// Serves events of a queue or a stream: `handler` gets each one and answers which parts of it
/// failed. An error of the handler is logged with its causes, and the whole event comes again.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn events<A, R>(handler: impl AsyncFn(A) -> Result<R, Error>) -> Result<(), Error>
where
    A: DeserializeOwned,
    R: Serialize,
{
    let handler = &handler;
    // The runtime logs errors in their debugging form, in which those of the SDK repeat whole
    // answers.
    let handle = |event: LambdaEvent<A>| async move {
        Box::pin(handler(event.payload)).await.map_err(|error| sentence(&*error))
    };
    lambda_runtime::run(service_fn(handle)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the table cannot be read")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_failure_is_told_with_its_causes() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(sentence(&error), "the table cannot be read: connection refused");
    }

    /// What an event of the gateway becomes, with texts and headers as JSON has them.
    fn request(path: &str, query: &str, headers: &str) -> Request {
        let context =
            r#""requestContext": {"http": {"method": "GET"}, "stage": "$default", "timeEpoch": 0}"#;
        let event = format!(
            r#"{{"rawPath": "{path}", "rawQueryString": "{query}", "headers": {headers},
                "isBase64Encoded": false, {context}}}"#
        );
        let mut event: LambdaRequest = serde_json::from_str(&event).unwrap();
        make_parsable(&mut event);
        Request::from(event)
    }

    #[test]
    fn whatever_a_client_writes_becomes_a_request() {
        for (query, host, protocol) in [
            (r##"q=<x> \"y\"#z\u0001\u007f"##, "api.example.org", "https"),
            ("q=ü%zz{}|^`[]&&=", "api.example.org", "https"),
            ("", "exa mple", "https"),
            ("", "api.example.org:99999", "https"),
            ("", "api.example.org", "a b"),
        ] {
            let headers = format!(r#"{{"host": "{host}", "x-forwarded-proto": "{protocol}"}}"#);
            assert_eq!(request("/a", query, &headers).uri().path(), "/a");
        }
        assert_eq!(escape_query("a=b%20c&d=ü"), "a=b%20c&d=%C3%BC", "what is right is left");
    }

    #[test]
    fn a_path_stays_the_one_that_the_gateway_has_matched() {
        for (path, expected) in [
            ("/users/x?y/end/", "/users/x%3Fy/end/"),
            ("/users/x#y/end/", "/users/x%23y/end/"),
            (r"/users/x\\y/end/", "/users/x%5Cy/end/"),
            (r"/users/x\ty\n\r/end/", "/users/x%09y%0A%0D/end/"),
            ("/users/../end/", "/users/%252E%252E/end/"),
            ("/users/./end/..", "/users/%252E/end/%252E%252E"),
            ("/users/ü x/..end/", "/users/%C3%BC%20x/..end/"),
            ("/users/100%25/end", "/users/100%25/end"),
            ("/", "/"),
        ] {
            let request = request(path, "a=b", "{}");
            assert_eq!((request.uri().path(), request.uri().query()), (expected, Some("a=b")));
        }
    }
}
