//! `POST /api/accounts/token/refresh/`

use std::sync::Arc;

use axum::extract::State;
use domain::account::Account;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::mail::{Mail, MailKind};
use domain::problem::Code;
use domain::rate::LimitedAction;
use domain::session::Session;
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use runtime::clock;
use runtime::tokens::{RefreshToken, Rotation, Signer};
use store::UpdateError;
use store::retry::TOKEN_ROTATION;
use store::sessions::EndSessionError;

use crate::App;
use crate::throttle::failures_by_network;
use crate::token_transport::{RefreshRequest, TokenTransport};
use crate::views::Tokens;

/// Exchange a refresh token for new tokens.
///
/// Each token works once. Used again within seconds, for example after a lost response, it gives
/// the same successor. Used again later it ends the session, because two parties have it, and the
/// user is told by mail.
///
/// `refresh` is required, unless the token is in a cookie: see the header `Token-Transport`. A
/// cookie whose token is refused is deleted.
#[utoipa::path(
    post, path = "/api/accounts/token/refresh/", tag = "Accounts", request_body = RefreshRequest,
    responses(
        (status = 200, description = "New tokens.", body = Tokens),
    )
)]
pub(crate) async fn refresh(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    body: Result<Body<RefreshRequest>, Problem>,
) -> Result<ApiResponse, Problem> {
    // A browser without a cookie guesses nothing: that is no failure of its network.
    let token = transport.refresh_token(body)?.ok_or_else(refused)?;
    let exchanged = async {
        let presented = RefreshToken::parse(&token).ok_or_else(refused)?;
        let (holder, signer) = tokio::join!(holder(&app, &presented), app.tokens.signer());
        let (account, session) = holder?;
        let role = account.role;
        let response = exchange(&app, &info, &presented, account, session, signer?).await?;
        transport.deliver(&app, role, response)
    };
    let exchanged = failures_by_network(&app, &info, LimitedAction::Refresh, exchanged).await;
    exchanged.map_err(|problem| {
        let is_throttled = problem.code() == Code::TooManyAttempts.as_str();
        // A browser that kept the token would be refused at every page.
        let is_in_vain = is_throttled && matches!(transport, TokenTransport::Cookies { .. });
        transport.forget(&app, if is_in_vain { refused() } else { problem })
    })
}

fn refused() -> Problem {
    Problem::unauthorized(Code::TokenNotValid, "The refresh token is invalid, used or expired.")
}

/// Returns the account and the session of a token.
async fn holder(app: &App, presented: &RefreshToken) -> Result<(Account, Session), Problem> {
    let found = app.store.get_caller(presented.user_id, presented.session_id).await?;
    found
        .filter(|(account, session)| account.is_active && account.allows_session(session))
        .ok_or_else(refused)
}

async fn exchange(
    app: &App,
    info: &RequestInfo,
    presented: &RefreshToken,
    mut account: Account,
    mut session: Session,
    signer: Arc<Signer>,
) -> Result<ApiResponse, Problem> {
    // Once more if a concurrent request with the same token was faster: this one then gets the same
    // successor.
    let mut retries = TOKEN_ROTATION.start();
    loop {
        let now = clock::now();
        match RefreshToken::rotate(&session, presented, now, app.tokens.lifetimes(account.role)) {
            Rotation::Rotated { session: rotated, token } => {
                match app.store.rotate_session(&session, &rotated).await {
                    Ok(()) => {
                        return Ok(ok(&app.tokens.issue(signer, &account, &rotated, &token, now)));
                    }
                    Err(UpdateError::Stale) => (account, session) = holder(app, presented).await?,
                    Err(UpdateError::Store(error)) => return Err(error.into()),
                }
            }
            Rotation::RepeatedInGracePeriod { token } => {
                // Most often a lost response, and sometimes a thief who is quick.
                let repeated = AuditEvent {
                    session_id: Some(session.id),
                    reason: Some("within_grace".to_owned()),
                    ..info.audit(&account, Action::ReuseToken, account.id, None)
                };
                app.store.create_events(std::slice::from_ref(&repeated)).await?;
                return Ok(ok(&app.tokens.issue(signer, &account, &session, &token, now)));
            }
            Rotation::Reused => {
                return match end_reused_session(app, info, &account, &session).await {
                    Ok(()) | Err(EndSessionError::NotFound) => Err(refused()),
                    Err(EndSessionError::Store(error)) => Err(error.into()),
                };
            }
            Rotation::Refused => return Err(refused()),
        }
        if !retries.next().await {
            return Err(refused());
        }
    }
}

/// Ends the session whose refresh token was used again, and tells its user.
///
/// # Errors
/// [`EndSessionError`]
pub(crate) async fn end_reused_session(
    app: &App,
    info: &RequestInfo,
    account: &Account,
    session: &Session,
) -> Result<(), EndSessionError> {
    let event = AuditEvent {
        session_id: Some(session.id),
        outcome: Outcome::Failed,
        ..info.audit(account, Action::ReuseToken, account.id, None)
    };
    let mail = Mail::new(clock::new_id(), MailKind::TokenReused, account.id, clock::now());
    app.store.end_reused_session(session, &event, &mail).await
}
