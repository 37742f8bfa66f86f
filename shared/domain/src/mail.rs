//! Mails: what the queue carries, by ids alone, and mails that have no notification behind them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::email::Email;
use crate::field::string_enum;
use crate::id::{MailId, NotificationId, SessionId, UserId};

/// The order to send a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MailMessage {
    /// About a notification, to its recipient.
    Notification {
        /// To whom.
        recipient_id: UserId,
        /// Of which notification.
        notification_id: NotificationId,
    },
    /// One that is stored as a [`Mail`].
    Mail {
        /// Which.
        mail_id: MailId,
    },
}

string_enum! {
    /// What a mail without a notification is about.
    MailKind {
        /// Carries a token that confirms the address.
        VerifyEmail = "verify_email",
        /// Carries a token that sets a new password.
        ResetPassword = "reset_password",
        /// Carries a token that makes the address that of the account; goes to the new address.
        ConfirmEmailChange = "confirm_email_change",
        /// Tells the old address that the account has another one now.
        EmailChanged = "email_changed",
        /// Tells that the password was changed.
        PasswordChanged = "password_changed",
        /// Tells that signing in takes a second factor from now on.
        SecondFactorEnabled = "second_factor_enabled",
        /// Tells that the second factor was taken away.
        SecondFactorDisabled = "second_factor_disabled",
        /// Tells that somebody signed in with a recovery code.
        RecoveryCodeUsed = "recovery_code_used",
        /// Tells that a used refresh token was shown again and the session was ended.
        TokenReused = "token_reused",
        /// Tells the owner of an address that somebody tried to register with it.
        AlreadyRegistered = "already_registered",
        /// Tells a doctor that the licence was approved.
        DoctorApproved = "doctor_approved",
        /// Tells a doctor that the licence was refused.
        DoctorRefused = "doctor_refused",
        /// Tells a doctor that they are suspended.
        DoctorSuspended = "doctor_suspended",
        /// Goes to nobody: written where a mail would be, had the address been known, so that both
        /// take the same time.
        Decoy = "nobody",
    }
}

string_enum! {
    /// How far the sending of a mail is. A mail that waits, for the first time or for another, has
    /// none of these.
    MailState {
        /// It was begun and nobody has said yet what came of it.
        Sending = "sending",
        /// It was sent.
        Sent = "sent",
        /// It was given up, and surely not sent.
        Failed = "failed",
        /// It was given up, and may have been sent.
        InDoubt = "in_doubt",
        /// Staff want it sent again.
        ResendRequested = "ordered",
    }
}

string_enum! {
    /// Why a mail was not sent, or not surely.
    MailFailure {
        /// SES takes no such address.
        AddressInvalid = "address_invalid",
        /// SES refused the mail: its sender is not verified, or it may not be sent.
        Rejected = "rejected",
        /// SES takes no more mails for now, or for today.
        Throttled = "throttled",
        /// SES has stopped all sending.
        SendingPaused = "sending_paused",
        /// Something of SES that the system needs is missing, or it may not use it.
        Misconfigured = "misconfigured",
        /// SES was not reached.
        NotReached = "not_reached",
        /// What the mail carries could not be made.
        NotPrepared = "not_prepared",
        /// SES did not answer: the mail may have been sent.
        NoAnswer = "no_answer",
        /// The sender was interrupted: the mail may have been sent.
        Interrupted = "interrupted",
        /// The one it is for is not active.
        RecipientInactive = "recipient_inactive",
        /// What it asks for was done before it was sent.
        NotNeeded = "not_needed",
    }
}

/// What is known of the sending of a mail. Stored beside the notification or the [`Mail`] that it
/// is about.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// How far it is; none while it waits.
    pub mail_state: Option<MailState>,
    /// Why it was not sent, the last time that it was tried; none when it was.
    pub mail_failure: Option<MailFailure>,
    /// When that was.
    pub mail_failed_at: Option<Timestamp>,
    /// When it was sent, the last time.
    pub mail_sent_at: Option<Timestamp>,
    /// When the mailer began it that has not said yet what came of it.
    pub mail_claimed_at: Option<Timestamp>,
}

impl Delivery {
    /// For so long a mail may be under way that was begun. A mailer has half a minute; longer than
    /// that, the order comes again until its last delivery says that the mail is in doubt. After
    /// all of that nobody is left who would say what came of it.
    pub const SENDING_TIMEOUT: SignedDuration = SignedDuration::from_mins(30);

    /// Whether staff may have it sent again: what was done about it has come to an end.
    pub fn can_be_resent(&self, now: Timestamp) -> bool {
        matches!(self.mail_state, Some(MailState::Sent | MailState::Failed | MailState::InDoubt))
            || self.is_interrupted(now)
    }

    /// Whether it was begun so long ago that nobody will say any more what came of it: it may have
    /// been sent.
    pub fn is_interrupted(&self, now: Timestamp) -> bool {
        self.mail_state == Some(MailState::Sending)
            && self.mail_claimed_at.is_some_and(|at| now.duration_since(at) > Self::SENDING_TIMEOUT)
    }

    /// Why it was not sent, or not surely, the last time that it was tried; none when it was.
    pub fn failure(&self, now: Timestamp) -> Option<MailFailure> {
        if self.is_interrupted(now) { Some(MailFailure::Interrupted) } else { self.mail_failure }
    }
}

/// A mail that has no notification behind it. What it carries besides its kind, the mailer makes
/// when it sends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// The mail's id.
    pub id: MailId,
    /// What it is about.
    pub kind: MailKind,
    /// Whose account it concerns.
    pub user_id: UserId,
    /// Where it goes when not to the account's address.
    pub address: Option<Email>,
    /// The account that asked for another address, as it was: when it has changed, so has its
    /// owner's mind, or the owner.
    pub basis: Option<AccountSnapshot>,
    /// When it is forgotten: seconds since 1970, the table's time to live.
    pub ttl: i64,
}

impl MailKind {
    /// Whether the mail carries a token, which is known to nobody but its reader.
    pub fn includes_token(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::ResetPassword | Self::ConfirmEmailChange)
    }
}

impl Mail {
    /// How long a mail is kept: as long as its order can lie in a queue of failures.
    pub const RETENTION: SignedDuration = SignedDuration::from_hours(14 * 24);

    /// A mail to the address of an account.
    pub fn new(id: MailId, kind: MailKind, user_id: UserId, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            user_id,
            address: None,
            basis: None,
            ttl: now.as_second().saturating_add(Self::RETENTION.as_secs()),
        }
    }

    /// When it was first ordered. Not that of the id, which may be the user's own.
    pub fn requested_at(&self) -> Timestamp {
        Timestamp::from_second(self.ttl.saturating_sub(Self::RETENTION.as_secs()))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The mail with which another address becomes the account's.
    pub fn to_change_address(
        id: MailId,
        account: &Account,
        address: Email,
        now: Timestamp,
    ) -> Self {
        let mail = Self::new(id, MailKind::ConfirmEmailChange, account.id, now).to(address);
        Self { basis: Some(AccountSnapshot::of(account)), ..mail }
    }

    /// The mail to another address than the account's.
    #[must_use]
    pub fn to(self, address: Email) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Whether what the mail asks for is still to be done, and would do something: an address is
    /// confirmed once, and given to the account that asked for it.
    pub fn is_still_needed_by(&self, account: &Account) -> bool {
        let is_confirmed = self.kind == MailKind::VerifyEmail && account.email_verified;
        !is_confirmed
            && self.basis.as_ref().is_none_or(|basis| *basis == AccountSnapshot::of(account))
    }
}

/// An account as it was when a mail was ordered or sent, as far as its token depends on that.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// The address.
    pub email: Email,
    /// How far its sessions had ended. A password set since then ends all, and makes the tokens
    /// worthless.
    pub sessions_ended_through: Option<SessionId>,
}

impl AccountSnapshot {
    /// The account as it is.
    pub fn of(account: &Account) -> Self {
        Self {
            email: account.email.clone(),
            sessions_ended_through: account.sessions_ended_through,
        }
    }
}

/// What a token from a mail is good for, once. The token itself is in the mail and nowhere else;
/// this is found by its hash.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MailToken {
    /// What the mail was about.
    pub kind: MailKind,
    /// Whose account it concerns.
    pub user_id: UserId,
    /// The address that it was sent to.
    pub email: Email,
    /// The account when it was sent, or when somebody asked for another address.
    pub basis: AccountSnapshot,
    /// When it is worth nothing any more: seconds since 1970, the table's time to live.
    pub ttl: i64,
}

impl MailToken {
    /// How long a token is good.
    pub const LIFETIME: SignedDuration = SignedDuration::from_mins(30);

    /// What a token is good for that is sent now to an address.
    pub fn new(
        kind: MailKind,
        user_id: UserId,
        email: Email,
        basis: AccountSnapshot,
        now: Timestamp,
    ) -> Self {
        Self {
            kind,
            user_id,
            email,
            basis,
            ttl: now.as_second().saturating_add(Self::LIFETIME.as_secs()),
        }
    }

    /// Whether it is good for this at `now`. The table deletes late; the clock decides.
    pub fn is_valid_for(&self, kind: MailKind, now: Timestamp) -> bool {
        self.kind == kind && self.ttl > now.as_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_half_an_hour_and_for_one_purpose() {
        let user: UserId = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let email = Email::parse("jane@example.com").unwrap();
        let basis = AccountSnapshot { email: email.clone(), sessions_ended_through: None };
        let token = MailToken::new(MailKind::ResetPassword, user, email, basis, now);
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(token.is_valid_for(MailKind::ResetPassword, after(1799)));
        assert!(!token.is_valid_for(MailKind::ResetPassword, after(1800)));
        assert!(!token.is_valid_for(MailKind::VerifyEmail, now));
    }

    #[test]
    fn a_mail_that_was_begun_is_under_way_for_half_an_hour() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let begun = |seconds| Delivery {
            mail_state: Some(MailState::Sending),
            mail_failure: Some(MailFailure::Throttled),
            mail_claimed_at: Some(now - SignedDuration::from_secs(seconds)),
            ..Delivery::default()
        };
        assert!(!begun(1800).can_be_resent(now) && begun(1801).can_be_resent(now));
        assert_eq!(
            begun(1800).failure(now),
            Some(MailFailure::Throttled),
            "that of the time before"
        );
        assert_eq!(begun(1801).failure(now), Some(MailFailure::Interrupted));
        assert!(!Delivery { mail_claimed_at: None, ..begun(1801) }.can_be_resent(now));
        assert!(!Delivery { mail_state: None, ..begun(1801) }.can_be_resent(now));
    }

    #[test]
    fn a_mail_goes_to_the_account_unless_said_otherwise() {
        let (id, user) =
            ("0190a5c0-0000-7000-8000-000000000001", "0190a5c0-0000-7000-8000-000000000002");
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let mail =
            Mail::new(id.parse().unwrap(), MailKind::EmailChanged, user.parse().unwrap(), now);
        assert_eq!((mail.address.clone(), mail.ttl), (None, now.as_second() + 14 * 86_400));
        assert_eq!(mail.requested_at(), now);
        let old = Email::parse("old@example.com").unwrap();
        assert_eq!(mail.to(old.clone()).address, Some(old));
    }

    #[test]
    fn a_mail_is_needed_while_it_is_good_for_something() {
        let account = crate::account::tests::doctor(crate::account::Approval::Approved);
        let verified = Account { email_verified: true, ..account.clone() };
        let (id, now): (MailId, Timestamp) = (
            "0190a5c0-0000-7000-8000-000000000003".parse().unwrap(),
            "2026-03-01T12:00:00Z".parse().unwrap(),
        );
        let confirm = Mail::new(id, MailKind::VerifyEmail, account.id, now);
        assert!(confirm.is_still_needed_by(&account) && !confirm.is_still_needed_by(&verified));
        let reset = Mail::new(id, MailKind::ResetPassword, account.id, now);
        assert!(reset.is_still_needed_by(&account) && reset.is_still_needed_by(&verified));

        let change =
            Mail::to_change_address(id, &account, Email::parse("new@example.com").unwrap(), now);
        assert!(change.is_still_needed_by(&account) && change.is_still_needed_by(&verified));
        let moved =
            Account { email: Email::parse("other@example.com").unwrap(), ..account.clone() };
        assert!(!change.is_still_needed_by(&moved), "the account has moved since");
        let session = "0190a5c0-0000-7000-8000-000000000004".parse().unwrap();
        let renewed = Account { sessions_ended_through: Some(session), ..account };
        assert!(!change.is_still_needed_by(&renewed), "another password since");
    }

    #[test]
    fn an_order_says_what_it_is_about_by_its_fields() {
        let order: MailMessage =
            serde_json::from_str(r#"{"mail_id": "0190a5c0-0000-7000-8000-000000000001"}"#).unwrap();
        assert_eq!(
            order,
            MailMessage::Mail { mail_id: "0190a5c0-0000-7000-8000-000000000001".parse().unwrap() }
        );
        let id = "0190a5c0-0000-7000-8000-000000000002";
        let order: MailMessage =
            serde_json::from_value(serde_json::json!({"recipient_id": id, "notification_id": id}))
                .unwrap();
        assert!(matches!(order, MailMessage::Notification { .. }));
    }
}
