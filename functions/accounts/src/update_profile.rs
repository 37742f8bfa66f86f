//! `PATCH` and `PUT /api/accounts/profile-update/`

use axum::extract::State;
use domain::account::{
    Account, Approval, DoctorProfile, Gender, PatientProfile, Profile, Years, date_of_birth,
};
use domain::audit::{Action, AuditEvent};
use domain::problem::Code;
use domain::text::{LicenseNumber, Specialization};
use http_api::caller::PatientOrDoctor;
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, any_of, describe};
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, ok};
use http_api::views::Profile as ProfileShape;
use runtime::clock;
use store::UpdateError;

use crate::App;
use crate::create_profile::{NewProfile, whole_profile};

/// A profile with the fields that are given.
fn changed(form: &mut Form, profile: Profile) -> Option<Profile> {
    match profile {
        Profile::Doctor(now) => {
            let specialization = form.or_default("specialization", now.specialization);
            let license_number = form.or_default("license_number", now.license_number);
            let years_of_experience =
                form.or_default("years_of_experience", now.years_of_experience);
            Some(Profile::Doctor(DoctorProfile {
                specialization: specialization?,
                license_number: license_number?,
                years_of_experience: years_of_experience?,
            }))
        }
        Profile::Patient(now) => {
            let born = form.change_with("date_of_birth", now.date_of_birth, |date| {
                date_of_birth(date, clock::now())
            });
            let gender = form.or_default("gender", now.gender);
            let address = form.change("address", now.address);
            Some(Profile::Patient(PatientProfile {
                date_of_birth: born?,
                gender: gender?,
                address: address?,
            }))
        }
    }
}

/// What [`changed`] asks for. Which of the two it is, the caller's role decides.
pub(crate) enum ProfileChange {}

request_schema!(ProfileChange: any_of([
    Profile::Doctor(DoctorProfile {
        specialization: Specialization::default(),
        license_number: LicenseNumber::default(),
        years_of_experience: Years::default(),
    }),
    Profile::Patient(PatientProfile { date_of_birth: None, gender: Gender::Other, address: None }),
].map(|profile| describe(|form| changed(form, profile)))));

/// Change the fields of the own profile that are given.
#[utoipa::path(
    patch, path = "/api/accounts/profile-update/", tag = "Accounts", request_body = ProfileChange,
    responses(
        (status = 200, description = "The profile after the change.", body = ProfileShape,
            headers(("ETag"))),
    )
)]
pub(crate) async fn update_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    write(app, caller, if_match, form, |form, _, profile| changed(form, profile)).await
}

/// Replace the own profile: what is not given gets its default.
#[utoipa::path(
    put, path = "/api/accounts/profile-update/", tag = "Accounts", request_body = NewProfile,
    responses(
        (status = 200, description = "The new profile.", body = ProfileShape, headers(("ETag"))),
    )
)]
pub(crate) async fn replace_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    write(app, caller, if_match, form, |form, account, _| {
        whole_profile(form, account.role, clock::now())
    })
    .await
}

async fn write(
    app: App,
    caller: PatientOrDoctor,
    if_match: IfMatch,
    form: Form,
    change: impl FnOnce(&mut Form, &Account, Profile) -> Option<Profile>,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let account = caller.account.clone();
    let profile = account.profile.clone().ok_or_else(|| {
        Problem::forbidden(Code::NoProfile, "You have no profile yet. Create it first.")
    })?;
    if_match.check(account.version)?;
    let profile = form.parse(|form| change(form, &account, profile))?;
    let before = account.version;
    let account = Account {
        version: before + 1,
        ..account.with_profile(profile, app.doctors.approval_is_required)
    };
    let (old, new) = (licence(&caller.account), licence(&account));
    let event = AuditEvent {
        before: old,
        after: new,
        ..caller.audit(Action::ChangeLicence, account.id, None)
    };
    let event = (event.before != event.after).then_some(&event);
    app.store.update_profile(before, &account, event).await.map_err(|error| match error {
        UpdateError::Stale => if_match.lost_race(),
        UpdateError::Store(error) => error.into(),
    })?;
    Ok(ok(&ProfileShape::full(&account)).with_etag(ETag::of(account.version)))
}

/// What staff say of a doctor's licence, and its number.
fn licence(account: &Account) -> Option<String> {
    let approval = account.approval.unwrap_or(Approval::Pending);
    account
        .doctor_profile()
        .map(|profile| format!("{approval}: {}", profile.license_number.as_str()))
}
