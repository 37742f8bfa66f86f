//! Mails: those behind notifications and those that are stored by themselves. Sent once, or in
//! doubt, never twice.
//!
//! How far the sending of a mail is stands beside the notification or the stored mail: see
//! [`Delivery`].
//!
//! A mail that is stored by itself is written in the transaction of what it tells (`item::mail`),
//! or alone.

use std::collections::HashMap;

use domain::audit::AuditEvent;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Delivery, Mail, MailFailure, MailKind, MailMessage, MailState, MailToken};
use domain::notification::Notification;
use domain::rate::Lockout;
use jiff::Timestamp;

use crate::Store;
use crate::admin::position;
use crate::error::Error;
use crate::item::{self, Item, Stored, read, text};
use crate::keys::{self, Key, Range};
use crate::lists::{NotificationEntry, entry};
use crate::page::{FURTHER_ITEMS, Page, PageBuilder, Selection, below};
use crate::rate::count_mail;
use crate::read::{Consistency, Order};
use crate::write::{PutOutcome, Step, UpdateOutcome, Value, operation_id, string};

/// What came of the attempt to claim a mail.
#[derive(Clone, PartialEq, Debug)]
pub enum MailClaim<T = Notification> {
    /// Nobody else sends it: send it, then say that it was sent, or give the claim back.
    Claimed(T),
    /// It was sent before.
    AlreadySent,
    /// It was claimed before and nobody said what came of it: it may have been sent.
    InDoubt,
    /// What it is about does not exist any more.
    Gone,
}

/// What becomes of a mail that was not sent, or perhaps was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailOutcome {
    /// It surely was not, and its order comes again.
    TriedAgain,
    /// It surely was not, and its order does not come again by itself.
    GivenUp,
    /// Nobody knows: it is not sent again by itself.
    InDoubt,
}

/// Why a mail was not ordered again.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Its sending is not over, or it is gone.
    #[error("its sending is not over")]
    NotOver,
    /// Its address has had too many today.
    #[error(transparent)]
    Locked(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What is there to be mailed, and how far that is.
#[derive(Clone, PartialEq, Debug)]
pub struct Mailed<T> {
    /// What it is.
    pub what: T,
    /// How far its mail is.
    pub delivery: Delivery,
}

/// The condition of a mail that was surely not sent, and that nobody is sending.
const CAN_BE_BEGUN: &str = "attribute_exists(pk) AND (attribute_not_exists(mail_state) OR \
                            mail_state IN (:failed, :ordered))";

fn state(name: &'static str, state: MailState) -> Value {
    string(name, state)
}

/// What is mailed, as `what` reads it, and how far that is.
fn mailed<T>(item: Item, what: impl FnOnce(Item) -> Result<T, Error>) -> Result<Mailed<T>, Error> {
    let delivery = item::delivery(item.clone())?;
    Ok(Mailed { what: what(item)?, delivery })
}

impl Store {
    /// Claims the mail of a notification; of several at once, one succeeds.
    pub async fn claim_mail(
        &self,
        recipient: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<MailClaim, Error> {
        self.claim(keys::notification(recipient, id), now).await
    }

    /// Claims a stored mail; of several at once, one succeeds.
    pub async fn claim_stored_mail(
        &self,
        id: MailId,
        now: Timestamp,
    ) -> Result<MailClaim<Mail>, Error> {
        self.claim(keys::mail(id), now).await
    }

    /// Says that a claimed mail was sent.
    pub async fn mark_mail_sent(&self, order: MailMessage, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            keys::ordered(order),
            "SET mail_state = :sent, mail_sent_at = :now REMOVE mail_claimed_at, mail_operation, \
             mail_failure, mail_failed_at",
            "mail_state = :sending",
            [
                state(":sent", MailState::Sent),
                state(":sending", MailState::Sending),
                string(":now", now),
            ],
        )
        .await
        .map(drop)
    }

    /// Says why a claimed mail was not sent, or not surely, and gives the claim back unless that is
    /// in doubt.
    pub async fn mark_mail_failed(
        &self,
        order: MailMessage,
        failure: MailFailure,
        fate: MailOutcome,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut values = vec![
            state(":sending", MailState::Sending),
            string(":failure", failure),
            string(":now", now),
        ];
        let expression = match fate {
            MailOutcome::TriedAgain => {
                "SET mail_failure = :failure, mail_failed_at = :now REMOVE mail_state, \
                 mail_claimed_at, mail_operation"
            }
            MailOutcome::GivenUp | MailOutcome::InDoubt => {
                let end = if fate == MailOutcome::GivenUp {
                    MailState::Failed
                } else {
                    MailState::InDoubt
                };
                values.push(state(":end", end));
                "SET mail_state = :end, mail_failure = :failure, mail_failed_at = :now REMOVE \
                 mail_claimed_at, mail_operation"
            }
        };
        self.update_if(keys::ordered(order), expression, "mail_state = :sending", values)
            .await
            .map(drop)
    }

    /// Says why a mail is given up that nobody has begun: there is nobody to send it to, or nothing
    /// to tell. One that was sent, or perhaps was, stays as it is. It is not counted, because
    /// nothing has failed.
    pub async fn mark_mail_dropped(
        &self,
        order: MailMessage,
        failure: MailFailure,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.update_if(
            keys::ordered(order),
            "SET mail_state = :failed, mail_failure = :failure, mail_failed_at = :now",
            CAN_BE_BEGUN,
            [
                state(":failed", MailState::Failed),
                state(":ordered", MailState::ResendRequested),
                string(":failure", failure),
                string(":now", now),
            ],
        )
        .await
        .map(drop)
    }

    /// Orders a mail again whose sending is over, however it ended, or was interrupted, with the
    /// event of it. It counts among the `most` mails that its address may be sent in a day.
    ///
    /// # Errors
    /// [`OrderError::NotOver`] when its sending is not over, or it is gone; [`OrderError::Locked`]
    /// until the next day when the address has had too many.
    pub async fn resend_mail(
        &self,
        order: MailMessage,
        address: &str,
        most: u64,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), OrderError> {
        let begun_before =
            now.checked_sub(Delivery::SENDING_TIMEOUT).unwrap_or(Timestamp::UNIX_EPOCH);
        let again = Step::update(
            keys::ordered(order),
            "SET mail_state = :ordered REMOVE \
             mail_claimed_at, mail_operation",
        )
        .only_if(
            "mail_state IN (:sent, :failed, :in_doubt) OR (mail_state = :sending AND \
                 mail_claimed_at < :begun_before)",
            OrderError::NotOver,
        )
        .with([
            state(":ordered", MailState::ResendRequested),
            state(":sent", MailState::Sent),
            state(":failed", MailState::Failed),
            state(":in_doubt", MailState::InDoubt),
            state(":sending", MailState::Sending),
            string(":begun_before", begun_before),
        ]);
        self.commit(vec![again, count_mail(address, most, now), Step::audit(event)?]).await
    }

    /// How far the mail of a notification is, if there is such a notification. Strongly consistent.
    pub async fn get_notification_delivery(
        &self,
        recipient: UserId,
        id: NotificationId,
    ) -> Result<Option<Mailed<NotificationEntry>>, Error> {
        let item = self.get_item(keys::notification(recipient, id), Consistency::Strong).await?;
        item.map(|item| mailed(item, entry)).transpose()
    }

    /// How far a stored mail is, if there is one. Strongly consistent.
    pub async fn get_mail_delivery(&self, id: MailId) -> Result<Option<Mailed<Mail>>, Error> {
        self.get_item(keys::mail(id), Consistency::Strong)
            .await?
            .map(|item| mailed(item, read))
            .transpose()
    }

    /// The stored mails to a user, newest first, without those to nobody. Eventually consistent;
    /// the work for one page is bounded, so that it may hold fewer than asked for and still have a
    /// next one.
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
        let mut filling = PageBuilder::new(limit);
        let (mut mails, mut start) = self.mails_in(&range, limit + 1, None).await?;
        while filling.take(mails, start.is_some(), look)? {
            (mails, start) = self.mails_in(&range, FURTHER_ITEMS, start).await?;
        }
        Ok(filling.done())
    }

    /// The ids of stored mails in a range, downwards, with the mails that are still there.
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
            .map(|item| mailed(item, read))
            .collect::<Result<Vec<Mailed<Mail>>, _>>()?;
        let mut mails: HashMap<MailId, Mailed<Mail>> =
            mails.into_iter().map(|mail| (mail.what.id, mail)).collect();
        Ok((ids.into_iter().map(|id| (id, mails.remove(&id))).collect(), rest))
    }

    /// The notifications of a user that are mailed, those that were deleted at once but not yet
    /// purged among them, and how far their mails are. Newest first, eventually consistent; bounded
    /// as [`Store::list_mails_of_user`].
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

    /// Stores a mail unless one with its id is there, sent perhaps: for those who may come twice.
    pub async fn create_mail(&self, mail: &Mail) -> Result<(), Error> {
        match self.put_if(item::mail(mail)?, "attribute_not_exists(pk)", []).await? {
            PutOutcome::Done | PutOutcome::Refused(_) => Ok(()),
        }
    }

    /// A stored mail, strongly consistent.
    pub async fn get_mail(&self, id: MailId) -> Result<Option<Mail>, Error> {
        self.get(keys::mail(id), Consistency::Strong).await
    }

    /// Makes a token good that is about to be sent; `hash` is its hash.
    pub async fn create_mail_token(&self, hash: &str, token: &MailToken) -> Result<(), Error> {
        self.put(item::mail_token(hash, token)?).await
    }

    /// What the token with a hash is good for, strongly consistent. The table deletes late: ask
    /// [`MailToken::is_valid_for`].
    pub async fn get_mail_token(&self, hash: &str) -> Result<Option<MailToken>, Error> {
        self.get(keys::mail_token(hash), Consistency::Strong).await
    }

    async fn claim<T: Stored>(&self, key: Key, now: Timestamp) -> Result<MailClaim<T>, Error> {
        let operation = operation_id();
        let updated = self
            .update_if(
                key,
                "SET mail_state = :sending, mail_claimed_at = :now, mail_operation = :operation",
                CAN_BE_BEGUN,
                [
                    state(":sending", MailState::Sending),
                    state(":failed", MailState::Failed),
                    state(":ordered", MailState::ResendRequested),
                    string(":now", now),
                    string(":operation", &operation),
                ],
            )
            .await?;
        match updated {
            UpdateOutcome::Done(item) => read(item).map(MailClaim::Claimed),
            UpdateOutcome::Refused(None) => Ok(MailClaim::Gone),
            UpdateOutcome::Refused(Some(stored))
                if text(&stored, "mail_state") == Some(MailState::Sent.as_str()) =>
            {
                Ok(MailClaim::AlreadySent)
            }
            // The SDK sent the claim twice, and the first one was carried out.
            UpdateOutcome::Refused(Some(stored))
                if text(&stored, "mail_operation") == Some(operation.as_str()) =>
            {
                read(stored).map(MailClaim::Claimed)
            }
            UpdateOutcome::Refused(Some(_)) => Ok(MailClaim::InDoubt),
        }
    }
}
