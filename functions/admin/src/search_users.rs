//! `POST /api/admin/users/search/`

use axum::extract::State;
use domain::email::Email;
use http_api::caller::Admin;
use http_api::form::Body;
use http_api::page::{Listing, listing_of_short};
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::request;
use http_api::response::ApiResponse;
use staff::UserFilters;

use crate::App;
use crate::response::ListedUser;

request! {
    pub(crate) struct UserSearch {
        email: Email = required,
    }
}

/// Find the user with an email address, which is in no URL and so in no log. The result is a list
/// with one user or none.
#[utoipa::path(
    post, path = "/api/admin/users/search/", tag = "Administration", request_body = UserSearch,
    params(NoFilters),
    responses(
        (status = 200, description = "The user, if there is one.", body = Listing<ListedUser>),
    )
)]
pub(crate) async fn search_users(
    State(app): State<App>,
    admin: Admin,
    query: QueryParameters,
    Body(UserSearch { email }): Body<UserSearch>,
) -> Result<ApiResponse, Problem> {
    let ((), paging) = query.parse(&app.http, admin.id(), "user-search", |_| Some(()))?;
    let filters = UserFilters::of_email(email);
    let (users, next) = app.staff.list_users(admin, &filters, &paging).await?;
    listing_of_short(&paging, next.as_ref(), users.iter().map(ListedUser::new))
}
