//! `DELETE /api/notifications/delete-all/`

use axum::extract::State;
use http_api::caller::SignedIn;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use runtime::clock;

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
) -> Result<ApiResponse, Problem> {
    let (recipient, now) = (caller.id(), clock::now());
    let (_, extent) = caller.authorize_with(app.store.get_inbox_extent(recipient, now)).await?;
    app.store.delete_all_notifications(recipient, &extent, now).await?;
    Ok(no_content())
}
