//! Hashing and verifying passwords: argon2id in the PHC string format, computed off the async
//! threads, and sealed ([`crate::credentials`]).
//!
//! Users imported from the Django service have hashes of its default algorithm,
//! `pbkdf2_sha256$...`. Their next login replaces them ([`Hasher::needs_rehash`]), as it does with
//! hashes that are not sealed, or with an old version of the secret.

use std::num::NonZeroU32;

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHash, Version};
use base64::prelude::{BASE64_STANDARD, Engine};
use domain::account::Credentials;
use domain::id::UserId;
use domain::password::Password;
use ring::pbkdf2;

use crate::credentials::CredentialSealer;

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
#[derive(Clone, Debug)]
pub struct Hasher {
    argon2: Argon2<'static>,
    sealer: CredentialSealer,
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
    /// Creates a hasher with OWASP's parameters, the library's defaults: argon2id, 19 MiB, two
    /// passes, one lane.
    pub fn new(sealer: CredentialSealer) -> Self {
        Self::with(Argon2::default(), sealer)
    }

    /// Returns a hasher with other parameters than OWASP's.
    pub fn with(argon2: Argon2<'static>, sealer: CredentialSealer) -> Self {
        Self { argon2, sealer }
    }

    /// Returns what seals the hashes.
    pub fn sealer(&self) -> &CredentialSealer {
        &self.sealer
    }

    /// Returns the hash to store for a new password of a user, sealed.
    ///
    /// # Errors
    /// [`HashError`] when there is not enough memory.
    pub async fn hash(&self, user: UserId, password: &Password) -> Result<String, HashError> {
        let (argon2, password) = (self.argon2.clone(), password.expose().to_owned());
        let hash = tokio::task::spawn_blocking(move || argon2.hash_password(password.as_bytes()))
            .await??;
        Ok(self.sealer.seal_hash(user, &hash.to_string()))
    }

    /// Returns whether the password fits the stored hash.
    ///
    /// Without credentials, for a user who does not exist, the same work is done and the password
    /// is rejected, so that the response time does not reveal who exists. The same holds for a hash
    /// that cannot be opened or parsed, which is logged.
    ///
    /// A hash of Django is compared with the normalized password, and then with what was sent.
    ///
    /// # Errors
    /// [`HashError`] when there is not enough memory.
    pub async fn verify(
        &self,
        password: &Password,
        credentials: Option<&Credentials>,
    ) -> Result<bool, HashError> {
        let hash = credentials.and_then(|credentials| self.sealer.open_hash(credentials));
        let stored = hash.as_deref().and_then(StoredHash::parse);
        if credentials.is_some() && stored.is_none() {
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

    /// Returns whether a hash should be replaced at the next login, because its algorithm, its
    /// parameters or its seal are not those of new hashes.
    pub fn needs_rehash(&self, credentials: &Credentials) -> bool {
        if !self.sealer.is_current(&credentials.password_hash) {
            return true;
        }
        let hash = self.sealer.open_hash(credentials);
        let Some(StoredHash::Argon2(hash)) = hash.as_deref().and_then(StoredHash::parse) else {
            return true;
        };
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

    /// A hasher for one user, whose hashes are shown without their seals.
    struct Unsealed(Hasher, UserId);

    fn hasher() -> Unsealed {
        let sealer = CredentialSealer::new("a secret for tests");
        Unsealed(Hasher::new(sealer), crate::clock::new_id())
    }

    impl Unsealed {
        fn stored(&self, hash: &str) -> Credentials {
            Credentials::new(self.1, self.0.sealer.seal_hash(self.1, hash))
        }

        async fn hash(&self, password: &Password) -> Result<String, HashError> {
            let stored = Credentials::new(self.1, self.0.hash(self.1, password).await?);
            Ok(self.0.sealer.open_hash(&stored).unwrap().into_owned())
        }

        async fn verify(&self, password: &Password, hash: Option<&str>) -> Result<bool, HashError> {
            let stored = hash.map(|hash| self.stored(hash));
            self.0.verify(password, stored.as_ref()).await
        }

        fn needs_rehash(&self, hash: &str) -> bool {
            self.0.needs_rehash(&self.stored(hash))
        }
    }

    fn password(text: &str) -> Password {
        Password::from_json(&text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_hash_and_no_other() {
        let hasher = hasher();
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
    async fn a_stored_hash_is_sealed_for_its_user() {
        let Unsealed(hasher, user) = hasher();
        let good = password("correct horse battery staple");
        let stored = Credentials::new(user, hasher.hash(user, &good).await.unwrap());
        assert!(!stored.password_hash.contains("argon2"), "{}", stored.password_hash);
        assert!(hasher.verify(&good, Some(&stored)).await.unwrap());
        assert!(!hasher.needs_rehash(&stored));
        let moved = Credentials { user_id: crate::clock::new_id(), ..stored.clone() };
        assert!(!hasher.verify(&good, Some(&moved)).await.unwrap());
        let other = Hasher::new(CredentialSealer::new("another secret"));
        assert!(!other.verify(&good, Some(&stored)).await.unwrap());
        let hash = hasher.sealer.open_hash(&stored).unwrap().into_owned();
        let unsealed = Credentials { password_hash: hash, ..stored };
        assert!(hasher.verify(&good, Some(&unsealed)).await.unwrap());
        assert!(hasher.needs_rehash(&unsealed), "it is sealed at the next sign-in");
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert!(HASH_OF_NOBODY.starts_with(PARAMETERS), "not the same work");
        assert!(!hasher().verify(&password("correct horse battery staple"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_hash_fits_no_password() {
        let argon2_without_hash = "$argon2id$v=19$m=19456,t=2,p=1";
        let of_another_algorithm = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$\
             nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
        for hash in ["", "plain text", argon2_without_hash, of_another_algorithm] {
            assert!(
                !hasher()
                    .verify(&password("correct horse battery staple"), Some(hash))
                    .await
                    .unwrap(),
                "{hash}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_of_django_is_good_until_it_is_replaced() {
        let hasher = hasher();
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
        let hasher = hasher();
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
        for hash in &bad {
            assert!(
                StoredHash::parse(hash).is_none(),
                "none of its iterations is computed: {hash}"
            );
        }
        assert!(
            !hasher()
                .verify(&password("correct horse battery staple"), bad.last().map(String::as_str))
                .await
                .unwrap()
        );
        assert!(
            StoredHash::parse(&with(1, "10000")).is_some()
                && StoredHash::parse(&with(1, "2000000")).is_some()
        );
    }

    #[test]
    fn hashes_with_other_parameters_are_replaced() {
        let tail = HASH_OF_NOBODY.strip_prefix(PARAMETERS).unwrap();
        let hasher = hasher();
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
