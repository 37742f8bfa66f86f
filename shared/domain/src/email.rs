//! Email addresses.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, Object, SchemaFormat};

use crate::field::{FieldValue, Reason, string};
use crate::schema;

/// An email address as typed, with the domain in lower case.
///
/// Addresses that differ in case only belong to one account: compare with [`Email::normalized`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

/// Maximum length in characters (RFC 5321, section 4.5.3.1.3).
pub const MAX: usize = 254;

impl Email {
    /// Parses an address, ignoring white space around it.
    ///
    /// # Errors
    /// `blank`, `too_long`, or `invalid` when it is not an address. Only ASCII is accepted, because
    /// SES does not deliver to other addresses.
    pub fn parse(raw: &str) -> Result<Self, Reason> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(Reason::new("blank", "Must not be blank."));
        }
        if text.chars().count() > MAX {
            return Err(Reason::new("too_long", format!("Must have at most {MAX} characters.")));
        }
        let options =
            Options::default().with_required_tld().without_domain_literal().without_display_text();
        let address = EmailAddress::parse_with_options(text, options)
            .ok()
            .filter(|_| text.is_ascii() && !text.contains(['"', ' ']))
            .ok_or_else(|| Reason::new("invalid", "Must be an email address."))?;
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
        let email = SchemaFormat::KnownFormat(KnownFormat::Email);
        schema::string(
            "An email address. Addresses that differ in case only are the same.",
            5,
            MAX,
            "jane@example.com",
        )
        .format(Some(email))
        .build()
    }
}

schema::response_schema!(Email);

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
    fn the_documented_minimum_length_is_that_of_the_shortest_address() {
        let shortest = "0@0.a";
        assert!(Email::parse(shortest).is_ok());
        assert_eq!(Email::schema().min_length, Some(shortest.len()));
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
