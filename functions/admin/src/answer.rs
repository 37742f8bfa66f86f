//! How staff see users and events.

use domain::account::{Account, Approval, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{EventId, RecordId, SessionId, UserId};
use http_kit::shapes::Profile;
use jiff::Timestamp;
use serde::Serialize;

/// A user in a list.
#[derive(Serialize)]
pub(crate) struct UserEntry<'a> {
    pk: UserId,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    role: Role,
    is_active: bool,
    approval: Option<Approval>,
    created_at: Timestamp,
}

impl<'a> UserEntry<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self {
            pk: account.id,
            email: account.email.as_str(),
            first_name: account.first_name.as_str(),
            last_name: account.last_name.as_str(),
            role: account.role,
            is_active: account.is_active,
            approval: account.approval,
            created_at: account.id.created_at(),
        }
    }
}

/// A doctor in the list of those about whom staff decide.
#[derive(Serialize)]
pub(crate) struct DoctorEntry<'a> {
    #[serde(flatten)]
    user: UserEntry<'a>,
    profile: Option<Profile<'a>>,
}

impl<'a> DoctorEntry<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self { user: UserEntry::new(account), profile: Profile::full(account) }
    }
}

/// A user's whole account.
#[derive(Serialize)]
pub(crate) struct User<'a> {
    #[serde(flatten)]
    user: DoctorEntry<'a>,
    phone_number: &'a str,
    email_verified: bool,
    second_factor: bool,
}

impl<'a> User<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self {
            user: DoctorEntry::new(account),
            phone_number: account.phone_number.as_str(),
            email_verified: account.email_verified,
            second_factor: account.second_factor,
        }
    }
}

/// An event of the audit trail.
#[derive(Serialize)]
pub(crate) struct Event<'a> {
    id: EventId,
    at: Timestamp,
    subject: UserId,
    actor: Actor<'a>,
    session: Option<SessionId>,
    action: Action,
    outcome: Outcome,
    record: Option<RecordId>,
    records: &'a [RecordId],
    reason: Option<&'a str>,
    before: Option<&'a str>,
    after: Option<&'a str>,
    request_id: &'a str,
    source_ip: &'a str,
    user_agent: &'a str,
}

/// Who did it, as they were then.
#[derive(Serialize)]
struct Actor<'a> {
    pk: UserId,
    name: &'a str,
    role: Option<Role>,
}

impl<'a> Event<'a> {
    pub(crate) fn new(event: &'a AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.id.created_at(),
            subject: event.subject_id,
            actor: Actor { pk: event.actor_id, name: &event.actor_name, role: event.actor_role },
            session: event.session_id,
            action: event.action,
            outcome: event.outcome,
            record: event.record_id,
            records: &event.record_ids,
            reason: event.reason.as_deref(),
            before: event.before.as_deref(),
            after: event.after.as_deref(),
            request_id: &event.request_id,
            source_ip: &event.source_ip,
            user_agent: &event.user_agent,
        }
    }
}
