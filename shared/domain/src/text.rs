//! Text typed by users: trimmed, in Unicode normalization form C, without control characters, of
//! limited length. A single line has no invisible characters, which could change how it reads.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::openapi::schema::Object;

use crate::field::{FieldValue, Reason, string};
use crate::invisible::{is_blank, is_space, without_invisible};
use crate::schema::{self, Lines};

/// Trims and normalizes `raw`, and removes invisible characters from a line; refuses control
/// characters and more than `max` characters.
fn clean(raw: &str, max: usize, lines: Lines) -> Result<String, Reason> {
    let text: String = match lines {
        Lines::One => without_invisible(raw).trim_matches(is_space).nfc().collect(),
        Lines::Many => raw.trim().nfc().collect(),
    };
    if is_blank(&text) {
        return Ok(String::new());
    }
    let forbidden = |c: char| match lines {
        Lines::One => c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
        Lines::Many => c.is_control() && !matches!(c, '\n' | '\r' | '\t'),
    };
    if text.chars().any(forbidden) {
        return Err(Reason::new("invalid", "Must not contain control characters."));
    }
    if text.chars().count() > max {
        return Err(Reason::too_long(max));
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
    /// A telephone number as typed, in any format. Holds the longest international number (E.164)
    /// with its `+`, spaces and an extension.
    PhoneNumber, max 32, One, may_be_blank, "+43 1 234567"
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
    /// are equal. It is never empty.
    pub fn slug(&self) -> String {
        slug(&self.0)
    }
}

/// Returns the text in lower case, with a hyphen for each run of characters that are not letters or
/// digits. Of a text without any, the symbols stay.
pub fn slug(text: &str) -> String {
    let lower = text.nfc().collect::<String>().to_lowercase();
    let words = |separates: fn(char) -> bool| {
        lower.split(separates).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
    };
    match words(|c| !c.is_alphanumeric()) {
        slug if slug.is_empty() => words(char::is_whitespace),
        slug => slug,
    }
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
        assert_eq!(code(Name::parse("two\u{2028}lines")), "invalid");
        assert!(Name::parse(&"é".repeat(255)).is_ok(), "lengths must count characters, not bytes");
    }

    #[test]
    fn a_line_has_no_invisible_characters() {
        let line = |raw| Name::parse(raw).unwrap();
        assert_eq!(line("\u{200b} Ja\u{200b}ne\u{2067} \u{feff}").as_str(), "Jane");
        assert_eq!(line("Jose\u{200b}\u{301}").as_str(), "José", "it is normalized afterwards");
        assert_eq!(line("علی\u{200c}رضا").as_str(), "علی\u{200c}رضا");
        let text = "one\u{200e}\ntwo";
        assert_eq!(Note::parse(text).unwrap().as_str(), text, "several lines are kept as they are");
    }

    #[test]
    fn invisible_characters_do_not_fill_a_text() {
        for raw in ["\u{200b}", " \u{2066}\u{2069} ", "\u{3164}", "\u{e0041}", "\u{2800}"] {
            assert_eq!(Name::parse(raw).unwrap().as_str(), "", "{raw:?}");
            assert_eq!(Specialization::parse(raw).unwrap_err().code, "blank", "{raw:?}");
            assert_eq!(LicenseNumber::parse(raw).unwrap_err().code, "blank", "{raw:?}");
            assert_eq!(Note::parse(raw).unwrap_err().code, "blank", "{raw:?}");
            assert_eq!(Justification::parse(raw).unwrap_err().code, "blank", "{raw:?}");
        }
    }

    #[test]
    fn specializations_are_compared_by_slug() {
        let slug = |text| Specialization::parse(text).unwrap().slug();
        assert_eq!(slug("Family  Medicine"), slug(" family-medicine"));
        assert_eq!(slug("Hals-Nasen-Ohren / Phoniatrie"), "hals-nasen-ohren-phoniatrie");
    }

    #[test]
    fn specializations_of_symbols_differ() {
        let slug = |text| Specialization::parse(text).unwrap().slug();
        assert_eq!(slug(" \u{2764}  + "), "\u{2764}-+");
        let slugs = ["\u{2764}", "\u{1f9e0}", "+", "#", "-"].map(slug);
        for (index, slug) in slugs.iter().enumerate() {
            assert!(!slug.is_empty() && !slugs[..index].contains(slug), "{slug:?}");
        }
    }

    #[test]
    fn the_longest_telephone_numbers_fit() {
        for number in ["+491512345678901", "+49 (1512) 345 678 901 ext. 1234"] {
            assert_eq!(PhoneNumber::parse(number).map(|it| it.0), Ok(number.to_owned()));
        }
        assert_eq!(PhoneNumber::parse(&"1".repeat(33)).unwrap_err().code, "too_long");
    }
}
