//! `GET /api/admin/recoveries/`, `POST /api/admin/users/{id}/recovery/approve/` and
//! `POST /api/admin/users/{id}/recovery/cancel/`

use axum::extract::State;
use domain::id::UserId;
use http_api::caller::Admin;
use http_api::form::Body;
use http_api::page::{Listing, listing};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::{ApiResponse, no_content};
use staff::SeenRecovery;

use crate::App;
use crate::response::RecoveryView;

/// List the changes of addresses and removals of second factors that wait, the newest users first.
#[utoipa::path(
    get, path = "/api/admin/recoveries/", tag = "Administration", params(NoFilters),
    responses(
        (status = 200, description = "A page of what waits.", body = Listing<RecoveryView>),
    )
)]
pub(crate) async fn list_recoveries(
    State(app): State<App>,
    admin: Admin,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let ((), paging) = query.parse(&app.http, admin.id(), "recoveries", |_| Some(()))?;
    let (_, page) = app.staff.list_recoveries(admin, &paging).await?;
    let results = page.items.iter().map(|it| (it.user_id, RecoveryView::new(it)));
    listing(&paging, page.next.as_ref(), results)
}

/// Approve, as the second admin, what another admin has started for a user.
///
/// Nobody approves what they have started or what changes their own account, nor does anybody who
/// became an admin less than 72 hours before it was started.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/recovery/approve/", tag = "Administration",
        request_body = SeenRecovery,
    responses(
        (status = 204, description = "It is approved."),
    )
)]
pub(crate) async fn approve_recovery(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    Body(seen): Body<SeenRecovery>,
) -> Result<ApiResponse, Problem> {
    app.staff.approve_recovery(admin, id, seen).await?;
    Ok(no_content())
}

/// Cancel what an admin has started for a user.
#[utoipa::path(
    post, path = "/api/admin/users/{id}/recovery/cancel/", tag = "Administration",
        request_body = SeenRecovery,
    responses(
        (status = 204, description = "It is cancelled."),
    )
)]
pub(crate) async fn staff_cancel_recovery(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<UserId>,
    Body(seen): Body<SeenRecovery>,
) -> Result<ApiResponse, Problem> {
    app.staff.cancel_recovery(admin, id, seen).await?;
    Ok(no_content())
}
