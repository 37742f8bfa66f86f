//! `POST /api/admin/users/`

use axum::extract::State;
use http_api::caller::Admin;
use http_api::etag::ETag;
use http_api::form::FromForm;
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::response::{ApiResponse, created};
use staff::NewUser;

use crate::App;
use crate::response::AdminUser;

/// Create a user of any role, who gets a mail to set a password with: nobody ever knows it but the
/// user.
#[utoipa::path(
    post, path = "/api/admin/users/", tag = "Administration", request_body = NewUser,
    responses(
        (status = 201, description = "The user.", body = AdminUser, headers(("ETag"))),
    )
)]
pub(crate) async fn create_user(
    State(app): State<App>,
    admin: Admin,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(NewUser::from_form)?;
    let idempotent = request.of_user(admin.id());
    idempotent.run(create_once(&app, admin, &idempotent, new)).await
}

async fn create_once(
    app: &App,
    admin: Admin,
    idempotent: &IdempotentRequest,
    new: NewUser,
) -> Result<ApiResponse, Problem> {
    let (caller, replay) = admin.authorize_with(idempotent.begin()).await?;
    if let Some(response) = replay {
        return Ok(response);
    }
    let account = app.staff.new_account(new);
    let response = created(&format!("/api/admin/users/{}/", account.id), &AdminUser::new(&account))
        .with_etag(ETag::of(account.version));
    let stored_response = idempotent.completed(&response)?;
    app.staff.store_user(&caller, &account, stored_response.as_ref()).await?;
    Ok(response)
}
