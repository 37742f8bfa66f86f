//! `GET /admin/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Approval;
use domain::counter::Counts;
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use jiff::tz::TimeZone;
use runtime::clock;

use crate::App;
use crate::dashboard::plot::{self, CountedPeriod, Plot};
use crate::mail::pipeline::MAIL_DEAD_LETTERS;
use crate::web::layout::{PageLayout, render};

/// How far back the dashboard shows counts by day, and by month.
const DAYS: i32 = 30;
const MONTHS: i32 = 12;

/// How many pending doctors are counted at most.
const MAX_PENDING_DOCTORS: usize = 25;

#[derive(Template)]
#[template(path = "dashboard/dashboard.html")]
struct DashboardPage {
    layout: PageLayout,
    pending_doctors: String,
    dead_letters: u64,
    by_month: bool,
    plots: [Plot; 4],
    periods: Vec<CountedPeriod>,
    totals: Counts,
}

/// Shows open work, and counts over time.
pub(crate) async fn show_dashboard(
    State(app): State<App>,
    layout: PageLayout,
    admin: Admin,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let by_month = query.parse_alone(|parameters| parameters.flag("by_month"))?.unwrap_or_default();
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let first =
        if by_month { plot::first_month(today, MONTHS) } else { plot::first_day(today, DAYS) };
    let reads = async {
        let store = async {
            let doctors =
                app.store.list_doctors_by_approval(Approval::Pending, MAX_PENDING_DOCTORS, None);
            Ok::<_, Problem>(tokio::try_join!(
                app.store.list_counters(first, today),
                app.store.get_total_counters(),
                doctors
            )?)
        };
        tokio::try_join!(store, app.pipeline.depths())
    };
    let (_, ((counted, totals, doctors), depths)) = admin.authorize_with(reads).await?;
    let mut periods = if by_month {
        plot::months(&counted, today, MONTHS)
    } else {
        plot::days(&counted, today, DAYS)
    };
    let plots = [
        Plot::new("registrations", "Registrations", &periods, Counts::registrations),
        Plot::new("records", "Records created", &periods, |counts| counts.records),
        Plot::new("mails-sent", "Mails sent", &periods, |counts| counts.mails_sent),
        Plot::new("mails-failed", "Mails failed", &periods, |counts| counts.mails_failed),
    ];
    periods.reverse();
    let pending_doctors =
        format!("{}{}", doctors.items.len(), if doctors.next.is_some() { "+" } else { "" });
    let dead_letters = depths
        .iter()
        .find(|(name, _)| *name == MAIL_DEAD_LETTERS)
        .map_or(0, |(_, depth)| depth.waiting + depth.under_way);
    render(&DashboardPage {
        layout,
        pending_doctors,
        dead_letters,
        by_month,
        plots,
        periods,
        totals,
    })
}
