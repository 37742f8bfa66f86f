//! Creating a user of any role.

use domain::account::{Account, Approval, Credentials, Role};
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::text::{Name, PhoneNumber};
use http_api::caller::{Admin, Caller};
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;
use runtime::passwords::HASH_OF_NOBODY;
use store::accounts::RegisterError;
use store::idempotency::StoredResponse;
use uuid::Uuid;

use crate::StaffService;

request! {
    /// A user to create.
    pub struct NewUser {
        email: Email = required,
        first_name: Name = default(Name::default()),
        last_name: Name = default(Name::default()),
        phone_number: PhoneNumber = default(PhoneNumber::default()),
        role: Role = required,
    }
}

impl StaffService {
    /// Creates the user, who gets a mail to set a password.
    ///
    /// # Errors
    /// An error of the field `email` when the address is taken. A registration that was never
    /// confirmed does not take it: its account is removed.
    pub async fn create_user(&self, admin: Admin, new: NewUser) -> Result<Account, Problem> {
        let caller = admin.authorize().await?;
        let account = self.new_account(new);
        self.store_user(&caller, &account, None).await?;
        Ok(account)
    }

    /// Returns the account of a new user, which is not stored yet.
    pub fn new_account(&self, new: NewUser) -> Account {
        Account {
            first_name: new.first_name,
            last_name: new.last_name,
            phone_number: new.phone_number,
            approval: Approval::initial(new.role, self.approval_is_required),
            ..Account::new(clock::new_id(), new.email, new.role)
        }
    }

    /// Stores a new account and orders the mail, for a caller who was authorized; and the response
    /// to the request, if it has an idempotency key.
    ///
    /// # Errors
    /// As [`StaffService::create_user`].
    pub async fn store_user(
        &self,
        caller: &Caller,
        account: &Account,
        stored_response: Option<&StoredResponse>,
    ) -> Result<(), Problem> {
        let id = account.id;
        let credentials = Credentials::new(id, HASH_OF_NOBODY.to_owned());
        // It has the user's id, as the mail to confirm the address would: the reset confirms the
        // address, too.
        let mail = Mail::new(
            Uuid::from_bytes(*id.as_bytes()).into(),
            MailKind::ResetPassword,
            id,
            clock::now(),
        );
        let event = AuditEvent {
            after: Some(account.role.to_string()),
            ..caller.audit(Action::CreateUser, id, None)
        };
        let create = |replaced| {
            self.store.create_user(account, &credentials, &mail, &event, replaced, stored_response)
        };
        let mut created = create(None).await;
        if let Err(RegisterError::EmailTaken) = created {
            let owner = self.store.get_user_id_by_email(&account.email).await?;
            created = create(Some(owner.ok_or_else(email_taken)?)).await;
        }
        created.map_err(|error| match error {
            RegisterError::EmailTaken => email_taken(),
            RegisterError::Store(error) => error.into(),
        })?;
        if account.is_active_admin() {
            log_new_admin();
        }
        Ok(())
    }
}

/// Writes the line that an alarm counts.
pub(crate) fn log_new_admin() {
    tracing::warn!("a user has become an admin");
}

/// Returns the error of a form whose address belongs to another account.
pub(crate) fn email_taken() -> Problem {
    Problem::field("email", Reason::new("taken", "A user with this email already exists."))
}
