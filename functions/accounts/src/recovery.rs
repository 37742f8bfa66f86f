//! `POST /api/accounts/recovery/confirm/` and `POST /api/accounts/recovery/cancel/`: what users do
//! about changes that staff have started.

use axum::extract::State;
use domain::audit::{Action, AuditEvent};
use domain::mail::{MailKind, MailToken};
use domain::rate::LimitedAction;
use domain::recovery::Recovery;
use http_api::caller::RequestInfo;
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use runtime::clock;

use crate::App;
use crate::mail_token::{TokenRequest, bad_token, find_token, refused};
use crate::throttle::failures_by_network;
use crate::views::DetailMessage;

/// Confirm the new address that staff have entered for an account. The account gets it when the
/// change has waited and was approved.
#[utoipa::path(
    post, path = "/api/accounts/recovery/confirm/", tag = "Accounts", request_body = TokenRequest,
    responses(
        (status = 200, description = "The address is confirmed.", body = DetailMessage),
    )
)]
pub(crate) async fn confirm_recovery(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let find =
        find(&app, &request.token, &[MailKind::ConfirmRecoveryAddress], |token, recovery| {
            recovery.new_email.as_ref() == Some(&token.email)
        });
    let (hash, before) = failures_by_network(&app, &info, LimitedAction::MailToken, find).await?;
    let event = event(&info, &before, Action::ConfirmRecovery);
    let after =
        Recovery { confirmed_at: Some(clock::now()), version: before.version + 1, ..before };
    app.store.confirm_recovery(&after, &hash, &event).await.map_err(refused)?;
    Ok(ok(&DetailMessage {
        detail: "The address is confirmed. The account gets it when the change has waited for \
                 three days.",
    }))
}

/// Cancel, with the token from the mail, what staff have started: the change of your address or
/// the removal of your second factor.
#[utoipa::path(
    post, path = "/api/accounts/recovery/cancel/", tag = "Accounts", request_body = TokenRequest,
    responses(
        (status = 200, description = "It is cancelled.", body = DetailMessage),
    )
)]
pub(crate) async fn cancel_recovery(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let kinds = [MailKind::EmailChangeStarted, MailKind::SecondFactorRemovalStarted];
    let find = find(&app, &request.token, &kinds, |token, recovery| recovery.email == token.email);
    let (hash, recovery) = failures_by_network(&app, &info, LimitedAction::MailToken, find).await?;
    let event = event(&info, &recovery, Action::CancelRecovery);
    app.store.cancel_recovery(&recovery, &hash, &event).await.map_err(refused)?;
    Ok(ok(&DetailMessage { detail: "It is cancelled. Nothing has changed." }))
}

/// Finds the recovery that a token is about, with the token's hash. The user may be inactive: staff
/// could deactivate a user who would cancel it.
///
/// # Errors
/// 400 when the token is invalid, or its recovery does not wait any more.
async fn find(
    app: &App,
    text: &str,
    kinds: &[MailKind],
    is_about: impl FnOnce(&MailToken, &Recovery) -> bool,
) -> Result<(String, Recovery), Problem> {
    let (hash, token) = find_token(app, text, kinds).await?;
    let recovery = app
        .store
        .get_recovery(token.user_id, clock::now())
        .await?
        .filter(|recovery| is_about(&token, recovery))
        .ok_or_else(bad_token)?;
    Ok((hash, recovery))
}

/// Makes the event. Its actor is unknown: the reader of the mail need not be the user.
fn event(info: &RequestInfo, recovery: &Recovery, action: Action) -> AuditEvent {
    AuditEvent {
        before: Some(recovery.kind.to_string()),
        ..info.audit_of(recovery.user_id, action)
    }
}
