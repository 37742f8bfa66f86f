//! `GET /admin/doctor-profiles/` and `GET /admin/patient-profiles/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Profile, Role};
use domain::text::Specialization;
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Unit, civil::DateDifference};
use runtime::clock;
use staff::UserFilters;

use crate::App;
use crate::users::pages::PAGE;
use crate::web::frame::{Frame, Staff, render};

#[derive(Template)]
#[template(path = "users/profiles.html")]
struct Profiles<'a> {
    frame: Frame,
    title: &'static str,
    path: &'static str,
    role: Role,
    asked: Vec<(&'static str, &'static str, &'static str, String)>,
    rows: Vec<Row<'a>>,
    next: Option<String>,
}

/// A user and what the profile says that the list shows.
struct Row<'a> {
    user: &'a Account,
    specialization: Option<&'a str>,
    date_of_birth: Option<Date>,
    age: Option<i16>,
}

impl<'a> Row<'a> {
    /// `None` for a user without a profile.
    fn new(user: &'a Account, today: Date) -> Option<Self> {
        Some(match user.profile.as_ref()? {
            Profile::Doctor(profile) => Self {
                user,
                specialization: Some(profile.specialization.as_str()),
                date_of_birth: None,
                age: None,
            },
            Profile::Patient(profile) => {
                let age = profile.date_of_birth.and_then(|birth| age(birth, today));
                Self { user, specialization: None, date_of_birth: profile.date_of_birth, age }
            }
        })
    }
}

/// Whole years.
fn age(birth: Date, today: Date) -> Option<i16> {
    birth
        .until(DateDifference::new(today).largest(Unit::Year))
        .ok()
        .map(|span| span.get_years().max(0))
}

/// Doctors who have a profile, newest first, or those that a search finds.
pub(crate) async fn list_doctor_profiles(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    query: Query,
) -> Result<Response, Problem> {
    list(&app, staff, frame, query, (Role::Doctor, "Doctor profiles", "/admin/doctor-profiles/"))
        .await
}

/// Patients who have a profile, newest first, or those that a search finds.
pub(crate) async fn list_patient_profiles(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    query: Query,
) -> Result<Response, Problem> {
    list(&app, staff, frame, query, (Role::Patient, "Patient profiles", "/admin/patient-profiles/"))
        .await
}

async fn list(
    app: &App,
    staff: Staff,
    frame: Frame,
    query: Query,
    (role, title, path): (Role, &'static str, &'static str),
) -> Result<Response, Problem> {
    let mut fields = vec![
        ("email", "Email address", "text"),
        ("last_name", "Beginning of the last name", "text"),
        ("created_after", "Created on or after", "date"),
        ("created_before", "Created before", "date"),
    ];
    if role == Role::Doctor {
        fields.push(("specialization", "Specialization", "text"));
    }
    let asked = fields
        .into_iter()
        .map(|(name, label, kind)| (name, label, kind, query.typed(name).to_owned()))
        .collect();
    let read = |parameters: &mut Parameters| {
        let filters = UserFilters::read(parameters);
        let specialization = match role {
            Role::Doctor => parameters.optional::<Specialization>("specialization"),
            Role::Patient | Role::Admin => Some(None),
        };
        Some(filters?.with_profile(role, specialization?.as_ref()))
    };
    let (filters, mut paging) = query.parse(&app.http, staff.id(), path, read)?;
    paging.limit = PAGE;
    let (users, next) = app.staff.list_users(staff, &filters, &paging).await?;
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let rows = users.iter().filter_map(|user| Row::new(user, today)).collect();
    render(&Profiles {
        frame,
        title,
        path,
        role,
        asked,
        rows,
        next: paging.next_url(next.as_ref())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_whole_years() {
        let age = |birth: &str, today: &str| age(birth.parse().unwrap(), today.parse().unwrap());
        assert_eq!(age("1985-04-12", "2026-04-11"), Some(40));
        assert_eq!(age("1985-04-12", "2026-04-12"), Some(41));
        assert_eq!(age("2026-04-12", "2026-04-12"), Some(0));
        assert_eq!(
            age("2026-04-13", "2026-04-12"),
            Some(0),
            "tomorrow, where it is tomorrow already"
        );
        assert_eq!(age("2024-02-29", "2025-02-28"), Some(0));
        assert_eq!(age("2024-02-29", "2025-03-01"), Some(1));
    }
}
