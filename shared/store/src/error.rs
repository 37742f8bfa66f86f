//! Errors of the table, and what they mean for a retry.

use std::borrow::Cow;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

/// A failure of the table. Its text names the operation and the cause, never the content of items.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The table did not respond in time, cannot be reached, throttles, or other writers blocked
    /// the items too long. The same request may succeed later; a write may or may not have
    /// happened.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
    /// The request took so long that its lease has ended and a repetition has acquired it: see
    /// [`crate::idempotency`]. This request has changed nothing.
    #[error("the request has lost its lease to the same one, sent again")]
    LeaseLost,
    /// The table rejected the request for a reason that a retry does not change: a fault of the
    /// code, the layout or the permissions.
    #[error("the table rejected the request: {0}")]
    Rejected(String),
    /// A stored item, of this entity, is not what the code expects.
    #[error("a stored item cannot be read: {entity}: {cause}")]
    Corrupt {
        /// What the item should have been.
        entity: &'static str,
        /// Where in the item, and what is wrong there. Holds no values: they may be personal data.
        cause: Cow<'static, str>,
    },
}

impl Error {
    pub(crate) fn corrupt(entity: &'static str, cause: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt { entity, cause: cause.into() }
    }
}

/// Why a change was not stored.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The item has changed since it was read, or does not exist any more: read it again and decide
    /// again.
    #[error("changed by somebody else")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Codes of transient errors (DynamoDB developer guide, "Error handling"), also after the SDK's own
/// retries.
const TRANSIENT: [&str; 7] = [
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Classifies a failed call. The SDK's own error is dropped: it contains items.
pub(crate) fn classify<E: ProvideErrorMetadata>(
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> Error {
    match error {
        SdkError::TimeoutError(_) => {
            Error::Unavailable(format!("{operation}: no response in time"))
        }
        SdkError::DispatchFailure(failure) => {
            Error::Unavailable(match failure.as_connector_error() {
                Some(cause) => format!("{operation}: {cause}"),
                None => format!("{operation}: not sent"),
            })
        }
        SdkError::ResponseError(_) => {
            Error::Unavailable(format!("{operation}: the response was cut or garbled"))
        }
        SdkError::ServiceError(failure) => {
            let code = failure.err().code().unwrap_or("no code");
            let passes = TRANSIENT.contains(&code) || failure.raw().status().is_server_error();
            if passes {
                Error::Unavailable(format!("{operation}: {code}"))
            } else {
                Error::Rejected(format!(
                    "{operation}: {code}: {}",
                    failure.err().message().unwrap_or_default()
                ))
            }
        }
        _ => Error::Rejected(format!("{operation}: the request cannot be built")),
    }
}
