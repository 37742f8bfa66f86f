//! `POST /api/accounts/profile-create/`

use axum::extract::State;
use domain::account::{
    Account, DoctorProfile, Gender, PatientProfile, Profile, Role, Years, date_of_birth,
};
use domain::problem::Code;
use http_api::caller::PatientOrDoctor;
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, any_of, describe};
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, created};
use http_api::views::Profile as ProfileShape;
use jiff::Timestamp;
use runtime::clock;
use store::accounts::CreateProfileError;

use crate::App;

/// A whole profile, as it is created or replaced: what is not given gets its default.
pub(crate) fn whole_profile(form: &mut Form, role: Role, now: Timestamp) -> Option<Profile> {
    if role == Role::Doctor {
        let specialization = form.required("specialization");
        let license_number = form.required("license_number");
        let years_of_experience = form.or_default("years_of_experience", Years::default());
        return Some(Profile::Doctor(DoctorProfile {
            specialization: specialization?,
            license_number: license_number?,
            years_of_experience: years_of_experience?,
        }));
    }
    let born = form.nullable_with("date_of_birth", |date| date_of_birth(date, now));
    let gender = form.or_default("gender", Gender::Other);
    let address = form.nullable("address");
    Some(Profile::Patient(PatientProfile {
        date_of_birth: born?,
        gender: gender?,
        address: address?,
    }))
}

/// What [`whole_profile`] asks for. Which of the two it is, the caller's role decides.
pub(crate) enum NewProfile {}

request_schema!(NewProfile: any_of([Role::Doctor,
    Role::Patient].map(|role| describe(|form| whole_profile(form, role, clock::now())))));

/// Create the profile that belongs to the caller's role.
#[utoipa::path(
    post, path = "/api/accounts/profile-create/", tag = "Accounts", request_body = NewProfile,
    responses(
        (status = 201, description = "The profile.", body = ProfileShape, headers(("ETag"))),
    )
)]
pub(crate) async fn create_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let attempt = request.of_user(caller.id());
    attempt.run(create(&app, caller, &attempt, form)).await
}

async fn create(
    app: &App,
    caller: PatientOrDoctor,
    attempt: &IdempotentRequest,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let exists = || Problem::forbidden(Code::ProfileExists, "You already have a profile.");
    let (caller, replay) = caller.authorize_with(attempt.begin()).await?;
    if let Some(response) = replay {
        return Ok(response);
    }
    let account = caller.account;
    if account.profile.is_some() {
        return Err(exists());
    }
    let profile = form.parse(|form| whole_profile(form, account.role, clock::now()))?;
    let account = Account { profile: Some(profile), version: account.version + 1, ..account };
    let response = created("/api/accounts/me/", &ProfileShape::full(&account))
        .with_etag(ETag::of(account.version));
    let stored_response = attempt.completed(&response)?;
    let created = app.store.create_profile(&account, stored_response.as_ref()).await;
    created.map_err(|error| match error {
        CreateProfileError::ProfileExists => exists(),
        CreateProfileError::Stale => IfMatch::Absent.lost_race(),
        CreateProfileError::Store(error) => error.into(),
    })?;
    Ok(response)
}
