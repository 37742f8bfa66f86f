//! What people have asked for, and what came back.

use domain::id::UserId;
use serde_json::Value;

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Whose request it was.
    pub who: UserId,
    /// Method and path.
    pub request: String,
    /// When it was sent.
    pub began: u64,
    /// When the response came.
    pub ended: u64,
    /// The status; 502 if the function ended in the middle of it.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The header ETag.
    pub etag: Option<String>,
    /// The idempotency key of the request.
    pub key: Option<String>,
}

impl Exchange {
    /// Returns whether the request was carried out.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns whether the request may have been carried out.
    pub fn is_in_doubt(&self) -> bool {
        self.status >= 500
    }

    /// Returns the id of what was created.
    pub fn id(&self) -> Option<String> {
        self.body["id"].as_str().filter(|_| self.is_ok()).map(str::to_owned)
    }
}
