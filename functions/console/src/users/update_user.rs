//! `POST /admin/users/{id}/`, `POST /admin/users/{id}/end-sessions/` and
//! `POST /admin/users/{id}/password-reset/`

use axum::extract::State;
use axum::response::Response;
use domain::account::{NotBounced, Role};
use domain::id::UserId;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use staff::UserChange;

use crate::App;
use crate::web::form::{FormBody, read_version};
use crate::web::layout::see_other;

/// Activates or deactivates the user, changes the role, or has mails sent again to an address that
/// bounced.
pub(crate) async fn update_user(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let (if_match, change) = body.form().parse(|form| {
        let if_match = read_version(form);
        let is_active = form.nullable::<String>("is_active");
        let role = form.optional::<Role>("role");
        let reason = form.optional::<Justification>("reason");
        let email_bounced = form.nullable::<String>("email_bounced");
        let is_active = is_active?.map(|word| word == "true");
        let email_bounced = email_bounced?.filter(|word| word == "false").map(|_| NotBounced);
        let (role, reason) = (role?, reason?);
        let change = UserChange { is_active, role, email_bounced, reason, ..UserChange::default() };
        Some((if_match?, change))
    })?;
    app.staff.update_user(admin, id, &if_match, &change).await?;
    see_other(&format!("/admin/users/{id}/"), Some("changed"))
}

/// Ends all sessions of the user.
pub(crate) async fn end_sessions(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    _: FormBody,
) -> Result<Response, Problem> {
    app.staff.end_sessions(admin, id).await?;
    see_other(&format!("/admin/users/{id}/"), Some("sessions-ended"))
}

/// Orders the mail with which the user sets a new password.
pub(crate) async fn start_password_reset(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    _: FormBody,
) -> Result<Response, Problem> {
    app.staff.start_password_reset(admin, id).await?;
    see_other(&format!("/admin/users/{id}/"), Some("reset-started"))
}
