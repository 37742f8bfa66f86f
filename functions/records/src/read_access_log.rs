//! `GET /api/records/patient/{id}/access-log/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::RecordId;
use http_api::caller::Patient;
use http_api::page::{Listing, listing};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::AccessEvent;

use crate::App;

/// List who did what to one of your records, or tried to, newest first.
#[utoipa::path(
    get, path = "/api/records/patient/{id}/access-log/", tag = "Health Records", params(NoFilters),
    responses(
        (status = 200, description = "A page of the log.", body = Listing<AccessEvent>),
    )
)]
pub(crate) async fn read_access_log(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<RecordId>,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let ((), paging) = query.parse(&app.http, owner, "record-access-log", |_| Some(()))?;
    let (caller, record) = patient.authorize_with(app.store.get_record(owner, id)).await?;
    let event = caller.audit(Action::ReadAccessLog, owner, Some(id));
    if record.is_none() {
        return Err(caller.refuse(&app.store, event, Problem::not_found()).await);
    }
    let log = app.store.list_events_of_subject(owner, Some(id), paging.limit, paging.after);
    let (page, ()) = tokio::try_join!(log, app.store.create_events(std::slice::from_ref(&event)))?;
    listing(
        &paging,
        page.next.as_ref(),
        page.items.iter().map(|event| (event.id, AccessEvent::new(event))),
    )
}
