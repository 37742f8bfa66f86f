//! `GET /api/records/doctor/`

use std::collections::BTreeMap;

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::id::{RecordId, UserId};
use http_kit::answer::Answer;
use http_kit::caller::Doctor;
use http_kit::filters;
use http_kit::page::{Listing, listing};
use http_kit::problem::Problem;
use http_kit::query::Query;
use http_kit::shapes::Record;

use crate::list_patient_records::filter;
use crate::{App, answer};

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
) -> Result<Answer, Problem> {
    let reader = doctor.id();
    let (filter, paging) = query
        .parse(&app.kit, reader, "doctor-records", |parameters| filter(parameters, "patient"))?;
    let (caller, page) = doctor
        .beside(app.store.assignment_page(reader, &filter, paging.limit, paging.after))
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
        app.store.charts(&records),
        app.store.people(patients),
        app.store.audit(&events)
    )?;
    // A record may have gone to another doctor between the two reads.
    let mut charts: Vec<_> =
        charts.into_iter().flatten().filter(|chart| caller.may_on(&chart.record)).collect();
    let people = answer::complete(&app, patients, &mut charts, reader).await?;
    let records = answer::records(&app, &caller.account, &people, &charts).await?;
    listing(&paging, page.next.as_ref(), records)
}
