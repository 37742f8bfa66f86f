//! Passwords and their strength.

use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat};

use crate::email::Email;
use crate::field::{FieldValue, Reason, string};
use crate::schema;
use crate::text::Name;

/// Minimum length in characters.
pub const MIN: usize = 8;
/// Maximum length in characters. It limits the cost of hashing.
pub const MAX: usize = 128;

/// The list of common passwords by Royce Williams, as shipped with Django, without those shorter
/// than [`MIN`]: in lower case, one per line, sorted by bytes.
static COMMON: &str = include_str!("common_passwords.txt");

/// A password as typed, never trimmed and never logged.
pub struct Password(String);

impl Password {
    /// Returns the password, for hashing.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Checks a new password: long enough, not common, and not similar to the user's address or
    /// names.
    ///
    /// # Errors
    /// `too_short`, `too_long`, `too_common`, `too_similar`.
    pub fn check_strength(self, email: Option<&Email>, names: &[&Name]) -> Result<Self, Reason> {
        if self.0.chars().count() < MIN {
            return Err(Reason::new("too_short", format!("Must have at least {MIN} characters.")));
        }
        if is_common(&self.0) {
            return Err(Reason::new(
                "too_common",
                "Is among the passwords that attackers try first.",
            ));
        }
        let email = email.map(Email::as_str).unwrap_or_default();
        let (local, domain) = email.split_once('@').unwrap_or_default();
        let mut parts = vec![email, local, domain];
        parts.extend(local.split(['.', '_', '-', '+']));
        parts.extend(names.iter().map(|name| name.as_str()));
        if parts.iter().any(|part| is_similar(&self.0, part)) {
            return Err(Reason::new(
                "too_similar",
                "Is too similar to your name or email address.",
            ));
        }
        Ok(self)
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Accepts every password for a login: older passwords may not follow today's rules for new ones.
impl FieldValue for Password {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let text = string(value)?;
        match text.chars().count() {
            0 => Err(Reason::new("blank", "Must not be blank.")),
            1..=MAX => Ok(Self(text.to_owned())),
            _ => Err(Reason::new("too_long", format!("Must have at most {MAX} characters."))),
        }
    }

    fn schema() -> Object {
        schema("A password, exactly as typed.", 1)
    }
}

/// A new password, checked without the user's address and names.
#[derive(Debug)]
pub struct NewPassword(pub Password);

impl FieldValue for NewPassword {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        Password::from_json(value)?.check_strength(None, &[]).map(Self)
    }

    fn schema() -> Object {
        schema(
            "A new password, exactly as typed. Must not be a common password or similar to the \
             user's name or email address.",
            MIN,
        )
    }
}

fn schema(description: &str, min: usize) -> Object {
    let password = SchemaFormat::KnownFormat(KnownFormat::Password);
    let schema = schema::string(description, min, MAX, "a long walk before breakfast")
        .format(Some(password));
    schema.pattern(Some(r"^[^\u0000]*$")).build()
}

fn is_common(password: &str) -> bool {
    let password = password.to_lowercase();
    let lines = COMMON.as_bytes();
    // A binary search over bytes: `low` is always the start of a line, `high` always directly after
    // the end of one.
    let (mut low, mut high) = (0, lines.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = lines[low..middle]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(low, |at| low + at + 1);
        let end =
            lines[start..high].iter().position(|byte| *byte == b'\n').map_or(high, |at| start + at);
        match lines[start..end].cmp(password.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => low = (end + 1).min(high),
            std::cmp::Ordering::Greater => high = start,
        }
    }
    false
}

/// Returns whether the two share 70% of their characters in any order, as Django's validator does.
fn is_similar(password: &str, part: &str) -> bool {
    let (password, part) = (password.to_lowercase(), part.to_lowercase());
    let (ours, theirs) = (password.chars().count(), part.chars().count());
    // Short parts match by chance; much shorter parts are irrelevant to the password.
    if theirs < 3 || ours >= 10 * theirs {
        return false;
    }
    let mut left: Vec<char> = part.chars().collect();
    let shared = password
        .chars()
        .filter(|c| {
            left.iter().position(|other| other == c).map(|at| left.swap_remove(at)).is_some()
        })
        .count();
    20 * shared >= 7 * (ours + theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<Password, Reason> {
        let email = Email::parse("jane.doe@example.com").unwrap();
        let (first, last) = (Name::parse("Jane").unwrap(), Name::parse("Featherstone").unwrap());
        Password::from_json(&password.into())?.check_strength(Some(&email), &[&first, &last])
    }

    #[test]
    fn the_list_is_sorted_and_every_entry_is_found() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 8000);
        assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(lines.iter().all(|line| is_common(line)), "an entry is not found");
        assert!(
            !is_common("")
                && !is_common("zzzzzzzzzzzzzzz!")
                && !is_common("correct horse battery staple")
        );
    }

    #[test]
    fn weak_passwords_are_refused() {
        let code = |password: &str| check(password).unwrap_err().code;
        assert_eq!(code(""), "blank");
        assert_eq!(code("short77"), "too_short");
        assert_eq!(code("12345678"), "too_common");
        assert_eq!(code("PassWord"), "too_common");
        assert_eq!(code("jane.doe@example.com"), "too_similar");
        assert_eq!(code("featherstone1"), "too_similar");
        assert_eq!(code("enotsrehtaef"), "too_similar");
        assert_eq!(code(&"x".repeat(129)), "too_long");
    }

    #[test]
    fn strong_passwords_are_accepted_unchanged() {
        assert_eq!(check("  leading spaces count ").unwrap().expose(), "  leading spaces count ");
        assert!(check("correct horse battery staple").is_ok());
        assert!(check(&"ä7".repeat(64)).is_ok());
    }
}
