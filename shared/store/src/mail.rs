//! Mails: those behind notifications and those that are stored by themselves. Sent once, or in doubt, never twice.
//!
//! A mail that is stored by itself is written in the transaction of what it tells (`item::mail`), or alone.

use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Mail, MailToken};
use domain::notification::Notification;
use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item::{self, Stored, read, text};
use crate::keys::{self, Key};
use crate::read::Consistency;
use crate::write::{Updated, Written, operation_id, string};

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

const SENDING: &str = "sending";
const SENT: &str = "sent";

impl Store {
    /// Claims the mail of a notification; of several at once, one succeeds.
    pub async fn claim_mail(&self, recipient: UserId, id: NotificationId, now: Timestamp) -> Result<MailClaim, Error> {
        self.claim(keys::notification(recipient, id), now).await
    }

    /// Gives a claim back, after the mail was surely not sent.
    pub async fn release_mail(&self, recipient: UserId, id: NotificationId) -> Result<(), Error> {
        self.release(keys::notification(recipient, id)).await
    }

    /// Says that a claimed mail was sent.
    pub async fn mail_sent(&self, recipient: UserId, id: NotificationId, now: Timestamp) -> Result<(), Error> {
        self.sent(keys::notification(recipient, id), now).await
    }

    /// Stores a mail that goes with no other change.
    pub async fn put_mail(&self, mail: &Mail) -> Result<(), Error> {
        self.put(item::mail(mail)?).await
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

    /// Claims a stored mail; of several at once, one succeeds.
    pub async fn claim_stored_mail(&self, id: MailId, now: Timestamp) -> Result<MailClaim<Mail>, Error> {
        self.claim(keys::mail(id), now).await
    }

    /// Gives the claim of a stored mail back, after it was surely not sent.
    pub async fn release_stored_mail(&self, id: MailId) -> Result<(), Error> {
        self.release(keys::mail(id)).await
    }

    /// Says that a claimed stored mail was sent.
    pub async fn stored_mail_sent(&self, id: MailId, now: Timestamp) -> Result<(), Error> {
        self.sent(keys::mail(id), now).await
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
                "attribute_exists(pk) AND attribute_not_exists(mail_state)",
                [string(":sending", SENDING), string(":now", now), string(":operation", &operation)],
            )
            .await?;
        match updated {
            Updated::Done(item) => read(item).map(MailClaim::Claimed),
            Updated::Refused(None) => Ok(MailClaim::Gone),
            Updated::Refused(Some(stored)) if text(&stored, "mail_state") == Some(SENT) => Ok(MailClaim::AlreadySent),
            // The SDK sent the claim twice, and the first one was carried out.
            Updated::Refused(Some(stored)) if text(&stored, "mail_operation") == Some(operation.as_str()) => {
                read(stored).map(MailClaim::Claimed)
            }
            Updated::Refused(Some(_)) => Ok(MailClaim::InDoubt),
        }
    }

    async fn release(&self, key: Key) -> Result<(), Error> {
        let expression = "REMOVE mail_state, mail_claimed_at, mail_operation";
        self.update_if(key, expression, "mail_state = :sending", [string(":sending", SENDING)]).await.map(drop)
    }

    async fn sent(&self, key: Key, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            key,
            "SET mail_state = :sent, mail_sent_at = :now REMOVE mail_claimed_at, mail_operation",
            "mail_state = :sending",
            [string(":sent", SENT), string(":sending", SENDING), string(":now", now)],
        )
        .await
        .map(drop)
    }
}
