//! `GET /api/records/patient/{id}/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use domain::id::RecordId;
use http_kit::answer::{Answer, ok};
use http_kit::caller::Patient;
use http_kit::etag::ETag;
use http_kit::path::Id;
use http_kit::problem::Problem;
use http_kit::shapes::Record;

use crate::answer::People;
use crate::{App, answer};

/// One of the own records.
#[utoipa::path(
    get, path = "/api/records/patient/{id}/", tag = "Health Records",
    responses(
        (status = 200, description = "The record.", body = Record, headers(("ETag"))),
    )
)]
pub(crate) async fn read_patient_record(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
) -> Result<Answer, Problem> {
    let owner = patient.id();
    let (caller, chart) = patient.beside(app.store.chart(owner, id)).await?;
    let event = caller.audit(Action::ReadRecord, owner, Some(id));
    let Some(mut chart) = chart else {
        return Err(caller.refuse(&app.store, event, Problem::not_found()).await);
    };
    let people = answer::complete(&app, People::new(), std::slice::from_mut(&mut chart), owner);
    let (people, ()) = tokio::try_join!(people, answer::audit(&app, std::slice::from_ref(&event)))?;
    let body = answer::record(&app, &caller.account, &people, &chart, HashMap::new()).await?;
    Ok(ok(&body).with_etag(ETag::of(chart.record.version)))
}
