//! `GET /api/admin/users/`

use axum::extract::State;
use domain::account::{Account, Role};
use domain::audit::Action;
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::text::{Name, Specialization, sortable};
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, Paging, listing};
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use http_api::response::ApiResponse;
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::admin::NamePosition;
use store::lists::{Span, UserEntry as Listed};

use crate::App;
use crate::response::UserEntry;

/// Whom the list shows.
enum Search {
    Everybody,
    Id(UserId),
    Email(Email),
    LastName(String),
}

/// Which users the list shows.
pub(crate) struct Filters {
    search: Search,
    role: Option<Role>,
    is_active: Option<bool>,
    has_profile: bool,
    /// Its [`slug`](domain::text::Specialization::slug).
    specialization: Option<String>,
    span: Span,
}

/// How often a page looks for users whose accounts are as wanted, and how many it looks at each
/// time after the first.
const MOST_LOOKS: usize = 10;
const FURTHER_USERS: usize = 200;

impl Filters {
    pub(crate) fn read(parameters: &mut Parameters) -> Option<Self> {
        let search = Search::read(parameters);
        let role = parameters.optional("role");
        let is_active = parameters.flag("is_active");
        let created_after = parameters.timestamp("created_after");
        let created_before = parameters.timestamp("created_before");
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

    /// The same of users of one role who have a profile, perhaps with a certain specialization.
    pub(crate) fn with_profile(self, role: Role, specialization: Option<&Specialization>) -> Self {
        Self {
            role: Some(role),
            has_profile: true,
            specialization: specialization.map(Specialization::slug),
            ..self
        }
    }

    /// Whether a user with such a role and activity is among them.
    fn takes(&self, role: Role, is_active: bool) -> bool {
        self.role.is_none_or(|wanted| wanted == role)
            && self.is_active.is_none_or(|wanted| wanted == is_active)
    }

    fn shows(&self, account: &Account) -> bool {
        let slug = || account.doctor_profile().map(|profile| profile.specialization.slug());
        self.takes(account.role, account.is_active)
            && self.span.holds(account.id.created_at())
            && (!self.has_profile || account.profile.is_some())
            && (self.specialization.is_none() || self.specialization == slug())
    }
}

/// Where a page ends.
#[derive(Serialize, Deserialize)]
pub(crate) enum Position {
    Id(UserId),
    Name(NamePosition),
}

impl Search {
    fn read(parameters: &mut Parameters) -> Option<Self> {
        let id = parameters.optional("id");
        let email = parameters.optional("email");
        let last_name = parameters.optional::<Name>("last_name");
        let last_name =
            last_name?.map(|prefix| sortable(prefix.as_str())).filter(|prefix| !prefix.is_empty());
        match (id?, email?, last_name) {
            (None, None, None) => Some(Self::Everybody),
            (Some(id), None, None) => Some(Self::Id(id)),
            (None, Some(email), None) => Some(Self::Email(email)),
            (None, None, Some(prefix)) => Some(Self::LastName(prefix)),
            (id, _, _) => {
                let name = if id.is_some() { "id" } else { "email" };
                parameters.reject(
                    name,
                    Reason::new("not_alone", "Must not be given with another search."),
                );
                None
            }
        }
    }
}

filters!(UserFilters: Filters::read);

/// Users, newest first; or the ones with an id, an address or a last name that begins so, by name.
/// Of these the ones with a role, active or not, created in a span of time: a page of them may be
/// short, or empty, and still have a next one.
#[utoipa::path(
    get, path = "/api/admin/users/", tag = "Administration", params(UserFilters),
    responses(
        (status = 200, description = "A page of users.", body = Listing<UserEntry>),
    )
)]
pub(crate) async fn list_users(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<ApiResponse, Problem> {
    let (filters, paging) = query.parse(&app.kit, admin.id(), "users", Filters::read)?;
    let (users, next) = list(&app, admin, &filters, &paging).await?;
    listing(&paging, next.as_ref(), users.iter().map(UserEntry::new))
}

/// The users on a page, and where the next one begins. Tells the audit trail.
pub(crate) async fn list(
    app: &App,
    admin: Admin,
    filters: &Filters,
    paging: &Paging<Position>,
) -> Result<(Vec<Account>, Option<Position>), Problem> {
    let (caller, found) =
        admin.authorize_with(find(app, filters, paging.limit, paging.after.as_ref())).await?;
    let event = caller.audit(Action::ListUsers, caller.account.id, None);
    let (page, ()) = tokio::try_join!(
        pick(app, filters, paging.limit, found),
        app.store.create_events(std::slice::from_ref(&event))
    )?;
    Ok(page)
}

/// Users whom the keys find, each with their place in the list, and where it goes on.
type Found = (Vec<(UserId, Position)>, Option<Position>);

/// A page of those whose accounts are as wanted, of the users found first and, while it is not
/// full, of those behind them. The work for it is bounded.
async fn pick(
    app: &App,
    filters: &Filters,
    limit: usize,
    (mut found, mut next): Found,
) -> Result<(Vec<Account>, Option<Position>), store::Error> {
    let (mut users, mut wanted) = (Vec::new(), limit);
    for looks in 1.. {
        let ids: Vec<UserId> = found.iter().map(|(id, _)| *id).collect();
        let mut people = app.store.get_accounts(ids).await?;
        // The keys have been walked as far as one page may.
        let is_bounded = found.len() < wanted;
        let mut last = None;
        for (id, position) in found {
            if users.len() >= limit {
                return Ok((users, last));
            }
            last = Some(position);
            users.extend(people.remove(&id).filter(|account| filters.shows(account)));
        }
        if users.len() >= limit || next.is_none() || is_bounded || looks >= MOST_LOOKS {
            break;
        }
        wanted = FURTHER_USERS;
        (found, next) = find(app, filters, wanted, next.as_ref()).await?;
    }
    Ok((users, next))
}

/// The users whom the keys find behind a place.
async fn find(
    app: &App,
    filters: &Filters,
    limit: usize,
    after: Option<&Position>,
) -> Result<Found, store::Error> {
    let alone = |id| (id, Position::Id(id));
    match &filters.search {
        Search::Everybody => {
            let after = after.and_then(|position| match position {
                Position::Id(id) => Some(*id),
                Position::Name(_) => None,
            });
            let shows = |user: &Listed| filters.takes(user.role, user.is_active);
            let page =
                app.store.list_newest(clock::now(), filters.span, limit, after, shows).await?;
            Ok((
                page.items.iter().map(|user| alone(user.id)).collect(),
                page.next.map(Position::Id),
            ))
        }
        Search::Id(id) => Ok((vec![alone(*id)], None)),
        Search::Email(email) => {
            Ok((app.store.find_user_by_email(email).await?.into_iter().map(alone).collect(), None))
        }
        Search::LastName(prefix) => {
            let after = after.and_then(|position| match position {
                Position::Name(name) => Some(name),
                Position::Id(_) => None,
            });
            let page = app.store.list_users_by_name(prefix, limit, after).await?;
            Ok((
                page.items.into_iter().map(|(id, name)| (id, Position::Name(name))).collect(),
                page.next.map(Position::Name),
            ))
        }
    }
}
