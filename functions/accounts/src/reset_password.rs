//! `POST /api/accounts/password-reset/` and `POST /api/accounts/password-reset/confirm/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::Action;
use domain::email::Email;
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::password::{self, Password};
use domain::rate::{ClientNetwork, LimitedAction};
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, accepted, ok};
use runtime::clock;
use store::credentials::PasswordChange;

use crate::App;
use crate::mail_token::{VerifiedMailToken, bad_token, refused};
use crate::throttle::{admit_network_or_device, order_spaced_mail};
use crate::token_transport::TokenTransport;
use crate::views::DetailMessage;

request! {
    pub(crate) struct PasswordResetRequest {
        email: Email = required,
        device_token: Option<String> = optional,
    }
}

/// Ask for a mail with a token that sets a new password.
///
/// The response is the same after the same work, whether the account exists or not. Within five
/// minutes of a mail there is no other one: its token is still valid. A known device sends its
/// `device_token`, and is not refused because of others in its network.
#[utoipa::path(
    post, path = "/api/accounts/password-reset/", tag = "Accounts",
        request_body = PasswordResetRequest,
    responses(
        (status = 202, description = "If the account exists, the mail is on its way.",
            body = DetailMessage),
    )
)]
pub(crate) async fn request_password_reset(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    Body(request): Body<PasswordResetRequest>,
) -> Result<ApiResponse, Problem> {
    let (action, network) = (LimitedAction::PasswordReset, ClientNetwork::of(&info.source_ip));
    let device = transport.device_token(request.device_token.as_deref());
    let credentials =
        admit_network_or_device(&app, action, &network, &request.email, device).await?;
    let owner = credentials.map(|credentials| credentials.user_id);
    order_spaced_mail(&app, action, &network, &request.email, (MailKind::ResetPassword, owner))
        .await?;
    Ok(accepted(&DetailMessage {
        detail: "If there is an account with this address, a mail with a token is on its way to \
                 it.",
    }))
}

request! {
    pub(crate) struct NewPasswordRequest {
        token: String = required,
        // Whether it resembles the user is checked once the token says who that is.
        password: password::NewPassword = required,
    }
}

/// Set a new password with the token from a mail. All sessions end.
///
/// This confirms the address, too. If it was not confirmed before, read first at
/// `/api/accounts/registration/` who has registered it.
#[utoipa::path(
    post, path = "/api/accounts/password-reset/confirm/", tag = "Accounts",
        request_body = NewPasswordRequest,
    responses(
        (status = 200, description = "The password is set.", body = DetailMessage),
    )
)]
pub(crate) async fn reset_password(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<NewPasswordRequest>,
) -> Result<ApiResponse, Problem> {
    let presented =
        VerifiedMailToken::find(&app, &info, &request.token, &[MailKind::ResetPassword]).await?;
    set_password(&app, &info, presented.of_present_address()?, request.password).await?;
    Ok(ok(&DetailMessage { detail: "The password is set. Sign in with it." }))
}

/// Checks the new password of a user.
///
/// # Errors
/// When it is too weak for this user, or shorter than this deployment requires.
pub(crate) fn check_new_password(
    app: &App,
    account: &Account,
    password: password::NewPassword,
) -> Result<Password, Reason> {
    let names = [&account.first_name, &account.last_name];
    let password = password.0.check_strength(Some(&account.email), &names)?;
    password.check_length(app.passwords.min_length)?;
    Ok(password)
}

/// Sets the password of a token's account, confirms the address, and ends all sessions.
///
/// # Errors
/// 400 when the token is used or older than the password, or the password is too weak.
pub(crate) async fn set_password(
    app: &App,
    info: &RequestInfo,
    presented: VerifiedMailToken,
    password: password::NewPassword,
) -> Result<(), Problem> {
    let VerifiedMailToken { hash, account, .. } = presented.of_present_password()?;
    let password = check_new_password(app, &account, password)
        .map_err(|reason| Problem::field("password", reason))?;
    let (credentials, through, password_hash) = tokio::join!(
        app.store.get_credentials(&account.email),
        app.http.latest_session(account.id),
        app.hasher.hash(account.id, &password)
    );
    let (through, password_hash) = (through?, password_hash.map_err(Problem::internal)?);
    let before = credentials?
        .filter(|credentials| credentials.user_id == account.id)
        .ok_or_else(bad_token)?;
    let event = info.audit(&account, Action::ResetPassword, account.id, None);
    let mail = Mail::new(clock::new_id(), MailKind::PasswordChanged, account.id, clock::now());
    let new = PasswordChange {
        account: &account,
        before: &before,
        password_hash: &password_hash,
        sessions_ended_through: through,
        event: &event,
        mail: &mail,
    };
    app.store.reset_password(&new, &hash).await.map_err(refused)
}
