//! Changing a user's account.

use domain::access::Relation;
use domain::account::{Account, NotBounced, Role};
use domain::audit::{Action, AuditEvent};
use domain::id::{SessionId, UserId};
use domain::problem::Code;
use domain::text::{Justification, Name, PhoneNumber};
use http_api::caller::{Admin, Caller};
use http_api::etag::IfMatch;
use http_api::problem::Problem;
use http_api::request;
use runtime::clock;
use store::retry::CHANGED_SINCE_READ;
use store::staff::users::StaffUpdateError;

use crate::StaffService;
use crate::create_user::log_new_admin;

request! {
    /// What is to change; `None` keeps what is there.
    #[derive(Default)]
    pub struct UserChange {
        /// The first name.
        pub first_name: Option<Name> = optional,
        /// The last name.
        pub last_name: Option<Name> = optional,
        /// The telephone number.
        pub phone_number: Option<PhoneNumber> = optional,
        /// Whether the user is active.
        pub is_active: Option<bool> = optional,
        /// The role.
        pub role: Option<Role> = optional,
        /// Whether to have mails sent again to an address that bounced.
        pub email_bounced: Option<NotBounced> = optional,
        /// Why, for the audit trail.
        pub reason: Option<Justification> = optional,
    }
}

impl StaffService {
    /// Changes a user's account.
    ///
    /// # Errors
    /// 404 when there is no such user, 403 when admins change their own role or activity, 409 when
    /// no admin would be left, and 412 or 409 when the account has changed.
    pub async fn update_user(
        &self,
        admin: Admin,
        id: UserId,
        if_match: &IfMatch,
        change: &UserChange,
    ) -> Result<Account, Problem> {
        let reads =
            async { tokio::try_join!(self.store.get_account(id), self.http.latest_session(id)) };
        let (caller, (found, latest_session)) = admin.authorize_with(reads).await?;
        let mut before = found.ok_or_else(Problem::not_found)?;
        let mut retries = CHANGED_SINCE_READ.start();
        loop {
            if_match.check(before.version)?;
            let (after, events) = self.plan(&caller, &before, change, latest_session);
            if events.is_empty() {
                return Ok(before);
            }
            let deposes = (after.role, after.is_active) != (before.role, before.is_active);
            if deposes && !caller.may(Relation::to_account(caller.account.id, id)) {
                return Err(Problem::own_account());
            }
            match self.store.update_account_as_staff(&before, &after, &events, clock::now()).await {
                Ok(()) => {
                    if after.is_active_admin() && !before.is_active_admin() {
                        log_new_admin();
                    }
                    return Ok(after);
                }
                Err(StaffUpdateError::LastAdmin) => {
                    return Err(Problem::conflict(
                        Code::LastAdmin,
                        "There must be another active admin first.",
                    ));
                }
                Err(StaffUpdateError::Stale) => {
                    before = self.store.get_account(id).await?.ok_or_else(Problem::not_found)?
                }
                Err(StaffUpdateError::Store(error)) => return Err(error.into()),
            }
            if !retries.next().await {
                return Err(if_match.lost_race());
            }
        }
    }

    /// Returns the account after the change, and an event for each kind of change.
    fn plan(
        &self,
        caller: &Caller,
        before: &Account,
        change: &UserChange,
        latest_session: SessionId,
    ) -> (Account, Vec<AuditEvent>) {
        let role = change.role.unwrap_or(before.role);
        let is_active = change.is_active.unwrap_or(before.is_active);
        let ends_sessions = role != before.role || (before.is_active && !is_active);
        let sessions_ended_through = if ends_sessions {
            before.sessions_ended_through.max(Some(latest_session))
        } else {
            before.sessions_ended_through
        };
        let after = Account {
            first_name: change.first_name.clone().unwrap_or_else(|| before.first_name.clone()),
            last_name: change.last_name.clone().unwrap_or_else(|| before.last_name.clone()),
            phone_number: change
                .phone_number
                .clone()
                .unwrap_or_else(|| before.phone_number.clone()),
            is_active,
            role_changed_at: if role == before.role {
                before.role_changed_at
            } else {
                Some(clock::now())
            },
            sessions_ended_through,
            version: before.version + 1,
            ..before.clone().with_role(role, self.approval_is_required)
        };
        let after = match (change.email_bounced, after.email_problem) {
            (Some(NotBounced), Some(_)) => after.with_trusted_email(clock::now()),
            _ => after,
        };
        let event = |action| {
            let reason = change.reason.as_ref().map(|reason| reason.as_str().to_owned());
            AuditEvent { reason, ..caller.audit(action, before.id, None) }
        };
        let mut events = Vec::new();
        let (old, new) = corrections(before, &after);
        if !new.is_empty() {
            events.push(AuditEvent {
                before: Some(old),
                after: Some(new),
                ..event(Action::UpdateUser)
            });
        }
        if role != before.role {
            let (old, new) = (Some(before.role.to_string()), Some(role.to_string()));
            events.push(AuditEvent { before: old, after: new, ..event(Action::ChangeRole) });
        }
        if is_active != before.is_active {
            let word = |is_active| Some(if is_active { "active" } else { "inactive" }.to_owned());
            let action = if is_active { Action::Activate } else { Action::Deactivate };
            events.push(AuditEvent {
                before: word(before.is_active),
                after: word(is_active),
                ..event(action)
            });
        }
        (after, events)
    }
}

/// Returns the corrected fields with their old values and with their new values: `first_name: Jane;
/// last_name: Doe`.
fn corrections(before: &Account, after: &Account) -> (String, String) {
    let has_bounced = |account: &Account| match account.email_problem {
        Some(_) => "true",
        None => "false",
    };
    let fields = [
        ("first_name", before.first_name.as_str(), after.first_name.as_str()),
        ("last_name", before.last_name.as_str(), after.last_name.as_str()),
        ("phone_number", before.phone_number.as_str(), after.phone_number.as_str()),
        ("email_bounced", has_bounced(before), has_bounced(after)),
    ];
    let (old, new): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| (format!("{name}: {old}"), format!("{name}: {new}")))
        .unzip();
    (old.join("; "), new.join("; "))
}

#[cfg(test)]
mod tests {
    use domain::account::EmailProblem;

    use super::*;

    #[test]
    fn corrections_name_what_was_corrected_and_are_as_long_as_is_documented() {
        let account = |first: &str, last: &str, phone: &str| Account {
            first_name: Name::parse(first).unwrap(),
            last_name: Name::parse(last).unwrap(),
            phone_number: PhoneNumber::parse(phone).unwrap(),
            ..Account::new(
                runtime::clock::new_id(),
                "jane@example.com".parse().unwrap(),
                Role::Patient,
            )
        };
        let (jane, doe) = (account("Jane", "Roe", ""), account("Jane", "Doe", "1"));
        assert_eq!(
            corrections(&jane, &doe),
            (
                "last_name: Roe; phone_number: ".to_owned(),
                "last_name: Doe; phone_number: 1".to_owned()
            )
        );
        assert_eq!(corrections(&jane, &jane), (String::new(), String::new()));
        let name = "é".repeat(Name::MAX);
        let longest = account(&name, &name, &"1".repeat(PhoneNumber::MAX));
        let bounced = Account { email_problem: Some(EmailProblem::Complained), ..longest.clone() };
        assert_eq!(
            corrections(&bounced, &longest),
            ("email_bounced: true".to_owned(), "email_bounced: false".to_owned())
        );
        let (_, new) = corrections(&jane, &bounced);
        assert!(new.chars().count() <= 640, "see the schema of audit events");
    }
}
