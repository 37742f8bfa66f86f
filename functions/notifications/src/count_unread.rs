//! `GET /api/notifications/unread-count/`

use axum::extract::State;
use http_api::caller::SignedIn;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// How many notifications are unread.
#[derive(Serialize, ToSchema)]
struct UnreadCount {
    #[schema(value_type = u32, maximum = 1000)]
    unread_count: usize,
}

/// Count unread notifications, up to 1,000.
#[utoipa::path(
    get, path = "/api/notifications/unread-count/", tag = "Notifications",
    responses(
        (status = 200, description = "The number.", body = UnreadCount),
    )
)]
pub(crate) async fn count_unread(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<ApiResponse, Problem> {
    let recipient = caller.id();
    let (_, unread_count) =
        caller.authorize_with(app.store.count_unread_notifications(recipient)).await?;
    Ok(ok(&UnreadCount { unread_count }))
}
