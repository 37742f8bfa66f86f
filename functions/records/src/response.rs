//! How records are answered.

use std::collections::HashMap;

use domain::account::Account;
use domain::audit::AuditEvent;
use domain::file::{File, FileStatus};
use domain::id::{FileId, UserId};
use domain::record::RecordDetail;
use futures_util::future::{join_all, try_join_all};
use futures_util::{StreamExt, stream};
use http_api::problem::Problem;
use http_api::views::{self, RecordView, accounts_named_in};
use runtime::bucket::Upload;
use runtime::clock;

use crate::App;

/// The users that are named in records, by id.
pub(crate) type People = HashMap<UserId, Account>;

/// How many objects are looked at side by side.
const LOOKS_AT_ONCE: usize = 16;

/// Looks up the people named in the charts, and beside that what has arrived of their files.
pub(crate) async fn complete(
    app: &App,
    mut people: People,
    charts: &mut [RecordDetail],
    viewer: UserId,
) -> Result<People, Problem> {
    let named: Vec<UserId> = charts
        .iter()
        .flat_map(accounts_named_in)
        .filter(|id| *id != viewer && !people.contains_key(id))
        .collect();
    let (found, ()) = tokio::join!(app.store.get_accounts(named), settle_arrived(app, charts));
    people.extend(found?);
    Ok(people)
}

/// Tells the audit trail who reads what. Awaited beside the last read, so that it takes no time of
/// its own; the answer waits for it.
pub(crate) async fn audit(app: &App, events: &[AuditEvent]) -> Result<(), Problem> {
    Ok(app.store.create_events(events).await?)
}

/// The charts as the viewer may see them.
pub(crate) async fn records<'a>(
    app: &'a App,
    viewer: &'a Account,
    people: &'a People,
    charts: &'a [RecordDetail],
) -> Result<Vec<views::Record<'a>>, Problem> {
    let showcase = showcase(app, viewer, people);
    try_join_all(charts.iter().map(|chart| showcase.record(chart, HashMap::new()))).await
}

/// A chart as the viewer may see it; `uploads` are those of its new files.
pub(crate) async fn record<'a>(
    app: &'a App,
    viewer: &'a Account,
    people: &'a People,
    chart: &'a RecordDetail,
    uploads: HashMap<FileId, Upload>,
) -> Result<views::Record<'a>, Problem> {
    showcase(app, viewer, people).record(chart, uploads).await
}

fn showcase<'a>(app: &'a App, viewer: &'a Account, people: &'a People) -> RecordView<'a> {
    RecordView {
        viewer,
        people,
        bucket: &app.bucket,
        download_lifetime: app.uploads.download_url_lifetime,
    }
}

/// Looks for the objects of pending files, so that nobody who has just uploaded one is told
/// "pending" because an event is slow. A look that fails changes nothing: the event will come.
async fn settle_arrived(app: &App, charts: &mut [RecordDetail]) {
    let pending = charts
        .iter_mut()
        .flat_map(|chart| &mut chart.files)
        .filter(|file| file.status == FileStatus::Pending);
    stream::iter(pending).for_each_concurrent(LOOKS_AT_ONCE, |file| settle(app, file)).await;
}

async fn settle(app: &App, file: &mut File) {
    // Long after its URL has expired nothing can arrive any more, and the event has come or will.
    let waited = clock::now().duration_since(file.id.created_at()).unsigned_abs();
    if waited > 2 * app.uploads.upload_url_lifetime {
        return;
    }
    if let Ok(status) = app.bucket.inspect(file).await
        && status != FileStatus::Pending
        && let Ok(true) = app.store.settle_file(file, status).await
    {
        file.status = status;
    }
}

/// The uploads of new files.
pub(crate) async fn uploads(app: &App, files: &[File]) -> Result<HashMap<FileId, Upload>, Problem> {
    let now = clock::now();
    let uploads = join_all(files.iter().map(async |file| {
        let upload = app.bucket.upload(file, app.uploads.upload_url_lifetime, now).await;
        upload.map(|upload| (file.id, upload))
    }));
    uploads.await.into_iter().collect::<Result<_, _>>().map_err(Problem::internal)
}
