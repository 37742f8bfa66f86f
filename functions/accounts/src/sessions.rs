//! `GET /api/accounts/sessions/`, `DELETE /api/accounts/sessions/{id}/`, `POST
//! /api/accounts/logout-all/`

use axum::extract::State;
use domain::audit::Action;
use domain::id::SessionId;
use domain::session::Session;
use http_api::caller::SignedIn;
use http_api::form::Body;
use http_api::page::{Listing, listing};
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::{NoFilters, QueryParameters};
use http_api::response::{ApiResponse, no_content, signed_out};
use jiff::Timestamp;
use runtime::clock;
use serde::Serialize;
use store::UpdateError;
use store::sessions::EndSessionError;
use utoipa::ToSchema;

use crate::App;
use crate::second_factor::{ProofRequest, check_second_factor};
use crate::token_transport::TokenTransport;

/// A session, as its user sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct Device<'a> {
    id: SessionId,
    /// What the device calls itself.
    #[schema(max_length = 255, example = "Mozilla/5.0")]
    device: &'a str,
    created_at: Timestamp,
    last_used_at: Timestamp,
    /// Whether it is the session of this request.
    current: bool,
}

impl<'a> Device<'a> {
    fn new(session: &'a Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            device: &session.device,
            created_at: session.id.created_at(),
            last_used_at: session.last_used_at,
            current: session.id == current,
        }
    }
}

/// List your sessions that have not ended, newest first.
#[utoipa::path(
    get, path = "/api/accounts/sessions/", tag = "Accounts", params(NoFilters),
    responses(
        (status = 200, description = "A page of the sessions.", body = Listing<Device>),
    )
)]
pub(crate) async fn list_sessions(
    State(app): State<App>,
    caller: SignedIn,
    query: QueryParameters,
) -> Result<ApiResponse, Problem> {
    let ((), paging) = query.parse(&app.http, caller.id(), "sessions", |_| Some(()))?;
    let caller = caller.authorize().await?;
    let (account, now) = (&caller.account, clock::now());
    let lifetimes = app.tokens.lifetimes(account.role);
    let lives =
        |session: &Session| account.allows_session(session) && !lifetimes.are_over(session, now);
    let page = app
        .store
        .list_sessions(
            account.id,
            account.sessions_ended_through,
            lives,
            paging.limit,
            paging.after,
        )
        .await?;
    listing(
        &paging,
        page.next.as_ref(),
        page.items.iter().map(|session| (session.id, Device::new(session, caller.session.id))),
    )
}

/// End one of your sessions at once, with its refresh token.
///
/// If you have a second factor, the body must contain a code, unless the session is the one of the
/// access token.
#[utoipa::path(
    delete, path = "/api/accounts/sessions/{id}/", tag = "Accounts",
        request_body = ProofRequest,
    responses(
        (status = 204, description = "The session has ended."),
    )
)]
pub(crate) async fn end_session(
    State(app): State<App>,
    caller: SignedIn,
    PathId(id): PathId<SessionId>,
    Body(request): Body<ProofRequest>,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let account = &caller.account;
    if !account.allows_session_id(id) {
        return Err(Problem::not_found());
    }
    if id != caller.session.id {
        check_second_factor(&app, &caller, request.proof.as_ref(), Action::EndSession).await?;
    }
    app.store
        .end_session(account.id, id, &caller.audit(Action::EndSession, account.id, None))
        .await
        .map_err(|error| match error {
            EndSessionError::NotFound => Problem::not_found(),
            EndSessionError::Store(error) => error.into(),
        })?;
    Ok(no_content())
}

/// End all of your sessions at once, this one too. If you have a second factor, the body must
/// contain a code.
#[utoipa::path(
    post, path = "/api/accounts/logout-all/", tag = "Accounts",
        request_body = ProofRequest,
    responses(
        (status = 204, description = "All sessions have ended."),
    )
)]
pub(crate) async fn logout_all(
    State(app): State<App>,
    caller: SignedIn,
    transport: TokenTransport,
    Body(request): Body<ProofRequest>,
) -> Result<ApiResponse, Problem> {
    let user = caller.id();
    let (caller, through) = caller.authorize_with(app.http.latest_session(user)).await?;
    check_second_factor(&app, &caller, request.proof.as_ref(), Action::EndAllSessions).await?;
    match app
        .store
        .end_sessions(user, through, &caller.audit(Action::EndAllSessions, user, None))
        .await
    {
        // A concurrent request has ended the same sessions.
        Ok(()) | Err(UpdateError::Stale) => transport.sign_out(&app, signed_out()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}
