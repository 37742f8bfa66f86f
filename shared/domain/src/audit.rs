//! The audit trail: who did what to whose chart or account. Append only.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::field::string_enum;
use crate::id::{EventId, RecordId, SessionId, UserId};

string_enum! {
    /// What was done, or tried.
    Action {
        /// An account was registered.
        Register = "register",
        /// Somebody signed in.
        Login = "login",
        /// A session was ended by its user.
        EndSession = "end_session",
        /// All sessions were ended.
        EndAllSessions = "end_all_sessions",
        /// A used refresh token was shown again: its session was ended.
        ReuseToken = "reuse_token",
        /// A password was changed by its user.
        ChangePassword = "change_password",
        /// A new password was set with a token from a mail.
        ResetPassword = "reset_password",
        /// An email address was confirmed.
        VerifyEmail = "verify_email",
        /// An email address was replaced by another.
        ChangeEmail = "change_email",
        /// A second factor was set up.
        EnableSecondFactor = "enable_second_factor",
        /// A second factor was taken away.
        DisableSecondFactor = "disable_second_factor",
        /// A user's role was changed.
        ChangeRole = "change_role",
        /// A user's names or telephone number were corrected by staff. Before and after are what
        /// has changed.
        UpdateUser = "update_user",
        /// A user was activated.
        Activate = "activate",
        /// A user was deactivated.
        Deactivate = "deactivate",
        /// A user was created by staff.
        CreateUser = "create_user",
        /// Staff read a user's account.
        ReadUser = "read_user",
        /// Staff listed or searched users. Concerns nobody but the one who did.
        ListUsers = "list_users",
        /// Staff had a mail sent with which a user sets a new password.
        StartPasswordReset = "start_password_reset",
        /// Staff had a mail sent with which a user's address is replaced. Before and after are the
        /// addresses.
        StartEmailChange = "start_email_change",
        /// Staff listed or searched records: who has one with whom, not what it says. Concerns the
        /// user who was searched for, or else nobody but the one who did; the same holds for the
        /// three below.
        StaffListRecords = "staff_list_records",
        /// Staff listed or searched files, without their names.
        StaffListFiles = "staff_list_files",
        /// Staff listed or searched annotations, without what they say.
        StaffListAnnotations = "staff_list_annotations",
        /// Staff listed or searched notifications, without their messages.
        StaffListNotifications = "staff_list_notifications",
        /// Staff looked up a record: with whom it is and what belongs to it, not what it says.
        LookUpRecord = "look_up_record",
        /// Staff opened a record, to read what it says for a while.
        BreakGlass = "break_glass",
        /// Staff assigned a record to another doctor. Before and after are the doctors' ids.
        CorrectAssignment = "correct_assignment",
        /// Staff had a mail sent again.
        ResendMail = "resend_mail",
        /// Staff put the order for a mail back that had been set aside.
        RedriveMail = "redrive_mail",
        /// Staff looked at the mails that were set aside, or at those to a user.
        ListMails = "list_mails",
        /// Staff exported numbers: how much there was of everything, nothing about anybody.
        ExportCounts = "export_counts",
        /// Staff read what was done to a user or by one.
        ReadAudit = "read_audit",
        /// A doctor told another licence. Before and after are what staff said of it and its
        /// number: `approved: MD-1`.
        ChangeLicence = "change_licence",
        /// A doctor's licence was approved.
        ApproveDoctor = "approve_doctor",
        /// A doctor's licence was refused.
        RefuseDoctor = "refuse_doctor",
        /// A doctor was suspended.
        SuspendDoctor = "suspend_doctor",
        /// A record was created.
        CreateRecord = "create_record",
        /// One record was read.
        ReadRecord = "read_record",
        /// A page of records was read.
        ListRecords = "list_records",
        /// A record was changed, its doctor perhaps.
        UpdateRecord = "update_record",
        /// A file was deleted.
        DeleteFile = "delete_file",
        /// An annotation was written.
        CreateAnnotation = "create_annotation",
        /// An annotation was changed.
        UpdateAnnotation = "update_annotation",
        /// The history of an annotation was read.
        ReadHistory = "read_history",
        /// Notifications were read, with their records.
        ReadNotifications = "read_notifications",
        /// The access log was read.
        ReadAccessLog = "read_access_log",
        /// An operation was tried that is not for the actor: for another role, for approved
        /// doctors, for a second factor.
        ForbiddenOperation = "forbidden_operation",
    }
}

string_enum! {
    /// What came of it.
    Outcome {
        /// It was done.
        Success = "success",
        /// It was refused, because the actor may not.
        Denied = "denied",
        /// It failed, because a proof was wrong: a password, a code, a token.
        Failed = "failed",
    }
}

/// An event of the audit trail. Written in the transaction of what it tells; nobody may change it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The event's id, which says when it happened.
    pub id: EventId,
    /// Whose chart or account it concerns.
    pub subject_id: UserId,
    /// Who did it.
    pub actor_id: UserId,
    /// What they were then; unknown before an account is read, as at a login.
    pub actor_role: Option<Role>,
    /// What they were called then; empty where the role is unknown.
    pub actor_name: String,
    /// In which session; none while there is no session yet.
    pub session_id: Option<SessionId>,
    /// What was done.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// To which record.
    pub record_id: Option<RecordId>,
    /// To which records, where they were several at once: those on a page, those of an inbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record_ids: Vec<RecordId>,
    /// Why: in the words of a person, or the code of a refusal.
    pub reason: Option<String>,
    /// What was there before, where a few words say it: a role, an approval, an id, a name.
    pub before: Option<String>,
    /// What is there since.
    pub after: Option<String>,
    /// The request that did it, as in its answer and in the logs.
    pub request_id: String,
    /// The address the request came from, as the gateway saw it.
    pub source_ip: String,
    /// What the client called itself, cut to a length.
    pub user_agent: String,
}

impl AuditEvent {
    /// The event with another outcome.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The event about several records at once.
    #[must_use]
    pub fn with_records(self, record_ids: Vec<RecordId>) -> Self {
        Self { record_ids, ..self }
    }

    /// Whether the event is about a record, perhaps among others.
    pub fn concerns(&self, record: RecordId) -> bool {
        self.record_id == Some(record) || self.record_ids.contains(&record)
    }
}
