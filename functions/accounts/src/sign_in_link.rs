//! `POST /api/accounts/login/link/` and `POST /api/accounts/login/link/confirm/`
//!
//! For users locked out because others guessed. Reading the mail proves ownership and makes the
//! device known. The password, and perhaps a code, are needed as before.

use axum::extract::State;
use domain::audit::Action;
use domain::email::Email;
use domain::mail::MailKind;
use domain::rate::{ClientNetwork, LimitedAction};
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, accepted, ok};
use runtime::clock;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::mail_token::{TokenRequest, VerifiedMailToken, refused};
use crate::throttle::{admit_network_or_device, order_spaced_mail, renew_device};
use crate::token_transport::TokenTransport;
use crate::views::DetailMessage;

request! {
    pub(crate) struct SignInLinkRequest {
        email: Email = required,
        device_token: Option<String> = optional,
    }
}

/// Ask for a mail with a link that makes your device known, when too many sign-ins or codes of
/// others have failed.
///
/// The response is the same after the same work, whether the account exists or not. Within five
/// minutes of a mail there is no other one: its token is still valid. A known device sends its
/// `device_token`, and is not refused because of others in its network.
#[utoipa::path(
    post, path = "/api/accounts/login/link/", tag = "Accounts", request_body = SignInLinkRequest,
    responses(
        (status = 202, description = "If the account exists, the mail is on its way.",
            body = DetailMessage),
    )
)]
pub(crate) async fn request_sign_in_link(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    Body(request): Body<SignInLinkRequest>,
) -> Result<ApiResponse, Problem> {
    let (action, network) = (LimitedAction::SignInLink, ClientNetwork::of(&info.source_ip));
    let device = transport.device_token(request.device_token.as_deref());
    let credentials =
        admit_network_or_device(&app, action, &network, &request.email, device).await?;
    let owner = credentials.map(|credentials| credentials.user_id);
    order_spaced_mail(&app, action, &network, &request.email, (MailKind::SignInLink, owner))
        .await?;
    Ok(accepted(&DetailMessage {
        detail: "If there is an account with this address, a mail with a link is on its way to it.",
    }))
}

/// The response that makes a device known.
#[derive(Serialize, ToSchema)]
struct ConfirmedDevice {
    /// For the next sign-in from this device. It signs nobody in. Absent if it is in a cookie.
    #[schema(max_length = 255, required = false, example = "AZClwAAAcACAAAAAAAAAAQ")]
    device_token: String,
}

/// Make your device known with the token from the mail. Sign in with the `device_token` then. Codes
/// of the second factor are checked again.
#[utoipa::path(
    post, path = "/api/accounts/login/link/confirm/", tag = "Accounts",
        request_body = TokenRequest,
    responses(
        (status = 200, description = "The device is known.", body = ConfirmedDevice),
    )
)]
pub(crate) async fn confirm_device(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let presented =
        VerifiedMailToken::find(&app, &info, &request.token, &[MailKind::SignInLink]).await?;
    let VerifiedMailToken { hash, account, .. } = presented.of_present_address()?;
    let (token, device) = renew_device(account.id, None, account.password_version, clock::now());
    let event = info.audit(&account, Action::ConfirmDevice, account.id, None);
    app.store
        .confirm_device(&account, &hash, &device, token.place, &event)
        .await
        .map_err(refused)?;
    let response = ok(&ConfirmedDevice { device_token: token.reveal() });
    transport.deliver(&app, account.role, response)
}
