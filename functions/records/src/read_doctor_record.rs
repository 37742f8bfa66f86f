//! `GET /api/records/doctor/{id}/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::id::RecordId;
use domain::record::Assignment;
use http_api::caller::Doctor;
use http_api::etag::ETag;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views::RecordView;
use runtime::clock;

use crate::{App, response};

/// Read a record that is assigned to you.
#[utoipa::path(
    get, path = "/api/records/doctor/{id}/", tag = "Health Records",
    responses(
        (status = 200, description = "The record.", body = RecordView, headers(("ETag"))),
    )
)]
pub(crate) async fn read_doctor_record(
    State(app): State<App>,
    doctor: Doctor,
    PathId(id): PathId<RecordId>,
) -> Result<ApiResponse, Problem> {
    let reader = doctor.id();
    let (caller, assignment) = doctor.authorize_with(app.store.get_assignment(reader, id)).await?;
    let Some(Assignment { patient_id: patient, .. }) = assignment else {
        let denied = caller.audit(Action::ReadRecord, reader, Some(id));
        return Err(caller.refuse(&app.store, denied, Problem::not_found()).await);
    };
    let event = [caller.audit(Action::ReadRecord, patient, Some(id))];
    let (detail, mut accounts_by_id, ()) = tokio::try_join!(
        app.store.get_record_detail(patient, id),
        app.store.get_accounts([patient]),
        app.store.create_events(&event)
    )?;
    // The record may have been assigned to another doctor between the two reads.
    let Some(mut detail) = detail.filter(|detail| caller.may_on(&detail.record)) else {
        let [denied] = event;
        return Err(caller
            .refuse(&app.store, AuditEvent { id: clock::new_id(), ..denied }, Problem::not_found())
            .await);
    };
    response::settle_uploads_and_get_accounts(
        &app,
        &mut accounts_by_id,
        std::slice::from_mut(&mut detail),
        reader,
    )
    .await?;
    let body =
        response::presenter(&app, &caller.account, &accounts_by_id).record(&detail, HashMap::new());
    Ok(ok(&body).with_etag(ETag::of(detail.record.version)))
}
