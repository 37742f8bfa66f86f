//! Mails, for staff: see the state of their sending, and order or resend them.

use std::collections::HashMap;

use domain::audit::AuditEvent;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Delivery, Mail, MailKind, MailMessage, MailState};
use domain::rate::Lockout;
use jiff::Timestamp;

use crate::attributes::{Item, string};
use crate::error::Error;
use crate::item::from_item;
use crate::keys::{self, Range};
use crate::mail::{IS_OVERDUE, ORDER_AGAIN, delivery, overdue_values, state};
use crate::page::{FURTHER_ITEMS, Page, PageFiller, Selection, below, position};
use crate::rate::count_mail;
use crate::read::{Consistency, Order};
use crate::staff::lists::{NotificationEntry, entry};
use crate::store::Store;
use crate::table::Table;
use crate::write::Step;

/// Why a mail was not resent.
#[derive(Debug, thiserror::Error)]
pub enum ResendMailError {
    /// The mail is still being sent, or does not exist any more.
    #[error("its sending is not over")]
    UnderWay,
    /// The address has been sent the day's maximum.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A notification or a stored mail with the state of its sending.
#[derive(Clone, PartialEq, Debug)]
pub struct Mailed<T> {
    /// The notification or the mail.
    pub what: T,
    /// The state of its sending.
    pub delivery: Delivery,
}

/// Reads an item's notification or mail with `what`, and the state of its sending.
fn mailed<T>(item: Item, what: impl FnOnce(Item) -> Result<T, Error>) -> Result<Mailed<T>, Error> {
    let delivery = delivery(item.clone())?;
    Ok(Mailed { what: what(item)?, delivery })
}

impl Table {
    /// Reads the state of a notification's mail, strongly consistent; `None` when there is no such
    /// notification.
    pub async fn get_notification_delivery(
        &self,
        recipient: UserId,
        id: NotificationId,
    ) -> Result<Option<Mailed<NotificationEntry>>, Error> {
        let item = self.get_item(keys::notification(recipient, id), Consistency::Strong).await?;
        item.map(|item| mailed(item, entry)).transpose()
    }

    /// Reads the state of a stored mail, strongly consistent; `None` when there is none.
    pub async fn get_mail_delivery(&self, id: MailId) -> Result<Option<Mailed<Mail>>, Error> {
        self.get_item(keys::mail(id), Consistency::Strong)
            .await?
            .map(|item| mailed(item, from_item))
            .transpose()
    }

    /// Lists the stored mails to a user, newest first, without decoys. Eventually consistent. The
    /// work for one page is bounded: it may contain fewer than requested and still have a next one.
    pub async fn list_mails_of_user(
        &self,
        user: UserId,
        limit: usize,
        after: Option<MailId>,
    ) -> Result<Page<Mailed<Mail>, MailId>, Error> {
        let range = keys::mails_of(user, after.map(|id| below(id.as_bytes())));
        let look = |(id, mail): (MailId, Option<Mailed<Mail>>)| {
            let to_somebody = mail.filter(|mail| mail.what.kind != MailKind::Decoy);
            Ok((id, to_somebody.map_or(Selection::Exclude, Selection::Include)))
        };
        let mut filling = PageFiller::new(limit);
        let (mut mails, mut start) = self.mails_in(&range, limit + 1, None).await?;
        while filling.take(mails, start.is_some(), look)? {
            (mails, start) = self.mails_in(&range, FURTHER_ITEMS, start).await?;
        }
        Ok(filling.done())
    }

    /// Reads the ids of stored mails in a range, in descending order, with the mails that still
    /// exist.
    async fn mails_in(
        &self,
        range: &Range,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<(MailId, Option<Mailed<Mail>>)>, Option<Item>), Error> {
        let (entries, rest) =
            self.query(range, Order::Descending, Consistency::Eventual, limit, start).await?;
        let ids =
            entries.iter().map(|item| position(range, item)).collect::<Result<Vec<MailId>, _>>()?;
        let items =
            self.get_all(ids.iter().copied().map(keys::mail), Consistency::Eventual).await?;
        let mails = items
            .into_iter()
            .map(|item| mailed(item, from_item))
            .collect::<Result<Vec<Mailed<Mail>>, _>>()?;
        let mut mails: HashMap<MailId, Mailed<Mail>> =
            mails.into_iter().map(|mail| (mail.what.id, mail)).collect();
        Ok((ids.into_iter().map(|id| (id, mails.remove(&id))).collect(), rest))
    }

    /// Lists the notifications of a user that are mailed, with the state of their mails, including
    /// those that are deleted but not purged yet. Newest first, eventually consistent; bounded as
    /// [`Table::list_mails_of_user`].
    pub async fn list_mailed_notifications(
        &self,
        recipient: UserId,
        limit: usize,
        after: Option<NotificationId>,
    ) -> Result<Page<Mailed<NotificationEntry>, NotificationId>, Error> {
        let range = keys::notifications(recipient, None, after.map(|id| below(id.as_bytes())));
        let first =
            self.query(&range, Order::Descending, Consistency::Eventual, limit + 1, None).await?;
        self.page_from(&range, Consistency::Eventual, limit, first, |item| {
            let mail = mailed(item, entry::<NotificationEntry>)?;
            Ok((mail.what.id, Selection::show_if(mail.what.notification_type.is_mailed(), mail)))
        })
        .await
    }
}

impl Store {
    /// Stores a mail that staff have ordered, and the event of it.
    pub async fn request_mail(&self, mail: &Mail, event: &AuditEvent) -> Result<(), Error> {
        self.commit(vec![Step::put(mail)?, self.audit(event)?]).await
    }

    /// Notes that a mail that has waited too long is ordered again, and writes the event. It counts
    /// towards the `most` mails that its address may be sent per day. The caller queues the order:
    /// if both orders arrive, the mail is sent once.
    ///
    /// # Errors
    /// [`ResendMailError::UnderWay`] when the mail does not wait any more or was ordered again less
    /// than [`Delivery::WAITING_TIMEOUT`] ago; [`ResendMailError::LimitReached`] until the next day
    /// when the address has been sent the maximum.
    pub async fn note_resent_order(
        &self,
        order: MailMessage,
        address: &str,
        most: u64,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), ResendMailError> {
        let noted = Step::update(keys::ordered(order), ORDER_AGAIN)
            .only_if(IS_OVERDUE, ResendMailError::UnderWay)
            .with(overdue_values(now));
        self.commit(vec![noted, count_mail(address, most, now), self.audit(event)?]).await
    }

    /// Orders a mail again whose sending has ended or was interrupted, and writes the event. It
    /// counts towards the `most` mails that its address may be sent per day.
    ///
    /// # Errors
    /// [`ResendMailError::UnderWay`] when the mail is still being sent or does not exist any more;
    /// [`ResendMailError::LimitReached`] until the next day when the address has been sent the
    /// maximum.
    pub async fn resend_mail(
        &self,
        order: MailMessage,
        address: &str,
        most: u64,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), ResendMailError> {
        let begun_before =
            now.checked_sub(Delivery::SENDING_TIMEOUT).unwrap_or(Timestamp::UNIX_EPOCH);
        let again = Step::update(
            keys::ordered(order),
            "SET mail_state = :ordered, mail_ordered_at = :now REMOVE mail_claimed_at, \
             mail_operation",
        )
        .only_if(
            "mail_state IN (:sent, :failed, :in_doubt) OR (mail_state = :sending AND \
                 mail_claimed_at < :begun_before)",
            ResendMailError::UnderWay,
        )
        .with([
            state(":ordered", MailState::ResendRequested),
            state(":sent", MailState::Sent),
            state(":failed", MailState::Failed),
            state(":in_doubt", MailState::InDoubt),
            state(":sending", MailState::Sending),
            string(":begun_before", begun_before),
            string(":now", now),
        ]);
        self.commit(vec![again, count_mail(address, most, now), self.audit(event)?]).await
    }
}
