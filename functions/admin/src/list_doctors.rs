//! `GET /api/admin/doctors/`

use axum::extract::State;
use domain::account::{Account, Approval};
use domain::audit::Action;
use domain::field::Reason;
use domain::id::UserId;
use domain::schema::words;
use http_api::caller::Admin;
use http_api::filters;
use http_api::page::{Listing, Paging, listing};
use http_api::problem::Problem;
use http_api::query::{Parameters, Query};
use http_api::response::ApiResponse;

use crate::App;
use crate::response::DoctorEntry;

pub(crate) fn approval(parameters: &mut Parameters) -> Option<Approval> {
    const LISTED: [Approval; 3] = [Approval::Pending, Approval::Refused, Approval::Suspended];
    let schema = || {
        words(
            "What staff say of the doctors: `pending` unless said otherwise.",
            LISTED.map(Approval::as_str),
        )
    };
    let approval = parameters.optional_by(
        "approval",
        || schema().into(),
        |text| match text.parse() {
            Ok(approval) if LISTED.contains(&approval) => Ok(approval),
            _ => Err(Reason::new("invalid_choice", "Must be one of: pending refused suspended.")),
        },
    );
    Some(approval?.unwrap_or(Approval::Pending))
}

filters!(ApprovalFilters: approval);

/// The doctors whose licences wait for a decision, newest first; or those who are refused, or
/// suspended.
///
/// Listed are active doctors who have told their licence. The approved ones are in the directory.
#[utoipa::path(
    get, path = "/api/admin/doctors/", tag = "Administration", params(ApprovalFilters),
    responses(
        (status = 200, description = "A page of doctors.", body = Listing<DoctorEntry>),
    )
)]
pub(crate) async fn list_doctors_by_approval(
    State(app): State<App>,
    admin: Admin,
    query: Query,
) -> Result<ApiResponse, Problem> {
    let (approval, paging) = query.parse(&app.kit, admin.id(), "doctors-by-approval", approval)?;
    let (doctors, next) = list(&app, admin, approval, &paging).await?;
    listing(&paging, next.as_ref(), doctors.iter().map(DoctorEntry::new))
}

/// The doctors on a page, and where the next one begins. Tells the audit trail.
pub(crate) async fn list(
    app: &App,
    admin: Admin,
    approval: Approval,
    paging: &Paging<UserId>,
) -> Result<(Vec<Account>, Option<UserId>), Problem> {
    let (caller, page) = admin
        .authorize_with(app.store.list_doctors_by_approval(approval, paging.limit, paging.after))
        .await?;
    let event = caller.audit(Action::ListUsers, caller.account.id, None);
    let (mut people, ()) = tokio::try_join!(
        app.store.get_accounts(page.items.iter().copied()),
        app.store.create_events(std::slice::from_ref(&event))
    )?;
    // The index may lag behind a decision.
    let doctors = page
        .items
        .iter()
        .filter_map(|id| people.remove(id))
        .filter(|doctor| doctor.approval == Some(approval));
    Ok((doctors.collect(), page.next))
}
