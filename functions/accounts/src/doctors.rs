//! `GET /api/accounts/doctors/`

use axum::extract::State;
use domain::text::{Specialization, sortable};
use http_kit::answer::Answer;
use http_kit::caller::Patient;
use http_kit::page::listing;
use http_kit::problem::Problem;
use http_kit::query::Query;
use http_kit::shapes::User;

use crate::App;

/// The directory: doctors with a profile, by last name.
#[utoipa::path(get, path = "/api/accounts/doctors/", tag = "Accounts", security(("bearer" = [])))]
pub(crate) async fn list_doctors(State(app): State<App>, patient: Patient, query: Query) -> Result<Answer, Problem> {
    let (filter, paging) = query.parse(&app.kit, patient.id(), "doctors", |form| {
        let specialization = form.optional::<Specialization>("specialization");
        let search = form.optional::<String>("search");
        Some((specialization?.map(|specialization| specialization.slug()), search?.map(|prefix| sortable(prefix.trim()))))
    })?;
    let (specialization, prefix) = filter;
    let read = app.store.directory(specialization.as_deref(), prefix.as_deref(), paging.limit, paging.after.as_ref());
    let (_, page) = patient.beside(read).await?;
    listing(&paging, page.next.as_ref(), page.items.iter().map(User::in_directory))
}
