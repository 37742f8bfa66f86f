//! `GET /api/records/patient/{id}/access-log/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::RecordId;
use http_kit::answer::Answer;
use http_kit::caller::Patient;
use http_kit::page::{Listing, listing};
use http_kit::path::Id;
use http_kit::problem::Problem;
use http_kit::query::{NoFilters, Query};
use http_kit::shapes::AccessEvent;

use crate::App;

/// Who did what to one of the own records, or tried to, newest first.
#[utoipa::path(
    get, path = "/api/records/patient/{id}/access-log/", tag = "Health Records", params(NoFilters),
    responses(
        (status = 200, description = "A page of the log.", body = Listing<AccessEvent>),
    )
)]
pub(crate) async fn read_access_log(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
    query: Query,
) -> Result<Answer, Problem> {
    let owner = patient.id();
    let ((), paging) = query.parse(&app.kit, owner, "record-access-log", |_| Some(()))?;
    let (caller, record) = patient.beside(app.store.record(owner, id)).await?;
    let event = caller.audit(Action::ReadAccessLog, owner, Some(id));
    if record.is_none() {
        return Err(caller.refuse(&app.store, event, Problem::not_found()).await);
    }
    let log = app.store.access_log(owner, Some(id), paging.limit, paging.after);
    let (page, ()) = tokio::try_join!(log, app.store.audit(std::slice::from_ref(&event)))?;
    listing(&paging, page.next.as_ref(), page.items.iter().map(AccessEvent::new))
}
