//! Mails: the messages of the mail queue, account mails (mails without a notification), their
//! delivery state, and the tokens they contain.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::{Account, EmailProblem};
use crate::email::Email;
use crate::field::string_enum;
use crate::id::{MailId, NotificationId, SessionId, UserId};

/// A message of the mail queue: a request to send one mail. Contains ids only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MailMessage {
    /// The mail about a notification, to its recipient.
    Notification {
        /// The recipient of the notification.
        recipient_id: UserId,
        /// The notification.
        notification_id: NotificationId,
    },
    /// An account mail, stored as a [`Mail`].
    Mail {
        /// The id of the mail.
        mail_id: MailId,
    },
}

impl MailMessage {
    /// Returns when the mail was first requested, by its id.
    pub fn requested_at(self) -> Timestamp {
        match self {
            Self::Notification { notification_id, .. } => notification_id.created_at(),
            Self::Mail { mail_id } => mail_id.created_at(),
        }
    }
}

string_enum! {
    /// The kind of an account mail.
    MailKind {
        /// Contains a token that confirms the address.
        VerifyEmail = "verify_email",
        /// Contains a token that sets a new password.
        ResetPassword = "reset_password",
        /// Contains a token that makes a device known.
        SignInLink = "sign_in_link",
        /// Contains a token that changes the account's address; sent to the new address.
        ConfirmEmailChange = "confirm_email_change",
        /// Informs the account's address that staff have started to change it; contains a token
        /// that cancels the change.
        EmailChangeStarted = "email_change_started",
        /// Contains a token that confirms the address to which staff have started to change the
        /// account's; sent to the new address.
        ConfirmRecoveryAddress = "confirm_recovery_address",
        /// Informs the user that staff have started to remove the second factor; contains a token
        /// that cancels it.
        SecondFactorRemovalStarted = "second_factor_removal_started",
        /// Informs the former address that the account's address was changed.
        EmailChanged = "email_changed",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// Signing in now requires a second factor.
        SecondFactorEnabled = "second_factor_enabled",
        /// The second factor was removed.
        SecondFactorDisabled = "second_factor_disabled",
        /// Somebody entered wrong codes after the right password.
        CodesFailed = "codes_failed",
        /// Somebody signed in with a recovery code.
        RecoveryCodeUsed = "recovery_code_used",
        /// A refresh token was used twice, and its session was ended.
        TokenReused = "token_reused",
        /// Informs the owner of an address that somebody tried to register with it.
        AlreadyRegistered = "already_registered",
        /// The doctor's licence was approved.
        DoctorApproved = "doctor_approved",
        /// The doctor's licence was refused.
        DoctorRefused = "doctor_refused",
        /// The doctor was suspended.
        DoctorSuspended = "doctor_suspended",
        /// Never sent. Stored when an address is unknown, so that the request takes as long as for
        /// a known one.
        Decoy = "nobody",
    }
}

string_enum! {
    /// The delivery state of a mail. A mail that waits to be sent, or to be retried, has none.
    MailState {
        /// A mailer has claimed the mail and has not reported the outcome yet.
        Sending = "sending",
        /// The mail was sent.
        Sent = "sent",
        /// Sending was given up; the mail was not sent.
        Failed = "failed",
        /// Sending was given up; the mail may have been sent.
        InDoubt = "in_doubt",
        /// Staff requested that the mail be sent again.
        ResendRequested = "ordered",
    }
}

string_enum! {
    /// Why a mail was not sent, or may not have been, or what was reported about a sent one.
    MailFailure {
        /// SES refused the recipient's address.
        AddressInvalid = "address_invalid",
        /// SES refused the mail, for example because the sender is not verified.
        Rejected = "rejected",
        /// The rate of SES was exceeded.
        Throttled = "throttled",
        /// The daily quota of SES was exceeded.
        QuotaExceeded = "quota_exceeded",
        /// SES has paused sending for the account or the configuration set.
        SendingPaused = "sending_paused",
        /// The configuration set is missing, or the credentials or permissions are wrong.
        Misconfigured = "misconfigured",
        /// The connection to SES failed.
        NotReached = "not_reached",
        /// The mail or its token could not be created.
        NotPrepared = "not_prepared",
        /// SES did not respond; the mail may have been sent.
        NoResponse = "no_answer",
        /// The mailer was interrupted; the mail may have been sent.
        Interrupted = "interrupted",
        /// The recipient's account is not active.
        RecipientInactive = "recipient_inactive",
        /// What the mail asks for was done already, or is no longer possible.
        NotNeeded = "not_needed",
        /// The address is unconfirmed and has received the daily maximum of mails about
        /// notifications.
        AddressUnconfirmed = "address_unconfirmed",
        /// The mail was sent, and the recipient's server refused it for good.
        Bounced = "bounced",
        /// The mail was sent, and the recipient's server did not take it until SES gave up.
        NotDelivered = "not_delivered",
        /// The mail was sent, and the recipient reported it as spam.
        Complained = "complained",
        /// An earlier mail to the address bounced.
        AddressBounced = "address_bounced",
        /// An earlier mail to the address was reported as spam.
        AddressComplained = "address_complained",
    }
}

impl MailFailure {
    /// Returns how long an order waits before the next try, after `deliveries`; `None` for the
    /// queue's own time. With the number of deliveries, this covers three days of an exceeded
    /// quota. Account mails are tried again soon, because somebody waits for them.
    pub fn pause(self, order: MailMessage, deliveries: u32) -> Option<SignedDuration> {
        let (first, longest) = match (self, order) {
            (Self::Throttled, MailMessage::Mail { .. }) => {
                (SignedDuration::from_secs(2), SignedDuration::from_hours(1))
            }
            (Self::Throttled, MailMessage::Notification { .. }) => {
                (SignedDuration::from_secs(30), SignedDuration::from_hours(1))
            }
            // The maximum of SQS (API reference, "ChangeMessageVisibility").
            (Self::QuotaExceeded | Self::SendingPaused, _) => {
                (SignedDuration::from_hours(1), SignedDuration::from_hours(12))
            }
            _ => return None,
        };
        let doubled = 1_i32.checked_shl(deliveries.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
        Some(first.checked_mul(doubled).map_or(longest, |pause| pause.min(longest)))
    }

    /// Returns whether SES was asked to send the mail.
    pub fn was_tried(self) -> bool {
        !matches!(
            self,
            Self::NotPrepared
                | Self::RecipientInactive
                | Self::NotNeeded
                | Self::AddressUnconfirmed
                | Self::AddressBounced
                | Self::AddressComplained
        )
    }

    /// Returns why a mail to an address with a problem is not sent.
    pub fn of_address(problem: EmailProblem) -> Self {
        match problem {
            EmailProblem::Bounced => Self::AddressBounced,
            EmailProblem::Complained => Self::AddressComplained,
        }
    }

    /// Returns the problem that an address has after a mail to it failed for this reason.
    pub fn email_problem(self) -> Option<EmailProblem> {
        match self {
            Self::Bounced => Some(EmailProblem::Bounced),
            Self::Complained => Some(EmailProblem::Complained),
            _ => None,
        }
    }
}

/// The delivery status of a mail. Stored with its notification or [`Mail`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// The state; none while the mail waits to be sent.
    pub mail_state: Option<MailState>,
    /// Why the last try failed, or what was reported about the sent mail; none after a success.
    pub mail_failure: Option<MailFailure>,
    /// When the last try failed, or when that was reported.
    pub mail_failed_at: Option<Timestamp>,
    /// When the mail was last sent.
    pub mail_sent_at: Option<Timestamp>,
    /// When staff last ordered the mail again.
    #[serde(default)]
    pub mail_ordered_at: Option<Timestamp>,
    /// When a mailer claimed the mail; none once it has reported the outcome.
    pub mail_claimed_at: Option<Timestamp>,
}

impl Delivery {
    /// Time after which no mailer will report the outcome of a claimed mail any more: the timeout
    /// of the function and all redeliveries of the message have passed.
    pub const SENDING_TIMEOUT: SignedDuration = SignedDuration::from_mins(45);

    /// Time after which the invocation that claimed a mail has surely ended: twice the timeout of
    /// the function.
    pub const MAX_SENDING_TIME: SignedDuration = SignedDuration::from_secs(60);

    /// Returns whether the mail waits to be sent, or is being sent.
    pub fn is_pending(&self) -> bool {
        match self.mail_state {
            None | Some(MailState::Sending | MailState::ResendRequested) => true,
            Some(MailState::Sent | MailState::Failed | MailState::InDoubt) => false,
        }
    }

    /// Time after which a mail that still waits to be sent is overdue: its order may be lost.
    pub const WAITING_TIMEOUT: SignedDuration = SignedDuration::from_hours(1);

    /// Returns whether staff may request the mail again: no mailer is working on it, and none is
    /// expected to. `requested_at` is the time of the first order.
    pub fn can_be_resent(&self, requested_at: Timestamp, now: Timestamp) -> bool {
        matches!(self.mail_state, Some(MailState::Sent | MailState::Failed | MailState::InDoubt))
            || self.is_interrupted(now)
            || self.is_overdue(requested_at, now)
    }

    /// Returns whether the mail has waited to be sent, or to be retried, for more than
    /// [`Self::WAITING_TIMEOUT`].
    pub fn is_overdue(&self, requested_at: Timestamp, now: Timestamp) -> bool {
        let waits = matches!(self.mail_state, None | Some(MailState::ResendRequested));
        let latest = [self.mail_ordered_at, self.mail_failed_at].into_iter().flatten().max();
        let since = latest.map_or(requested_at, |latest| latest.max(requested_at));
        waits && now.duration_since(since) > Self::WAITING_TIMEOUT
    }

    /// Returns whether the mail was claimed more than [`Self::SENDING_TIMEOUT`] ago without an
    /// outcome. It may have been sent.
    pub fn is_interrupted(&self, now: Timestamp) -> bool {
        self.mail_state == Some(MailState::Sending)
            && self.mail_claimed_at.is_some_and(|at| now.duration_since(at) > Self::SENDING_TIMEOUT)
    }

    /// Returns why the last try failed, or that it was interrupted; none after a success.
    pub fn failure(&self, now: Timestamp) -> Option<MailFailure> {
        if self.is_interrupted(now) { Some(MailFailure::Interrupted) } else { self.mail_failure }
    }
}

/// An account mail: a mail without a notification. Its text and token are created by the mailer
/// when it is sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mail {
    /// The mail's id.
    pub id: MailId,
    /// The kind of mail.
    pub kind: MailKind,
    /// The account it is about.
    pub user_id: UserId,
    /// The recipient's address, if not that of the account.
    pub address: Option<Email>,
    /// For a change of address: the account when the change was requested. The mail is void if the
    /// account has changed since.
    pub basis: Option<AccountSnapshot>,
    /// When the mail expires, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

impl MailKind {
    /// The kinds whose token shows an account, and discards one that was never confirmed.
    pub const OF_REGISTRATION: [Self; 2] = [Self::VerifyEmail, Self::ResetPassword];

    /// Returns whether mails of this kind contain a token.
    pub fn includes_token(self) -> bool {
        matches!(
            self,
            Self::VerifyEmail
                | Self::ResetPassword
                | Self::SignInLink
                | Self::ConfirmEmailChange
                | Self::ConfirmRecoveryAddress
        ) || self.cancels_recovery()
    }

    /// Returns whether the token in mails of this kind cancels a recovery.
    pub fn cancels_recovery(self) -> bool {
        matches!(self, Self::EmailChangeStarted | Self::SecondFactorRemovalStarted)
    }

    /// Returns how long a token in mails of this kind is valid. Those that cancel a recovery are
    /// valid for as long as it may wait.
    pub fn token_lifetime(self) -> SignedDuration {
        if self.cancels_recovery() { Mail::RETENTION } else { MailToken::LIFETIME }
    }
}

impl Mail {
    /// How long a mail is stored: as long as the dead-letter queue keeps its message.
    pub const RETENTION: SignedDuration = SignedDuration::from_hours(14 * 24);

    /// Creates a mail to the account's address.
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

    /// Returns when the mail was first requested. The id may not contain that time: it may be
    /// derived from the user's id.
    pub fn requested_at(&self) -> Timestamp {
        Timestamp::from_second(self.ttl.saturating_sub(Self::RETENTION.as_secs()))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Creates the mail that asks the owner of a new address to confirm the change.
    pub fn to_change_address(
        id: MailId,
        account: &Account,
        address: Email,
        now: Timestamp,
    ) -> Self {
        let mail = Self::new(id, MailKind::ConfirmEmailChange, account.id, now).to(address);
        Self { basis: Some(AccountSnapshot::of(account)), ..mail }
    }

    /// Sets a recipient's address that is not the account's.
    #[must_use]
    pub fn to(self, address: Email) -> Self {
        Self { address: Some(address), ..self }
    }

    /// Returns the address that it goes to.
    pub fn recipient<'a>(&'a self, account: &'a Account) -> &'a Email {
        self.address.as_ref().unwrap_or(&account.email)
    }

    /// Returns whether the mail still serves its purpose: the address is not confirmed yet, or the
    /// account has not changed since it requested another address.
    pub fn is_still_needed_by(&self, account: &Account) -> bool {
        let is_confirmed = self.kind == MailKind::VerifyEmail && account.email_verified;
        !is_confirmed
            && self.basis.as_ref().is_none_or(|basis| *basis == AccountSnapshot::of(account))
    }
}

/// The state of an account that a mail's token depends on. If the account's state differs, the
/// token is void.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountSnapshot {
    /// The address.
    pub email: Email,
    /// The newest session revoked together with all before it. Setting a password revokes all
    /// sessions, and so voids all tokens.
    pub sessions_ended_through: Option<SessionId>,
}

impl AccountSnapshot {
    /// Returns the current state of an account.
    pub fn of(account: &Account) -> Self {
        Self {
            email: account.email.clone(),
            sessions_ended_through: account.sessions_ended_through,
        }
    }
}

/// A one-time token from a mail. The token itself is only in the mail; the table stores this under
/// its hash.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MailToken {
    /// The kind of mail it was sent with.
    pub kind: MailKind,
    /// The account it is for.
    pub user_id: UserId,
    /// The address it was sent to.
    pub email: Email,
    /// The account when the mail was sent, or when the change of address was requested.
    pub basis: AccountSnapshot,
    /// When the token expires, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

impl MailToken {
    /// How long most tokens are valid: see [`MailKind::token_lifetime`].
    pub const LIFETIME: SignedDuration = SignedDuration::from_mins(30);

    /// Creates the entry of a token that is sent now.
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
            ttl: now.as_second().saturating_add(kind.token_lifetime().as_secs()),
        }
    }

    /// Returns whether the token is of one of these kinds and has not expired at `now`. DynamoDB
    /// deletes expired items late.
    pub fn is_valid_for(&self, kinds: &[MailKind], now: Timestamp) -> bool {
        kinds.contains(&self.kind) && self.ttl > now.as_second()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_half_an_hour_and_for_one_purpose() {
        let user: UserId = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let email = Email::parse("jane@example.com").unwrap();
        let basis = AccountSnapshot { email: email.clone(), sessions_ended_through: None };
        let cancels =
            MailToken::new(MailKind::EmailChangeStarted, user, email.clone(), basis.clone(), now);
        let token = MailToken::new(MailKind::ResetPassword, user, email, basis, now);
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        assert!(token.is_valid_for(&[MailKind::ResetPassword], after(1799)));
        assert!(!token.is_valid_for(&[MailKind::ResetPassword], after(1800)));
        assert!(!token.is_valid_for(&[MailKind::VerifyEmail], now));
        let cancel = [MailKind::EmailChangeStarted];
        assert!(cancels.is_valid_for(&cancel, after(14 * 86_400 - 1)), "as long as it waits");
    }

    #[test]
    fn a_claimed_mail_cannot_be_resent_while_it_may_still_be_delivered() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let begun = |seconds| Delivery {
            mail_state: Some(MailState::Sending),
            mail_failure: Some(MailFailure::Throttled),
            mail_claimed_at: Some(now - SignedDuration::from_secs(seconds)),
            ..Delivery::default()
        };
        assert!(!begun(2700).can_be_resent(now, now) && begun(2701).can_be_resent(now, now));
        assert_eq!(
            begun(2700).failure(now),
            Some(MailFailure::Throttled),
            "the failure of the previous try"
        );
        assert_eq!(begun(2701).failure(now), Some(MailFailure::Interrupted));
        assert!(!Delivery { mail_claimed_at: None, ..begun(2701) }.can_be_resent(now, now));
        assert!(!Delivery { mail_state: None, ..begun(2701) }.can_be_resent(now, now));
    }

    #[test]
    fn a_mail_that_waits_can_be_resent_after_an_hour() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let ago = |seconds| now - SignedDuration::from_secs(seconds);
        for state in [None, Some(MailState::ResendRequested)] {
            let waiting = Delivery { mail_state: state, ..Delivery::default() };
            assert!(!waiting.can_be_resent(ago(3600), now));
            assert!(waiting.can_be_resent(ago(3601), now));
            let ordered = Delivery { mail_ordered_at: Some(ago(60)), ..waiting.clone() };
            assert!(!ordered.can_be_resent(ago(9000), now), "it was ordered again a minute ago");
            let retried = Delivery { mail_failed_at: Some(ago(60)), ..waiting };
            assert!(!retried.can_be_resent(ago(9000), now), "it was tried a minute ago");
        }
        let claimed = Delivery {
            mail_state: Some(MailState::Sending),
            mail_claimed_at: Some(ago(60)),
            ..Delivery::default()
        };
        assert!(!claimed.can_be_resent(ago(9000), now));
    }

    #[test]
    fn a_quota_is_waited_out_for_days_and_a_rate_for_minutes() {
        let user: UserId = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        let id = "0190a5c0-0000-7000-8000-000000000002";
        let notification =
            MailMessage::Notification { recipient_id: user, notification_id: id.parse().unwrap() };
        let account = MailMessage::Mail { mail_id: id.parse().unwrap() };
        let waited = |failure: MailFailure| -> SignedDuration {
            (1..10).filter_map(|deliveries| failure.pause(notification, deliveries)).sum()
        };
        for failure in [MailFailure::QuotaExceeded, MailFailure::SendingPaused] {
            assert!(waited(failure) > SignedDuration::from_hours(72), "{}", waited(failure));
            for order in [notification, account] {
                assert_eq!(failure.pause(order, u32::MAX), Some(SignedDuration::from_hours(12)));
            }
        }
        let throttled = MailFailure::Throttled;
        assert_eq!(throttled.pause(notification, 1), Some(SignedDuration::from_secs(30)));
        assert!(waited(throttled) > SignedDuration::from_hours(2));
        assert_eq!(throttled.pause(account, 1), Some(SignedDuration::from_secs(2)));
        assert_eq!(MailFailure::NotReached.pause(account, 3), None);
    }

    #[test]
    fn a_mail_goes_to_the_account_unless_it_has_an_address() {
        let (id, user) =
            ("0190a5c0-0000-7000-8000-000000000001", "0190a5c0-0000-7000-8000-000000000002");
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let mail =
            Mail::new(id.parse().unwrap(), MailKind::EmailChanged, user.parse().unwrap(), now);
        assert_eq!((mail.address.clone(), mail.ttl), (None, now.as_second() + 14 * 86_400));
        assert_eq!(mail.requested_at(), now);
        let old = Email::parse("old@example.com").unwrap();
        let account = crate::account::tests::doctor(crate::account::Approval::Approved);
        assert_eq!(mail.recipient(&account), &account.email);
        assert_eq!(mail.to(old.clone()).recipient(&account), &old);
    }

    #[test]
    fn only_bounces_and_complaints_are_problems_of_an_address() {
        for failure in MailFailure::ALL {
            let expected = match failure {
                MailFailure::Bounced => Some(MailFailure::AddressBounced),
                MailFailure::Complained => Some(MailFailure::AddressComplained),
                _ => None,
            };
            assert_eq!(failure.email_problem().map(MailFailure::of_address), expected);
        }
    }

    #[test]
    fn a_mail_is_needed_until_the_address_is_confirmed_or_the_account_changes() {
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
        assert!(!change.is_still_needed_by(&moved), "the address has changed since");
        let session = "0190a5c0-0000-7000-8000-000000000004".parse().unwrap();
        let renewed = Account { sessions_ended_through: Some(session), ..account };
        assert!(!change.is_still_needed_by(&renewed), "the password has changed since");
    }

    #[test]
    fn queue_messages_are_told_apart_by_their_fields() {
        let message: MailMessage =
            serde_json::from_str(r#"{"mail_id": "0190a5c0-0000-7000-8000-000000000001"}"#).unwrap();
        assert_eq!(
            message,
            MailMessage::Mail { mail_id: "0190a5c0-0000-7000-8000-000000000001".parse().unwrap() }
        );
        let id = "0190a5c0-0000-7000-8000-000000000002";
        let message: MailMessage =
            serde_json::from_value(serde_json::json!({"recipient_id": id, "notification_id": id}))
                .unwrap();
        assert!(matches!(message, MailMessage::Notification { .. }));
    }
}
