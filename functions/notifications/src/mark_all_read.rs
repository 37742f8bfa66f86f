//! `POST /api/notifications/mark-all-read/`

use axum::extract::State;
use http_kit::answer::{Answer, empty};
use http_kit::caller::SignedIn;
use http_kit::problem::Problem;
use runtime::clock;

use crate::App;

/// Mark every notification as read, at the same cost for ten and for ten thousand.
#[utoipa::path(
    post, path = "/api/notifications/mark-all-read/", tag = "Notifications",
    responses(
        (status = 200, description = "All are read."),
    )
)]
pub(crate) async fn mark_all_read(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<Answer, Problem> {
    let recipient = caller.id();
    let (_, newest) = caller.beside(app.store.newest_notification(recipient)).await?;
    if let Some(newest) = newest {
        app.store.read_through(recipient, newest, clock::now()).await?;
    }
    Ok(empty())
}
