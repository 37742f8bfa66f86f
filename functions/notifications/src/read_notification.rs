//! `GET` and `HEAD /api/notifications/{id}/`

use axum::extract::State;
use domain::id::NotificationId;
use domain::notification::Notification;
use http_api::caller::{Caller, SignedIn};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use runtime::clock;

use crate::App;
use crate::response::{Context, NotificationView};

/// Read one of your notifications, and mark it as read.
#[utoipa::path(
    get, path = "/api/notifications/{id}/", tag = "Notifications",
    responses(
        (status = 200, description = "The notification.", body = NotificationView),
    )
)]
pub(crate) async fn read_notification(
    State(app): State<App>,
    caller: SignedIn,
    PathId(id): PathId<NotificationId>,
) -> Result<ApiResponse, Problem> {
    let (caller, found) = find(&app, caller, id).await?;
    let read = match found.read_at {
        Some(_) => found,
        None => app
            .store
            .mark_notification_read(caller.account.id, id, clock::now())
            .await?
            .ok_or_else(Problem::not_found)?,
    };
    response(&app, &caller, &read).await
}

/// Ask whether a notification exists, without marking it as read (RFC 9110, section 9.2.1).
#[utoipa::path(
    head, path = "/api/notifications/{id}/", tag = "Notifications",
    responses(
        (status = 200, description = "There is such a notification."),
    )
)]
pub(crate) async fn peek_notification(
    State(app): State<App>,
    caller: SignedIn,
    PathId(id): PathId<NotificationId>,
) -> Result<ApiResponse, Problem> {
    let (caller, found) = find(&app, caller, id).await?;
    response(&app, &caller, &found).await
}

async fn find(
    app: &App,
    caller: SignedIn,
    id: NotificationId,
) -> Result<(Caller, Notification), Problem> {
    let recipient = caller.id();
    let (caller, found) = caller.authorize_with(app.store.get_notification(recipient, id)).await?;
    Ok((caller, found.ok_or_else(Problem::not_found)?))
}

async fn response(
    app: &App,
    caller: &Caller,
    notification: &Notification,
) -> Result<ApiResponse, Problem> {
    let notifications = std::slice::from_ref(notification);
    let mut context = Context::new(app, caller, notifications);
    context.read(app, notifications).await?;
    Ok(ok(&context.show(notification)))
}
