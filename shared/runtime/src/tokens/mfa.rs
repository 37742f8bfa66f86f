//! Tokens between the two halves of a sign-in: the password was right, the second factor is
//! missing.

use crypto::Sealer;
use domain::id::{SessionId, UserId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long the second half may take.
const LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// What the token is sealed for: it is good for nothing else.
const USE: &[u8] = b"sign-in: second factor 1";

/// Says that somebody has just shown the right password of a user. Sealed, and no JWT: it can never
/// be taken for an access token, nor read by who carries it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MfaToken {
    /// Whose password.
    pub user_id: UserId,
    /// The account's watermark of ended sessions then: a password set since, which ends all, makes
    /// the token worthless.
    pub sessions_ended_through: Option<SessionId>,
    /// Which of the user's passwords it was.
    pub password_version: u64,
    expires_at: Timestamp,
}

impl MfaToken {
    /// A token that is good from now on.
    pub fn new(
        user_id: UserId,
        sessions_ended_through: Option<SessionId>,
        password_version: u64,
        now: Timestamp,
    ) -> Self {
        Self {
            user_id,
            sessions_ended_through,
            password_version,
            expires_at: now.saturating_add(LIFETIME).unwrap_or(now),
        }
    }

    /// The token as the client gets it. `None` only where ids could not be written as JSON.
    pub fn seal(&self, sealer: &Sealer) -> Option<String> {
        serde_json::to_vec(self).ok().map(|token| sealer.seal(USE, &token))
    }

    /// What a client presents; `None` for what was not sealed so, or is over.
    pub fn open(sealer: &Sealer, text: &str, now: Timestamp) -> Option<Self> {
        let token: Self = serde_json::from_slice(&sealer.open(USE, text)?).ok()?;
        (token.expires_at > now).then_some(token)
    }
}

#[cfg(test)]
mod tests {
    use crypto::Secret;

    use super::*;
    use crate::clock;

    #[test]
    fn a_token_is_good_for_five_minutes_and_for_one_use() {
        let sealer = Sealer::new(&Secret::new("a secret for tests"));
        let now = clock::now();
        let token = MfaToken::new(clock::new_id(), Some(clock::new_id()), 1, now);
        let text = token.seal(&sealer).unwrap();
        assert_eq!(MfaToken::open(&sealer, &text, now), Some(token.clone()));
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(MfaToken::open(&sealer, &text, after(299)).is_some());
        assert!(MfaToken::open(&sealer, &text, after(300)).is_none());
        assert!(!text.contains('.'), "no JWT");
        assert!(MfaToken::open(&Sealer::new(&Secret::new("another secret")), &text, now).is_none());
        let of_another_use = sealer.seal(b"list", &serde_json::to_vec(&token).unwrap());
        assert!(MfaToken::open(&sealer, &of_another_use, now).is_none());
    }
}
