//! `POST /api/accounts/login/`

use std::time::Instant;

use axum::extract::State;
use domain::account::{Account, Credentials};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::id::UserId;
use domain::password::Password;
use domain::problem::Code;
use domain::rate::LimitedAction;
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, ok};
use runtime::clock;
use runtime::tokens::{DeviceToken, MfaToken, RefreshToken};

use crate::App;
use crate::throttle::{
    SignInAttempt, failures_by_network, renew_device, wait_for_min_refusal_duration,
};
use crate::token_transport::TokenTransport;
use crate::views::SignedInUser;

request! {
    pub(crate) struct LoginRequest {
        email: Email = required,
        password: Password = required,
        device_token: Option<String> = optional,
    }
}

/// Sign in with email and password.
///
/// An unknown address, a wrong password and an inactive account get the same response after the
/// same time. So does an account that is not confirmed, where registration does not reveal taken
/// addresses.
///
/// Send the `device_token` of the last sign-in: this device is known then, and nobody else's
/// failures lock it out. Each sign-in gives a new one.
#[utoipa::path(
    post, path = "/api/accounts/login/", tag = "Accounts", request_body = LoginRequest,
    responses(
        (status = 200, description = "Signed in.", body = SignedInUser),
    )
)]
pub(crate) async fn login(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    body: Result<Body<LoginRequest>, Problem>,
) -> Result<ApiResponse, Problem> {
    let began = Instant::now();
    let Body(request) = of_sign_in(&app, &info, LimitedAction::Login, body).await?;
    let done = sign_in(&app, &info, &transport, &request).await;
    if done.as_ref().is_err_and(|problem| problem.code() == Code::InvalidCredentials.as_str()) {
        wait_for_min_refusal_duration(began, &request.password).await;
    }
    done
}

async fn sign_in(
    app: &App,
    info: &RequestInfo,
    transport: &TokenTransport,
    request: &LoginRequest,
) -> Result<ApiResponse, Problem> {
    let device =
        transport.device_token(request.device_token.as_deref()).and_then(DeviceToken::parse);
    let (attempt, credentials) =
        SignInAttempt::begin_sign_in(app, info, &request.email, device.as_ref()).await?;
    let (verified, signer) = tokio::join!(
        app.hasher.verify(&request.password, credentials.as_ref()),
        app.tokens.signer()
    );
    let (verified, signer) = (verified.map_err(Problem::internal)?, signer?);
    let (known, now) = (credentials.as_ref().map(|credentials| credentials.user_id), clock::now());
    let Some(credentials) = credentials.filter(|_| verified) else {
        let failure = info
            .audit_of(known.unwrap_or_else(clock::new_id), Action::Login)
            .with_outcome(Outcome::Failed);
        let told = async {
            match known {
                Some(_) => app.store.create_events(std::slice::from_ref(&failure)).await,
                None => app.store.create_decoy_event(&failure, now).await,
            }
        };
        tokio::try_join!(app.store.get_account(clock::new_id::<UserId>()), told, attempt.failed())?;
        return Err(refused());
    };
    let user_id = credentials.user_id;
    if credentials.second_factor {
        // The right password is an event of its own, even if no code follows.
        let half = AuditEvent {
            reason: Some("second_factor_required".to_owned()),
            ..info.audit_of(user_id, Action::Login)
        };
        let half = [half.with_outcome(Outcome::Denied)];
        let (account, told, forgotten, ()) = tokio::join!(
            app.store.get_account(user_id),
            app.store.create_events(&half),
            attempt.succeeded(),
            upgrade(app, request, &credentials)
        );
        told?;
        forgotten?;
        let account = admit(app, info, account?, &credentials, &attempt).await?;
        let token = MfaToken::new(
            user_id,
            account.sessions_ended_through,
            credentials.password_version,
            now,
        )
        .on_device(attempt.device())
        .seal(signer.sealer());
        return Err(Problem::unauthorized(
            Code::MfaRequired,
            "Show a code of the second factor, too.",
        )
        .with_mfa_token(token));
    }
    // The lifetime depends on the role, which is checked when the session is used.
    let (mut session, mut refresh) =
        RefreshToken::start(user_id, now, info.device(), app.tokens.config.longest_lifetimes());
    session.password_version = credentials.password_version;
    let audit = info.audit_of(user_id, Action::Login);
    let (device_token, device) =
        renew_device(user_id, attempt.device(), credentials.password_version, now);
    // If the account is not admitted, nobody ever gets the tokens of this session and this device.
    let (account, stored, known, forgotten, ()) = tokio::join!(
        app.store.get_account(user_id),
        app.store.create_session(&session, Some(&audit)),
        app.store.create_device(&device, device_token.place),
        attempt.succeeded(),
        upgrade(app, request, &credentials)
    );
    forgotten?;
    let account = account?;
    stored?;
    known?;
    let account = admit(app, info, account, &credentials, &attempt).await?;
    if let Some(ended_through) =
        account.sessions_ended_through.filter(|_| !account.allows_session_id(session.id))
    {
        // All sessions were ended by a sandbox whose clock is ahead of ours.
        (session, refresh) = RefreshToken::start_above(
            ended_through,
            user_id,
            now,
            info.device(),
            app.tokens.lifetimes(account.role),
        );
        session.password_version = credentials.password_version;
        app.store.create_session(&session, None).await?;
    }
    let tokens = app.tokens.issue(signer, &account, &session, &refresh, now);
    let response = ok(&SignedInUser::new(&account, tokens).on_device(&device_token));
    transport.deliver(app, account.role, response)
}

/// Returns the body of a sign-in. One that is malformed or incomplete counts as a failure of its
/// network.
///
/// # Errors
/// 400, or 429 instead of it when the network has failed too often.
pub(crate) async fn of_sign_in<T>(
    app: &App,
    info: &RequestInfo,
    kind: LimitedAction,
    body: Result<T, Problem>,
) -> Result<T, Problem> {
    match body {
        Ok(body) => Ok(body),
        refused => failures_by_network(app, info, kind, async { refused }).await,
    }
}

fn refused() -> Problem {
    Problem::unauthorized(
        Code::InvalidCredentials,
        "No active account found with the given credentials.",
    )
}

/// Returns the account if its state allows the sign-in.
///
/// If not, an event says why, after the one that says that the password was right. The attempt
/// counts as failed: otherwise the throttle would reveal that the password is right.
///
/// # Errors
/// 401 as for a wrong password.
async fn admit(
    app: &App,
    info: &RequestInfo,
    account: Option<Account>,
    credentials: &Credentials,
    attempt: &SignInAttempt<'_>,
) -> Result<Account, Problem> {
    let reason = match account {
        None | Some(Account { is_active: false, .. }) => "inactive",
        Some(Account { email_verified: false, .. }) if credentials.unconfirmed => {
            "email_not_confirmed"
        }
        // The password was changed after the credentials were read.
        Some(account) if account.password_version != credentials.password_version => {
            "password_changed"
        }
        Some(account) => return Ok(account),
    };
    let denied = AuditEvent {
        reason: Some(reason.to_owned()),
        ..info.audit_of(credentials.user_id, Action::Login)
    };
    let denied = [denied.with_outcome(Outcome::Denied)];
    tokio::try_join!(app.store.create_events(&denied), attempt.refused_despite_password())?;
    Err(refused())
}

/// Replaces the stored hash if it was made with other parameters than new ones, or is not sealed as
/// they are. A failure is only logged: the next sign-in tries again.
async fn upgrade(app: &App, request: &LoginRequest, credentials: &Credentials) {
    if !app.hasher.needs_rehash(credentials) {
        return;
    }
    let upgraded = match app.hasher.hash(credentials.user_id, &request.password).await {
        Ok(hash) => app
            .store
            .upgrade_password_hash(&request.email, credentials, &hash)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = upgraded {
        tracing::warn!(error, "a password hash was not upgraded");
    }
}
