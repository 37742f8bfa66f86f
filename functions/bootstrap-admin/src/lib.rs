//! The function `bootstrap-admin`: creates the first admin, once.
//!
//! The function has no route: it is invoked directly, with permission by IAM. The admin has no
//! password yet and sets one with the token of a password-reset mail.

use domain::account::{Account, Credentials, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use runtime::aws::{self, CallPolicy};
use runtime::passwords::HASH_OF_NOBODY;
use runtime::serve::Error;
use runtime::{clock, config, secrets};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::proof::AuditKey;
use store::staff::users::BootstrapError;
use store::{Store, Table};
use uuid::Uuid;

/// The state of the function: its store.
pub struct Bootstrap {
    store: Store,
}

/// The event of an invocation.
#[derive(Deserialize)]
struct BootstrapEvent {
    email: String,
}

/// The result of an invocation.
#[derive(Debug, Serialize)]
pub struct BootstrapResult {
    /// The admin's id.
    pub user_id: UserId,
    /// What the admin has to do next.
    pub next: &'static str,
}

impl Bootstrap {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete, or the audit secret cannot be read.
    pub async fn start() -> Result<Self, Error> {
        let config = config::Bootstrap::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let table = Table::new(aws::dynamodb(&sdk), &config.table_name);
        let (client, now) = (aws::secrets_manager(&sdk), clock::now());
        let secret = secrets::read(&client, &config.audit_secret_arn, now).await?;
        Ok(Self { store: Store::new(table, AuditKey::new(secret)) })
    }

    /// Creates the first admin with the address in the event.
    ///
    /// # Errors
    /// When an admin was created before, when the address is invalid or taken, when the table
    /// fails.
    pub async fn handle(&self, event: Value) -> Result<BootstrapResult, Error> {
        let email = address(event)?;
        let (id, now): (UserId, _) = (clock::new_id(), clock::now());
        let account = Account::new(id, email, Role::Admin);
        let credentials = Credentials::new(id, HASH_OF_NOBODY.to_owned());
        // The id that the address confirmation of a new user has: the dispatcher then creates none.
        // Setting the password confirms the address too.
        let mail =
            Mail::new(Uuid::from_bytes(*id.as_bytes()).into(), MailKind::ResetPassword, id, now);
        self.store
            .bootstrap_admin(&account, &credentials, &mail, &creation_event(&account))
            .await
            .map_err(|error| match error {
                BootstrapError::AdminExists => {
                    Error::from("an admin exists already: ask an admin to create more")
                }
                BootstrapError::EmailTaken => {
                    "the address belongs to a user: use another one for the first admin".into()
                }
                BootstrapError::Store(error) => error.into(),
            })?;
        Ok(BootstrapResult {
            user_id: id,
            next: "A mail was sent to the address. Set a password with it, sign in and set up a \
                   second factor.",
        })
    }
}

fn address(event: Value) -> Result<Email, Error> {
    let request: BootstrapEvent =
        serde_json::from_value(event).map_err(|_| r#"the event must be {"email": "<address>"}"#)?;
    Email::parse(&request.email).map_err(|reason| format!("the email is refused: {reason}").into())
}

/// Returns the audit event. The invoker of the function is recorded by AWS CloudTrail.
fn creation_event(account: &Account) -> AuditEvent {
    AuditEvent {
        id: clock::new_id(),
        subject_id: account.id,
        actor_id: account.id,
        actor_role: None,
        actor_name: String::new(),
        session_id: None,
        action: Action::CreateUser,
        outcome: Outcome::Success,
        record_id: None,
        record_ids: Vec::new(),
        file_id: None,
        reason: Some("bootstrap".to_owned()),
        before: None,
        after: Some(account.role.to_string()),
        request_id: String::new(),
        source_ip: String::new(),
        user_agent: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_address_is_read_from_the_event_and_not_repeated_in_errors() {
        assert_eq!(
            address(json!({"email": "Jane@Example.com"})).unwrap().as_str(),
            "Jane@example.com"
        );
        for event in [
            json!(null),
            json!({}),
            json!({"email": 1}),
            json!({"email": "jane.example.com"}),
            json!("jane@example.com"),
        ] {
            assert!(!address(event).unwrap_err().to_string().contains("jane"));
        }
    }
}
