//! Known devices: devices from which a user has signed in before. Strangers cannot lock them out.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Credentials;
use crate::id::UserId;

/// How many known devices a user has at most. Each has one of this number of places; a new device
/// takes a random place, so that no list has to be read.
pub const PLACES: u8 = 64;

/// How often a known device may fail in a row before it counts as unknown.
pub const MAX_DEVICE_FAILURES: u64 = 5;

/// How long a device is known after its last sign-in.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// A device from which a user has signed in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KnownDevice {
    /// The user.
    pub user_id: UserId,
    /// SHA-256 of its token's secret, base64url.
    pub secret_hash: String,
    /// The version of the password with which it has signed in. Another password makes all devices
    /// unknown.
    pub password_version: u64,
    /// The failures since its last sign-in.
    pub failures: u64,
    /// When it is forgotten, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

impl KnownDevice {
    /// Creates a device that signs in now.
    pub fn new(
        user_id: UserId,
        secret_hash: String,
        password_version: u64,
        now: Timestamp,
    ) -> Self {
        let ttl = now.saturating_add(LIFETIME).unwrap_or(now).as_second();
        Self { user_id, secret_hash, password_version, failures: 0, ttl }
    }

    /// Returns whether the device has signed in with these credentials, and their password.
    pub fn is_of(&self, credentials: &Credentials) -> bool {
        (self.user_id, self.password_version) == (credentials.user_id, credentials.password_version)
    }

    /// Returns whether this is the device with this secret, and has not been forgotten. DynamoDB
    /// deletes expired items late.
    pub fn has_secret(&self, secret_hash: &str, now: Timestamp) -> bool {
        self.secret_hash == secret_hash && self.ttl > now.as_second()
    }
}
