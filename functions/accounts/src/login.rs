//! `POST /api/accounts/login/`

use axum::extract::State;
use domain::audit::Action;
use domain::email::Email;
use domain::id::UserId;
use domain::password::Password;
use http_kit::answer::{Answer, ok};
use http_kit::caller::RequestInfo;
use http_kit::form::{Body, Form, FromForm};
use http_kit::problem::Problem;
use runtime::clock;
use runtime::tokens::RefreshToken;

use crate::App;
use crate::shapes::SignedInUser;

pub(crate) struct LoginRequest {
    email: Email,
    password: Password,
}

impl FromForm for LoginRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.required("email");
        let password = form.required("password");
        Some(Self { email: email?, password: password? })
    }
}

/// Sign in with email and password.
///
/// Unknown, wrong and inactive are one answer after the same work: a read of the credentials, a password hash, a read of the account.
#[utoipa::path(post, path = "/api/accounts/login/", tag = "Accounts")]
pub(crate) async fn login(State(app): State<App>, info: RequestInfo, Body(request): Body<LoginRequest>) -> Result<Answer, Problem> {
    let refused = || Problem::unauthorized("invalid_credentials", "No active account found with the given credentials.");
    let credentials = app.store.credentials(&request.email).await?;
    let hash = credentials.as_ref().map(|credentials| credentials.password_hash.as_str());
    let (verified, signer) = tokio::join!(app.hasher.verify(request.password, hash), app.tokens.signer());
    let (verified, signer) = (verified.map_err(Problem::internal)?, signer?);
    let Some(user_id) = credentials.filter(|_| verified).map(|credentials| credentials.user_id) else {
        app.store.account(clock::new_id::<UserId>()).await?;
        return Err(refused());
    };
    let now = clock::now();
    let (session, refresh) = RefreshToken::start(user_id, now, info.device(), app.tokens.lifetimes());
    let audit = info.audit_of(user_id, Action::Login);
    // For an inactive account the session is stored in vain: its token is never given to anybody.
    let (account, stored) = tokio::join!(app.store.account(user_id), app.store.put_session(&session, Some(&audit)));
    let account = account?.filter(|account| account.is_active).ok_or_else(refused)?;
    stored?;
    let tokens = app.tokens.issue(signer, &account, &session, &refresh, now);
    Ok(ok(&SignedInUser::new(&account, tokens)))
}
