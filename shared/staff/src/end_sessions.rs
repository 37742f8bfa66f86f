//! Ending all sessions of a user.

use domain::audit::Action;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::problem::Problem;
use store::UpdateError;

use crate::StaffService;

impl StaffService {
    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// 404 when there is no such user.
    pub async fn end_sessions(&self, admin: Admin, id: UserId) -> Result<(), Problem> {
        let reads =
            async { tokio::try_join!(self.store.get_account(id), self.http.latest_session(id)) };
        let (caller, (found, through)) = admin.authorize_with(reads).await?;
        found.ok_or_else(Problem::not_found)?;
        let event = caller.audit(Action::EndAllSessions, id, None);
        match self.store.end_sessions(id, through, &event).await {
            // A concurrent request has ended as many or more.
            Ok(()) | Err(UpdateError::Stale) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error.into()),
        }
    }
}
