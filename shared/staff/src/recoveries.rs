//! What waits: listing, approving and cancelling what admins have started for users.

use domain::access::Relation;
use domain::audit::{Action, AuditEvent};
use domain::id::{RecoveryId, UserId};
use domain::problem::Code;
use domain::recovery::Recovery;
use http_api::caller::{Admin, Caller};
use http_api::page::Paging;
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;
use store::{Page, UpdateError};

use crate::StaffService;

request! {
    /// The recovery that was looked at. Another one may wait by now.
    pub struct SeenRecovery {
        recovery: RecoveryId = required,
    }
}

impl StaffService {
    /// Lists a page of the recoveries that wait.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn list_recoveries(
        &self,
        admin: Admin,
        paging: &Paging<UserId>,
    ) -> Result<(Caller, Page<Recovery, UserId>), Problem> {
        let page = self.store.list_recoveries(clock::now(), paging.limit, paging.after);
        let (caller, page) = admin.authorize_with(page).await?;
        let event = caller.audit(Action::ListUsers, caller.account.id, None);
        self.store.create_events(std::slice::from_ref(&event)).await?;
        Ok((caller, page))
    }

    /// Approves a recovery as the second admin. Does nothing if it is approved already.
    ///
    /// # Errors
    /// 404 when it does not wait any more, 403 when the approval of this admin does not count, 409
    /// when it has changed meanwhile.
    pub async fn approve_recovery(
        &self,
        admin: Admin,
        user: UserId,
        SeenRecovery { recovery }: SeenRecovery,
    ) -> Result<(), Problem> {
        let found = self.store.get_recovery(user, clock::now());
        let (caller, found) = admin.authorize_with(found).await?;
        let before = seen(found, recovery)?;
        let event = decision(&caller, &before, Action::ApproveRecovery);
        if !caller.may(Relation::to_recovery(&caller.account, &before)) {
            return Err(caller.refuse(&self.store, event, Problem::own_account()).await);
        }
        if before.approved_by.is_some() {
            return Ok(());
        }
        let after = Recovery {
            approved_by: Some(caller.account.id),
            approved_by_name: Some(caller.account.full_name()),
            version: before.version + 1,
            ..before
        };
        self.store.approve_recovery(&after, &event).await.map_err(changed)
    }

    /// Cancels a recovery.
    ///
    /// # Errors
    /// 404 when it does not wait any more, 409 when it has changed meanwhile.
    pub async fn cancel_recovery(
        &self,
        admin: Admin,
        user: UserId,
        SeenRecovery { recovery }: SeenRecovery,
    ) -> Result<(), Problem> {
        let found = self.store.get_recovery(user, clock::now());
        let (caller, found) = admin.authorize_with(found).await?;
        let before = seen(found, recovery)?;
        let event = decision(&caller, &before, Action::CancelRecovery);
        self.store.cancel_recovery_as_staff(&before, &event).await.map_err(changed)
    }
}

fn seen(found: Option<Recovery>, id: RecoveryId) -> Result<Recovery, Problem> {
    found.filter(|recovery| recovery.id == id).ok_or_else(Problem::not_found)
}

fn decision(caller: &Caller, recovery: &Recovery, action: Action) -> AuditEvent {
    AuditEvent {
        before: Some(recovery.kind.to_string()),
        ..caller.audit(action, recovery.user_id, None)
    }
}

fn changed(error: UpdateError) -> Problem {
    match error {
        UpdateError::Stale => {
            Problem::conflict(Code::ChangedMeanwhile, "It has changed meanwhile: look at it again.")
        }
        UpdateError::Store(error) => error.into(),
    }
}
