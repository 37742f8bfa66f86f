//! Listing users, all or those that a search finds.

use domain::account::{Account, Role};
use domain::audit::Action;
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::name_search::NameSearch;
use domain::text::Specialization;
use http_api::caller::Admin;
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::query::Parameters;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::Span;
use store::staff::lists::UserEntry;
use store::staff::users::NamePosition;

use crate::StaffService;

/// What the list is searched for.
enum Search {
    All,
    Id(UserId),
    Email(Email),
    Name(NameSearch),
}

/// Which users the list shows.
pub struct UserFilters {
    search: Search,
    role: Option<Role>,
    is_active: Option<bool>,
    has_profile: bool,
    /// Its [`slug`](domain::text::Specialization::slug).
    specialization: Option<String>,
    span: Span,
}

/// How many batches of candidates a page reads at most.
const MAX_BATCHES: usize = 10;
/// How many candidates each batch after the first has.
const BATCH_SIZE: usize = 200;

impl UserFilters {
    /// Reads the parameters of a list of users.
    pub fn read(parameters: &mut Parameters) -> Option<Self> {
        let search = Search::read(parameters);
        let role = parameters.optional("role");
        let is_active = parameters.flag("is_active");
        let created_after = parameters.first_moment("created_after");
        let created_before = parameters.end("created_before");
        let span = Span { created_after: created_after?, created_before: created_before? };
        Some(Self {
            search: search?,
            role: role?,
            is_active: is_active?,
            has_profile: false,
            specialization: None,
            span,
        })
    }

    /// Returns the filters that find the user with an address. Addresses come in bodies of requests
    /// only, because URLs are kept in histories and logs.
    pub fn of_email(email: Email) -> Self {
        Self {
            search: Search::Email(email),
            role: None,
            is_active: None,
            has_profile: false,
            specialization: None,
            span: Span::default(),
        }
    }

    /// Narrows the list to users of a role who have a profile, and to a specialization if one is
    /// given.
    pub fn with_profile(self, role: Role, specialization: Option<&Specialization>) -> Self {
        Self {
            role: Some(role),
            has_profile: true,
            specialization: specialization.map(Specialization::slug),
            ..self
        }
    }

    /// Returns whether all candidates pass, as far as their keys are up to date.
    fn are_in_keys(&self) -> bool {
        let is_plain = !self.has_profile && self.specialization.is_none();
        let by_name = matches!(self.search, Search::Name(_));
        let is_any = self.role.is_none() && self.is_active.is_none();
        is_plain && (!by_name || (is_any && self.span == Span::default()))
    }

    /// Returns whether a user with this role and activity passes.
    fn matches(&self, role: Role, is_active: bool) -> bool {
        self.role.is_none_or(|wanted| wanted == role)
            && self.is_active.is_none_or(|wanted| wanted == is_active)
    }

    fn matches_account(&self, account: &Account) -> bool {
        let slug = || account.doctor_profile().map(|profile| profile.specialization.slug());
        self.matches(account.role, account.is_active)
            && self.span.holds(account.id.created_at())
            && (!self.has_profile || account.profile.is_some())
            && (self.specialization.is_none() || self.specialization == slug())
    }
}

/// Where a page ends.
#[derive(Serialize, Deserialize)]
pub enum UserPosition {
    /// In a list by time of creation.
    Id(UserId),
    /// In a list by name.
    Name(NamePosition),
}

impl Search {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        let id = parameters.optional("id");
        let name = parameters.optional::<NameSearch>("search");
        match (id?, name?.filter(|name| !name.is_empty())) {
            (None, None) => Some(Self::All),
            (Some(id), None) => Some(Self::Id(id)),
            (None, Some(name)) => Some(Self::Name(name)),
            (Some(_), Some(_)) => {
                let reason = Reason::new("not_alone", "Must not be given with another search.");
                parameters.reject("id", reason);
                None
            }
        }
    }
}

/// Users found by their keys with their positions in the list, and where the next ones begin.
type Candidates = (Vec<(UserId, UserPosition)>, Option<UserPosition>);

impl StaffService {
    /// Lists the users on a page, with the position of the next page.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list_users(
        &self,
        admin: Admin,
        filters: &UserFilters,
        paging: &Paging<UserPosition>,
    ) -> Result<(Vec<Account>, Option<UserPosition>), Problem> {
        let (caller, found) = admin
            .authorize_with(self.find_candidates(filters, paging.limit, paging.after.as_ref()))
            .await?;
        let event = caller.audit(Action::ListUsers, caller.account.id, None);
        let (page, ()) = tokio::try_join!(
            self.select_users(filters, paging.limit, found),
            self.store.create_events(std::slice::from_ref(&event))
        )?;
        Ok(page)
    }

    /// Returns a page of the candidates whose accounts pass the filters. While the page is not
    /// full, it reads more candidates, up to [`MAX_BATCHES`].
    async fn select_users(
        &self,
        filters: &UserFilters,
        limit: usize,
        (mut found, mut next): Candidates,
    ) -> Result<(Vec<Account>, Option<UserPosition>), store::Error> {
        let (mut users, mut wanted) = (Vec::new(), limit);
        // The last candidate that was read, shown or not.
        let mut last = None;
        let mut was_full = false;
        for batch in 1.. {
            let ids: Vec<UserId> = found.iter().map(|(id, _)| *id).collect();
            let mut accounts_by_id = self.store.get_accounts(ids).await?;
            // The keys have been walked as far as one page may.
            let is_bounded = found.len() < wanted;
            for (id, position) in found {
                let account = accounts_by_id.remove(&id).filter(|it| filters.matches_account(it));
                if let Some(account) = account {
                    if users.len() >= limit {
                        return Ok((users, last));
                    }
                    users.push(account);
                }
                last = Some(position);
            }
            // A full page reads on once, to find out whether the next one would be empty.
            let is_full = users.len() >= limit;
            let ends = is_full && (was_full || filters.are_in_keys());
            if ends || next.is_none() || is_bounded || batch >= MAX_BATCHES {
                break;
            }
            was_full = is_full;
            wanted = BATCH_SIZE;
            (found, next) = self.find_candidates(filters, wanted, next.as_ref()).await?;
        }
        Ok((users, next))
    }

    /// Finds users by their keys, behind a position.
    async fn find_candidates(
        &self,
        filters: &UserFilters,
        limit: usize,
        after: Option<&UserPosition>,
    ) -> Result<Candidates, store::Error> {
        let only = |id| (id, UserPosition::Id(id));
        match &filters.search {
            Search::All => {
                let after = after.and_then(|position| match position {
                    UserPosition::Id(id) => Some(*id),
                    UserPosition::Name(_) => None,
                });
                let is_match = |user: &UserEntry| filters.matches(user.role, user.is_active);
                let page = self
                    .store
                    .list_entries(clock::now(), filters.span, limit, after, is_match)
                    .await?;
                Ok((
                    page.items.iter().map(|user| only(user.id)).collect(),
                    page.next.map(UserPosition::Id),
                ))
            }
            Search::Id(id) => Ok((vec![only(*id)], None)),
            Search::Email(email) => Ok((
                self.store.get_user_id_by_email(email).await?.into_iter().map(only).collect(),
                None,
            )),
            Search::Name(name) => {
                let after = after.and_then(|position| match position {
                    UserPosition::Name(position) => Some(position),
                    UserPosition::Id(_) => None,
                });
                let page = self.store.list_users_by_name(name, limit, after).await?;
                Ok((
                    page.items
                        .into_iter()
                        .map(|(id, position)| (id, UserPosition::Name(position)))
                        .collect(),
                    page.next.map(UserPosition::Name),
                ))
            }
        }
    }
}
