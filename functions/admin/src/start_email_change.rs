//! `POST /api/admin/users/{id}/email-change/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::form::Body;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use staff::NewEmail;

use crate::App;

/// Have a mail sent to a new address, with which it becomes the user's; the address before is told
/// then.
///
/// Until then nothing changes: staff cannot give an account to an address that nobody reads.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/email-change/", tag = "Administration",
        request_body = NewEmail,
    responses(
        (status = 204, description = "The mail is on its way."),
    )
)]
pub(crate) async fn start_email_change(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    Body(new): Body<NewEmail>,
) -> Result<ApiResponse, Problem> {
    app.staff.start_email_change(admin, id, new).await?;
    Ok(no_content())
}
