//! The table of operations: one row says everything that holds for an operation as a whole.
//!
//! The router, the OpenAPI document and the access decision read it. To add an operation, add its
//! row here and register a handler of that name; the two are compared when the function starts.

use crate::account::Role;
use crate::field::string_enum;
use crate::problem::Code;

/// Who may call an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Audience {
    /// Anyone, signed in or not.
    Public,
    /// Every user, whether approved or not.
    SignedIn,
    /// Patients and doctors, whether approved or not: the users with a profile.
    PatientsAndDoctors,
    /// Patients.
    Patients,
    /// Those who may read a record: patients, and doctors whom staff have approved.
    Readers,
    /// Doctors whom staff have approved.
    Doctors,
    /// Staff who have signed in with a second factor.
    Admins,
}

impl Audience {
    /// Returns whether users of a role belong to the audience.
    pub(super) fn includes(self, role: Role) -> bool {
        match self {
            Self::Public | Self::SignedIn => true,
            Self::PatientsAndDoctors | Self::Readers => role != Role::Admin,
            Self::Patients => role == Role::Patient,
            Self::Doctors => role == Role::Doctor,
            Self::Admins => role == Role::Admin,
        }
    }
}

/// What holds for an operation as a whole.
struct Row {
    audience: Audience,
    idempotent: bool,
    names_record: bool,
    token_transport: bool,
    problems: &'static [(u16, Code)],
}

impl Row {
    const fn new(audience: Audience, problems: &'static [(u16, Code)]) -> Self {
        Self { audience, idempotent: false, names_record: false, token_transport: false, problems }
    }

    const fn idempotent(self) -> Self {
        Self { idempotent: true, ..self }
    }

    const fn names_record(self) -> Self {
        Self { names_record: true, ..self }
    }

    const fn token_transport(self) -> Self {
        Self { token_transport: true, ..self }
    }
}

/// Declares the operations. A row reads
/// `Name = "operation_id": Audience, flags ..., [HTTP status and problem code, ...];`.
macro_rules! operations {
    ($(
        #[doc = $doc:literal]
        $name:ident = $id:literal: $audience:ident $(, $flag:ident)*
            $(, [$($status:literal $code:ident),+])?;
    )+) => {
        string_enum! {
            /// An operation of the API or the console. The words are the operation ids of the
            /// OpenAPI document.
            Operation { $(#[doc = $doc] $name = $id,)+ }
        }

        impl Operation {
            fn row(self) -> &'static Row {
                match self {$(
                    Self::$name => const {
                        &Row::new(Audience::$audience, &[$($(($status, Code::$code)),+)?])
                            $(.$flag())*
                    }
                )+}
            }
        }
    };
}

// Flags: `idempotent` for operations that take the header Idempotency-Key, `names_record` where the
// id in the path is a record's, `token_transport` for operations that take the header
// Token-Transport.
//
// Problems are those that do not follow from a rule of shared/openapi/src/problems.rs: from the
// audience, a body, an id in the path, query parameters.
operations! {
    /// Get the public keys that verify access tokens.
    Jwks = "jwks": Public;
    /// Get the OpenAPI document.
    ReadSchema = "read_schema": Public, [404 NotFound];
    /// Open Swagger UI.
    SwaggerUi = "swagger_ui": Public, [404 NotFound];
    /// Load the script of Swagger UI.
    SwaggerUiBundle = "swagger_ui_bundle": Public, [404 NotFound];
    /// Load the style sheet of Swagger UI.
    SwaggerUiStyle = "swagger_ui_style": Public, [404 NotFound];
    /// Load the script that starts Swagger UI.
    SwaggerUiStart = "swagger_ui_start": Public, [404 NotFound];
    /// Read what a problem code means.
    ProblemPage = "problem_page": Public;
    /// Ask whether the service responds.
    Health = "health": Public;
    /// Ask whether the service can do its work.
    Ready = "ready": Public;
    /// Register.
    Register = "register": Public, idempotent, token_transport, [429 TooManyAttempts];
    /// Sign in.
    Login = "login": Public, token_transport, [401 InvalidCredentials, 401 MfaRequired,
        401 SignInLinkRequired, 429 TooManyAttempts];
    /// Complete a sign-in with a second factor.
    LoginWithSecondFactor = "login_with_second_factor": Public, token_transport,
        [401 MfaTokenNotValid, 401 InvalidCode, 401 CodeAlreadyUsed, 401 SecondFactorLocked,
         429 TooManyAttempts];
    /// Ask for a mail with a link that makes a device known.
    RequestSignInLink = "request_sign_in_link": Public, token_transport, [429 TooManyAttempts];
    /// Make a device known with the token from the mail.
    ConfirmDevice = "confirm_device": Public, token_transport,
        [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Get new tokens for a refresh token.
    Refresh = "refresh": Public, token_transport, [401 TokenNotValid, 429 TooManyAttempts];
    /// End the session of a refresh token.
    RevokeRefreshToken = "revoke_refresh_token": Public, token_transport;
    /// Ask for a mail with a token to set a new password.
    RequestPasswordReset = "request_password_reset": Public, token_transport, [429 TooManyAttempts];
    /// Set a new password with the token from the mail.
    ResetPassword = "reset_password": Public, [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Confirm an email address with the token from the mail.
    VerifyEmail = "verify_email": Public, [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Read whose account the token from a mail is for.
    ReadRegistration = "read_registration": Public, [429 TooManyAttempts];
    /// Discard an unconfirmed account with the token from the mail to its address.
    DiscardRegistration = "discard_registration": Public,
        [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Change the email address with the token from the mail.
    ChangeEmail = "change_email": Public,
        [409 ChangedMeanwhile, 409 EmailTaken, 429 TooManyAttempts];
    /// Confirm a new email address that staff have entered, with the token from the mail to it.
    ConfirmRecovery = "confirm_recovery": Public, [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Cancel what staff have started, with the token from the mail.
    CancelRecovery = "cancel_recovery": Public, [409 ChangedMeanwhile, 429 TooManyAttempts];
    /// End the session of the request.
    Logout = "logout": SignedIn, token_transport;
    /// List the caller's sessions.
    ListSessions = "list_sessions": SignedIn;
    /// End one of the caller's sessions.
    EndSession = "end_session": SignedIn, [403 SecondFactorLocked, 429 TooManyAttempts];
    /// End all of the caller's sessions.
    LogoutAll = "logout_all": SignedIn, token_transport,
        [403 SecondFactorLocked, 429 TooManyAttempts];
    /// Change the caller's password.
    ChangePassword = "change_password": SignedIn, token_transport,
        [403 SignInLinkRequired, 403 SecondFactorLocked, 409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Ask for another mail with a token to confirm the email address.
    ResendVerification = "resend_verification": SignedIn, [429 DailyLimitReached];
    /// Ask for a mail with a token to change the email address.
    RequestEmailChange = "request_email_change": SignedIn,
        [403 SignInLinkRequired, 403 SecondFactorLocked, 429 TooManyAttempts,
         429 DailyLimitReached];
    /// Get a secret for an authenticator app.
    SetUpSecondFactor = "set_up_second_factor": SignedIn,
        [403 EmailNotConfirmed, 403 SignInLinkRequired, 409 SecondFactorExists,
         429 TooManyAttempts];
    /// Enable the second factor.
    ConfirmSecondFactor = "confirm_second_factor": SignedIn,
        [403 EmailNotConfirmed, 403 SecondFactorLocked, 409 SecondFactorNotSetUp,
         409 SecondFactorExists, 409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Disable the second factor.
    DisableSecondFactor = "disable_second_factor": SignedIn,
        [403 SignInLinkRequired, 403 SecondFactorLocked, 409 SecondFactorNotSetUp,
         409 ChangedMeanwhile, 429 TooManyAttempts];
    /// Read the caller's account.
    Me = "me": SignedIn;
    /// Read who did what to the caller's account and chart.
    AccessLog = "access_log": SignedIn;
    /// Create the caller's profile.
    CreateProfile = "create_profile": PatientsAndDoctors, idempotent,
        [403 ProfileExists, 409 ChangedMeanwhile];
    /// Change the caller's profile.
    UpdateProfile = "update_profile": PatientsAndDoctors,
        [403 NoProfile, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Replace the caller's profile.
    ReplaceProfile = "replace_profile": PatientsAndDoctors,
        [403 NoProfile, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Search the directory of doctors.
    ListDoctors = "list_doctors": Patients;
    /// List the patient's records.
    ListPatientRecords = "list_patient_records": Patients;
    /// Create a record.
    CreateRecord = "create_record": Patients, idempotent, [429 DailyLimitReached];
    /// Read one of the patient's records.
    ReadPatientRecord = "read_patient_record": Patients, names_record;
    /// Change one of the patient's records.
    UpdateRecord = "update_record": Patients, names_record,
        [409 ChangedMeanwhile, 412 PreconditionFailed, 429 DailyLimitReached];
    /// Replace the content of one of the patient's records.
    ReplaceRecord = "replace_record": Patients, names_record,
        [409 ChangedMeanwhile, 412 PreconditionFailed, 429 DailyLimitReached];
    /// Read who did what to one of the patient's records.
    ReadAccessLog = "read_access_log": Patients, names_record;
    /// Read what was changed in one of the patient's records.
    ReadPatientRecordHistory = "read_patient_record_history": Patients, names_record;
    /// Read the versions of an annotation on one of the patient's records.
    ReadPatientHistory = "read_patient_history": Patients;
    /// Get a URL from which a file is downloaded, of a record that the caller may read.
    DownloadFile = "download_file": Readers, [409 FileNotAvailable];
    /// Delete a file of one of the patient's records.
    DeleteFile = "delete_file": Patients, [409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Get a new upload URL for a pending file of one of the patient's records.
    RenewUpload = "renew_upload": Patients, [409 FileNotPending];
    /// List the records that are assigned to the doctor.
    ListDoctorRecords = "list_doctor_records": Doctors;
    /// Read a record that is assigned to the doctor.
    ReadDoctorRecord = "read_doctor_record": Doctors, names_record;
    /// Annotate a record that is assigned to the doctor.
    CreateAnnotation = "create_annotation": Doctors, idempotent;
    /// Change one of the doctor's annotations.
    UpdateAnnotation = "update_annotation": Doctors,
        [409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Replace one of the doctor's annotations.
    ReplaceAnnotation = "replace_annotation": Doctors,
        [409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Read what was changed in a record that is assigned to the doctor.
    ReadDoctorRecordHistory = "read_doctor_record_history": Doctors, names_record;
    /// Read the versions of an annotation on a record that is assigned to the doctor.
    ReadDoctorHistory = "read_doctor_history": Doctors;
    /// List the caller's notifications.
    ListNotifications = "list_notifications": SignedIn;
    /// Read one of the caller's notifications.
    ReadNotification = "read_notification": SignedIn;
    /// Ask whether a notification exists, without marking it as read: the HEAD request.
    PeekNotification = "peek_notification": SignedIn;
    /// Count the caller's unread notifications.
    CountUnread = "count_unread": SignedIn;
    /// Mark all of the caller's notifications as read.
    MarkAllRead = "mark_all_read": SignedIn;
    /// Delete all of the caller's notifications.
    DeleteAll = "delete_all": SignedIn;
    /// Open the console for staff, and leave it.
    OpenConsole = "open_console": Admins;
    /// List or search users.
    ListUsers = "list_users": Admins;
    /// Find a user by email address.
    SearchUsers = "search_users": Admins;
    /// Create a user.
    CreateUser = "create_user": Admins, idempotent;
    /// Read a user's account.
    ReadUser = "read_user": Admins;
    /// Correct a user's names, activate or deactivate the user, or change the role.
    UpdateUser = "update_user": Admins,
        [403 OwnAccount, 409 LastAdmin, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// End all sessions of a user.
    EndSessions = "end_sessions": Admins;
    /// Send a user a mail with a token to set a new password.
    StartPasswordReset = "start_password_reset": Admins, [409 Inactive];
    /// Start the change of a user's email address.
    StartEmailChange = "start_email_change": Admins,
        [403 OwnAccount, 409 Inactive, 409 RecoveryWaiting];
    /// Start the removal of a user's second factor.
    StartSecondFactorRemoval = "start_second_factor_removal": Admins,
        [403 OwnAccount, 409 Inactive, 409 SecondFactorNotSetUp, 409 RecoveryWaiting];
    /// List the changes of addresses and removals of second factors that wait.
    ListRecoveries = "list_recoveries": Admins;
    /// Approve, as the second admin, what another admin has started for a user.
    ApproveRecovery = "approve_recovery": Admins, [403 OwnAccount, 409 ChangedMeanwhile];
    /// Cancel what an admin has started for a user.
    StaffCancelRecovery = "staff_cancel_recovery": Admins, [409 ChangedMeanwhile];
    /// List doctors by the state of their approval.
    ListDoctorsByApproval = "list_doctors_by_approval": Admins;
    /// Approve a doctor's licence.
    ApproveDoctor = "approve_doctor": Admins,
        [409 ApprovalNotPossible, 409 NoProfile, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Refuse a doctor's licence.
    RefuseDoctor = "refuse_doctor": Admins,
        [409 ApprovalNotPossible, 409 NoProfile, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Suspend a doctor.
    SuspendDoctor = "suspend_doctor": Admins,
        [409 ApprovalNotPossible, 409 ChangedMeanwhile, 412 PreconditionFailed];
    /// Read the audit trail.
    ListEvents = "list_events": Admins;
    /// List or search records, without their text.
    StaffListRecords = "staff_list_records": Admins;
    /// List or search files, without their names.
    StaffListFiles = "staff_list_files": Admins;
    /// List or search annotations, without their text.
    StaffListAnnotations = "staff_list_annotations": Admins;
    /// List or search notifications, without their messages.
    StaffListNotifications = "staff_list_notifications": Admins;
    /// Show a record with files and annotations; their text only with emergency access.
    LookUpRecord = "look_up_record": Admins;
    /// Get emergency access to the text of a record for a short time.
    BreakGlass = "break_glass": Admins;
    /// Assign a record to another doctor.
    CorrectAssignment = "correct_assignment": Admins;
    /// Show the dashboard with its counts.
    ShowDashboard = "show_dashboard": Admins;
    /// Show the mail queue, the dead-letter queue and a user's mails.
    ListMails = "list_mails": Admins;
    /// Move messages from the dead-letter queue back to the mail queue.
    RedriveMails = "redrive_mails": Admins;
    /// Send a mail again.
    ResendMail = "resend_mail": Admins;
}

impl Operation {
    /// Returns who may call the operation.
    pub fn audience(self) -> Audience {
        self.row().audience
    }

    /// Returns whether the operation takes the header Idempotency-Key.
    pub fn is_idempotent(self) -> bool {
        self.row().idempotent
    }

    /// Returns whether the operation takes the header Token-Transport.
    pub fn has_token_transport(self) -> bool {
        self.row().token_transport
    }

    /// Returns whether the id in the operation's path is a record's.
    pub fn names_record(self) -> bool {
        self.row().names_record
    }

    /// Returns the problems particular to the operation, each with its HTTP status.
    pub fn problems(self) -> &'static [(u16, Code)] {
        self.row().problems
    }
}
