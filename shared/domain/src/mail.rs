//! Mails: what the queue carries, by ids alone, and mails that have no notification behind them.

use serde::{Deserialize, Serialize};

use crate::email::Email;
use crate::field::choice;
use crate::id::{MailId, NotificationId, UserId};

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

choice! {
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
        /// Goes to nobody: written where a mail would be, had the address been known, so that both take the same time.
        Nobody = "nobody",
    }
}

/// A mail that has no notification behind it. What it carries besides its kind, the mailer makes when it sends.
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
    /// When it is forgotten: seconds since 1970, the table's time to live.
    pub ttl: i64,
}
