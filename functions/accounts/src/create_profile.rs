//! `POST /api/accounts/profile-create/`

use axum::extract::State;
use domain::account::{
    Account, DateOfBirth, DoctorProfile, Gender, PatientProfile, Profile, Role, Years,
    date_of_birth,
};
use domain::problem::Code;
use domain::text::{Address, LicenseNumber, Specialization};
use http_api::caller::PatientOrDoctor;
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, FromForm, by_role};
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::response::{ApiResponse, created};
use http_api::views::ProfileView;
use http_api::{request, request_schema};
use runtime::clock;
use store::accounts::CreateProfileError;

use crate::App;

request! {
    /// A patient's whole profile.
    struct NewPatientProfile {
        date_of_birth: Option<DateOfBirth> = nullable(|date| date_of_birth(date, clock::now())),
        gender: Gender = default(Gender::Other),
        address: Option<Address> = nullable,
    }
}

request! {
    /// A doctor's whole profile.
    struct NewDoctorProfile {
        specialization: Specialization = required,
        license_number: LicenseNumber = required,
        years_of_experience: Years = default(Years::default()),
    }
}

/// A whole profile, as it is created or replaced; the caller's role decides which of the two.
pub(crate) enum NewProfile {}

request_schema!(NewProfile: by_role([
    ("doctor", NewDoctorProfile::schema()),
    ("patient", NewPatientProfile::schema()),
]));

impl NewProfile {
    /// Reads the profile of a user with a role. A field that is absent gets its default.
    ///
    /// # Errors
    /// 400 with every mistake in the body.
    pub(crate) fn parse(form: Form, role: Role) -> Result<Profile, Problem> {
        if role == Role::Doctor {
            let new = form.parse(NewDoctorProfile::from_form)?;
            return Ok(Profile::Doctor(DoctorProfile {
                specialization: new.specialization,
                license_number: new.license_number,
                years_of_experience: new.years_of_experience,
            }));
        }
        let new = form.parse(NewPatientProfile::from_form)?;
        Ok(Profile::Patient(PatientProfile {
            date_of_birth: new.date_of_birth,
            gender: new.gender,
            address: new.address,
        }))
    }
}

/// Create your profile. Its fields depend on your role.
#[utoipa::path(
    post, path = "/api/accounts/profile-create/", tag = "Accounts", request_body = NewProfile,
    responses(
        (status = 201, description = "The profile.", body = ProfileView, headers(("ETag"))),
    )
)]
pub(crate) async fn create_profile(
    State(app): State<App>,
    caller: PatientOrDoctor,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let idempotent = request.of_user(caller.id());
    idempotent.run(create(&app, caller, &idempotent, form)).await
}

async fn create(
    app: &App,
    caller: PatientOrDoctor,
    idempotent: &IdempotentRequest,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let exists = || Problem::forbidden(Code::ProfileExists, "You already have a profile.");
    let (caller, replay) = caller.authorize_with(idempotent.begin()).await?;
    if let Some(response) = replay {
        return Ok(response);
    }
    let account = caller.account;
    if account.profile.is_some() {
        return Err(exists());
    }
    let profile = NewProfile::parse(form, account.role)?;
    let account = Account { profile: Some(profile), version: account.version + 1, ..account };
    let response = created("/api/accounts/me/", &ProfileView::full(&account))
        .with_etag(ETag::of(account.version));
    let stored_response = idempotent.completed(&response)?;
    let created = app.store.create_profile(&account, stored_response.as_ref()).await;
    created.map_err(|error| match error {
        CreateProfileError::ProfileExists => exists(),
        CreateProfileError::Stale => IfMatch::Absent.lost_race(),
        CreateProfileError::Store(error) => error.into(),
    })?;
    Ok(response)
}
