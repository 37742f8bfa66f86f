//! `POST /api/accounts/logout/`

use axum::extract::State;
use http_kit::answer::{Answer, no_content};
use http_kit::caller::SignedIn;
use http_kit::problem::Problem;

use crate::App;

/// End the session of the access token, at once, with its refresh token.
#[utoipa::path(post, path = "/api/accounts/logout/", tag = "Accounts", security(("bearer" = [])))]
pub(crate) async fn logout(State(app): State<App>, caller: SignedIn) -> Result<Answer, Problem> {
    let caller = caller.confirm().await?;
    app.store.end_session(caller.account.id, caller.session.id).await?;
    Ok(no_content())
}
