//! Use [`SigningKey`] for the published keys with which functions verify access tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The public key of an Ed25519 key pair that signs access tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SigningKey {
    /// The key id: the JWK thumbprint (RFC 7638), base64url.
    pub kid: String,
    /// The public key, base64url (RFC 8037, section 2).
    pub x: String,
    /// When the key was published.
    pub created_at: Timestamp,
    /// When tokens signed with the key are refused; absent while the key is in use.
    pub retire_after: Option<Timestamp>,
}

impl SigningKey {
    /// Returns whether tokens signed with the key are refused at `now`.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retire_after.is_some_and(|end| end <= now)
    }
}
