//! Deciding about a doctor's licence.

use domain::account::{Account, Approval, Role};
use domain::approval::ApprovalDecision;
use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::mail::Mail;
use domain::problem::Code;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::etag::IfMatch;
use http_api::problem::Problem;
use runtime::clock;
use store::UpdateError;
use store::retry::CHANGED_SINCE_READ;

use crate::StaffService;

impl StaffService {
    /// Decides about a doctor's licence and notifies the doctor.
    ///
    /// # Errors
    /// 404 when there is no such doctor, 409 when the decision is not possible now, and 412 or 409
    /// when the account has changed.
    pub async fn decide_approval(
        &self,
        admin: Admin,
        id: UserId,
        if_match: &IfMatch,
        decision: ApprovalDecision,
        reason: Option<Justification>,
    ) -> Result<Account, Problem> {
        let (caller, mut found) = admin.authorize_with(self.store.get_account(id)).await?;
        let licence = |account: &Account| {
            account.doctor_profile().map(|profile| profile.license_number.clone())
        };
        let seen = found.as_ref().and_then(licence);
        let mut retries = CHANGED_SINCE_READ.start();
        loop {
            let before = found
                .filter(|account| account.role == Role::Doctor)
                .ok_or_else(Problem::not_found)?;
            if_match.check(before.version)?;
            if licence(&before) != seen {
                return Err(if_match.lost_race());
            }
            let present = before.approval.unwrap_or(Approval::Pending);
            if !decision.is_allowed_from(present) {
                let detail = format!("The doctor is {present}: this cannot be decided now.");
                return Err(Problem::conflict(Code::ApprovalNotPossible, detail));
            }
            if before.doctor_profile().is_none() && decision != ApprovalDecision::Suspend {
                return Err(Problem::conflict(
                    Code::NoProfile,
                    "The doctor has told no licence yet.",
                ));
            }
            let after = Account {
                approval: Some(decision.outcome()),
                version: before.version + 1,
                ..before.clone()
            };
            let notification =
                decision.notification(clock::new_id(), id, &caller.account, reason.as_ref());
            let mail = Mail::new(clock::new_id(), decision.mail(), id, clock::now());
            let event = AuditEvent {
                reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
                before: Some(present.to_string()),
                after: Some(decision.outcome().to_string()),
                ..caller.audit(decision.action(), id, None)
            };
            match self.store.decide_approval(&before, &after, &notification, &mail, &event).await {
                Ok(()) => return Ok(after),
                Err(UpdateError::Stale) => found = self.store.get_account(id).await?,
                Err(UpdateError::Store(error)) => return Err(error.into()),
            }
            if !retries.next().await {
                return Err(if_match.lost_race());
            }
        }
    }
}
