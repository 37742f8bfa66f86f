//! The audit trail: who did what to whose chart or account. Append-only.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::field::string_enum;
use crate::id::{EventId, FileId, RecordId, SessionId, UserId};

string_enum! {
    /// What was done or tried.
    Action {
        /// An account was registered.
        Register = "register",
        /// Somebody signed in.
        Login = "login",
        /// A device became known with a token from a mail.
        ConfirmDevice = "confirm_device",
        /// A user ended one of their sessions.
        EndSession = "end_session",
        /// All sessions of a user were ended.
        EndAllSessions = "end_all_sessions",
        /// A refresh token was used twice, and its session was ended.
        ReuseToken = "reuse_token",
        /// A user changed their password.
        ChangePassword = "change_password",
        /// A new password was set with a token from a mail.
        ResetPassword = "reset_password",
        /// An email address was confirmed.
        VerifyEmail = "verify_email",
        /// The owner of an address discarded an account that was never confirmed.
        DiscardAccount = "discard_account",
        /// An email address was changed.
        ChangeEmail = "change_email",
        /// A second factor was set up.
        EnableSecondFactor = "enable_second_factor",
        /// A second factor was removed.
        DisableSecondFactor = "disable_second_factor",
        /// A user's role was changed.
        ChangeRole = "change_role",
        /// Staff corrected a user's names or telephone number, or had mails sent again to an
        /// address that bounced. `before` and `after` contain what changed.
        UpdateUser = "update_user",
        /// A user was activated.
        Activate = "activate",
        /// A user was deactivated.
        Deactivate = "deactivate",
        /// Staff created a user.
        CreateUser = "create_user",
        /// Staff read a user's account.
        ReadUser = "read_user",
        /// Staff listed or searched users. The subject is the actor.
        ListUsers = "list_users",
        /// Staff had a password-reset mail sent to a user.
        StartPasswordReset = "start_password_reset",
        /// Staff started a change of a user's address. `before` and `after` are the addresses.
        StartEmailChange = "start_email_change",
        /// Staff started the removal of a user's second factor.
        StartSecondFactorRemoval = "start_second_factor_removal",
        /// A second admin approved a change of address or the removal of a second factor.
        ApproveRecovery = "approve_recovery",
        /// Somebody confirmed a new address with the token from the mail to it. The actor is not
        /// known to be the user, and has neither role nor name.
        ConfirmRecovery = "confirm_recovery",
        /// A change of address or the removal of a second factor was cancelled: by staff, or with
        /// the link in the mail to the user's address.
        CancelRecovery = "cancel_recovery",
        /// An operator removed the second factor of the only admin, or changed the address.
        RecoverAdmin = "recover_admin",
        /// Staff listed or searched records, without their contents. The subject is the user
        /// searched for, or else the actor.
        StaffListRecords = "staff_list_records",
        /// Staff listed or searched files, without their names. The subject is the user searched
        /// for, or else the actor.
        StaffListFiles = "staff_list_files",
        /// Staff listed or searched annotations, without their text. The subject is the user
        /// searched for, or else the actor.
        StaffListAnnotations = "staff_list_annotations",
        /// Staff listed or searched notifications, without their messages. The subject is the user
        /// searched for, or else the actor.
        StaffListNotifications = "staff_list_notifications",
        /// Staff looked up a record: its patient, doctor, files and annotations, without their
        /// contents.
        LookUpRecord = "look_up_record",
        /// Staff got emergency access to the contents of a record.
        BreakGlass = "break_glass",
        /// Staff assigned a record to another doctor. `before` and `after` are the doctors' ids.
        CorrectAssignment = "correct_assignment",
        /// Staff had a mail sent again.
        ResendMail = "resend_mail",
        /// Staff moved a message from the dead-letter queue back to the mail queue.
        RedriveMail = "redrive_mail",
        /// Staff listed the mails in the dead-letter queue, or those to a user.
        ListMails = "list_mails",
        /// Staff exported the daily counts. They contain no personal data.
        ExportCounts = "export_counts",
        /// Staff read the audit trail of a user, as subject or actor.
        ReadAudit = "read_audit",
        /// A doctor changed their licence number. `before` and `after` are approval and number:
        /// `approved: MD-1`.
        ChangeLicence = "change_licence",
        /// A doctor's licence was approved.
        ApproveDoctor = "approve_doctor",
        /// A doctor's licence was refused.
        RefuseDoctor = "refuse_doctor",
        /// A doctor was suspended.
        SuspendDoctor = "suspend_doctor",
        /// A record was created.
        CreateRecord = "create_record",
        /// A record was read.
        ReadRecord = "read_record",
        /// A page of records was read.
        ListRecords = "list_records",
        /// A record was changed, including its assignment.
        UpdateRecord = "update_record",
        /// A URL to download a file was given.
        DownloadFile = "download_file",
        /// A file was deleted.
        DeleteFile = "delete_file",
        /// A new upload URL for a pending file was asked for.
        RenewUpload = "renew_upload",
        /// An annotation was written.
        CreateAnnotation = "create_annotation",
        /// An annotation was changed.
        UpdateAnnotation = "update_annotation",
        /// The history of a record or an annotation was read.
        ReadHistory = "read_history",
        /// Notifications about records were read.
        ReadNotifications = "read_notifications",
        /// The access log was read.
        ReadAccessLog = "read_access_log",
        /// An operation was refused because it requires another role, an approved licence or a
        /// second factor.
        ForbiddenOperation = "forbidden_operation",
    }
}

impl Action {
    /// Returns whether the action is emergency access by staff: to the contents of a record, or to
    /// how the user signs in.
    pub fn is_emergency_access(self) -> bool {
        matches!(
            self,
            Self::BreakGlass
                | Self::StartEmailChange
                | Self::StartSecondFactorRemoval
                | Self::RecoverAdmin
        )
    }
}

string_enum! {
    /// The outcome of an action.
    Outcome {
        /// The action was done.
        Success = "success",
        /// The action was refused because the actor is not allowed to do it.
        Denied = "denied",
        /// The action was tried and failed: a wrong password, code or token, or a taken address.
        Failed = "failed",
    }
}

/// An event of the audit trail. Written in the same transaction as the change it describes, and
/// never changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The event's id, which contains the time.
    pub id: EventId,
    /// The user whose chart or account it concerns.
    pub subject_id: UserId,
    /// The user who did it.
    pub actor_id: UserId,
    /// The actor's role at that time; unknown before the account is read, as at a login.
    pub actor_role: Option<Role>,
    /// The actor's name at that time; empty where the role is unknown.
    pub actor_name: String,
    /// The actor's session; none before a session exists.
    pub session_id: Option<SessionId>,
    /// What was done.
    pub action: Action,
    /// The outcome.
    pub outcome: Outcome,
    /// The record it concerns.
    pub record_id: Option<RecordId>,
    /// The records it concerns, if there are several: those on a page or in an inbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record_ids: Vec<RecordId>,
    /// The file, if it concerns a single file of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<FileId>,
    /// The reason that a person gave, or the code of the refusal.
    pub reason: Option<String>,
    /// The value before the change, if it is short: a role, an approval, an id, a name.
    pub before: Option<String>,
    /// The value after the change.
    pub after: Option<String>,
    /// The id of the request, as in its response and in the logs.
    pub request_id: String,
    /// The client's IP address, as seen by the gateway.
    pub source_ip: String,
    /// The client's `User-Agent`, truncated.
    pub user_agent: String,
}

impl AuditEvent {
    /// Returns the event with another outcome.
    #[must_use]
    pub fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// Returns the event with several records.
    #[must_use]
    pub fn with_records(self, record_ids: Vec<RecordId>) -> Self {
        Self { record_ids, ..self }
    }

    /// Returns the event with the file that it concerns.
    #[must_use]
    pub fn with_file(self, file: FileId) -> Self {
        Self { file_id: Some(file), ..self }
    }

    /// Returns whether the event concerns a record, alone or among others.
    pub fn concerns(&self, record: RecordId) -> bool {
        self.record_id == Some(record) || self.record_ids.contains(&record)
    }
}
