//! `POST /api/notifications/mark-all-read/`

use axum::extract::State;
use http_api::caller::SignedIn;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, empty};
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
) -> Result<ApiResponse, Problem> {
    let (recipient, now) = (caller.id(), clock::now());
    let (_, extent) = caller.authorize_with(app.store.get_inbox_extent(recipient, now)).await?;
    app.store.mark_all_notifications_read(recipient, &extent, now).await?;
    Ok(empty())
}
