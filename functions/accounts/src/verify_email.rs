//! `POST /api/accounts/verify-email/` and `POST /api/accounts/verify-email/resend/`
//!
//! The reader of the mail may not be the person who registered, so a token alone confirms nothing.
//! The reader either is signed in to the account, or sets a new password, which ends what others
//! have begun.

use axum::extract::State;
use domain::audit::Action;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use domain::password;
use http_api::caller::{RequestInfo, SignedIn};
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, accepted, ok};
use runtime::clock;

use crate::App;
use crate::mail_token::{VerifiedMailToken, refused};
use crate::reset_password::set_password;
use crate::throttle::order_mail;
use crate::views::DetailMessage;

request! {
    pub(crate) struct VerifyEmailRequest {
        token: String = required,
        // Whether it resembles the user is checked once the token says who that is.
        password: Option<password::NewPassword> = optional,
    }
}

/// Confirm an email address with the token from a mail.
///
/// Those who are signed in to the account send their access token. Others set a password, and all
/// sessions end: read first at `/api/accounts/registration/` who has registered the address.
#[utoipa::path(
    post, path = "/api/accounts/verify-email/", tag = "Accounts", request_body = VerifyEmailRequest,
    responses(
        (status = 200, description = "The address is confirmed.", body = DetailMessage),
    )
)]
pub(crate) async fn verify_email(
    State(app): State<App>,
    info: RequestInfo,
    own: Result<SignedIn, Problem>,
    Body(request): Body<VerifyEmailRequest>,
) -> Result<ApiResponse, Problem> {
    let presented =
        VerifiedMailToken::find(&app, &info, &request.token, &[MailKind::VerifyEmail]).await?;
    let presented = presented.of_present_address()?;
    let confirmed = Ok(ok(&DetailMessage { detail: "The email address is confirmed." }));
    if let Some(password) = request.password {
        set_password(&app, &info, presented, password).await?;
        return confirmed;
    }
    let VerifiedMailToken { hash, account, .. } = presented;
    if !account.email_verified && !is_signed_in(&app, own, account.id).await? {
        let required = "This field is required, unless you are signed in to the account.";
        return Err(Problem::field("password", Reason::new("required", required)));
    }
    let event = info.audit(&account, Action::VerifyEmail, account.id, None);
    app.store.verify_email(&account, &hash, &event).await.map_err(refused)?;
    confirmed
}

/// Returns whether the caller has a live session of the user. Anyone may call the operation, so
/// that nothing else decides about the session.
async fn is_signed_in(
    app: &App,
    own: Result<SignedIn, Problem>,
    user: UserId,
) -> Result<bool, Problem> {
    let Ok(own) = own else { return Ok(false) };
    if own.id() != user {
        return Ok(false);
    }
    let found = app.store.get_caller(user, own.session_id()).await?;
    Ok(found.is_some_and(|(account, session)| {
        account.is_active && account.allows_session(&session) && session.is_live(clock::now())
    }))
}

/// Ask for another mail with a token that confirms the address.
#[utoipa::path(
    post, path = "/api/accounts/verify-email/resend/", tag = "Accounts",
    responses(
        (status = 202, description = "The mail is on its way, unless the address is confirmed.",
            body = DetailMessage),
    )
)]
pub(crate) async fn resend_verification(
    State(app): State<App>,
    caller: SignedIn,
) -> Result<ApiResponse, Problem> {
    let account = caller.authorize().await?.account;
    let kind = if account.email_verified { MailKind::Decoy } else { MailKind::VerifyEmail };
    order_mail(&app, &account.email, &Mail::new(clock::new_id(), kind, account.id, clock::now()))
        .await?;
    Ok(accepted(&DetailMessage {
        detail: "Unless the address is confirmed, a mail with a token is on its way to it.",
    }))
}
