//! Annotations of doctors on records: create, change and read them and their history.

use domain::audit::AuditEvent;
use domain::id::{AnnotationId, RecordId, UserId};
use domain::notification::Notification;
use domain::rate::Lockout;
use domain::record::{Annotation, AnnotationVersion, MAX_ANNOTATIONS, Record};
use jiff::Timestamp;

use crate::attributes::{entity, number, string};
use crate::error::Error;
use crate::idempotency::StoredResponse;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, ItemKey};
use crate::lookups::put_annotation_lookup;
use crate::page::Page;
use crate::rate::DailyAllowance;
use crate::read::Consistency;
use crate::store::Store;
use crate::table::Table;
use crate::versions;
use crate::write::{EXISTS, Step};

impl Stored for Annotation {
    const ENTITY: &'static str = "annotation";
    const IN_KEY: &'static [&'static str] = &["patient_id", "record_id", "id"];
}

impl Keyed for Annotation {
    fn key(&self) -> ItemKey {
        keys::annotation(self.patient_id, self.record_id, self.id)
    }
}

impl Stored for AnnotationVersion {
    const ENTITY: &'static str = "annotation_version";
    const IN_KEY: &'static [&'static str] = &["patient_id", "annotation_id"];
}

impl Keyed for AnnotationVersion {
    fn key(&self) -> ItemKey {
        keys::annotation_version(self.patient_id, self.annotation_id, self.version)
    }
}

/// Why an annotation was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAnnotationError {
    /// The record is not assigned to the author, or not any more.
    #[error("the record is not assigned to the author")]
    NotAssigned,
    /// The record has [`MAX_ANNOTATIONS`] annotations.
    #[error("the record has too many annotations")]
    Full,
    /// The allowance of the day is used up.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why an annotation was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateAnnotationError {
    /// The record is not assigned to the author any more.
    #[error("the record is not assigned to the author")]
    NotAssigned,
    /// It has been changed since it was read: read again and decide again.
    #[error("changed since it was read")]
    Stale,
    /// The allowance of the day is used up.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Table {
    /// Reads an annotation of any author on a record that is assigned to `doctor`, together with
    /// the record, in one strongly consistent read.
    pub async fn get_annotation(
        &self,
        doctor: UserId,
        patient: UserId,
        record: RecordId,
        id: AnnotationId,
    ) -> Result<Option<(Annotation, Record)>, Error> {
        let keys = [
            keys::annotation(patient, record, id),
            keys::assignment(doctor, record),
            keys::record(patient, record),
        ];
        let (mut annotation, mut is_assigned, mut found) = (None, false, None);
        for item in self.get_all(keys, Consistency::Strong).await? {
            match entity(&item) {
                Annotation::ENTITY => annotation = Some(from_item(item)?),
                Record::ENTITY => found = Some(from_item(item)?),
                _ => is_assigned = true,
            }
        }
        Ok(annotation.zip(found).filter(|_| is_assigned))
    }

    /// Lists an annotation's versions, newest first, including the current one; strongly
    /// consistent. `after` is the last version of the previous page.
    pub async fn list_annotation_versions(
        &self,
        patient: UserId,
        id: AnnotationId,
        limit: usize,
        after: Option<u64>,
    ) -> Result<Page<AnnotationVersion, u64>, Error> {
        let range = keys::annotation_versions(patient, id, versions::newest(after));
        self.list_versions(&range, limit, |version: &AnnotationVersion| version.version).await
    }
}

impl Store {
    /// Creates an annotation on a record and notifies the patient.
    ///
    /// # Errors
    /// [`CreateAnnotationError::NotAssigned`], also when the record is reassigned at the same time;
    /// [`CreateAnnotationError::Full`]; [`CreateAnnotationError::LimitReached`].
    pub async fn create_annotation(
        &self,
        annotation: &Annotation,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
        stored_response: Option<&StoredResponse>,
        allowance: &DailyAllowance,
    ) -> Result<(), CreateAnnotationError> {
        let Annotation { patient_id, record_id, author_id, .. } = *annotation;
        let steps = vec![
            Step::check(keys::assignment(author_id, record_id))
                .only_if(EXISTS, CreateAnnotationError::NotAssigned),
            Step::update(
                keys::record(patient_id, record_id),
                "SET annotation_count = annotation_count + :one, version = version + :one, \
                 updated_at = :now",
            )
            .only_if("annotation_count < :most", CreateAnnotationError::Full)
            .with([
                number(":one", 1_u64),
                number(":most", MAX_ANNOTATIONS),
                string(":now", now),
            ]),
            Step::put(annotation)?,
            Step::put(&AnnotationVersion::from(annotation))?,
            put_annotation_lookup(annotation)?,
            Step::put(notification)?,
            allowance.step()?,
            self.audit(event)?,
        ];
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Stores a changed annotation and notifies the patient. `after` has a higher version.
    ///
    /// # Errors
    /// [`UpdateAnnotationError::NotAssigned`] when the record is not assigned to the author any
    /// more; [`UpdateAnnotationError::Stale`] when the stored version is not that of `before`;
    /// [`UpdateAnnotationError::LimitReached`] when the allowance of the day is used up.
    pub async fn update_annotation(
        &self,
        before: &Annotation,
        after: &Annotation,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
        allowance: &DailyAllowance,
    ) -> Result<(), UpdateAnnotationError> {
        let steps = || {
            Ok(vec![
                Step::check(keys::assignment(before.author_id, before.record_id))
                    .only_if(EXISTS, UpdateAnnotationError::NotAssigned),
                Step::put(after)?
                    .only_if(
                        "version = :before AND author_id = :author",
                        UpdateAnnotationError::Stale,
                    )
                    .with([number(":before", before.version), string(":author", before.author_id)]),
                Step::put(&AnnotationVersion::from(after))?,
                Step::update(
                    keys::record(before.patient_id, before.record_id),
                    "SET version = version + :one, updated_at = :now, \
                     annotation_notification_id = :told",
                )
                .with([
                    number(":one", 1_u64),
                    string(":now", now),
                    string(":told", notification.id),
                ]),
                allowance.step()?,
                self.audit(event)?,
            ])
        };
        self.commit_notifying(std::slice::from_ref(notification), steps).await
    }
}
