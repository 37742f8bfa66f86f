//! What staff decide about a doctor's licence to practise.

use crate::account::{Account, Approval};
use crate::audit::Action;
use crate::id::{NotificationId, UserId};
use crate::mail::MailKind;
use crate::notification::{Notification, NotificationType};
use crate::text::Justification;

/// A decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApprovalDecision {
    /// The licence is good: the doctor is listed and records may be assigned.
    Approve,
    /// The licence is not good.
    Refuse,
    /// The doctor, approved before, keeps nothing but the account.
    Suspend,
}

impl ApprovalDecision {
    /// What the decision makes of the doctor's approval.
    pub fn outcome(self) -> Approval {
        match self {
            Self::Approve => Approval::Approved,
            Self::Refuse => Approval::Refused,
            Self::Suspend => Approval::Suspended,
        }
    }

    /// Whether it can be taken: a licence is refused before it was approved, and who is approved
    /// can be suspended. Nothing is decided twice.
    pub fn is_allowed_from(self, present: Approval) -> bool {
        match self {
            Self::Approve => present != Approval::Approved,
            Self::Refuse => present == Approval::Pending,
            Self::Suspend => present == Approval::Approved,
        }
    }

    /// What the audit trail calls it.
    pub fn action(self) -> Action {
        match self {
            Self::Approve => Action::ApproveDoctor,
            Self::Refuse => Action::RefuseDoctor,
            Self::Suspend => Action::SuspendDoctor,
        }
    }

    /// The mail that tells the doctor.
    pub fn mail(self) -> MailKind {
        match self {
            Self::Approve => MailKind::DoctorApproved,
            Self::Refuse => MailKind::DoctorRefused,
            Self::Suspend => MailKind::DoctorSuspended,
        }
    }

    /// The notification that tells the doctor, with the reason if there is one.
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_decided_twice_and_nobody_is_suspended_unapproved() {
        let possible = |decision: ApprovalDecision| -> Vec<Approval> {
            Approval::ALL
                .iter()
                .copied()
                .filter(|present| decision.is_allowed_from(*present))
                .collect()
        };
        assert_eq!(
            possible(ApprovalDecision::Approve),
            [Approval::Pending, Approval::Refused, Approval::Suspended]
        );
        assert_eq!(possible(ApprovalDecision::Refuse), [Approval::Pending]);
        assert_eq!(possible(ApprovalDecision::Suspend), [Approval::Approved]);
        for decision in
            [ApprovalDecision::Approve, ApprovalDecision::Refuse, ApprovalDecision::Suspend]
        {
            assert!(!decision.is_allowed_from(decision.outcome()));
        }
    }
}
