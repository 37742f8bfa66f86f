//! The mail behind a notification: sent once, or in doubt, never twice.

use domain::id::{NotificationId, UserId};
use domain::notification::Notification;
use jiff::Timestamp;

use crate::Store;
use crate::error::Error;
use crate::item::{read, text};
use crate::keys;
use crate::write::{Updated, operation_id, string};

/// What came of the attempt to claim a mail.
#[derive(Clone, PartialEq, Debug)]
pub enum MailClaim {
    /// Nobody else sends it: send it, then say [`Store::mail_sent`] or [`Store::release_mail`].
    Claimed(Notification),
    /// It was sent before.
    AlreadySent,
    /// It was claimed before and nobody said what came of it: it may have been sent.
    InDoubt,
    /// The notification does not exist any more.
    Gone,
}

const SENDING: &str = "sending";
const SENT: &str = "sent";

impl Store {
    /// Claims the mail of a notification; of several at once, one succeeds.
    pub async fn claim_mail(&self, recipient: UserId, id: NotificationId, now: Timestamp) -> Result<MailClaim, Error> {
        let operation = operation_id();
        let updated = self
            .update_if(
                keys::notification(recipient, id),
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

    /// Gives a claim back, after the mail was surely not sent.
    pub async fn release_mail(&self, recipient: UserId, id: NotificationId) -> Result<(), Error> {
        self.update_if(
            keys::notification(recipient, id),
            "REMOVE mail_state, mail_claimed_at, mail_operation",
            "mail_state = :sending",
            [string(":sending", SENDING)],
        )
        .await
        .map(drop)
    }

    /// Says that a claimed mail was sent.
    pub async fn mail_sent(&self, recipient: UserId, id: NotificationId, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            keys::notification(recipient, id),
            "SET mail_state = :sent, mail_sent_at = :now REMOVE mail_claimed_at, mail_operation",
            "mail_state = :sending",
            [string(":sent", SENT), string(":sending", SENDING), string(":now", now)],
        )
        .await
        .map(drop)
    }
}
