//! Use this module for notifications about changes, which take the place of earlier ones.

use domain::id::NotificationId;
use domain::notification::Notification;
use store::Error;

use crate::App;

/// Lets a notification take the place of the last one about the same, if that is still open.
pub(crate) async fn superseding(
    app: &App,
    notification: Notification,
    last: Option<NotificationId>,
) -> Result<Notification, Error> {
    let Some(last) = last else { return Ok(notification) };
    let open = app.store.get_open_notification(notification.recipient_id, last).await?;
    Ok(match open {
        Some(open) => notification.superseding(&open),
        None => notification,
    })
}
