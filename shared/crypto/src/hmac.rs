//! Use [`HmacKey`] to recognize texts of our own when they come back: message authentication.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::hmac;

use crate::secret::FIRST_VERSION;
use crate::{RotatingSecret, Secret, derive_key};

/// A key for HMAC-SHA256 (RFC 2104). Only holders of the key can make or verify a tag.
///
/// A tag names the version of the secret: `2.<tag>`. Without a number it is of the first one.
#[derive(Clone)]
pub struct HmacKey {
    secret: RotatingSecret,
    is_derived: bool,
}

impl HmacKey {
    /// Derives a key from `secret`, so that the secret can serve other purposes as well.
    pub fn derive(secret: impl Into<RotatingSecret>) -> Self {
        Self { secret: secret.into(), is_derived: true }
    }

    /// Uses `secret` as the key, as it is. It should then serve no other purpose.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self { secret: secret.into(), is_derived: false }
    }

    /// Returns the tag of `data`, base64url without padding.
    pub fn sign(&self, data: &[u8]) -> String {
        let versions = self.secret.versions();
        let (id, secret) = versions.current();
        let tag = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key(secret), data));
        if id == FIRST_VERSION { tag } else { format!("{id}.{tag}") }
    }

    /// Returns whether `tag` is the tag of `data`, in constant time.
    pub fn verify(&self, data: &[u8], tag: &str) -> bool {
        let (id, tag) = match tag.split_once('.') {
            None => (Some(FIRST_VERSION), tag),
            Some((id, tag)) => (id.parse().ok(), tag),
        };
        let versions = self.secret.versions();
        id.and_then(|id| versions.get(id)).is_some_and(|secret| {
            BASE64_URL_SAFE_NO_PAD
                .decode(tag)
                .is_ok_and(|tag| hmac::verify(&self.key(secret), data, &tag).is_ok())
        })
    }

    fn key(&self, secret: &Secret) -> hmac::Key {
        let secret = secret.expose().as_bytes();
        if self.is_derived {
            hmac::Key::new(hmac::HMAC_SHA256, &derive_key(secret, "prove 1"))
        } else {
            hmac::Key::new(hmac::HMAC_SHA256, secret)
        }
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
    use crate::secret::tests::versions;

    const SECRET: &str = "a secret for tests";

    #[test]
    fn a_tag_is_valid_for_one_text_and_one_secret() {
        let key = HmacKey::derive(SECRET);
        let tag = key.sign(b"session");
        assert!(key.verify(b"session", &tag));
        assert!(!key.verify(b"another session", &tag));
        assert!(!HmacKey::derive("another secret").verify(b"session", &tag));
        for wrong in ["", "not base64!", &tag[1..], &format!("{tag}A")] {
            assert!(!key.verify(b"session", wrong), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "HmacKey(..)");
    }

    #[test]
    fn tags_stay_those_in_use() {
        // Computed with Python's hmac.
        assert_eq!(
            HmacKey::derive(SECRET).sign(b"session"),
            "Tn0CD9bbJTR-HuMjpVrejCZIm46PSxhsgxA6LhlMuWs"
        );
        assert_eq!(
            HmacKey::new(SECRET).sign(b"session"),
            "fCDk2qMOvQA91bCRrwUQuQXmE5CMV2mmOaBiZTL7YqE"
        );
    }

    #[test]
    fn tags_outlive_a_rotation() {
        let secret = RotatingSecret::from(versions(&[1], 1));
        for key in [HmacKey::derive(&secret), HmacKey::new(&secret)] {
            secret.replace(versions(&[1], 1));
            let before = key.sign(b"session");
            secret.replace(versions(&[1, 2], 2));
            let after = key.sign(b"session");
            assert!(after.starts_with("2.") && key.verify(b"session", &after));
            assert!(key.verify(b"session", &before));
            for wrong in [&after[2..], &format!("2.{before}"), &format!("3.{}", &after[2..]), "2."]
            {
                assert!(!key.verify(b"session", wrong), "{wrong}");
            }
            secret.replace(versions(&[2], 2));
            assert!(key.verify(b"session", &after) && !key.verify(b"session", &before));
        }
    }
}
