//! Use [`Session`] for one sign-in on one device, kept alive by rotating refresh tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};

/// A session. Its refresh tokens are stored as hashes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// SHA-256 of the current refresh token's secret, base64url.
    pub token_hash: String,
    /// The previous refresh token, for a client that did not receive the response with the current
    /// one.
    pub previous: Option<PreviousToken>,
    /// When the last token was issued.
    pub last_used_at: Timestamp,
    /// Whether the user signed in with a second factor.
    pub second_factor: bool,
    /// The version of the password that the user signed in with: see
    /// [`Credentials::password_version`](crate::account::Credentials).
    #[serde(default)]
    pub password_version: u64,
    /// The device's `User-Agent`, truncated.
    pub device: String,
    /// When the session expires unless it is used, in seconds since 1970; the table's TTL
    /// attribute.
    pub ttl: i64,
}

/// The refresh token before the current one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PreviousToken {
    /// SHA-256 of its secret, base64url.
    pub token_hash: String,
    /// The current secret, masked with a key derived from the previous secret, base64url.
    pub masked_successor: String,
}

impl Session {
    /// Returns whether the session has not expired at `now`. DynamoDB deletes expired items late.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ttl > now.as_second()
    }
}
