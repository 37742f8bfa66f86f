//! `GET /api/accounts/access-log/`

use axum::extract::State;
use domain::audit::Action;
use http_api::caller::SignedIn;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::AccessEvent;

use crate::App;

/// List who did what to your account and, for patients, to your chart, or tried to; newest first.
#[utoipa::path(
    get, path = "/api/accounts/access-log/", tag = "Accounts", params(NoFilters),
    responses(
        (status = 200, description = "A page of the log.", body = Listing<AccessEvent>),
    )
)]
pub(crate) async fn access_log(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let owner = caller.id();
    let ((), paging) = query.parse(&app.http, owner, "access-log", |_| Some(()))?;
    let caller = caller.authorize().await?;
    let event = [caller.audit(Action::ReadAccessLog, owner, None)];
    let log = app.store.list_events_of_subject(owner, None, paging.limit, paging.after);
    let (page, ()) = tokio::try_join!(log, app.store.create_events(&event))?;
    listing(
        &paging,
        page.next.as_ref(),
        page.items.iter().map(|event| (event.id, AccessEvent::new(event))),
    )
}
