//! How notifications are answered: each with its record, as far as the recipient may still see it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use domain::access::Relation;
use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{NotificationId, RecordId, UserId};
use domain::notification::{Notification, NotificationType};
use domain::record::RecordDetail;
use http_api::caller::Caller;
use http_api::problem::Problem;
use http_api::views::{Record, RecordView, accounts_named_in};
use jiff::Timestamp;
use runtime::bucket::Bucket;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// A notification with its record.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationShape<'a> {
    id: NotificationId,
    /// Null where it is about none, or the recipient may not see it any more.
    #[schema(required)]
    record: Option<Record<'a>>,
    notification_type: NotificationType,
    #[schema(max_length = 2000, example = "New health record created by patient John Doe")]
    message: &'a str,
    is_read: bool,
    /// When it was read; null until then.
    #[schema(required)]
    read_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// The records of some notifications that their recipient may see now, and the people named in
/// them.
pub(crate) struct Context<'a> {
    viewer: &'a Account,
    charts: HashMap<RecordId, RecordDetail>,
    people: HashMap<UserId, Account>,
    bucket: &'a Bucket,
    download_lifetime: Duration,
}

/// The records that the reader of these notifications, newest first, most likely still sees: all of
/// a patient's own; a doctor's but for those of which they are told that they are no longer
/// assigned.
fn presumably_seen(
    caller: &Caller,
    notifications: &[Notification],
) -> BTreeSet<(UserId, RecordId)> {
    let is_doctor = caller.account.role == Role::Doctor;
    if !caller.sees(if is_doctor { Relation::Assigned } else { Relation::Owner }) {
        return BTreeSet::new();
    }
    let (mut seen, mut ended) = (BTreeSet::new(), BTreeSet::new());
    for notification in notifications {
        let Some(record) = notification.record() else { continue };
        if is_doctor
            && notification.notification_type == NotificationType::AssignmentEnded
            && !seen.contains(&record)
        {
            ended.insert(record);
        } else if !ended.contains(&record) {
            seen.insert(record);
        }
    }
    seen
}

/// One event for each patient whose records are among these.
fn events(
    caller: &Caller,
    outcome: Outcome,
    records: &BTreeSet<(UserId, RecordId)>,
) -> Vec<AuditEvent> {
    let mut by_patient: BTreeMap<UserId, Vec<RecordId>> = BTreeMap::new();
    for (patient, record) in records {
        by_patient.entry(*patient).or_default().push(*record);
    }
    let event = |(patient, records)| {
        caller
            .audit(Action::ReadNotifications, patient, None)
            .with_records(records)
            .with_outcome(outcome)
    };
    by_patient.into_iter().map(event).collect()
}

impl<'a> Context<'a> {
    /// Reads the distinct records and, beside them, the people who are likely named; and tells the
    /// audit trail.
    ///
    /// The trail is told while the records are read, of those that the recipient presumably still
    /// sees. Where that turns out wrong it is told the truth before anything is answered.
    pub(crate) async fn read(
        app: &'a App,
        caller: &'a Caller,
        notifications: &[Notification],
    ) -> Result<Self, Problem> {
        let viewer = &caller.account;
        let mut records: Vec<(UserId, RecordId)> =
            notifications.iter().filter_map(Notification::record).collect();
        records.sort_unstable();
        records.dedup();
        let likely: Vec<UserId> =
            notifications.iter().map(|it| it.actor_id).filter(|id| *id != viewer.id).collect();
        let presumed = presumably_seen(caller, notifications);
        let events = events(caller, Outcome::Success, &presumed);
        let (charts, mut people, ()) = tokio::try_join!(
            app.store.get_record_details(&records),
            app.store.get_accounts(likely),
            app.store.create_events(&events)
        )?;
        // The record itself says, strongly consistent, whose it is and to whom it is assigned now.
        let may_see =
            |chart: &RecordDetail| caller.sees(Relation::to_record(viewer.id, &chart.record));
        let charts: HashMap<RecordId, RecordDetail> = charts
            .into_iter()
            .flatten()
            .filter(may_see)
            .map(|chart| (chart.record.id, chart))
            .collect();
        // A former doctor's annotation, a record that was moved since: rare enough for a read of
        // their own.
        let missing: Vec<UserId> = charts
            .values()
            .flat_map(accounts_named_in)
            .filter(|id| *id != viewer.id && !people.contains_key(id))
            .collect();
        let seen: BTreeSet<(UserId, RecordId)> =
            charts.values().map(|chart| (chart.record.patient_id, chart.record.id)).collect();
        let mut corrections = self::events(caller, Outcome::Success, &(&seen - &presumed));
        corrections.extend(self::events(caller, Outcome::Denied, &(&presumed - &seen)));
        let (others, ()) = tokio::try_join!(
            app.store.get_accounts(missing),
            app.store.create_events(&corrections)
        )?;
        people.extend(others);
        Ok(Self {
            viewer,
            charts,
            people,
            bucket: &app.bucket,
            download_lifetime: app.downloads.download_url_lifetime,
        })
    }

    /// A notification with its record; without one that the recipient may not see any more.
    pub(crate) async fn show(
        &'a self,
        notification: &'a Notification,
    ) -> Result<NotificationShape<'a>, Problem> {
        let Self { viewer, people, bucket, download_lifetime, .. } = self;
        let showcase = RecordView { viewer, people, bucket, download_lifetime: *download_lifetime };
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
