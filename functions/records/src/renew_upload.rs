//! `POST /api/records/files/{id}/upload-url/`

use std::slice;

use axum::extract::State;
use axum::http::StatusCode;
use domain::audit::Action;
use domain::file::FileStatus;
use domain::id::FileId;
use domain::problem::Code;
use http_api::caller::Patient;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views::RecordFile;

use crate::{App, chart, response};

/// Get a new upload URL for a file of one of your records that is still pending, for example when
/// the first one has expired.
#[utoipa::path(
    post, path = "/api/records/files/{id}/upload-url/", tag = "Health Records",
    responses(
        (status = 200, description = "The file with its upload.", body = RecordFile),
    )
)]
pub(crate) async fn renew_upload(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<FileId>,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (caller, lookup) = patient.authorize_with(app.store.get_file_lookup(id)).await?;
    let lookup = chart::in_own_chart(&app, &caller, Action::RenewUpload, lookup).await?;
    let record_id = lookup.record_id;
    let file = app.store.get_file(owner, record_id, id).await?;
    let mut file = file.ok_or_else(Problem::not_found)?;
    response::settle_upload(&app, &mut file).await;
    if file.status != FileStatus::Pending {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            Code::FileNotPending,
            "The file does not wait for an upload: it is available or was rejected.",
        ));
    }
    response::audit(
        &app,
        &[caller.audit(Action::RenewUpload, owner, Some(record_id)).with_file(id)],
    )
    .await?;
    let upload = response::uploads(&app, slice::from_ref(&file)).await?.remove(&file.id);
    Ok(ok(&RecordFile::new(&file, upload, &app.http.public_url)))
}
