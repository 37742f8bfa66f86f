//! `GET /admin/doctors/`, the work list, and `POST /admin/doctors/{id}/approve/`, `.../refuse/` and
//! `.../suspend/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Approval};
use domain::approval::ApprovalDecision;
use domain::id::UserId;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::query::Query;
use staff::{LISTED_APPROVALS, read_approval};

use crate::App;
use crate::users::pages::{PAGE, version};
use crate::web::form::Posted;
use crate::web::frame::{Frame, Staff, render, see_other};

#[derive(Template)]
#[template(path = "users/approvals.html")]
struct Doctors {
    frame: Frame,
    approval: Approval,
    doctors: Vec<Account>,
    next: Option<String>,
}

/// The doctors whose licences wait for a decision; or those who are refused, or suspended.
pub(crate) async fn list_doctors(
    State(app): State<App>,
    staff: Staff,
    frame: Frame,
    query: Query,
) -> Result<Response, Problem> {
    let (approval, mut paging) =
        query.parse(&app.http, staff.id(), "console-doctors", read_approval)?;
    paging.limit = PAGE;
    let (doctors, next) = app.staff.list_doctors_by_approval(staff, approval, &paging).await?;
    render(&Doctors { frame, approval, doctors, next: paging.next_url(next.as_ref())? })
}

/// Approves the licence.
pub(crate) async fn approve_doctor(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    decide(&app, staff, id, &posted, ApprovalDecision::Approve).await
}

/// Refuses the licence.
pub(crate) async fn refuse_doctor(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    decide(&app, staff, id, &posted, ApprovalDecision::Refuse).await
}

/// Suspends the doctor.
pub(crate) async fn suspend_doctor(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<UserId>,
    posted: Posted,
) -> Result<Response, Problem> {
    decide(&app, staff, id, &posted, ApprovalDecision::Suspend).await
}

async fn decide(
    app: &App,
    staff: Staff,
    id: UserId,
    posted: &Posted,
    decision: ApprovalDecision,
) -> Result<Response, Problem> {
    let (if_match, reason) = posted.form().parse(|form| {
        let if_match = version(form);
        let reason = match decision {
            ApprovalDecision::Approve => form.nullable("reason"),
            ApprovalDecision::Refuse | ApprovalDecision::Suspend => {
                form.required("reason").map(Some)
            }
        };
        Some((if_match?, reason?))
    })?;
    app.staff.decide_approval(staff, id, &if_match, decision, reason).await?;
    see_other(&format!("/admin/users/{id}/"), Some("decided"))
}
