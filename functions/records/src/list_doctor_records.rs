//! `GET /api/records/doctor/`

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::id::{RecordId, UserId};
use domain::record::{Assignment, RecordDetail};
use http_api::caller::{Caller, Doctor};
use http_api::filters;
use http_api::page::{Listing, PageBuilder, READ_AT_ONCE};
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use http_api::response::ApiResponse;
use http_api::views::RecordView;

use crate::list_patient_records::filter;
use crate::response::AccountsById;
use crate::{App, response};

filters!(DoctorFilters: |parameters| filter(parameters, "patient"));

/// List the records that are assigned to you, newest first.
#[utoipa::path(
    get, path = "/api/records/doctor/", tag = "Health Records", params(DoctorFilters),
    responses(
        (status = 200, description = "A page of records.", body = Listing<RecordView>),
    )
)]
pub(crate) async fn list_doctor_records(
    State(app): State<App>,
    doctor: Doctor,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let reader = doctor.id();
    let (filter, paging) = query
        .parse(&app.http, reader, "doctor-records", |parameters| filter(parameters, "patient"))?;
    let (caller, page) = doctor
        .authorize_with(app.store.list_assignments_of_doctor(
            reader,
            &filter,
            paging.limit,
            paging.after,
        ))
        .await?;
    let mut accounts_by_id = AccountsById::new();
    let mut shown = PageBuilder::new(&paging);
    'page: for assignments in page.items.chunks(READ_AT_ONCE) {
        let details = read(&app, &caller, assignments, &mut accounts_by_id).await?;
        let presenter = response::presenter(&app, &caller.account, &accounts_by_id);
        for detail in &details {
            if !shown.push(detail.record.id, &presenter.record(detail, HashMap::new()))? {
                break 'page;
            }
        }
    }
    shown.finish(page.next.as_ref())
}

/// Reads the records of assignments, and the accounts they name, and writes to the audit trail.
async fn read(
    app: &App,
    caller: &Caller,
    assignments: &[Assignment],
    accounts_by_id: &mut AccountsById,
) -> Result<Vec<RecordDetail>, Problem> {
    let records: Vec<(UserId, RecordId)> = assignments
        .iter()
        .map(|assignment| (assignment.patient_id, assignment.record_id))
        .collect();
    let patients: BTreeSet<UserId> = records
        .iter()
        .map(|(patient, _)| *patient)
        .filter(|patient| !accounts_by_id.contains_key(patient))
        .collect();
    // Each patient's access log says which of their records were listed.
    let mut listed: BTreeMap<UserId, Vec<RecordId>> = BTreeMap::new();
    for (patient, record) in &records {
        listed.entry(*patient).or_default().push(*record);
    }
    let event =
        |(patient, records)| caller.audit(Action::ListRecords, patient, None).with_records(records);
    let events: Vec<AuditEvent> = listed.into_iter().map(event).collect();
    let (details, patients, ()) = tokio::try_join!(
        app.store.get_record_details(&records),
        app.store.get_accounts(patients),
        app.store.create_events(&events)
    )?;
    accounts_by_id.extend(patients);
    // A record may have been assigned to another doctor between the two reads.
    let mut details: Vec<_> =
        details.into_iter().flatten().filter(|detail| caller.may_on(&detail.record)).collect();
    let reader = caller.account.id;
    response::settle_uploads_and_get_accounts(app, accounts_by_id, &mut details, reader).await?;
    Ok(details)
}
