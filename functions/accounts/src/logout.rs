//! `POST /api/accounts/logout/` and `POST /api/accounts/token/revoke/`

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use http_api::caller::{RequestInfo, SignedIn};
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, signed_out};
use runtime::clock;
use runtime::tokens::{RefreshToken, Rotation};
use store::sessions::EndSessionError;

use crate::App;
use crate::refresh::end_reused_session;
use crate::token_transport::{RefreshRequest, TokenTransport};

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
    transport: TokenTransport,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let user = caller.account.id;
    let event = caller.audit(Action::EndSession, user, None);
    let response = ended(app.store.end_session(user, caller.session.id, &event).await)?;
    transport.sign_out(&app, response)
}

/// End the session of a refresh token, at once: to sign out when the access token has expired.
///
/// The response is the same for a token that is unknown, used or expired. `refresh` is required,
/// unless the token is in a cookie: see the header `Token-Transport`. The cookie is deleted.
#[utoipa::path(
    post, path = "/api/accounts/token/revoke/", tag = "Accounts", request_body = RefreshRequest,
    responses(
        (status = 204, description = "No session has this token any more."),
    )
)]
pub(crate) async fn revoke_refresh_token(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    body: Result<Body<RefreshRequest>, Problem>,
) -> Result<ApiResponse, Problem> {
    let token = transport.refresh_token(body)?;
    let response = revoke(&app, &info, token.as_deref().unwrap_or_default()).await?;
    transport.sign_out(&app, response)
}

async fn revoke(app: &App, info: &RequestInfo, token: &str) -> Result<ApiResponse, Problem> {
    let Some(presented) = RefreshToken::parse(token) else { return Ok(signed_out()) };
    let found = app.store.get_caller(presented.user_id, presented.session_id).await?;
    let Some((account, session)) =
        found.filter(|(account, session)| account.allows_session(session))
    else {
        return Ok(signed_out());
    };
    let (user, now) = (account.id, clock::now());
    match RefreshToken::rotate(&session, &presented, now, app.tokens.lifetimes(account.role)) {
        Rotation::Rotated { .. } | Rotation::RepeatedInGracePeriod { .. } => {
            let event = AuditEvent {
                session_id: Some(session.id),
                ..info.audit(&account, Action::EndSession, user, None)
            };
            ended(app.store.end_session(user, session.id, &event).await)
        }
        Rotation::Reused => ended(end_reused_session(app, info, &account, &session).await),
        Rotation::Refused => Ok(signed_out()),
    }
}

fn ended(result: Result<(), EndSessionError>) -> Result<ApiResponse, Problem> {
    match result {
        // A concurrent request has ended the session.
        Ok(()) | Err(EndSessionError::NotFound) => Ok(signed_out()),
        Err(EndSessionError::Store(error)) => Err(error.into()),
    }
}
