//! `POST /api/admin/users/{id}/end-sessions/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use store::UpdateError;

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
    Id(id): Id<UserId>,
) -> Result<ApiResponse, Problem> {
    end(&app, admin, id).await?;
    Ok(no_content())
}

/// Ends them and tells the audit trail.
pub(crate) async fn end(app: &App, admin: Admin, id: UserId) -> Result<(), Problem> {
    let reads = async { tokio::try_join!(app.store.get_account(id), app.kit.latest_session(id)) };
    let (caller, (found, through)) = admin.authorize_with(reads).await?;
    found.ok_or_else(Problem::not_found)?;
    match app.store.end_sessions(id, through, &caller.audit(Action::EndAllSessions, id, None)).await
    {
        // Somebody else has ended as many or more.
        Ok(()) | Err(UpdateError::Stale) => Ok(()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}
