//! `POST /api/accounts/register/`

use axum::extract::State;
use domain::account::{Account, Approval, Credentials, RegistrationRole, Role};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::field::Reason;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use domain::password::{NewPassword, Password};
use domain::rate::{ClientNetwork, LimitedAction};
use domain::text::{Name, PhoneNumber};
use http_api::caller::RequestInfo;
use http_api::form::FromForm;
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, accepted, created};
use runtime::tokens::RefreshToken;
use runtime::{clock, config};
use store::accounts::{MailLimit, RegisterError, Replaced, SilentError};
use store::retry::REGISTRATION;

use crate::App;
use crate::throttle::by_network;
use crate::token_transport::TokenTransport;
use crate::views::{DetailMessage, SignedInUser};

request! {
    pub(crate) struct RegisterRequest {
        email: Email = required,
        password: Password = required(NewPassword),
        first_name: Name = default(Name::default()),
        last_name: Name = default(Name::default()),
        phone_number: PhoneNumber = default(PhoneNumber::default()),
        role: RegistrationRole = default(RegistrationRole(Role::Patient)),
    } check |form| {
        // Compared with the fields about the person that are valid.
        let names: Vec<&Name> = [&first_name, &last_name].into_iter().flatten().collect();
        let password = password.and_then(|NewPassword(password)| {
            password
                .check_strength(email.as_ref(), &names)
                .map_err(|reason| form.reject("password", reason))
                .ok()
        });
    }
}

/// Register as a patient or a doctor, and be signed in.
///
/// Where taken addresses are not revealed, the response is the same after the same work, whether
/// the address is free or not, and its owner gets a mail. New users confirm the address with it,
/// and then sign in. A registration that was not confirmed is replaced by the next one.
#[utoipa::path(
    post, path = "/api/accounts/register/", tag = "Accounts", request_body = RegisterRequest,
    responses(
        (status = 201, description = "Registered and signed in.", body = SignedInUser),
        (status = 202, description = "Where taken addresses are not revealed: the owner of \
                                      the address gets a mail.", body = DetailMessage),
    )
)]
pub(crate) async fn register(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(RegisterRequest::from_form)?;
    new.password
        .check_length(app.passwords.min_length)
        .map_err(|reason| Problem::field("password", reason))?;
    let (idempotent, role) = (request.of_stranger(&new.email), new.role.0);
    // By network alone, so that concurrent requests with one address get `taken`, not 429.
    let run = async || idempotent.run(register_account(&app, &info, &idempotent, new)).await;
    // A repetition gets the stored response where it wants its own tokens to be.
    let response = by_network(&app, &info, LimitedAction::Register, run).await?;
    transport.deliver(&app, role, response)
}

async fn register_account(
    app: &App,
    info: &RequestInfo,
    idempotent: &IdempotentRequest,
    new: RegisterRequest,
) -> Result<ApiResponse, Problem> {
    if !app.registration.reveal_registered_email {
        return register_silently(app, info, idempotent, new).await;
    }
    let id = clock::new_id();
    let (replay, password_hash, signer) =
        tokio::join!(idempotent.begin(), app.hasher.hash(id, &new.password), app.tokens.signer());
    if let Some(response) = replay? {
        return Ok(response);
    }
    let (password_hash, signer) = (password_hash.map_err(Problem::internal)?, signer?);
    let now = clock::now();
    let account = account(id, new, &app.doctors);
    let credentials = Credentials::new(account.id, password_hash);
    let (session, refresh) =
        RefreshToken::start(account.id, now, info.device(), app.tokens.lifetimes(account.role));
    let audit = info.audit(&account, Action::Register, account.id, None);
    let tokens = app.tokens.issue(signer, &account, &session, &refresh, now);
    let response = created("/api/accounts/me/", &SignedInUser::new(&account, tokens));
    let stored_response = idempotent.completed(&response)?;
    let registered = app
        .store
        .register(&account, &credentials, &session, &audit, stored_response.as_ref())
        .await;
    match registered {
        Ok(()) => Ok(response),
        Err(RegisterError::EmailTaken) => Err(Problem::field(
            "email",
            Reason::new("taken", "A user with this email already exists."),
        )),
        Err(RegisterError::Store(error)) => Err(error.into()),
    }
}

fn account(id: UserId, new: RegisterRequest, doctors: &config::Doctors) -> Account {
    Account {
        first_name: new.first_name,
        last_name: new.last_name,
        phone_number: new.phone_number,
        approval: Approval::initial(new.role.0, doctors.approval_is_required),
        ..Account::new(id, new.email, new.role.0)
    }
}

async fn register_silently(
    app: &App,
    info: &RequestInfo,
    idempotent: &IdempotentRequest,
    new: RegisterRequest,
) -> Result<ApiResponse, Problem> {
    let (network, id, now) = (ClientNetwork::of(&info.source_ip), clock::new_id(), clock::now());
    let (replay, password_hash, owner, counted) = tokio::join!(
        idempotent.begin(),
        app.hasher.hash(id, &new.password),
        app.store.get_credentials(&new.email),
        // All attempts count: the throttle must not reveal which addresses are taken.
        app.store.increment_failures(LimitedAction::Register, &network, now)
    );
    counted?;
    if let Some(response) = replay? {
        return Ok(response);
    }
    let response = accepted(&DetailMessage {
        detail: "We have sent a mail to this address. Please follow its instructions.",
    });
    let stored_response = idempotent.completed(&response)?;
    let stored_response = stored_response.as_ref();
    let (password_hash, mut owner) = (password_hash.map_err(Problem::internal)?, owner?);
    let account = account(id, new, &app.doctors);
    // A sign-in right away would reveal whether the address was free.
    let credentials =
        Credentials { unconfirmed: true, ..Credentials::new(account.id, password_hash) };
    let mails = MailLimit { most: app.throttling.mails_per_day, now };
    // Once more if the address was taken or given up meanwhile.
    let mut retries = REGISTRATION.start();
    let mut is_confirmed = false;
    loop {
        let replaced = match &owner {
            None => Some(Replaced::Nobody(clock::new_id())),
            // Nobody has shown yet that the address is theirs.
            Some(owner) if owner.unconfirmed && !is_confirmed => {
                Some(Replaced::Unconfirmed(owner.user_id))
            }
            Some(_) => None,
        };
        let done = match (&owner, replaced) {
            (_, Some(replaced)) => {
                let audit = info.audit(&account, Action::Register, account.id, None);
                app.store
                    .register_silently(
                        &account,
                        &credentials,
                        replaced,
                        &audit,
                        mails,
                        stored_response,
                    )
                    .await
            }
            (None, None) => Err(SilentError::Stale),
            (Some(Credentials { user_id, .. }), None) => {
                let mail = Mail::new(clock::new_id(), MailKind::AlreadyRegistered, *user_id, now);
                let audit = AuditEvent {
                    outcome: Outcome::Failed,
                    ..info.audit_of(*user_id, Action::Register)
                };
                let nobody = clock::new_id();
                app.store
                    .refuse_registration(&account, &audit, &mail, nobody, mails, stored_response)
                    .await
            }
        };
        match done {
            Ok(()) => return Ok(response),
            Err(SilentError::Stale) => owner = app.store.get_credentials(&account.email).await?,
            Err(SilentError::Confirmed) => is_confirmed = true,
            // The address has got a day's mails, each of which continues the registration:
            // strangers who register it must not keep its owner out.
            Err(SilentError::LimitReached(_)) => {
                app.store.complete_request(stored_response).await?;
                return Ok(response);
            }
            Err(SilentError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            let why = "the address was taken and given up again and again";
            return Err(Problem::unavailable_because(why));
        }
    }
}
