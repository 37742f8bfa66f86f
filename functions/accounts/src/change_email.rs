//! `POST /api/accounts/email-change/` and `POST /api/accounts/email-change/confirm/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::password::Password;
use http_api::caller::{RequestInfo, SignedIn};
use http_api::form::Body;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, accepted, ok};
use runtime::clock;
use store::credentials::EmailChange;

use crate::App;
use crate::mail_token::{TokenRequest, VerifiedMailToken, bad_token, refused};
use crate::second_factor::{Proof, check_second_factor};
use crate::throttle::{SignInAttempt, order_mail_to_claimed};
use crate::views::DetailMessage;

request! {
    pub(crate) struct EmailChangeRequest {
        email: Email = required,
        password: Password = required,
        // Needed where there is a second factor.
        proof: Option<Proof> = by(Proof::from_form_if_any),
    }
}

/// Ask for a mail with a token to change your email address. It goes to the new address, and
/// nothing changes before the token is used. With a second factor, a code is needed, too.
///
/// The response is the same after the same work, whether somebody else has the address or not: its
/// owner gets another mail.
#[utoipa::path(
    post, path = "/api/accounts/email-change/", tag = "Accounts", request_body = EmailChangeRequest,
    responses(
        (status = 202, description = "The mail is on its way. The response does not say whether \
                                      the address is free.", body = DetailMessage),
    )
)]
pub(crate) async fn request_email_change(
    State(app): State<App>,
    caller: SignedIn,
    Body(EmailChangeRequest { email, password, proof }): Body<EmailChangeRequest>,
) -> Result<ApiResponse, Problem> {
    let (caller, wanted) = caller.authorize_with(app.store.get_credentials(&email)).await?;
    let account = &caller.account;
    if email == account.email {
        return Err(Problem::field("email", Reason::new("unchanged", "Is your present address.")));
    }
    let begin = SignInAttempt::begin_password_check(&app, &caller);
    let (attempt, credentials) = tokio::join!(begin, app.store.get_credentials(&account.email));
    let (attempt, credentials) =
        (attempt?, credentials?.filter(|credentials| credentials.user_id == account.id));
    let verified = app.hasher.verify(&password, credentials.as_ref()).await;
    if !verified.map_err(Problem::internal)? {
        let event = caller.audit(Action::ChangeEmail, account.id, None);
        let failure = [AuditEvent { outcome: Outcome::Failed, ..event }];
        tokio::try_join!(app.store.create_events(&failure), attempt.failed())?;
        return Err(Problem::field("password", Reason::new("incorrect", "Is not your password.")));
    }
    check_second_factor(&app, &caller, proof.as_ref(), Action::ChangeEmail).await?;
    let (id, now) = (clock::new_id(), clock::now());
    let mail = match wanted.filter(|owner| owner.user_id != account.id && !owner.unconfirmed) {
        None => Mail::to_change_address(id, account, email.clone(), now),
        Some(owner) => Mail::new(id, MailKind::AlreadyRegistered, owner.user_id, now),
    };
    let (sent, forgotten) =
        tokio::join!(order_mail_to_claimed(&app, account.id, &mail), attempt.succeeded());
    forgotten?;
    sent?;
    Ok(accepted(&DetailMessage {
        detail: "If the address is free, a mail with a token is on its way to it.",
    }))
}

/// Change the email address to the one the token was sent to. The previous address gets a mail.
#[utoipa::path(
    post, path = "/api/accounts/email-change/confirm/", tag = "Accounts",
        request_body = TokenRequest,
    responses(
        (status = 200, description = "The account has the new address.", body = DetailMessage),
    )
)]
pub(crate) async fn change_email(
    State(app): State<App>,
    info: RequestInfo,
    Body(request): Body<TokenRequest>,
) -> Result<ApiResponse, Problem> {
    let presented =
        VerifiedMailToken::find(&app, &info, &request.token, &[MailKind::ConfirmEmailChange])
            .await?;
    let VerifiedMailToken { hash, token, account: before } = presented.of_present_account()?;
    let (credentials, replaced) = tokio::try_join!(
        app.store.get_credentials(&before.email),
        app.store.get_unconfirmed_user(&token.email)
    )?;
    let credentials =
        credentials.filter(|credentials| credentials.user_id == before.id).ok_or_else(bad_token)?;
    let event = info.audit(&before, Action::ChangeEmail, before.id, None);
    let mail = Mail::new(clock::new_id(), MailKind::EmailChanged, before.id, clock::now())
        .to(before.email.clone());
    let after = Account {
        email: token.email,
        email_verified: true,
        version: before.version + 1,
        ..before.clone().with_trusted_email(clock::now())
    };
    let moved = EmailChange {
        before: &before,
        after: &after,
        credentials: &credentials,
        replaced,
        event: &event,
        mail: &mail,
    };
    app.store.change_email(&moved, &hash).await.map_err(refused)?;
    Ok(ok(&DetailMessage {
        detail: "The account has the new address. Sign in with it from now on.",
    }))
}
