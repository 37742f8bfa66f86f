//! Use [`Password`] for a password that is checked at a sign-in, and [`NewPassword`] for a new
//! password, which must be strong enough.

use unicode_normalization::{UnicodeNormalization, is_nfc};
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat};

use zxcvbn::{Score, zxcvbn};

use crate::email::Email;
use crate::field::{FieldValue, Reason, string};
use crate::invisible::is_visible;
use crate::schema;
use crate::text::Name;

/// Minimum length in visible characters. A deployment may require more.
pub const MIN: usize = 8;
/// Maximum length in characters. It limits the cost of hashing.
pub const MAX: usize = 128;

/// The list of common passwords by Royce Williams, as shipped with Django, without those shorter
/// than [`MIN`]: in lower case, one per line, sorted by bytes.
static COMMON: &str = include_str!("common_passwords.txt");

/// Words that attackers try first at this service.
const WORDS_OF_THE_SERVICE: [&str; 8] =
    ["health", "records", "record", "hospital", "clinic", "doctor", "patient", "medical"];

/// A password, never trimmed and never logged.
///
/// It is hashed in Unicode normalization form C (NIST SP 800-63B, 3.1.1.2): a Mac may send `é` as
/// two characters, Windows as one.
pub struct Password {
    normalized: String,
    /// The password as it was sent, if that differs from the normalized form.
    raw: Option<String>,
}

impl Password {
    /// Returns the normalized password, for hashing.
    pub fn expose(&self) -> &str {
        &self.normalized
    }

    /// Returns the password as it was sent, if that differs from the normalized form. Services that
    /// do not normalize have hashed this form.
    pub fn expose_raw(&self) -> Option<&str> {
        self.raw.as_deref()
    }

    /// Checks that a new password has at least `min` visible characters.
    ///
    /// # Errors
    /// `blank`, `too_short`.
    pub fn check_length(&self, min: usize) -> Result<(), Reason> {
        match self.normalized.chars().filter(|c| is_visible(*c) && !c.is_control()).count() {
            0 => Err(Reason::new("blank", "Must not be blank.")),
            length if length < min => {
                let message = format!("Must have at least {min} visible characters.");
                Err(Reason::new("too_short", message))
            }
            _ => Ok(()),
        }
    }

    /// Checks what can be said of a new password without its user: long enough, and not common.
    ///
    /// # Errors
    /// `blank`, `too_short`, `too_common`.
    fn check_alone(&self) -> Result<(), Reason> {
        self.check_length(MIN)?;
        if is_common(&self.normalized) {
            return Err(Reason::new(
                "too_common",
                "Is among the passwords that attackers try first.",
            ));
        }
        Ok(())
    }

    /// Checks a new password: long enough, not common, not similar to the user's address or names,
    /// and not easy to guess from these.
    ///
    /// # Errors
    /// `blank`, `too_short`, `too_common`, `too_similar`, `too_weak`.
    pub fn check_strength(self, email: Option<&Email>, names: &[&Name]) -> Result<Self, Reason> {
        self.check_alone()?;
        let email = email.map(Email::as_str).unwrap_or_default();
        let (local, domain) = email.split_once('@').unwrap_or_default();
        let mut parts = vec![email, local, domain];
        parts.extend(local.split(['.', '_', '-', '+']));
        parts.extend(names.iter().map(|name| name.as_str()));
        if parts.iter().any(|part| is_similar(&self.normalized, part)) {
            return Err(Reason::new(
                "too_similar",
                "Is too similar to your name or email address.",
            ));
        }
        parts.extend(WORDS_OF_THE_SERVICE);
        if zxcvbn(&self.normalized, &parts).score() < Score::Three {
            return Err(Reason::new(
                "too_weak",
                "Is easy to guess. Use several words that have nothing to do with each other.",
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
            1..=MAX if is_nfc(text) => Ok(Self { normalized: text.to_owned(), raw: None }),
            1..=MAX => Ok(Self { normalized: text.nfc().collect(), raw: Some(text.to_owned()) }),
            _ => Err(Reason::too_long(MAX)),
        }
    }

    fn schema() -> Object {
        schema("A password as typed. Unicode normalization makes no difference.", 1)
    }
}

/// A new password that is long enough and not common. A handler that knows the user also calls
/// [`Password::check_strength`].
#[derive(Debug)]
pub struct NewPassword(pub Password);

impl FieldValue for NewPassword {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let password = Password::from_json(value)?;
        password.check_alone().map(|()| Self(password))
    }

    fn schema() -> Object {
        schema(
            "A new password as typed, with at least 8 visible characters, or more where the \
             deployment requires it. Must not be a common password, similar to the user's name or \
             email address, or otherwise easy to guess.",
            MIN,
        )
    }
}

fn schema(description: &str, min: usize) -> Object {
    let password = SchemaFormat::KnownFormat(KnownFormat::Password);
    let schema = schema::string(description, min, MAX, "a long walk before breakfast")
        .format(Some(password));
    schema.pattern(Some(r"^[^\x00]*$")).build()
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
        for password in ["Passw0rd!", "Welcome1!", "Hospital1", "healthrecords", "Sunshine2024!"] {
            assert!(["too_common", "too_weak"].contains(&code(password)), "{password}");
        }
        assert_eq!(code(&"ab".repeat(60)), "too_weak");
        assert_eq!(code("Featherstone-Jane-1"), "too_similar");
    }

    #[test]
    fn only_visible_characters_count() {
        let code = |password: &str| check(password).unwrap_err().code;
        let invisible = "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}\u{115f}";
        assert_eq!(code(invisible), "blank");
        assert_eq!(code(&" ".repeat(40)), "blank");
        assert_eq!(code("        \u{3000}"), "blank");
        assert_eq!(code(&format!("{invisible}lamp-7q")), "too_short");
        let password = Password::from_json(&"three lamps".into()).unwrap();
        assert!(password.check_length(10).is_ok() && password.check_length(11).is_err());
    }

    #[test]
    fn a_password_is_normalized() {
        let composed = Password::from_json(&"caf\u{e9}".into()).unwrap();
        let decomposed = Password::from_json(&"cafe\u{301}".into()).unwrap();
        assert_eq!((composed.expose(), composed.expose_raw()), ("caf\u{e9}", None));
        assert_eq!(
            (decomposed.expose(), decomposed.expose_raw()),
            ("caf\u{e9}", Some("cafe\u{301}"))
        );
    }

    #[test]
    fn strong_passwords_are_accepted() {
        assert_eq!(check("  leading spaces count ").unwrap().expose(), "  leading spaces count ");
        assert!(check("correct horse battery staple").is_ok());
        assert!(check("xK7$mQ2pW").is_ok(), "nine random characters");
        let long: String =
            ('a'..='z').rev().flat_map(|c| [c, 'é', '7', '-', '!']).take(128).collect();
        assert!(check(&long).is_ok());
    }
}
