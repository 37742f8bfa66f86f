//! `POST /api/accounts/verify-email/` and `POST /api/accounts/verify-email/resend/`

use axum::extract::State;
use domain::audit::Action;
use domain::mail::{Mail, MailKind};
use domain::rate::LimitedAction;
use http_api::caller::{RequestInfo, SignedIn};
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, accepted, ok};
use runtime::clock;

use crate::App;
use crate::mail_token::{TokenRequest, VerifiedMailToken, refused};
use crate::throttle::{failures_by_network, order_mail};
use crate::views::Detail;

/// Confirm an email address with the token from a mail.
#[utoipa::path(
    post, path = "/api/accounts/verify-email/", tag = "Accounts", request_body = TokenRequest,
    responses(
        (status = 200, description = "The address is confirmed.", body = Detail),
    )
)]
pub(crate) async fn verify_email(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let find = VerifiedMailToken::find(&app, &request.token, MailKind::VerifyEmail);
    let presented = failures_by_network(&app, &info, LimitedAction::MailToken, find).await?;
    let VerifiedMailToken { hash, account, .. } = presented.of_present_address()?;
    let event = info.audit(&account, Action::VerifyEmail, account.id, None);
    app.store.verify_email(&account, &hash, &event).await.map_err(refused)?;
    Ok(ok(&Detail { detail: "The email address is confirmed." }))
}

/// Ask for another mail with a token that confirms the address.
#[utoipa::path(
    post, path = "/api/accounts/verify-email/resend/", tag = "Accounts",
    responses(
        (status = 202, description = "The mail is on its way, unless the address is confirmed.",
            body = Detail),
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
    Ok(accepted(&Detail {
        detail: "Unless the address is confirmed, a mail with a token is on its way to it.",
    }))
}
