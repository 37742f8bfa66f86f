//! `POST /api/admin/doctors/{id}/approve/`, `.../refuse/` and `.../suspend/`

use axum::extract::State;
use domain::account::{Account, Approval, Role};
use domain::approval::Decision;
use domain::audit::AuditEvent;
use domain::id::UserId;
use domain::mail::Mail;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::code::Code;
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, describe};
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, ok};
use runtime::clock;
use store::UpdateError;

use crate::response::User;
use crate::{App, MAX_RETRIES};

fn optional_reason(form: &mut Form) -> Option<Option<Justification>> {
    form.nullable("reason")
}

fn required_reason(form: &mut Form) -> Option<Justification> {
    form.required("reason")
}

/// What [`optional_reason`] asks for.
enum OptionalReason {}

/// What [`required_reason`] asks for.
enum RequiredReason {}

request_schema!(OptionalReason: describe(optional_reason));
request_schema!(RequiredReason: describe(required_reason));

/// Approve a doctor's licence, of whatever was said of it before: the doctor is listed and records
/// may be assigned.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/approve/", tag = "Administration",
        request_body = OptionalReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = User,
            headers(("ETag"))),
        (status = 409, description = "approval_not_possible no_profile changed_meanwhile"),
        (status = 412, description = "precondition_failed"),
    )
)]
pub(crate) async fn approve_doctor(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let reason = form.parse(optional_reason)?;
    response(&app, admin, id, &if_match, Decision::Approve, reason).await
}

/// Refuse a doctor's licence that waits for a decision.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/refuse/", tag = "Administration",
        request_body = RequiredReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = User,
            headers(("ETag"))),
        (status = 409, description = "approval_not_possible no_profile changed_meanwhile"),
        (status = 412, description = "precondition_failed"),
    )
)]
pub(crate) async fn refuse_doctor(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let reason = form.parse(required_reason)?;
    response(&app, admin, id, &if_match, Decision::Refuse, Some(reason)).await
}

/// Suspend an approved doctor, who keeps nothing but the account from the next request on.
#[utoipa::path(
    post, path = "/api/admin/doctors/{id}/suspend/", tag = "Administration",
        request_body = RequiredReason,
    responses(
        (status = 200, description = "The doctor after the decision.", body = User,
            headers(("ETag"))),
        (status = 409, description = "approval_not_possible changed_meanwhile"),
        (status = 412, description = "precondition_failed"),
    )
)]
pub(crate) async fn suspend_doctor(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let reason = form.parse(required_reason)?;
    response(&app, admin, id, &if_match, Decision::Suspend, Some(reason)).await
}

async fn response(
    app: &App,
    admin: Admin,
    id: UserId,
    if_match: &IfMatch,
    decision: Decision,
    reason: Option<Justification>,
) -> Result<ApiResponse, Problem> {
    let account = decide(app, admin, id, if_match, decision, reason).await?;
    Ok(ok(&User::new(&account)).with_etag(ETag::of(account.version)))
}

/// Decides, tells the doctor and the audit trail.
pub(crate) async fn decide(
    app: &App,
    admin: Admin,
    id: UserId,
    if_match: &IfMatch,
    decision: Decision,
    reason: Option<Justification>,
) -> Result<Account, Problem> {
    let (caller, mut found) = admin.authorize_with(app.store.get_account(id)).await?;
    let licence =
        |account: &Account| account.doctor_profile().map(|profile| profile.license_number.clone());
    let seen = found.as_ref().and_then(licence);
    for _ in 0..MAX_RETRIES {
        let before =
            found.filter(|account| account.role == Role::Doctor).ok_or_else(Problem::not_found)?;
        if_match.check(before.version)?;
        if licence(&before) != seen {
            return Err(if_match.lost_race());
        }
        let present = before.approval.unwrap_or(Approval::Pending);
        if !decision.is_possible(present) {
            let detail = format!("The doctor is {present}: this cannot be decided now.");
            return Err(Problem::conflict(Code::ApprovalNotPossible, detail));
        }
        if before.doctor_profile().is_none() && decision != Decision::Suspend {
            return Err(Problem::conflict(Code::NoProfile, "The doctor has told no licence yet."));
        }
        let after = Account {
            approval: Some(decision.outcome()),
            version: before.version + 1,
            ..before.clone()
        };
        let notification = decision.notify(clock::new_id(), id, &caller.account, reason.as_ref());
        let mail = Mail::new(clock::new_id(), decision.mail(), id, clock::now());
        let event = AuditEvent {
            reason: reason.as_ref().map(|reason| reason.as_str().to_owned()),
            before: Some(present.to_string()),
            after: Some(decision.outcome().to_string()),
            ..caller.audit(decision.action(), id, None)
        };
        match app.store.decide_approval(&before, &after, &notification, &mail, &event).await {
            Ok(()) => return Ok(after),
            Err(UpdateError::Stale) => found = app.store.get_account(id).await?,
            Err(UpdateError::Store(error)) => return Err(error.into()),
        }
    }
    Err(if_match.lost_race())
}
