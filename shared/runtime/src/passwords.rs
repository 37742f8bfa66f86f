//! Password hashes: argon2id in the PHC string format, computed off the async threads.

use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};
use domain::password::Password;

/// The hash of random bytes that nobody has kept, with the parameters of [`Hasher::hash`].
const HASH_OF_NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$XPGH2PrbuRo7FrxjLOa/Xw$JV0hVfzppGD7EuKznNMv0Sw4S86D4YIa57snbq7hDR0";

/// A password could not be hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The stored hash is none, or there was no memory for the work.
    #[error("password hash: {0}")]
    Argon2(#[from] password_hash::Error),
    /// The work panicked, or the process is ending.
    #[error("password hash: the work was not finished")]
    Unfinished(#[from] tokio::task::JoinError),
}

/// Hashes passwords and compares them: about 40 ms of a CPU and 19 MiB each.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    /// The library's defaults are what OWASP asks for: argon2id, 19 MiB, two passes, one lane.
    argon2: Argon2<'static>,
}

impl Hasher {
    /// A hasher with OWASP's parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash to store of a new password.
    ///
    /// # Errors
    /// [`HashError`] when there is no memory.
    pub async fn hash(&self, password: Password) -> Result<String, HashError> {
        let argon2 = self.argon2.clone();
        let hash = tokio::task::spawn_blocking(move || argon2.hash_password(password.expose().as_bytes())).await??;
        Ok(hash.to_string())
    }

    /// Whether the password is the one that was hashed. Without a hash, for a user who does not exist, the same work
    /// is done and the answer is no: the time it takes tells nothing.
    ///
    /// # Errors
    /// [`HashError`] when the stored hash is none, or there is no memory.
    pub async fn verify(&self, password: Password, hash: Option<&str>) -> Result<bool, HashError> {
        let argon2 = self.argon2.clone();
        let exists = hash.is_some();
        let hash = PasswordHash::new(hash.unwrap_or(HASH_OF_NOBODY)).map_err(password_hash::Error::from)?;
        let verified = tokio::task::spawn_blocking(move || argon2.verify_password(password.expose().as_bytes(), &hash)).await?;
        match verified {
            Ok(()) => Ok(exists),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::field::FieldValue;

    use super::*;

    const PARAMETERS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

    fn password(text: &str) -> Password {
        Password::from_json(&text.into()).unwrap()
    }

    #[tokio::test]
    async fn a_password_fits_its_hash_and_no_other() {
        let hasher = Hasher::new();
        let hash = hasher.hash(password("correct horse battery staple")).await.unwrap();
        assert!(hash.starts_with(PARAMETERS), "{hash}");
        assert!(hasher.verify(password("correct horse battery staple"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(password("correct horse battery stable"), Some(&hash)).await.unwrap());
        assert!(!hasher.verify(password(" correct horse battery staple"), Some(&hash)).await.unwrap());
        assert_ne!(hasher.hash(password("correct horse battery staple")).await.unwrap(), hash, "salted");
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert!(HASH_OF_NOBODY.starts_with(PARAMETERS), "not the same work");
        assert!(!Hasher::new().verify(password("correct horse battery staple"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_hash_fits_no_password() {
        let argon2_without_hash = "$argon2id$v=19$m=19456,t=2,p=1";
        let of_another_algorithm = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
        for hash in ["", "plain text", argon2_without_hash, of_another_algorithm] {
            let verified = Hasher::new().verify(password("correct horse battery staple"), Some(hash)).await;
            assert!(!matches!(verified, Ok(true)), "{hash}");
        }
    }
}
