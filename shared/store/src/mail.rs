//! Mails: store them, claim them for sending, and note the outcome. There are mails of
//! notifications and stored mails; each is sent at most once unless staff order it again.
//!
//! The state of the sending is part of the notification's item or of the stored mail's: see
//! [`Delivery`].
//!
//! A stored mail is written in the transaction of the change that it is about, or alone.

use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Delivery, Mail, MailFailure, MailMessage, MailState, MailToken};
use domain::notification::Notification;
use domain::rate::LimitedAction;
use jiff::Timestamp;

use crate::attributes::{Item, Value, string, text};
use crate::error::Error;
use crate::item::{Keyed, Stored, from_item, read_part, to_item, to_item_at};
use crate::keys::{self, IndexKeys, ItemKey};
use crate::rate::{LimitError, count_mail, space_mails};
use crate::read::Consistency;
use crate::table::Table;
use crate::write::{IS_NEW, Step, UpdateOutcome, operation_id};

impl Stored for Mail {
    const ENTITY: &'static str = "mail";
    const IN_KEY: &'static [&'static str] = &["id"];
}

impl Keyed for Mail {
    fn key(&self) -> ItemKey {
        keys::mail(self.id)
    }

    fn indexes(&self) -> IndexKeys {
        keys::mail_indexes(self)
    }
}

impl Stored for MailToken {
    const ENTITY: &'static str = "mail_token";
    const IN_KEY: &'static [&'static str] = &[];
}

/// The right to send a mail once, and to report its outcome. A later claim of the same mail ends
/// it: reports with an earlier one change nothing, however late they arrive.
#[derive(Clone, Debug)]
pub struct Claim {
    order: MailMessage,
    /// The id of the operation that made the claim.
    operation: String,
    /// Whether no try to send the mail has failed since it was last sent.
    is_first: bool,
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        (self.order, &self.operation) == (other.order, &other.operation)
    }
}

impl Claim {
    /// Reads the claim of a mail that is being sent from the item with its state.
    pub(crate) fn of(order: MailMessage, item: &Item) -> Option<Self> {
        let operation = text(item, "mail_operation")?.to_owned();
        let failure = text(item, "mail_failure").and_then(|failure| failure.parse().ok());
        let is_first = !failure.is_some_and(MailFailure::was_tried);
        Some(Self { order, operation, is_first })
    }

    /// Returns whether this is the first try to send the mail.
    pub fn is_first(&self) -> bool {
        self.is_first
    }
}

/// The result of claiming a mail.
#[derive(Clone, PartialEq, Debug)]
pub enum MailClaim<T = Notification> {
    /// The caller has the claim: send the mail, then mark it as sent or failed.
    Claimed(T, Claim),
    /// The mail was sent before.
    AlreadySent,
    /// The mail was claimed before: it may have been sent. With the earlier claim, if its holder
    /// has not reported an outcome.
    InDoubt(Option<Claim>),
    /// The notification or the stored mail does not exist any more.
    Gone,
}

/// What happens with a mail whose sending has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailOutcome {
    /// It was not sent, and the queue delivers its order again.
    TriedAgain,
    /// It was not sent, and its order is not repeated by itself.
    GivenUp,
    /// It may have been sent: its order is not repeated by itself.
    InDoubt,
}

/// Condition: the mail was not sent and is not being sent.
const CAN_BE_CLAIMED: &str = "attribute_exists(pk) AND (attribute_not_exists(mail_state) OR \
                            mail_state IN (:failed, :ordered))";

/// Notes that a mail is ordered again, if [`IS_OVERDUE`] holds; for [`overdue_values`].
pub(crate) const ORDER_AGAIN: &str = "SET mail_ordered_at = :now";

/// Condition: the mail waits to be sent, and was not ordered again since `:waiting_since`.
pub(crate) const IS_OVERDUE: &str = "attribute_exists(pk) AND (attribute_not_exists(mail_state) \
    OR mail_state = :ordered) AND (attribute_not_exists(mail_ordered_at) OR mail_ordered_at < \
    :waiting_since)";

/// Condition: the claim is the last one of the mail, and its outcome is not noted.
const IS_CLAIMED_BY: &str = "mail_operation = :operation";

/// Reads the state of the mail from an item.
pub(crate) fn delivery(item: Item) -> Result<Delivery, Error> {
    read_part(item, "delivery", &[])
}

/// Returns whether the mail of a notification still has to be sent.
pub(crate) fn awaits_mail(notification: Item) -> Result<bool, Error> {
    let is_mailed = from_item::<Notification>(notification.clone())?.notification_type.is_mailed();
    Ok(is_mailed && delivery(notification)?.is_pending())
}

/// Returns the values of [`ORDER_AGAIN`] and [`IS_OVERDUE`].
pub(crate) fn overdue_values(now: Timestamp) -> [Value; 3] {
    let waiting_since = now.checked_sub(Delivery::WAITING_TIMEOUT).unwrap_or(Timestamp::UNIX_EPOCH);
    [
        string(":now", now),
        state(":ordered", MailState::ResendRequested),
        string(":waiting_since", waiting_since),
    ]
}

pub(crate) fn state(name: &'static str, state: MailState) -> Value {
    string(name, state)
}

impl Table {
    /// Claims the mail of a notification; of several at once, one succeeds.
    pub async fn claim_mail(
        &self,
        recipient: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<MailClaim, Error> {
        self.claim(MailMessage::Notification { recipient_id: recipient, notification_id: id }, now)
            .await
    }

    /// Claims a stored mail; of several at once, one succeeds.
    pub async fn claim_stored_mail(
        &self,
        id: MailId,
        now: Timestamp,
    ) -> Result<MailClaim<Mail>, Error> {
        self.claim(MailMessage::Mail { mail_id: id }, now).await
    }

    /// Marks a claimed mail as sent.
    pub async fn mark_mail_sent(&self, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            keys::ordered(claim.order),
            "SET mail_state = :sent, mail_sent_at = :now REMOVE mail_claimed_at, mail_operation, \
             mail_failure, mail_failed_at",
            IS_CLAIMED_BY,
            [
                state(":sent", MailState::Sent),
                string(":operation", &claim.operation),
                string(":now", now),
            ],
        )
        .await
        .map(drop)
    }

    /// Notes why sending a claimed mail failed, and releases the claim unless the mail may have
    /// been sent.
    pub async fn mark_mail_failed(
        &self,
        claim: &Claim,
        failure: MailFailure,
        outcome: MailOutcome,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut values = vec![
            string(":operation", &claim.operation),
            string(":failure", failure),
            string(":now", now),
        ];
        let expression = match outcome {
            MailOutcome::TriedAgain => {
                "SET mail_failure = :failure, mail_failed_at = :now REMOVE mail_state, \
                 mail_claimed_at, mail_operation"
            }
            MailOutcome::GivenUp | MailOutcome::InDoubt => {
                let end = if outcome == MailOutcome::GivenUp {
                    MailState::Failed
                } else {
                    MailState::InDoubt
                };
                values.push(state(":end", end));
                "SET mail_state = :end, mail_failure = :failure, mail_failed_at = :now REMOVE \
                 mail_claimed_at, mail_operation"
            }
        };
        self.update_if(keys::ordered(claim.order), expression, IS_CLAIMED_BY, values)
            .await
            .map(drop)
    }

    /// Notes that the holder of a claim does not report any more, if the claim is older than any
    /// invocation, or from a clock that is ahead of `now`: the mail is in doubt. Should the holder
    /// report after all, its outcome replaces this one.
    pub async fn mark_mail_interrupted(&self, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        let claimed_before =
            now.checked_sub(Delivery::MAX_SENDING_TIME).unwrap_or(Timestamp::UNIX_EPOCH);
        self.update_if(
            keys::ordered(claim.order),
            "SET mail_state = :in_doubt, mail_failure = :interrupted, mail_failed_at = :now \
             REMOVE mail_claimed_at",
            "mail_operation = :operation AND \
             (mail_claimed_at < :claimed_before OR mail_claimed_at > :now)",
            [
                state(":in_doubt", MailState::InDoubt),
                string(":interrupted", MailFailure::Interrupted),
                string(":now", now),
                string(":operation", &claim.operation),
                string(":claimed_before", claimed_before),
            ],
        )
        .await
        .map(drop)
    }

    /// Notes why a mail that nobody has claimed is not sent at all, for example because its
    /// recipient is inactive. A mail that was or may have been sent stays as it is. Does not count
    /// as a failed mail. Deletes the notification if it is marked as deleted: the stream does not
    /// report the end of a mail that nobody has claimed.
    pub async fn mark_mail_dropped(
        &self,
        order: MailMessage,
        failure: MailFailure,
        now: Timestamp,
    ) -> Result<(), Error> {
        let key = keys::ordered(order);
        let dropped = self
            .update_if(
                key.clone(),
                "SET mail_state = :failed, mail_failure = :failure, mail_failed_at = :now",
                CAN_BE_CLAIMED,
                [
                    state(":failed", MailState::Failed),
                    state(":ordered", MailState::ResendRequested),
                    string(":failure", failure),
                    string(":now", now),
                ],
            )
            .await?;
        match dropped {
            UpdateOutcome::Done(item) if item.contains_key("is_deleted") => {
                // Unless staff have ordered it again meanwhile.
                let failed = [state(":failed", MailState::Failed)];
                self.delete_if(key, "mail_state = :failed", failed).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Notes what was reported at `at` about a mail that SES took at `sent_at`: the mail is sent,
    /// whatever its mailer has noted so far, or notes afterwards. The first bounce or complaint
    /// stays. Changes nothing when staff have ordered the mail again since `sent_at`.
    pub async fn note_mail_report(
        &self,
        order: MailMessage,
        failure: MailFailure,
        sent_at: Timestamp,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.update_if(
            keys::ordered(order),
            "SET mail_state = :sent, mail_sent_at = :sent_at, mail_failure = :failure, \
             mail_failed_at = :at REMOVE mail_claimed_at, mail_operation",
            "(mail_state IN (:sending, :in_doubt) OR (mail_state = :sent AND \
             (attribute_not_exists(mail_failure) OR mail_failure = :not_delivered))) AND \
             (attribute_not_exists(mail_ordered_at) OR mail_ordered_at < :sent_at)",
            [
                state(":sent", MailState::Sent),
                state(":sending", MailState::Sending),
                state(":in_doubt", MailState::InDoubt),
                string(":not_delivered", MailFailure::NotDelivered),
                string(":failure", failure),
                string(":sent_at", sent_at),
                string(":at", at),
            ],
        )
        .await
        .map(drop)
    }

    /// Stores a mail unless there is one with its id: for callers that may run twice.
    pub async fn create_mail(&self, mail: &Mail) -> Result<(), Error> {
        self.put_if(to_item(mail)?, IS_NEW, []).await.map(drop)
    }

    /// Stores a requested mail, unless its address has been sent the day's maximum.
    ///
    /// # Errors
    /// [`LimitError::LimitReached`] until the next day when the maximum is reached.
    pub async fn create_mail_within_limit(
        &self,
        address: &str,
        most: u64,
        mail: &Mail,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        self.commit(vec![count_mail(address, most, now), Step::put(mail)?]).await
    }

    /// Stores a mail with a token to an address, unless one for the same action was stored minutes
    /// ago, whose token is still valid.
    pub async fn create_spaced_mail(
        &self,
        action: LimitedAction,
        address: &str,
        mail: &Mail,
        now: Timestamp,
    ) -> Result<(), Error> {
        match self.commit(vec![space_mails(action, address, now), Step::put(mail)?]).await {
            Ok(()) | Err(LimitError::LimitReached(_)) => Ok(()),
            Err(LimitError::Store(error)) => Err(error),
        }
    }

    /// Reads a stored mail, strongly consistent.
    pub async fn get_mail(&self, id: MailId) -> Result<Option<Mail>, Error> {
        self.get(keys::mail(id), Consistency::Strong).await
    }

    /// Stores a token that is about to be sent; `hash` is its hash.
    pub async fn create_mail_token(&self, hash: &str, token: &MailToken) -> Result<(), Error> {
        self.put(to_item_at(token, keys::mail_token(hash), Vec::new())?).await
    }

    /// Reads the token with a hash, strongly consistent. The table deletes expired items late: call
    /// [`MailToken::is_valid_for`].
    pub async fn get_mail_token(&self, hash: &str) -> Result<Option<MailToken>, Error> {
        self.get(keys::mail_token(hash), Consistency::Strong).await
    }

    async fn claim<T: Stored>(
        &self,
        order: MailMessage,
        now: Timestamp,
    ) -> Result<MailClaim<T>, Error> {
        let operation = operation_id();
        let updated = self
            .update_if(
                keys::ordered(order),
                "SET mail_state = :sending, mail_claimed_at = :now, mail_operation = :operation",
                CAN_BE_CLAIMED,
                [
                    state(":sending", MailState::Sending),
                    state(":failed", MailState::Failed),
                    state(":ordered", MailState::ResendRequested),
                    string(":now", now),
                    string(":operation", &operation),
                ],
            )
            .await?;
        let claimed = |item: Item| {
            let claim = Claim::of(order, &item).ok_or(Error::corrupt("delivery", "no claim"))?;
            Ok(MailClaim::Claimed(from_item(item)?, claim))
        };
        match updated {
            UpdateOutcome::Done(item) => claimed(item),
            UpdateOutcome::ConditionFailed(None) => Ok(MailClaim::Gone),
            UpdateOutcome::ConditionFailed(Some(stored))
                if text(&stored, "mail_state") == Some(MailState::Sent.as_str()) =>
            {
                Ok(MailClaim::AlreadySent)
            }
            // The SDK sent the claim twice, and the first one was carried out.
            UpdateOutcome::ConditionFailed(Some(stored))
                if text(&stored, "mail_operation") == Some(operation.as_str()) =>
            {
                claimed(stored)
            }
            UpdateOutcome::ConditionFailed(Some(stored)) => {
                Ok(MailClaim::InDoubt(Claim::of(order, &stored)))
            }
        }
    }
}
