//! The configuration of the functions, read from environment variables. No other code reads the
//! environment.
//!
//! `template.yaml` sets the variables of every function and has the defaults. [`FUNCTIONS`] lists
//! which function reads which variables.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use crypto::Secret;
use domain::account::Role;
use domain::password;
use domain::rate::ClientNetwork;
use jiff::SignedDuration;
use tracing::Level;

use crate::tokens::Lifetimes;

/// A variable that is missing or invalid. The message never repeats the value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not there, or not Unicode.
    #[error("{0} is not set: give the function the variables that template.yaml lists for it")]
    Missing(&'static str),
    /// The variable is set to an invalid value.
    #[error("{variable} must be {expected}: correct it in the function's environment")]
    Invalid {
        /// The variable's name.
        variable: &'static str,
        /// What its value must be.
        expected: String,
    },
}

/// Returns a variable of the process.
pub fn environment(variable: &'static str) -> Option<String> {
    std::env::var(variable).ok()
}

/// Declares structs that are read from variables, so that struct, reader and list of variables
/// always agree.
macro_rules! config {
    ($(
        $(#[$doc:meta])*
        $name:ident { $(
            $(#[$field_doc:meta])*
            $field:ident: $type:ty = $variable:ident as $parse:expr,
        )+ }
    )+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $name {
            /// The variables from which it is read.
            pub const VARIABLES: &'static [&'static str] = &[$(stringify!($variable),)+];

            /// Reads it from the environment of the process.
            ///
            /// # Errors
            /// The first variable that is missing or invalid.
            pub fn from_env() -> Result<Self, ConfigError> {
                Self::read(environment)
            }

            /// Reads it from variables.
            ///
            /// # Errors
            /// The first variable that is missing or invalid.
            pub fn read(
                lookup: impl Fn(&'static str) -> Option<String>,
            ) -> Result<Self, ConfigError> {
                Ok(Self { $($field: field(&lookup, stringify!($variable), $parse)?,)+ })
            }
        }
    )+};
}

config! {
    /// Settings of every function.
    Telemetry {
        /// The least severe level that is logged.
        log_level: Level = LOG_LEVEL as level,
    }

    /// Settings of every function with routes of the API.
    Http {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// Base of the links in responses, without a slash at the end.
        public_url: String = PUBLIC_URL as url,
        /// Origins of the web clients that may call the API.
        allowed_origins: Vec<String> = ALLOWED_ORIGINS as list,
        /// The default number of entries on a page.
        page_size: usize = PAGE_SIZE as |value| number(value, 1..=100),
        /// The ARN of the secret for sealing page cursors.
        cursor_secret_arn: String = CURSOR_SECRET_ARN as text,
        /// The ARN of the secret with which events of the audit trail are signed.
        audit_secret_arn: String = AUDIT_SECRET_ARN as text,
        /// The issuer of access tokens.
        token_issuer: String = TOKEN_ISSUER as text,
        /// Whether doctors must sign in with a second factor.
        doctors_need_second_factor: bool = REQUIRE_DOCTOR_SECOND_FACTOR as flag,
    }

    /// Settings of functions with idempotent operations.
    Idempotency {
        /// The ARN of the secret for finding and sealing stored responses.
        idempotency_secret_arn: String = IDEMPOTENCY_SECRET_ARN as text,
    }

    /// Settings for checking passwords and codes.
    Credentials {
        /// The ARN of the secret for sealing password hashes and TOTP secrets.
        credentials_secret_arn: String = CREDENTIALS_SECRET_ARN as text,
    }

    /// Settings for issuing tokens.
    Tokens {
        /// The ARN of the secret from which the signing key is derived.
        signing_secret_arn: String = SIGNING_SECRET_ARN as text,
        /// How long an access token is valid.
        access_token: SignedDuration = ACCESS_TOKEN_SECONDS as
            |value| Ok(SignedDuration::from_secs(number(value, 1..=86_400)?)),
        /// How long a patient's session lives without use.
        patient_idle: SignedDuration = PATIENT_IDLE_DAYS as days,
        /// How long a patient's session lives, used or not.
        patient_absolute: SignedDuration = PATIENT_ABSOLUTE_DAYS as days,
        /// How long the session of a doctor or an admin lives without use.
        staff_idle: SignedDuration = STAFF_IDLE_HOURS as hours,
        /// How long the session of a doctor or an admin lives, used or not.
        staff_absolute: SignedDuration = STAFF_ABSOLUTE_HOURS as hours,
    }

    /// Settings for registering users.
    Registration {
        /// Whether registering with the address of an existing account is refused openly.
        reveal_registered_email: bool = REVEAL_REGISTERED_EMAIL as flag,
    }

    /// Rules for new passwords.
    Passwords {
        /// How many visible characters they have at least.
        min_length: usize = MIN_PASSWORD_LENGTH as |value| number(value, password::MIN..=64),
    }

    /// Limits for throttling passwords and codes, and for requesting mails.
    ThrottleLimits {
        /// How many attempts of one kind (sign-ins, registrations, refreshes, uses of mailed
        /// tokens) may fail from one network in 15 minutes, at all accounts together.
        failures_per_network: u64 = MAX_FAILURES_PER_NETWORK as |value| number(value, 5..=100_000),
        /// How many sign-ins may fail at one account in a row, from all networks together, before
        /// only known devices may sign in.
        failures_per_account: u64 = MAX_FAILURES_PER_ACCOUNT as |value| number(value, 5..=100_000),
        /// Networks of organizations, which are not refused as a whole.
        shared_networks: Vec<ClientNetwork> = SHARED_NETWORKS as networks,
        /// How many requested mails an address gets per day.
        mails_per_day: u64 = MAX_MAILS_PER_DAY as |value| number(value, 1..=1_000),
    }

    /// Limits on what a user may create and change.
    Allowance {
        /// How many records per day.
        records_per_day: u64 = MAX_RECORDS_PER_DAY as |value| number(value, 1..=100_000),
        /// How many files per day.
        files_per_day: u64 = MAX_FILES_PER_DAY as |value| number(value, 40..=100_000),
        /// How many changes of records and annotations per day.
        changes_per_day: u64 = MAX_CHANGES_PER_DAY as |value| number(value, 1..=100_000),
    }

    /// Settings for admitting doctors.
    Doctors {
        /// Whether doctors are listed and can be assigned only after staff have approved their
        /// licence.
        approval_is_required: bool = REQUIRE_DOCTOR_APPROVAL as flag,
    }

    /// Settings of the console for staff.
    Console {
        /// The ARN of the secret for its cookies and the tokens in its forms.
        console_secret_arn: String = CONSOLE_SECRET_ARN as text,
        /// Base of the web client's URLs, without a slash at the end.
        app_url: String = APP_URL as url,
    }

    /// Settings for administering the queues.
    Pipeline {
        /// The queue of mails about notifications.
        mail_queue_url: String = MAIL_QUEUE_URL as text,
        /// The queue of account mails.
        account_mail_queue_url: String = ACCOUNT_MAIL_QUEUE_URL as text,
        /// The dead-letter queue of both.
        mail_dead_letter_queue_url: String = MAIL_DEAD_LETTER_QUEUE_URL as text,
        /// The queue of uploads to inspect.
        upload_queue_url: String = UPLOAD_QUEUE_URL as text,
        /// The dead-letter queue of uploads.
        upload_dead_letter_queue_url: String = UPLOAD_DEAD_LETTER_QUEUE_URL as text,
        /// The queue of changes of the table that could not be dispatched.
        stream_failure_queue_url: String = STREAM_FAILURE_QUEUE_URL as text,
        /// How many requested mails an address gets per day.
        mails_per_day: u64 = MAX_MAILS_PER_DAY as |value| number(value, 1..=1_000),
    }

    /// Settings of the functions that create the first admin and recover accounts.
    Bootstrap {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The ARN of the secret with which events of the audit trail are signed.
        audit_secret_arn: String = AUDIT_SECRET_ARN as text,
    }

    /// Settings for uploading files and handing them out.
    Uploads {
        /// The bucket of the files.
        bucket_name: String = BUCKET_NAME as text,
        /// How long a presigned upload URL is valid.
        upload_url_lifetime: Duration = UPLOAD_URL_SECONDS as url_lifetime,
        /// The largest size of a file, in bytes. S3 accepts 5 GiB in one PUT.
        max_file_bytes: u64 = MAX_FILE_BYTES as |value| number(value, 1..=5 * 1024 * 1024 * 1024),
        /// The largest number of files of a record.
        max_files_per_record: usize = MAX_FILES_PER_RECORD as |value| number(value, 1..=40),
        /// Whether a file becomes available only after a scan for malware.
        scans_for_malware: bool = MALWARE_PROTECTION as malware_protection,
    }

    /// Settings of the function that serves the API's documentation.
    Docs {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// Origins of the web clients that may call the API.
        allowed_origins: Vec<String> = ALLOWED_ORIGINS as list,
        /// Whether the document and Swagger UI are published.
        publish: bool = PUBLISH_DOCS as flag,
    }

    /// Settings of the function that serves the document at the path with a slash.
    Publication {
        /// Whether the document is published.
        publish: bool = PUBLISH_DOCS as flag,
    }

    /// Settings of the function that serves the web client.
    Portal {
        /// The bucket of the files, to and from which the client transfers them.
        bucket_name: String = BUCKET_NAME as text,
        /// Whether the web client is served.
        is_on: bool = PORTAL as flag,
    }

    /// Settings of the dispatcher.
    Dispatch {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The queue of mails about notifications.
        mail_queue_url: String = MAIL_QUEUE_URL as text,
        /// The queue of account mails.
        account_mail_queue_url: String = ACCOUNT_MAIL_QUEUE_URL as text,
        /// The bucket of the files.
        bucket_name: String = BUCKET_NAME as text,
        /// The bucket for changes that cannot be read.
        failure_bucket_name: String = FAILURE_BUCKET_NAME as text,
    }

    /// Settings of the mailer.
    Mail {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The queue of mails about notifications.
        mail_queue_url: String = MAIL_QUEUE_URL as text,
        /// The queue of account mails.
        account_mail_queue_url: String = ACCOUNT_MAIL_QUEUE_URL as text,
        /// The sender of all mails.
        sender: String = MAIL_SENDER as text,
        /// The configuration set of SES for all mails.
        configuration_set: String = MAIL_CONFIGURATION_SET as text,
        /// Base of the links in mails: the address of the web client, without a slash at the end.
        app_url: String = APP_URL as url,
        /// How often a queue delivers an order before it moves to the dead-letter queue.
        deliveries: u32 = MAIL_DELIVERIES as |value| number(value, 1..=1_000),
    }

    /// Settings of the function that handles events of SES.
    MailEvents {
        /// The table.
        table_name: String = TABLE_NAME as text,
    }

    /// Settings of the archivist.
    Archive {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The bucket of the archive.
        archive_bucket_name: String = ARCHIVE_BUCKET_NAME as text,
    }

    /// Settings for comparing the audit trail with its archive.
    Verification {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The bucket of the archive.
        archive_bucket_name: String = ARCHIVE_BUCKET_NAME as text,
        /// The ARN of the secret with which events of the audit trail are signed.
        audit_secret_arn: String = AUDIT_SECRET_ARN as text,
    }

    /// Settings of the reconciler.
    Reconcile {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The bucket of the files.
        bucket_name: String = BUCKET_NAME as text,
        /// The queue of mails about notifications.
        mail_queue_url: String = MAIL_QUEUE_URL as text,
        /// The queue of account mails.
        account_mail_queue_url: String = ACCOUNT_MAIL_QUEUE_URL as text,
        /// The queue of uploads to inspect.
        upload_queue_url: String = UPLOAD_QUEUE_URL as text,
    }

    /// Settings of the inspector.
    Inspect {
        /// The table.
        table_name: String = TABLE_NAME as text,
        /// The bucket of the files.
        bucket_name: String = BUCKET_NAME as text,
        /// Whether a file becomes available only after a scan for malware.
        scans_for_malware: bool = MALWARE_PROTECTION as malware_protection,
    }
}

/// Which function reads which variables. The template gives each function exactly these.
pub const FUNCTIONS: &[(&str, &[&[&str]])] = &[
    (
        "accounts",
        &[
            Telemetry::VARIABLES,
            Http::VARIABLES,
            Idempotency::VARIABLES,
            Credentials::VARIABLES,
            Tokens::VARIABLES,
            Registration::VARIABLES,
            Doctors::VARIABLES,
            ThrottleLimits::VARIABLES,
            Passwords::VARIABLES,
        ],
    ),
    (
        "records",
        &[
            Telemetry::VARIABLES,
            Http::VARIABLES,
            Idempotency::VARIABLES,
            Uploads::VARIABLES,
            Allowance::VARIABLES,
        ],
    ),
    ("notifications", &[Telemetry::VARIABLES, Http::VARIABLES, Publication::VARIABLES]),
    ("admin", &[Telemetry::VARIABLES, Http::VARIABLES, Idempotency::VARIABLES, Doctors::VARIABLES]),
    (
        "console",
        &[
            Telemetry::VARIABLES,
            Http::VARIABLES,
            Doctors::VARIABLES,
            Console::VARIABLES,
            Pipeline::VARIABLES,
        ],
    ),
    ("docs", &[Telemetry::VARIABLES, Docs::VARIABLES]),
    ("portal", &[Telemetry::VARIABLES, Portal::VARIABLES]),
    ("bootstrap-admin", &[Telemetry::VARIABLES, Bootstrap::VARIABLES]),
    ("dispatcher", &[Telemetry::VARIABLES, Dispatch::VARIABLES]),
    ("mailer", &[Telemetry::VARIABLES, Mail::VARIABLES]),
    ("mail-events", &[Telemetry::VARIABLES, MailEvents::VARIABLES]),
    ("inspector", &[Telemetry::VARIABLES, Inspect::VARIABLES]),
    ("recovery", &[Telemetry::VARIABLES, Bootstrap::VARIABLES]),
    ("reconciler", &[Telemetry::VARIABLES, Reconcile::VARIABLES]),
    ("archivist", &[Telemetry::VARIABLES, Archive::VARIABLES]),
];

impl Tokens {
    /// Returns how long sessions of users with this role live.
    pub fn lifetimes(&self, role: Role) -> Lifetimes {
        match role {
            Role::Patient => Lifetimes { idle: self.patient_idle, absolute: self.patient_absolute },
            Role::Doctor | Role::Admin => {
                Lifetimes { idle: self.staff_idle, absolute: self.staff_absolute }
            }
        }
    }

    /// Returns the longest lifetimes of all roles, for use before the role is known.
    pub fn longest_lifetimes(&self) -> Lifetimes {
        Lifetimes {
            idle: self.patient_idle.max(self.staff_idle),
            absolute: self.patient_absolute.max(self.staff_absolute),
        }
    }
}

/// The variables for the SDK, set by Lambda or by a developer.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
pub(crate) struct Aws {
    /// The region and the credentials of the function's role, which stay the same for the whole
    /// process.
    pub(crate) identity: Option<Identity>,
    /// The address of an emulator that serves all services.
    pub(crate) endpoint_url: Option<String>,
    /// Whether Lambda, or an emulator of it, has started the process.
    pub(crate) in_lambda: bool,
}

/// A region and credentials.
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Option<Secret>,
}

impl Aws {
    pub(crate) fn from_env() -> Self {
        Self::read(environment)
    }

    fn read(lookup: impl Fn(&'static str) -> Option<String>) -> Self {
        let lookup = |variable| lookup(variable).filter(|value| !value.is_empty());
        let identity = || {
            Some(Identity {
                region: lookup("AWS_REGION")?,
                access_key_id: lookup("AWS_ACCESS_KEY_ID")?,
                secret_access_key: Secret::new(lookup("AWS_SECRET_ACCESS_KEY")?),
                session_token: lookup("AWS_SESSION_TOKEN").map(Secret::new),
            })
        };
        Self {
            identity: identity(),
            endpoint_url: lookup("AWS_ENDPOINT_URL"),
            in_lambda: lookup("AWS_LAMBDA_FUNCTION_NAME").is_some(),
        }
    }
}

fn field<T>(
    lookup: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, ConfigError> {
    let value = lookup(variable).ok_or(ConfigError::Missing(variable))?;
    parse(value.trim()).map_err(|expected| ConfigError::Invalid { variable, expected })
}

fn text(value: &str) -> Result<String, String> {
    if value.is_empty() { Err("a non-empty text".to_owned()) } else { Ok(value.to_owned()) }
}

fn list(value: &str) -> Result<Vec<String>, String> {
    Ok(value
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect())
}

fn networks(value: &str) -> Result<Vec<ClientNetwork>, String> {
    let addresses = list(value)?;
    if addresses.iter().all(|address| address.parse::<IpAddr>().is_ok()) {
        Ok(addresses.iter().map(|address| ClientNetwork::of(address)).collect())
    } else {
        Err("IP addresses, separated by commas".to_owned())
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    value: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

fn days(value: &str) -> Result<SignedDuration, String> {
    number(value, 1..=365).map(|days| SignedDuration::from_hours(days * 24))
}

fn hours(value: &str) -> Result<SignedDuration, String> {
    number(value, 1..=365 * 24).map(SignedDuration::from_hours)
}

/// Parses whether uploads are scanned for malware.
fn malware_protection(value: &str) -> Result<bool, String> {
    match value {
        "GUARDDUTY" => Ok(true),
        "NONE" => Ok(false),
        _ => Err("GUARDDUTY or NONE".to_owned()),
    }
}

fn flag(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "true or false".to_owned())
}

/// Parses the lifetime of a presigned URL, in seconds. Signature version 4 allows seven days.
fn url_lifetime(value: &str) -> Result<Duration, String> {
    number(value, 1..=7 * 24 * 60 * 60).map(Duration::from_secs)
}

fn url(value: &str) -> Result<String, String> {
    let is_url =
        (value.starts_with("https://") || value.starts_with("http://")) && !value.ends_with('/');
    if is_url { Ok(value.to_owned()) } else { Err("a URL without a slash at the end".to_owned()) }
}

fn level(value: &str) -> Result<Level, String> {
    match value {
        "debug" => Ok(Level::DEBUG),
        "info" => Ok(Level::INFO),
        "warn" => Ok(Level::WARN),
        "error" => Ok(Level::ERROR),
        _ => Err("one of debug, info, warn, error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const AUDIT_ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:audit";

    type Environment = HashMap<&'static str, &'static str>;

    fn environment() -> Environment {
        HashMap::from([
            ("LOG_LEVEL", "info"),
            ("TABLE_NAME", "records"),
            ("PUBLIC_URL", "https://records.example.com"),
            ("ALLOWED_ORIGINS", "http://localhost:3000, https://example.com"),
            ("PAGE_SIZE", "20"),
            (
                "CURSOR_SECRET_ARN",
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cursors",
            ),
            ("AUDIT_SECRET_ARN", AUDIT_ARN),
            ("ARCHIVE_BUCKET_NAME", "archive"),
            ("TOKEN_ISSUER", "records-local"),
            (
                "SIGNING_SECRET_ARN",
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing",
            ),
            ("ACCESS_TOKEN_SECONDS", "900"),
            ("PATIENT_IDLE_DAYS", "7"),
            ("PATIENT_ABSOLUTE_DAYS", "30"),
            ("STAFF_IDLE_HOURS", "12"),
            ("STAFF_ABSOLUTE_HOURS", "24"),
            ("REVEAL_REGISTERED_EMAIL", "true"),
            ("REQUIRE_DOCTOR_APPROVAL", "false"),
            ("REQUIRE_DOCTOR_SECOND_FACTOR", "true"),
            ("MAX_FAILURES_PER_NETWORK", "100"),
            ("MAX_FAILURES_PER_ACCOUNT", "100"),
            ("MIN_PASSWORD_LENGTH", "15"),
            ("SHARED_NETWORKS", "203.0.113.7, 2001:db8:1:2::5"),
            ("MAX_MAILS_PER_DAY", "20"),
            ("MAX_RECORDS_PER_DAY", "200"),
            ("MAX_FILES_PER_DAY", "500"),
            ("MAX_CHANGES_PER_DAY", "500"),
            ("APP_URL", "https://app.example.com"),
            ("MAIL_DELIVERIES", "10"),
            ("BUCKET_NAME", "files"),
            ("PORTAL", "false"),
            ("FAILURE_BUCKET_NAME", "failures"),
            ("UPLOAD_URL_SECONDS", "900"),
            ("MAX_FILE_BYTES", "26214400"),
            ("MAX_FILES_PER_RECORD", "20"),
            ("MALWARE_PROTECTION", "GUARDDUTY"),
            ("MAIL_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/mail"),
            (
                "ACCOUNT_MAIL_QUEUE_URL",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/account-mail",
            ),
            (
                "MAIL_DEAD_LETTER_QUEUE_URL",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-mail",
            ),
            ("UPLOAD_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/upload"),
            (
                "UPLOAD_DEAD_LETTER_QUEUE_URL",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-upload",
            ),
            (
                "STREAM_FAILURE_QUEUE_URL",
                "https://sqs.eu-central-1.amazonaws.com/123456789012/stream-failure",
            ),
            ("MAIL_SENDER", "records@example.com"),
            ("MAIL_CONFIGURATION_SET", "mail"),
        ])
    }

    fn lookup(environment: &Environment) -> impl Fn(&'static str) -> Option<String> {
        |variable| environment.get(variable).map(|value| (*value).to_owned())
    }

    fn http_with(variable: &'static str, value: &'static str) -> Result<Http, ConfigError> {
        let mut environment = environment();
        environment.insert(variable, value);
        Http::read(lookup(&environment))
    }

    #[test]
    fn a_complete_environment_is_read() {
        let environment = environment();
        let http = Http::read(lookup(&environment)).unwrap();
        assert_eq!(http.allowed_origins, ["http://localhost:3000", "https://example.com"]);
        assert_eq!(
            (http.page_size, http.public_url.as_str(), http.audit_secret_arn.as_str()),
            (20, "https://records.example.com", AUDIT_ARN)
        );
        let tokens = Tokens::read(lookup(&environment)).unwrap();
        assert_eq!(tokens.access_token, SignedDuration::from_mins(15));
        let lifetimes = |idle, absolute| Lifetimes {
            idle: SignedDuration::from_hours(idle),
            absolute: SignedDuration::from_hours(absolute),
        };
        assert_eq!(tokens.lifetimes(Role::Patient), lifetimes(168, 720));
        assert_eq!(
            (tokens.lifetimes(Role::Doctor), tokens.lifetimes(Role::Admin)),
            (lifetimes(12, 24), lifetimes(12, 24))
        );
        assert_eq!(tokens.longest_lifetimes(), lifetimes(168, 720));
        assert!(Registration::read(lookup(&environment)).unwrap().reveal_registered_email);
        let mail = Mail::read(lookup(&environment)).unwrap();
        assert_eq!((mail.app_url.as_str(), mail.deliveries), ("https://app.example.com", 10));
        let uploads = Uploads::read(lookup(&environment)).unwrap();
        assert_eq!(
            (uploads.upload_url_lifetime, uploads.max_file_bytes),
            (Duration::from_secs(900), 26_214_400)
        );
        assert!(uploads.scans_for_malware);
        assert_eq!(Dispatch::read(lookup(&environment)).unwrap().bucket_name, "files");
        assert!(!Portal::read(lookup(&environment)).unwrap().is_on);
        assert!(!Doctors::read(lookup(&environment)).unwrap().approval_is_required);
        assert_eq!(Passwords::read(lookup(&environment)).unwrap().min_length, 15);
        let limits = ThrottleLimits::read(lookup(&environment)).unwrap();
        let shared: Vec<&str> = limits.shared_networks.iter().map(ClientNetwork::as_str).collect();
        assert_eq!(
            (limits.mails_per_day, shared),
            (20, vec!["203.0.113.0/24", "2001:db8:1:2::/64"])
        );
        let shared = |value: &'static str| {
            let mut environment = environment.clone();
            environment.insert("SHARED_NETWORKS", value);
            ThrottleLimits::read(lookup(&environment)).map(|limits| limits.shared_networks.len())
        };
        assert_eq!(shared(""), Ok(0));
        assert!(shared("203.0.113.0/24").is_err() && shared("hospital").is_err());
        assert_eq!(Pipeline::read(lookup(&environment)).unwrap().mails_per_day, 20);
        assert_eq!(Allowance::read(lookup(&environment)).unwrap().files_per_day, 500);
        assert_eq!(Bootstrap::read(lookup(&environment)).unwrap().table_name, "records");
        assert_eq!(MailEvents::read(lookup(&environment)).unwrap().table_name, "records");
        assert_eq!(Inspect::read(lookup(&environment)).unwrap().table_name, "records");
        assert_eq!(Reconcile::read(lookup(&environment)).unwrap().bucket_name, "files");
        assert_eq!(Archive::read(lookup(&environment)).unwrap().archive_bucket_name, "archive");
        assert_eq!(Verification::read(lookup(&environment)).unwrap().audit_secret_arn, AUDIT_ARN);
        assert_eq!(Telemetry::read(lookup(&environment)).unwrap().log_level, Level::INFO);
    }

    #[test]
    fn each_missing_variable_is_named() {
        fn check(variables: &[&'static str], read: impl Fn(&Environment) -> Option<ConfigError>) {
            for variable in variables {
                let mut environment = environment();
                environment.remove(variable);
                assert_eq!(read(&environment), Some(ConfigError::Missing(variable)));
            }
        }
        check(Http::VARIABLES, |environment| Http::read(lookup(environment)).err());
        check(Tokens::VARIABLES, |environment| Tokens::read(lookup(environment)).err());
        check(Uploads::VARIABLES, |environment| Uploads::read(lookup(environment)).err());
        check(Registration::VARIABLES, |environment| Registration::read(lookup(environment)).err());
        check(Mail::VARIABLES, |environment| Mail::read(lookup(environment)).err());
    }

    #[test]
    fn invalid_values_are_refused_without_being_repeated() {
        for (variable, value) in [
            ("PAGE_SIZE", "0"),
            ("PAGE_SIZE", "101"),
            ("PAGE_SIZE", "twenty"),
            ("TABLE_NAME", " "),
            ("PUBLIC_URL", "example.com"),
            ("PUBLIC_URL", "https://example.com/"),
            ("CURSOR_SECRET_ARN", ""),
        ] {
            let error = http_with(variable, value).unwrap_err();
            assert!(
                matches!(error, ConfigError::Invalid { variable: named, .. } if named == variable),
                "{variable}={value}"
            );
            assert!(
                value.trim().is_empty() || value.len() < 4 || !error.to_string().contains(value)
            );
        }
        assert_eq!(http_with("ALLOWED_ORIGINS", "").unwrap().allowed_origins, Vec::<String>::new());
        assert_eq!(
            http_with("PUBLIC_URL", "https://example.com/v1").unwrap().public_url,
            "https://example.com/v1"
        );
    }

    #[test]
    fn a_message_is_one_sentence_that_says_what_to_do() {
        let sentence = http_with("PAGE_SIZE", "0").unwrap_err().to_string();
        assert_eq!(
            sentence,
            "PAGE_SIZE must be a whole number from 1 to 100: correct it in the function's \
             environment"
        );
        let sentence = ConfigError::Missing("TABLE_NAME").to_string();
        assert_eq!(
            sentence,
            "TABLE_NAME is not set: give the function the variables that template.yaml lists for it"
        );
    }

    #[test]
    fn levels_are_those_of_the_template() {
        let read = |value: &'static str| {
            Telemetry::read(|_| Some(value.to_owned())).map(|telemetry| telemetry.log_level)
        };
        assert_eq!(read("debug"), Ok(Level::DEBUG));
        assert_eq!(read("warn"), Ok(Level::WARN));
        assert_eq!(read("error"), Ok(Level::ERROR));
        assert!(read("trace").is_err() && read("INFO").is_err());
    }

    #[test]
    fn no_function_reads_a_variable_twice() {
        for (function, groups) in FUNCTIONS {
            let variables: Vec<&str> =
                groups.iter().flat_map(|group| group.iter().copied()).collect();
            let distinct: std::collections::BTreeSet<&str> = variables.iter().copied().collect();
            assert_eq!(variables.len(), distinct.len(), "{function}");
        }
    }

    #[test]
    fn the_identity_is_complete_or_absent() {
        let complete = HashMap::from([
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ]);
        let aws = Aws::read(lookup(&complete));
        assert!(aws.identity.is_some_and(|identity| identity.session_token.is_none()));
        assert!(aws.endpoint_url.is_none() && !aws.in_lambda);
        for variable in complete.keys() {
            let mut incomplete = complete.clone();
            incomplete.insert(variable, "");
            assert!(Aws::read(lookup(&incomplete)).identity.is_none(), "{variable}");
        }
        let emulated = HashMap::from([
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_LAMBDA_FUNCTION_NAME", "accounts"),
        ]);
        let aws = Aws::read(lookup(&emulated));
        assert!(aws.in_lambda && aws.endpoint_url.as_deref() == Some("http://127.0.0.1:4566"));
    }
}
