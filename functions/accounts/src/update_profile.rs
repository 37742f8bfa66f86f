//! `PATCH` and `PUT /api/accounts/profile-update/`

use axum::extract::State;
use domain::account::{
    Account, Approval, DateOfBirth, DoctorProfile, Gender, PatientProfile, Profile, Role, Years,
    date_of_birth,
};
use domain::audit::{Action, AuditEvent};
use domain::problem::Code;
use domain::text::{Address, LicenseNumber, Specialization};
use http_api::caller::PatientOrDoctor;
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, FromForm, by_role};
use http_api::problem::Problem;
use http_api::request::Patch;
use http_api::response::{ApiResponse, ok};
use http_api::views::ProfileView;
use http_api::{request, request_schema};
use runtime::clock;
use store::UpdateError;

use crate::App;
use crate::create_profile::NewProfile;

request! {
    /// The fields of a patient's profile that are to change.
    struct PatientProfileChange {
        date_of_birth: Patch<DateOfBirth> = patch(|date| date_of_birth(date, clock::now())),
        gender: Option<Gender> = optional,
        address: Patch<Address> = patch,
    }
}

request! {
    /// The fields of a doctor's profile that are to change.
    struct DoctorProfileChange {
        specialization: Option<Specialization> = optional,
        license_number: Option<LicenseNumber> = optional,
        years_of_experience: Option<Years> = optional,
    }
}

/// A change of a profile; the caller's role decides which of the two.
pub(crate) enum ProfileChange {}

request_schema!(ProfileChange: by_role([
    ("doctor", DoctorProfileChange::schema()),
    ("patient", PatientProfileChange::schema()),
]));

impl ProfileChange {
    /// Reads the change of a profile and returns the profile after it.
    fn apply(form: Form, present: Profile) -> Result<Profile, Problem> {
        Ok(match present {
            Profile::Doctor(present) => {
                let change = form.parse(DoctorProfileChange::from_form)?;
                Profile::Doctor(DoctorProfile {
                    specialization: change.specialization.unwrap_or(present.specialization),
                    license_number: change.license_number.unwrap_or(present.license_number),
                    years_of_experience: change
                        .years_of_experience
                        .unwrap_or(present.years_of_experience),
                })
            }
            Profile::Patient(present) => {
                let change = form.parse(PatientProfileChange::from_form)?;
                Profile::Patient(PatientProfile {
                    date_of_birth: change.date_of_birth.apply(present.date_of_birth),
                    gender: change.gender.unwrap_or(present.gender),
                    address: change.address.apply(present.address),
                })
            }
        })
    }
}

/// Change the fields of your profile that are present.
#[utoipa::path(
    patch, path = "/api/accounts/profile-update/", tag = "Accounts", request_body = ProfileChange,
    responses(
        (status = 200, description = "The profile after the change.", body = ProfileView,
            headers(("ETag"))),
    )
)]
pub(crate) async fn update_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    write(app, caller, if_match, |_, present| ProfileChange::apply(form, present)).await
}

/// Replace your profile: absent fields get their defaults.
#[utoipa::path(
    put, path = "/api/accounts/profile-update/", tag = "Accounts", request_body = NewProfile,
    responses(
        (status = 200, description = "The new profile.", body = ProfileView, headers(("ETag"))),
    )
)]
pub(crate) async fn replace_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    write(app, caller, if_match, |role, _| NewProfile::parse(form, role)).await
}

async fn write(
    app: App,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    change: impl FnOnce(Role, Profile) -> Result<Profile, Problem>,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let account = caller.account.clone();
    let profile = account.profile.clone().ok_or_else(|| {
        Problem::forbidden(Code::NoProfile, "You have no profile yet. Create it first.")
    })?;
    if_match.check(account.version)?;
    let present = profile.clone();
    let profile = change(account.role, profile)?;
    if profile == present {
        return Ok(ok(&ProfileView::full(&account)).with_etag(ETag::of(account.version)));
    }
    let account = Account {
        version: account.version + 1,
        ..account.with_profile(profile, app.doctors.approval_is_required)
    };
    let (old, new) = (licence(&caller.account), licence(&account));
    let event = AuditEvent {
        before: old,
        after: new,
        ..caller.audit(Action::ChangeLicence, account.id, None)
    };
    let event = (event.before != event.after).then_some(&event);
    app.store.update_profile(&caller.account, &account, event).await.map_err(
        |error| match error {
            UpdateError::Stale => if_match.lost_race(),
            UpdateError::Store(error) => error.into(),
        },
    )?;
    Ok(ok(&ProfileView::full(&account)).with_etag(ETag::of(account.version)))
}

/// Returns the approval of a doctor's licence, and its number, for the audit trail.
fn licence(account: &Account) -> Option<String> {
    let approval = account.approval.unwrap_or(Approval::Pending);
    account
        .doctor_profile()
        .map(|profile| format!("{approval}: {}", profile.license_number.as_str()))
}
