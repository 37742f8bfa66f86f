//! How staff see users and events.

use domain::account::{Account, Approval, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::id::{EventId, FileId, RecordId, RecoveryId, SessionId, UserId};
use domain::recovery::{Recovery, RecoveryKind};
use domain::text::{Justification, Name, PhoneNumber};
use http_api::views::ProfileView;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A user in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = UserEntry)]
pub(crate) struct ListedUser<'a> {
    pk: UserId,
    email: &'a Email,
    first_name: &'a Name,
    last_name: &'a Name,
    role: Role,
    is_active: bool,
    /// What staff say of a doctor; null for others.
    #[schema(required)]
    approval: Option<Approval>,
    created_at: Timestamp,
}

impl<'a> ListedUser<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self {
            pk: account.id,
            email: &account.email,
            first_name: &account.first_name,
            last_name: &account.last_name,
            role: account.role,
            is_active: account.is_active,
            approval: account.approval,
            created_at: account.id.created_at(),
        }
    }
}

/// A doctor in the list of those about whom staff decide.
#[derive(Serialize, ToSchema)]
pub(crate) struct DoctorEntry<'a> {
    #[serde(flatten)]
    user: ListedUser<'a>,
    /// Null until the user has created it.
    #[schema(required)]
    profile: Option<ProfileView<'a>>,
}

impl<'a> DoctorEntry<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self { user: ListedUser::new(account), profile: ProfileView::full(account) }
    }
}

/// A user's whole account.
#[derive(Serialize, ToSchema)]
pub(crate) struct AdminUser<'a> {
    #[serde(flatten)]
    user: DoctorEntry<'a>,
    phone_number: &'a PhoneNumber,
    email_verified: bool,
    /// Whether no mail is sent to the address, because one bounced or was reported as spam.
    email_bounced: bool,
    second_factor: bool,
}

impl<'a> AdminUser<'a> {
    pub(crate) fn new(account: &'a Account) -> Self {
        Self {
            user: DoctorEntry::new(account),
            phone_number: &account.phone_number,
            email_verified: account.email_verified,
            email_bounced: account.email_problem.is_some(),
            second_factor: account.second_factor,
        }
    }
}

/// An event of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub(crate) struct AuditEventView<'a> {
    id: EventId,
    at: Timestamp,
    subject: UserId,
    actor: AuditActor<'a>,
    #[schema(required)]
    session: Option<SessionId>,
    action: Action,
    outcome: Outcome,
    #[schema(required)]
    record: Option<RecordId>,
    /// The records that a list showed.
    #[schema(max_items = 100)]
    records: &'a [RecordId],
    /// The file, if the event is about one.
    #[schema(required)]
    file: Option<FileId>,
    #[schema(required, max_length = 1000)]
    reason: Option<&'a str>,
    #[schema(required, max_length = 640)]
    before: Option<&'a str>,
    #[schema(required, max_length = 640)]
    after: Option<&'a str>,
    #[schema(max_length = 255)]
    request_id: &'a str,
    #[schema(max_length = 45)]
    source_ip: &'a str,
    #[schema(max_length = 256)]
    user_agent: &'a str,
}

/// Who did it, as they were then.
#[derive(Serialize, ToSchema)]
struct AuditActor<'a> {
    pk: UserId,
    #[schema(max_length = 511)]
    name: &'a str,
    #[schema(required)]
    role: Option<Role>,
}

impl<'a> AuditEventView<'a> {
    pub(crate) fn new(event: &'a AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.id.created_at(),
            subject: event.subject_id,
            actor: AuditActor {
                pk: event.actor_id,
                name: &event.actor_name,
                role: event.actor_role,
            },
            session: event.session_id,
            action: event.action,
            outcome: event.outcome,
            record: event.record_id,
            records: &event.record_ids,
            file: event.file_id,
            reason: event.reason.as_deref(),
            before: event.before.as_deref(),
            after: event.after.as_deref(),
            request_id: &event.request_id,
            source_ip: &event.source_ip,
            user_agent: &event.user_agent,
        }
    }
}

/// What an admin has started for a user, and what it waits for.
#[derive(Serialize, ToSchema)]
#[schema(as = Recovery)]
pub(crate) struct RecoveryView<'a> {
    id: RecoveryId,
    user: UserId,
    kind: RecoveryKind,
    /// The address when it was started.
    email: &'a Email,
    /// The new address; null if the address stays.
    #[schema(required)]
    new_email: Option<&'a Email>,
    reason: &'a Justification,
    started_by: UserId,
    #[schema(max_length = 511)]
    started_by_name: &'a str,
    started_at: Timestamp,
    /// When it is carried out at the earliest.
    due_at: Timestamp,
    /// When it expires.
    expires_at: Timestamp,
    /// When the new address was confirmed.
    #[schema(required)]
    confirmed_at: Option<Timestamp>,
    needs_approval: bool,
    /// The second admin.
    #[schema(required)]
    approved_by: Option<UserId>,
    #[schema(required, max_length = 511)]
    approved_by_name: Option<&'a str>,
}

impl<'a> RecoveryView<'a> {
    pub(crate) fn new(recovery: &'a Recovery) -> Self {
        Self {
            id: recovery.id,
            user: recovery.user_id,
            kind: recovery.kind,
            email: &recovery.email,
            new_email: recovery.new_email.as_ref(),
            reason: &recovery.reason,
            started_by: recovery.started_by,
            started_by_name: &recovery.started_by_name,
            started_at: recovery.started_at(),
            due_at: recovery.due_at,
            expires_at: recovery.expires_at(),
            confirmed_at: recovery.confirmed_at,
            needs_approval: recovery.needs_approval,
            approved_by: recovery.approved_by,
            approved_by_name: recovery.approved_by_name.as_deref(),
        }
    }
}
