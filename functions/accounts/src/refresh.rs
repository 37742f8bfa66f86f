//! `POST /api/accounts/token/refresh/`

use axum::extract::State;
use http_kit::answer::{Answer, ok};
use http_kit::form::{Body, Form, FromForm};
use http_kit::problem::Problem;
use runtime::clock;
use runtime::tokens::{RefreshToken, Rotation};
use store::UpdateError;

use crate::App;

pub(crate) struct RefreshRequest {
    refresh: String,
}

impl FromForm for RefreshRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        Some(Self { refresh: form.required("refresh")? })
    }
}

/// Exchange a refresh token for new tokens.
///
/// The token is used up. Shown again within seconds, as by a client whose answer was lost, it gives the same successor;
/// shown again later it ends the session, because two parties hold it.
#[utoipa::path(post, path = "/api/accounts/token/refresh/", tag = "Accounts")]
pub(crate) async fn refresh(State(app): State<App>, Body(request): Body<RefreshRequest>) -> Result<Answer, Problem> {
    let refused = || Problem::unauthorized("token_not_valid", "The refresh token is invalid, used or expired.");
    let presented = RefreshToken::parse(&request.refresh).ok_or_else(refused)?;
    // A second pass happens when two requests with one token meet: the loser then finds the winner's successor.
    for _ in 0..2 {
        let (caller, signer) = tokio::join!(app.store.caller(presented.user_id, presented.session_id), app.tokens.signer());
        let (account, session) = caller?.filter(|(account, _)| account.is_active).ok_or_else(refused)?;
        let (signer, now) = (signer?, clock::now());
        match RefreshToken::rotate(&session, &presented, now, app.tokens.lifetimes()) {
            Rotation::Rotated { session: rotated, token } => match app.store.rotate_session(&session, &rotated).await {
                Ok(()) => return Ok(ok(&app.tokens.issue(signer, &account, &rotated, &token, now))),
                Err(UpdateError::Stale) => continue,
                Err(UpdateError::Store(error)) => return Err(error.into()),
            },
            Rotation::Replayed { token } => return Ok(ok(&app.tokens.issue(signer, &account, &session, &token, now))),
            Rotation::Reused => {
                app.store.end_session(session.user_id, session.id).await?;
                return Err(refused());
            }
            Rotation::Refused => return Err(refused()),
        }
    }
    Err(refused())
}
