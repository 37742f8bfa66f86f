//! `POST /api/admin/users/{id}/end-sessions/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};

use crate::App;

/// End all sessions of a user, at once and whatever their number.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/end-sessions/", tag = "Administration",
    responses(
        (status = 204, description = "All sessions have ended."),
    )
)]
pub(crate) async fn end_sessions(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
) -> Result<ApiResponse, Problem> {
    app.staff.end_sessions(admin, id).await?;
    Ok(no_content())
}
