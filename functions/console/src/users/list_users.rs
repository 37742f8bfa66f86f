//! `GET /admin/users/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Role};
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use staff::UserFilters;

use crate::App;
use crate::web::layout::{PAGE_SIZE, PageLayout, render};

#[derive(Template)]
#[template(path = "users/list_users.html")]
struct UsersPage {
    layout: PageLayout,
    search: TypedUserSearch,
    users: Vec<Account>,
    next: Option<String>,
}

/// The search as it was typed, to be shown again in the form.
struct TypedUserSearch {
    id: String,
    search: String,
    role: String,
    is_active: String,
    created_after: String,
    created_before: String,
}

impl TypedUserSearch {
    fn of(query: &QueryParameters) -> Self {
        let typed = |name| query.typed(name).to_owned();
        Self {
            id: typed("id"),
            search: typed("search"),
            role: typed("role"),
            is_active: typed("is_active"),
            created_after: typed("created_after"),
            created_before: typed("created_before"),
        }
    }

    /// Returns whether a filter is applied after the keys were read, so that a page may be short.
    fn is_filtered(&self) -> bool {
        !self.role.is_empty() || !self.is_active.is_empty()
    }
}

/// Shows users, newest first, or those that a search finds.
pub(crate) async fn list_users(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let search = TypedUserSearch::of(&query);
    let (filters, mut paging) =
        query.parse(&app.http, admin.id(), "console-users", UserFilters::read)?;
    paging.limit = PAGE_SIZE;
    let (users, next) = app.staff.list_users(admin, &filters, &paging).await?;
    render(&UsersPage { layout, search, users, next: paging.next_url(next.as_ref())? })
}
