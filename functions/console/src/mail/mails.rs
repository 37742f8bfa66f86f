//! Mails as pages show them.

use domain::id::UserId;
use domain::mail::{Delivery, MailFailure, MailMessage, MailState};
use jiff::Timestamp;
use runtime::clock;

use crate::mail::pipeline::{DeadLetter, Resolution};

/// An order for a mail, or a mail, as a row shows it.
pub(crate) struct Row {
    /// The id under which a queue knows the order; empty where it is in none.
    pub(crate) id: String,
    /// The order.
    pub(crate) order: Option<MailMessage>,
    /// When it was given.
    pub(crate) ordered_at: String,
    /// What the mail is about, by its word.
    pub(crate) about: &'static str,
    /// To whom.
    pub(crate) user: Option<UserId>,
    /// How far it is.
    pub(crate) state: &'static str,
    /// Why it was not sent, as a code; empty when it was.
    pub(crate) reason: &'static str,
    /// What the code means.
    pub(crate) explained: &'static str,
    /// What can be done about an order that was set aside.
    pub(crate) resolution: Resolution,
    /// Whether the mail can be sent again.
    pub(crate) can_be_sent: bool,
}

impl Row {
    /// An order that was set aside.
    pub(crate) fn of_letter(letter: &DeadLetter, now: Timestamp) -> Self {
        let reason = letter.reason(now);
        let found = letter.found.as_ref();
        Self {
            id: letter.id().to_owned(),
            order: letter.order,
            ordered_at: letter.sent_at().map(shown).unwrap_or_default(),
            about: found.map_or("", |found| found.about),
            user: found.map(|found| found.user_id),
            state: found.map_or("", |found| word(found.delivery.mail_state)),
            reason,
            explained: explained(reason),
            resolution: letter.resolution(now),
            can_be_sent: letter.resolution(now) == Resolution::SendAgain,
        }
    }

    /// A mail to a user.
    pub(crate) fn of_mail(
        user: UserId,
        order: MailMessage,
        ordered_at: Timestamp,
        about: &'static str,
        delivery: &Delivery,
    ) -> Self {
        let now = clock::now();
        let reason = delivery.failure(now).map_or("", MailFailure::as_str);
        Self {
            id: String::new(),
            order: Some(order),
            ordered_at: shown(ordered_at),
            about,
            user: Some(user),
            state: word(delivery.mail_state),
            reason,
            explained: explained(reason),
            resolution: Resolution::Nothing,
            can_be_sent: delivery.can_be_resent(now),
        }
    }

    /// What tells buttons of different rows apart for those who only hear them.
    pub(crate) fn to_whom(&self) -> String {
        let user = self.user.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
        format!("{user} of {}", self.ordered_at)
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn word(state: Option<MailState>) -> &'static str {
    state.map_or("waiting", MailState::as_str)
}

/// What the code of a reason means.
fn explained(reason: &str) -> &'static str {
    match reason {
        "" => "",
        "no_order" => "The message is no order for a mail.",
        "gone" => "What it was about, or the one it was for, is not there any more.",
        "sent" => "The mail was sent.",
        "under_way" => "The mailer has begun it and has not said yet what came of it.",
        "not_noted" => "The mailer could not note why: see its log.",
        code => match code.parse::<MailFailure>() {
            Ok(failure) => meaning(failure),
            Err(_) => "",
        },
    }
}

fn meaning(failure: MailFailure) -> &'static str {
    match failure {
        MailFailure::AddressInvalid => "SES takes no such address: correct it first.",
        MailFailure::Rejected => {
            "SES refused the mail: is the sender verified, and may the account send to everybody?"
        }
        MailFailure::Throttled => "SES took no more mails: put it back later.",
        MailFailure::SendingPaused => {
            "SES has stopped all sending of the account: see its console."
        }
        MailFailure::Misconfigured => {
            "Something of SES is missing, or the mailer may not use it: deploy the stack again."
        }
        MailFailure::NotReached => "SES was not reached.",
        MailFailure::NotPrepared => {
            "What the mail carries could not be made: see the log of the mailer."
        }
        MailFailure::NoAnswer => "SES did not answer: the mail may have been sent.",
        MailFailure::Interrupted => "The mailer was interrupted: the mail may have been sent.",
        MailFailure::RecipientInactive => {
            "The user was not active: activate the user, then send it again."
        }
        MailFailure::NotNeeded => {
            "What it asks for was done, or the password or the address has changed since."
        }
    }
}
