//! Files of records. Their objects are elsewhere.

use domain::audit::AuditEvent;
use domain::file::{File, FileStatus};
use domain::id::{FileId, RecordId, UserId};
use domain::notification::Notification;
use domain::record::Record;
use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item::{self, Lookup, read};
use crate::keys;
use crate::read::Consistency;
use crate::write::{Step, UpdateOutcome, number, string};

/// Why a file was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteFileError {
    /// It has been deleted already.
    #[error("the file is gone")]
    Gone,
    /// The record is with another doctor than was read: read again and tell the right one.
    #[error("changed by somebody else")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Store {
    /// Where a file lies, strongly consistent.
    pub async fn get_file_lookup(&self, id: FileId) -> Result<Option<Lookup>, Error> {
        self.get(keys::file_lookup(id), Consistency::Strong).await
    }

    /// A file, strongly consistent.
    pub async fn get_file(
        &self,
        patient: UserId,
        record: RecordId,
        id: FileId,
    ) -> Result<Option<File>, Error> {
        self.get(keys::file(patient, record, id), Consistency::Strong).await
    }

    /// Deletes a file from its record. Its object is deleted by whoever reads the table's stream.
    ///
    /// # Errors
    /// [`DeleteFileError::Gone`]; of several at once, one succeeds. [`DeleteFileError::Stale`] when
    /// the record is not assigned to `record.doctor_id` any more; other changes do no harm.
    pub async fn delete_file(
        &self,
        file: &File,
        record: &Record,
        now: Timestamp,
        notification: Option<&Notification>,
        event: &AuditEvent,
    ) -> Result<(), DeleteFileError> {
        let mut steps = vec![
            Step::delete(keys::file(file.patient_id, file.record_id, file.id))
                .only_if("attribute_exists(pk)", DeleteFileError::Gone),
            Step::delete(keys::file_lookup(file.id)),
            Step::update(
                keys::record(record.patient_id, record.id),
                "SET file_count = file_count - :one, version = version + :one, updated_at = :now",
            )
            .only_if("doctor_id = :doctor", DeleteFileError::Stale)
            .with([
                number(":one", 1_u64),
                string(":now", now),
                string(":doctor", record.doctor_id),
            ]),
            Step::audit(event)?,
        ];
        if let Some(notification) = notification {
            steps.push(Step::put(item::notification(notification)?));
        }
        self.commit(steps).await
    }

    /// Gives a pending file its final status. Whether the file has that status now: `false` when it
    /// is gone, or was settled otherwise before.
    pub async fn settle_file(&self, file: &File, status: FileStatus) -> Result<bool, Error> {
        let updated = self
            .update_if(
                keys::file(file.patient_id, file.record_id, file.id),
                "SET #status = :settled",
                "#status = :pending",
                [string(":settled", status), string(":pending", FileStatus::Pending)],
            )
            .await?;
        match updated {
            UpdateOutcome::Done(_) => Ok(true),
            UpdateOutcome::Refused(None) => Ok(false),
            UpdateOutcome::Refused(Some(stored)) => Ok(read::<File>(stored)?.status == status),
        }
    }
}
