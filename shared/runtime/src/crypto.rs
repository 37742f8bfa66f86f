//! Hashes, random bytes, derived keys and sealed texts. All cryptography is ring's.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, error::Unspecified, hkdf, hmac};

use crate::secret::Secret;

/// SHA-256 of `data`, base64url without padding.
pub fn sha256(data: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, data))
}

/// `N` bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    certain(SystemRandom::new().fill(&mut bytes), "the kernel gives random bytes");
    bytes
}

/// A key for one purpose, derived from a secret by HKDF-SHA256 (RFC 5869). Keys of different
/// purposes say nothing about each other or about the secret.
pub(crate) fn derive(secret: &[u8], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key));
    certain(derived, "32 bytes are fewer than HKDF's limit");
    key
}

/// The value of an operation that fails only when its reason for being certain is wrong.
#[expect(clippy::expect_used, reason = "there is no way to go on without random bytes or keys")]
fn certain<T>(result: Result<T, Unspecified>, because: &str) -> T {
    result.expect(because)
}

/// Proves that we have made a text for something, to nobody but ourselves: HMAC-SHA256 (RFC 2104).
#[derive(Clone)]
pub struct Prover(hmac::Key);

impl Prover {
    /// A prover with a key derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &derive(secret.expose().as_bytes(), "prove 1")))
    }

    /// The proof of `data`, base64url without padding.
    pub fn prove(&self, data: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, data))
    }

    /// Whether `proof` is that of `data`; takes the same time wherever the two differ.
    pub fn holds(&self, data: &[u8], proof: &str) -> bool {
        BASE64_URL_SAFE_NO_PAD
            .decode(proof)
            .is_ok_and(|proof| hmac::verify(&self.0, data, &proof).is_ok())
    }
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prover(..)")
    }
}

/// Seals texts that a client keeps for us: it can neither read nor change them, nor pass one off as
/// another.
#[derive(Clone)]
pub struct Sealer(LessSafeKey);

/// The first byte of a sealed text: what the rest of it is.
const VERSION: u8 = 1;

impl Sealer {
    /// A sealer with a key derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self::with(&derive(secret.expose().as_bytes(), "seal 1"))
    }

    fn with(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(certain(
            UnboundKey::new(&CHACHA20_POLY1305, key),
            "the key has the algorithm's length",
        )))
    }

    /// Seals `plain` for the use described by `associated`: ChaCha20-Poly1305 (RFC 8439) with a
    /// random nonce, in base64url without padding. A key is good for 2^32 texts.
    pub fn seal(&self, associated: &[u8], plain: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.seal_bytes(associated, plain))
    }

    fn seal_bytes(&self, associated: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_LEN>();
        let mut text = plain.to_vec();
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            &mut text,
        );
        certain(sealed, "a text that fits into memory is shorter than the algorithm's limit");
        [&[VERSION], &nonce[..], &text].concat()
    }

    /// What was sealed; `None` for anything that [`Sealer::seal`] has not made for exactly this
    /// use.
    pub fn open(&self, associated: &[u8], sealed: &str) -> Option<Vec<u8>> {
        self.open_bytes(associated, &BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }

    fn open_bytes(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.strip_prefix(&[VERSION])?.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let plain = self
            .0
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(associated), &mut text)
            .ok()?;
        Some(plain.to_vec())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(..)")
    }
}

/// Keeps things where others may look: each under a name, by which alone it is found and read.
/// Names are not kept.
#[derive(Clone)]
pub struct KeyRing([u8; 32]);

/// One place in a [`Safe`].
#[derive(Clone, Debug)]
pub struct SealingKey {
    label: String,
    sealer: Sealer,
}

impl KeyRing {
    /// A safe whose keys are derived from `secret`.
    pub fn new(secret: &Secret) -> Self {
        Self(derive(secret.expose().as_bytes(), "safe 1"))
    }

    /// The drawer with a name, whose parts hold no NUL.
    pub fn drawer(&self, name: &[&str]) -> SealingKey {
        let name = name.join("\0");
        let key = |purpose: &str| derive(&self.0, &format!("{purpose}\0{name}"));
        SealingKey {
            label: BASE64_URL_SAFE_NO_PAD.encode(key("label")),
            sealer: Sealer::with(&key("seal")),
        }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Safe(..)")
    }
}

impl SealingKey {
    /// Where the thing is found: 43 characters that say nothing about the name.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Seals `plain` as [`Sealer::seal`] does, as bytes.
    pub fn seal(&self, associated: &[u8], plain: &[u8]) -> Vec<u8> {
        self.sealer.seal_bytes(associated, plain)
    }

    /// What was sealed in this drawer with the same `associated`; `None` for anything else.
    pub fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.sealer.open_bytes(associated, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&Secret::new("a secret for tests"))
    }

    #[test]
    fn sha256_is_that_of_fips_180() {
        assert_eq!(sha256(b"abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn outputs_stay_what_stored_and_issued_values_were_made_with() {
        // Computed with Python's hmac and the package cryptography. A change of any of them makes
        // stored values unreadable.
        let secret = Secret::new("a secret for tests");
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.encode(derive(b"secret", "one purpose")),
            "fhlmUn2p62vuof54jfKkV-y0xI0_EfKCUKPzgBkyh7o"
        );
        assert_eq!(
            Prover::new(&secret).prove(b"session"),
            "Tn0CD9bbJTR-HuMjpVrejCZIm46PSxhsgxA6LhlMuWs"
        );
        let sealed = "AQABAgMEBQYHCAkKC9Llo9cRwOkd_fXwHhA2rOGdmCKyju0raQ";
        assert_eq!(Sealer::new(&secret).open(b"list", sealed).unwrap(), b"position");
        let drawer = KeyRing::new(&secret).drawer(&["user", "key"]);
        assert_eq!(drawer.label(), "AEm5Q7QNHOv4MQEPLedoassGc3T_JVWNIU_GnF7SJIw");
        let sealed = "AQABAgMEBQYHCAkKC7vrF8C4nISEMXdm3j8WilEFzl7tjdPP6Q";
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap();
        assert_eq!(drawer.open(b"body", &sealed).unwrap(), b"response");
    }

    #[test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random::<32>(), random::<32>());
    }

    #[test]
    fn purposes_have_keys_of_their_own() {
        let key = derive(b"secret", "one purpose");
        assert_eq!(key, derive(b"secret", "one purpose"));
        assert_ne!(key, derive(b"secret", "another purpose"));
        assert_ne!(key, derive(b"other secret", "one purpose"));
    }

    #[test]
    fn a_proof_is_of_one_text_by_one_secret() {
        let prover = Prover::new(&Secret::new("a secret for tests"));
        let proof = prover.prove(b"session");
        assert!(prover.holds(b"session", &proof));
        assert!(!prover.holds(b"another session", &proof));
        assert!(!Prover::new(&Secret::new("another secret")).holds(b"session", &proof));
        for wrong in ["", "not base64!", &proof[1..], &format!("{proof}A")] {
            assert!(!prover.holds(b"session", wrong), "{wrong}");
        }
    }

    #[test]
    fn what_was_sealed_is_opened() {
        for plain in [&b""[..], b"position", &[0; 4096]] {
            assert_eq!(sealer().open(b"list", &sealer().seal(b"list", plain)).unwrap(), plain);
        }
        assert_ne!(sealer().seal(b"list", b"position"), sealer().seal(b"list", b"position"));
    }

    #[test]
    fn a_drawer_is_opened_by_its_name() {
        let safe = KeyRing::new(&Secret::new("a secret for tests"));
        let drawer = safe.drawer(&["user", "key"]);
        let sealed = drawer.seal(b"body", b"answer");
        let same = safe.drawer(&["user", "key"]);
        assert_eq!(
            (same.label(), same.open(b"body", &sealed).as_deref()),
            (drawer.label(), Some(&b"answer"[..]))
        );
        assert_eq!(drawer.label().len(), 43);
        assert!(same.open(b"another body", &sealed).is_none());
        let other = KeyRing::new(&Secret::new("another secret")).drawer(&["user", "key"]);
        for other in [
            safe.drawer(&["user", "kez"]),
            safe.drawer(&["userkey"]),
            safe.drawer(&["user", "key", ""]),
            other,
        ] {
            assert_ne!(other.label(), drawer.label());
            assert!(other.open(b"body", &sealed).is_none());
        }
        assert!(!format!("{safe:?} {drawer:?}").contains("key"));
    }

    #[test]
    fn nothing_else_is_opened() {
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
}
