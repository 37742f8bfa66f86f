//! Use this module for responses with notifications: each with its record, if the recipient may
//! still see it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::access::Relation;
use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{NotificationId, RecordId, UserId};
use domain::notification::{Notification, NotificationType};
use domain::record::RecordDetail;
use http_api::caller::Caller;
use http_api::problem::Problem;
use http_api::views::{RecordPresenter, RecordView, accounts_named_in};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// A notification with its record.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationView<'a> {
    id: NotificationId,
    /// Null without a record, or if you may not see it any more.
    #[schema(required)]
    record: Option<RecordView<'a>>,
    notification_type: NotificationType,
    #[schema(max_length = 2000, example = "New health record created by patient John Doe")]
    message: &'a str,
    is_read: bool,
    /// When it was read; null until then.
    #[schema(required)]
    read_at: Option<Timestamp>,
    created_at: Timestamp,
}

/// The records of notifications that their recipient may see now, and the accounts they name.
pub(crate) struct Context<'a> {
    caller: &'a Caller,
    viewer: &'a Account,
    /// The records that the recipient may probably still see.
    presumed: BTreeSet<(UserId, RecordId)>,
    /// The records that were read, whether the recipient may see them or not.
    read: BTreeSet<(UserId, RecordId)>,
    details: HashMap<RecordId, RecordDetail>,
    accounts_by_id: HashMap<UserId, Account>,
    public_url: &'a str,
}

/// Returns the records of notifications that the recipient may probably still see: for patients
/// all, for doctors those without a newer notification that the assignment has ended.
/// `notifications` are newest first.
fn presumably_seen(
    caller: &Caller,
    notifications: &[Notification],
) -> BTreeSet<(UserId, RecordId)> {
    let is_doctor = caller.account.role == Role::Doctor;
    if !caller.may_read(if is_doctor { Relation::Assigned } else { Relation::Owner }) {
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

/// Makes an event for each patient whose records are among these.
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
    /// Makes the context of a page before anything of it is read.
    pub(crate) fn new(app: &'a App, caller: &'a Caller, notifications: &[Notification]) -> Self {
        Self {
            caller,
            viewer: &caller.account,
            presumed: presumably_seen(caller, notifications),
            read: BTreeSet::new(),
            details: HashMap::new(),
            accounts_by_id: HashMap::new(),
            public_url: &app.http.public_url,
        }
    }

    /// Reads the records of some notifications of the page and, concurrently, the accounts they
    /// probably name, and writes to the audit trail.
    ///
    /// The events are written while the records are read, for those that the recipient may probably
    /// see. Where that was wrong, they are corrected before the response.
    pub(crate) async fn read(
        &mut self,
        app: &App,
        notifications: &[Notification],
    ) -> Result<(), Problem> {
        let Self { caller, viewer, .. } = *self;
        let records: BTreeSet<(UserId, RecordId)> =
            notifications.iter().filter_map(Notification::record).collect();
        let records = &records - &self.read;
        let presumed = &records & &self.presumed;
        let likely: Vec<UserId> = notifications
            .iter()
            .map(|it| it.actor_id)
            .filter(|id| *id != viewer.id && !self.accounts_by_id.contains_key(id))
            .collect();
        let events = events(caller, Outcome::Success, &presumed);
        self.read.extend(&records);
        let records: Vec<(UserId, RecordId)> = records.into_iter().collect();
        let (details, accounts_by_id, ()) = tokio::try_join!(
            app.store.get_record_details(&records),
            app.store.get_accounts(likely),
            app.store.create_events(&events)
        )?;
        self.accounts_by_id.extend(accounts_by_id);
        // The record is read strongly consistently: its patient and doctor are the present ones.
        let may_read =
            |detail: &RecordDetail| caller.may_read(Relation::to_record(viewer.id, &detail.record));
        let details: HashMap<RecordId, RecordDetail> = details
            .into_iter()
            .flatten()
            .filter(may_read)
            .map(|detail| (detail.record.id, detail))
            .collect();
        // Rare: annotations of former doctors, and records that were assigned to others since.
        let missing: Vec<UserId> = details
            .values()
            .flat_map(accounts_named_in)
            .filter(|id| *id != viewer.id && !self.accounts_by_id.contains_key(id))
            .collect();
        let seen: BTreeSet<(UserId, RecordId)> =
            details.values().map(|detail| (detail.record.patient_id, detail.record.id)).collect();
        let mut corrections = self::events(caller, Outcome::Success, &(&seen - &presumed));
        corrections.extend(self::events(caller, Outcome::Denied, &(&presumed - &seen)));
        let (others, ()) = tokio::try_join!(
            app.store.get_accounts(missing),
            app.store.create_events(&corrections)
        )?;
        self.accounts_by_id.extend(others);
        self.details.extend(details);
        Ok(())
    }

    /// Returns a notification with its record, or without if the recipient may not see it any more.
    pub(crate) fn show<'b>(&'b self, notification: &'b Notification) -> NotificationView<'b> {
        let Self { viewer, accounts_by_id, public_url, .. } = self;
        let view = RecordPresenter { viewer, accounts_by_id, public_url };
        let detail = notification.record_id.and_then(|id| self.details.get(&id));
        NotificationView {
            id: notification.id,
            record: detail.map(|detail| view.record(detail, HashMap::new())),
            notification_type: notification.notification_type,
            message: &notification.message,
            is_read: notification.read_at.is_some(),
            read_at: notification.read_at,
            created_at: notification.id.created_at(),
        }
    }
}
