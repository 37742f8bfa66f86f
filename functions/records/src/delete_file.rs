//! `DELETE /api/records/files/{id}/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::FileId;
use domain::notification::RecordEvent;
use http_api::caller::Patient;
use http_api::etag::IfMatch;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use runtime::clock;
use store::files::DeleteFileError;
use store::retry::CHANGED_SINCE_READ;

use crate::App;

/// Delete a file of an own record. Its object is deleted too, a moment later.
#[utoipa::path(
    delete, path = "/api/records/files/{id}/", tag = "Health Records",
    responses(
        (status = 204, description = "The file is deleted."),
    )
)]
pub(crate) async fn delete_file(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<FileId>,
    if_match: IfMatch,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (caller, lookup) = patient.authorize_with(app.store.get_file_lookup(id)).await?;
    let record_id = match lookup {
        Some(lookup) if caller.may_on_chart_of(lookup.patient_id) => lookup.record_id,
        other => {
            let (subject, record) =
                other.map_or((owner, None), |lookup| (lookup.patient_id, Some(lookup.record_id)));
            let attempt = caller.audit(Action::DeleteFile, subject, record);
            return Err(caller.refuse(&app.store, attempt, Problem::not_found()).await);
        }
    };
    let mut retries = CHANGED_SINCE_READ.start();
    loop {
        let chart =
            app.store.get_record_detail(owner, record_id).await?.ok_or_else(Problem::not_found)?;
        let file = chart.files.iter().find(|file| file.id == id).ok_or_else(Problem::not_found)?;
        // A file has no version of its own: it is part of its record.
        if_match.check(chart.record.version)?;
        let patient = &caller.account;
        let notification = RecordEvent::Updated { patient }.notification(
            clock::new_id(),
            chart.record.doctor_id,
            record_id,
            owner,
        );
        let audit = caller.audit(Action::DeleteFile, owner, Some(record_id));
        match app
            .store
            .delete_file(file, &chart.record, clock::now(), Some(&notification), &audit)
            .await
        {
            Ok(()) => return Ok(no_content()),
            Err(DeleteFileError::NotFound) => return Err(Problem::not_found()),
            Err(DeleteFileError::Stale) => {}
            Err(DeleteFileError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
}
