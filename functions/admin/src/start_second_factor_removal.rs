//! `POST /api/admin/users/{id}/second-factor-removal/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::form::Body;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};

use crate::App;
use crate::decide_approval::RequiredReason;

/// Start the removal of a lost second factor. The user gets a mail with a link that cancels it.
///
/// It is carried out within an hour after 72 hours, once a second admin has approved it, if there
/// is another one. Then the user's sessions end, and the password alone is enough to sign in.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/second-factor-removal/", tag = "Administration",
        request_body = RequiredReason,
    responses(
        (status = 204, description = "The removal waits."),
    )
)]
pub(crate) async fn start_second_factor_removal(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    Body(RequiredReason { reason }): Body<RequiredReason>,
) -> Result<ApiResponse, Problem> {
    app.staff.start_second_factor_removal(admin, id, reason).await?;
    Ok(no_content())
}
