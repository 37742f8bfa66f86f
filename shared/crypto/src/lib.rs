//! Hashes, random bytes, derived keys, message authentication, sealing, and secrets that cannot be
//! printed. Use it wherever one of these is needed; all cryptography is ring's, and the crate
//! depends on no other crate of the workspace.
//!
//! | To | use |
//! |---|---|
//! | keep a secret out of logs | [`Secret`] |
//! | rotate a secret while it is in use | [`RotatingSecret`] |
//! | store a value so that it can be compared but not read | [`sha256_base64url`] |
//! | make an unguessable token | [`random`] |
//! | get a key for one purpose from a secret | [`derive_key`] |
//! | recognize a text of ours when it comes back, readable to everyone | [`HmacKey`] |
//! | give a client a value that it can neither read nor change | [`Sealer`] |
//! | store a value that only a caller who knows its name can find and read | [`KeyRing`] |

mod hmac;
mod sealing;
mod secret;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::error::Unspecified;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hkdf};

pub use crate::hmac::HmacKey;
pub use crate::sealing::{KeyRing, Sealer, SealingKey};
pub use crate::secret::{FIRST_VERSION, RotatingSecret, Secret, SecretVersions};

/// Returns the SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    hash
}

/// Returns the SHA-256 of `data` in base64url without padding: 43 characters.
pub fn sha256_base64url(data: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha256(data))
}

/// Returns `N` bytes from the operating system's random number generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    infallible(SystemRandom::new().fill(&mut bytes), "the kernel gives random bytes");
    bytes
}

/// Derives a key for one purpose from a secret by HKDF-SHA256 without salt (RFC 5869). Keys of
/// different purposes reveal nothing about each other or about the secret.
pub fn derive_key(secret: &[u8], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key));
    infallible(derived, "32 bytes are below HKDF's limit");
    key
}

/// Returns the value of an operation that cannot fail, for the reason given.
#[expect(clippy::expect_used, reason = "there is no way to go on without random bytes or keys")]
fn infallible<T>(result: Result<T, Unspecified>, reason: &str) -> T {
    result.expect(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_that_of_fips_180() {
        assert_eq!(sha256_base64url(b"abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    }

    #[test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random::<32>(), random::<32>());
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let key = derive_key(b"secret", "one purpose");
        assert_eq!(key, derive_key(b"secret", "one purpose"));
        assert_ne!(key, derive_key(b"secret", "another purpose"));
        assert_ne!(key, derive_key(b"other secret", "one purpose"));
    }

    #[test]
    fn derived_keys_stay_those_in_use() {
        // RFC 5869 with an empty salt, computed with Python's hmac.
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.encode(derive_key(b"secret", "one purpose")),
            "fhlmUn2p62vuof54jfKkV-y0xI0_EfKCUKPzgBkyh7o"
        );
    }
}
