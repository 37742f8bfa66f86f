//! Files of records: read, settle and delete them. Their contents are objects in a bucket.

use domain::audit::AuditEvent;
use domain::file::{File, FileStatus, Verdict};
use domain::id::{FileId, RecordId, UserId};
use domain::notification::Notification;
use domain::rate::Lockout;
use domain::record::{NamedFile, Record, RecordVersion};
use jiff::Timestamp;

use crate::attributes::{number, string};
use crate::error::Error;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, ItemKey};
use crate::rate::DailyAllowance;
use crate::read::Consistency;
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, Step, UpdateOutcome};

impl Stored for File {
    const ENTITY: &'static str = "file";
    const IN_KEY: &'static [&'static str] = &["patient_id", "record_id", "id"];
}

impl Keyed for File {
    fn key(&self) -> ItemKey {
        keys::file(self.patient_id, self.record_id, self.id)
    }
}

/// Why a file was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteFileError {
    /// The file does not exist, or not any more.
    #[error("the file is gone")]
    NotFound,
    /// Anything in the record has changed since it was read: read it again, to notify the right
    /// doctor and to keep the history in order.
    #[error("changed by somebody else")]
    Stale,
    /// The allowance of the day is used up.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Table {
    /// Reads a file, strongly consistent.
    pub async fn get_file(
        &self,
        patient: UserId,
        record: RecordId,
        id: FileId,
    ) -> Result<Option<File>, Error> {
        self.get(keys::file(patient, record, id), Consistency::Strong).await
    }

    /// Gives a pending file its final status, and the reason if it is rejected. Returns whether the
    /// file has that status now: `false` when it does not exist any more, or was given the other
    /// one before.
    pub async fn settle_file(&self, file: &File, verdict: Verdict) -> Result<bool, Error> {
        let status = verdict.status();
        let mut change = "SET #status = :settled".to_owned();
        let mut values = vec![string(":settled", status), string(":pending", FileStatus::Pending)];
        if let Some(reason) = verdict.rejection() {
            change.push_str(", rejection = :rejection");
            values.push(string(":rejection", reason));
        }
        let key = keys::file(file.patient_id, file.record_id, file.id);
        let updated = self.update_if(key, &change, "#status = :pending", values).await?;
        match updated {
            UpdateOutcome::Done(_) => Ok(true),
            UpdateOutcome::ConditionFailed(None) => Ok(false),
            UpdateOutcome::ConditionFailed(Some(stored)) => {
                Ok(from_item::<File>(stored)?.status == status)
            }
        }
    }
}

impl Store {
    /// Deletes a file from its record. The function that reads the table's stream deletes the
    /// object. The record's history keeps the file's name, as deleted by the actor of the event.
    ///
    /// # Errors
    /// [`DeleteFileError::NotFound`]; of several at once, one succeeds. [`DeleteFileError::Stale`]
    /// when the stored version is not that of `record`.
    /// [`DeleteFileError::LimitReached`] when the allowance of the day is used up.
    pub async fn delete_file(
        &self,
        file: &File,
        record: &Record,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
        allowance: &DailyAllowance,
    ) -> Result<(), DeleteFileError> {
        let version = RecordVersion {
            files_removed: vec![NamedFile::from(file)],
            ..RecordVersion::empty(
                record.patient_id,
                record.id,
                record.version + 1,
                event.actor_id,
                now,
            )
        };
        let steps = || {
            Ok(vec![
                Step::delete(keys::file(file.patient_id, file.record_id, file.id))
                    .only_if(EXISTS, DeleteFileError::NotFound),
                Step::delete(keys::file_lookup(file.id)),
                Step::update(
                    keys::record(record.patient_id, record.id),
                    "SET file_count = file_count - :one, version = version + :one, \
                     content_version = version + :one, updated_at = :now, \
                     update_notification_id = :told",
                )
                .only_if("version = :before", DeleteFileError::Stale)
                .with([
                    number(":one", 1_u64),
                    string(":now", now),
                    number(":before", record.version),
                    string(":told", notification.id),
                ]),
                Step::put(&version)?,
                self.audit(event)?,
                allowance.step()?,
            ])
        };
        self.commit_notifying(std::slice::from_ref(notification), steps).await
    }
}
