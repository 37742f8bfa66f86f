//! `GET /admin/doctors/`, the work list, and `POST /admin/doctors/{id}/approve/`, `.../refuse/` and
//! `.../suspend/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::{Account, Approval};
use domain::approval::ApprovalDecision;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use staff::{LISTED_APPROVALS, read_approval};

use crate::App;
use crate::web::form::{FormBody, read_version};
use crate::web::layout::{PAGE_SIZE, PageLayout, render, see_other};

#[derive(Template)]
#[template(path = "users/approvals.html")]
struct ApprovalsPage {
    layout: PageLayout,
    approval: Approval,
    doctors: Vec<Account>,
    next: Option<String>,
}

/// Shows the doctors with a pending licence, or those who are refused or suspended.
pub(crate) async fn list_doctors(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let (approval, mut paging) =
        query.parse(&app.http, admin.id(), "console-doctors", read_approval)?;
    paging.limit = PAGE_SIZE;
    let (doctors, next) = app.staff.list_doctors_by_approval(admin, approval, &paging).await?;
    render(&ApprovalsPage { layout, approval, doctors, next: paging.next_url(next.as_ref())? })
}

/// Approves the licence.
pub(crate) async fn approve_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    decide(&app, admin, id, &body, ApprovalDecision::Approve).await
}

/// Refuses the licence.
pub(crate) async fn refuse_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    decide(&app, admin, id, &body, ApprovalDecision::Refuse).await
}

/// Suspends the doctor.
pub(crate) async fn suspend_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    decide(&app, admin, id, &body, ApprovalDecision::Suspend).await
}

async fn decide(
    app: &App,
    admin: Admin,
    id: UserId,
    body: &FormBody,
    decision: ApprovalDecision,
) -> Result<Response, Problem> {
    let (if_match, reason) = body.form().parse(|form| {
        let if_match = read_version(form);
        let reason = match decision {
            ApprovalDecision::Approve => form.nullable("reason"),
            ApprovalDecision::Refuse | ApprovalDecision::Suspend => {
                form.required("reason").map(Some)
            }
        };
        Some((if_match?, reason?))
    })?;
    app.staff.decide_approval(admin, id, &if_match, decision, reason).await?;
    see_other(&format!("/admin/users/{id}/"), Some("decided"))
}
