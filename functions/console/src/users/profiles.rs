//! `GET /admin/doctor-profiles/` and `GET /admin/patient-profiles/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, DateOfBirth, Profile, Role};
use domain::text::Specialization;
use http_api::caller::Admin;
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use jiff::Unit;
use jiff::civil::{Date, DateDifference};
use jiff::tz::TimeZone;
use runtime::clock;
use staff::UserFilters;

use crate::App;
use crate::web::layout::{PAGE_SIZE, PageLayout, render};

#[derive(Template)]
#[template(path = "users/profiles.html")]
struct ProfilesPage<'a> {
    layout: PageLayout,
    title: &'static str,
    path: &'static str,
    role: Role,
    search: Vec<ProfileSearchField>,
    rows: Vec<ProfileRow<'a>>,
    next: Option<String>,
}

/// A field of the search form.
struct ProfileSearchField {
    name: &'static str,
    label: &'static str,
    /// The type of the input.
    kind: &'static str,
    value: String,
}

/// A user, with what the list shows of the profile.
struct ProfileRow<'a> {
    user: &'a Account,
    specialization: Option<&'a str>,
    date_of_birth: Option<Date>,
    age: Option<i16>,
}

impl<'a> ProfileRow<'a> {
    /// Returns the row, `None` for a user without a profile.
    fn new(user: &'a Account, today: Date) -> Option<Self> {
        Some(match user.profile.as_ref()? {
            Profile::Doctor(profile) => Self {
                user,
                specialization: Some(profile.specialization.as_str()),
                date_of_birth: None,
                age: None,
            },
            Profile::Patient(profile) => {
                let date_of_birth = profile.date_of_birth.map(DateOfBirth::get);
                let age = date_of_birth.and_then(|birth| age(birth, today));
                Self { user, specialization: None, date_of_birth, age }
            }
        })
    }
}

/// Returns the age in whole years.
fn age(birth: Date, today: Date) -> Option<i16> {
    birth
        .until(DateDifference::new(today).largest(Unit::Year))
        .ok()
        .map(|span| span.get_years().max(0))
}

/// Shows doctors who have a profile, newest first, or those that a search finds.
pub(crate) async fn list_doctor_profiles(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    list(&app, admin, layout, query, (Role::Doctor, "Doctor profiles", "/admin/doctor-profiles/"))
        .await
}

/// Shows patients who have a profile, newest first, or those that a search finds.
pub(crate) async fn list_patient_profiles(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    list(
        &app,
        admin,
        layout,
        query,
        (Role::Patient, "Patient profiles", "/admin/patient-profiles/"),
    )
    .await
}

async fn list(
    app: &App,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
    (role, title, path): (Role, &'static str, &'static str),
) -> Result<Response, Problem> {
    let mut fields = vec![
        ("email", "Email address", "text"),
        ("search", "Name", "text"),
        ("created_after", "Created on or after", "date"),
        ("created_before", "Created before", "date"),
    ];
    if role == Role::Doctor {
        fields.push(("specialization", "Specialization", "text"));
    }
    let search = fields
        .into_iter()
        .map(|(name, label, kind)| ProfileSearchField {
            name,
            label,
            kind,
            value: query.typed(name).to_owned(),
        })
        .collect();
    let read = |parameters: &mut Parameters| {
        let filters = UserFilters::read(parameters);
        let specialization = match role {
            Role::Doctor => parameters.optional::<Specialization>("specialization"),
            Role::Patient | Role::Admin => Some(None),
        };
        Some(filters?.with_profile(role, specialization?.as_ref()))
    };
    let (filters, mut paging) = query.parse(&app.http, admin.id(), path, read)?;
    paging.limit = PAGE_SIZE;
    let (users, next) = app.staff.list_users(admin, &filters, &paging).await?;
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    let rows = users.iter().filter_map(|user| ProfileRow::new(user, today)).collect();
    render(&ProfilesPage {
        layout,
        title,
        path,
        role,
        search,
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
