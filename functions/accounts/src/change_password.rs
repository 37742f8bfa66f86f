//! `POST /api/accounts/password-change/`

use axum::extract::State;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::password::{self, Password};
use domain::problem::Code;
use http_api::caller::SignedIn;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, ok};
use runtime::clock;
use runtime::tokens::RefreshToken;
use store::UpdateError;
use store::credentials::PasswordChange;

use crate::App;
use crate::reset_password::check_new_password;
use crate::second_factor::{Proof, check_second_factor};
use crate::throttle::SignInAttempt;
use crate::token_transport::TokenTransport;
use crate::views::Tokens;

request! {
    pub(crate) struct ChangePasswordRequest {
        current_password: Password = required,
        new_password: password::NewPassword = required,
        // Needed where there is a second factor.
        proof: Option<Proof> = by(Proof::from_form_if_any),
    }
}

/// Change your password. All sessions end; the response contains the tokens of a new one. No device
/// is known any more. With a second factor, a code is needed, too.
#[utoipa::path(
    post, path = "/api/accounts/password-change/", tag = "Accounts",
        request_body = ChangePasswordRequest,
    responses(
        (status = 200, description = "The tokens of a new session.", body = Tokens),
    )
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: SignedIn,
    transport: TokenTransport,
    Body(request): Body<ChangePasswordRequest>,
) -> Result<ApiResponse, Problem> {
    let incorrect = || {
        Problem::field(
            "current_password",
            Reason::new("incorrect", "Is not your present password."),
        )
    };
    let user = caller.id();
    let (caller, through) = caller.authorize_with(app.http.latest_session(user)).await?;
    let account = &caller.account;
    let password = check_new_password(&app, account, request.new_password)
        .map_err(|reason| Problem::field("new_password", reason))?;
    let begin = SignInAttempt::begin_password_check(&app, &caller);
    let (attempt, credentials) = tokio::join!(begin, app.store.get_credentials(&account.email));
    let (attempt, credentials) =
        (attempt?, credentials?.filter(|credentials| credentials.user_id == user));
    let verified = app.hasher.verify(&request.current_password, credentials.as_ref()).await;
    let verified = verified.map_err(Problem::internal)?;
    let event = caller.audit(Action::ChangePassword, user, None);
    let Some(before) = credentials.filter(|_| verified) else {
        let failure = [AuditEvent { outcome: Outcome::Failed, ..event }];
        tokio::try_join!(app.store.create_events(&failure), attempt.failed())?;
        return Err(incorrect());
    };
    check_second_factor(&app, &caller, request.proof.as_ref(), Action::ChangePassword).await?;
    let (password_hash, signer) =
        tokio::join!(app.hasher.hash(user, &password), app.tokens.signer());
    let (password_hash, signer, now) =
        (password_hash.map_err(Problem::internal)?, signer?, clock::now());
    let (mut session, refresh) = RefreshToken::start_above(
        through,
        user,
        now,
        caller.request.device(),
        app.tokens.lifetimes(account.role),
    );
    session.second_factor = caller.session.second_factor;
    session.password_version = before.password_version + 1;
    let mail = Mail::new(clock::new_id(), MailKind::PasswordChanged, user, now);
    let new = PasswordChange {
        account,
        before: &before,
        password_hash: &password_hash,
        sessions_ended_through: through,
        event: &event,
        mail: &mail,
    };
    let (changed, forgotten) =
        tokio::join!(app.store.change_password(&new, &session), attempt.succeeded());
    forgotten?;
    changed.map_err(|error| match error {
        UpdateError::Stale => Problem::conflict(
            Code::ChangedMeanwhile,
            "The password or the sessions have changed meanwhile.",
        ),
        UpdateError::Store(error) => error.into(),
    })?;
    let response = ok(&app.tokens.issue(signer, account, &session, &refresh, now));
    transport.deliver(&app, account.role, response)
}
