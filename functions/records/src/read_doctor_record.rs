//! `GET /api/records/doctor/{id}/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::id::RecordId;
use http_kit::answer::{Answer, ok};
use http_kit::caller::Doctor;
use http_kit::etag::ETag;
use http_kit::path::Id;
use http_kit::problem::Problem;
use http_kit::shapes::Record;
use runtime::clock;
use store::records::Assignment;

use crate::{App, answer};

/// A record that is assigned to the caller.
#[utoipa::path(
    get, path = "/api/records/doctor/{id}/", tag = "Health Records",
    responses(
        (status = 200, description = "The record.", body = Record, headers(("ETag"))),
    )
)]
pub(crate) async fn read_doctor_record(
    State(app): State<App>,
    doctor: Doctor,
    Id(id): Id<RecordId>,
) -> Result<Answer, Problem> {
    let reader = doctor.id();
    let (caller, assignment) = doctor.beside(app.store.assignment(reader, id)).await?;
    let Some(Assignment { patient_id: patient, .. }) = assignment else {
        let attempt = caller.audit(Action::ReadRecord, reader, Some(id));
        return Err(caller.refuse(&app.store, attempt, Problem::not_found()).await);
    };
    let event = [caller.audit(Action::ReadRecord, patient, Some(id))];
    let (chart, people, ()) = tokio::try_join!(
        app.store.chart(patient, id),
        app.store.people([patient]),
        app.store.audit(&event)
    )?;
    // The record may have gone to another doctor between the two reads.
    let Some(mut chart) = chart.filter(|chart| caller.may_on(&chart.record)) else {
        let [attempt] = event;
        return Err(caller
            .refuse(&app.store, AuditEvent { id: clock::new_id(), ..attempt }, Problem::not_found())
            .await);
    };
    let people = answer::complete(&app, people, std::slice::from_mut(&mut chart), reader).await?;
    let body = answer::record(&app, &caller.account, &people, &chart, HashMap::new()).await?;
    Ok(ok(&body).with_etag(ETag::of(chart.record.version)))
}
