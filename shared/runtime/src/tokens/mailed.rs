//! Tokens in mails: 32 random bytes, stored as a hash, valid for one use.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::{random, sha256_base64url};

/// A token that is sent in a mail: its sender has read the mail.
#[derive(Clone, PartialEq, Eq)]
pub struct MailTokenSecret([u8; 32]);

impl MailTokenSecret {
    /// Generates a token.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Parses what a client presents; `None` if it does not have the form of such a token. Ignores
    /// white space around it, which copying may add.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text.trim()).ok()?.try_into().ok().map(Self)
    }

    /// Returns the token as written in the mail: base64url.
    pub fn reveal(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Returns the hash that is stored: SHA-256, base64url.
    pub fn hash(&self) -> String {
        sha256_base64url(&self.0)
    }
}

impl std::fmt::Debug for MailTokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailedToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_mail() {
        let token = MailTokenSecret::generate();
        let text = token.reveal();
        assert_eq!(text.len(), 43);
        assert!(MailTokenSecret::parse(&format!(" {text}\n")) == Some(token.clone()));
        assert!(MailTokenSecret::generate() != token);
        assert_ne!(token.hash(), text);
        assert_eq!(token.hash(), sha256_base64url(&token.0));
        assert_eq!(format!("{token:?}"), "MailedToken(..)");
    }

    #[test]
    fn what_is_no_token_is_not_parsed() {
        let text = MailTokenSecret::generate().reveal();
        for text in ["", "token", &text[1..], &format!("{text}A"), &format!("{text}="), "é"] {
            assert!(MailTokenSecret::parse(text).is_none(), "{text}");
        }
    }
}
