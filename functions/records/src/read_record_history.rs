//! `GET /api/records/patient/{id}/history/` and `GET /api/records/doctor/{id}/history/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use domain::record;
use http_api::caller::{Caller, Doctor, Patient};
use http_api::page::{Listing, Paging, listing};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::RecordVersionView;
use store::Page;

use crate::App;

/// List the changes of one of your records, newest first.
#[utoipa::path(
    get, path = "/api/records/patient/{id}/history/", tag = "Health Records", params(NoFilters),
    responses(
        (status = 200, description = "A page of changes.", body = Listing<RecordVersionView>),
    )
)]
pub(crate) async fn read_patient_record_history(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<RecordId>,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let ((), paging) = query.parse(&app.http, owner, "record-history", |_| Some(()))?;
    let first = async {
        tokio::try_join!(
            app.store.get_record(owner, id),
            app.store.list_record_versions(owner, id, paging.limit, paging.after)
        )
    };
    let (caller, (record, page)) = patient.authorize_with(first).await?;
    if record.is_none() {
        return Err(refuse(&app, &caller, id).await);
    }
    response(&app, &caller, (owner, id), &paging, page).await
}

/// List the changes of a record that is assigned to you, newest first, also those from before the
/// assignment.
#[utoipa::path(
    get, path = "/api/records/doctor/{id}/history/", tag = "Health Records", params(NoFilters),
    responses(
        (status = 200, description = "A page of changes.", body = Listing<RecordVersionView>),
    )
)]
pub(crate) async fn read_doctor_record_history(
    State(app): State<App>,
    doctor: Doctor,
    PathId(id): PathId<RecordId>,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let reader = doctor.id();
    let ((), paging) = query.parse(&app.http, reader, "record-history", |_| Some(()))?;
    let (caller, assignment) = doctor.authorize_with(app.store.get_assignment(reader, id)).await?;
    let Some(assignment) = assignment else { return Err(refuse(&app, &caller, id).await) };
    let patient = assignment.patient_id;
    let page = app.store.list_record_versions(patient, id, paging.limit, paging.after).await?;
    response(&app, &caller, (patient, id), &paging, page).await
}

async fn refuse(app: &App, caller: &Caller, id: RecordId) -> Problem {
    let denied = caller.audit(Action::ReadHistory, caller.account.id, Some(id));
    caller.refuse(&app.store, denied, Problem::not_found()).await
}

async fn response(
    app: &App,
    caller: &Caller,
    (patient, id): (UserId, RecordId),
    paging: &Paging<u64>,
    page: Page<record::RecordVersion, u64>,
) -> Result<ApiResponse, Problem> {
    let user_ids: Vec<UserId> =
        page.items.iter().flat_map(record::RecordVersion::user_ids).collect();
    let event = [caller.audit(Action::ReadHistory, patient, Some(id))];
    let (accounts_by_id, ()) =
        tokio::try_join!(app.store.get_accounts(user_ids), app.store.create_events(&event))?;
    let versions =
        page.items.iter().map(|it| (it.version, RecordVersionView::new(it, &accounts_by_id)));
    listing(paging, page.next.as_ref(), versions)
}
