//! Accounts, credentials, profiles and the directory of doctors.

use std::collections::HashMap;

use domain::account::{Account, Credentials, DoctorProfile, Role};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::{SessionId, UserId};
use domain::session::Session;
use domain::text::Name;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item::{self, Item, Stored, read};
use crate::keys;
use crate::page::Page;
use crate::read::{Consistency, Order};
use crate::write::{PutOutcome, Step, number};

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// An account with this address exists, whatever its letters' case.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why no profile was created.
#[derive(Debug, thiserror::Error)]
pub enum CreateProfileError {
    /// There is one already.
    #[error("the profile exists")]
    Exists,
    /// There is none, but the account has changed since it was read, or is gone: read again and
    /// decide again.
    #[error("changed by somebody else")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A doctor as the directory shows them.
#[derive(Clone, PartialEq, Debug)]
pub struct DirectoryEntry {
    /// The doctor's id.
    pub id: UserId,
    /// First name, may be empty.
    pub first_name: Name,
    /// Last name, may be empty.
    pub last_name: Name,
    /// Always [`Role::Doctor`].
    pub role: Role,
    /// The doctor's profile.
    pub profile: DoctorProfile,
}

/// Where in the directory a page ends. Holds a name: seal it before it leaves the system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectoryPosition(String);

impl Store {
    /// Stores a new user together with the first session.
    ///
    /// # Errors
    /// [`RegisterError::EmailTaken`] when an account has the address; of several at once, one
    /// succeeds.
    pub async fn register(
        &self,
        account: &Account,
        credentials: &Credentials,
        session: &Session,
        event: &AuditEvent,
    ) -> Result<(), RegisterError> {
        self.commit(vec![
            Step::put(item::credentials(&account.email, credentials)?)
                .only_if("attribute_not_exists(pk)", RegisterError::EmailTaken),
            Step::put(item::account(account)?),
            Step::put(item::session(session)?),
            Step::audit(event)?,
        ])
        .await
    }

    /// The credentials of the account with an address.
    pub async fn get_credentials(&self, email: &Email) -> Result<Option<Credentials>, Error> {
        self.get(keys::credentials(email), Consistency::Strong).await
    }

    /// An account, strongly consistent.
    pub async fn get_account(&self, id: UserId) -> Result<Option<Account>, Error> {
        self.get(keys::account(id), Consistency::Strong).await
    }

    /// The accounts of people to be shown, those that exist; each is read once however often it is
    /// named. Eventually consistent: for names, never for permissions.
    pub async fn get_accounts(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, Account>, Error> {
        let items = self.get_all(ids.into_iter().map(keys::account), Consistency::Eventual).await?;
        items
            .into_iter()
            .map(|item| read::<Account>(item).map(|account| (account.id, account)))
            .collect()
    }

    /// Who is calling: account and session in one strongly consistent read, so that a deactivated
    /// account, a changed role and an ended session count at the very next request. `None` when
    /// either is missing; whether the account is active and the session live is for the caller of
    /// this function to say.
    pub async fn get_caller(
        &self,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<(Account, Session)>, Error> {
        let items = self
            .get_all([keys::account(user), keys::session(user, session)], Consistency::Strong)
            .await?;
        let (mut account, mut found) = (None, None);
        for item in items {
            match item::entity(&item) {
                Session::ENTITY => found = Some(read(item)?),
                _ => account = Some(read(item)?),
            }
        }
        Ok(account.zip(found))
    }

    /// Stores the account with its new profile. `account` is the one that was read, with `profile`
    /// set and `version` one higher.
    ///
    /// # Errors
    /// [`CreateProfileError::Exists`] when there is a profile; of several at once, one succeeds.
    pub async fn create_profile(&self, account: &Account) -> Result<(), CreateProfileError> {
        let condition = "version = :before AND attribute_not_exists(profile)";
        let before = number(":before", account.version.saturating_sub(1));
        if self.kept.is_some() {
            let put = Step::put(item::account(account)?)
                .only_if(condition, CreateProfileError::Stale)
                .with([before]);
            return match self.commit(vec![put]).await {
                // A transaction does not show what it has met.
                Err(CreateProfileError::Stale)
                    if self
                        .get_account(account.id)
                        .await?
                        .is_some_and(|stored| stored.profile.is_some()) =>
                {
                    Err(CreateProfileError::Exists)
                }
                done => done,
            };
        }
        match self.put_if(item::account(account)?, condition, [before]).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::Refused(Some(stored))
                if read::<Account>(stored.clone())?.profile.is_some() =>
            {
                Err(CreateProfileError::Exists)
            }
            PutOutcome::Refused(_) => Err(CreateProfileError::Stale),
        }
    }

    /// Stores a changed account, and moves it in the directory. `account.version` is higher than
    /// `before_version`. With an event when the audit trail is to tell.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not `before_version`.
    pub async fn update_profile(
        &self,
        before_version: u64,
        account: &Account,
        event: Option<&AuditEvent>,
    ) -> Result<(), UpdateError> {
        let (account, unchanged) = (item::account(account)?, [number(":before", before_version)]);
        if let Some(event) = event {
            let put =
                Step::put(account).only_if("version = :before", UpdateError::Stale).with(unchanged);
            return self.commit(vec![put, Step::audit(event)?]).await;
        }
        match self.put_if(account, "version = :before", unchanged).await? {
            PutOutcome::Done => Ok(()),
            PutOutcome::Refused(_) => Err(UpdateError::Stale),
        }
    }

    /// Doctors to whom records may be assigned, by last name: all or of one specialization (its
    /// [`slug`](domain::text::Specialization::slug)), with a last name that begins with
    /// `last_name_prefix` in whatever case. Eventually consistent, as every index.
    pub async fn list_doctors(
        &self,
        specialization: Option<&str>,
        last_name_prefix: Option<&str>,
        limit: usize,
        after: Option<&DirectoryPosition>,
    ) -> Result<Page<DirectoryEntry, DirectoryPosition>, Error> {
        let after = after.map(|position| position.0.as_str());
        let range = keys::directory(specialization, last_name_prefix.unwrap_or_default(), after);
        let (mut items, _) =
            self.query(&range, Order::Ascending, Consistency::Eventual, limit + 1, None).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).and_then(|item| range.index.position(item));
        let next = last.map(|key| DirectoryPosition(key.to_owned()));
        let items = items.into_iter().map(directory_entry).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

fn directory_entry(item: Item) -> Result<DirectoryEntry, Error> {
    #[derive(Deserialize)]
    struct Entry {
        id: UserId,
        first_name: Name,
        last_name: Name,
        role: Role,
        profile: DoctorProfile,
    }
    let Entry { id, first_name, last_name, role, profile } =
        item::read_part(item, Account::IN_KEY).ok_or(Error::Corrupt { entity: Account::ENTITY })?;
    Ok(DirectoryEntry { id, first_name, last_name, role, profile })
}
