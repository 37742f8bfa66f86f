//! What staff may read of a record, and what they may change.
//!
//! Without more they see its outline. What people have written is read only with a [`Grant`], which
//! nothing but [`Store::get_grant`] gives: from an item that stands there for a quarter of an hour
//! once an admin has broken the glass, which is told to the patient.

use std::collections::HashMap;

use domain::audit::AuditEvent;
use domain::file::{ContentType, File, FileStatus};
use domain::id::{AnnotationId, FileId, NotificationId, RecordId, UserId};
use domain::notification::Notification;
use domain::record::{Annotation, Record, RecordDetail, RecordType};
use domain::text::Justification;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{Error, UpdateError, classify};
use crate::item::{self, Item, Stored, read, read_part};
use crate::keys::{self, Key, Range};
use crate::lists::{AnnotationEntry, FileEntry, NotificationEntry};
use crate::page::FURTHER_ITEMS;
use crate::read::{Consistency, Order};
use crate::records::Assignment;
use crate::write::{Step, names, number, string};

/// How long an admin may read a record after breaking the glass.
pub const EMERGENCY_ACCESS_DURATION: SignedDuration = SignedDuration::from_mins(15);

/// That an admin has broken the glass for a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct EmergencyAccess {
    admin_id: UserId,
    record_id: RecordId,
    patient_id: UserId,
    reason: Justification,
    /// When it is whole again: seconds since 1970, the table's time to live.
    ttl: i64,
}

impl EmergencyAccess {
    pub(crate) fn key(&self) -> Key {
        keys::glass(self.admin_id, self.record_id)
    }
}

/// That an admin may read what a record says, now. Only the store gives it.
#[derive(Clone, PartialEq, Debug)]
pub struct Grant(EmergencyAccess);

impl Grant {
    /// Which record.
    pub fn record_id(&self) -> RecordId {
        self.0.record_id
    }

    /// Whose record it is.
    pub fn patient_id(&self) -> UserId {
        self.0.patient_id
    }

    /// Why the admin has broken the glass.
    pub fn reason(&self) -> &Justification {
        &self.0.reason
    }

    /// From when on it is worth nothing.
    pub fn ends_at(&self) -> Timestamp {
        Timestamp::from_second(self.0.ttl).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A record, without what people have written.
#[derive(Clone, PartialEq, Debug)]
pub struct Outline {
    /// The record.
    pub record: RecordOutline,
    /// Its files, newest first.
    pub files: Vec<FileOutline>,
    /// Its annotations, newest first.
    pub annotations: Vec<AnnotationOutline>,
}

/// A record's own part of its outline.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct RecordOutline {
    /// Which.
    pub id: RecordId,
    /// Whose it is.
    pub patient_id: UserId,
    /// The doctor it is assigned to.
    pub doctor_id: UserId,
    /// What it is about.
    pub record_type: RecordType,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// Counts those changes.
    pub version: u64,
}

/// A file, without its name.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct FileOutline {
    /// Which.
    pub id: FileId,
    /// What it claims to be.
    pub content_type: ContentType,
    /// How long it is.
    pub size_bytes: u64,
    /// Whether it is there.
    pub status: FileStatus,
}

/// An annotation, without what it says.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct AnnotationOutline {
    /// Which.
    pub id: AnnotationId,
    /// The doctor who wrote it.
    pub author_id: UserId,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Store {
    /// One record without what people have written, strongly consistent.
    pub async fn get_record_outline(
        &self,
        patient: UserId,
        record: RecordId,
    ) -> Result<Option<Outline>, Error> {
        let range = keys::records(patient, record, record);
        let (mut files, mut annotations, mut start) = (Vec::new(), Vec::new(), None);
        loop {
            let (items, rest) = self.query_outline(&range, FURTHER_ITEMS, start).await?;
            for item in items {
                match item::entity(&item) {
                    File::ENTITY => files.push(outlined::<File, _>(item)?),
                    Annotation::ENTITY => annotations.push(outlined::<Annotation, _>(item)?),
                    _ => {
                        return Ok(Some(Outline {
                            record: outlined::<Record, _>(item)?,
                            files,
                            annotations,
                        }));
                    }
                }
            }
            start = rest;
            if start.is_none() {
                return Ok(None);
            }
        }
    }

    /// One Query, downwards and strongly consistent, of what staff may see without breaking the
    /// glass. The table does not even send the rest.
    pub(crate) async fn query_outline(
        &self,
        range: &Range,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let sent = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression(range.index.condition())
            .set_expression_attribute_values(Some(range.values()))
            .projection_expression(keys::OUTLINE)
            .set_expression_attribute_names(names(keys::OUTLINE))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await;
        let response = sent.map_err(|error| classify("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }

    /// Lets an admin read a record for a while, and tells the patient. Breaking it again begins
    /// anew.
    pub async fn break_glass(
        &self,
        admin: UserId,
        record: &RecordOutline,
        reason: &Justification,
        now: Timestamp,
        notification: &Notification,
        event: &AuditEvent,
    ) -> Result<(), Error> {
        let ttl = now.as_second().saturating_add(EMERGENCY_ACCESS_DURATION.as_secs());
        let glass = EmergencyAccess {
            admin_id: admin,
            record_id: record.id,
            patient_id: record.patient_id,
            reason: reason.clone(),
            ttl,
        };
        self.commit(vec![
            Step::put(item::glass(&glass)?),
            Step::put(item::notification(notification)?),
            Step::audit(event)?,
        ])
        .await
    }

    /// Whether an admin may read what a record says, strongly consistent.
    pub async fn get_grant(
        &self,
        admin: UserId,
        record: RecordId,
        now: Timestamp,
    ) -> Result<Option<Grant>, Error> {
        let glass =
            self.get::<EmergencyAccess>(keys::glass(admin, record), Consistency::Strong).await?;
        Ok(glass.filter(|glass| glass.ttl > now.as_second()).map(Grant))
    }

    /// What an admin may read now, strongly consistent.
    pub async fn list_grants(&self, admin: UserId, now: Timestamp) -> Result<Vec<Grant>, Error> {
        let (items, _) = self
            .query(
                &keys::glasses(admin),
                Order::Descending,
                Consistency::Strong,
                FURTHER_ITEMS,
                None,
            )
            .await?;
        let glasses =
            items.into_iter().map(read::<EmergencyAccess>).collect::<Result<Vec<_>, _>>()?;
        Ok(glasses.into_iter().filter(|glass| glass.ttl > now.as_second()).map(Grant).collect())
    }

    /// The record of a grant with all that it says, strongly consistent.
    pub async fn get_granted_record(&self, grant: &Grant) -> Result<Option<RecordDetail>, Error> {
        self.get_record_detail(grant.patient_id(), grant.record_id()).await
    }

    /// The names of files, of those that belong to the records of grants.
    pub async fn get_granted_files(
        &self,
        grants: &[Grant],
        files: &[FileEntry],
    ) -> Result<HashMap<FileId, File>, Error> {
        let opened = files.iter().filter(|file| opens(grants, Some(file.record_id)));
        let items = self
            .get_all(
                opened.map(|file| keys::file(file.patient_id, file.record_id, file.id)),
                Consistency::Eventual,
            )
            .await?;
        items.into_iter().map(|item| read::<File>(item).map(|file| (file.id, file))).collect()
    }

    /// Annotations, those that are on the records of grants.
    pub async fn get_granted_annotations(
        &self,
        grants: &[Grant],
        annotations: &[AnnotationEntry],
    ) -> Result<HashMap<AnnotationId, Annotation>, Error> {
        let opened =
            annotations.iter().filter(|annotation| opens(grants, Some(annotation.record_id)));
        let keys = opened.map(|annotation| {
            keys::annotation(annotation.patient_id, annotation.record_id, annotation.id)
        });
        let items = self.get_all(keys, Consistency::Eventual).await?;
        items
            .into_iter()
            .map(|item| read::<Annotation>(item).map(|annotation| (annotation.id, annotation)))
            .collect()
    }

    /// Notifications, those that are about the records of grants.
    pub async fn get_granted_notifications(
        &self,
        grants: &[Grant],
        notifications: &[NotificationEntry],
    ) -> Result<HashMap<NotificationId, Notification>, Error> {
        let opened =
            notifications.iter().filter(|notification| opens(grants, notification.record_id));
        let keys = opened
            .map(|notification| keys::notification(notification.recipient_id, notification.id));
        let items = self.get_all(keys, Consistency::Eventual).await?;
        items
            .into_iter()
            .map(|item| {
                read::<Notification>(item).map(|notification| (notification.id, notification))
            })
            .collect()
    }

    /// Assigns a record to another doctor, as [`Store::update_record`] does for the patient,
    /// without reading what it says.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not that of `before`.
    pub async fn correct_assignment(
        &self,
        before: &RecordOutline,
        doctor: UserId,
        now: Timestamp,
        notifications: &[Notification],
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        let RecordOutline { id, patient_id, record_type, .. } = *before;
        let moved = Step::update(
            keys::record(patient_id, id),
            "SET doctor_id = :doctor, updated_at = :now, version = version + :one",
        );
        let mut steps = vec![
            moved.only_if("version = :before", UpdateError::Stale).with([
                string(":doctor", doctor),
                string(":now", now),
                number(":one", 1_u64),
                number(":before", before.version),
            ]),
            Step::delete(keys::assignment(before.doctor_id, id)),
            Step::put(item::assignment(&Assignment {
                record_id: id,
                doctor_id: doctor,
                patient_id,
                record_type,
            })?),
            Step::audit(event)?,
        ];
        for notification in notifications {
            steps.push(Step::put(item::notification(notification)?));
        }
        self.commit(steps).await
    }
}

fn opens(grants: &[Grant], record: Option<RecordId>) -> bool {
    grants.iter().any(|grant| record == Some(grant.record_id()))
}

fn outlined<T: Stored, O: serde::de::DeserializeOwned>(item: Item) -> Result<O, Error> {
    read_part(item, T::IN_KEY).ok_or(Error::Corrupt { entity: T::ENTITY })
}
