//! Decisions of staff about a doctor's licence to practise.

use crate::account::{Account, Approval};
use crate::audit::Action;
use crate::id::{NotificationId, UserId};
use crate::mail::MailKind;
use crate::notification::{Notification, NotificationType};
use crate::text::Justification;

/// A decision of staff about a doctor's licence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApprovalDecision {
    /// Approves the licence: the doctor is listed, and records may be assigned.
    Approve,
    /// Refuses the licence.
    Refuse,
    /// Suspends an approved doctor, who loses access to all records.
    Suspend,
}

impl ApprovalDecision {
    /// Returns the approval that follows from the decision.
    pub fn outcome(self) -> Approval {
        match self {
            Self::Approve => Approval::Approved,
            Self::Refuse => Approval::Refused,
            Self::Suspend => Approval::Suspended,
        }
    }

    /// Returns whether the decision is allowed in the present state: only pending doctors can be
    /// refused, only approved ones suspended, and all but approved ones approved.
    pub fn is_allowed_from(self, present: Approval) -> bool {
        match self {
            Self::Approve => present != Approval::Approved,
            Self::Refuse => present == Approval::Pending,
            Self::Suspend => present == Approval::Approved,
        }
    }

    /// Returns its action in the audit trail.
    pub fn action(self) -> Action {
        match self {
            Self::Approve => Action::ApproveDoctor,
            Self::Refuse => Action::RefuseDoctor,
            Self::Suspend => Action::SuspendDoctor,
        }
    }

    /// Returns the kind of mail that informs the doctor.
    pub fn mail(self) -> MailKind {
        match self {
            Self::Approve => MailKind::DoctorApproved,
            Self::Refuse => MailKind::DoctorRefused,
            Self::Suspend => MailKind::DoctorSuspended,
        }
    }

    /// Creates the notification that informs the doctor, with the reason if there is one.
    pub fn notification(
        self,
        id: NotificationId,
        recipient_id: UserId,
        staff: &Account,
        reason: Option<&Justification>,
    ) -> Notification {
        let (notification_type, what) = match self {
            Self::Approve => {
                (NotificationType::ApprovalGranted, "Your licence to practise has been approved")
            }
            Self::Refuse => {
                (NotificationType::ApprovalRefused, "Your licence to practise has been refused")
            }
            Self::Suspend => (NotificationType::ApprovalSuspended, "You have been suspended"),
        };
        let message = match reason {
            Some(reason) => format!("{what}: {}", reason.as_str()),
            None => what.to_owned(),
        };
        let actor_id = staff.id;
        Notification {
            id,
            recipient_id,
            notification_type,
            record_id: None,
            patient_id: None,
            actor_id,
            message,
            read_at: None,
            is_deleted: false,
            supersedes: None,
            pending_since: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_decision_is_repeated_and_only_approved_doctors_are_suspended() {
        let allowed_from = |decision: ApprovalDecision| -> Vec<Approval> {
            Approval::ALL
                .iter()
                .copied()
                .filter(|present| decision.is_allowed_from(*present))
                .collect()
        };
        assert_eq!(
            allowed_from(ApprovalDecision::Approve),
            [Approval::Pending, Approval::Refused, Approval::Suspended]
        );
        assert_eq!(allowed_from(ApprovalDecision::Refuse), [Approval::Pending]);
        assert_eq!(allowed_from(ApprovalDecision::Suspend), [Approval::Approved]);
        for decision in
            [ApprovalDecision::Approve, ApprovalDecision::Refuse, ApprovalDecision::Suspend]
        {
            assert!(!decision.is_allowed_from(decision.outcome()));
        }
    }
}
