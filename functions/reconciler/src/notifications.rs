//! Notifications and stored mails of the last two weeks: their mails, and places in inboxes.

use std::collections::HashSet;

use domain::mail::Mail;
use jiff::Timestamp;
use runtime::clock;
use runtime::serve::Error;
use store::reconcile::MailStatus;
use store::staff::lists::{MailEntry, NotificationEntry};
use uuid::Uuid;

use crate::{Reconciler, RepairCounts};

impl Reconciler {
    /// Reconciles a page of notifications; returns where the next page begins.
    pub(crate) async fn reconcile_notifications(
        &self,
        after: Option<Uuid>,
        report: &mut RepairCounts,
    ) -> Result<Option<Uuid>, Error> {
        let now = clock::now();
        let oldest = now.checked_sub(Mail::RETENTION).unwrap_or(Timestamp::UNIX_EPOCH);
        let (entries, next) = self.page::<NotificationEntry>(Some(oldest), after, now).await?;
        let ids: Vec<_> = entries.iter().map(|it| (it.recipient_id, it.id)).collect();
        let (notifications, inboxes) = self.store.get_mailed_notifications(&ids).await?;
        // An operation on an inbox covers all its notifications, up to a bound.
        let (mut purged, mut settled) = (HashSet::new(), HashSet::new());
        for mailed in notifications {
            let notification = &mailed.notification;
            let recipient = notification.recipient_id;
            if notification.notification_type.is_mailed() {
                self.reconcile_mail(&mailed.mail, now, report).await?;
            }
            let inbox = inboxes.get(&recipient).cloned().unwrap_or_default();
            if let Some(through) = inbox.deleted_through.filter(|it| notification.id <= *it) {
                if !notification.is_deleted && purged.insert(recipient) {
                    self.store.purge_deleted(recipient, None, through).await?;
                    report.notifications_settled += 1;
                }
            } else if notification.is_deleted && !mailed.awaits_mail() {
                self.store.purge_notification(recipient, notification.id).await?;
                report.notifications_settled += 1;
            } else if let (Some(through), Some(at)) = (inbox.read_through, inbox.read_through_at)
                && notification.read_at.is_none()
                && notification.id <= through
                && settled.insert(recipient)
            {
                self.store.settle_read(recipient, None, through, at).await?;
                report.notifications_settled += 1;
            }
        }
        Ok(next)
    }

    /// Reconciles a page of stored mails; returns where the next page begins.
    pub(crate) async fn reconcile_mails(
        &self,
        after: Option<Uuid>,
        report: &mut RepairCounts,
    ) -> Result<Option<Uuid>, Error> {
        let now = clock::now();
        let oldest = now.checked_sub(Mail::RETENTION).unwrap_or(Timestamp::UNIX_EPOCH);
        let (entries, next) = self.page::<MailEntry>(Some(oldest), after, now).await?;
        let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
        for mail in self.store.get_mail_statuses(&ids).await? {
            self.reconcile_mail(&mail, now, report).await?;
        }
        Ok(next)
    }

    /// Orders a mail again that has waited too long, and marks an interrupted one as in doubt.
    async fn reconcile_mail(
        &self,
        mail: &MailStatus,
        now: Timestamp,
        report: &mut RepairCounts,
    ) -> Result<(), Error> {
        let MailStatus { order, requested_at, delivery, claim } = mail;
        if delivery.is_overdue(*requested_at, now)
            && self.store.note_repeated_order(*order, now).await?
        {
            self.mails.of(*order).send(serde_json::to_string(order)?).await?;
            report.mails_ordered += 1;
        }
        if let Some(claim) = claim.as_ref().filter(|_| delivery.is_interrupted(now)) {
            self.store.mark_mail_interrupted(claim, now).await?;
            report.mails_in_doubt += 1;
        }
        Ok(())
    }
}
