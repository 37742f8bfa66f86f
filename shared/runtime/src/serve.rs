//! Starting a function, and serving events until Lambda ends it.

use std::io::Write;
use std::process::ExitCode;

use lambda_http::{IntoResponse, Request};
use lambda_runtime::{Diagnostic, LambdaEvent, Service, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{config, telemetry};

pub use lambda_runtime::Error;

/// Runs a function: begins to log, then runs `start`, which reads the configuration, builds the clients and serves.
/// What cannot start says so in one sentence and exits with 1.
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

/// The error and its causes.
fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
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
    lambda_http::run(service).await
}

/// Serves events of a queue or a stream: `handler` gets each one and answers which parts of it failed. An error of the
/// handler is logged with its causes, and the whole event comes again.
///
/// # Errors
/// When Lambda's runtime API cannot be reached.
pub async fn events<A, R>(handler: impl AsyncFn(A) -> Result<R, Error>) -> Result<(), Error>
where
    A: DeserializeOwned,
    R: Serialize,
{
    let handler = &handler;
    // The runtime logs errors in their debugging form, in which those of the SDK repeat whole answers.
    let handle = |event: LambdaEvent<A>| async move { handler(event.payload).await.map_err(|error| sentence(&*error)) };
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
}
