//! `GET /api/admin/users/{id}/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::etag::ETag;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};

use crate::App;
use crate::response::User;

/// A user's account.
#[utoipa::path(
    get, path = "/api/admin/users/{id}/", tag = "Administration",
    responses(
        (status = 200, description = "The user.", body = User, headers(("ETag"))),
    )
)]
pub(crate) async fn read_user(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
) -> Result<ApiResponse, Problem> {
    let (_, account) = app.staff.get_user(admin, id).await?;
    Ok(ok(&User::new(&account)).with_etag(ETag::of(account.version)))
}
