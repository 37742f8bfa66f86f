//! `GET /api/accounts/doctors/`

use axum::extract::State;
use domain::name_search::NameSearch;
use domain::text::Specialization;
use http_api::caller::Patient;
use http_api::filters;
use http_api::page::{Listing, listing_of_short};
use http_api::problem::Problem;
use http_api::query::{Parameters, QueryParameters};
use http_api::response::ApiResponse;
use http_api::views::UserView;

use crate::App;

/// Reads the specialization, in the form for comparison, and what is searched for.
fn filter(parameters: &mut Parameters) -> Option<(Option<String>, Option<NameSearch>)> {
    let specialization = parameters.optional::<Specialization>("specialization");
    let search = parameters.optional("search");
    Some((specialization?.map(|specialization| specialization.slug()), search?))
}

filters!(pub(crate) DoctorFilters: filter);

/// List the doctors of the directory, by last name. A search lists the doctors it finds, by the
/// part of the name that it finds.
#[utoipa::path(
    get, path = "/api/accounts/doctors/", tag = "Accounts", params(DoctorFilters),
    responses(
        (status = 200, description = "A page of the directory.", body = Listing<UserView>),
    )
)]
pub(crate) async fn list_doctors(
    State(app): State<App>,
    patient: Patient,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let ((specialization, search), paging) =
        query.parse(&app.http, patient.id(), "doctors", filter)?;
    let read = app.store.list_doctors(
        specialization.as_deref(),
        search.as_ref(),
        paging.limit,
        paging.after.as_ref(),
    );
    let (_, page) = patient.authorize_with(read).await?;
    listing_of_short(&paging, page.next.as_ref(), page.items.iter().map(UserView::in_directory))
}
