//! Starting the reset of a user's password.

use domain::audit::Action;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use http_api::caller::Admin;
use http_api::problem::Problem;
use runtime::clock;

use crate::StaffService;
use crate::start_recovery::user_inactive;

impl StaffService {
    /// Orders the mail with which the user sets a new password.
    ///
    /// # Errors
    /// 404 when there is no such user, 409 when the user is not active.
    pub async fn start_password_reset(&self, admin: Admin, id: UserId) -> Result<(), Problem> {
        let (caller, found) = admin.authorize_with(self.store.get_account(id)).await?;
        let account = found.ok_or_else(Problem::not_found)?;
        if !account.is_active {
            return Err(user_inactive());
        }
        let mail = Mail::new(clock::new_id(), MailKind::ResetPassword, id, clock::now());
        let event = caller.audit(Action::StartPasswordReset, id, None);
        self.store.request_mail(&mail, &event).await?;
        Ok(())
    }
}
