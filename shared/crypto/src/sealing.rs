//! Sealing: encrypting values so that they can be neither read, changed nor used elsewhere.
//!
//! A sealed value is a format byte, the id of the secret's version, a random nonce and what
//! ChaCha20-Poly1305 (RFC 8439) makes of the plain value. Opening needs the same associated data as
//! sealing: it says what the value is for, so that a value sealed for one use is refused for every
//! other.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::secret::FIRST_VERSION;
use crate::{RotatingSecret, Secret, SecretVersions, derive_key, infallible, random};

/// The first byte of a sealed value: the layout of the rest.
const FORMAT: u8 = 2;

/// The layout without a version: that of values from before secrets had any.
const FORMAT_WITHOUT_VERSION: u8 = 1;

/// Seals values that others keep for us, such as page cursors, cookies and attributes of items.
/// Sealed, they are base64url without padding.
///
/// A version of the secret is good for 2^32 values, because nonces are random.
#[derive(Clone)]
pub struct Sealer(RotatingSecret);

impl Sealer {
    /// Creates a sealer with keys derived from `secret`.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self(secret.into())
    }

    /// Seals `plain` for the use that `associated_data` names.
    pub fn seal(&self, associated_data: &[u8], plain: &[u8]) -> String {
        let versions = self.0.versions();
        let (id, secret) = versions.current();
        BASE64_URL_SAFE_NO_PAD.encode(seal(id, &Self::key(secret), associated_data, plain))
    }

    /// Returns what was sealed; `None` for anything that [`Sealer::seal`] has not made with a
    /// version of the same secret and `associated_data`.
    pub fn open(&self, associated_data: &[u8], sealed: &str) -> Option<Vec<u8>> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let versions = self.0.versions();
        open(|id| versions.get(id).map(Self::key), associated_data, &sealed)
    }

    /// Returns whether a value was sealed with the current version.
    pub fn is_current(&self, sealed: &str) -> bool {
        let id =
            BASE64_URL_SAFE_NO_PAD.decode(sealed).ok().and_then(|sealed| Some(parts(&sealed)?.0));
        id == Some(self.0.versions().current().0)
    }

    fn key(secret: &Secret) -> [u8; 32] {
        derive_key(secret.expose().as_bytes(), "seal 1")
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key);
    LessSafeKey::new(infallible(key, "the key has the algorithm's length"))
}

fn seal(id: u16, key: &[u8; 32], associated_data: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = random::<NONCE_LEN>();
    let mut text = plain.to_vec();
    let sealed = cipher(key).seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(associated_data),
        &mut text,
    );
    infallible(sealed, "a text that fits into memory is below the algorithm's limit");
    [&[FORMAT], &id.to_be_bytes()[..], &nonce, &text].concat()
}

/// Splits a sealed value into the id of the version and the rest.
fn parts(sealed: &[u8]) -> Option<(u16, &[u8])> {
    match sealed.split_first()? {
        (&FORMAT_WITHOUT_VERSION, rest) => Some((FIRST_VERSION, rest)),
        (&FORMAT, rest) => {
            rest.split_first_chunk().map(|(id, rest)| (u16::from_be_bytes(*id), rest))
        }
        _ => None,
    }
}

fn open(
    key: impl FnOnce(u16) -> Option<[u8; 32]>,
    associated_data: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (id, rest) = parts(sealed)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
    let mut text = text.to_vec();
    let plain = cipher(&key(id)?)
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(associated_data), &mut text)
        .ok()?;
    Some(plain.to_vec())
}

/// Derives a [`SealingKey`] for each name, for values that are stored where others can look:
/// without the name a value can be neither found nor read. Names are not stored.
#[derive(Clone)]
pub struct KeyRing(RotatingSecret);

/// The key for one name of a [`KeyRing`], and the label under which its value is stored.
#[derive(Clone)]
pub struct SealingKey {
    versions: Arc<SecretVersions>,
    name: String,
    label: String,
}

impl KeyRing {
    /// Creates a key ring whose keys are derived from `secret`.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self(secret.into())
    }

    /// Derives the key for a name. Its parts must not contain NUL.
    ///
    /// The label is derived from the oldest version of the secret, so that values are found after a
    /// rotation.
    pub fn sealing_key(&self, name: &[&str]) -> SealingKey {
        let (versions, name) = (self.0.versions(), name.join("\0"));
        let label = BASE64_URL_SAFE_NO_PAD.encode(key_for("label", &name, versions.oldest()));
        SealingKey { versions, name, label }
    }
}

fn key_for(purpose: &str, name: &str, secret: &Secret) -> [u8; 32] {
    let ring = derive_key(secret.expose().as_bytes(), "safe 1");
    derive_key(&ring, &format!("{purpose}\0{name}"))
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyRing(..)")
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey").field("label", &self.label).finish_non_exhaustive()
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
        let (id, secret) = self.versions.current();
        seal(id, &key_for("seal", &self.name, secret), associated_data, plain)
    }

    /// Returns what was sealed; `None` for anything that [`SealingKey::seal`] has not made with the
    /// same name, a version of the same secret and `associated_data`.
    pub fn open(&self, associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let key = |id| self.versions.get(id).map(|secret| key_for("seal", &self.name, secret));
        open(key, associated_data, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::tests::versions;

    const SECRET: &str = "a secret for tests";

    fn sealer() -> Sealer {
        Sealer::new(SECRET)
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
        assert!(Sealer::new("another secret").open(b"list", &sealed).is_none());
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
        let ring = KeyRing::new(SECRET);
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
            KeyRing::new("another secret").sealing_key(&["user", "key"]),
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
        let key = KeyRing::new(SECRET).sealing_key(&["user", "key"]);
        assert_eq!(key.label(), "AEm5Q7QNHOv4MQEPLedoassGc3T_JVWNIU_GnF7SJIw");
        let sealed = "AQABAgMEBQYHCAkKC7vrF8C4nISEMXdm3j8WilEFzl7tjdPP6Q";
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap();
        assert_eq!(key.open(b"body", &sealed).unwrap(), b"response");
    }

    #[test]
    fn values_outlive_a_rotation() {
        let secret = RotatingSecret::from(versions(&[1], 1));
        let (sealer, ring) = (Sealer::new(&secret), KeyRing::new(&secret));
        let before = sealer.seal(b"list", b"before");
        let key = ring.sealing_key(&["user"]);
        let stored_before = key.seal(b"body", b"before");
        assert!(sealer.is_current(&before));

        secret.replace(versions(&[1, 2], 2));
        let after = sealer.seal(b"list", b"after");
        assert_eq!(sealer.open(b"list", &before).unwrap(), b"before");
        assert_eq!(sealer.open(b"list", &after).unwrap(), b"after");
        assert!(sealer.is_current(&after) && !sealer.is_current(&before));
        let rotated = ring.sealing_key(&["user"]);
        assert_eq!(rotated.label(), key.label(), "stored values are found");
        assert_eq!(rotated.open(b"body", &stored_before).unwrap(), b"before");
        let stored_after = rotated.seal(b"body", b"after");
        assert!(key.open(b"body", &stored_after).is_none(), "sealed with the new version");

        secret.replace(versions(&[2], 2));
        assert_eq!(sealer.open(b"list", &after).unwrap(), b"after");
        assert!(sealer.open(b"list", &before).is_none());
        let without = ring.sealing_key(&["user"]);
        assert_eq!(without.open(b"body", &stored_after).unwrap(), b"after");
        assert!(without.open(b"body", &stored_before).is_none());
        assert!(!sealer.is_current("") && !sealer.is_current("not base64!"));
    }
}
