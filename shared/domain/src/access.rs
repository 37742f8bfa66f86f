//! Who may do what: [`decide`] is the only place that says so.
//!
//! Everybody else brings what is known, of the caller ([`Actor`]) and of the object ([`Relation`]),
//! and does as is decided. What is asked of a caller before the object is looked at is decided with
//! [`Relation::Unknown`].

use jiff::Timestamp;

use crate::account::{Account, Approval, Role};
use crate::field::string_enum;
use crate::id::UserId;
use crate::record::Record;
use crate::session::Session;

string_enum! {
    /// What can be asked for. The words are the operation ids of the routers.
    Operation {
        /// Fetch the public keys of access tokens.
        Jwks = "jwks",
        /// Fetch the document of the API.
        ReadSchema = "read_schema",
        /// Look at Swagger UI.
        SwaggerUi = "swagger_ui",
        /// Load the script of Swagger UI.
        SwaggerUiBundle = "swagger_ui_bundle",
        /// Load the style sheet of Swagger UI.
        SwaggerUiStyle = "swagger_ui_style",
        /// Load what starts Swagger UI.
        SwaggerUiStart = "swagger_ui_start",
        /// Read what a problem means.
        ProblemPage = "problem_page",
        /// Ask whether the service answers.
        Health = "health",
        /// Ask whether the service can do its work.
        Ready = "ready",
        /// Register.
        Register = "register",
        /// Sign in.
        Login = "login",
        /// Complete a sign-in with a second factor.
        LoginWithSecondFactor = "login_with_second_factor",
        /// Get new tokens for a refresh token.
        Refresh = "refresh",
        /// Ask for a mail with which to set a new password.
        RequestPasswordReset = "request_password_reset",
        /// Set a new password with the token from the mail.
        ResetPassword = "reset_password",
        /// Confirm the address with the token from the mail.
        VerifyEmail = "verify_email",
        /// Take another address with the token from the mail.
        ChangeEmail = "change_email",
        /// End the session.
        Logout = "logout",
        /// List the own sessions.
        ListSessions = "list_sessions",
        /// End one of the own sessions.
        EndSession = "end_session",
        /// End all own sessions.
        LogoutAll = "logout_all",
        /// Change the own password.
        ChangePassword = "change_password",
        /// Ask for another mail to confirm the address with.
        ResendVerification = "resend_verification",
        /// Ask for another address.
        RequestEmailChange = "request_email_change",
        /// Get a secret for an authenticator app.
        SetUpSecondFactor = "set_up_second_factor",
        /// Make the second factor count.
        ConfirmSecondFactor = "confirm_second_factor",
        /// Take the second factor away.
        DisableSecondFactor = "disable_second_factor",
        /// Read the own account.
        Me = "me",
        /// Read who did what to the own account and chart.
        AccessLog = "access_log",
        /// Create the own profile.
        CreateProfile = "create_profile",
        /// Change the own profile.
        UpdateProfile = "update_profile",
        /// Replace the own profile.
        ReplaceProfile = "replace_profile",
        /// Look for a doctor.
        ListDoctors = "list_doctors",
        /// List the own records.
        ListPatientRecords = "list_patient_records",
        /// Create a record.
        CreateRecord = "create_record",
        /// Read an own record.
        ReadPatientRecord = "read_patient_record",
        /// Change an own record.
        UpdateRecord = "update_record",
        /// Replace what an own record says.
        ReplaceRecord = "replace_record",
        /// Read who did what to an own record.
        ReadAccessLog = "read_access_log",
        /// Read what an annotation on an own record has said before.
        ReadPatientHistory = "read_patient_history",
        /// Delete a file of an own record.
        DeleteFile = "delete_file",
        /// List the records that are assigned to the caller.
        ListDoctorRecords = "list_doctor_records",
        /// Read a record that is assigned to the caller.
        ReadDoctorRecord = "read_doctor_record",
        /// Annotate a record that is assigned to the caller.
        CreateAnnotation = "create_annotation",
        /// Change an own annotation.
        UpdateAnnotation = "update_annotation",
        /// Replace an own annotation.
        ReplaceAnnotation = "replace_annotation",
        /// Read what an annotation on a record that is assigned to the caller has said before.
        ReadDoctorHistory = "read_doctor_history",
        /// List the own notifications.
        ListNotifications = "list_notifications",
        /// Read an own notification.
        ReadNotification = "read_notification",
        /// See whether there is such an own notification.
        PeekNotification = "peek_notification",
        /// Count the own notifications that are not read yet.
        CountUnread = "count_unread",
        /// Mark the own notifications as read.
        MarkAllRead = "mark_all_read",
        /// Delete the own notifications.
        DeleteAll = "delete_all",
        /// Open the console for staff, and close it.
        OpenConsole = "open_console",
        /// List or search users.
        ListUsers = "list_users",
        /// Create a user.
        CreateUser = "create_user",
        /// Read a user's account.
        ReadUser = "read_user",
        /// Correct a user's names, activate or deactivate the user, change the role.
        UpdateUser = "update_user",
        /// End all sessions of a user.
        EndSessions = "end_sessions",
        /// Have a user sent a mail with which to set a new password.
        StartPasswordReset = "start_password_reset",
        /// Have a mail sent with which a user's address is replaced.
        StartEmailChange = "start_email_change",
        /// List doctors by what staff say of them.
        ListDoctorsByApproval = "list_doctors_by_approval",
        /// Approve a doctor's licence.
        ApproveDoctor = "approve_doctor",
        /// Refuse a doctor's licence.
        RefuseDoctor = "refuse_doctor",
        /// Suspend a doctor.
        SuspendDoctor = "suspend_doctor",
        /// Read the audit trail.
        ListEvents = "list_events",
        /// List or search records, without what they say.
        StaffListRecords = "staff_list_records",
        /// List or search files, without their names.
        StaffListFiles = "staff_list_files",
        /// List or search annotations, without what they say.
        StaffListAnnotations = "staff_list_annotations",
        /// List or search notifications, without their messages.
        StaffListNotifications = "staff_list_notifications",
        /// See with whom a record is and what belongs to it; what it says, once the glass is
        /// broken.
        LookUpRecord = "look_up_record",
        /// Open a record for a while, to read what it says.
        BreakGlass = "break_glass",
        /// Assign a record to another doctor.
        CorrectAssignment = "correct_assignment",
        /// See how much there was of everything.
        ShowDashboard = "show_dashboard",
        /// See the queues, the mails that were set aside, and those to a user.
        ListMails = "list_mails",
        /// Put mails back that were set aside.
        RedriveMails = "redrive_mails",
        /// Have a mail sent again.
        ResendMail = "resend_mail",
    }
}

/// For whom an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Audience {
    /// For anyone, signed in or not.
    Public,
    /// For every user, whatever staff say of them.
    SignedIn,
    /// For patients and doctors, who have a profile; whatever staff say of them.
    PatientsAndDoctors,
    /// For patients.
    Patients,
    /// For doctors whom staff have approved.
    Doctors,
    /// For staff who have signed in with a second factor.
    Admins,
}

impl Audience {
    /// Whether users of a role are among it.
    fn includes(self, role: Role) -> bool {
        match self {
            Self::Public | Self::SignedIn => true,
            Self::PatientsAndDoctors => role != Role::Admin,
            Self::Patients => role == Role::Patient,
            Self::Doctors => role == Role::Doctor,
            Self::Admins => role == Role::Admin,
        }
    }
}

impl Operation {
    /// For whom it is.
    pub fn audience(self) -> Audience {
        match self {
            Self::Jwks
            | Self::ReadSchema
            | Self::SwaggerUi
            | Self::SwaggerUiBundle
            | Self::SwaggerUiStyle
            | Self::SwaggerUiStart
            | Self::ProblemPage
            | Self::Health
            | Self::Ready
            | Self::Register
            | Self::Login
            | Self::LoginWithSecondFactor
            | Self::Refresh
            | Self::RequestPasswordReset
            | Self::ResetPassword
            | Self::VerifyEmail
            | Self::ChangeEmail => Audience::Public,
            Self::Logout
            | Self::ListSessions
            | Self::EndSession
            | Self::LogoutAll
            | Self::ChangePassword
            | Self::ResendVerification
            | Self::RequestEmailChange
            | Self::SetUpSecondFactor
            | Self::ConfirmSecondFactor
            | Self::DisableSecondFactor
            | Self::Me
            | Self::AccessLog
            | Self::ListNotifications
            | Self::ReadNotification
            | Self::PeekNotification
            | Self::CountUnread
            | Self::MarkAllRead
            | Self::DeleteAll => Audience::SignedIn,
            Self::CreateProfile | Self::UpdateProfile | Self::ReplaceProfile => {
                Audience::PatientsAndDoctors
            }
            Self::ListDoctors
            | Self::ListPatientRecords
            | Self::CreateRecord
            | Self::ReadPatientRecord
            | Self::UpdateRecord
            | Self::ReplaceRecord
            | Self::ReadAccessLog
            | Self::ReadPatientHistory
            | Self::DeleteFile => Audience::Patients,
            Self::ListDoctorRecords
            | Self::ReadDoctorRecord
            | Self::CreateAnnotation
            | Self::UpdateAnnotation
            | Self::ReplaceAnnotation
            | Self::ReadDoctorHistory => Audience::Doctors,
            Self::OpenConsole
            | Self::ListUsers
            | Self::CreateUser
            | Self::ReadUser
            | Self::UpdateUser
            | Self::EndSessions
            | Self::StartPasswordReset
            | Self::StartEmailChange
            | Self::ListDoctorsByApproval
            | Self::ApproveDoctor
            | Self::RefuseDoctor
            | Self::SuspendDoctor
            | Self::ListEvents
            | Self::StaffListRecords
            | Self::StaffListFiles
            | Self::StaffListAnnotations
            | Self::StaffListNotifications
            | Self::LookUpRecord
            | Self::BreakGlass
            | Self::CorrectAssignment
            | Self::ShowDashboard
            | Self::ListMails
            | Self::RedriveMails
            | Self::ResendMail => Audience::Admins,
        }
    }

    /// Whether the id in its path is that of a record.
    pub fn names_record(self) -> bool {
        matches!(
            self,
            Self::ReadPatientRecord
                | Self::UpdateRecord
                | Self::ReplaceRecord
                | Self::ReadAccessLog
                | Self::ReadDoctorRecord
        )
    }

    /// What is said of one to whom the object is this.
    fn of(self, relation: Relation) -> Decision {
        let takes = match self.audience() {
            Audience::Patients => relation == Relation::Owner,
            Audience::Doctors
                if matches!(self, Self::UpdateAnnotation | Self::ReplaceAnnotation) =>
            {
                relation == Relation::Author
            }
            Audience::Doctors => matches!(relation, Relation::Assigned | Relation::Author),
            Audience::Admins if self == Self::UpdateUser && relation == Relation::Oneself => {
                return Decision::OwnAccount;
            }
            Audience::Admins => true,
            Audience::Public | Audience::SignedIn | Audience::PatientsAndDoctors => {
                matches!(relation, Relation::Owner | Relation::Oneself)
            }
        };
        if takes { Decision::Allow } else { Decision::NotFound }
    }
}

/// What one who has signed in is, as account and session say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The role.
    pub role: Role,
    /// What staff say of a doctor.
    pub approval: Option<Approval>,
    /// Whether the sign-in was by a second factor too.
    pub second_factor: bool,
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// Nobody in particular.
    Anonymous,
    /// One who shows a token that is worth nothing, or nothing any more.
    InvalidToken,
    /// One whose token is good and claims a role. Whether account and session bear it out has not
    /// been looked at.
    Claimed(Role),
    /// One whose account and session bear out what the token claims.
    Confirmed(Standing),
}

impl Actor {
    /// Who shows a good token that claims a role, once account and session, if there are any, have
    /// been read.
    ///
    /// The token is worth nothing any more when the account is deactivated, has another role or
    /// password since, or the session has ended.
    pub fn confirmed(found: Option<(&Account, &Session)>, claimed: Role, now: Timestamp) -> Self {
        match found {
            Some((account, session))
                if account.is_active
                    && account.role == claimed
                    && account.allows_session(session)
                    && session.is_live(now) =>
            {
                Self::Confirmed(Standing {
                    role: account.role,
                    approval: account.approval,
                    second_factor: session.second_factor,
                })
            }
            _ => Self::InvalidToken,
        }
    }
}

/// What the object of an operation is to the one who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// There is no one object, or it has not been looked at yet.
    Unknown,
    /// Their own account.
    Oneself,
    /// Their own: their chart, session, notification.
    Owner,
    /// A record that is assigned to them, or something on it.
    Assigned,
    /// What they have written, on a record that is assigned to them.
    Author,
    /// Somebody else's, or not there at all: the two are never told apart.
    Stranger,
}

impl Relation {
    /// What the chart of a patient is to a user.
    pub fn to_chart(user: UserId, patient: UserId) -> Self {
        if user == patient { Self::Owner } else { Self::Stranger }
    }

    /// What a record is to a user, now.
    pub fn to_record(user: UserId, record: &Record) -> Self {
        match Self::to_chart(user, record.patient_id) {
            Self::Stranger if user == record.doctor_id => Self::Assigned,
            relation => relation,
        }
    }

    /// What an annotation by `author` is to the doctor to whom its record is assigned.
    pub fn to_annotation(doctor: UserId, author: UserId) -> Self {
        if doctor == author { Self::Author } else { Self::Assigned }
    }

    /// What an account is to a user.
    pub fn to_account(user: UserId, other: UserId) -> Self {
        if user == other { Self::Oneself } else { Self::Stranger }
    }
}

/// What the operator asks of users beyond what always holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Whether doctors must sign in with a second factor, as staff always must.
    pub doctors_need_second_factor: bool,
}

/// What is decided.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Decision {
    /// Nothing of what is known speaks against it.
    Allow,
    /// Who asks must sign in.
    NotAuthenticated,
    /// The token is worth nothing.
    TokenNotValid,
    /// It is for another role.
    WrongRole,
    /// Staff have not approved the doctor, or have suspended them since.
    NotApproved,
    /// It takes a second factor.
    SecondFactorRequired,
    /// There is nothing here for the one who asks.
    NotFound,
    /// Nobody does this to themself.
    OwnAccount,
}

/// Whether `actor` may do `operation` to an object that is `relation` to them.
///
/// What is said of the actor comes before what is said of the object: nobody learns of an object
/// who may not ask for it.
pub fn decide(rules: Rules, actor: Actor, operation: Operation, relation: Relation) -> Decision {
    let audience = operation.audience();
    if audience == Audience::Public {
        return Decision::Allow;
    }
    let standing = match actor {
        Actor::Anonymous => return Decision::NotAuthenticated,
        Actor::InvalidToken => return Decision::TokenNotValid,
        Actor::Claimed(role) if !audience.includes(role) => return Decision::WrongRole,
        // They may go on, but nothing is for them before the claim is borne out.
        Actor::Claimed(_) if relation == Relation::Unknown => return Decision::Allow,
        Actor::Claimed(_) => return Decision::TokenNotValid,
        Actor::Confirmed(standing) => standing,
    };
    if !audience.includes(standing.role) {
        return Decision::WrongRole;
    }
    if audience == Audience::Doctors && standing.approval != Some(Approval::Approved) {
        return Decision::NotApproved;
    }
    let needs_second_factor = match audience {
        Audience::Admins => true,
        Audience::Doctors => rules.doctors_need_second_factor,
        _ => false,
    };
    if needs_second_factor && !standing.second_factor {
        return Decision::SecondFactorRequired;
    }
    if relation == Relation::Unknown { Decision::Allow } else { operation.of(relation) }
}

/// Whether `actor` may see a record that is `relation` to them, by whichever way there is to it.
pub fn sees(rules: Rules, actor: Actor, relation: Relation) -> bool {
    [Operation::ReadPatientRecord, Operation::ReadDoctorRecord]
        .into_iter()
        .any(|operation| decide(rules, actor, operation, relation) == Decision::Allow)
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
