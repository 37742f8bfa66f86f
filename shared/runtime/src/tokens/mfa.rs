//! Tokens between the two steps of a sign-in: the password was correct, the second factor is still
//! missing.

use crypto::Sealer;
use domain::id::{SessionId, UserId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock;

/// How long a client may take for the second step.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// The use for which the token is sealed.
const PURPOSE: &[u8] = b"sign-in: second factor 1";

/// States that a client has just presented the correct password of a user. It is sealed and not a
/// JWT, so that it cannot be mistaken for an access token and the client cannot read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MfaToken {
    /// Its id, by which a second use is noticed.
    pub id: Uuid,
    /// The user.
    pub user_id: UserId,
    /// The account's watermark of ended sessions. Setting a password moves it, and so invalidates
    /// the token.
    pub sessions_ended_through: Option<SessionId>,
    /// The version of the password that was presented.
    pub password_version: u64,
    /// The place of the device, if it was known before.
    #[serde(default)]
    pub device: Option<u8>,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl MfaToken {
    /// Creates a token that is valid for five minutes.
    pub fn new(
        user_id: UserId,
        sessions_ended_through: Option<SessionId>,
        password_version: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            id: clock::new_id(),
            user_id,
            sessions_ended_through,
            password_version,
            device: None,
            expires_at: now.saturating_add(LIFETIME).unwrap_or(now),
        }
    }

    /// Returns the token of a known device.
    #[must_use]
    pub fn on_device(self, device: Option<u8>) -> Self {
        Self { device, ..self }
    }

    /// Seals the token for the client.
    #[expect(clippy::expect_used, reason = "ids, a number and a time can be written as JSON")]
    pub fn seal(&self, sealer: &Sealer) -> String {
        sealer.seal(PURPOSE, &serde_json::to_vec(self).expect("the token is JSON"))
    }

    /// Opens what a client presents; `None` if it is not such a token or has expired.
    pub fn open(sealer: &Sealer, text: &str, now: Timestamp) -> Option<Self> {
        let token: Self = serde_json::from_slice(&sealer.open(PURPOSE, text)?).ok()?;
        (token.expires_at > now).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use crypto::Secret;

    use super::*;

    #[test]
    fn a_token_is_valid_for_five_minutes_and_for_one_purpose() {
        let sealer = Sealer::new(&Secret::new("a secret for tests"));
        let now = clock::now();
        let token = MfaToken::new(clock::new_id(), Some(clock::new_id()), 1, now);
        let text = token.seal(&sealer);
        assert_eq!(MfaToken::open(&sealer, &text, now), Some(token.clone()));
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(MfaToken::open(&sealer, &text, after(299)).is_some());
        assert!(MfaToken::open(&sealer, &text, after(300)).is_none());
        assert!(!text.contains('.'), "no JWT");
        assert!(MfaToken::open(&Sealer::new(&Secret::new("another secret")), &text, now).is_none());
        let of_another_purpose = sealer.seal(b"list", &serde_json::to_vec(&token).unwrap());
        assert!(MfaToken::open(&sealer, &of_another_purpose, now).is_none());
    }
}
