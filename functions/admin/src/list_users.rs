//! `GET /api/admin/users/`

use axum::extract::State;
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

use crate::App;
use crate::answer::UserEntry;

/// Whom the list shows.
enum Search {
    Everybody,
    Id(UserId),
    Email(Email),
    LastName(String),
}

/// Where a page ends.
#[derive(Serialize, Deserialize)]
enum Position {
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

filters!(UserFilters: Search::read);

/// Users, newest first; or the ones with an id, an address or a last name that begins so, by name.
#[utoipa::path(
    get, path = "/api/admin/users/", tag = "Administration", params(UserFilters),
    responses(
        (status = 200, description = "A page of users.", body = Listing<UserEntry>),
    )
)]
pub(crate) async fn list_users(State(app): State<App>, admin: Admin, query: Query) -> Result<Answer, Problem> {
    let (search, paging) = query.parse(&app.kit, admin.id(), "users", Search::read)?;
    let (caller, (ids, next)) = admin.beside(find(&app, &search, &paging)).await?;
    let event = caller.audit(Action::ListUsers, caller.account.id, None);
    let (people, ()) = tokio::try_join!(app.store.people(ids.iter().copied()), app.store.audit(std::slice::from_ref(&event)))?;
    let users = ids.iter().filter_map(|id| people.get(id)).map(UserEntry::new);
    listing(&paging, next.as_ref(), users)
}

/// The users on a page, and where the next one begins.
async fn find(app: &App, search: &Search, paging: &Paging<Position>) -> Result<(Vec<UserId>, Option<Position>), store::Error> {
    match search {
        Search::Everybody => {
            let after = paging.after.as_ref().and_then(|position| match position {
                Position::Id(id) => Some(*id),
                Position::Name(_) => None,
            });
            let page = app.store.newest_users(clock::now(), paging.limit, after).await?;
            Ok((page.items, page.next.map(Position::Id)))
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
