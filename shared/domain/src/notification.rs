//! Notifications: what happened, to whom it is told, in which words.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::field::string_enum;
use crate::id::{NotificationId, RecordId, UserId};

string_enum! {
    /// What a notification is about.
    NotificationType {
        /// To a doctor: a record is now assigned to them.
        PatientAssigned = "patient_assigned",
        /// To the former doctor: a record is no longer assigned to them.
        AssignmentEnded = "assignment_ended",
        /// To the doctor: the patient changed the record or its files.
        RecordUpdated = "record_updated",
        /// To the patient: the doctor annotated the record.
        RecordAnnotated = "record_annotated",
        /// To the patient: the doctor changed an annotation.
        AnnotationUpdated = "annotation_updated",
        /// To a doctor: staff have approved the licence.
        ApprovalGranted = "approval_granted",
        /// To a doctor: staff have refused the licence.
        ApprovalRefused = "approval_refused",
        /// To a doctor: staff have suspended them.
        ApprovalSuspended = "approval_suspended",
        /// To the patient: staff have opened the record, to read what it says.
        RecordOpenedByStaff = "record_opened_by_staff",
        /// To the patient: staff have assigned the record to another doctor.
        RecordReassignedByStaff = "record_reassigned_by_staff",
    }
}

impl NotificationType {
    /// The subject of the mail: it names the kind of event and nothing else.
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

    /// Whether the notification asks for a mail about it. What staff decide is told by a mail of
    /// its own kind.
    pub fn is_mailed(self) -> bool {
        !matches!(self, Self::ApprovalGranted | Self::ApprovalRefused | Self::ApprovalSuspended)
    }
}

/// A notification in somebody's inbox.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// The notification's id.
    pub id: NotificationId,
    /// In whose inbox it is.
    pub recipient_id: UserId,
    /// What it is about.
    pub notification_type: NotificationType,
    /// The record it is about, if it is about one.
    pub record_id: Option<RecordId>,
    /// Whose record it is.
    pub patient_id: Option<UserId>,
    /// Who caused it: a doctor for patients, a patient for doctors, or staff.
    pub actor_id: UserId,
    /// What happened, as told in the API. Never in a mail.
    pub message: String,
    /// When the recipient read it.
    pub read_at: Option<Timestamp>,
}

impl Notification {
    /// The record it is about and whose it is.
    pub fn record(&self) -> Option<(UserId, RecordId)> {
        self.patient_id.zip(self.record_id)
    }
}

/// Something that happened to a record and that somebody else must know.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum RecordEvent<'a> {
    /// The patient created the record.
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
    /// Staff opened the record, to read what it says: the access log tells the patient who and why.
    Opened {
        /// The one who did.
        staff: &'a Account,
    },
    /// Staff assigned the record to the recipient.
    AssignedByStaff {
        /// The one who did.
        staff: &'a Account,
    },
    /// Staff assigned the recipient's record to another doctor.
    UnassignedByStaff {
        /// The one who did.
        staff: &'a Account,
    },
    /// Staff assigned the patient's record to another doctor.
    ReassignedByStaff {
        /// The one who did.
        staff: &'a Account,
    },
}

impl RecordEvent<'_> {
    /// The notification that tells `recipient_id` of it.
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
        }
    }
}

/// What bulk actions have done to an inbox: everything up to these ids is read, or deleted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct InboxState {
    /// The newest notification covered by the last mark-all-read.
    pub read_through: Option<NotificationId>,
    /// When that was.
    pub read_through_at: Option<Timestamp>,
    /// The newest notification covered by the last delete-all.
    pub deleted_through: Option<NotificationId>,
}

impl InboxState {
    /// Whether a bulk deletion covers the notification.
    pub fn has_deleted(&self, id: NotificationId) -> bool {
        self.deleted_through.is_some_and(|through| id <= through)
    }

    /// When the notification was read, by itself or by a bulk action.
    pub fn read_at(&self, notification: &Notification) -> Option<Timestamp> {
        let covered = self.read_through.is_some_and(|through| notification.id <= through);
        notification.read_at.or(if covered { self.read_through_at } else { None })
    }
}
