//! Second factors: TOTP codes of an authenticator app, and recovery codes for when the app is lost.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Object;
use uuid::Uuid;

use crate::field::{FieldValue, Reason, string};
use crate::id::UserId;
use crate::schema;

/// The second factor of a user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// The user.
    pub user_id: UserId,
    /// The TOTP secret in base32, sealed for this user.
    pub secret: String,
    /// Whether the user has confirmed the setup with a code. Codes are not accepted before.
    pub confirmed: bool,
    /// The newest time step whose code was used. Codes of this step and of earlier ones are
    /// refused.
    pub last_step: u64,
    /// SHA-256 of the unused recovery codes, base64url.
    pub recovery_hashes: Vec<String>,
    /// The tokens between password and code that have opened a session. At most one for each code
    /// of the last minutes.
    #[serde(default)]
    pub used_tokens: Vec<UsedToken>,
    /// Number of changes.
    pub version: u64,
}

/// A token between password and code that has opened a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsedToken {
    /// Its id.
    pub id: Uuid,
    /// When it expires: it is forgotten then.
    pub expires_at: Timestamp,
}

/// Number of recovery codes that a user gets.
pub const RECOVERY_CODE_COUNT: usize = 10;

impl SecondFactor {
    /// Creates a second factor that is not confirmed yet.
    pub fn pending(user_id: UserId, secret: String) -> Self {
        Self {
            user_id,
            secret,
            confirmed: false,
            last_step: 0,
            recovery_hashes: Vec::new(),
            used_tokens: Vec::new(),
            version: 1,
        }
    }

    /// Returns the factor after a code of this time step was used; `None` when a code of this step
    /// or of a later one was used before.
    pub fn with_step_used(&self, step: u64) -> Option<Self> {
        (step > self.last_step).then(|| Self {
            last_step: step,
            version: self.version + 1,
            ..self.clone()
        })
    }

    /// Returns the factor after a token has opened a session; `None` when it has done so before.
    pub fn with_token_used(&self, token: UsedToken, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        after.used_tokens.retain(|used| used.expires_at > now);
        let is_new = after.used_tokens.iter().all(|used| used.id != token.id);
        after.used_tokens.push(token);
        is_new.then_some(after)
    }

    /// Returns the factor after the recovery code with this hash was used; `None` when there is no
    /// such unused code.
    pub fn with_recovery_code_used(&self, hash: &str) -> Option<Self> {
        let at = self.recovery_hashes.iter().position(|known| known == hash)?;
        let mut after = Self { version: self.version + 1, ..self.clone() };
        after.recovery_hashes.remove(at);
        Some(after)
    }
}

/// A six-digit code of an authenticator app. White space between the digits is ignored.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpCode(String);

impl TotpCode {
    /// Returns the six digits.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl FieldValue for TotpCode {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let digits: String = string(value)?.chars().filter(|c| !c.is_whitespace()).collect();
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_code {
            Ok(Self(digits))
        } else {
            Err(Reason::new("invalid", "Must be the six digits that the app shows."))
        }
    }

    fn schema() -> Object {
        schema::grouped("The six digits that the app shows.", "[0-9]", "", [6], "123456")
    }
}

/// The lengths of recovery codes in characters of five bits: those of today, and the first ones.
const RECOVERY_CODE_LENGTHS: [usize; 2] = [26, 16];

/// A recovery code: 26 letters and digits, or 16 if it is an early one. Case, white space and
/// hyphens are ignored.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// Creates a code in the form that is shown and hashed: lower case, in groups of four.
    pub fn new(characters: &str) -> Self {
        let characters = characters.to_ascii_lowercase().into_bytes();
        let groups: Vec<String> =
            characters.chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
        Self(groups.join("-"))
    }

    /// Returns the code.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FieldValue for RecoveryCode {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let characters: String =
            string(value)?.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let is_code = RECOVERY_CODE_LENGTHS.contains(&characters.len())
            && characters.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_code {
            Ok(Self::new(&characters))
        } else {
            Err(Reason::new("invalid", "Must be one of the recovery codes."))
        }
    }

    fn schema() -> Object {
        schema::grouped(
            "One of the recovery codes.",
            "[0-9A-Za-z]",
            "\\-",
            RECOVERY_CODE_LENGTHS,
            "abcd-efgh-2345-wxyz-abcd-efgh-23",
        )
    }
}

schema::response_schema!(RecoveryCode);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn factor() -> SecondFactor {
        let user = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        SecondFactor {
            recovery_hashes: vec!["a".to_owned(), "b".to_owned()],
            ..SecondFactor::pending(user, "SECRET".to_owned())
        }
    }

    #[test]
    fn a_used_time_step_voids_itself_and_earlier_ones() {
        let used = factor().with_step_used(7).unwrap();
        assert_eq!((used.last_step, used.version), (7, 2));
        assert!(used.with_step_used(7).is_none() && used.with_step_used(6).is_none());
        assert_eq!(used.with_step_used(8).map(|used| used.last_step), Some(8));
    }

    #[test]
    fn a_recovery_code_is_used_once() {
        let used = factor().with_recovery_code_used("a").unwrap();
        assert_eq!((used.recovery_hashes.as_slice(), used.version), (&["b".to_owned()][..], 2));
        assert!(used.with_recovery_code_used("a").is_none());
    }

    #[test]
    fn a_token_opens_one_session_and_is_forgotten_when_it_expires() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let token = |id, second| UsedToken { id: Uuid::from_u128(id), expires_at: at(second) };
        let used = factor().with_token_used(token(1, 300), at(0)).unwrap();
        assert!(used.with_token_used(token(1, 300), at(299)).is_none());
        let used = used.with_token_used(token(2, 400), at(300)).unwrap();
        assert_eq!(used.used_tokens, [token(2, 400)]);
    }

    #[test]
    fn grouping_and_case_of_codes_are_ignored() {
        let code = |value| {
            TotpCode::from_json(&value)
                .map(|code| code.digits().to_owned())
                .map_err(|reason| reason.code)
        };
        assert_eq!(code(json!(" 123 456")), Ok("123456".to_owned()));
        for value in [
            json!(123_456),
            json!("12345"),
            json!("1234567"),
            json!("12345a"),
            json!("１２３４５６"),
            json!(""),
        ] {
            assert_eq!(code(value), Err("invalid"));
        }
        let code = |value| {
            RecoveryCode::from_json(&value)
                .map(|code| code.expose().to_owned())
                .map_err(|reason| reason.code)
        };
        for value in ["ABCD-efgh-2345-wxyz", "abcdefgh2345wxyz", " abcd efgh 2345 wxyz "] {
            assert_eq!(code(json!(value)), Ok("abcd-efgh-2345-wxyz".to_owned()));
        }
        let long = "abcd-efgh-2345-wxyz-abcd-efgh-23";
        assert_eq!(code(json!(long.to_uppercase())), Ok(long.to_owned()));
        for value in [
            json!("abcd-efgh-2345-wxyz-abcd"),
            json!("abcd-efgh-2345-wxy"),
            json!("abcd-efgh-2345-wxy!"),
            json!(7),
        ] {
            assert_eq!(code(value), Err("invalid"));
        }
    }
}
