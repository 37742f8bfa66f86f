//! The function `recovery`: gives accounts another address or takes their second factor away.
//!
//! It runs every hour and carries out what staff have started ([`domain::recovery`]) and what has
//! waited, was approved and confirmed. No other function may do so: those of staff have no rights
//! on credentials and second factors.
//!
//! An operator with permission by IAM invokes it with the address of the only admin, who is
//! recovered at once: nobody else can approve it. No route leads to the function.

use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::id::{SessionId, UserId};
use domain::mail::{Mail, MailKind};
use domain::recovery::{Recovery, RecoveryKind};
use domain::text::Justification;
use runtime::aws::{self, CallPolicy};
use runtime::serve::{Error, sentence};
use runtime::{clock, config, secrets};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::proof::AuditKey;
use store::recoveries::{RecoverError, RecoveredAccount};
use store::{Store, Table};

/// How many recoveries are read at once.
const PAGE: usize = 100;

/// The state of the function: its store.
pub struct Recoverer {
    store: Store,
}

/// The event with which an operator recovers the only admin.
#[derive(Deserialize)]
struct AdminRequest {
    email: String,
    reason: String,
    new_email: Option<String>,
}

/// What an invocation has done.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RecoveryResult {
    /// What has become of the recoveries.
    Counts(RecoveryCounts),
    /// The only admin was recovered.
    Admin {
        /// The admin's id.
        user_id: UserId,
        /// What the admin has to do next.
        next: &'static str,
    },
}

/// What has become of the recoveries, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RecoveryCounts {
    /// Carried out.
    pub carried_out: u64,
    /// Wait for their time, an approval or a confirmation, or have just changed.
    pub waiting: u64,
    /// Cannot be carried out, because the account has changed since, or another one has the new
    /// address. They expire.
    pub void: u64,
}

/// What has become of a recovery that is due.
enum Ending {
    CarriedOut,
    /// Another request changed it or its account meanwhile: the next invocation looks again.
    Changed,
    Void,
}

impl Recoverer {
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
        Ok(Self::new(Store::new(table, AuditKey::new(secret))))
    }

    /// Puts the parts together.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Recovers the only admin if the event names one, and otherwise carries out what is due.
    ///
    /// # Errors
    /// When the event is invalid, the admin is not the only one, or the table fails.
    pub async fn handle(&self, event: Value) -> Result<RecoveryResult, Error> {
        if event.get("email").is_some() {
            return self.recover_only_admin(event).await;
        }
        self.carry_out_all().await.map(RecoveryResult::Counts)
    }

    async fn carry_out_all(&self) -> Result<RecoveryCounts, Error> {
        let (mut report, mut failed, mut after) = (RecoveryCounts::default(), None, None);
        loop {
            let page = self.store.list_recoveries(clock::now(), PAGE, after).await?;
            for recovery in page.items {
                if !recovery.is_due(clock::now()) {
                    report.waiting += 1;
                    continue;
                }
                match self.carry_out(&recovery).await {
                    Ok(Ending::CarriedOut) => report.carried_out += 1,
                    Ok(Ending::Changed) => report.waiting += 1,
                    Ok(Ending::Void) => report.void += 1,
                    Err(error) => {
                        let user_id = recovery.user_id;
                        tracing::error!(%user_id, error = sentence(&*error), "not recovered");
                        failed = Some(error);
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        tracing::info!(report = serde_json::to_string(&report)?, "recovered");
        failed.map_or(Ok(report), Err)
    }

    /// Carries out a recovery that is due.
    async fn carry_out(&self, recovery: &Recovery) -> Result<Ending, Error> {
        let (found, through) = tokio::try_join!(
            self.store.get_account(recovery.user_id),
            self.latest_session(recovery.user_id)
        )?;
        let Some(before) = found.filter(|account| recovery.fits(account)) else {
            return Ok(Ending::Void);
        };
        let credentials = self.store.get_credentials(&before.email).await?;
        let Some(credentials) = credentials.filter(|it| it.user_id == before.id) else {
            return Ok(Ending::Void);
        };
        let now = clock::now();
        let after = recovery.applied_to(&before, through, now);
        let (action, kind) = match recovery.kind {
            RecoveryKind::ChangeEmail => (Action::ChangeEmail, MailKind::EmailChanged),
            RecoveryKind::RemoveSecondFactor => {
                (Action::DisableSecondFactor, MailKind::SecondFactorDisabled)
            }
        };
        let event = AuditEvent {
            actor_id: recovery.started_by,
            actor_role: Some(Role::Admin),
            actor_name: recovery.started_by_name.clone(),
            reason: Some(recovery.reason.as_str().to_owned()),
            ..event(&before, &after, action)
        };
        let mail = Mail::new(clock::new_id(), kind, before.id, now).to(before.email.clone());
        let recovered = RecoveredAccount {
            before: &before,
            after: &after,
            credentials: &credentials,
            event: &event,
            mails: &[mail],
        };
        match self.store.carry_out_recovery(recovery, &recovered).await {
            Ok(()) => Ok(Ending::CarriedOut),
            Err(RecoverError::EmailTaken) => Ok(Ending::Void),
            Err(RecoverError::Stale) => Ok(Ending::Changed),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the only admin's second factor, ends the sessions, and sends a password-reset mail:
    /// to the address in the event, if there is one.
    async fn recover_only_admin(&self, event: Value) -> Result<RecoveryResult, Error> {
        let (email, reason, new_email) = request(event)?;
        let nobody = || Error::from("no active admin has this address");
        let credentials = self.store.get_credentials(&email).await?.ok_or_else(nobody)?;
        let id = credentials.user_id;
        let (found, through) =
            tokio::try_join!(self.store.get_account(id), self.latest_session(id))?;
        let before = found.filter(Account::is_active_admin).ok_or_else(nobody)?;
        let now = clock::now();
        let ended = before.sessions_ended_through.max(Some(through));
        let after = Account {
            email_verified: before.email_verified && new_email.is_none(),
            email: new_email.unwrap_or_else(|| before.email.clone()),
            second_factor: false,
            sessions_ended_through: ended,
            version: before.version + 1,
            ..before.clone().with_trusted_email(now)
        };
        let event = AuditEvent {
            reason: Some(reason.as_str().to_owned()),
            ..self::event(&before, &after, Action::RecoverAdmin)
        };
        let mail = |kind| Mail::new(clock::new_id(), kind, id, now);
        let mut mails = vec![mail(MailKind::ResetPassword)];
        if before.second_factor {
            mails.push(mail(MailKind::SecondFactorDisabled));
        }
        if before.email != after.email {
            mails.push(mail(MailKind::EmailChanged).to(before.email.clone()));
        }
        let recovered = RecoveredAccount {
            before: &before,
            after: &after,
            credentials: &credentials,
            event: &event,
            mails: &mails,
        };
        self.store.recover_only_admin(&recovered).await.map_err(|error| match error {
            RecoverError::OtherAdmins => {
                Error::from("there are other active admins: have one of them start the recovery")
            }
            RecoverError::EmailTaken => "the new address belongs to a user".into(),
            RecoverError::Stale => "the account has changed meanwhile: try again".into(),
            RecoverError::Store(error) => error.into(),
        })?;
        Ok(RecoveryResult::Admin {
            user_id: id,
            next: "A mail was sent to the address. Set a password with it, sign in and set up a \
                   second factor.",
        })
    }

    /// Returns an id that is not below that of any session of a user.
    async fn latest_session(&self, user: UserId) -> Result<SessionId, store::Error> {
        let newest = self.store.get_newest_session(user).await?;
        let now = clock::new_id();
        Ok(newest.map_or(now, |newest| newest.max(now)))
    }
}

/// Reads the event of an operator. The errors do not repeat what is in it.
fn request(event: Value) -> Result<(Email, Justification, Option<Email>), Error> {
    let request: AdminRequest = serde_json::from_value(event).map_err(|_| {
        "the event must be {\"email\": \"<address>\", \"reason\": \"<why>\"}, with a \
             \"new_email\" if the address is lost"
    })?;
    let address = |text: &str| {
        Email::parse(text).map_err(|reason| format!("an address is refused: {reason}"))
    };
    let reason = Justification::parse(&request.reason)
        .map_err(|reason| format!("the reason is refused: {reason}"))?;
    let new_email = request.new_email.as_deref().map(address).transpose()?;
    Ok((address(&request.email)?, reason, new_email))
}

/// Makes the event of a change. The actor is the user, also when an operator started it: AWS
/// CloudTrail records who invoked the function.
fn event(before: &Account, after: &Account, action: Action) -> AuditEvent {
    let is_moved = before.email != after.email;
    let address = |account: &Account| is_moved.then(|| account.email.as_str().to_owned());
    AuditEvent {
        id: clock::new_id(),
        subject_id: before.id,
        actor_id: before.id,
        actor_role: None,
        actor_name: String::new(),
        session_id: None,
        action,
        outcome: Outcome::Success,
        record_id: None,
        record_ids: Vec::new(),
        file_id: None,
        reason: None,
        before: address(before),
        after: address(after),
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
    fn the_request_of_an_operator_is_read_and_not_repeated_in_errors() {
        let (email, reason, new_email) = request(
            json!({"email": "Jane@Example.com", "reason": " Lost. ", "new_email": "j@example.org"}),
        )
        .unwrap();
        assert_eq!((email.as_str(), reason.as_str()), ("Jane@example.com", "Lost."));
        assert_eq!(new_email.unwrap().as_str(), "j@example.org");
        for event in [
            json!({"email": "jane@example.com"}),
            json!({"email": 1, "reason": "jane"}),
            json!({"email": "jane.example.com", "reason": "jane"}),
            json!({"email": "jane@example.com", "reason": " "}),
            json!({"email": "jane@example.com", "reason": "x", "new_email": "jane"}),
        ] {
            assert!(!request(event).unwrap_err().to_string().contains("jane"));
        }
    }
}
