//! Sessions: one sign-in on one device, kept alive by rotating refresh tokens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{SessionId, UserId};

/// A session. Of its refresh tokens only hashes are kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// SHA-256 of the current refresh token's secret, base64url.
    pub token_hash: String,
    /// What the token before it left behind, for a client whose answer was lost.
    pub previous: Option<PreviousToken>,
    /// When the last token was issued.
    pub last_used_at: Timestamp,
    /// Whether the sign-in was by a second factor too.
    pub second_factor: bool,
    /// Which of the user's passwords the sign-in was with: see
    /// [`Credentials::password_version`](crate::account::Credentials).
    #[serde(default)]
    pub password_version: u64,
    /// What the device called itself, cut to a length.
    pub device: String,
    /// When the session ends unless it is used: seconds since 1970, also the table's time to live.
    pub ttl: i64,
}

/// The refresh token before the current one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PreviousToken {
    /// SHA-256 of its secret, base64url.
    pub token_hash: String,
    /// The current secret, masked with a key that only the previous secret gives, base64url.
    pub masked_successor: String,
}

impl Session {
    /// Whether the session has not ended by age at `now`. The table deletes late; the clock
    /// decides.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ttl > now.as_second()
    }
}
