//! `DELETE /api/notifications/delete-all/`

use axum::extract::State;
use http_kit::answer::{Answer, no_content};
use http_kit::caller::SignedIn;
use http_kit::problem::Problem;

use crate::App;

/// Delete every notification, at the same cost for ten and for ten thousand.
#[utoipa::path(
    delete, path = "/api/notifications/delete-all/", tag = "Notifications",
    responses(
        (status = 204, description = "All are deleted."),
    )
)]
pub(crate) async fn delete_all(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<Answer, Problem> {
    let recipient = caller.id();
    let (_, newest) = caller.beside(app.store.newest_notification(recipient)).await?;
    if let Some(newest) = newest {
        app.store.delete_through(recipient, newest).await?;
    }
    Ok(no_content())
}
