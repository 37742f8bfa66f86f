//! How notifications are answered: each with its record, as far as the recipient may still see it.

use std::collections::HashMap;
use std::time::Duration;

use domain::account::Account;
use domain::id::{NotificationId, RecordId, UserId};
use domain::notification::{Notification, NotificationType};
use domain::record::{self, Chart};
use http_kit::problem::Problem;
use http_kit::shapes::{Record, Showcase, people_of};
use runtime::bucket::Bucket;
use serde::Serialize;

use crate::App;

/// A notification with its record.
#[derive(Serialize)]
pub(crate) struct NotificationShape<'a> {
    id: NotificationId,
    record: Option<Record<'a>>,
    notification_type: NotificationType,
    message: &'a str,
    is_read: bool,
    read_at: Option<jiff::Timestamp>,
    created_at: jiff::Timestamp,
}

/// The records of some notifications that their recipient may see now, and the people named in them.
pub(crate) struct Context<'a> {
    viewer: &'a Account,
    charts: HashMap<RecordId, Chart>,
    people: HashMap<UserId, Account>,
    bucket: &'a Bucket,
    download_lifetime: Duration,
}

impl<'a> Context<'a> {
    /// Reads the distinct records and, beside them, the people who are likely named.
    pub(crate) async fn read(app: &'a App, viewer: &'a Account, notifications: &[Notification]) -> Result<Self, Problem> {
        let mut records: Vec<(UserId, RecordId)> = notifications.iter().filter_map(Notification::record).collect();
        records.sort_unstable();
        records.dedup();
        let likely: Vec<UserId> = notifications.iter().map(|it| it.actor_id).filter(|id| *id != viewer.id).collect();
        let (charts, mut people) = tokio::try_join!(app.store.charts(&records), app.store.people(likely))?;
        // The record itself says, strongly consistent, whose it is and to whom it is assigned now.
        let may_see = |chart: &Chart| {
            let record::Record { patient_id, doctor_id, .. } = chart.record;
            viewer.id == patient_id || (viewer.id == doctor_id && viewer.practises())
        };
        let charts: HashMap<RecordId, Chart> = charts.into_iter().flatten().filter(may_see).map(|chart| (chart.record.id, chart)).collect();
        // A former doctor's annotation, a record that was moved since: rare enough for a read of their own.
        let missing: Vec<UserId> = charts.values().flat_map(people_of).filter(|id| *id != viewer.id && !people.contains_key(id)).collect();
        people.extend(app.store.people(missing).await?);
        Ok(Self { viewer, charts, people, bucket: &app.bucket, download_lifetime: app.downloads.download_url_lifetime })
    }

    /// A notification with its record; without one that the recipient may not see any more.
    pub(crate) async fn show(&'a self, notification: &'a Notification) -> Result<NotificationShape<'a>, Problem> {
        let Self { viewer, people, bucket, download_lifetime, .. } = self;
        let showcase = Showcase { viewer, people, bucket, download_lifetime: *download_lifetime };
        let record = match notification.record_id.and_then(|id| self.charts.get(&id)) {
            Some(chart) => Some(showcase.record(chart, HashMap::new()).await?),
            None => None,
        };
        Ok(NotificationShape {
            id: notification.id,
            record,
            notification_type: notification.notification_type,
            message: &notification.message,
            is_read: notification.read_at.is_some(),
            read_at: notification.read_at,
            created_at: notification.id.created_at(),
        })
    }
}
