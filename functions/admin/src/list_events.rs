//! `GET /api/admin/audit/`

use axum::extract::State;
use domain::id::EventId;
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use http_api::response::ApiResponse;
use staff::AuditFilter;

use crate::App;
use crate::response::AuditEventView;

filters!(ListEventsParameters: AuditFilter::read);

/// List the events about a user's chart and account (`subject`), or those caused by a user
/// (`actor`), newest first.
#[utoipa::path(
    get, path = "/api/admin/audit/", tag = "Administration", params(ListEventsParameters),
    responses(
        (status = 200, description = "A page of events.", body = Listing<AuditEventView>),
    )
)]
pub(crate) async fn list_events(
    State(app): State<App>,
    admin: Admin,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let (filter, paging) =
        query.parse::<_, EventId>(&app.http, admin.id(), "audit", AuditFilter::read)?;
    let page = app.staff.list_events(admin, filter, paging.limit, paging.after).await?;
    listing(
        &paging,
        page.next.as_ref(),
        page.items.iter().map(|event| (event.id, AuditEventView::new(event))),
    )
}
