//! `POST /api/accounts/logout/`

use axum::extract::State;
use domain::audit::Action;
use http_api::caller::SignedIn;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use store::sessions::EndSessionError;

use crate::App;

/// End the session of the access token, at once, with its refresh token.
#[utoipa::path(
    post, path = "/api/accounts/logout/", tag = "Accounts",
    responses(
        (status = 204, description = "The session has ended."),
    )
)]
pub(crate) async fn logout(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let user = caller.account.id;
    match app
        .store
        .end_session(user, caller.session.id, &caller.audit(Action::EndSession, user, None))
        .await
    {
        // A concurrent request has ended the session.
        Ok(()) | Err(EndSessionError::NotFound) => Ok(no_content()),
        Err(EndSessionError::Store(error)) => Err(error.into()),
    }
}
