//! `GET` and `HEAD /api/notifications/{id}/`

use axum::extract::State;
use domain::id::NotificationId;
use domain::notification::Notification;
use http_kit::answer::{Answer, ok};
use http_kit::caller::{Caller, SignedIn};
use http_kit::path::Id;
use http_kit::problem::Problem;
use runtime::clock;

use crate::App;
use crate::answer::{Context, NotificationShape};

/// One of the own notifications, which is read from now on.
#[utoipa::path(
    get, path = "/api/notifications/{id}/", tag = "Notifications",
    responses(
        (status = 200, description = "The notification.", body = NotificationShape),
    )
)]
pub(crate) async fn read_notification(
    State(app): State<App>,
    caller: SignedIn,
    Id(id): Id<NotificationId>,
) -> Result<Answer, Problem> {
    let (caller, found) = find(&app, caller, id).await?;
    let read = match found.read_at {
        Some(_) => found,
        None => app
            .store
            .mark_read(caller.account.id, id, clock::now())
            .await?
            .ok_or_else(Problem::not_found)?,
    };
    answer(&app, &caller, &read).await
}

/// Whether there is such a notification. Reads nothing and so marks nothing as read (RFC 9110,
/// section 9.2.1).
#[utoipa::path(
    head, path = "/api/notifications/{id}/", tag = "Notifications",
    responses(
        (status = 200, description = "There is such a notification."),
    )
)]
pub(crate) async fn peek_notification(
    State(app): State<App>,
    caller: SignedIn,
    Id(id): Id<NotificationId>,
) -> Result<Answer, Problem> {
    let (caller, found) = find(&app, caller, id).await?;
    answer(&app, &caller, &found).await
}

async fn find(
    app: &App,
    caller: SignedIn,
    id: NotificationId,
) -> Result<(Caller, Notification), Problem> {
    let recipient = caller.id();
    let (caller, found) = caller.beside(app.store.notification(recipient, id)).await?;
    Ok((caller, found.ok_or_else(Problem::not_found)?))
}

async fn answer(
    app: &App,
    caller: &Caller,
    notification: &Notification,
) -> Result<Answer, Problem> {
    let context = Context::read(app, caller, std::slice::from_ref(notification)).await?;
    Ok(ok(&context.show(notification).await?))
}
