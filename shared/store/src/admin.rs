//! What staff do with users: find them, create and change them, decide about licences, read the
//! audit trail.
//!
//! How many admins can work is counted in an item of its own, in the transactions that change it,
//! so that there always is one and the first is made once.

use std::cmp::Reverse;

use domain::account::{Account, Approval, Credentials};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::{EventId, UserId};
use domain::mail::Mail;
use domain::notification::Notification;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::accounts::RegisterError;
use crate::error::{Error, UpdateError};
use crate::item::{self, Item, read};
use crate::keys::{self, Key, Range};
use crate::lists::{Span, UserEntry};
use crate::page::{Page, below};
use crate::read::{Consistency, Order};
use crate::write::{Step, number, string};

/// Why there is no first admin.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// There has been one already.
    #[error("an admin exists")]
    AdminExists,
    /// An account with this address exists, whatever its letters' case.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why an account was not changed by staff.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// It has been changed since it was read, or is gone: read again and decide again.
    #[error("changed by somebody else")]
    Stale,
    /// Nobody could administer the system any more.
    #[error("the last admin")]
    LastAdmin,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Where in a list by name a page ends. Holds a name: seal it before it leaves the system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePosition(String);

/// One more admin.
fn gain<E>() -> Step<E> {
    Step::update(keys::admins(), "SET entity = :entity ADD working_admins :one")
        .with([string(":entity", "admins"), number(":one", 1_u64)])
}

/// One admin less; refused when it would be the last.
fn lose<E>(otherwise: E) -> Step<E> {
    Step::update(keys::admins(), "SET working_admins = working_admins - :one")
        .only_if("working_admins > :one", otherwise)
        .with([number(":one", 1_u64)])
}

/// The account and what must be there with it.
fn creation<E: From<Error>>(
    account: &Account,
    credentials: &Credentials,
    mail: &Mail,
    event: &AuditEvent,
    taken: E,
) -> Result<Vec<Step<E>>, E> {
    Ok(vec![
        Step::put(item::credentials(&account.email, credentials)?)
            .only_if("attribute_not_exists(pk)", taken),
        Step::put(item::account(account)?),
        Step::put(item::mail(mail)?),
        Step::audit(event)?,
    ])
}

impl Store {
    /// Stores a user whom staff create, and the mail with which the user sets a password.
    ///
    /// # Errors
    /// [`RegisterError::EmailTaken`] when an account has the address.
    pub async fn create_user(
        &self,
        account: &Account,
        credentials: &Credentials,
        mail: &Mail,
        event: &AuditEvent,
    ) -> Result<(), RegisterError> {
        let mut steps = creation(account, credentials, mail, event, RegisterError::EmailTaken)?;
        if account.is_active_admin() {
            steps.push(gain());
        }
        self.commit(steps).await
    }

    /// Stores the first admin, and the mail with which the admin sets a password.
    ///
    /// # Errors
    /// [`BootstrapError::AdminExists`] when there has been an admin; of several at once, one
    /// succeeds.
    pub async fn bootstrap_admin(
        &self,
        account: &Account,
        credentials: &Credentials,
        mail: &Mail,
        event: &AuditEvent,
    ) -> Result<(), BootstrapError> {
        let first = gain().only_if("attribute_not_exists(pk)", BootstrapError::AdminExists);
        let mut steps = vec![first];
        steps.extend(creation(account, credentials, mail, event, BootstrapError::EmailTaken)?);
        self.commit(steps).await
    }

    /// Stores an account as staff have changed it. `after` has a higher version than `before`.
    ///
    /// # Errors
    /// [`AmendError::Stale`] when the stored version is not that of `before`;
    /// [`AmendError::LastAdmin`] when no admin would be left.
    pub async fn amend_account(
        &self,
        before: &Account,
        after: &Account,
        events: &[AuditEvent],
    ) -> Result<(), AmendError> {
        let account =
            Step::put(item::account(after)?).only_if("version = :before", AmendError::Stale);
        let mut steps = vec![account.with([number(":before", before.version)])];
        match (before.is_active_admin(), after.is_active_admin()) {
            (false, true) => steps.push(gain()),
            (true, false) => steps.push(lose(AmendError::LastAdmin)),
            _ => {}
        }
        for event in events {
            steps.push(Step::audit(event)?);
        }
        self.commit(steps).await
    }

    /// Stores what staff have decided about a doctor, moves the doctor in the directory and tells
    /// them. `after` has a higher version than `before`.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not that of `before`.
    pub async fn decide_approval(
        &self,
        before: &Account,
        after: &Account,
        notification: &Notification,
        mail: &Mail,
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        let account =
            Step::put(item::account(after)?).only_if("version = :before", UpdateError::Stale);
        self.commit(vec![
            account.with([number(":before", before.version)]),
            Step::put(item::notification(notification)?),
            Step::put(item::mail(mail)?),
            Step::audit(event)?,
        ])
        .await
    }

    /// Stores a mail that somebody has ordered, and the event of it.
    pub async fn request_mail(&self, mail: &Mail, event: &AuditEvent) -> Result<(), Error> {
        self.commit(vec![Step::put(item::mail(mail)?), Step::audit(event)?]).await
    }

    /// The user with an address, whatever its letters' case. Asks an index, not the credentials:
    /// may lag a moment.
    pub async fn find_user_by_email(&self, email: &Email) -> Result<Option<UserId>, Error> {
        let range = keys::users_with_email(email);
        let (items, _) = self.query_first(&range, Order::Descending, 1).await?;
        items.first().map(|item| position(&range, item)).transpose()
    }

    /// Users with a last name that begins with `prefix` in whatever case, by name, each with their
    /// place; `prefix` must not be empty. Eventually consistent, as every index.
    pub async fn list_users_by_name(
        &self,
        prefix: &str,
        limit: usize,
        after: Option<&NamePosition>,
    ) -> Result<Page<(UserId, NamePosition), NamePosition>, Error> {
        let range = keys::users_named(prefix, after.map(|position| position.0.as_str()));
        let (mut items, more) = self.query_first(&range, Order::Ascending, limit).await?;
        items.truncate(limit);
        let user = |item: &Item| {
            let id = keys::ids(item).next().and_then(|id| id.parse().ok());
            let place = range.index.position(item).map(|key| NamePosition(key.to_owned()));
            id.zip(place).ok_or(Error::Corrupt { entity: "user" })
        };
        let items: Vec<(UserId, NamePosition)> =
            items.iter().map(user).collect::<Result<_, _>>()?;
        let next = items.last().filter(|_| more).map(|(_, place)| place.clone());
        Ok(Page { items, next })
    }

    /// Users, newest first. Eventually consistent. Where hardly anybody has registered for a year,
    /// a page may hold fewer users than asked for, or none, and still have a next one.
    pub async fn list_newest_users(
        &self,
        now: Timestamp,
        limit: usize,
        after: Option<UserId>,
    ) -> Result<Page<UserId, UserId>, Error> {
        let page =
            self.list_newest::<UserEntry>(now, Span::default(), limit, after, |_| true).await?;
        Ok(Page { items: page.items.iter().map(|user| user.id).collect(), next: page.next })
    }

    /// Active doctors with a licence of which staff say this, newest first, without those who are
    /// approved: these are in the directory. Eventually consistent.
    pub async fn list_doctors_by_approval(
        &self,
        approval: Approval,
        limit: usize,
        after: Option<UserId>,
    ) -> Result<Page<UserId, UserId>, Error> {
        let range = keys::doctors_by_approval(approval, after.map(|id| below(id.as_bytes())));
        let (items, more) = self.query_first(&range, Order::Descending, limit).await?;
        let items: Vec<UserId> = items
            .iter()
            .take(limit)
            .map(|item| position(&range, item))
            .collect::<Result<_, _>>()?;
        let next = items.last().copied().filter(|_| more);
        Ok(Page { items, next })
    }

    /// What somebody did, to whomever, newest first. The list is eventually consistent.
    pub async fn list_events_of_actor(
        &self,
        actor: UserId,
        limit: usize,
        after: Option<EventId>,
    ) -> Result<Page<AuditEvent, EventId>, Error> {
        let range = keys::events_by(actor, after.map(|id| below(id.as_bytes())));
        let (mut found, more) = self.query_first(&range, Order::Descending, limit).await?;
        found.truncate(limit);
        let events = self.get_all(found.iter().filter_map(Key::of), Consistency::Eventual).await?;
        let mut items: Vec<AuditEvent> = events.into_iter().map(read).collect::<Result<_, _>>()?;
        items.sort_unstable_by_key(|event| Reverse(event.id));
        let last = found.last().filter(|_| more).map(|item| position(&range, item)).transpose()?;
        Ok(Page { items, next: last })
    }

    /// The first items of a range, up to one more than `limit`, and whether there was that one.
    pub(crate) async fn query_first(
        &self,
        range: &Range,
        order: Order,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), Error> {
        let (items, _) = self.query(range, order, Consistency::Eventual, limit + 1, None).await?;
        let more = items.len() > limit;
        Ok((items, more))
    }
}

/// The id by which an index is sorted.
pub(crate) fn position<I: std::str::FromStr>(range: &Range, item: &Item) -> Result<I, Error> {
    let id = range.index.position(item).and_then(|id| id.parse().ok());
    id.ok_or(Error::Corrupt { entity: "index entry" })
}
