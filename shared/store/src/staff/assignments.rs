//! Staff correct which doctor a record is assigned to.

use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::notification::Notification;
use domain::record::{Assignment, BeforeAfter, RecordVersion};
use jiff::Timestamp;

use crate::attributes::{number, string};
use crate::error::UpdateError;
use crate::keys;
use crate::staff::outline::RecordOutline;
use crate::store::Store;
use crate::write::Step;

impl Store {
    /// Assigns a record to another doctor, as [`Store::update_record`] does for the patient,
    /// without reading what it says.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the stored version is not that of `before`.
    pub async fn correct_assignment(
        &self,
        before: &RecordOutline,
        doctor: UserId,
        now: Timestamp,
        notifications: &[Notification],
        event: &AuditEvent,
    ) -> Result<(), UpdateError> {
        let RecordOutline { id, patient_id, record_type, .. } = *before;
        let moved = Step::update(
            keys::record(patient_id, id),
            "SET doctor_id = :doctor, updated_at = :now, version = version + :one",
        );
        let version = RecordVersion {
            doctor_id: Some(BeforeAfter { before: before.doctor_id, after: doctor }),
            ..RecordVersion::empty(patient_id, id, before.version + 1, event.actor_id, now)
        };
        let mut steps = vec![
            moved.only_if("version = :before", UpdateError::Stale).with([
                string(":doctor", doctor),
                string(":now", now),
                number(":one", 1_u64),
                number(":before", before.version),
            ]),
            Step::delete(keys::assignment(before.doctor_id, id)),
            Step::put(&Assignment { record_id: id, doctor_id: doctor, patient_id, record_type })?,
            Step::put(&version)?,
            self.audit(event)?,
        ];
        for notification in notifications {
            steps.push(Step::put(notification)?);
        }
        self.commit(steps).await
    }
}
