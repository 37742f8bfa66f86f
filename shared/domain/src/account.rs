//! Use [`Account`] for a user of any role, with the [`Profile`] of a patient or doctor;
//! [`Credentials`], which a sign-in checks, are separate.

use jiff::{Timestamp, civil::Date, tz::Offset};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::email::Email;
use crate::field::{FieldValue, Reason, integer, string_enum};
use crate::id::{SessionId, UserId};
use crate::schema;
use crate::session::Session;
use crate::text::{Address, LicenseNumber, Name, PhoneNumber, Specialization};

string_enum! {
    /// A user's role. Decides what the user may do.
    Role {
        /// Creates records and assigns them to doctors.
        Patient = "patient",
        /// Reads and annotates the records assigned to them.
        Doctor = "doctor",
        /// Staff. Cannot register; created by another admin.
        Admin = "admin",
    }
}

string_enum! {
    /// A patient's gender.
    Gender {
        /// Male.
        Male = "male",
        /// Female.
        Female = "female",
        /// Anything else, or not specified.
        Other = "other",
    }
}

string_enum! {
    /// Whether staff have approved a doctor's licence to practise.
    Approval {
        /// Waits for a decision.
        Pending = "pending",
        /// Approved.
        Approved = "approved",
        /// Refused.
        Refused = "refused",
        /// Approved before, then suspended.
        Suspended = "suspended",
    }
}

impl Approval {
    /// Returns the approval of a user who is new in a role: pending or approved for doctors,
    /// depending on whether approval is required, and none for others.
    pub fn initial(role: Role, approval_is_required: bool) -> Option<Self> {
        let of_doctor = if approval_is_required { Self::Pending } else { Self::Approved };
        (role == Role::Doctor).then_some(of_doctor)
    }
}

string_enum! {
    /// Why no mails are sent to an address.
    EmailProblem {
        /// A mail to it bounced: its server refuses mails to it for good.
        Bounced = "bounced",
        /// Its owner reported a mail as spam.
        Complained = "complained",
    }
}

/// The value `false` of `email_bounced`: send mails to the address again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotBounced;

impl FieldValue for NotBounced {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        match bool::from_json(value)? {
            false => Ok(Self),
            true => Err(Reason::new("invalid_choice", "Must be false.")),
        }
    }

    fn schema() -> Object {
        ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some("`false` to have mails sent again to an address that bounced."))
            .enum_values(Some([false]))
            .examples([false])
            .build()
    }
}

/// A role that users can register with: all but admin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistrationRole(pub Role);

impl FieldValue for RegistrationRole {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        match Role::from_json(value) {
            Ok(role @ (Role::Patient | Role::Doctor)) => Ok(Self(role)),
            Ok(Role::Admin) => {
                Err(Reason::new("invalid_choice", "Must be one of: patient doctor."))
            }
            Err(Reason { code: "invalid_choice", .. }) => {
                Err(Reason::new("invalid_choice", "Must be one of: patient doctor."))
            }
            Err(reason) => Err(reason),
        }
    }

    fn schema() -> Object {
        schema::string_enum(
            "The role of the user; `patient` by default.",
            [Role::Patient.as_str(), Role::Doctor.as_str()],
        )
    }
}

/// A user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The user's id.
    pub id: UserId,
    /// The address that mail goes to, and that the user signs in with.
    pub email: Email,
    /// First name, may be empty.
    pub first_name: Name,
    /// Last name, may be empty.
    pub last_name: Name,
    /// Telephone number, may be empty.
    pub phone_number: PhoneNumber,
    /// The user's role.
    pub role: Role,
    /// Deactivated users cannot sign in or use the API.
    pub is_active: bool,
    /// Whether the user has confirmed the address with a token from a mail.
    pub email_verified: bool,
    /// Why no mails are sent to the address; `None` if mails are sent.
    pub email_problem: Option<EmailProblem>,
    /// When the problem was reported.
    pub email_problem_at: Option<Timestamp>,
    /// When the address was last confirmed, or staff last removed its problem. Reports about mails
    /// sent before are ignored.
    pub email_trusted_since: Option<Timestamp>,
    /// When staff last changed the role; `None` if they never changed it.
    pub role_changed_at: Option<Timestamp>,
    /// Whether staff have approved the doctor's licence; absent for other roles.
    pub approval: Option<Approval>,
    /// Whether a second factor is set up.
    pub second_factor: bool,
    /// All sessions up to and including this one are revoked.
    pub sessions_ended_through: Option<SessionId>,
    /// Number of password changes. Equal to [`Credentials::password_version`].
    #[serde(default)]
    pub password_version: u64,
    /// Absent until the user creates it.
    pub profile: Option<Profile>,
    /// Number of changes; the entity tag.
    pub version: u64,
}

impl Account {
    /// Creates an active account without names, profile and approval.
    pub fn new(id: UserId, email: Email, role: Role) -> Self {
        Self {
            id,
            email,
            first_name: Name::default(),
            last_name: Name::default(),
            phone_number: PhoneNumber::default(),
            role,
            is_active: true,
            email_verified: false,
            email_problem: None,
            email_problem_at: None,
            email_trusted_since: None,
            role_changed_at: None,
            approval: None,
            second_factor: false,
            sessions_ended_through: None,
            password_version: 0,
            profile: None,
            version: 1,
        }
    }

    /// Returns since when the user has the present role.
    pub fn role_since(&self) -> Timestamp {
        self.role_changed_at.unwrap_or(self.id.created_at())
    }

    /// Returns first and last name, or the local part of the address if both are empty.
    pub fn full_name(&self) -> String {
        let name = format!("{} {}", self.first_name.as_str(), self.last_name.as_str());
        match name.trim() {
            "" => self.email.as_str().split('@').next().unwrap_or_default().to_owned(),
            name => name.to_owned(),
        }
    }

    /// Returns the problem of the account's address, if `address` is that one. No mail is sent to
    /// an address with a problem.
    pub fn problem_of(&self, address: &Email) -> Option<EmailProblem> {
        self.email_problem.filter(|_| address.normalized() == self.email.normalized())
    }

    /// Returns the account without a problem of its address, as after a confirmation at `now`.
    #[must_use]
    pub fn with_trusted_email(self, now: Timestamp) -> Self {
        Self { email_problem: None, email_problem_at: None, email_trusted_since: Some(now), ..self }
    }

    /// Returns whether a session has not been revoked together with others.
    pub fn allows_session_id(&self, session: SessionId) -> bool {
        self.sessions_ended_through.is_none_or(|through| session > through)
    }

    /// Returns whether a session has not been revoked together with others and was started with the
    /// current password. Comparing times would not do: a sign-in with the old password may be
    /// stored after the new password.
    pub fn allows_session(&self, session: &Session) -> bool {
        self.allows_session_id(session.id) && session.password_version == self.password_version
    }

    /// Returns whether this is an active doctor with an approved licence, who may see the records
    /// assigned to them.
    pub fn is_approved_doctor(&self) -> bool {
        self.role == Role::Doctor && self.is_active && self.approval == Some(Approval::Approved)
    }

    /// Returns the profile of an active and approved doctor, to whom patients may assign records.
    pub fn assignable_doctor(&self) -> Option<&DoctorProfile> {
        self.doctor_profile().filter(|_| self.is_approved_doctor())
    }

    /// Returns the profile of a doctor, approved or not.
    pub fn doctor_profile(&self) -> Option<&DoctorProfile> {
        match &self.profile {
            Some(Profile::Doctor(profile)) if self.role == Role::Doctor => Some(profile),
            _ => None,
        }
    }

    /// Returns the account with another profile. If the licence number changes and approval is
    /// required, the approval becomes pending again; a suspension stays.
    #[must_use]
    pub fn with_profile(self, profile: Profile, approval_is_required: bool) -> Self {
        let licence =
            |account: &Self| account.doctor_profile().map(|profile| profile.license_number.clone());
        let before = licence(&self);
        let after = Self { profile: Some(profile), ..self };
        if before.is_none()
            || licence(&after) == before
            || after.approval == Some(Approval::Suspended)
        {
            return after;
        }
        let approval = if approval_is_required { Some(Approval::Pending) } else { after.approval };
        Self { approval, ..after }
    }

    /// Returns the account in another role, without a profile: profiles depend on the role.
    #[must_use]
    pub fn with_role(self, role: Role, approval_is_required: bool) -> Self {
        if role == self.role {
            return self;
        }
        let approval = Approval::initial(role, approval_is_required);
        Self { role, approval, profile: None, ..self }
    }

    /// Returns whether this is an active admin. The system always keeps at least one.
    pub fn is_active_admin(&self) -> bool {
        self.role == Role::Admin && self.is_active
    }
}

/// A user's profile, according to the role.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Profile {
    /// A doctor's profile. First, so that serde tries it first: its required fields tell the two
    /// apart.
    Doctor(DoctorProfile),
    /// A patient's profile.
    Patient(PatientProfile),
}

/// A patient's profile.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PatientProfile {
    /// From 1900 to the day on which it was stored. Dates stored before this rule existed may be
    /// others.
    pub date_of_birth: Option<DateOfBirth>,
    /// `other` when not specified.
    pub gender: Gender,
    /// Visible to the patient and staff only.
    pub address: Option<Address>,
}

/// A doctor's profile.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DoctorProfile {
    /// The doctor's specialization.
    pub specialization: Specialization,
    /// The number of the licence to practise.
    pub license_number: LicenseNumber,
    /// Years of experience.
    pub years_of_experience: Years,
}

/// A number of years, 0 to 2,147,483,647: the range of the Django service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Years(u32);

impl Years {
    /// The largest number.
    pub const MAX: u32 = i32::MAX.unsigned_abs();

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl FieldValue for Years {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        match integer(value) {
            None => Err(Reason::new("invalid", "Must be an integer.")),
            Some(..0) => Err(Reason::new("too_small", "Must be 0 or more.")),
            Some(years) => {
                u32::try_from(years).ok().filter(|years| *years <= Self::MAX).map(Self).ok_or_else(
                    || Reason::new("too_large", format!("Must be {} or less.", Self::MAX)),
                )
            }
        }
    }

    fn schema() -> Object {
        schema::integer("A number of whole years.", 0, u64::from(Self::MAX), 12)
    }
}

schema::response_schema!(Years);

/// The earliest date of birth. Clients fail at years such as 0.
const EARLIEST_BIRTH: Date = jiff::civil::date(1900, 1, 1);

/// The time zone in which a day begins first.
const FIRST_ZONE: Offset = Offset::constant(14);

/// A date of birth, from 1900 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DateOfBirth(Date);

impl DateOfBirth {
    /// Returns the date.
    pub fn get(self) -> Date {
        self.0
    }
}

impl FieldValue for DateOfBirth {
    fn from_json(value: &serde_json::Value) -> Result<Self, Reason> {
        let date = Date::from_json(value)?;
        if date < EARLIEST_BIRTH {
            return Err(Reason::new("too_early", format!("Must be {EARLIEST_BIRTH} or later.")));
        }
        Ok(Self(date))
    }

    fn schema() -> Object {
        // As [`EARLIEST_BIRTH`].
        let mut schema = Date::schema();
        schema.description = Some("From 1900-01-01 to today.".to_owned());
        schema.pattern = Some("^(19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$".to_owned());
        schema
    }
}

/// Checks that a date of birth is not in the future, wherever it is today at `now`.
///
/// # Errors
/// `future`.
pub fn date_of_birth(date: DateOfBirth, now: Timestamp) -> Result<DateOfBirth, Reason> {
    if date.get() > FIRST_ZONE.to_datetime(now).date() {
        return Err(Reason::new("future", "Must not be in the future."));
    }
    Ok(date)
}

/// A user's credentials, stored apart from the account.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The user.
    pub user_id: UserId,
    /// The password's hash in PHC string format, sealed for this user.
    pub password_hash: String,
    /// Whether a second factor is required. A copy of [`Account::second_factor`], so that a sign-in
    /// need not read the account first.
    #[serde(default)]
    pub second_factor: bool,
    /// Number of password changes. Rehashing the same password does not count.
    #[serde(default)]
    pub password_version: u64,
    /// Whether sign-ins are refused until the address is confirmed. Set when registration does not
    /// reveal whether an address is taken: a sign-in would reveal it. Until then, another
    /// registration with the address replaces this one.
    #[serde(default)]
    pub unconfirmed: bool,
}

impl Credentials {
    /// Creates the credentials of a new user.
    pub fn new(user_id: UserId, password_hash: String) -> Self {
        Self {
            user_id,
            password_hash,
            second_factor: false,
            password_version: 0,
            unconfirmed: false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn years_are_integers_within_limits() {
        let code = |value: serde_json::Value| {
            Years::from_json(&value).map(Years::get).map_err(|reason| reason.code)
        };
        assert_eq!(code(json!(0)), Ok(0));
        assert_eq!(code(json!(2_147_483_647)), Ok(2_147_483_647));
        // The same number as 3.
        assert_eq!(code(json!(3.0)), Ok(3));
        assert_eq!(code(json!(1e300)), Err("too_large"));
        assert_eq!(code(json!(2_147_483_648_u32)), Err("too_large"));
        assert_eq!(code(json!(u64::MAX)), Err("too_large"));
        assert_eq!(code(json!(-1)), Err("too_small"));
        assert_eq!(code(json!(1.5)), Err("invalid"));
        assert_eq!(code(json!("3")), Err("invalid"));
    }

    #[test]
    fn nobody_registers_as_admin() {
        for role in [json!("admin"), json!("Patient"), json!("")] {
            assert_eq!(RegistrationRole::from_json(&role).unwrap_err().code, "invalid_choice");
        }
        assert_eq!(
            RegistrationRole::from_json(&json!("doctor")).unwrap(),
            RegistrationRole(Role::Doctor)
        );
    }

    pub(crate) fn doctor(approval: Approval) -> Account {
        let id = "0190a5c0-0000-7000-8000-000000000001".parse().unwrap();
        let account = Account::new(id, Email::parse("jane@example.com").unwrap(), Role::Doctor);
        Account { approval: Some(approval), profile: Some(licence("1")), ..account }
    }

    fn licence(number: &str) -> Profile {
        Profile::Doctor(DoctorProfile {
            specialization: Specialization::parse("Cardiology").unwrap(),
            license_number: LicenseNumber::parse(number).unwrap(),
            years_of_experience: Years::default(),
        })
    }

    #[test]
    fn records_are_assigned_only_to_active_and_approved_doctors_with_a_profile() {
        for approval in Approval::ALL.iter().copied() {
            assert_eq!(doctor(approval).is_approved_doctor(), approval == Approval::Approved);
            assert_eq!(
                doctor(approval).assignable_doctor().is_some(),
                approval == Approval::Approved
            );
        }
        let approved = doctor(Approval::Approved);
        assert!(
            Account { profile: None, ..approved.clone() }.is_approved_doctor(),
            "records assigned before stay visible without a profile"
        );
        assert!(Account { profile: None, ..approved.clone() }.assignable_doctor().is_none());
        for account in [
            Account { is_active: false, ..approved.clone() },
            Account { role: Role::Patient, ..approved },
        ] {
            assert!(!account.is_approved_doctor() && account.assignable_doctor().is_none());
        }
    }

    #[test]
    fn nobody_requests_that_an_address_bounces() {
        let code = |value| NotBounced::from_json(&value).map_err(|reason| reason.code);
        assert_eq!(code(json!(false)), Ok(NotBounced));
        assert_eq!(code(json!(true)), Err("invalid_choice"));
        assert_eq!(code(json!("false")), Err("invalid"));
    }

    #[test]
    fn only_the_address_that_was_reported_has_a_problem() {
        let [own, other] =
            ["Jane@example.com", "new@example.com"].map(|text| Email::parse(text).unwrap());
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let account = doctor(Approval::Approved);
        assert_eq!(account.problem_of(&own), None);
        let reported = Account {
            email_problem: Some(EmailProblem::Bounced),
            email_problem_at: Some(now),
            ..account.clone()
        };
        assert_eq!(reported.problem_of(&own), Some(EmailProblem::Bounced), "case is ignored");
        assert_eq!(reported.problem_of(&other), None);
        assert_eq!(
            reported.with_trusted_email(now),
            Account { email_trusted_since: Some(now), ..account }
        );
    }

    #[test]
    fn a_changed_licence_needs_a_new_approval() {
        use Approval::{Approved, Pending, Refused, Suspended};
        for (before, same, other) in [
            (Pending, Pending, Pending),
            (Approved, Approved, Pending),
            (Refused, Refused, Pending),
            (Suspended, Suspended, Suspended),
        ] {
            assert_eq!(doctor(before).with_profile(licence("1"), true).approval, Some(same));
            assert_eq!(doctor(before).with_profile(licence("2"), true).approval, Some(other));
            assert_eq!(
                doctor(before).with_profile(licence("2"), false).approval,
                Some(before),
                "approval is not required"
            );
        }
        let fresh = Account { profile: None, ..doctor(Approved) };
        assert_eq!(
            fresh.with_profile(licence("1"), true).approval,
            Some(Approved),
            "staff approved the doctor before the first profile"
        );
    }

    #[test]
    fn a_new_role_starts_without_a_profile_and_with_the_initial_approval() {
        let patient = doctor(Approval::Approved).with_role(Role::Patient, true);
        assert_eq!(
            (patient.role, patient.approval, &patient.profile),
            (Role::Patient, None, &None)
        );
        assert_eq!(patient.clone().with_role(Role::Doctor, true).approval, Some(Approval::Pending));
        assert_eq!(
            patient.clone().with_role(Role::Doctor, false).approval,
            Some(Approval::Approved)
        );
        assert!(patient.with_role(Role::Admin, true).is_active_admin());
        let suspended = doctor(Approval::Suspended);
        assert_eq!(
            suspended.clone().with_role(Role::Doctor, false),
            suspended,
            "the same role must leave the account unchanged"
        );
    }

    #[test]
    fn a_date_of_birth_is_from_1900_to_today_somewhere() {
        let check = |date: &str, now: &str| {
            DateOfBirth::from_json(&json!(date))
                .and_then(|date| date_of_birth(date, now.parse().unwrap()))
                .map(drop)
                .map_err(|reason| reason.code)
        };
        assert_eq!(check("2026-03-01", "2026-03-01T09:59:59Z"), Ok(()));
        assert_eq!(check("2026-03-02", "2026-03-01T09:59:59Z"), Err("future"));
        assert_eq!(check("2026-03-02", "2026-03-01T10:00:00Z"), Ok(()), "in Kiribati");
        assert_eq!(check("2026-03-03", "2026-03-01T23:59:59Z"), Err("future"));
        assert_eq!(check("1900-01-01", "2026-03-01T00:00:00Z"), Ok(()));
        assert_eq!(check("1899-12-31", "2026-03-01T00:00:00Z"), Err("too_early"));
        assert_eq!(check("0000-01-01", "2026-03-01T00:00:00Z"), Err("too_early"));
        assert_eq!(Date::from_json(&json!("1990-02-30")).unwrap_err().code, "invalid");
    }
}
