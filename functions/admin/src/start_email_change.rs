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

/// Start the change of a user's address. The present address gets a mail with a link that cancels
/// the change, the new one a mail with a link that confirms it.
///
/// It is carried out within an hour after 72 hours, once the new address is confirmed and a second
/// admin has approved it, if there is another one. Until then nothing changes: mails to set a
/// password go to the present address. Then the user's sessions end.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/email-change/", tag = "Administration",
        request_body = NewEmail,
    responses(
        (status = 204, description = "The change waits, and the mails are on their way."),
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
