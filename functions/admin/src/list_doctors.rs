//! `GET /api/admin/doctors/`

use axum::extract::State;
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, listing_of_short};
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use http_api::response::ApiResponse;
use staff::read_approval;

use crate::App;
use crate::response::DoctorEntry;

filters!(ListDoctorsParameters: read_approval);

/// List the doctors whose licence waits for a decision, or is refused or suspended, newest first.
///
/// Only active doctors who have given a licence are listed. Approved doctors are in the directory.
#[utoipa::path(
    get, path = "/api/admin/doctors/", tag = "Administration", params(ListDoctorsParameters),
    responses(
        (status = 200, description = "A page of doctors.", body = Listing<DoctorEntry>),
    )
)]
pub(crate) async fn list_doctors_by_approval(
    State(app): State<App>,
    admin: Admin,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let (approval, paging) =
        query.parse(&app.http, admin.id(), "doctors-by-approval", read_approval)?;
    let (doctors, next) = app.staff.list_doctors_by_approval(admin, approval, &paging).await?;
    listing_of_short(&paging, next.as_ref(), doctors.iter().map(DoctorEntry::new))
}
