//! `GET /api/accounts/doctors/`

use axum::extract::State;
use domain::text::{Name, Specialization, sortable};
use http_kit::answer::Answer;
use http_kit::caller::Patient;
use http_kit::filters;
use http_kit::page::{Listing, listing};
use http_kit::problem::Problem;
use http_kit::query::{Parameters, Query};
use http_kit::shapes::User;

use crate::App;

/// The specialization and the beginning of the last name, as they are compared.
fn filter(parameters: &mut Parameters) -> Option<(Option<String>, Option<String>)> {
    let specialization = parameters.optional::<Specialization>("specialization");
    let search = parameters.optional::<Name>("search");
    Some((
        specialization?.map(|specialization| specialization.slug()),
        search?.map(|prefix| sortable(prefix.as_str())),
    ))
}

filters!(pub(crate) DoctorFilters: filter);

/// The directory: doctors with a profile, by last name.
#[utoipa::path(
    get, path = "/api/accounts/doctors/", tag = "Accounts", params(DoctorFilters),
    responses(
        (status = 200, description = "A page of the directory.", body = Listing<User>),
    )
)]
pub(crate) async fn list_doctors(
    State(app): State<App>,
    patient: Patient,
    query: Query,
) -> Result<Answer, Problem> {
    let ((specialization, prefix), paging) =
        query.parse(&app.kit, patient.id(), "doctors", filter)?;
    let read = app.store.directory(
        specialization.as_deref(),
        prefix.as_deref(),
        paging.limit,
        paging.after.as_ref(),
    );
    let (_, page) = patient.beside(read).await?;
    listing(&paging, page.next.as_ref(), page.items.iter().map(User::in_directory))
}
