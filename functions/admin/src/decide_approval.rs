//! `POST /api/admin/doctors/{id}/approve/`, `.../refuse/` and `.../suspend/`

use axum::extract::State;
use domain::approval::ApprovalDecision;
use domain::id::UserId;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::etag::{ETag, IfMatch};
use http_api::form::Body;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, ok};

use crate::App;
use crate::response::AdminUser;

request! {
    pub(crate) struct OptionalReason {
        reason: Option<Justification> = nullable,
    }
}

request! {
    pub(crate) struct RequiredReason {
        pub(crate) reason: Justification = required,
    }
}

/// Approve a doctor's licence, of whatever was said of it before: the doctor is listed and records
/// may be assigned.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/approve/", tag = "Administration",
        request_body = OptionalReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = AdminUser,
            headers(("ETag"))),
    )
)]
pub(crate) async fn approve_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    Body(OptionalReason { reason }): Body<OptionalReason>,
) -> Result<ApiResponse, Problem> {
    response(&app, admin, id, &if_match, ApprovalDecision::Approve, reason).await
}

/// Refuse a doctor's licence that waits for a decision.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/refuse/", tag = "Administration",
        request_body = RequiredReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = AdminUser,
            headers(("ETag"))),
    )
)]
pub(crate) async fn refuse_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    Body(RequiredReason { reason }): Body<RequiredReason>,
) -> Result<ApiResponse, Problem> {
    response(&app, admin, id, &if_match, ApprovalDecision::Refuse, Some(reason)).await
}

/// Suspend an approved doctor, who keeps nothing but the account from the next request on.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/suspend/", tag = "Administration",
        request_body = RequiredReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = AdminUser,
            headers(("ETag"))),
    )
)]
pub(crate) async fn suspend_doctor(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    if_match: IfMatch,
    Body(RequiredReason { reason }): Body<RequiredReason>,
) -> Result<ApiResponse, Problem> {
    response(&app, admin, id, &if_match, ApprovalDecision::Suspend, Some(reason)).await
}

async fn response(
    app: &App,
    admin: Admin,
    id: UserId,
    if_match: &IfMatch,
    decision: ApprovalDecision,
    reason: Option<Justification>,
) -> Result<ApiResponse, Problem> {
    let account = app.staff.decide_approval(admin, id, if_match, decision, reason).await?;
    Ok(ok(&AdminUser::new(&account)).with_etag(ETag::of(account.version)))
}
