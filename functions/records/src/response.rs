//! Use this module for responses with records.

use std::collections::HashMap;
use std::time::Duration;

use domain::account::Account;
use domain::audit::AuditEvent;
use domain::file::{File, FileStatus, Verdict};
use domain::id::{FileId, UserId};
use domain::record::RecordDetail;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use http_api::problem::Problem;
use http_api::views::{RecordPresenter, accounts_named_in};
use runtime::bucket::PresignedUpload;
use runtime::clock;

use crate::App;

/// The users that records name, by id.
pub(crate) type AccountsById = HashMap<UserId, Account>;

/// How many objects are inspected concurrently.
const MAX_CONCURRENT_INSPECTIONS: usize = 16;

/// Adds the accounts that records name, and concurrently settles uploads: files whose objects have
/// arrived become available or rejected, in the table as in `details`.
pub(crate) async fn settle_uploads_and_get_accounts(
    app: &App,
    accounts_by_id: &mut AccountsById,
    details: &mut [RecordDetail],
    viewer: UserId,
) -> Result<(), Problem> {
    let named: Vec<UserId> = details
        .iter()
        .flat_map(accounts_named_in)
        .filter(|id| *id != viewer && !accounts_by_id.contains_key(id))
        .collect();
    let (found, ()) = tokio::join!(app.store.get_accounts(named), settle_uploads(app, details));
    accounts_by_id.extend(found?);
    Ok(())
}

/// Writes events to the audit trail. Run it concurrently with the last read, before the response.
pub(crate) async fn audit(app: &App, events: &[AuditEvent]) -> Result<(), Problem> {
    Ok(app.store.create_events(events).await?)
}

/// Returns the presenter for a viewer.
pub(crate) fn presenter<'a>(
    app: &'a App,
    viewer: &'a Account,
    accounts_by_id: &'a AccountsById,
) -> RecordPresenter<'a> {
    RecordPresenter { viewer, accounts_by_id, public_url: &app.http.public_url }
}

/// How long a response waits for the inspection of pending files in all.
const MAX_INSPECTION_TIME: Duration = Duration::from_millis(500);

/// Settles pending files whose objects have arrived, so that a fresh upload does not stay "pending"
/// because its event is slow. What fails or takes too long is left to the event.
async fn settle_uploads(app: &App, details: &mut [RecordDetail]) {
    let pending = details
        .iter_mut()
        .flat_map(|detail| &mut detail.files)
        .filter(|file| file.status == FileStatus::Pending);
    let inspections = stream::iter(pending)
        .for_each_concurrent(MAX_CONCURRENT_INSPECTIONS, |file| settle(app, file));
    let _ = tokio::time::timeout(MAX_INSPECTION_TIME, inspections).await;
}

async fn settle(app: &App, file: &mut File) {
    // Long after the first URL has expired, only a renewed URL can upload; its event or the next
    // renewal settles the file.
    let waited = clock::now().duration_since(file.id.created_at()).unsigned_abs();
    if waited <= 2 * app.uploads.upload_url_lifetime {
        inspect(app, file).await;
    }
}

/// Settles a pending file if its object has arrived. What takes too long is left to the event.
pub(crate) async fn settle_upload(app: &App, file: &mut File) {
    if file.status == FileStatus::Pending {
        let _ = tokio::time::timeout(MAX_INSPECTION_TIME, inspect(app, file)).await;
    }
}

/// Settles a file if that takes one request. What takes more, such as a long text or the result of
/// a scan for malware, is left to the inspector.
async fn inspect(app: &App, file: &mut File) {
    if let Ok(Some(verdict)) = app.bucket.glance(file).await
        && !(verdict == Verdict::Available && app.uploads.scans_for_malware)
        && let Ok(true) = app.store.settle_file(file, verdict).await
    {
        file.status = verdict.status();
        file.rejection = verdict.rejection();
    }
}

/// Returns the uploads of new files.
pub(crate) async fn uploads(
    app: &App,
    files: &[File],
) -> Result<HashMap<FileId, PresignedUpload>, Problem> {
    let now = clock::now();
    let uploads = join_all(files.iter().map(async |file| {
        let upload = app.bucket.presign_upload(file, app.uploads.upload_url_lifetime, now).await;
        upload.map(|upload| (file.id, upload))
    }));
    uploads.await.into_iter().collect::<Result<_, _>>().map_err(Problem::internal)
}
