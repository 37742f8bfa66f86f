//! `GET /api/admin/users/`

use axum::extract::State;
use domain::account::{Account, Role};
use domain::audit::Action;
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::text::{Name, sortable};
use http_kit::answer::Answer;
use http_kit::caller::Admin;
use http_kit::filters;
use http_kit::page::{Listing, Paging, listing};
use http_kit::problem::Problem;
use http_kit::query::{Parameters, Query};
use runtime::clock;
use serde::{Deserialize, Serialize};
use store::admin::NamePosition;
use store::lists::{Span, UserEntry as Listed};

use crate::App;
use crate::answer::UserEntry;

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
    span: Span,
}

impl Filters {
    pub(crate) fn read(parameters: &mut Parameters) -> Option<Self> {
        let search = Search::read(parameters);
        let role = parameters.optional("role");
        let is_active = parameters.flag("is_active");
        let created_after = parameters.timestamp("created_after");
        let created_before = parameters.timestamp("created_before");
        let span = Span { created_after: created_after?, created_before: created_before? };
        Some(Self { search: search?, role: role?, is_active: is_active?, span })
    }

    /// The same of users of one role.
    pub(crate) fn of(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// Whether a user with such a role and activity is among them.
    fn takes(&self, role: Role, is_active: bool) -> bool {
        self.role.is_none_or(|wanted| wanted == role) && self.is_active.is_none_or(|wanted| wanted == is_active)
    }

    fn shows(&self, account: &Account) -> bool {
        self.takes(account.role, account.is_active) && self.span.holds(account.id.created_at())
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
        let last_name = last_name?.map(|prefix| sortable(prefix.as_str())).filter(|prefix| !prefix.is_empty());
        match (id?, email?, last_name) {
            (None, None, None) => Some(Self::Everybody),
            (Some(id), None, None) => Some(Self::Id(id)),
            (None, Some(email), None) => Some(Self::Email(email)),
            (None, None, Some(prefix)) => Some(Self::LastName(prefix)),
            (id, _, _) => {
                let name = if id.is_some() { "id" } else { "email" };
                parameters.reject(name, Reason::new("not_alone", "Must not be given with another search."));
                None
            }
        }
    }
}

filters!(UserFilters: Filters::read);

/// Users, newest first; or the ones with an id, an address or a last name that begins so, by name. Of these the ones with a
/// role, active or not, created in a span of time: a page of them may be short, or empty, and still have a next one.
#[utoipa::path(
    get, path = "/api/admin/users/", tag = "Administration", params(UserFilters),
    responses(
        (status = 200, description = "A page of users.", body = Listing<UserEntry>),
    )
)]
pub(crate) async fn list_users(State(app): State<App>, admin: Admin, query: Query) -> Result<Answer, Problem> {
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
    let (caller, (ids, next)) = admin.beside(find(app, filters, paging)).await?;
    let event = caller.audit(Action::ListUsers, caller.account.id, None);
    let (mut people, ()) = tokio::try_join!(app.store.people(ids.iter().copied()), app.store.audit(std::slice::from_ref(&event)))?;
    let users = ids.iter().filter_map(|id| people.remove(id)).filter(|account| filters.shows(account));
    Ok((users.collect(), next))
}

/// The users whom the keys find for a page, and where the next one begins.
async fn find(app: &App, filters: &Filters, paging: &Paging<Position>) -> Result<(Vec<UserId>, Option<Position>), store::Error> {
    match &filters.search {
        Search::Everybody => {
            let after = paging.after.as_ref().and_then(|position| match position {
                Position::Id(id) => Some(*id),
                Position::Name(_) => None,
            });
            let shows = |user: &Listed| filters.takes(user.role, user.is_active);
            let page = app.store.newest(clock::now(), filters.span, paging.limit, after, shows).await?;
            Ok((page.items.iter().map(|user| user.id).collect(), page.next.map(Position::Id)))
        }
        Search::Id(id) => Ok((vec![*id], None)),
        Search::Email(email) => Ok((app.store.user_with_email(email).await?.into_iter().collect(), None)),
        Search::LastName(prefix) => {
            let after = paging.after.as_ref().and_then(|position| match position {
                Position::Name(name) => Some(name),
                Position::Id(_) => None,
            });
            let page = app.store.users_named(prefix, paging.limit, after).await?;
            Ok((page.items, page.next.map(Position::Name)))
        }
    }
}
