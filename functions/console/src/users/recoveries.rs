//! `GET /admin/recoveries/`, `POST /admin/users/{id}/second-factor-removal/` and
//! `POST /admin/users/{id}/recovery/approve/` and `.../cancel/`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::access::Relation;
use domain::id::UserId;
use domain::recovery::{Recovery, RecoveryKind};
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::form::FromForm;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use staff::SeenRecovery;

use crate::App;
use crate::web::form::FormBody;
use crate::web::layout::{PAGE_SIZE, PageLayout, render, see_other};

/// The path of the list.
const LIST: &str = "/admin/recoveries/";

#[derive(Template)]
#[template(path = "users/recoveries.html")]
struct RecoveriesPage {
    layout: PageLayout,
    rows: Vec<RecoveryRow>,
    next: Option<String>,
}

/// A recovery, and whether the reader can approve it.
struct RecoveryRow {
    recovery: Recovery,
    can_approve: bool,
}

/// Shows the changes of addresses and removals of second factors that wait.
pub(crate) async fn list_recoveries(
    State(app): State<App>,
    admin: Admin,
    layout: PageLayout,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let ((), mut paging) =
        query.parse(&app.http, admin.id(), "console-recoveries", |_| Some(()))?;
    paging.limit = PAGE_SIZE;
    let (caller, page) = app.staff.list_recoveries(admin, &paging).await?;
    let row = |recovery: Recovery| {
        let is_others = Relation::to_recovery(&caller.account, &recovery) != Relation::Oneself;
        let is_open = recovery.needs_approval && recovery.approved_by.is_none();
        RecoveryRow { can_approve: is_others && is_open, recovery }
    };
    let rows = page.items.into_iter().map(row).collect();
    render(&RecoveriesPage { layout, rows, next: paging.next_url(page.next.as_ref())? })
}

/// Starts the removal of the user's second factor.
pub(crate) async fn start_second_factor_removal(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let reason = body.form().parse(|form| form.required::<Justification>("reason"))?;
    app.staff.start_second_factor_removal(admin, id, reason).await?;
    see_other(&format!("/admin/users/{id}/"), Some("removal-started"))
}

/// Approves what another admin has started for the user.
pub(crate) async fn approve_recovery(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let seen = body.form().parse(SeenRecovery::from_form)?;
    app.staff.approve_recovery(admin, id, seen).await?;
    see_other(LIST, Some("recovery-approved"))
}

/// Cancels what an admin has started for the user.
pub(crate) async fn cancel_recovery(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let seen = body.form().parse(SeenRecovery::from_form)?;
    app.staff.cancel_recovery(admin, id, seen).await?;
    see_other(LIST, Some("recovery-cancelled"))
}
