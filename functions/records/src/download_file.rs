//! `GET /api/records/files/{id}/download/`

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use domain::audit::Action;
use domain::file::FileStatus;
use domain::id::FileId;
use domain::problem::Code;
use http_api::caller::Reader;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok, see_other};
use http_api::views::Download;
use runtime::clock;

use crate::{App, chart, response};

/// How long the URL of the object works. It outlives the right to read the record, so it is only
/// long enough to be followed.
const URL_LIFETIME: Duration = Duration::from_mins(1);

/// Download a file of a record that you may read.
///
/// The response leads to the content: by a redirect, or with `Accept: application/json` in the
/// body. Send the access token here and not to the URL of the content.
#[utoipa::path(
    get, path = "/api/records/files/{id}/download/", tag = "Health Records",
    responses(
        (status = 200, description = "Asked for with `Accept: application/json`: the URL of the \
                                      content.", body = Download),
        (status = 303, description = "The content is at `Location`, for a minute.",
                                      headers(("Location"))),
    )
)]
pub(crate) async fn download_file(
    State(app): State<App>,
    reader: Reader,
    PathId(id): PathId<FileId>,
    headers: HeaderMap,
) -> Result<ApiResponse, Problem> {
    let (caller, lookup) = reader.authorize_with(app.store.get_file_lookup(id)).await?;
    let refuse = |at| chart::refuse(&app, &caller, Action::DownloadFile, at);
    let Some(lookup) = lookup else { return Err(refuse(None).await) };
    let (patient, record) = (lookup.patient_id, lookup.record_id);
    let (found, file) = tokio::try_join!(
        app.store.get_record(patient, record),
        app.store.get_file(patient, record, id)
    )?;
    if !found.is_some_and(|record| caller.may_on(&record)) {
        return Err(refuse(Some(lookup)).await);
    }
    let mut file = file.ok_or_else(Problem::not_found)?;
    response::settle_upload(&app, &mut file).await;
    if file.status != FileStatus::Available {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            Code::FileNotAvailable,
            "The file was not uploaded yet, or was rejected.",
        ));
    }
    let event = caller.audit(Action::DownloadFile, patient, Some(record)).with_file(id);
    response::audit(&app, &[event]).await?;
    let expires_at = clock::now() + URL_LIFETIME;
    let url = app.bucket.presign_download(&file, URL_LIFETIME).await.map_err(Problem::internal)?;
    Ok(if accepts_json(&headers) {
        ok(&Download { url: &url, expires_at })
    } else {
        see_other(&url)
    })
}

/// Returns whether the header Accept names JSON. Browsers and command-line tools, which follow
/// redirects, do not.
fn accepts_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/json")
    })
}
