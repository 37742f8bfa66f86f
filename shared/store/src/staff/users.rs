//! Users, for staff: find, list, create and change them, and decide about doctors' licences.
//!
//! One item counts the active admins. It is updated in the transactions that change them, so that
//! there is always one, and the first is created once.

use domain::account::{Account, Approval, Credentials};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::UserId;
use domain::mail::Mail;
use domain::name_search::NameSearch;
use domain::notification::Notification;
use domain::recovery::AdminCount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::accounts::RegisterError;
use crate::attributes::{number, string};
use crate::credentials;
use crate::error::{Error, UpdateError};
use crate::idempotency::StoredResponse;
use crate::item::Stored;
use crate::keys;
use crate::names;
use crate::page::{Page, Span, below, position};
use crate::read::{Consistency, Order};
use crate::staff::lists::UserEntry;
use crate::store::Store;
use crate::table::Table;
use crate::write::{IS_NEW, Step};

/// Why the first admin was not created.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// There is an admin, or was one.
    #[error("an admin exists")]
    AdminExists,
    /// An account with this address exists. Case is ignored.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why an account was not changed by staff.
#[derive(Debug, thiserror::Error)]
pub enum StaffUpdateError {
    /// The account has changed since it was read, or does not exist any more: read it again and
    /// decide again.
    #[error("changed by somebody else")]
    Stale,
    /// The change would leave no active admin.
    #[error("the last admin")]
    LastAdmin,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// The position at which a page of a list by name ends. Contains a name: seal it before it leaves
/// the system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePosition(String);

/// Makes the step that counts one admin more.
fn add_admin<E>() -> Step<E> {
    Step::update(keys::admins(), "SET entity = :entity ADD working_admins :one")
        .with([string(":entity", AdminCount::ENTITY), number(":one", 1_u64)])
}

/// Makes the step that counts one admin less since `now`; it fails for the last one.
fn remove_admin<E>(now: Timestamp, otherwise: E) -> Step<E> {
    Step::update(keys::admins(), "SET working_admins = working_admins - :one, removed_at = :now")
        .only_if("working_admins > :one", otherwise)
        .with([number(":one", 1_u64), string(":now", now)])
}

impl Stored for AdminCount {
    const ENTITY: &'static str = "admins";
    const IN_KEY: &'static [&'static str] = &[];
}

impl Table {
    /// Reads how many active admins there are, strongly consistent.
    pub async fn get_admins(&self) -> Result<AdminCount, Error> {
        Ok(self.get(keys::admins(), Consistency::Strong).await?.unwrap_or_default())
    }

    /// Finds the user with an email address, ignoring case. Reads an index, not the credentials:
    /// eventually consistent.
    pub async fn get_user_id_by_email(&self, email: &Email) -> Result<Option<UserId>, Error> {
        let range = keys::users_with_email(email);
        let (items, _) =
            self.query_first(&range, Order::Descending, Consistency::Eventual, 1).await?;
        items.first().map(|item| position(&range, item)).transpose()
    }

    /// Lists the users whom a search finds, sorted by the part of the name that it finds, each with
    /// the position in the list; the search must not be empty. Eventually consistent, as every
    /// index.
    pub async fn list_users_by_name(
        &self,
        search: &NameSearch,
        limit: usize,
        after: Option<&NamePosition>,
    ) -> Result<Page<(UserId, NamePosition), NamePosition>, Error> {
        let range = keys::users_named(search, after.map(|position| position.0.as_str()));
        let page = self.list_named(&range, Some(search), limit).await?;
        let users = page.items.into_iter().map(|(item, position)| {
            let id = keys::ids(&item).next().and_then(|id| id.parse().ok());
            let id = id.ok_or(Error::corrupt("name", "no id in its keys"))?;
            Ok((id, NamePosition(position)))
        });
        Ok(Page { items: users.collect::<Result<_, Error>>()?, next: page.next.map(NamePosition) })
    }

    /// Lists users, newest first. Eventually consistent. A page may contain fewer users than
    /// requested, or none, and still have a next one.
    pub async fn list_newest_users(
        &self,
        now: Timestamp,
        limit: usize,
        after: Option<UserId>,
    ) -> Result<Page<UserId, UserId>, Error> {
        let page =
            self.list_entries::<UserEntry>(now, Span::default(), limit, after, |_| true).await?;
        Ok(Page { items: page.items.iter().map(|user| user.id).collect(), next: page.next })
    }

    /// Lists active doctors whose licence has this approval, newest first; approved ones are in the
    /// directory instead. Eventually consistent.
    pub async fn list_doctors_by_approval(
        &self,
        approval: Approval,
        limit: usize,
        after: Option<UserId>,
    ) -> Result<Page<UserId, UserId>, Error> {
        let range = keys::doctors_by_approval(approval, after.map(|id| below(id.as_bytes())));
        let (items, more) =
            self.query_first(&range, Order::Descending, Consistency::Eventual, limit).await?;
        let items: Vec<UserId> =
            items.iter().map(|item| position(&range, item)).collect::<Result<_, _>>()?;
        let next = items.last().copied().filter(|_| more);
        Ok(Page { items, next })
    }
}

impl Store {
    /// Stores a user whom staff create, and the mail with which the user sets a password. Removes
    /// `replaced`, the user of a registration with the address that was never confirmed.
    ///
    /// # Errors
    /// [`RegisterError::EmailTaken`] when another account has the address.
    pub async fn create_user(
        &self,
        account: &Account,
        credentials: &Credentials,
        mail: &Mail,
        event: &AuditEvent,
        replaced: Option<UserId>,
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), RegisterError> {
        let taken = || RegisterError::EmailTaken;
        let mut steps = credentials::take_address(&account.email, credentials, replaced, taken)?;
        steps.extend(self.creation(account, mail, event)?);
        if account.is_active_admin() {
            steps.push(add_admin());
        }
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Makes the steps that store a new account with its mail and event.
    fn creation<E: From<Error>>(
        &self,
        account: &Account,
        mail: &Mail,
        event: &AuditEvent,
    ) -> Result<Vec<Step<E>>, Error> {
        let mut steps = vec![Step::put(account)?, Step::put(mail)?, self.audit(event)?];
        steps.extend(names::add(account)?);
        Ok(steps)
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
        let first = add_admin().only_if(IS_NEW, BootstrapError::AdminExists);
        let mut steps = vec![first];
        let taken = || BootstrapError::EmailTaken;
        steps.extend(credentials::take_address(&account.email, credentials, None, taken)?);
        steps.extend(self.creation(account, mail, event)?);
        self.commit(steps).await
    }

    /// Stores an account that staff have changed at `now`. `after` has a higher version than
    /// `before`.
    ///
    /// # Errors
    /// [`StaffUpdateError::Stale`] when the stored version is not that of `before`;
    /// [`StaffUpdateError::LastAdmin`] when no admin would be left.
    pub async fn update_account_as_staff(
        &self,
        before: &Account,
        after: &Account,
        events: &[AuditEvent],
        now: Timestamp,
    ) -> Result<(), StaffUpdateError> {
        let account = Step::put(after)?.only_if("version = :before", StaffUpdateError::Stale);
        let mut steps = vec![account.with([number(":before", before.version)])];
        match (before.is_active_admin(), after.is_active_admin()) {
            (false, true) => steps.push(add_admin()),
            (true, false) => steps.push(remove_admin(now, StaffUpdateError::LastAdmin)),
            _ => {}
        }
        steps.extend(names::replace(before, after)?);
        for event in events {
            steps.push(self.audit(event)?);
        }
        self.commit(steps).await
    }

    /// Stores a decision about a doctor's licence, updates the directory, and notifies the doctor.
    /// `after` has a higher version than `before`.
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
        let account = Step::put(after)?.only_if("version = :before", UpdateError::Stale);
        let mut steps = vec![
            account.with([number(":before", before.version)]),
            Step::put(notification)?,
            Step::put(mail)?,
            self.audit(event)?,
        ];
        steps.extend(names::replace(before, after)?);
        self.commit(steps).await
    }
}
