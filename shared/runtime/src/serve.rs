//! The main loop of a function: start it with [`run`], serve HTTP requests with [`http`], events of
//! a queue or a stream with [`events`].

use std::io::Write;
use std::process::ExitCode;
use std::time::SystemTime;

use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, IntoResponse, Request};
use lambda_runtime::{Diagnostic, LambdaEvent, Service, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{config, telemetry};

pub use lambda_runtime::Error;

/// Runs a function: initializes logging, then runs `start`, which reads the configuration, builds
/// the clients and serves. A function that cannot start prints one sentence and exits with 1.
///
/// Runs on one thread: a function handles one event at a time, and every thread would lengthen the
/// cold start.
pub fn run(start: impl AsyncFnOnce() -> Result<(), Error>) -> ExitCode {
    let served = config::Telemetry::from_env().map_err(Error::from).and_then(|telemetry| {
        telemetry::init(telemetry.log_level);
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(start())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not logged: the configuration of the log may be the error.
            let _ = writeln!(std::io::stderr(), "The function cannot run: {}.", sentence(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Joins the messages of an error and its causes with colons. Unlike the debugging form, in which
/// errors of the SDK repeat whole responses, this is safe to log.
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

/// Returns the request that a function gets for an event of API Gateway.
pub fn request(mut event: LambdaRequest) -> Request {
    make_parsable(&mut event);
    Request::from(event)
}

/// Escapes or removes what `lambda_http` would panic on or misread when it assembles the URI,
/// before any code of ours runs: path, query, host and protocol come from the client, and the
/// gateway does not check that they can be parts of a URI.
fn make_parsable(request: &mut LambdaRequest) {
    if let LambdaRequest::ApiGatewayV2(request) = request {
        request.raw_path = request.raw_path.take().map(|path| escape_path(&path));
        request.raw_query_string =
            request.raw_query_string.take().map(|query| escape_query(&query));
        // No code reads them: links are built from the configuration.
        request.headers.remove("host");
        request.headers.remove("x-forwarded-proto");
    }
}

/// What a path segment must not contain: `?` and `#` would end the path, `\` would begin another
/// segment (<https://url.spec.whatwg.org/#path-state>). `%` stays, because what the gateway has
/// left encoded stays encoded.
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

/// Serves events of a queue or a stream: `handler` gets each event, with the time at which Lambda
/// ends the invocation, and returns which of its entries failed. An error of the handler is logged
/// with its causes, and Lambda delivers the whole event again.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn events<A, R>(
    handler: impl AsyncFn(A, Instant) -> Result<R, Error>,
) -> Result<(), Error>
where
    A: DeserializeOwned,
    R: Serialize,
{
    let handler = &handler;
    // As a sentence, because the runtime logs the debugging form of other errors.
    let handle = |event: LambdaEvent<A>| async move {
        let time_left = event.context.deadline().duration_since(SystemTime::now());
        let deadline = Instant::now() + time_left.unwrap_or_default();
        Box::pin(handler(event.payload, deadline)).await.map_err(|error| sentence(&*error))
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
    fn a_sentence_names_the_error_and_its_causes() {
        let error = Outer(std::io::Error::other("connection refused"));
        assert_eq!(sentence(&error), "the table cannot be read: connection refused");
    }

    /// Returns the request made of an event of the gateway; the arguments are JSON.
    fn request(path: &str, query: &str, headers: &str) -> Request {
        let context =
            r#""requestContext": {"http": {"method": "GET"}, "stage": "$default", "timeEpoch": 0}"#;
        let event = format!(
            r#"{{"rawPath": "{path}", "rawQueryString": "{query}", "headers": {headers},
                "isBase64Encoded": false, {context}}}"#
        );
        super::request(serde_json::from_str(&event).unwrap())
    }

    #[test]
    fn whatever_a_client_sends_becomes_a_request() {
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
        assert_eq!(
            escape_query("a=b%20c&d=ü"),
            "a=b%20c&d=%C3%BC",
            "what is escaped stays as it is"
        );
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
