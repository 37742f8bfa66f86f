//! `GET /api/admin/users/`

use axum::extract::State;
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, listing_of_short};
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use http_api::response::ApiResponse;
use staff::UserFilters;

use crate::App;
use crate::response::ListedUser;

filters!(ListUsersParameters: UserFilters::read);

/// List users, newest first. A search by id or name lists the users it finds, by the part of the
/// name that it finds. Filters for role, activity and time of creation apply to both lists: a
/// filtered page may be short, or empty, and still have a next page.
#[utoipa::path(
    get, path = "/api/admin/users/", tag = "Administration", params(ListUsersParameters),
    responses(
        (status = 200, description = "A page of users.", body = Listing<ListedUser>),
    )
)]
pub(crate) async fn list_users(
    State(app): State<App>,
    admin: Admin,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let (filters, paging) = query.parse(&app.http, admin.id(), "users", UserFilters::read)?;
    let (users, next) = app.staff.list_users(admin, &filters, &paging).await?;
    listing_of_short(&paging, next.as_ref(), users.iter().map(ListedUser::new))
}
