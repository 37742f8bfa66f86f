//! Doctors' annotations on records.

use domain::audit::AuditEvent;
use domain::id::{AnnotationId, RecordId, UserId};
use domain::notification::Notification;
use domain::record::{Annotation, AnnotationVersion, MAX_ANNOTATIONS};
use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item::{self, Lookup, Stored, read};
use crate::keys;
use crate::page::Page;
use crate::read::{Consistency, Order};
use crate::write::{Step, number, string};

/// Why an annotation was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// The record is not assigned to the author (any more).
    #[error("the record is not assigned to the author")]
    NotAssigned,
    /// The record has [`MAX_ANNOTATIONS`].
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
    Gone,
    /// It has been changed since it was read: read again and decide again.
    #[error("changed since it was read")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Both conditions name the item that exists while the author may read the record.
const ASSIGNED: &str = "attribute_exists(pk)";

/// The greatest version that a key can hold.
const MAX_VERSION: u64 = 9_999_999_999;

impl Store {
    /// Where an annotation lies, strongly consistent.
    pub async fn get_annotation_lookup(&self, id: AnnotationId) -> Result<Option<Lookup>, Error> {
        self.get(keys::annotation_lookup(id), Consistency::Strong).await
    }

    /// An annotation, whoever wrote it, on a record that is assigned to `doctor`. One strongly
    /// consistent read of both.
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
        items
            .into_iter()
            .find(|item| item::entity(item) == Annotation::ENTITY)
            .map(read)
            .transpose()
    }

    /// A page of an annotation's versions, newest first, the present one among them; strongly
    /// consistent. `after` is the version at which the page before ended.
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
        let items = items.into_iter().map(read).collect::<Result<Vec<AnnotationVersion>, _>>()?;
        let next = items.last().filter(|_| more).map(|version| version.version);
        Ok(Page { items, next })
    }

    /// Adds an annotation to a record and tells the patient.
    ///
    /// # Errors
    /// [`AnnotateError::NotAssigned`] also when the record is being moved to another doctor at this
    /// moment; [`AnnotateError::Full`].
    pub async fn create_annotation(
        &self,
        annotation: &Annotation,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
    ) -> Result<(), AnnotateError> {
        let Annotation { id, patient_id, record_id, author_id, .. } = *annotation;
        self.commit(vec![
            Step::check(keys::assignment(author_id, record_id))
                .only_if(ASSIGNED, AnnotateError::NotAssigned),
            Step::update(
                keys::record(patient_id, record_id),
                "SET annotation_count = annotation_count + :one, version = version + :one, \
                 updated_at = :now",
            )
            .only_if("annotation_count < :most", AnnotateError::Full)
            .with([
                number(":one", 1_u64),
                number(":most", MAX_ANNOTATIONS),
                string(":now", now),
            ]),
            Step::put(item::annotation(annotation)?),
            Step::put(item::annotation_version(&annotation.into())?),
            Step::put(item::annotation_lookup(
                id,
                &Lookup { patient_id, record_id, author_id: Some(author_id) },
            )?),
            Step::put(item::notification(notification)?),
            Step::audit(event)?,
        ])
        .await
    }

    /// Stores a changed annotation and tells the patient. `after` has a higher version.
    ///
    /// # Errors
    /// [`UpdateAnnotationError::Gone`] when the record is not assigned to the author any more;
    /// [`UpdateAnnotationError::Stale`] when the stored version is not that of `before`.
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
                .only_if(ASSIGNED, UpdateAnnotationError::Gone),
            Step::put(item::annotation(after)?)
                .only_if("version = :before AND author_id = :author", UpdateAnnotationError::Stale)
                .with([number(":before", before.version), string(":author", before.author_id)]),
            Step::put(item::annotation_version(&after.into())?),
            Step::update(
                keys::record(before.patient_id, before.record_id),
                "SET version = version + :one, updated_at = :now",
            )
            .with([number(":one", 1_u64), string(":now", now)]),
            Step::put(item::notification(notification)?),
            Step::audit(event)?,
        ])
        .await
    }
}
