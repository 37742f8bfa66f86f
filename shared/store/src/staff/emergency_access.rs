//! Emergency access ("breaking the glass"): an admin reads what people have written in a record.
//!
//! Without it staff see a record's outline ([`crate::staff::outline`]). What people have written is
//! read with a [`Grant`], which nothing but [`Table::get_grant`] gives: from an item that is valid
//! for [`EMERGENCY_ACCESS_DURATION`] once an admin has broken the glass, of which the patient is
//! notified.

use std::collections::HashMap;

use domain::audit::AuditEvent;
use domain::file::File;
use domain::id::{AnnotationId, FileId, NotificationId, RecordId, UserId};
use domain::notification::Notification;
use domain::record::{Annotation, RecordDetail};
use domain::text::Justification;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, ItemKey};
use crate::read::Consistency;
use crate::staff::lists::{AnnotationEntry, FileEntry, NotificationEntry};
use crate::staff::outline::RecordOutline;
use crate::store::Store;
use crate::table::Table;
use crate::write::Step;

/// How long an admin may read a record after breaking the glass.
pub const EMERGENCY_ACCESS_DURATION: SignedDuration = SignedDuration::from_mins(15);

/// An admin's access to a record, as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct EmergencyAccess {
    admin_id: UserId,
    record_id: RecordId,
    patient_id: UserId,
    reason: Justification,
    /// When it ends: seconds since 1970, the table's time to live.
    ttl: i64,
}

impl Stored for EmergencyAccess {
    const ENTITY: &'static str = "glass";
    const IN_KEY: &'static [&'static str] = &["admin_id", "record_id"];
}

impl Keyed for EmergencyAccess {
    fn key(&self) -> ItemKey {
        keys::emergency_access(self.admin_id, self.record_id)
    }
}

/// The proof that an admin may read a record's content now. Only the store makes one.
#[derive(Clone, PartialEq, Debug)]
pub struct Grant(EmergencyAccess);

impl Grant {
    /// Returns the id of the record.
    pub fn record_id(&self) -> RecordId {
        self.0.record_id
    }

    /// Returns the id of the patient.
    pub fn patient_id(&self) -> UserId {
        self.0.patient_id
    }

    /// Returns the admin's justification.
    pub fn reason(&self) -> &Justification {
        &self.0.reason
    }

    /// Returns when the access ends.
    pub fn ends_at(&self) -> Timestamp {
        Timestamp::from_second(self.0.ttl).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

impl Table {
    /// Reads an admin's access to a record, strongly consistent; `None` when there is none now.
    pub async fn get_grant(
        &self,
        admin: UserId,
        record: RecordId,
        now: Timestamp,
    ) -> Result<Option<Grant>, Error> {
        let access = self
            .get::<EmergencyAccess>(keys::emergency_access(admin, record), Consistency::Strong)
            .await?;
        Ok(access.filter(|access| access.ttl > now.as_second()).map(Grant))
    }

    /// Lists an admin's current accesses, strongly consistent.
    pub async fn list_grants(&self, admin: UserId, now: Timestamp) -> Result<Vec<Grant>, Error> {
        let items = self.query_all(&keys::emergency_accesses(admin), Consistency::Strong).await?;
        let accesses =
            items.into_iter().map(from_item::<EmergencyAccess>).collect::<Result<Vec<_>, _>>()?;
        Ok(accesses.into_iter().filter(|access| access.ttl > now.as_second()).map(Grant).collect())
    }

    /// Reads the record of a grant with its files and annotations, strongly consistent.
    pub async fn get_granted_record(&self, grant: &Grant) -> Result<Option<RecordDetail>, Error> {
        self.get_record_detail(grant.patient_id(), grant.record_id()).await
    }

    /// Reads those of these files that belong to the records of grants.
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
        items.into_iter().map(|item| from_item::<File>(item).map(|file| (file.id, file))).collect()
    }

    /// Reads those of these annotations that are on the records of grants.
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
            .map(|item| from_item::<Annotation>(item).map(|annotation| (annotation.id, annotation)))
            .collect()
    }

    /// Reads those of these notifications that are about the records of grants.
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
                from_item::<Notification>(item).map(|notification| (notification.id, notification))
            })
            .collect()
    }
}

impl Store {
    /// Grants an admin access to a record for [`EMERGENCY_ACCESS_DURATION`] and notifies the
    /// patient. Repeating it restarts the time.
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
        let access = EmergencyAccess {
            admin_id: admin,
            record_id: record.id,
            patient_id: record.patient_id,
            reason: reason.clone(),
            ttl,
        };
        self.commit(vec![Step::put(&access)?, Step::put(notification)?, self.audit(event)?]).await
    }
}

fn opens(grants: &[Grant], record: Option<RecordId>) -> bool {
    grants.iter().any(|grant| record == Some(grant.record_id()))
}
