//! `GET /api/admin/users/{id}/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::Action;
use domain::id::UserId;
use http_api::caller::{Admin, Caller};
use http_api::etag::ETag;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};

use crate::App;
use crate::response::User;

/// A user's account.
#[utoipa::path(
    get, path = "/api/admin/users/{id}/", tag = "Administration",
    responses(
        (status = 200, description = "The user.", body = User, headers(("ETag"))),
    )
)]
pub(crate) async fn read_user(
    State(app): State<App>,
    admin: Admin,
    Id(id): Id<UserId>,
) -> Result<ApiResponse, Problem> {
    let (_, account) = read(&app, admin, id).await?;
    Ok(ok(&User::new(&account)).with_etag(ETag::of(account.version)))
}

/// Reads the account and tells the audit trail.
pub(crate) async fn read(
    app: &App,
    admin: Admin,
    id: UserId,
) -> Result<(Caller, Account), Problem> {
    let (caller, found) = admin.authorize_with(app.store.get_account(id)).await?;
    let account = found.ok_or_else(Problem::not_found)?;
    app.store.create_events(&[caller.audit(Action::ReadUser, id, None)]).await?;
    Ok((caller, account))
}
