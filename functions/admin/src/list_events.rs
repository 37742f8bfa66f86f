//! `GET /api/admin/audit/`

use axum::extract::State;
use domain::id::EventId;
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::Query;
use http_api::response::ApiResponse;
use staff::AuditFilter;

use crate::App;
use crate::response::Event;

filters!(ListEventsParameters: AuditFilter::read);

/// What was done to a user's chart and account (`subject`), or by a user (`actor`), newest first.
#[utoipa::path(
    get, path = "/api/admin/audit/", tag = "Administration", params(ListEventsParameters),
    responses(
        (status = 200, description = "A page of events.", body = Listing<Event>),
    )
)]
pub(crate) async fn list_events(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<ApiResponse, Problem> {
    let (filter, paging) =
        query.parse::<_, EventId>(&app.http, admin.id(), "audit", AuditFilter::read)?;
    let page =
        app.staff.list_events(admin, async { Ok(filter) }, paging.limit, paging.after).await?;
    listing(&paging, page.next.as_ref(), page.items.iter().map(Event::new))
}
