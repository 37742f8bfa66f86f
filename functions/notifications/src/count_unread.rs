//! `GET /api/notifications/unread-count/`

use axum::extract::State;
use http_kit::answer::{Answer, ok};
use http_kit::caller::SignedIn;
use http_kit::problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// How many notifications are unread.
#[derive(Serialize, ToSchema)]
struct UnreadCount {
    #[schema(value_type = u32, maximum = 1000)]
    unread_count: usize,
}

/// How many notifications are unread; counts to 1,000 and no further.
#[utoipa::path(
    get, path = "/api/notifications/unread-count/", tag = "Notifications",
    responses(
        (status = 200, description = "The number.", body = UnreadCount),
    )
)]
pub(crate) async fn count_unread(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<Answer, Problem> {
    let recipient = caller.id();
    let (_, unread_count) = caller.beside(app.store.unread_count(recipient)).await?;
    Ok(ok(&UnreadCount { unread_count }))
}
