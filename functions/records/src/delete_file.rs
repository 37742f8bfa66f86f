//! `DELETE /api/records/files/{id}/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::FileId;
use domain::notification::RecordEvent;
use http_api::caller::Patient;
use http_api::etag::IfMatch;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use runtime::clock;
use store::files::DeleteFileError;
use store::retry::CHANGED_SINCE_READ;

use crate::allowance::ONE_CHANGE;
use crate::{App, allowance, chart, notice};

/// Delete a file of one of your records. Its object is deleted shortly after.
#[utoipa::path(
    delete, path = "/api/records/files/{id}/", tag = "Health Records",
    responses(
        (status = 204, description = "The file is deleted."),
    )
)]
pub(crate) async fn delete_file(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<FileId>,
    if_match: IfMatch,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let (caller, lookup) = patient.authorize_with(app.store.get_file_lookup(id)).await?;
    let lookup = chart::in_own_chart(&app, &caller, Action::DeleteFile, lookup).await?;
    let record_id = lookup.record_id;
    let mut retries = CHANGED_SINCE_READ.start();
    loop {
        let detail =
            app.store.get_record_detail(owner, record_id).await?.ok_or_else(Problem::not_found)?;
        let file = detail.files.iter().find(|file| file.id == id).ok_or_else(Problem::not_found)?;
        // Files share the version of their record.
        if_match.check(detail.record.version)?;
        let patient = &caller.account;
        let told = RecordEvent::Updated { patient }.notification(
            clock::new_id(),
            detail.record.doctor_id,
            record_id,
            owner,
        );
        let last = detail.record.update_notification_id;
        let told = notice::superseding(&app, told, last).await?;
        let allowance = allowance::of(&app, owner, ONE_CHANGE);
        let audit = caller.audit(Action::DeleteFile, owner, Some(record_id)).with_file(id);
        match app
            .store
            .delete_file(file, &detail.record, clock::now(), &told, &audit, &allowance)
            .await
        {
            Ok(()) => return Ok(no_content()),
            Err(DeleteFileError::NotFound) => return Err(Problem::not_found()),
            Err(DeleteFileError::Stale) => {}
            Err(DeleteFileError::LimitReached(locked)) => {
                return Err(allowance::refuse(&allowance, locked));
            }
            Err(DeleteFileError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
}
