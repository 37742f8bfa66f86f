//! Accounts: register users, read and change accounts and profiles, list doctors in the directory.

use std::collections::HashMap;

use domain::account::{Account, Credentials, DoctorProfile, EmailProblem, Role};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::{SessionId, UserId};
use domain::mail::Mail;
use domain::name_search::NameSearch;
use domain::rate::Lockout;
use domain::session::Session;
use domain::text::Name;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::{Item, entity, number, string};
use crate::credentials::{self, IS_UNCONFIRMED, remove_unconfirmed, unconfirmed_values};
use crate::error::{Error, UpdateError};
use crate::idempotency::StoredResponse;
use crate::item::{Keyed, Stored, from_item, read_part, to_item};
use crate::keys::{self, IndexKeys, ItemKey};
use crate::names;
use crate::page::Page;
use crate::rate::count_mail;
use crate::read::Consistency;
use crate::store::Store;
use crate::table::Table;
use crate::write::{EXISTS, IS_NEW, PutOutcome, Step};

impl Stored for Account {
    const ENTITY: &'static str = "user";
    const IN_KEY: &'static [&'static str] = &["id"];
}

impl Keyed for Account {
    fn key(&self) -> ItemKey {
        keys::account(self.id)
    }

    fn indexes(&self) -> IndexKeys {
        keys::account_indexes(self)
    }
}

/// Why a registration failed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// An account with this address exists. Case is ignored.
    #[error("the email address is taken")]
    EmailTaken,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Why a silent registration failed: one that does not reveal whether the address is taken.
#[derive(Debug, thiserror::Error)]
pub enum SilentError {
    /// The address was taken or given up since it was looked up: look it up again.
    #[error("taken or free by now")]
    Stale,
    /// The account that was to be replaced was confirmed: it keeps the address.
    #[error("confirmed by now")]
    Confirmed,
    /// The address has been sent too many mails today.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How many requested mails an address may be sent per day.
#[derive(Clone, Copy, Debug)]
pub struct MailLimit {
    /// The maximum number.
    pub most: u64,
    /// The time whose day (UTC) counts.
    pub now: Timestamp,
}

/// The user whose account a silent registration removes.
#[derive(Clone, Copy, Debug)]
pub enum Replaced {
    /// Nobody: a random id, so that the registration takes as long.
    Nobody(UserId),
    /// The user of an earlier registration with the address, which was never confirmed.
    Unconfirmed(UserId),
}

/// Why a profile was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateProfileError {
    /// The account has a profile already.
    #[error("the profile exists")]
    ProfileExists,
    /// The account has no profile, but has changed or disappeared since it was read: read it again
    /// and decide again.
    #[error("changed by somebody else")]
    Stale,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A doctor's entry in the directory.
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

/// The position at which a page of the directory ends. Contains a name: seal it before it leaves
/// the system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DirectoryPosition(String);

impl Table {
    /// Reads an account, strongly consistent.
    pub async fn get_account(&self, id: UserId) -> Result<Option<Account>, Error> {
        self.get(keys::account(id), Consistency::Strong).await
    }

    /// Reads the accounts with these ids that exist; duplicate ids are read once. Eventually
    /// consistent: for display, never for permissions.
    pub async fn get_accounts(
        &self,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, Account>, Error> {
        let items = self.get_all(ids.into_iter().map(keys::account), Consistency::Eventual).await?;
        items
            .into_iter()
            .map(|item| from_item::<Account>(item).map(|account| (account.id, account)))
            .collect()
    }

    /// Reads the account and the session of a request in one strongly consistent read, so that a
    /// deactivated account, a changed role and an ended session take effect at the next request.
    /// `None` when either is missing. Does not check whether the account is active and the session
    /// live.
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
            match entity(&item) {
                Session::ENTITY => found = Some(from_item(item)?),
                _ => account = Some(from_item(item)?),
            }
        }
        Ok(account.zip(found))
    }

    /// Notes a problem of an account's address, reported at `at` about a mail that was sent at
    /// `sent_at`. Changes nothing when the account has another address than the one that was read,
    /// has a problem already, or has been trusted since the mail.
    pub async fn mark_email_problem(
        &self,
        account: &Account,
        problem: EmailProblem,
        sent_at: Timestamp,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.update_if(
            keys::account(account.id),
            "SET email_problem = :problem, email_problem_at = :at, version = version + :one",
            "email = :email AND attribute_not_exists(email_problem) AND \
             (attribute_not_exists(email_trusted_since) OR email_trusted_since < :sent_at)",
            [
                string(":problem", problem),
                string(":at", at),
                number(":one", 1_u64),
                string(":email", account.email.as_str()),
                string(":sent_at", sent_at),
            ],
        )
        .await
        .map(drop)
    }

    /// Stores the account with its new profile. `account` is the one that was read, with `profile`
    /// set and `version` one higher.
    ///
    /// # Errors
    /// [`CreateProfileError::ProfileExists`] when there is a profile; of several at once, one
    /// succeeds.
    pub async fn create_profile(
        &self,
        account: &Account,
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), CreateProfileError> {
        let put = Step::put(account)?
            .only_if(
                "version = :before AND attribute_not_exists(profile)",
                CreateProfileError::Stale,
            )
            .with([number(":before", account.version.saturating_sub(1))]);
        let before = Account { profile: None, ..account.clone() };
        let mut steps = vec![put];
        steps.extend(names::replace(&before, account)?);
        match self.commit(StoredResponse::first(stored_response, steps)).await {
            // A canceled transaction does not say which part of the condition failed.
            Err(CreateProfileError::Stale) => {
                let stored = self.get_account(account.id).await?;
                Err(if stored.is_some_and(|stored| stored.profile.is_some()) {
                    CreateProfileError::ProfileExists
                } else {
                    CreateProfileError::Stale
                })
            }
            done => done,
        }
    }

    /// Lists the doctors to whom records may be assigned, all or of one specialization (its
    /// [`slug`](domain::text::Specialization::slug)): by last name, or those whom a search finds by
    /// the part of the name that it finds. Eventually consistent, as every index.
    pub async fn list_doctors(
        &self,
        specialization: Option<&str>,
        search: Option<&NameSearch>,
        limit: usize,
        after: Option<&DirectoryPosition>,
    ) -> Result<Page<DirectoryEntry, DirectoryPosition>, Error> {
        let after = after.map(|position| position.0.as_str());
        let search = search.filter(|search| !search.is_empty());
        let range = match search {
            None => keys::directory(specialization, after),
            Some(search) => keys::doctors_named(specialization, search, after),
        };
        let page = self.list_named(&range, search, limit).await?;
        let items = page.items.into_iter().map(|(item, _)| directory_entry(item));
        Ok(Page { items: items.collect::<Result<_, _>>()?, next: page.next.map(DirectoryPosition) })
    }
}

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
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), RegisterError> {
        let mut steps = vec![
            credentials::put(&account.email, credentials)?
                .only_if(IS_NEW, RegisterError::EmailTaken),
            Step::put(account)?,
            Step::put(session)?,
            self.audit(event)?,
        ];
        steps.extend(names::add(account)?);
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Stores a new user without a session. Takes as many steps and as long as
    /// [`Store::refuse_registration`], so that neither reveals whether the address is taken; both
    /// count a mail to the address.
    ///
    /// # Errors
    /// [`SilentError::Stale`] when another account has the address; of several at once, one
    /// succeeds. [`SilentError::Confirmed`] when the account was confirmed.
    pub async fn register_silently(
        &self,
        account: &Account,
        credentials: &Credentials,
        replaced: Replaced,
        event: &AuditEvent,
        mails: MailLimit,
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), SilentError> {
        let put = credentials::put(&account.email, credentials)?;
        let (put, remove) = match replaced {
            Replaced::Nobody(nobody) => {
                (put.only_if(IS_NEW, SilentError::Stale), Step::delete(keys::account(nobody)))
            }
            Replaced::Unconfirmed(user) => (
                put.only_if(IS_UNCONFIRMED, SilentError::Stale).with(unconfirmed_values(user)),
                remove_unconfirmed(user, SilentError::Confirmed),
            ),
        };
        let mut steps = vec![
            put,
            remove,
            Step::put(account)?,
            self.audit(event)?,
            count_registration(&account.email, mails),
        ];
        steps.extend(names::add(account)?);
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Records an attempt to register `account` with a taken address: `mail` informs the owner of
    /// the address. `nobody` is a random id.
    ///
    /// # Errors
    /// [`SilentError::Stale`] when no account has the address any more.
    pub async fn refuse_registration(
        &self,
        account: &Account,
        event: &AuditEvent,
        mail: &Mail,
        nobody: UserId,
        mails: MailLimit,
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), SilentError> {
        let email = &account.email;
        let mut steps = vec![
            Step::delete(keys::account(nobody)),
            Step::check(keys::credentials(email)).only_if(EXISTS, SilentError::Stale),
            Step::put(mail)?,
            self.audit(event)?,
            count_registration(email, mails),
        ];
        steps.extend(names::add_decoys(nobody, account, mails.now)?);
        self.commit(StoredResponse::first(stored_response, steps)).await
    }

    /// Stores a changed account and moves it in the directory. `after` has a higher version than
    /// `before`. Writes `event`, if there is one.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not that of `before`.
    pub async fn update_profile(
        &self,
        before: &Account,
        after: &Account,
        event: Option<&AuditEvent>,
    ) -> Result<(), UpdateError> {
        let unchanged = [number(":before", before.version)];
        let mut others = names::replace(before, after)?;
        others.extend(event.map(|event| self.audit(event)).transpose()?);
        if others.is_empty() {
            let put = self.put_if(to_item(after)?, "version = :before", unchanged).await?;
            return match put {
                PutOutcome::Done => Ok(()),
                PutOutcome::ConditionFailed(_) => Err(UpdateError::Stale),
            };
        }
        let put = Step::put(after)?.only_if("version = :before", UpdateError::Stale);
        others.insert(0, put.with(unchanged));
        self.commit(others).await
    }
}

/// Makes the step that counts a mail because of a registration. Registrations are counted by
/// themselves: strangers who register an address do not use up what its owner may.
fn count_registration<E: From<Lockout>>(email: &Email, mails: MailLimit) -> Step<E> {
    count_mail(&format!("registered {}", email.normalized()), mails.most, mails.now)
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
        read_part(item, Account::ENTITY, Account::IN_KEY)?;
    Ok(DirectoryEntry { id, first_name, last_name, role, profile })
}
