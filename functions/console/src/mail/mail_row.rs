//! A mail as a row of a table.

use domain::id::UserId;
use domain::mail::{Delivery, MailFailure, MailMessage};
use jiff::Timestamp;
use runtime::clock;

use crate::mail::pipeline::{DeadLetter, Resolution, state_word};

/// A dead letter or a mail, as a row shows it.
pub(crate) struct MailRow {
    /// The id of the message in the dead-letter queue, empty for a mail.
    pub(crate) message_id: String,
    pub(crate) order: Option<MailMessage>,
    pub(crate) ordered_at: String,
    /// The type of the notification, or the kind of the mail.
    pub(crate) topic: &'static str,
    pub(crate) recipient: Option<UserId>,
    pub(crate) state: &'static str,
    /// Why it was not sent, as a code; empty if it was sent.
    pub(crate) reason: &'static str,
    /// The reason in a sentence.
    pub(crate) explanation: &'static str,
    /// How a dead letter can be resolved.
    pub(crate) resolution: Resolution,
    pub(crate) can_be_resent: bool,
}

impl MailRow {
    /// Makes the row of a dead letter.
    pub(crate) fn of_dead_letter(dead_letter: &DeadLetter, now: Timestamp) -> Self {
        let reason = dead_letter.reason(now);
        let mail = dead_letter.mail.as_ref();
        Self {
            message_id: dead_letter.id().to_owned(),
            order: dead_letter.order,
            ordered_at: dead_letter.sent_at().map(format_time).unwrap_or_default(),
            topic: mail.map_or("", |mail| mail.topic),
            recipient: mail.map(|mail| mail.user_id),
            state: mail.map_or("", |mail| state_word(mail.delivery.mail_state)),
            reason,
            explanation: explain(reason),
            resolution: dead_letter.resolution(now),
            can_be_resent: dead_letter.resolution(now) == Resolution::Resend,
        }
    }

    /// Makes the row of a mail.
    pub(crate) fn of_mail(
        recipient: UserId,
        order: MailMessage,
        ordered_at: Timestamp,
        topic: &'static str,
        delivery: &Delivery,
    ) -> Self {
        let now = clock::now();
        let reason = delivery.failure(now).map_or("", MailFailure::as_str);
        Self {
            message_id: String::new(),
            order: Some(order),
            ordered_at: format_time(ordered_at),
            topic,
            recipient: Some(recipient),
            state: state_word(delivery.mail_state),
            reason,
            explanation: explain(reason),
            resolution: Resolution::Nothing,
            can_be_resent: delivery.can_be_resent(ordered_at, now),
        }
    }

    /// Returns recipient and time, which distinguish the buttons of rows for screen readers.
    pub(crate) fn label(&self) -> String {
        let recipient = self.recipient.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
        format!("{recipient} of {}", self.ordered_at)
    }
}

fn format_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Returns what the code of a reason means.
fn explain(reason: &str) -> &'static str {
    match reason {
        "" => "",
        "no_order" => "The message is not an order for a mail.",
        "gone" => "The mail, its notification or its recipient no longer exists.",
        "sent" => "The mail was sent.",
        "under_way" => "The mailer has started sending it; the result is not known yet.",
        "not_noted" => "The mailer could not store the reason: see its log.",
        code => match code.parse::<MailFailure>() {
            Ok(failure) => explain_failure(failure),
            Err(_) => "",
        },
    }
}

fn explain_failure(failure: MailFailure) -> &'static str {
    match failure {
        MailFailure::AddressInvalid => "SES does not accept the address: correct it first.",
        MailFailure::Rejected => {
            "SES rejected the mail: is the sender verified, and is the account out of the sandbox?"
        }
        MailFailure::Throttled => "SES throttled the account. Retry the mail later.",
        MailFailure::QuotaExceeded => "The daily quota of SES was used up. Retry the mail later.",
        MailFailure::SendingPaused => {
            "SES has paused sending for the account: see the SES console."
        }
        MailFailure::Misconfigured => {
            "An SES resource is missing or not accessible: deploy the stack again."
        }
        MailFailure::NotReached => "SES could not be reached.",
        MailFailure::NotPrepared => {
            "The content of the mail could not be prepared: see the log of the mailer."
        }
        MailFailure::NoResponse => "SES did not respond: the mail may have been sent.",
        MailFailure::Interrupted => "The mailer was interrupted: the mail may have been sent.",
        MailFailure::RecipientInactive => {
            "The user was not active: activate the user, then resend the mail."
        }
        MailFailure::AddressUnconfirmed => {
            "The address is unconfirmed and has received the daily maximum of mails."
        }
        MailFailure::NotNeeded => {
            "The request was completed, or the password or address has changed since."
        }
        MailFailure::Bounced => {
            "The mail was sent, and the recipient's server refused it for good."
        }
        MailFailure::NotDelivered => {
            "The mail was sent, and the recipient's server did not take it: is the mailbox full?"
        }
        MailFailure::Complained => "The mail was sent, and the recipient reported it as spam.",
        MailFailure::AddressBounced => {
            "An earlier mail to the address bounced: correct the address, or see the user's page."
        }
        MailFailure::AddressComplained => {
            "An earlier mail to the address was reported as spam: see the user's page."
        }
    }
}
