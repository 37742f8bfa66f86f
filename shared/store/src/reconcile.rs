//! Reads and repairs of the function that reconciles table, bucket and queues, and where it
//! continues. Each repair is conditional on the fault, and can be repeated.

use std::collections::{HashMap, HashSet};

use domain::file::{File, FileStatus};
use domain::id::{AnnotationId, FileId, MailId, NotificationId, RecordId, UserId};
use domain::mail::{Delivery, Mail, MailKind, MailMessage};
use domain::notification::{InboxState, Notification};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::attributes::{Item, entity, string};
use crate::error::Error;
use crate::item::{Stored, from_item, to_item_at};
use crate::keys;
use crate::mail::{Claim, IS_OVERDUE, ORDER_AGAIN, delivery, overdue_values};
use crate::read::Consistency;
use crate::table::Table;
use crate::write::UpdateOutcome;

/// What is reconciled, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReconciliationStep {
    /// Notifications: their mails and their places in inboxes.
    #[default]
    Notifications,
    /// Stored mails.
    Mails,
    /// Files and their lookups.
    Files,
    /// Lookups of annotations.
    Annotations,
    /// Objects of the bucket.
    Objects,
}

/// Where the reconciliation continues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What is reconciled next.
    pub step: ReconciliationStep,
    /// The id up to which that is done; none at its beginning.
    pub after: Option<Uuid>,
}

impl Stored for Progress {
    const ENTITY: &'static str = "reconciliation";
    const IN_KEY: &'static [&'static str] = &[];
}

/// How far a mail is.
#[derive(Clone, PartialEq, Debug)]
pub struct MailStatus {
    /// Its order.
    pub order: MailMessage,
    /// When it was first ordered.
    pub requested_at: Timestamp,
    /// The state of the sending.
    pub delivery: Delivery,
    /// The claim, while it is being sent.
    pub claim: Option<Claim>,
}

impl MailStatus {
    fn of(order: MailMessage, requested_at: Timestamp, item: Item) -> Result<Self, Error> {
        let claim = Claim::of(order, &item);
        Ok(Self { order, requested_at, delivery: delivery(item)?, claim })
    }
}

/// A stored notification and its mail.
#[derive(Clone, PartialEq, Debug)]
pub struct MailedNotification {
    /// The notification.
    pub notification: Notification,
    /// The mail.
    pub mail: MailStatus,
}

impl MailedNotification {
    /// Returns whether its mail still has to be sent.
    pub fn awaits_mail(&self) -> bool {
        self.notification.notification_type.is_mailed() && self.mail.delivery.is_pending()
    }
}

impl Table {
    /// Reads where the reconciliation continues.
    pub async fn get_reconciliation(&self) -> Result<Progress, Error> {
        let found = self.get(keys::reconciliation(), Consistency::Strong).await?;
        Ok(found.unwrap_or_default())
    }

    /// Stores where the reconciliation continues.
    pub async fn put_reconciliation(&self, progress: &Progress) -> Result<(), Error> {
        self.put(to_item_at(progress, keys::reconciliation(), Vec::new())?).await
    }

    /// Reads those of some notifications that still exist, with the states of their inboxes.
    pub async fn get_mailed_notifications(
        &self,
        notifications: &[(UserId, NotificationId)],
    ) -> Result<(Vec<MailedNotification>, HashMap<UserId, InboxState>), Error> {
        let recipients: HashSet<_> = notifications.iter().map(|(recipient, _)| recipient).collect();
        let states = recipients.into_iter().map(|recipient| keys::inbox_state(*recipient));
        let wanted = notifications.iter().map(|(user, id)| keys::notification(*user, *id));
        let mut found = Vec::new();
        let mut inboxes = HashMap::new();
        for item in self.get_all(wanted.chain(states), Consistency::Strong).await? {
            if entity(&item) == InboxState::ENTITY {
                let recipient = keys::ids(&item).next().and_then(|id| id.parse().ok());
                inboxes.extend(recipient.zip(Some(from_item(item)?)));
            } else {
                found.push(mailed_notification(item)?);
            }
        }
        Ok((found, inboxes))
    }

    /// Reads how far those of some stored mails are that still exist. Decoys are left out: they are
    /// never sent.
    pub async fn get_mail_statuses(&self, mails: &[MailId]) -> Result<Vec<MailStatus>, Error> {
        let wanted = mails.iter().map(|id| keys::mail(*id));
        let mut found = Vec::new();
        for item in self.get_all(wanted, Consistency::Strong).await? {
            let mail: Mail = from_item(item.clone())?;
            if mail.kind != MailKind::Decoy {
                let order = MailMessage::Mail { mail_id: mail.id };
                found.push(MailStatus::of(order, mail.requested_at(), item)?);
            }
        }
        Ok(found)
    }

    /// Notes that an overdue mail is ordered again; returns whether it still waited. The caller
    /// queues the order: if several arrive, the mail is sent once.
    pub async fn note_repeated_order(
        &self,
        order: MailMessage,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let key = keys::ordered(order);
        let noted = self.update_if(key, ORDER_AGAIN, IS_OVERDUE, overdue_values(now)).await?;
        Ok(matches!(noted, UpdateOutcome::Done(_)))
    }

    /// Reads files by patient, record and id; those that do not exist are absent.
    pub async fn get_files(
        &self,
        files: &[(UserId, RecordId, FileId)],
    ) -> Result<Vec<File>, Error> {
        let keys = files.iter().map(|(patient, record, id)| keys::file(*patient, *record, *id));
        let items = self.get_all(keys, Consistency::Strong).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Returns which of these annotations exist.
    pub async fn get_existing_annotations(
        &self,
        annotations: &[(UserId, RecordId, AnnotationId)],
    ) -> Result<HashSet<AnnotationId>, Error> {
        let keys = annotations
            .iter()
            .map(|(patient, record, id)| keys::annotation(*patient, *record, *id));
        let items = self.get_all(keys, Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| keys::ids(item).last()?.parse().ok()).collect())
    }

    /// Returns which of these files are known: their place in a record can be looked up.
    pub async fn get_existing_file_lookups(
        &self,
        files: &[FileId],
    ) -> Result<HashSet<FileId>, Error> {
        let lookups = files.iter().map(|id| keys::file_lookup(*id));
        let items = self.get_all(lookups, Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| keys::ids(item).next()?.parse().ok()).collect())
    }

    /// Deletes the lookup of a file that does not exist any more.
    pub async fn delete_file_lookup(&self, id: FileId) -> Result<(), Error> {
        self.delete(keys::file_lookup(id)).await
    }

    /// Deletes the lookup of an annotation that does not exist any more.
    pub async fn delete_annotation_lookup(&self, id: AnnotationId) -> Result<(), Error> {
        self.delete(keys::annotation_lookup(id)).await
    }

    /// Makes an available file wait for its upload again, because its object is lost. Returns
    /// whether it was available.
    pub async fn reopen_file(&self, file: &File) -> Result<bool, Error> {
        let updated = self
            .update_if(
                keys::file(file.patient_id, file.record_id, file.id),
                "SET #status = :pending",
                "#status = :available",
                [
                    string(":pending", FileStatus::Pending),
                    string(":available", FileStatus::Available),
                ],
            )
            .await?;
        Ok(matches!(updated, UpdateOutcome::Done(_)))
    }
}

fn mailed_notification(item: Item) -> Result<MailedNotification, Error> {
    let notification: Notification = from_item(item.clone())?;
    let Notification { id, recipient_id, .. } = notification;
    let order = MailMessage::Notification { recipient_id, notification_id: id };
    let mail = MailStatus::of(order, id.created_at(), item)?;
    Ok(MailedNotification { notification, mail })
}
