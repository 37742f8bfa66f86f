//! Sealing: encrypting values so that they can be neither read, changed nor used elsewhere.
//!
//! A sealed value is a version byte, a random nonce and what ChaCha20-Poly1305 (RFC 8439) makes of
//! the plain value. Opening needs the same associated data as sealing: it says what the value is
//! for, so that a value sealed for one use is refused for every other.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Secret, derive_key, infallible, random};

/// The first byte of a sealed value: the layout of the rest.
const FORMAT_VERSION: u8 = 1;

/// Seals values that a client keeps for us, such as page cursors and cookies. Sealed, they are
/// base64url without padding.
///
/// A key is good for 2^32 values, because nonces are random.
#[derive(Clone)]
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// Creates a sealer with a key derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self::with_key(&derive_key(secret.expose().as_bytes(), "seal 1"))
    }

    fn with_key(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(infallible(
            UnboundKey::new(&CHACHA20_POLY1305, key),
            "the key has the algorithm's length",
        )))
    }

    /// Seals `plain` for the use that `associated_data` names.
    pub fn seal(&self, associated_data: &[u8], plain: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.seal_bytes(associated_data, plain))
    }

    fn seal_bytes(&self, associated_data: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_LEN>();
        let mut text = plain.to_vec();
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated_data),
            &mut text,
        );
        infallible(sealed, "a text that fits into memory is below the algorithm's limit");
        [&[FORMAT_VERSION], &nonce[..], &text].concat()
    }

    /// Returns what was sealed; `None` for anything that [`Sealer::seal`] has not made with the
    /// same key and `associated_data`.
    pub fn open(&self, associated_data: &[u8], sealed: &str) -> Option<Vec<u8>> {
        self.open_bytes(associated_data, &BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    fn open_bytes(&self, associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) =
            sealed.strip_prefix(&[FORMAT_VERSION])?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let plain = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(associated_data),
                &mut text,
            )
            .ok()?;
        Some(plain.to_vec())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Derives a [`SealingKey`] for each name, for values that are stored where others can look:
/// without the name a value can be neither found nor read. Names are not stored.
#[derive(Clone)]
pub struct KeyRing([u8; 32]);

/// The key for one name of a [`KeyRing`], and the label under which its value is stored.
#[derive(Clone, Debug)]
pub struct SealingKey {
    label: String,
    sealer: Sealer,
}

impl KeyRing {
    /// Creates a key ring whose keys are derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self(derive_key(secret.expose().as_bytes(), "safe 1"))
    }

    /// Derives the key for a name. Its parts must not contain NUL.
    pub fn sealing_key(&self, name: &[&str]) -> SealingKey {
        let name = name.join("\0");
        let key = |purpose: &str| derive_key(&self.0, &format!("{purpose}\0{name}"));
        SealingKey {
            label: BASE64_URL_SAFE_NO_PAD.encode(key("label")),
            sealer: Sealer::with_key(&key("seal")),
        }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

impl SealingKey {
    /// Returns the label under which the value is stored: 43 characters that reveal nothing about
    /// the name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Seals `plain` for the use that `associated_data` names.
    pub fn seal(&self, associated_data: &[u8], plain: &[u8]) -> Vec<u8> {
        self.sealer.seal_bytes(associated_data, plain)
    }

    /// Returns what was sealed; `None` for anything that [`SealingKey::seal`] has not made with the
    /// same key and `associated_data`.
    pub fn open(&self, associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.sealer.open_bytes(associated_data, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new("a secret for tests")
    }

    fn sealer() -> Sealer {
        Sealer::new(&secret())
    }

    #[test]
    fn what_was_sealed_can_be_opened() {
        for plain in [&b""[..], b"position", &[0; 4096]] {
            assert_eq!(sealer().open(b"list", &sealer().seal(b"list", plain)).unwrap(), plain);
        }
        assert_ne!(sealer().seal(b"list", b"position"), sealer().seal(b"list", b"position"));
    }

    #[test]
    fn nothing_else_can_be_opened() {
        let sealed = sealer().seal(b"list", b"position");
        assert!(sealer().open(b"another list", &sealed).is_none());
        assert!(Sealer::new(&Secret::new("another secret")).open(b"list", &sealed).is_none());
        assert!(sealer().open(b"list", &format!("{sealed}=")).is_none(), "padding");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert!(
                sealer().open(b"list", &BASE64_URL_SAFE_NO_PAD.encode(forged)).is_none(),
                "byte {at}"
            );
        }
        for length in 0..bytes.len() {
            assert!(
                sealer().open(b"list", &BASE64_URL_SAFE_NO_PAD.encode(&bytes[..length])).is_none(),
                "length {length}"
            );
        }
        for text in ["", "not base64!", "é"] {
            assert!(sealer().open(b"list", text).is_none());
        }
    }

    #[test]
    fn the_key_for_a_name_opens_only_what_was_sealed_under_that_name() {
        let ring = KeyRing::new(&secret());
        let key = ring.sealing_key(&["user", "key"]);
        let sealed = key.seal(b"body", b"response");
        let same = ring.sealing_key(&["user", "key"]);
        assert_eq!(
            (same.label(), same.open(b"body", &sealed).as_deref()),
            (key.label(), Some(&b"response"[..]))
        );
        assert_eq!(key.label().len(), 43);
        assert!(same.open(b"another body", &sealed).is_none());
        for other in [
            ring.sealing_key(&["user", "kez"]),
            ring.sealing_key(&["userkey"]),
            ring.sealing_key(&["user", "key", ""]),
            KeyRing::new(&Secret::new("another secret")).sealing_key(&["user", "key"]),
        ] {
            assert_ne!(other.label(), key.label());
            assert!(other.open(b"body", &sealed).is_none());
        }
        assert_eq!(format!("{ring:?}"), "KeyRing(..)");
        assert!(!format!("{key:?}").contains("user"));
    }

    #[test]
    fn values_sealed_before_can_be_opened() {
        // Sealed with the Python package cryptography, with the nonce 0, 1, ..., 11.
        let sealed = "AQABAgMEBQYHCAkKC9Llo9cRwOkd_fXwHhA2rOGdmCKyju0raQ";
        assert_eq!(sealer().open(b"list", sealed).unwrap(), b"position");
        let key = KeyRing::new(&secret()).sealing_key(&["user", "key"]);
        assert_eq!(key.label(), "AEm5Q7QNHOv4MQEPLedoassGc3T_JVWNIU_GnF7SJIw");
        let sealed = "AQABAgMEBQYHCAkKC7vrF8C4nISEMXdm3j8WilEFzl7tjdPP6Q";
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap();
        assert_eq!(key.open(b"body", &sealed).unwrap(), b"response");
    }
}
