//! Text typed by users: trimmed, in Unicode normalization form C, without control characters, of
//! limited length.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::openapi::schema::Object;

use crate::field::{FieldValue, Reason, string};
use crate::schema::{self, Lines};

/// Trims and normalizes `raw`; refuses control characters and more than `max` characters.
fn clean(raw: &str, max: usize, lines: Lines) -> Result<String, Reason> {
    let text: String = raw.trim().nfc().collect();
    let forbidden =
        |c: char| c.is_control() && !(lines == Lines::Many && matches!(c, '\n' | '\r' | '\t'));
    if text.chars().any(forbidden) {
        return Err(Reason::new("invalid", "Must not contain control characters."));
    }
    if text.chars().count() > max {
        return Err(Reason::new("too_long", format!("Must have at most {max} characters.")));
    }
    Ok(text)
}

macro_rules! text {
    ($(#[doc = $doc:literal])* $name:ident, max $max:literal, $lines:ident, $blank:ident,
        $example:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Maximum length in characters.
            pub const MAX: usize = $max;

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Trims, normalizes and checks a text.
            ///
            /// # Errors
            /// `blank` if the text must not be blank, `too_long`, `invalid` for control characters.
            pub fn parse(raw: &str) -> Result<Self, Reason> {
                let text = clean(raw, $max, Lines::$lines)?;
                if text.is_empty() && !text!(@$blank) {
                    return Err(Reason::new("blank", "Must not be blank."));
                }
                Ok(Self(text))
            }
        }

        impl FieldValue for $name {
            fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
                Self::parse(string(value)?)
            }

            fn schema() -> Object {
                schema::text(&schema::description(&[$($doc),*]), Lines::$lines, text!(@$blank),
                    $max, $example)
            }
        }

        schema::response_schema!($name);
    };
    (@not_blank) => { false };
    (@may_be_blank) => { true };
}

text!(
    /// A first or last name; may be empty.
    Name, max 255, One, may_be_blank, "Jane"
);
text!(
    /// A telephone number as typed, in any format.
    PhoneNumber, max 15, One, may_be_blank, "+43 1 234567"
);
text!(
    /// A patient's postal address. Never shown to doctors.
    Address, max 1000, Many, may_be_blank, "12 Long Lane, Springfield"
);
text!(
    /// A doctor's specialization, as typed.
    Specialization, max 255, One, not_blank, "Cardiology"
);
text!(
    /// The number of a doctor's licence to practise.
    LicenseNumber, max 255, One, not_blank, "MD-1001"
);
text!(
    /// A patient's description of a record.
    Description, max 5000, Many, may_be_blank, "Blood test"
);
text!(
    /// The text of an annotation.
    Note, max 5000, Many, not_blank, "All values are normal."
);

text!(
    /// The reason for a decision of staff.
    Justification, max 1000, Many, not_blank, "The licence is in the register."
);

impl Specialization {
    /// Returns the form for comparing specializations: `"Family  Medicine"` and `"family medicine"`
    /// are equal.
    pub fn slug(&self) -> String {
        slug(&self.0)
    }
}

/// Returns the text in lower case, with a hyphen for each run of characters that are not letters or
/// digits.
pub fn slug(text: &str) -> String {
    let lower = text.nfc().collect::<String>().to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Returns the form in which names are sorted and searched: lower case, without `#`, which
/// separates the parts of a key.
pub fn sort_key(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase().replace('#', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_normalized() {
        assert_eq!(Name::parse("  Jose\u{301} ").unwrap().as_str(), "José");
        assert_eq!(Description::parse("two\nlines").unwrap().as_str(), "two\nlines");
    }

    #[test]
    fn invalid_text_is_refused_with_a_code() {
        let code = |result: Result<Name, Reason>| result.unwrap_err().code;
        assert_eq!(code(Name::parse("a\u{0}b")), "invalid");
        assert_eq!(code(Name::parse("two\nlines")), "invalid");
        assert_eq!(code(Name::parse(&"x".repeat(256))), "too_long");
        assert_eq!(Note::parse(" \n ").unwrap_err().code, "blank");
        assert!(Name::parse(&"é".repeat(255)).is_ok(), "lengths must count characters, not bytes");
    }

    #[test]
    fn specializations_are_compared_by_slug() {
        let slug = |text| Specialization::parse(text).unwrap().slug();
        assert_eq!(slug("Family  Medicine"), slug(" family-medicine"));
        assert_eq!(slug("Hals-Nasen-Ohren / Phoniatrie"), "hals-nasen-ohren-phoniatrie");
    }
}
