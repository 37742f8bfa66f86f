//! Mails: those behind notifications and those that are stored by themselves. Sent once, or in doubt, never twice.
//!
//! How far the sending of a mail is stands beside the notification or the stored mail: see [`Delivery`].
//!
//! A mail that is stored by itself is written in the transaction of what it tells (`item::mail`), or alone.

use std::cmp::Reverse;

use domain::audit::AuditEvent;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Delivery, Mail, MailFailure, MailKind, MailMessage, MailState, MailToken};
use domain::notification::Notification;
use domain::rate::Locked;
use jiff::Timestamp;

use crate::Store;
use crate::admin::position;
use crate::error::Error;
use crate::item::{self, Item, Stored, read, text};
use crate::keys::{self, Key};
use crate::lists::{NotificationEntry, entry};
use crate::page::{Page, below};
use crate::rate::count_mail;
use crate::read::{Consistency, Order};
use crate::write::{Step, Updated, Value, Written, operation_id, string};

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
pub enum Fate {
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
    Locked(#[from] Locked),
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
    pub async fn claim_mail(&self, recipient: UserId, id: NotificationId, now: Timestamp) -> Result<MailClaim, Error> {
        self.claim(keys::notification(recipient, id), now).await
    }

    /// Claims a stored mail; of several at once, one succeeds.
    pub async fn claim_stored_mail(&self, id: MailId, now: Timestamp) -> Result<MailClaim<Mail>, Error> {
        self.claim(keys::mail(id), now).await
    }

    /// Says that a claimed mail was sent.
    pub async fn mail_sent(&self, order: MailMessage, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            keys::ordered(order),
            "SET mail_state = :sent, mail_sent_at = :now REMOVE mail_claimed_at, mail_operation, mail_failure, mail_failed_at",
            "mail_state = :sending",
            [state(":sent", MailState::Sent), state(":sending", MailState::Sending), string(":now", now)],
        )
        .await
        .map(drop)
    }

    /// Says why a claimed mail was not sent, or not surely, and gives the claim back unless that is in doubt.
    pub async fn mail_failed(&self, order: MailMessage, failure: MailFailure, fate: Fate, now: Timestamp) -> Result<(), Error> {
        let mut values = vec![state(":sending", MailState::Sending), string(":failure", failure), string(":now", now)];
        let expression = match fate {
            Fate::TriedAgain => "SET mail_failure = :failure, mail_failed_at = :now REMOVE mail_state, mail_claimed_at, mail_operation",
            Fate::GivenUp | Fate::InDoubt => {
                let end = if fate == Fate::GivenUp { MailState::Failed } else { MailState::InDoubt };
                values.push(state(":end", end));
                "SET mail_state = :end, mail_failure = :failure, mail_failed_at = :now REMOVE mail_claimed_at, mail_operation"
            }
        };
        self.update_if(keys::ordered(order), expression, "mail_state = :sending", values).await.map(drop)
    }

    /// Orders a mail again whose sending is over, however it ended, or was interrupted, with the event of it. It counts among the
    /// `most` mails that its address may be sent in a day.
    ///
    /// # Errors
    /// [`OrderError::NotOver`] when its sending is not over, or it is gone; [`OrderError::Locked`] until the next day when the
    /// address has had too many.
    pub async fn order_mail_again(
        &self,
        order: MailMessage,
        address: &str,
        most: u64,
        event: &AuditEvent,
        now: Timestamp,
    ) -> Result<(), OrderError> {
        let begun_before = now.checked_sub(Delivery::UNDER_WAY).unwrap_or(Timestamp::UNIX_EPOCH);
        let again = Step::update(keys::ordered(order), "SET mail_state = :ordered REMOVE mail_claimed_at, mail_operation")
            .only_if(
                "mail_state IN (:sent, :failed, :in_doubt) OR (mail_state = :sending AND mail_claimed_at < :begun_before)",
                OrderError::NotOver,
            )
            .with([
                state(":ordered", MailState::Ordered),
                state(":sent", MailState::Sent),
                state(":failed", MailState::Failed),
                state(":in_doubt", MailState::InDoubt),
                state(":sending", MailState::Sending),
                string(":begun_before", begun_before),
            ]);
        self.commit(vec![again, count_mail(address, most, now), Step::tell(event)?]).await
    }

    /// How far the mail of a notification is, if there is such a notification. Strongly consistent.
    pub async fn mailed_notification(&self, recipient: UserId, id: NotificationId) -> Result<Option<Mailed<NotificationEntry>>, Error> {
        let item = self.get_item(keys::notification(recipient, id), Consistency::Strong).await?;
        item.map(|item| mailed(item, entry)).transpose()
    }

    /// How far a stored mail is, if there is one. Strongly consistent.
    pub async fn mailed_mail(&self, id: MailId) -> Result<Option<Mailed<Mail>>, Error> {
        self.get_item(keys::mail(id), Consistency::Strong).await?.map(|item| mailed(item, read)).transpose()
    }

    /// The stored mails to a user, newest first, without those to nobody. The list is eventually consistent, and may hold
    /// fewer than asked for.
    pub async fn mails_of(&self, user: UserId, limit: usize, after: Option<MailId>) -> Result<Page<Mailed<Mail>, MailId>, Error> {
        let range = keys::mails_of(user, after.map(|id| below(id.as_bytes())));
        let (mut found, more) = self.query_first(&range, Order::Descending, limit).await?;
        found.truncate(limit);
        let items = self.get_all(found.iter().filter_map(Key::of), Consistency::Eventual).await?;
        let mut mails: Vec<Mailed<Mail>> = items.into_iter().map(|item| mailed(item, read)).collect::<Result<_, _>>()?;
        mails.retain(|mail| mail.what.kind != MailKind::Nobody);
        mails.sort_unstable_by_key(|mail| Reverse(mail.what.id));
        let next = found.last().filter(|_| more).map(|item| position(&range, item)).transpose()?;
        Ok(Page { items: mails, next })
    }

    /// The newest notifications of a user, those that were deleted at once but not yet purged among them, and how far their
    /// mails are. Newest first, eventually consistent.
    pub async fn newest_mailed_notifications(&self, recipient: UserId, limit: usize) -> Result<Vec<Mailed<NotificationEntry>>, Error> {
        let range = keys::notifications(recipient, None, None);
        let (items, _) = self.query(&range, Order::Descending, Consistency::Eventual, limit, None).await?;
        items.into_iter().map(|item| mailed(item, entry)).collect()
    }

    /// Stores a mail unless one with its id is there, sent perhaps: for those who may come twice.
    pub async fn put_mail_once(&self, mail: &Mail) -> Result<(), Error> {
        match self.put_if(item::mail(mail)?, "attribute_not_exists(pk)", []).await? {
            Written::Done | Written::Refused(_) => Ok(()),
        }
    }

    /// A stored mail, strongly consistent.
    pub async fn stored_mail(&self, id: MailId) -> Result<Option<Mail>, Error> {
        self.get(keys::mail(id), Consistency::Strong).await
    }

    /// Makes a token good that is about to be sent; `hash` is its hash.
    pub async fn put_mail_token(&self, hash: &str, token: &MailToken) -> Result<(), Error> {
        self.put(item::mail_token(hash, token)?).await
    }

    /// What the token with a hash is good for, strongly consistent. The table deletes late: ask
    /// [`MailToken::is_good_for`].
    pub async fn mail_token(&self, hash: &str) -> Result<Option<MailToken>, Error> {
        self.get(keys::mail_token(hash), Consistency::Strong).await
    }

    async fn claim<T: Stored>(&self, key: Key, now: Timestamp) -> Result<MailClaim<T>, Error> {
        let operation = operation_id();
        let updated = self
            .update_if(
                key,
                "SET mail_state = :sending, mail_claimed_at = :now, mail_operation = :operation",
                "attribute_exists(pk) AND (attribute_not_exists(mail_state) OR mail_state IN (:failed, :ordered))",
                [
                    state(":sending", MailState::Sending),
                    state(":failed", MailState::Failed),
                    state(":ordered", MailState::Ordered),
                    string(":now", now),
                    string(":operation", &operation),
                ],
            )
            .await?;
        match updated {
            Updated::Done(item) => read(item).map(MailClaim::Claimed),
            Updated::Refused(None) => Ok(MailClaim::Gone),
            Updated::Refused(Some(stored)) if text(&stored, "mail_state") == Some(MailState::Sent.as_str()) => Ok(MailClaim::AlreadySent),
            // The SDK sent the claim twice, and the first one was carried out.
            Updated::Refused(Some(stored)) if text(&stored, "mail_operation") == Some(operation.as_str()) => {
                read(stored).map(MailClaim::Claimed)
            }
            Updated::Refused(Some(_)) => Ok(MailClaim::InDoubt),
        }
    }
}
