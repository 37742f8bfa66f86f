//! Notifications in users' inboxes, and the events that cause them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::field::string_enum;
use crate::id::{NotificationId, RecordId, UserId};

string_enum! {
    /// What a notification is about.
    NotificationType {
        /// To a doctor: a record was assigned to them.
        PatientAssigned = "patient_assigned",
        /// To the former doctor: a record is no longer assigned to them.
        AssignmentEnded = "assignment_ended",
        /// To the doctor: the patient changed the record or its files.
        RecordUpdated = "record_updated",
        /// To the patient: the doctor annotated the record.
        RecordAnnotated = "record_annotated",
        /// To the patient: the doctor changed an annotation.
        AnnotationUpdated = "annotation_updated",
        /// To a doctor: staff approved their licence.
        ApprovalGranted = "approval_granted",
        /// To a doctor: staff refused their licence.
        ApprovalRefused = "approval_refused",
        /// To a doctor: staff suspended them.
        ApprovalSuspended = "approval_suspended",
        /// To the patient: staff got emergency access to the record.
        RecordOpenedByStaff = "record_opened_by_staff",
        /// To the patient: staff assigned the record to another doctor.
        RecordReassignedByStaff = "record_reassigned_by_staff",
    }
}

impl NotificationType {
    /// Returns the subject of the mail, which contains the type only.
    pub fn subject(self) -> &'static str {
        match self {
            Self::PatientAssigned => "Health Record Notification - Patient Assigned",
            Self::AssignmentEnded => "Health Record Notification - Assignment Ended",
            Self::RecordUpdated => "Health Record Notification - Record Updated",
            Self::RecordAnnotated => "Health Record Notification - Record Annotated",
            Self::AnnotationUpdated => "Health Record Notification - Annotation Updated",
            Self::ApprovalGranted => "Health Record Notification - Licence Approved",
            Self::ApprovalRefused => "Health Record Notification - Licence Refused",
            Self::ApprovalSuspended => "Health Record Notification - Suspended",
            Self::RecordOpenedByStaff => "Health Record Notification - Record Opened by Staff",
            Self::RecordReassignedByStaff => {
                "Health Record Notification - Record Assigned by Staff"
            }
        }
    }

    /// Returns whether a notification takes the place of an earlier one about the same record: one
    /// that changes often would fill the inbox.
    pub fn is_coalesced(self) -> bool {
        matches!(self, Self::RecordUpdated | Self::AnnotationUpdated)
    }

    /// Returns whether a mail is sent for the notification. Decisions about licences have account
    /// mails of their own.
    pub fn is_mailed(self) -> bool {
        !matches!(self, Self::ApprovalGranted | Self::ApprovalRefused | Self::ApprovalSuspended)
    }
}

/// A notification in somebody's inbox.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// The notification's id.
    pub id: NotificationId,
    /// The user in whose inbox it is.
    pub recipient_id: UserId,
    /// The type.
    pub notification_type: NotificationType,
    /// The record it is about, if any.
    pub record_id: Option<RecordId>,
    /// The patient whose record it is.
    pub patient_id: Option<UserId>,
    /// The user who caused it: a patient, a doctor or staff.
    pub actor_id: UserId,
    /// The text shown in the API. Never contained in a mail.
    pub message: String,
    /// When the recipient read it.
    pub read_at: Option<Timestamp>,
    /// Deleted by the recipient. It stays stored until its mail has ended: sent, given up or in
    /// doubt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_deleted: bool,
    /// The earlier notification whose place it took.
    pub supersedes: Option<NotificationId>,
    /// When the first notification was created whose place it took, directly or not.
    pub pending_since: Option<Timestamp>,
}

impl Notification {
    /// How long the mail about a change waits for further changes of the same record.
    pub const COALESCING_TIME: SignedDuration = SignedDuration::from_secs(5);

    /// Replaces an unread notification of the same type about the same record whose mail has not
    /// been sent. The mail waits no longer than that of the first notification would have.
    #[must_use]
    pub fn superseding(self, open: &Self) -> Self {
        let pending_since = open.pending_since.unwrap_or(open.id.created_at());
        Self { supersedes: Some(open.id), pending_since: Some(pending_since), ..self }
    }

    /// Returns when its mail is due; `None` if it is due at once.
    pub fn mail_due_at(&self) -> Option<Timestamp> {
        let first = self.pending_since.unwrap_or(self.id.created_at());
        let due = first.checked_add(Self::COALESCING_TIME).ok();
        due.filter(|_| self.notification_type.is_coalesced())
    }

    /// Returns patient and record, if it is about a record.
    pub fn record(&self) -> Option<(UserId, RecordId)> {
        self.patient_id.zip(self.record_id)
    }
}

/// A change of a record, or an access to it, that another user is notified of.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum RecordEvent<'a> {
    /// The patient created a record for the recipient.
    Created {
        /// The patient.
        patient: &'a Account,
    },
    /// The patient assigned an existing record to the recipient.
    Assigned {
        /// The patient.
        patient: &'a Account,
    },
    /// The patient assigned the recipient's record to another doctor.
    Unassigned {
        /// The patient.
        patient: &'a Account,
    },
    /// The patient changed the record.
    Updated {
        /// The patient.
        patient: &'a Account,
    },
    /// The doctor annotated the record.
    Annotated {
        /// The doctor.
        doctor: &'a Account,
    },
    /// The doctor changed an annotation.
    AnnotationChanged {
        /// The doctor.
        doctor: &'a Account,
    },
    /// Staff got emergency access to the record. The access log contains the admin and the reason.
    Opened {
        /// The admin.
        staff: &'a Account,
    },
    /// Staff assigned the record to the recipient.
    AssignedByStaff {
        /// The admin.
        staff: &'a Account,
    },
    /// Staff assigned the recipient's record to another doctor.
    UnassignedByStaff {
        /// The admin.
        staff: &'a Account,
    },
    /// Staff assigned the patient's record to another doctor.
    ReassignedByStaff {
        /// The admin.
        staff: &'a Account,
    },
}

impl RecordEvent<'_> {
    /// Creates the notification of the event to `recipient_id`.
    pub fn notification(
        self,
        id: NotificationId,
        recipient_id: UserId,
        record_id: RecordId,
        patient_id: UserId,
    ) -> Notification {
        let (notification_type, actor, message) = match self {
            Self::Created { patient } => (
                NotificationType::PatientAssigned,
                patient,
                format!("New health record created by patient {}", patient.full_name()),
            ),
            Self::Assigned { patient } => (
                NotificationType::PatientAssigned,
                patient,
                format!("Health record assigned to you by patient {}", patient.full_name()),
            ),
            Self::Unassigned { patient } => (
                NotificationType::AssignmentEnded,
                patient,
                format!(
                    "Health record no longer assigned to you by patient {}",
                    patient.full_name()
                ),
            ),
            Self::Updated { patient } => (
                NotificationType::RecordUpdated,
                patient,
                format!("Health record updated by patient {}", patient.full_name()),
            ),
            Self::Annotated { doctor } => (
                NotificationType::RecordAnnotated,
                doctor,
                format!("Dr. {} has annotated health record: {record_id}", doctor.full_name()),
            ),
            Self::AnnotationChanged { doctor } => (
                NotificationType::AnnotationUpdated,
                doctor,
                format!(
                    "Dr. {} has changed an annotation on health record: {record_id}",
                    doctor.full_name()
                ),
            ),
            Self::Opened { staff } => (
                NotificationType::RecordOpenedByStaff,
                staff,
                format!("Staff have opened health record: {record_id}"),
            ),
            Self::AssignedByStaff { staff } => (
                NotificationType::PatientAssigned,
                staff,
                "Health record assigned to you by staff".to_owned(),
            ),
            Self::UnassignedByStaff { staff } => (
                NotificationType::AssignmentEnded,
                staff,
                "Health record no longer assigned to you by staff".to_owned(),
            ),
            Self::ReassignedByStaff { staff } => (
                NotificationType::RecordReassignedByStaff,
                staff,
                format!("Staff have assigned health record to another doctor: {record_id}"),
            ),
        };
        let actor_id = actor.id;
        let (record_id, patient_id) = (Some(record_id), Some(patient_id));
        Notification {
            id,
            recipient_id,
            notification_type,
            record_id,
            patient_id,
            actor_id,
            message,
            read_at: None,
            is_deleted: false,
            supersedes: None,
            pending_since: None,
        }
    }
}

/// The notifications that a bulk action on an inbox covers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InboxExtent {
    /// Everything up to and including this notification. This id is not [recent](Self::RECENT)
    /// (unless more are recent than are changed individually), so no older id can be stored later.
    pub through: Option<NotificationId>,
    /// The recent notifications, each by its id.
    pub recent: Vec<NotificationId>,
}

impl InboxExtent {
    /// Maximum age of an id whose notification is not stored yet: 30 s, more than any request
    /// takes, and an hour by which the clocks of two sandboxes may differ.
    pub const RECENT: SignedDuration = SignedDuration::from_secs(3_630);

    /// Returns the lowest id of a notification that is recent at `now`.
    pub fn oldest_recent(now: Timestamp) -> NotificationId {
        NotificationId::first_at(now.checked_sub(Self::RECENT).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

/// The state of an inbox after bulk actions: notifications up to these ids are read or deleted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct InboxState {
    /// The newest notification covered by the last mark-all-read.
    pub read_through: Option<NotificationId>,
    /// When they were marked as read.
    pub read_through_at: Option<Timestamp>,
    /// The newest notification covered by the last delete-all.
    pub deleted_through: Option<NotificationId>,
    /// When a delete-all last marked newer notifications as deleted, one by one.
    pub recent_deleted_at: Option<Timestamp>,
    /// How far a mark-all-read of a long inbox has set the times of its notifications.
    pub settled_through: Option<NotificationId>,
    /// How far a delete-all of a long inbox has purged it.
    pub purged_through: Option<NotificationId>,
}

impl InboxState {
    /// Returns whether a bulk action has deleted everything up to and including a notification.
    pub fn has_deleted_through(&self, id: NotificationId) -> bool {
        self.deleted_through.is_some_and(|through| id <= through)
    }

    /// Returns whether the notification was deleted, alone or by a bulk action.
    pub fn has_deleted(&self, notification: &Notification) -> bool {
        notification.is_deleted || self.has_deleted_through(notification.id)
    }

    /// Returns when the notification was read, alone or by a bulk action.
    pub fn read_at(&self, notification: &Notification) -> Option<Timestamp> {
        let covered = self.read_through.is_some_and(|through| notification.id <= through);
        notification.read_at.or(if covered { self.read_through_at } else { None })
    }
}
