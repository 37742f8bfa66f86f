//! Tokens of known devices, which a client stores and sends with the next sign-in.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::{random, sha256_base64url};
use domain::device::PLACES;
use domain::id::UserId;
use uuid::Uuid;

/// The token of a known device. It signs nobody in: it only lets attempts of the device be counted
/// by themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceToken {
    /// The user who has signed in.
    pub user_id: UserId,
    /// The place of the device among those of the user.
    pub place: u8,
    secret: [u8; 32],
}

impl DeviceToken {
    /// Generates a token for a device in its place; a new device gets a random one.
    pub fn generate(user_id: UserId, place: Option<u8>) -> Self {
        let [by_chance] = random::<1>();
        Self { user_id, place: place.unwrap_or(by_chance) % PLACES, secret: random() }
    }

    /// Parses what a client presents; `None` if it does not have the form of such a token.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 49] = BASE64_URL_SAFE_NO_PAD.decode(text.trim()).ok()?.try_into().ok()?;
        let (user_id, rest) = bytes.split_first_chunk::<16>()?;
        let (place, secret) = rest.split_first()?;
        (*place < PLACES).then_some(Self {
            user_id: Uuid::from_bytes(*user_id).into(),
            place: *place,
            secret: secret.try_into().ok()?,
        })
    }

    /// Returns the token for the client: base64url of user id, place and secret.
    pub fn reveal(&self) -> String {
        BASE64_URL_SAFE_NO_PAD
            .encode([&self.user_id.as_bytes()[..], &[self.place], &self.secret].concat())
    }

    /// Returns the hash that is stored: SHA-256 of the secret, base64url.
    pub fn hash(&self) -> String {
        sha256_base64url(&self.secret)
    }
}

impl std::fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_token_is_read_back() {
        let token = DeviceToken::generate(clock::new_id(), Some(7));
        assert_eq!(token.place, 7);
        let text = token.reveal();
        assert!(DeviceToken::parse(&format!(" {text} ")) == Some(token.clone()));
        assert!(DeviceToken::generate(token.user_id, Some(7)) != token);
        assert_ne!(token.hash(), text);
        assert_eq!(format!("{token:?}"), "DeviceToken(..)");
        assert!(DeviceToken::generate(token.user_id, None).place < PLACES);
    }

    #[test]
    fn what_is_no_token_is_not_parsed() {
        let text = DeviceToken::generate(clock::new_id(), None).reveal();
        let elsewhere = BASE64_URL_SAFE_NO_PAD.encode([255; 49]);
        for text in ["", "token", &text[4..], &format!("{text}AAAA"), &elsewhere, "\u{e9}"] {
            assert!(DeviceToken::parse(text).is_none(), "{text}");
        }
    }
}
