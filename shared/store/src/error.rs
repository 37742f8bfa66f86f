//! What can go wrong with the table itself.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// A failure of the table. Its text names the operation and the cause, never what an item holds.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table did not answer in time, cannot be reached, throttles, or other writers held the
    /// items too long. The same request may succeed later; a write may or may not have happened.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
    /// The request took so long that the same one, sent again, has taken its place: see
    /// [`crate::idempotency`]. Nothing was changed by this one.
    #[error("the same request, sent again, has taken over")]
    Overtaken,
    /// The table refused the request for a reason that trying again does not change: a fault of the
    /// code, the layout or the permissions.
    #[error("the table refused the request: {0}")]
    Refused(String),
    /// A stored item, of this entity, is not what the code expects.
    #[error("a stored item cannot be read: {entity}")]
    Corrupt {
        /// What the item should have been.
        entity: &'static str,
    },
}

/// Why something was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Somebody else changed it since it was read, or it is gone: read again and decide again.
    #[error("changed by somebody else")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Codes of errors that pass (DynamoDB developer guide, "Error handling"), beyond what the SDK
/// retries itself.
const PASSING: [&str; 7] = [
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// What a failed call means. The SDK's own error is not kept: it holds items.
pub(crate) fn classify<E: ProvideErrorMetadata>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> Error {
    match error {
        SdkError::TimeoutError(_) => Error::Unavailable(format!("{operation}: no answer in time")),
        SdkError::DispatchFailure(failure) => {
            Error::Unavailable(match failure.as_connector_error() {
                Some(cause) => format!("{operation}: {cause}"),
                None => format!("{operation}: not sent"),
            })
        }
        SdkError::ResponseError(_) => {
            Error::Unavailable(format!("{operation}: the answer was cut or garbled"))
        }
        SdkError::ServiceError(failure) => {
            let code = failure.err().code().unwrap_or("no code");
            let passes = PASSING.contains(&code) || failure.raw().status().is_server_error();
            if passes {
                Error::Unavailable(format!("{operation}: {code}"))
            } else {
                Error::Refused(format!(
                    "{operation}: {code}: {}",
                    failure.err().message().unwrap_or_default()
                ))
            }
        }
        _ => Error::Refused(format!("{operation}: the request cannot be built")),
    }
}
