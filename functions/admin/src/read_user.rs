//! `GET /api/admin/users/{id}/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::etag::ETag;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};

use crate::App;
use crate::response::AdminUser;

/// Read a user's account.
#[utoipa::path(
    get, path = "/api/admin/users/{id}/", tag = "Administration",
    responses(
        (status = 200, description = "The user.", body = AdminUser, headers(("ETag"))),
    )
)]
pub(crate) async fn read_user(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
) -> Result<ApiResponse, Problem> {
    let (_, account) = app.staff.get_user(admin, id).await?;
    Ok(ok(&AdminUser::new(&account)).with_etag(ETag::of(account.version)))
}
