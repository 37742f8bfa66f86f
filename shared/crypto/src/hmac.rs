//! Message authentication: recognizing texts of our own when they come back.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::hmac;

use crate::{Secret, derive_key};

/// A key for HMAC-SHA256 (RFC 2104). Only holders of the key can make or verify a tag.
#[derive(Clone)]
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// Derives a key from `secret`, so that the secret can serve other purposes as well.
    pub fn derive(secret: &Secret) -> Self {
        Self::from_bytes(&derive_key(secret.expose().as_bytes(), "prove 1"))
    }

    /// Uses `bytes` as the key, as they are. The secret should then serve no other purpose.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Returns the tag of `data`, base64url without padding.
    pub fn sign(&self, data: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, data))
    }

    /// Returns whether `tag` is the tag of `data`, in constant time.
    pub fn verify(&self, data: &[u8], tag: &str) -> bool {
        BASE64_URL_SAFE_NO_PAD
            .decode(tag)
            .is_ok_and(|tag| hmac::verify(&self.0, data, &tag).is_ok())
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret for tests";

    #[test]
    fn a_tag_is_valid_for_one_text_and_one_secret() {
        let key = HmacKey::derive(&Secret::new(SECRET));
        let tag = key.sign(b"session");
        assert!(key.verify(b"session", &tag));
        assert!(!key.verify(b"another session", &tag));
        assert!(!HmacKey::derive(&Secret::new("another secret")).verify(b"session", &tag));
        for wrong in ["", "not base64!", &tag[1..], &format!("{tag}A")] {
            assert!(!key.verify(b"session", wrong), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "HmacKey(..)");
    }

    #[test]
    fn tags_stay_those_in_use() {
        // Computed with Python's hmac.
        assert_eq!(
            HmacKey::derive(&Secret::new(SECRET)).sign(b"session"),
            "Tn0CD9bbJTR-HuMjpVrejCZIm46PSxhsgxA6LhlMuWs"
        );
        assert_eq!(
            HmacKey::from_bytes(SECRET.as_bytes()).sign(b"session"),
            "fCDk2qMOvQA91bCRrwUQuQXmE5CMV2mmOaBiZTL7YqE"
        );
    }
}
