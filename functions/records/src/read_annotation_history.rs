//! `GET /api/records/patient/annotations/{id}/history/` and `GET
//! /api/records/doctor/annotations/{id}/history/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::{AnnotationId, UserId};
use domain::record;
use http_api::caller::{Caller, Doctor, Patient};
use http_api::page::{Listing, Paging, listing};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::AnnotationVersionView;
use store::{Lookup, Page};

use crate::{App, chart};

/// List the versions of an annotation on one of your records, newest first.
#[utoipa::path(
    get, path = "/api/records/patient/annotations/{id}/history/", tag = "Health Records",
        params(NoFilters),
    responses(
        (status = 200, description = "A page of versions.", body = Listing<AnnotationVersionView>),
    )
)]
pub(crate) async fn read_patient_history(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<AnnotationId>,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let ((), paging) = query.parse(&app.http, owner, "annotation-history", |_| Some(()))?;
    let (caller, lookup) = patient.authorize_with(app.store.get_annotation_lookup(id)).await?;
    let lookup = chart::in_own_chart(&app, &caller, Action::ReadHistory, lookup).await?;
    let page = app.store.list_annotation_versions(owner, id, paging.limit, paging.after).await?;
    response(&app, &caller, lookup, &paging, page).await
}

/// List the versions of an annotation on a record that is assigned to you, newest first, whoever
/// wrote it.
#[utoipa::path(
    get, path = "/api/records/doctor/annotations/{id}/history/", tag = "Health Records",
        params(NoFilters),
    responses(
        (status = 200, description = "A page of versions.", body = Listing<AnnotationVersionView>),
    )
)]
pub(crate) async fn read_doctor_history(
    State(app): State<App>,
    doctor: Doctor,
    PathId(id): PathId<AnnotationId>,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let reader = doctor.id();
    let ((), paging) = query.parse(&app.http, reader, "annotation-history", |_| Some(()))?;
    let (caller, lookup) = doctor.authorize_with(app.store.get_annotation_lookup(id)).await?;
    let refuse = |at| chart::refuse(&app, &caller, Action::ReadHistory, at);
    let Some(lookup) = lookup else { return Err(refuse(None).await) };
    let (assignment, page) = tokio::try_join!(
        app.store.get_assignment(reader, lookup.record_id),
        app.store.list_annotation_versions(lookup.patient_id, id, paging.limit, paging.after)
    )?;
    if assignment.is_none() {
        return Err(refuse(Some(lookup)).await);
    }
    response(&app, &caller, lookup, &paging, page).await
}

async fn response(
    app: &App,
    caller: &Caller,
    at: Lookup,
    paging: &Paging<u64>,
    page: Page<record::AnnotationVersion, u64>,
) -> Result<ApiResponse, Problem> {
    let authors: Vec<UserId> = page.items.iter().map(|version| version.author_id).collect();
    let event = [caller.audit(Action::ReadHistory, at.patient_id, Some(at.record_id))];
    let (accounts_by_id, ()) =
        tokio::try_join!(app.store.get_accounts(authors), app.store.create_events(&event))?;
    let versions = page
        .items
        .iter()
        .map(|it| (it.version, AnnotationVersionView::new(it, accounts_by_id.get(&it.author_id))));
    listing(paging, page.next.as_ref(), versions)
}
