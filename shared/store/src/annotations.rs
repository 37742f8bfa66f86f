//! Annotations of doctors on records: create, change and read them and their history.

use domain::audit::AuditEvent;
use domain::id::{AnnotationId, RecordId, UserId};
use domain::notification::Notification;
use domain::record::{Annotation, AnnotationVersion, MAX_ANNOTATIONS};
use jiff::Timestamp;

use crate::attributes::{entity, number, string};
use crate::error::Error;
use crate::idempotency::StoredResponse;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, Key};
use crate::lookups::put_annotation_lookup;
use crate::page::Page;
use crate::read::{Consistency, Order};
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, Step};

impl Stored for Annotation {
    const ENTITY: &'static str = "annotation";
    const IN_KEY: &'static [&'static str] = &["patient_id", "record_id", "id"];
}

impl Keyed for Annotation {
    fn key(&self) -> Key {
        keys::annotation(self.patient_id, self.record_id, self.id)
    }
}

impl Stored for AnnotationVersion {
    const ENTITY: &'static str = "annotation_version";
    const IN_KEY: &'static [&'static str] = &["patient_id", "annotation_id"];
}

impl Keyed for AnnotationVersion {
    fn key(&self) -> Key {
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
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// The greatest version that a key can hold.
const MAX_VERSION: u64 = 9_999_999_999;

impl Table {
    /// Reads an annotation of any author on a record that is assigned to `doctor`, in one strongly
    /// consistent read of annotation and assignment.
    pub async fn get_annotation(
        &self,
        doctor: UserId,
        patient: UserId,
        record: RecordId,
        id: AnnotationId,
    ) -> Result<Option<Annotation>, Error> {
        let keys = [keys::annotation(patient, record, id), keys::assignment(doctor, record)];
        let items = self.get_all(keys, Consistency::Strong).await?;
        if items.len() < 2 {
            return Ok(None);
        }
        items.into_iter().find(|item| entity(item) == Annotation::ENTITY).map(from_item).transpose()
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
        let newest = after.map_or(MAX_VERSION, |after| after.min(MAX_VERSION).saturating_sub(1));
        let range = keys::annotation_versions(patient, id, newest);
        let (mut items, _) =
            self.query(&range, Order::Descending, Consistency::Strong, limit + 1, None).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let items =
            items.into_iter().map(from_item).collect::<Result<Vec<AnnotationVersion>, _>>()?;
        let next = items.last().filter(|_| more).map(|version| version.version);
        Ok(Page { items, next })
    }
}

impl Store {
    /// Creates an annotation on a record and notifies the patient.
    ///
    /// # Errors
    /// [`CreateAnnotationError::NotAssigned`], also when the record is reassigned at the same time;
    /// [`CreateAnnotationError::Full`].
    pub async fn create_annotation(
        &self,
        annotation: &Annotation,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
        stored_response: Option<&StoredResponse>,
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
            self.audit(event)?,
        ];
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Stores a changed annotation and notifies the patient. `after` has a higher version.
    ///
    /// # Errors
    /// [`UpdateAnnotationError::NotAssigned`] when the record is not assigned to the author any
    /// more; [`UpdateAnnotationError::Stale`] when the stored version is not that of `before`.
    pub async fn update_annotation(
        &self,
        before: &Annotation,
        after: &Annotation,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
    ) -> Result<(), UpdateAnnotationError> {
        self.commit(vec![
            Step::check(keys::assignment(before.author_id, before.record_id))
                .only_if(EXISTS, UpdateAnnotationError::NotAssigned),
            Step::put(after)?
                .only_if("version = :before AND author_id = :author", UpdateAnnotationError::Stale)
                .with([number(":before", before.version), string(":author", before.author_id)]),
            Step::put(&AnnotationVersion::from(after))?,
            Step::update(
                keys::record(before.patient_id, before.record_id),
                "SET version = version + :one, updated_at = :now",
            )
            .with([number(":one", 1_u64), string(":now", now)]),
            Step::put(notification)?,
            self.audit(event)?,
        ])
        .await
    }
}
