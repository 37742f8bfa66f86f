//! Starting the change of a user's email address or the removal of the second factor. Both wait:
//! see [`domain::recovery`].

use domain::access::Relation;
use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::id::{RecoveryId, UserId};
use domain::mail::{Mail, MailKind};
use domain::problem::Code;
use domain::recovery::{Recovery, RecoveryKind};
use domain::text::Justification;
use http_api::caller::{Admin, Caller};
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;
use store::recoveries::StartRecoveryError;

use crate::StaffService;
use crate::create_user::email_taken;

request! {
    /// A user's new address, and why.
    pub struct NewEmail {
        email: Email = required,
        reason: Justification = required,
    }
}

impl StaffService {
    /// Starts the change of a user's address, of which the user is told at the present one.
    ///
    /// # Errors
    /// 404 when there is no such user, 403 for the admin's own account, 409 when the user is not
    /// active or a recovery waits, and an error of the field `email` when the address is the user's
    /// or somebody else's.
    pub async fn start_email_change(
        &self,
        admin: Admin,
        id: UserId,
        NewEmail { email, reason }: NewEmail,
    ) -> Result<(), Problem> {
        let (caller, found) = admin.authorize_with(self.store.get_account(id)).await?;
        let account = active_other(&caller, found)?;
        if email == account.email {
            return Err(Problem::field(
                "email",
                Reason::new("unchanged", "Is the user's present address."),
            ));
        }
        self.start_recovery(&caller, &account, Some(email), reason).await
    }

    /// Starts the removal of a user's second factor, of which the user is told.
    ///
    /// # Errors
    /// 404 when there is no such user, 403 for the admin's own account, and 409 when the user is
    /// not active or has no second factor, or a recovery waits.
    pub async fn start_second_factor_removal(
        &self,
        admin: Admin,
        id: UserId,
        reason: Justification,
    ) -> Result<(), Problem> {
        let (caller, found) = admin.authorize_with(self.store.get_account(id)).await?;
        let account = active_other(&caller, found)?;
        if !account.second_factor {
            return Err(Problem::conflict(
                Code::SecondFactorNotSetUp,
                "The user has no second factor.",
            ));
        }
        self.start_recovery(&caller, &account, None, reason).await
    }

    async fn start_recovery(
        &self,
        caller: &Caller,
        account: &Account,
        new_email: Option<Email>,
        reason: Justification,
    ) -> Result<(), Problem> {
        let (admins, now) = (self.store.get_admins().await?, clock::now());
        let (kind, action, told) = match new_email {
            Some(_) => {
                (RecoveryKind::ChangeEmail, Action::StartEmailChange, MailKind::EmailChangeStarted)
            }
            None => (
                RecoveryKind::RemoveSecondFactor,
                Action::StartSecondFactorRemoval,
                MailKind::SecondFactorRemovalStarted,
            ),
        };
        let mail = |kind, address: &Email| {
            Mail::new(clock::new_id(), kind, account.id, now).to(address.clone())
        };
        let mut mails = vec![mail(told, &account.email)];
        mails.extend(
            new_email.as_ref().map(|address| mail(MailKind::ConfirmRecoveryAddress, address)),
        );
        let event = AuditEvent {
            reason: Some(reason.as_str().to_owned()),
            before: new_email.as_ref().map(|_| account.email.as_str().to_owned()),
            after: new_email.as_ref().map(|email| email.as_str().to_owned()),
            ..caller.audit(action, account.id, None)
        };
        let id: RecoveryId = clock::new_id();
        let due_at = id.created_at().saturating_add(Recovery::WAITING_TIME);
        let recovery = Recovery {
            id,
            user_id: account.id,
            kind,
            email: account.email.clone(),
            new_email,
            reason,
            started_by: caller.account.id,
            started_by_name: caller.account.full_name(),
            due_at: due_at.map_err(Problem::internal)?,
            needs_approval: admins.need_approval_for(account, now),
            confirmed_at: None,
            approved_by: None,
            approved_by_name: None,
            version: 1,
            ttl: now.as_second().saturating_add(Recovery::LIFETIME.as_secs()),
        };
        let started = self.store.start_recovery(&recovery, &mails, &event, now).await;
        started.map_err(|error| match error {
            StartRecoveryError::Waiting => Problem::conflict(
                Code::RecoveryWaiting,
                "A change of address or the removal of the second factor waits already.",
            ),
            StartRecoveryError::EmailTaken => email_taken(),
            StartRecoveryError::Store(error) => error.into(),
        })
    }
}

/// Returns the account that an admin changes: an active one of another user.
fn active_other(caller: &Caller, found: Option<Account>) -> Result<Account, Problem> {
    let account = found.ok_or_else(Problem::not_found)?;
    if !caller.may(Relation::to_account(caller.account.id, account.id)) {
        return Err(Problem::own_account());
    }
    if account.is_active { Ok(account) } else { Err(user_inactive()) }
}

/// Returns the problem of a mail to an inactive user.
pub fn user_inactive() -> Problem {
    Problem::conflict(Code::Inactive, "The user is not active: activate the user first.")
}
