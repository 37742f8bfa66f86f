//! `GET /admin/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Approval;
use domain::counter::Counts;
use http_api::problem::Problem;
use http_api::query::Query;
use jiff::tz::TimeZone;
use runtime::clock;

use crate::App;
use crate::dashboard::plot::{self, Plot, Span};
use crate::mail::pipeline::DEAD_MAILS;
use crate::web::frame::{Frame, Staff, render};

/// How far the dashboard looks back.
const DAYS: i32 = 30;
/// See [`DAYS`].
const MONTHS: i32 = 12;

/// So many doctors who wait are counted, and no more.
const MOST_WAITING: usize = 25;

#[derive(Template)]
#[template(path = "dashboard/dashboard.html")]
struct Dashboard {
    frame: Frame,
    waiting: String,
    dead_mails: u64,
    by_month: bool,
    plots: [Plot; 4],
    spans: Vec<Span>,
    all: Counts,
}

/// What waits for somebody, and how much there was of everything.
pub(crate) async fn show_dashboard(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    query: Query,
) -> Result<Response, Problem> {
    let by_month = query.parse_alone(|parameters| parameters.flag("by_month"))?.unwrap_or_default();
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let first =
        if by_month { plot::first_month(today, MONTHS) } else { plot::first_day(today, DAYS) };
    let reads = async {
        let store = async {
            let doctors = app.store.list_doctors_by_approval(Approval::Pending, MOST_WAITING, None);
            Ok::<_, Problem>(tokio::try_join!(
                app.store.list_counters(first, today),
                app.store.get_total_counters(),
                doctors
            )?)
        };
        tokio::try_join!(store, app.pipeline.depths())
    };
    let (_, ((counted, all, doctors), depths)) = staff.authorize_with(reads).await?;
    let mut spans = if by_month {
        plot::months(&counted, today, MONTHS)
    } else {
        plot::days(&counted, today, DAYS)
    };
    let plots = [
        Plot::new("registrations", "Registrations", &spans, Counts::registrations),
        Plot::new("records", "Records created", &spans, |counts| counts.records),
        Plot::new("mails-sent", "Mails sent", &spans, |counts| counts.mails_sent),
        Plot::new("mails-failed", "Mails failed", &spans, |counts| counts.mails_failed),
    ];
    spans.reverse();
    let waiting =
        format!("{}{}", doctors.items.len(), if doctors.next.is_some() { "+" } else { "" });
    let dead_mails = depths
        .iter()
        .find(|(name, _)| *name == DEAD_MAILS)
        .map_or(0, |(_, depth)| depth.waiting + depth.under_way);
    render(&Dashboard { frame, waiting, dead_mails, by_month, plots, spans, all })
}
