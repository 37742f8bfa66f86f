//! Sealing of what proves who a user is, password hashes and secrets of authenticator apps, before
//! it is stored: readers of the table or its stream who do not have the secret learn neither.
//!
//! A value is bound to its kind and its user. Values from before they were sealed are read as they
//! are, and sealed when they are next written.

use std::borrow::Cow;

use crypto::{RotatingSecret, Sealer};
use domain::account::Credentials;
use domain::id::UserId;
use domain::second_factor::SecondFactor;

/// What a sealed value begins with. No hash and no text in base32 does.
const SEALED: &str = "sealed:";

const PASSWORD_HASH: &str = "password hash 1";
const TOTP_SECRET: &str = "TOTP secret 1";

/// Seals and opens password hashes and TOTP secrets. Only the function `accounts` can do so,
/// because only its role may read the secret.
#[derive(Clone, Debug)]
pub struct CredentialSealer(Sealer);

impl CredentialSealer {
    /// Creates a sealer with keys derived from `secret`.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self(Sealer::new(secret))
    }

    /// Seals the hash of a user's password.
    pub(crate) fn seal_hash(&self, user: UserId, hash: &str) -> String {
        self.seal(PASSWORD_HASH, user, hash)
    }

    /// Returns the hash of a user's password; `None` when it was sealed with another secret or for
    /// another user.
    pub(crate) fn open_hash<'a>(&self, stored: &'a Credentials) -> Option<Cow<'a, str>> {
        self.open(PASSWORD_HASH, stored.user_id, &stored.password_hash)
    }

    /// Seals the TOTP secret of a user.
    pub fn seal_totp(&self, user: UserId, secret: &str) -> String {
        self.seal(TOTP_SECRET, user, secret)
    }

    /// Returns the TOTP secret of a factor; `None` when it was sealed with another secret or for
    /// another user, which is logged.
    pub fn open_totp<'a>(&self, factor: &'a SecondFactor) -> Option<Cow<'a, str>> {
        let opened = self.open(TOTP_SECRET, factor.user_id, &factor.secret);
        if opened.is_none() {
            tracing::warn!(
                "a stored TOTP secret cannot be opened: its user can only show a recovery code"
            );
        }
        opened
    }

    /// Returns the factor with its TOTP secret sealed by the current version of our secret.
    pub fn with_current_seal(&self, factor: SecondFactor) -> SecondFactor {
        if self.is_current(&factor.secret) {
            return factor;
        }
        match self.open_totp(&factor) {
            Some(secret) => {
                let secret = self.seal_totp(factor.user_id, &secret);
                SecondFactor { secret, ..factor }
            }
            None => factor,
        }
    }

    /// Returns whether a stored value is sealed by the current version of our secret.
    pub(crate) fn is_current(&self, stored: &str) -> bool {
        stored.strip_prefix(SEALED).is_some_and(|sealed| self.0.is_current(sealed))
    }

    fn seal(&self, kind: &str, user: UserId, plain: &str) -> String {
        format!("{SEALED}{}", self.0.seal(&associated_data(kind, user), plain.as_bytes()))
    }

    fn open<'a>(&self, kind: &str, user: UserId, stored: &'a str) -> Option<Cow<'a, str>> {
        match stored.strip_prefix(SEALED) {
            None => Some(Cow::Borrowed(stored)),
            Some(sealed) => {
                let plain = self.0.open(&associated_data(kind, user), sealed)?;
                String::from_utf8(plain).ok().map(Cow::Owned)
            }
        }
    }
}

fn associated_data(kind: &str, user: UserId) -> Vec<u8> {
    format!("{kind}\0{user}").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crypto::{Secret, SecretVersions};

    use super::*;
    use crate::clock;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn versions(ids: &[u16], current: u16) -> SecretVersions {
        let secrets: BTreeMap<u16, Secret> =
            ids.iter().map(|id| (*id, Secret::new(format!("version {id} for tests")))).collect();
        SecretVersions::new(secrets, current).unwrap()
    }

    #[test]
    fn a_sealed_value_is_of_one_kind_and_one_user() {
        let sealer = CredentialSealer::new("a secret for tests");
        let (user, other) = (clock::new_id(), clock::new_id());
        let sealed = sealer.seal_hash(user, HASH);
        assert!(!sealed.contains("argon2"));
        let stored = |user, hash: &str| Credentials::new(user, hash.to_owned());
        assert_eq!(sealer.open_hash(&stored(user, &sealed)).as_deref(), Some(HASH));
        assert!(sealer.open_hash(&stored(other, &sealed)).is_none(), "of another user");
        let factor = |user, secret: &str| SecondFactor::pending(user, secret.to_owned());
        assert!(sealer.open_totp(&factor(user, &sealed)).is_none(), "of another kind");
        let sealed = sealer.seal_totp(user, TOTP);
        assert_eq!(sealer.open_totp(&factor(user, &sealed)).as_deref(), Some(TOTP));
        assert!(sealer.open_totp(&factor(other, &sealed)).is_none());
        let another = CredentialSealer::new("another secret");
        assert!(another.open_totp(&factor(user, &sealed)).is_none());
    }

    #[test]
    fn what_is_not_sealed_is_read_and_sealed() {
        let sealer = CredentialSealer::new("a secret for tests");
        let user = clock::new_id();
        let old = SecondFactor::pending(user, TOTP.to_owned());
        assert_eq!(sealer.open_totp(&old).as_deref(), Some(TOTP));
        assert!(!sealer.is_current(TOTP) && !sealer.is_current(HASH));
        let sealed = sealer.with_current_seal(old);
        assert!(sealer.is_current(&sealed.secret) && !sealed.secret.contains(TOTP));
        assert_eq!(sealer.open_totp(&sealed).as_deref(), Some(TOTP));
    }

    #[test]
    fn values_outlive_a_rotation_and_get_the_new_version() {
        let secret = RotatingSecret::from(versions(&[1], 1));
        let sealer = CredentialSealer::new(&secret);
        let user = clock::new_id();
        let before = SecondFactor::pending(user, sealer.seal_totp(user, TOTP));
        assert!(sealer.with_current_seal(before.clone()).secret == before.secret);
        secret.replace(versions(&[1, 2], 2));
        assert_eq!(sealer.open_totp(&before).as_deref(), Some(TOTP));
        let after = sealer.with_current_seal(before.clone());
        assert!(!sealer.is_current(&before.secret) && sealer.is_current(&after.secret));
        secret.replace(versions(&[2], 2));
        assert_eq!(sealer.open_totp(&after).as_deref(), Some(TOTP));
        assert!(sealer.open_totp(&before).is_none(), "its version is gone");
        assert!(sealer.with_current_seal(before.clone()).secret == before.secret);
    }
}
