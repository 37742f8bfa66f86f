//! Strings that logs and error messages cannot contain by accident, and their versions.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A secret string: `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a string.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the string.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The id of the version of a secret that has never been rotated.
pub const FIRST_VERSION: u16 = 1;

/// The versions of a secret by their ids. What was sealed or signed names its version and stays
/// readable as long as the version is kept; the current one is for everything new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretVersions {
    current: (u16, Secret),
    others: BTreeMap<u16, Secret>,
}

impl SecretVersions {
    /// Puts versions together; `None` when the current one is not among them.
    pub fn new(mut versions: BTreeMap<u16, Secret>, current: u16) -> Option<Self> {
        let secret = versions.remove(&current)?;
        Some(Self { current: (current, secret), others: versions })
    }

    /// Returns the version for everything new, and its id.
    pub fn current(&self) -> (u16, &Secret) {
        (self.current.0, &self.current.1)
    }

    /// Returns the version with an id.
    pub fn get(&self, id: u16) -> Option<&Secret> {
        if id == self.current.0 { Some(&self.current.1) } else { self.others.get(&id) }
    }

    /// Returns the version with the least id, which stays the same when newer ones are added.
    pub fn oldest(&self) -> &Secret {
        match self.others.first_key_value() {
            Some((id, secret)) if *id < self.current.0 => secret,
            _ => &self.current.1,
        }
    }
}

/// A secret whose versions can be replaced while keys made of it are in use: clones share them.
#[derive(Clone, Debug)]
pub struct RotatingSecret(Arc<RwLock<Arc<SecretVersions>>>);

impl RotatingSecret {
    /// Returns the versions as they are now.
    pub fn versions(&self) -> Arc<SecretVersions> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the versions, also for all keys that were made of the secret.
    pub fn replace(&self, versions: SecretVersions) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(versions);
    }
}

impl From<SecretVersions> for RotatingSecret {
    fn from(versions: SecretVersions) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(versions))))
    }
}

/// A secret that has never been rotated.
impl From<&Secret> for RotatingSecret {
    fn from(secret: &Secret) -> Self {
        let current = (FIRST_VERSION, secret.clone());
        SecretVersions { current, others: BTreeMap::new() }.into()
    }
}

/// A secret that has never been rotated.
impl From<&str> for RotatingSecret {
    fn from(secret: &str) -> Self {
        Self::from(&Secret::new(secret))
    }
}

impl From<&RotatingSecret> for RotatingSecret {
    fn from(secret: &RotatingSecret) -> Self {
        secret.clone()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns versions with these ids, each with a text of its own.
    pub(crate) fn versions(ids: &[u16], current: u16) -> SecretVersions {
        let versions = ids.iter().map(|id| (*id, Secret::new(format!("version {id} for tests"))));
        SecretVersions::new(versions.collect(), current).unwrap()
    }

    #[test]
    fn versions_are_found_by_their_ids() {
        let text = |secret: &Secret| secret.expose().to_owned();
        let three = versions(&[2, 3, 7], 3);
        assert_eq!(three.current().0, 3);
        assert_eq!(text(three.current().1), "version 3 for tests");
        assert_eq!(three.get(7).map(text).as_deref(), Some("version 7 for tests"));
        assert_eq!(three.get(3).map(text).as_deref(), Some("version 3 for tests"));
        assert!(three.get(1).is_none());
        assert_eq!(text(three.oldest()), "version 2 for tests");
        assert_eq!(text(versions(&[3, 7], 3).oldest()), "version 3 for tests");
        assert!(SecretVersions::new(BTreeMap::from([(1, Secret::new("x"))]), 2).is_none());
    }

    #[test]
    fn clones_of_a_secret_get_its_new_versions() {
        let secret = RotatingSecret::from(versions(&[1], 1));
        let clone = secret.clone();
        secret.replace(versions(&[1, 2], 2));
        assert_eq!(clone.versions().current().0, 2);
        assert!(!format!("{clone:?}").contains("for tests"), "{clone:?}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(..)");
    }
}
