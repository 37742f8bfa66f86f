//! `POST /api/admin/users/{id}/password-reset/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};

use crate::App;

/// Have a mail sent with which the user sets a new password. Until then the old one is good.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/password-reset/", tag = "Administration",
    responses(
        (status = 204, description = "The mail is on its way."),
    )
)]
pub(crate) async fn start_password_reset(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
) -> Result<ApiResponse, Problem> {
    app.staff.start_password_reset(admin, id).await?;
    Ok(no_content())
}
