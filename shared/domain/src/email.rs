//! Use [`Email`] for the addresses of users: mails can be sent to it, and [`Email::normalized`]
//! identifies an account.

use std::borrow::Cow;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat};

use crate::field::{FieldValue, Reason, string};
use crate::schema;

/// An email address as typed, with the domain in lower case and in ASCII.
///
/// Addresses that differ in case only belong to one account: compare with [`Email::normalized`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

/// Maximum length in characters (RFC 5321, section 4.5.3.1.3).
pub const MAX: usize = 254;

impl Email {
    /// Parses an address, ignoring white space around it. A domain with characters outside ASCII is
    /// converted to the form in which it is registered (Punycode).
    ///
    /// # Errors
    /// `blank`, `too_long`, or `invalid` when it is not an address. Before the `@`, only ASCII is
    /// accepted, because SES does not deliver to other addresses.
    pub fn parse(raw: &str) -> Result<Self, Reason> {
        let typed = raw.trim();
        if typed.is_empty() {
            return Err(Reason::new("blank", "Must not be blank."));
        }
        let invalid = || Reason::new("invalid", "Must be an email address.");
        // Converting takes longer than linear time.
        if typed.chars().count() > MAX {
            return Err(Reason::too_long(MAX));
        }
        let text = with_ascii_domain(typed).ok_or_else(invalid)?;
        if text.chars().count() > MAX {
            return Err(Reason::too_long(MAX));
        }
        let options =
            Options::default().with_required_tld().without_domain_literal().without_display_text();
        let address = EmailAddress::parse_with_options(&text, options)
            .ok()
            .filter(|_| text.is_ascii() && !text.contains(['"', ' ']))
            .ok_or_else(invalid)?;
        Ok(Self(format!("{}@{}", address.local_part(), address.domain().to_ascii_lowercase())))
    }

    /// Returns the address as shown and used for sending.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address in lower case. It identifies an account.
    pub fn normalized(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Returns an address with its domain in ASCII; `None` if the domain cannot be registered.
fn with_ascii_domain(typed: &str) -> Option<Cow<'_, str>> {
    match typed.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            let ascii = idna::domain_to_ascii_strict(domain).ok()?;
            Some(Cow::Owned(format!("{local}@{ascii}")))
        }
        _ => Some(Cow::Borrowed(typed)),
    }
}

/// Hides the address, so that it never reaches a log.
impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Email(..)")
    }
}

impl FromStr for Email {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        Self::parse(text)
    }
}

impl FieldValue for Email {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        Self::parse(string(value)?)
    }

    fn schema() -> Object {
        described(
            KnownFormat::IdnEmail,
            "An email address. Addresses that differ in case only are the same. Before the `@` \
             are characters of ASCII only. A domain such as `münchen.de` is returned in ASCII, as \
             `xn--mnchen-3ya.de`.",
        )
    }
}

// Responses have the domain in ASCII.
schema::response_schema!(
    Email,
    described(KnownFormat::Email, "An email address, with its domain in lower case and ASCII.")
);

fn described(format: KnownFormat, description: &str) -> Object {
    schema::string(description, 5, MAX, "jane@example.com")
        .format(Some(SchemaFormat::KnownFormat(format)))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_case_are_the_same() {
        let (one, other) = (
            Email::parse(" Jane.Doe@Example.COM ").unwrap(),
            Email::parse("jane.doe@example.com").unwrap(),
        );
        assert_eq!(one.as_str(), "Jane.Doe@example.com");
        assert_eq!(one.normalized(), other.normalized());
    }

    #[test]
    fn internationalized_domains_are_converted() {
        for (typed, stored) in [
            ("x@münchen.de", "x@xn--mnchen-3ya.de"),
            ("X@MÜNCHEN.de", "X@xn--mnchen-3ya.de"),
            ("x@mu\u{308}nchen.de", "x@xn--mnchen-3ya.de"),
            ("x@straße.de", "x@xn--strae-oqa.de"),
            ("x@例え。テスト", "x@xn--r8jz45g.xn--zckzah"),
            ("x@xn--mnchen-3ya.de", "x@xn--mnchen-3ya.de"),
        ] {
            assert_eq!(Email::parse(typed).unwrap().as_str(), stored, "{typed:?}");
        }
        for typed in ["x@mün chen.de", "x@-ü-.de", "x@ü", "jané@münchen.de", "x@\u{200b}"] {
            assert_eq!(Email::parse(typed).unwrap_err().code, "invalid", "{typed:?}");
        }
        let long = format!("{}@{}.de", "a".repeat(64), vec!["ü".repeat(30); 6].join("."));
        assert_eq!(Email::parse(&long).unwrap_err().code, "too_long", "it is longer in ASCII");
    }

    #[test]
    fn apostrophes_stay() {
        assert_eq!(Email::parse("o'brien@example.com").unwrap().as_str(), "o'brien@example.com");
    }

    #[test]
    fn the_documented_minimum_length_is_that_of_the_shortest_address() {
        let shortest = "0@0.a";
        assert!(Email::parse(shortest).is_ok());
        assert_eq!(<Email as FieldValue>::schema().min_length, Some(shortest.len()));
    }

    #[test]
    fn invalid_addresses_are_refused() {
        for text in [
            "plain",
            "a@b",
            "@example.com",
            "a@",
            "a b@example.com",
            "Jane <jane@example.com>",
            "a@[127.0.0.1]",
            "jané@example.com",
            "\"a b\"@example.com",
        ] {
            assert_eq!(Email::parse(text).unwrap_err().code, "invalid", "{text:?}");
        }
        assert_eq!(
            Email::parse(&format!("{}@example.com", "a".repeat(250))).unwrap_err().code,
            "too_long"
        );
    }
}
