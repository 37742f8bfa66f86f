//! `PATCH /api/admin/users/{id}/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::etag::{ETag, IfMatch};
use http_api::form::Body;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use staff::UserChange;

use crate::App;
use crate::response::AdminUser;

/// Correct a user's names or telephone number, activate or deactivate the user, change the role, or
/// have mails sent again to an address that bounced.
///
/// A deactivation and another role end the user's sessions. Another role takes the profile away,
/// which belongs to a role; a chart stays, but only patients reach theirs.
#[utoipa::path(
    patch, path = "/api/admin/users/{id}/", tag = "Administration", request_body = UserChange,
    responses(
        (status = 200, description = "The user after the change.", body = AdminUser,
            headers(("ETag"))),
    )
)]
pub(crate) async fn update_user(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    Body(change): Body<UserChange>,
) -> Result<ApiResponse, Problem> {
    let account = app.staff.update_user(admin, id, &if_match, &change).await?;
    Ok(ok(&AdminUser::new(&account)).with_etag(ETag::of(account.version)))
}
