//! `POST /api/accounts/registration/` and `POST /api/accounts/registration/discard/`
//!
//! What the owner of an address can do when somebody else has registered it: see who, and free it.

use axum::extract::State;
use domain::account::{Account, Role};
use domain::audit::Action;
use domain::mail::MailKind;
use domain::text::Name;
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::mail_token::{TokenRequest, VerifiedMailToken, refused};
use crate::views::DetailMessage;

/// The account that a token from a mail is for.
#[derive(Serialize, ToSchema)]
struct Registration<'a> {
    first_name: &'a Name,
    last_name: &'a Name,
    role: Role,
    /// Whether the address was confirmed. If not, somebody else may have registered it.
    confirmed: bool,
}

/// Finds the account of a token that confirms an address or sets a password.
async fn find(
    app: &App,
    info: &RequestInfo,
    request: &TokenRequest,
) -> Result<VerifiedMailToken, Problem> {
    VerifiedMailToken::find(app, info, &request.token, &MailKind::OF_REGISTRATION)
        .await?
        .of_present_address()
}

/// Read whose account a token from a mail is for: one that confirms an address, or sets a password.
/// The token stays valid.
#[utoipa::path(
    post, path = "/api/accounts/registration/", tag = "Accounts", request_body = TokenRequest,
    responses(
        (status = 200, description = "The account.", body = Registration),
    )
)]
pub(crate) async fn read_registration(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let account = find(&app, &info, &request).await?.account;
    Ok(ok(&Registration {
        first_name: &account.first_name,
        last_name: &account.last_name,
        role: account.role,
        confirmed: account.email_verified,
    }))
}

/// Discard an account that somebody else has registered with your address, with the token from a
/// mail. Only accounts whose address was never confirmed can be discarded.
///
/// Its sessions end, it cannot be signed in to any more, and the address is free.
#[utoipa::path(
    post, path = "/api/accounts/registration/discard/", tag = "Accounts",
        request_body = TokenRequest,
    responses(
        (status = 200, description = "The account is discarded.", body = DetailMessage),
    )
)]
pub(crate) async fn discard_registration(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let presented = find(&app, &info, &request).await?.of_unconfirmed()?;
    let VerifiedMailToken { hash, account: before, .. } = presented;
    let through = app.http.latest_session(before.id).await?;
    let after = Account {
        is_active: false,
        sessions_ended_through: Some(through),
        version: before.version + 1,
        ..before.clone()
    };
    let event = info.audit(&before, Action::DiscardAccount, before.id, None);
    app.store.discard_account(&before, &after, &hash, &event).await.map_err(refused)?;
    Ok(ok(&DetailMessage { detail: "The account is discarded. The address is free." }))
}
