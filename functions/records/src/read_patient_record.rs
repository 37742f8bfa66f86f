//! `GET /api/records/patient/{id}/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use domain::id::RecordId;
use http_api::caller::Patient;
use http_api::etag::ETag;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views::RecordView;

use crate::response::AccountsById;
use crate::{App, response};

/// Read one of your records.
#[utoipa::path(
    get, path = "/api/records/patient/{id}/", tag = "Health Records",
    responses(
        (status = 200, description = "The record.", body = RecordView, headers(("ETag"))),
    )
)]
pub(crate) async fn read_patient_record(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<RecordId>,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (caller, detail) = patient.authorize_with(app.store.get_record_detail(owner, id)).await?;
    let event = caller.audit(Action::ReadRecord, owner, Some(id));
    let Some(mut detail) = detail else {
        return Err(caller.refuse(&app.store, event, Problem::not_found()).await);
    };
    let mut accounts_by_id = AccountsById::new();
    let settled = response::settle_uploads_and_get_accounts(
        &app,
        &mut accounts_by_id,
        std::slice::from_mut(&mut detail),
        owner,
    );
    tokio::try_join!(settled, response::audit(&app, std::slice::from_ref(&event)))?;
    let body =
        response::presenter(&app, &caller.account, &accounts_by_id).record(&detail, HashMap::new());
    Ok(ok(&body).with_etag(ETag::of(detail.record.version)))
}
