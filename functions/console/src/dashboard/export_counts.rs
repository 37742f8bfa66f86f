//! `GET /admin/export.json`

use std::collections::BTreeMap;

use axum::extract::State;
use domain::audit::Action;
use domain::counter::Counts;
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use runtime::clock;
use serde::Serialize;

use crate::App;

/// How many years the export covers.
const YEARS: i32 = 1;

#[derive(Serialize)]
struct CountsExport {
    generated_at: Timestamp,
    totals: Counts,
    days: Vec<DayCounts>,
    queues: BTreeMap<&'static str, QueueDepth>,
}

#[derive(Serialize)]
struct DayCounts {
    day: Date,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct QueueDepth {
    waiting: u64,
    under_way: u64,
}

/// Returns the counts of the last year by day, without days on which nothing was counted, the
/// totals, and the depths of the queues.
pub(crate) async fn export_counts(
    State(app): State<App>,
    admin: Admin,
) -> Result<ApiResponse, Problem> {
    let generated_at = clock::now();
    let today = generated_at.to_zoned(TimeZone::UTC).date();
    let first = today.saturating_sub(YEARS.years());
    let reads = async {
        let store = async {
            Ok::<_, Problem>(tokio::try_join!(
                app.store.list_counters(first, today),
                app.store.get_total_counters()
            )?)
        };
        tokio::try_join!(store, app.pipeline.depths())
    };
    let (caller, ((days, totals), depths)) = admin.authorize_with(reads).await?;
    app.store.create_events(&[caller.audit(Action::ExportCounts, caller.account.id, None)]).await?;
    let days = days.into_iter().map(|(day, counts)| DayCounts { day, counts }).collect();
    let queues = depths
        .into_iter()
        .map(|(name, depth)| {
            (name, QueueDepth { waiting: depth.waiting, under_way: depth.under_way })
        })
        .collect();
    Ok(ok(&CountsExport { generated_at, totals, days, queues }))
}
