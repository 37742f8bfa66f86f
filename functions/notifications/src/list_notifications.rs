//! `GET /api/notifications/`

use axum::extract::State;
use http_api::caller::SignedIn;
use http_api::filters;
use http_api::page::{Listing, PageBuilder, READ_AT_ONCE};
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use http_api::response::ApiResponse;

use crate::App;
use crate::response::{Context, NotificationView};

fn filter(parameters: &mut Parameters) -> Option<Option<bool>> {
    parameters.flag("is_read")
}

filters!(NotificationFilters: filter);

/// List your notifications, newest first.
#[utoipa::path(
    get, path = "/api/notifications/", tag = "Notifications", params(NotificationFilters),
    responses(
        (status = 200, description = "A page of notifications.", body = Listing<NotificationView>),
    )
)]
pub(crate) async fn list_notifications(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let recipient = caller.id();
    let (is_read, paging) = query.parse(&app.http, recipient, "notifications", filter)?;
    let (caller, page) = caller
        .authorize_with(app.store.list_notifications(
            recipient,
            is_read,
            paging.limit,
            paging.after,
        ))
        .await?;
    let mut context = Context::new(&app, &caller, &page.items);
    let mut shown = PageBuilder::new(&paging);
    'page: for notifications in page.items.chunks(READ_AT_ONCE) {
        context.read(&app, notifications).await?;
        for notification in notifications {
            if !shown.push(notification.id, &context.show(notification))? {
                break 'page;
            }
        }
    }
    shown.finish(page.next.as_ref())
}
