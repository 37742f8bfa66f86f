//! `POST /admin/users/{id}/`, `POST /admin/users/{id}/end-sessions/` and
//! `POST /admin/users/{id}/password-reset/`

use axum::extract::State;
use axum::response::Response;
use domain::account::Role;
use domain::id::UserId;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use staff::UserChange;

use crate::App;
use crate::web::form::{FormBody, read_version};
use crate::web::layout::see_other;

/// Activates or deactivates the user, or changes the role.
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
        let is_active = is_active?.map(|word| word == "true");
        Some((
            if_match?,
            UserChange { is_active, role: role?, reason: reason?, ..UserChange::default() },
        ))
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
