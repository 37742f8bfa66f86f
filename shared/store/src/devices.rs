//! Known devices: count their attempts, remember them.

use domain::account::Account;
use domain::audit::AuditEvent;
use domain::device::{KnownDevice, MAX_DEVICE_FAILURES};
use domain::id::UserId;
use jiff::Timestamp;

use crate::attributes::{number, seconds, string};
use crate::credentials::{UseTokenError, use_up};
use crate::error::Error;
use crate::item::{Stored, from_item, to_item_at};
use crate::keys;
use crate::rate::forget_failures;
use crate::read::Consistency;
use crate::store::Store;
use crate::table::Table;
use crate::write::{Step, UpdateOutcome};

impl Stored for KnownDevice {
    const ENTITY: &'static str = "device";
    const IN_KEY: &'static [&'static str] = &["user_id"];
}

impl Table {
    /// Counts an attempt of a known device as failed, before it is checked. `None` when the device
    /// is not known, or has failed too often: it counts as unknown then. A sign-in that succeeds
    /// stores the device again.
    pub async fn start_device_attempt(
        &self,
        user: UserId,
        place: u8,
        secret_hash: &str,
        now: Timestamp,
    ) -> Result<Option<KnownDevice>, Error> {
        let counted = self.update_if(
            keys::device(user, place),
            "SET failures = failures + :one",
            "secret_hash = :hash AND #ttl > :now AND failures < :most",
            [
                number(":one", 1_u64),
                string(":hash", secret_hash),
                seconds(":now", now),
                number(":most", MAX_DEVICE_FAILURES),
            ],
        );
        match counted.await? {
            UpdateOutcome::Done(item) => from_item(item).map(Some),
            UpdateOutcome::ConditionFailed(_) => Ok(None),
        }
    }

    /// Reads a known device, strongly consistent. The table deletes expired items late: call
    /// [`KnownDevice::has_secret`].
    pub async fn get_device(&self, user: UserId, place: u8) -> Result<Option<KnownDevice>, Error> {
        self.get(keys::device(user, place), Consistency::Strong).await
    }

    /// Stores a device in its place, where there may be another one.
    pub async fn create_device(&self, device: &KnownDevice, place: u8) -> Result<(), Error> {
        self.put(to_item_at(device, keys::device(device.user_id, place), Vec::new())?).await
    }
}

impl Store {
    /// Makes a device known with a token from a mail, which is used up, and forgets the failures at
    /// the account.
    ///
    /// # Errors
    /// [`UseTokenError::Used`]; of several at once, one succeeds.
    pub async fn confirm_device(
        &self,
        account: &Account,
        token_hash: &str,
        device: &KnownDevice,
        place: u8,
        event: &AuditEvent,
    ) -> Result<(), UseTokenError> {
        let item = to_item_at(device, keys::device(device.user_id, place), Vec::new())?;
        let mut steps = vec![use_up(token_hash), Step::put_item(item), self.audit(event)?];
        steps.extend(forget_failures(account));
        self.commit(steps).await
    }
}
