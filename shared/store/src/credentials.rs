//! What proves that somebody is a user: passwords, and the address that a user signs in with.

use domain::account::{Account, Credentials};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::SessionId;
use domain::mail::Mail;
use domain::rate::Lockout;
use domain::session::Session;
use jiff::Timestamp;

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item;
use crate::keys;
use crate::rate::count_mail;
use crate::sessions::NOT_ENDED;
use crate::write::{Step, Value, flag, number, string};

/// Why a token from a mail did nothing.
#[derive(Debug, thiserror::Error)]
pub enum UseTokenError {
    /// It was used before, or is gone.
    #[error("the token is used up")]
    Used,
    /// The account has changed since it was read: read again and decide again.
    #[error("changed by somebody else")]
    Stale,
    /// Another account has the address by now.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why a registration that tells nobody whether the address is taken did nothing.
#[derive(Debug, thiserror::Error)]
pub enum SilentError {
    /// The address is not free any more, or not taken any more: look again.
    #[error("taken or free by now")]
    Changed,
    /// The address has been sent too many mails today.
    #[error(transparent)]
    Locked(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How many mails an address may be sent in a day because somebody asks for them.
#[derive(Clone, Copy, Debug)]
pub struct MailLimit {
    /// So many.
    pub most: u64,
    /// On this day.
    pub now: Timestamp,
}

/// A new password, with all that goes with it.
pub struct NewPassword<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// The credentials as they were read.
    pub before: &'a Credentials,
    /// The hash of the new password.
    pub password_hash: &'a str,
    /// All sessions up to and with this one end.
    pub sessions_ended_through: SessionId,
    /// What the audit trail says.
    pub event: &'a AuditEvent,
    /// Tells the user.
    pub mail: &'a Mail,
}

impl Store {
    /// Replaces a password, as its user asked for in a session: all sessions end, and a new one
    /// begins.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the password is not any more what it was, or the sessions have
    /// ended meanwhile.
    pub async fn change_password(
        &self,
        new: &NewPassword<'_>,
        session: &Session,
    ) -> Result<(), UpdateError> {
        self.commit(vec![
            replace_hash(new, UpdateError::Stale),
            end_sessions(new, SET_PASSWORD, UpdateError::Stale),
            Step::put(item::session(session)?),
            Step::audit(new.event)?,
            Step::put(item::mail(new.mail)?),
        ])
        .await
    }

    /// Replaces a password by a token from a mail, which is used up: all sessions end. Who has the
    /// mail has the address, so that is confirmed too.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`]; of several at once, one succeeds.
    pub async fn reset_password(
        &self,
        new: &NewPassword<'_>,
        token_hash: &str,
    ) -> Result<(), UseTokenError> {
        self.commit(vec![
            use_up(token_hash),
            replace_hash(new, UseTokenError::Stale),
            end_sessions(new, SET_PASSWORD_AND_CONFIRM, UseTokenError::Stale).with([yes()]),
            Step::audit(new.event)?,
            Step::put(item::mail(new.mail)?),
        ])
        .await
    }

    /// Replaces a password's hash by another one of the same password; nothing changes when it is
    /// not any more what was read.
    pub async fn upgrade_password_hash(
        &self,
        email: &Email,
        before: &Credentials,
        password_hash: &str,
    ) -> Result<(), Error> {
        self.update_if(keys::credentials(email), SET_HASH, SAME_HASH, hashes(before, password_hash))
            .await
            .map(drop)
    }

    /// Confirms the address of an account by a token from a mail, which is used up.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`]; of several at once, one succeeds.
    pub async fn verify_email(
        &self,
        account: &Account,
        token_hash: &str,
        event: &AuditEvent,
    ) -> Result<(), UseTokenError> {
        self.commit(vec![
            use_up(token_hash),
            Step::update(
                keys::account(account.id),
                "SET email_verified = :yes, version = version + :one",
            )
            .only_if("email = :email", UseTokenError::Stale)
            .with([
                string(":email", account.email.as_str()),
                yes(),
                number(":one", 1_u64),
            ]),
            Step::audit(event)?,
        ])
        .await
    }

    /// Gives an account the address that a token from a mail was sent to, which is used up: `after`
    /// has it, is confirmed and has a higher version than `before`. `mail` tells the address
    /// before.
    ///
    /// # Errors
    /// [`UseTokenError`]; of several at once, one succeeds.
    pub async fn change_email(
        &self,
        before: &Account,
        after: &Account,
        credentials: &Credentials,
        token_hash: &str,
        event: &AuditEvent,
        mail: &Mail,
    ) -> Result<(), UseTokenError> {
        let (old, new) = (keys::credentials(&before.email), keys::credentials(&after.email));
        let unchanged =
            [string(":user", credentials.user_id), string(":before", &credentials.password_hash)];
        let mut steps = vec![use_up(token_hash)];
        if old == new {
            // The same in other letters: the credentials stay where they are.
            steps.push(Step::check(old).only_if(SAME_HASH, UseTokenError::Stale).with(unchanged));
        } else {
            steps.push(Step::delete(old).only_if(SAME_HASH, UseTokenError::Stale).with(unchanged));
            let moved = Step::put(item::credentials(&after.email, credentials)?);
            steps.push(moved.only_if("attribute_not_exists(pk)", UseTokenError::EmailTaken));
        }
        steps.extend([
            Step::put(item::account(after)?)
                .only_if("version = :version", UseTokenError::Stale)
                .with([number(":version", before.version)]),
            Step::audit(event)?,
            Step::put(item::mail(mail)?),
        ]);
        self.commit(steps).await
    }

    /// Stores a new user without a session. It takes as many steps as
    /// [`Store::refuse_registration`], and as long: what the address is mailed because of it is
    /// taken out of `mails`, too.
    ///
    /// # Errors
    /// [`SilentError::Changed`] when an account has the address; of several at once, one succeeds.
    pub async fn register_silently(
        &self,
        account: &Account,
        credentials: &Credentials,
        event: &AuditEvent,
        mails: MailLimit,
    ) -> Result<(), SilentError> {
        self.commit(vec![
            Step::put(item::credentials(&account.email, credentials)?)
                .only_if("attribute_not_exists(pk)", SilentError::Changed),
            Step::put(item::account(account)?),
            Step::audit(event)?,
            count_mail(&account.email.normalized(), mails.most, mails.now),
        ])
        .await
    }

    /// Notes that somebody tried to register with a taken address: `mail` tells its owner.
    ///
    /// # Errors
    /// [`SilentError::Changed`] when nobody has the address any more.
    pub async fn refuse_registration(
        &self,
        email: &Email,
        event: &AuditEvent,
        mail: &Mail,
        mails: MailLimit,
    ) -> Result<(), SilentError> {
        self.commit(vec![
            Step::check(keys::credentials(email))
                .only_if("attribute_exists(pk)", SilentError::Changed),
            Step::put(item::mail(mail)?),
            Step::audit(event)?,
            count_mail(&email.normalized(), mails.most, mails.now),
        ])
        .await
    }
}

const SET_HASH: &str = "SET password_hash = :after";
const SAME_HASH: &str = "user_id = :user AND password_hash = :before";

fn hashes(before: &Credentials, password_hash: &str) -> [Value; 3] {
    [
        string(":user", before.user_id),
        string(":before", &before.password_hash),
        string(":after", password_hash),
    ]
}

fn replace_hash<E>(new: &NewPassword<'_>, otherwise: E) -> Step<E> {
    let set = "SET password_hash = :after, password_version = :password";
    let step =
        Step::update(keys::credentials(&new.account.email), set).only_if(SAME_HASH, otherwise);
    step.with(hashes(new.before, new.password_hash)).with([password_version(new)])
}

const SET_PASSWORD: &str =
    "SET sessions_ended_through = :through, password_version = :password, version = version + :one";
const SET_PASSWORD_AND_CONFIRM: &str = "SET sessions_ended_through = :through, password_version = \
                                        :password, version = version + :one, email_verified = :yes";

/// Says at the account that it has another password, and ends all sessions.
fn end_sessions<E>(new: &NewPassword<'_>, set: &'static str, otherwise: E) -> Step<E> {
    let step = Step::update(keys::account(new.account.id), set).only_if(NOT_ENDED, otherwise);
    step.with([
        string(":through", new.sessions_ended_through),
        password_version(new),
        number(":one", 1_u64),
    ])
}

/// That of the new password. The condition on the hash makes sure that nobody else counts from the
/// same.
fn password_version(new: &NewPassword<'_>) -> Value {
    number(":password", new.before.password_version + 1)
}

fn use_up(token_hash: &str) -> Step<UseTokenError> {
    Step::delete(keys::mail_token(token_hash)).only_if("attribute_exists(pk)", UseTokenError::Used)
}

fn yes() -> Value {
    flag(":yes", true)
}
