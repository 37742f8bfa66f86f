//! Reading a user's account.

use domain::account::Account;
use domain::audit::Action;
use domain::id::UserId;
use http_api::caller::{Admin, Caller};
use http_api::problem::Problem;

use crate::StaffService;

impl StaffService {
    /// Returns a user's account, with the admin who reads it.
    ///
    /// # Errors
    /// 404 when there is no such user.
    pub async fn get_user(&self, admin: Admin, id: UserId) -> Result<(Caller, Account), Problem> {
        let (caller, found) = admin.authorize_with(self.store.get_account(id)).await?;
        let account = found.ok_or_else(Problem::not_found)?;
        self.store.create_events(&[caller.audit(Action::ReadUser, id, None)]).await?;
        Ok((caller, account))
    }
}
