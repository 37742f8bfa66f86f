//! Starting the change of a user's email address.

use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::Mail;
use domain::problem::Code;
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;

use crate::StaffService;
use crate::create_user::email_taken;

request! {
    /// A user's new address.
    pub struct NewEmail {
        email: Email = required,
    }
}

impl StaffService {
    /// Orders the mail with which the new address becomes the user's.
    ///
    /// # Errors
    /// 404 when there is no such user, 409 when the user is not active, and an error of the field
    /// `email` when the address is the user's or somebody else's.
    pub async fn start_email_change(
        &self,
        admin: Admin,
        id: UserId,
        NewEmail { email }: NewEmail,
    ) -> Result<(), Problem> {
        let reads = async {
            tokio::try_join!(self.store.get_account(id), self.store.get_user_id_by_email(&email))
        };
        let (caller, (found, owner)) = admin.authorize_with(reads).await?;
        let account = found.ok_or_else(Problem::not_found)?;
        if !account.is_active {
            return Err(user_inactive());
        }
        if email == account.email {
            return Err(Problem::field(
                "email",
                Reason::new("unchanged", "Is the user's present address."),
            ));
        }
        if owner.is_some_and(|owner| owner != id) {
            return Err(email_taken());
        }
        let event = AuditEvent {
            before: Some(account.email.as_str().to_owned()),
            after: Some(email.as_str().to_owned()),
            ..caller.audit(Action::StartEmailChange, id, None)
        };
        let mail = Mail::to_change_address(clock::new_id(), &account, email, clock::now());
        self.store.request_mail(&mail, &event).await?;
        Ok(())
    }
}

/// Returns the problem of a mail to a user who is not active.
pub fn user_inactive() -> Problem {
    Problem::conflict(Code::Inactive, "The user is not active: activate the user first.")
}
