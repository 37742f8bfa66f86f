//! Keys that sign access tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The public half of an Ed25519 key that signs access tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its id: the thumbprint of RFC 7638, base64url.
    pub kid: String,
    /// The public key, base64url (RFC 8037, section 2).
    pub x: String,
    /// When it was published.
    pub created_at: Timestamp,
    /// When tokens signed with it are refused; absent while it is in use.
    pub retire_after: Option<Timestamp>,
}

impl SigningKey {
    /// Whether tokens signed with it are refused at `now`.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retire_after.is_some_and(|end| end <= now)
    }
}
