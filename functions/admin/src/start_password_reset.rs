//! `POST /api/admin/users/{id}/password-reset/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use http_api::caller::Admin;
use http_api::code::Code;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use runtime::clock;

use crate::App;

/// Have a mail sent with which the user sets a new password. Until then the old one is good.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/password-reset/", tag = "Administration",
    responses(
        (status = 204, description = "The mail is on its way."),
        (status = 409, description = "inactive"),
    )
)]
pub(crate) async fn start_password_reset(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
) -> Result<ApiResponse, Problem> {
    start(&app, admin, id).await?;
    Ok(no_content())
}

/// Orders the mail and tells the audit trail.
pub(crate) async fn start(app: &App, admin: Admin, id: UserId) -> Result<(), Problem> {
    let (caller, found) = admin.authorize_with(app.store.get_account(id)).await?;
    let account = found.ok_or_else(Problem::not_found)?;
    if !account.is_active {
        return Err(Problem::conflict(
            Code::Inactive,
            "The user is not active: activate the user first.",
        ));
    }
    let mail = Mail::new(clock::new_id(), MailKind::ResetPassword, id, clock::now());
    app.store.request_mail(&mail, &caller.audit(Action::StartPasswordReset, id, None)).await?;
    Ok(())
}
