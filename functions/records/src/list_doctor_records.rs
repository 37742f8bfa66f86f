//! `GET /api/records/doctor/`

use std::collections::BTreeMap;

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::id::{RecordId, UserId};
use http_api::caller::Doctor;
use http_api::filters;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::Query;
use http_api::response::ApiResponse;
use http_api::views::Record;

use crate::list_patient_records::filter;
use crate::{App, response};

filters!(DoctorFilters: |parameters| filter(parameters, "patient"));

/// The records that are assigned to the caller, newest first.
#[utoipa::path(
    get, path = "/api/records/doctor/", tag = "Health Records", params(DoctorFilters),
    responses(
        (status = 200, description = "A page of records.", body = Listing<Record>),
    )
)]
pub(crate) async fn list_doctor_records(
    State(app): State<App>,
    doctor: Doctor,
    query: Query,
) -> Result<ApiResponse, Problem> {
    let reader = doctor.id();
    let (filter, paging) = query
        .parse(&app.kit, reader, "doctor-records", |parameters| filter(parameters, "patient"))?;
    let (caller, page) = doctor
        .authorize_with(app.store.list_assignments_of_doctor(
            reader,
            &filter,
            paging.limit,
            paging.after,
        ))
        .await?;
    let records: Vec<(UserId, RecordId)> =
        page.items.iter().map(|assignment| (assignment.patient_id, assignment.record_id)).collect();
    let patients: Vec<UserId> = page.items.iter().map(|assignment| assignment.patient_id).collect();
    // Each patient sees in the own log which of the own records were listed.
    let mut listed: BTreeMap<UserId, Vec<RecordId>> = BTreeMap::new();
    for (patient, record) in &records {
        listed.entry(*patient).or_default().push(*record);
    }
    let event =
        |(patient, records)| caller.audit(Action::ListRecords, patient, None).with_records(records);
    let events: Vec<AuditEvent> = listed.into_iter().map(event).collect();
    let (charts, patients, ()) = tokio::try_join!(
        app.store.get_record_details(&records),
        app.store.get_accounts(patients),
        app.store.create_events(&events)
    )?;
    // A record may have gone to another doctor between the two reads.
    let mut charts: Vec<_> =
        charts.into_iter().flatten().filter(|chart| caller.may_on(&chart.record)).collect();
    let people = response::complete(&app, patients, &mut charts, reader).await?;
    let records = response::records(&app, &caller.account, &people, &charts).await?;
    listing(&paging, page.next.as_ref(), records)
}
