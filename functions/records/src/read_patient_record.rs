//! `GET /api/records/patient/{id}/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use domain::id::RecordId;
use http_api::caller::Patient;
use http_api::etag::ETag;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views::Record;

use crate::response::People;
use crate::{App, response};

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
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (caller, chart) = patient.authorize_with(app.store.get_record_detail(owner, id)).await?;
    let event = caller.audit(Action::ReadRecord, owner, Some(id));
    let Some(mut chart) = chart else {
        return Err(caller.refuse(&app.store, event, Problem::not_found()).await);
    };
    let people = response::complete(&app, People::new(), std::slice::from_mut(&mut chart), owner);
    let (people, ()) =
        tokio::try_join!(people, response::audit(&app, std::slice::from_ref(&event)))?;
    let body = response::record(&app, &caller.account, &people, &chart, HashMap::new()).await?;
    Ok(ok(&body).with_etag(ETag::of(chart.record.version)))
}
