//! Hashing and verifying passwords: argon2id in the PHC string format, computed off the async
//! threads.
//!
//! Users imported from the Django service have hashes of its default algorithm,
//! `pbkdf2_sha256$...`. Their next login replaces them ([`Hasher::needs_rehash`]).

use std::num::NonZeroU32;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHash, Version};
use base64::prelude::{BASE64_STANDARD, Engine};
use domain::password::Password;
use ring::pbkdf2;

/// A hash that no password fits: of random bytes that were not kept, with the parameters of
/// [`Hasher::hash`]. For users without a password.
pub const HASH_OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$XPGH2PrbuRo7FrxjLOa/Xw$\
    JV0hVfzppGD7EuKznNMv0Sw4S86D4YIa57snbq7hDR0";

/// The numbers of iterations that are accepted. Django's default was 10,000 in version 1.4 and is
/// 1,200,000 in 6.0. The upper limit keeps the work of one login bounded.
const DJANGO_ITERATIONS: std::ops::RangeInclusive<u32> = 10_000..=2_000_000;

/// The reason why a password could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// There was not enough memory.
    #[error("password hash: {0}")]
    Argon2(#[from] password_hash::Error),
    /// The task panicked, or the process is ending.
    #[error("password hash: the task did not finish")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// Hashes and verifies passwords: about 40 ms of CPU time and 19 MiB each.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    /// The library's defaults are OWASP's recommendation: argon2id, 19 MiB, two passes, one lane.
    argon2: Argon2<'static>,
}

/// A stored hash, parsed.
enum StoredHash {
    Argon2(Box<PasswordHash>),
    Django { iterations: NonZeroU32, salt: String, hash: Vec<u8> },
}

impl StoredHash {
    /// Parses a hash; `None` if it is malformed or would cost too much to verify.
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix("pbkdf2_sha256$") {
            let mut parts = rest.split('$');
            let (iterations, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
            let iterations =
                iterations.parse().ok().filter(|number| DJANGO_ITERATIONS.contains(number))?;
            let hash = BASE64_STANDARD
                .decode(hash)
                .ok()
                .filter(|hash| hash.len() == ring::digest::SHA256_OUTPUT_LEN)?;
            let complete = parts.next().is_none() && !salt.is_empty();
            return complete.then_some(Self::Django {
                iterations: NonZeroU32::new(iterations)?,
                salt: salt.to_owned(),
                hash,
            });
        }
        let hash = PasswordHash::new(text).ok()?;
        let known = hash.algorithm == ARGON2ID_IDENT
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok();
        known.then(|| Self::Argon2(Box::new(hash)))
    }
}

impl StoredHash {
    fn verify(
        &self,
        argon2: &Argon2<'static>,
        password: &[u8],
    ) -> Result<(), password_hash::Error> {
        match self {
            Self::Argon2(hash) => argon2.verify_password(password, &**hash),
            Self::Django { iterations, salt, hash } => {
                let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
                pbkdf2::verify(algorithm, *iterations, salt.as_bytes(), password, hash)
                    .map_err(|_| password_hash::Error::PasswordInvalid)
            }
        }
    }
}

impl Hasher {
    /// Creates a hasher with OWASP's parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a hasher with other parameters than OWASP's.
    pub fn with(argon2: Argon2<'static>) -> Self {
        Self { argon2 }
    }

    /// Returns the hash to store for a new password.
    ///
    /// # Errors
    /// [`HashError`] when there is not enough memory.
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.expose().to_owned());
        let hash = tokio::task::spawn_blocking(move || argon2.hash_password(password.as_bytes()))
            .await??;
        Ok(hash.to_string())
    }

    /// Returns whether the password fits the hash.
    ///
    /// Without a hash, for a user who does not exist, the same work is done and the password is
    /// rejected, so that the response time does not reveal who exists. The same holds for a hash
    /// that cannot be parsed, which is logged.
    ///
    /// A hash of Django is compared with the normalized password, and then with what was sent.
    ///
    /// # Errors
    /// [`HashError`] when there is not enough memory.
    pub async fn verify(&self, password: &Password, hash: Option<&str>) -> Result<bool, HashError> {
        let stored = hash.and_then(StoredHash::parse);
        if hash.is_some() && stored.is_none() {
            tracing::warn!(
                "a stored password hash cannot be read: its user can only reset the password"
            );
        }
        let exists = stored.is_some();
        // Django does not normalize.
        let raw =
            password.expose_raw().filter(|_| matches!(stored, Some(StoredHash::Django { .. })));
        let mut tries = vec![password.expose().to_owned()];
        tries.extend(raw.map(str::to_owned));
        let stored = match stored {
            Some(stored) => stored,
            None => StoredHash::Argon2(Box::new(
                PasswordHash::new(HASH_OF_NOBODY).map_err(password_hash::Error::from)?,
            )),
        };
        let argon2 = self.argon2.clone();
        let verified = tokio::task::spawn_blocking(move || {
            let mut verified = Err(password_hash::Error::PasswordInvalid);
            for password in tries {
                verified = stored.verify(&argon2, password.as_bytes());
                if !matches!(verified, Err(password_hash::Error::PasswordInvalid)) {
                    break;
                }
            }
            verified
        })
        .await?;
        match verified {
            Ok(()) => Ok(exists),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether a hash should be replaced at the next login, because its algorithm or its
    /// parameters are not those of new hashes.
    pub fn needs_rehash(&self, hash: &str) -> bool {
        let Some(StoredHash::Argon2(hash)) = StoredHash::parse(hash) else { return true };
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        hash.version != Some(Version::default().into())
            || Params::try_from(&*hash).ok().as_ref().map(costs)
                != Some(costs(self.argon2.params()))
    }
}

#[cfg(test)]
mod tests {
    use domain::field::FieldValue;

    use super::*;

    const PARAMETERS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

    /// In the format of Django: what Python makes of `pbkdf2_hmac("sha256", b"correct horse battery
    /// staple", b"seasalt2", 10000)`.
    const DJANGO: &str =
        "pbkdf2_sha256$10000$seasalt2$h1gdfbMb7q0UWIbv++2zIEW5jymm8PinrGwlZCjNQFs=";

    fn password(text: &str) -> Password {
        Password::from_json(&text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_hash_and_no_other() {
        let hasher = Hasher::new();
        let hash = hasher.hash(&password("correct horse battery staple")).await.unwrap();
        assert!(hash.starts_with(PARAMETERS), "{hash}");
        assert!(
            hasher.verify(&password("correct horse battery staple"), Some(&hash)).await.unwrap()
        );
        assert!(
            !hasher.verify(&password("correct horse battery stable"), Some(&hash)).await.unwrap()
        );
        assert!(
            !hasher.verify(&password(" correct horse battery staple"), Some(&hash)).await.unwrap()
        );
        assert_ne!(
            hasher.hash(&password("correct horse battery staple")).await.unwrap(),
            hash,
            "salted"
        );
        assert!(!hasher.needs_rehash(&hash));
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert!(HASH_OF_NOBODY.starts_with(PARAMETERS), "not the same work");
        assert!(
            !Hasher::new().verify(&password("correct horse battery staple"), None).await.unwrap()
        );
    }

    #[tokio::test]
    async fn a_damaged_hash_fits_no_password() {
        let argon2_without_hash = "$argon2id$v=19$m=19456,t=2,p=1";
        let of_another_algorithm = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$\
             nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
        for hash in ["", "plain text", argon2_without_hash, of_another_algorithm] {
            assert!(
                !Hasher::new()
                    .verify(&password("correct horse battery staple"), Some(hash))
                    .await
                    .unwrap(),
                "{hash}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_of_django_is_good_until_it_is_replaced() {
        let hasher = Hasher::new();
        assert!(
            hasher.verify(&password("correct horse battery staple"), Some(DJANGO)).await.unwrap()
        );
        assert!(
            !hasher.verify(&password("correct horse battery stable"), Some(DJANGO)).await.unwrap()
        );
        assert!(hasher.needs_rehash(DJANGO));
    }

    #[tokio::test]
    async fn a_password_is_the_same_composed_and_decomposed() {
        let hasher = Hasher::new();
        let (composed, decomposed) =
            (password("un caf\u{e9} noir"), password("un cafe\u{301} noir"));
        for (first, then) in [(&composed, &decomposed), (&decomposed, &composed)] {
            let hash = hasher.hash(first).await.unwrap();
            assert!(hasher.verify(then, Some(&hash)).await.unwrap());
        }
        // What Django has made of each.
        let imported = |text: &str| {
            let mut hash = [0; 32];
            let iterations = NonZeroU32::new(10_000).unwrap();
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::derive(algorithm, iterations, b"seasalt2", text.as_bytes(), &mut hash);
            format!("pbkdf2_sha256$10000$seasalt2${}", BASE64_STANDARD.encode(hash))
        };
        let of_windows = imported("un caf\u{e9} noir");
        assert!(hasher.verify(&composed, Some(&of_windows)).await.unwrap());
        assert!(hasher.verify(&decomposed, Some(&of_windows)).await.unwrap());
        let of_mac = imported("un cafe\u{301} noir");
        assert!(hasher.verify(&decomposed, Some(&of_mac)).await.unwrap());
        assert!(!hasher.verify(&password("un cafe noir"), Some(&of_mac)).await.unwrap());
    }

    #[tokio::test]
    async fn what_django_has_not_made_fits_no_password() {
        let parts: Vec<&str> = DJANGO.split('$').collect();
        let with = |index: usize, part: &str| {
            let mut parts = parts.clone();
            parts[index] = part;
            parts.join("$")
        };
        let mut bad = vec![
            format!("{DJANGO}$"),
            format!("{DJANGO}$x"),
            parts[..3].join("$"),
            with(2, ""),
            with(3, ""),
            with(3, "AAAA"),
            with(3, "not base64!"),
        ];
        bad.extend(
            ["0", "1", "9999", "2000001", "4294967296", "99999999999", "-1", "", "x", "1e6"]
                .map(|iterations| with(1, iterations)),
        );
        bad.push(with(0, "pbkdf2_sha1"));
        let started = std::time::Instant::now();
        for hash in &bad {
            assert!(StoredHash::parse(hash).is_none(), "{hash}");
        }
        assert!(
            !Hasher::new()
                .verify(&password("correct horse battery staple"), bad.last().map(String::as_str))
                .await
                .unwrap()
        );
        assert!(started.elapsed().as_secs() < 5, "nothing of it is worked through");
        assert!(
            StoredHash::parse(&with(1, "10000")).is_some()
                && StoredHash::parse(&with(1, "2000000")).is_some()
        );
    }

    #[test]
    fn hashes_with_other_parameters_are_replaced() {
        let tail = HASH_OF_NOBODY.strip_prefix(PARAMETERS).unwrap();
        let hasher = Hasher::new();
        assert!(!hasher.needs_rehash(HASH_OF_NOBODY));
        for parameters in [
            "$argon2id$v=19$m=9216,t=4,p=1$",
            "$argon2id$v=19$m=19456,t=3,p=1$",
            "$argon2id$v=19$m=19456,t=2,p=2$",
            "$argon2id$v=16$m=19456,t=2,p=1$",
            "$argon2i$v=19$m=19456,t=2,p=1$",
        ] {
            assert!(hasher.needs_rehash(&format!("{parameters}{tail}")), "{parameters}");
        }
        assert!(hasher.needs_rehash("plain text"));
    }
}
