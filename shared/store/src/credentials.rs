//! Credentials: passwords and the email address with which a user signs in; change, reset and
//! confirm them.

use domain::account::{Account, Credentials};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::{SessionId, UserId};
use domain::mail::Mail;
use domain::session::Session;

use crate::attributes::{Value, flag, number, string};
use crate::error::{Error, UpdateError};
use crate::item::{Stored, to_item_at};
use crate::keys;
use crate::names;
use crate::rate::forget_failures;
use crate::read::Consistency;
use crate::sessions::NOT_ENDED;
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, IS_NEW, Step};

impl Stored for Credentials {
    const ENTITY: &'static str = "credentials";
    const IN_KEY: &'static [&'static str] = &[];
}

pub(crate) fn put<E>(email: &Email, credentials: &Credentials) -> Result<Step<E>, Error> {
    let indexes = keys::credentials_indexes(email, credentials.user_id);
    to_item_at(credentials, keys::credentials(email), indexes).map(Step::put_item)
}

/// Why a token from a mail was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum UseTokenError {
    /// The token was used before, or has expired and was deleted.
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

/// A new password and everything that is stored with it.
pub struct PasswordChange<'a> {
    /// The account as it was read.
    pub account: &'a Account,
    /// The credentials as they were read.
    pub before: &'a Credentials,
    /// The hash of the new password.
    pub password_hash: &'a str,
    /// All sessions up to and including this one end.
    pub sessions_ended_through: SessionId,
    /// The event for the audit trail.
    pub event: &'a AuditEvent,
    /// Informs the user.
    pub mail: &'a Mail,
}

/// A new address of an account and everything that is stored with it.
pub struct EmailChange<'a> {
    /// The account as it was read.
    pub before: &'a Account,
    /// The account with the new, confirmed address and a higher version.
    pub after: &'a Account,
    /// The credentials as they were read.
    pub credentials: &'a Credentials,
    /// The user of a registration with the new address that was never confirmed.
    pub replaced: Option<UserId>,
    /// The event for the audit trail.
    pub event: &'a AuditEvent,
    /// Informs the previous address.
    pub mail: &'a Mail,
}

impl Table {
    /// Reads the credentials of the account with an address, strongly consistent.
    pub async fn get_credentials(&self, email: &Email) -> Result<Option<Credentials>, Error> {
        self.get(keys::credentials(email), Consistency::Strong).await
    }

    /// Finds the user of a registration with an address that was never confirmed, strongly
    /// consistent.
    pub async fn get_unconfirmed_user(&self, email: &Email) -> Result<Option<UserId>, Error> {
        let found = self.get_credentials(email).await?;
        Ok(found.filter(|credentials| credentials.unconfirmed).map(|it| it.user_id))
    }

    /// Replaces a password's hash by another hash of the same password; changes nothing when the
    /// stored hash is not the one that was read.
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
}

impl Store {
    /// Replaces a password in a session of its user: all sessions end, and a new one begins.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the password has changed since it was read, or the sessions have
    /// ended.
    pub async fn change_password(
        &self,
        new: &PasswordChange<'_>,
        session: &Session,
    ) -> Result<(), UpdateError> {
        self.commit(vec![
            replace_hash(new, UpdateError::Stale),
            end_sessions(new, SET_PASSWORD, UpdateError::Stale),
            Step::put(session)?,
            self.audit(new.event)?,
            Step::put(new.mail)?,
        ])
        .await
    }

    /// Replaces a password with a token from a mail, which is used up: all sessions end. The token
    /// also confirms the email address to which it was sent, which has no problem any more, and
    /// forgets the failures at the account. If the address
    /// was not confirmed before, somebody else may have registered it and set up a second factor,
    /// which is removed.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`]; of several at once, one succeeds.
    pub async fn reset_password(
        &self,
        new: &PasswordChange<'_>,
        token_hash: &str,
    ) -> Result<(), UseTokenError> {
        let is_new = !new.account.email_verified;
        let factor = flag(":factor", new.account.second_factor && !is_new);
        let credentials = Step::update(keys::credentials(&new.account.email), SET_HASH_AND_CONFIRM)
            .only_if(SAME_HASH, UseTokenError::Stale)
            .with(hashes(new.before, new.password_hash))
            .with([password_version(new), no(), factor.clone()]);
        let mut steps = vec![
            use_up(token_hash),
            credentials,
            end_sessions(new, SET_PASSWORD_AND_CONFIRM, UseTokenError::Stale).with([
                yes(),
                time_of(new.event),
                factor,
            ]),
            self.audit(new.event)?,
            Step::put(new.mail)?,
        ];
        steps.extend(forget_failures(new.account));
        if is_new {
            steps.push(Step::delete(keys::second_factor(new.account.id)));
        }
        self.commit(steps).await
    }

    /// Confirms the email address of an account with a token from a mail, which is used up. The
    /// address has no problem any more.
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
                "SET email_verified = :yes, email_trusted_since = :now, version = version + :one \
                 REMOVE email_problem, email_problem_at",
            )
            .only_if("email = :email", UseTokenError::Stale)
            .with([
                string(":email", account.email.as_str()),
                yes(),
                time_of(event),
                number(":one", 1_u64),
            ]),
            Step::update(keys::credentials(&account.email), "SET unconfirmed = :no")
                .only_if("user_id = :user", UseTokenError::Stale)
                .with([no(), string(":user", account.id)]),
            self.audit(event)?,
        ])
        .await
    }

    /// Discards an account that was never confirmed, with a token from a mail to its address, which
    /// is free then. `after` is the account without activity and sessions, and with a higher
    /// version than `before`.
    ///
    /// # Errors
    /// [`UseTokenError::Used`] or [`UseTokenError::Stale`]; of several at once, one succeeds.
    pub async fn discard_account(
        &self,
        before: &Account,
        after: &Account,
        token_hash: &str,
        event: &AuditEvent,
    ) -> Result<(), UseTokenError> {
        let mut steps = vec![
            use_up(token_hash),
            Step::delete(keys::credentials(&before.email))
                .only_if("user_id = :user", UseTokenError::Stale)
                .with([string(":user", before.id)]),
            Step::put(after)?
                .only_if("version = :version AND email_verified = :no", UseTokenError::Stale)
                .with([number(":version", before.version), no()]),
            self.audit(event)?,
        ];
        steps.extend(names::replace(before, after)?);
        self.commit(steps).await
    }

    /// Changes the email address of an account to the one to which a token was sent; the token is
    /// used up.
    ///
    /// # Errors
    /// [`UseTokenError`]; of several at once, one succeeds.
    pub async fn change_email(
        &self,
        moved: &EmailChange<'_>,
        token_hash: &str,
    ) -> Result<(), UseTokenError> {
        let EmailChange { before, after, credentials, replaced, event, mail } = *moved;
        let (old, new) = (keys::credentials(&before.email), keys::credentials(&after.email));
        let unchanged = unchanged(credentials);
        let mut steps = vec![use_up(token_hash)];
        if old == new {
            // The addresses differ in case alone: the credentials keep their key.
            steps.push(Step::check(old).only_if(SAME_HASH, UseTokenError::Stale).with(unchanged));
        } else {
            steps.push(Step::delete(old).only_if(SAME_HASH, UseTokenError::Stale).with(unchanged));
            let taken = || UseTokenError::EmailTaken;
            steps.extend(take_address(&after.email, credentials, replaced, taken)?);
        }
        steps.extend([
            Step::put(after)?
                .only_if("version = :version", UseTokenError::Stale)
                .with([number(":version", before.version)]),
            self.audit(event)?,
            Step::put(mail)?,
        ]);
        self.commit(steps).await
    }
}

/// Makes the steps that store credentials at another address, from which they remove `replaced`,
/// the user of a registration that was never confirmed.
pub(crate) fn take_address<E>(
    email: &Email,
    credentials: &Credentials,
    replaced: Option<UserId>,
    taken: impl Fn() -> E,
) -> Result<Vec<Step<E>>, Error> {
    let put = put(email, credentials)?;
    Ok(match replaced {
        None => vec![put.only_if(IS_NEW, taken())],
        Some(user) => vec![
            put.only_if(IS_UNCONFIRMED, taken()).with(unconfirmed_values(user)),
            remove_unconfirmed(user, taken()),
        ],
    })
}

/// Makes the step that checks that an address can be taken: nobody has it but `user`, or somebody
/// who never confirmed it.
pub(crate) fn check_address<E>(email: &Email, user: UserId, taken: E) -> Step<E> {
    Step::check(keys::credentials(email))
        .only_if("attribute_not_exists(pk) OR user_id = :user OR unconfirmed = :yes", taken)
        .with([string(":user", user), yes()])
}

/// Condition: the user has to confirm the address before signing in.
pub(crate) const IS_UNCONFIRMED: &str = "user_id = :replaced AND unconfirmed = :yes";

/// Returns the values of [`IS_UNCONFIRMED`].
pub(crate) fn unconfirmed_values(user: UserId) -> [Value; 2] {
    [string(":replaced", user), yes()]
}

/// Makes the step that removes an account that was never confirmed, and so never used. The
/// dispatcher deletes its entries in the search by name: how many there are must not show here.
pub(crate) fn remove_unconfirmed<E>(user: UserId, otherwise: E) -> Step<E> {
    Step::delete(keys::account(user)).only_if("email_verified = :no", otherwise).with([no()])
}

const SET_HASH: &str = "SET password_hash = :after";
const SET_HASH_AND_CONFIRM: &str = "SET password_hash = :after, password_version = :password, \
                                    unconfirmed = :no, second_factor = :factor";

/// Condition: the credentials are as they were read. See [`unchanged`].
pub(crate) const SAME_HASH: &str = "user_id = :user AND password_hash = :before";

pub(crate) fn unchanged(credentials: &Credentials) -> [Value; 2] {
    [string(":user", credentials.user_id), string(":before", &credentials.password_hash)]
}

fn hashes(before: &Credentials, password_hash: &str) -> [Value; 3] {
    [
        string(":user", before.user_id),
        string(":before", &before.password_hash),
        string(":after", password_hash),
    ]
}

fn replace_hash<E>(new: &PasswordChange<'_>, otherwise: E) -> Step<E> {
    let set = "SET password_hash = :after, password_version = :password";
    let step =
        Step::update(keys::credentials(&new.account.email), set).only_if(SAME_HASH, otherwise);
    step.with(hashes(new.before, new.password_hash)).with([password_version(new)])
}

const SET_PASSWORD: &str =
    "SET sessions_ended_through = :through, password_version = :password, version = version + :one";
const SET_PASSWORD_AND_CONFIRM: &str = "SET sessions_ended_through = :through, password_version = \
                                        :password, version = version + :one, email_verified = \
                                        :yes, email_trusted_since = :now, second_factor = \
                                        :factor REMOVE email_problem, email_problem_at";

/// Stores the password's version in the account, and ends all sessions.
fn end_sessions<E>(new: &PasswordChange<'_>, set: &'static str, otherwise: E) -> Step<E> {
    let step = Step::update(keys::account(new.account.id), set).only_if(NOT_ENDED, otherwise);
    step.with([
        string(":through", new.sessions_ended_through),
        password_version(new),
        number(":one", 1_u64),
    ])
}

/// Returns the version of the new password. The condition on the hash prevents two changes from
/// getting the same version.
fn password_version(new: &PasswordChange<'_>) -> Value {
    number(":password", new.before.password_version + 1)
}

pub(crate) fn use_up(token_hash: &str) -> Step<UseTokenError> {
    Step::delete(keys::mail_token(token_hash)).only_if(EXISTS, UseTokenError::Used)
}

fn time_of(event: &AuditEvent) -> Value {
    string(":now", event.id.created_at())
}

fn yes() -> Value {
    flag(":yes", true)
}

fn no() -> Value {
    flag(":no", false)
}
