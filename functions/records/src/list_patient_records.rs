//! `GET /api/records/patient/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use http_api::caller::Patient;
use http_api::filters;
use http_api::page::{Listing, listing};
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::RecordView;
use store::records::RecordFilter;

use crate::response::AccountsById;
use crate::{App, response};

/// Reads the filters of a list of records; `other` is the parameter for the other party.
pub(crate) fn filter(parameters: &mut Parameters, other: &'static str) -> Option<RecordFilter> {
    let record_type = parameters.optional("record_type");
    let other = parameters.optional(other);
    let created_after = parameters.first_moment("created_after");
    let created_before = parameters.end("created_before");
    Some(RecordFilter {
        record_type: record_type?,
        other: other?,
        created_after: created_after?,
        created_before: created_before?,
    })
}

filters!(PatientFilters: |parameters| filter(parameters, "doctor"));

/// List your records, newest first.
#[utoipa::path(
    get, path = "/api/records/patient/", tag = "Health Records", params(PatientFilters),
    responses(
        (status = 200, description = "A page of records.", body = Listing<RecordView>),
    )
)]
pub(crate) async fn list_patient_records(
    State(app): State<App>,
    patient: Patient,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (filter, paging) = query
        .parse(&app.http, owner, "patient-records", |parameters| filter(parameters, "doctor"))?;
    let (caller, mut page) = patient
        .authorize_with(app.store.list_records_of_patient(
            owner,
            &filter,
            paging.limit,
            paging.after,
        ))
        .await?;
    let shown = page.items.iter().map(|detail| detail.record.id).collect();
    let events = [caller.audit(Action::ListRecords, owner, None).with_records(shown)];
    let mut accounts_by_id = AccountsById::new();
    let settled = response::settle_uploads_and_get_accounts(
        &app,
        &mut accounts_by_id,
        &mut page.items,
        owner,
    );
    tokio::try_join!(settled, response::audit(&app, &events))?;
    let presenter = response::presenter(&app, &caller.account, &accounts_by_id);
    let records = page
        .items
        .iter()
        .map(|detail| (detail.record.id, presenter.record(detail, HashMap::new())));
    listing(&paging, page.next.as_ref(), records)
}
