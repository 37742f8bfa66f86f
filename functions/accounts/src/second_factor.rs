//! `POST /api/accounts/login/second-factor/` and `POST
//! /api/accounts/second-factor/{setup,confirm,disable}/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::{Action, AuditEvent, Outcome};
use domain::field::Reason;
use domain::mail::{Mail, MailKind};
use domain::password::Password;
use domain::problem::Code;
use domain::rate::{CODE_FAILURES_BEFORE_MAIL, LimitedAction};
use domain::second_factor::{RECOVERY_CODE_COUNT, RecoveryCode, SecondFactor, TotpCode, UsedToken};
use http_api::caller::{Caller, RequestInfo, SignedIn};
use http_api::form::{Body, Form};
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, no_content, ok};
use jiff::Timestamp;
use runtime::tokens::{MfaToken, RefreshToken};
use runtime::{clock, totp};
use serde::Serialize;
use store::UpdateError;
use utoipa::ToSchema;

use crate::App;
use crate::login::of_sign_in;
use crate::throttle::{Guess, SignInAttempt, renew_device};
use crate::token_transport::TokenTransport;
use crate::views::SignedInUser;

/// The name of the service in authenticator apps.
const ISSUER: &str = "Health Records";

/// The second factor of a request: a code from the app, or a recovery code.
pub(crate) enum Proof {
    App(TotpCode),
    Paper(RecoveryCode),
}

impl Proof {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.one_of(("code", Self::App), ("recovery_code", Self::Paper))
    }

    /// Reads one, where an account without a second factor needs none.
    pub(crate) fn from_form_if_any(form: &mut Form) -> Option<Option<Self>> {
        form.at_most_one_of(("code", Self::App), ("recovery_code", Self::Paper))
    }

    fn is_of_paper(&self) -> bool {
        matches!(self, Self::Paper(_))
    }

    fn guess(&self) -> Guess {
        match self {
            Self::App(_) => Guess::Code,
            Self::Paper(_) => Guess::RecoveryCode,
        }
    }

    /// Returns why a code is refused that another request has used first.
    fn when_used_meanwhile(&self) -> Refusal {
        match self {
            Self::App(_) => Refusal::AlreadyUsed,
            Self::Paper(_) => Refusal::Wrong,
        }
    }

    /// Returns the factor after the code is used up.
    fn use_up(
        &self,
        app: &App,
        factor: &SecondFactor,
        now: Timestamp,
    ) -> Result<SecondFactor, Refusal> {
        let sealer = app.hasher.sealer();
        let used = match self {
            Self::App(code) => {
                let secret = sealer.open_totp(factor).ok_or(Refusal::Wrong)?;
                let step = totp::step_of(&secret, code, now).ok_or(Refusal::Wrong)?;
                factor.with_step_used(step).ok_or(Refusal::AlreadyUsed)?
            }
            Self::Paper(code) => {
                let hash = totp::recovery_hash(code);
                factor.with_recovery_code_used(&hash).ok_or(Refusal::Wrong)?
            }
        };
        Ok(sealer.with_current_seal(used))
    }
}

/// Why a code is not accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is not a code of the user, or a recovery code that was used.
    Wrong,
    /// It is a code of the user's app, whose time step was used. Nobody has guessed it.
    AlreadyUsed,
}

const WRONG_CODE: &str = "The code is wrong, or was used before.";
const USED_CODE: &str = "The code was already used. Wait for the next one.";

impl Refusal {
    /// Returns the problem of a sign-in.
    fn of_sign_in(self) -> Problem {
        match self {
            Self::Wrong => Problem::unauthorized(Code::InvalidCode, WRONG_CODE),
            Self::AlreadyUsed => Problem::unauthorized(Code::CodeAlreadyUsed, USED_CODE),
        }
    }

    /// Returns the problem of somebody who is signed in.
    fn of_field(self) -> Problem {
        let reason = match self {
            Self::Wrong => Reason::new("incorrect", "Is wrong, or was used before."),
            Self::AlreadyUsed => {
                Reason::new("already_used", "Was already used. Wait for the next one.")
            }
        };
        Problem::field("code", reason)
    }
}

request! {
    /// A request of a user who is signed in that needs a code if there is a second factor.
    pub(crate) struct ProofRequest {
        pub(crate) proof: Option<Proof> = by(Proof::from_form_if_any),
    }
}

request! {
    pub(crate) struct CompleteLoginRequest {
        mfa_token: String = required,
        proof: Proof = by(Proof::from_form),
    }
}

/// Complete a sign-in: with the `mfa_token` from the password step, and a code of the app or a
/// recovery code. Each works once; the token outlives a wrong code.
#[utoipa::path(
    post, path = "/api/accounts/login/second-factor/", tag = "Accounts",
        request_body = CompleteLoginRequest,
    responses(
        (status = 200, description = "Signed in.", body = SignedInUser),
    )
)]
pub(crate) async fn login_with_second_factor(
    State(app): State<App>,
    info: RequestInfo,
    transport: TokenTransport,
    body: Result<Body<CompleteLoginRequest>, Problem>,
) -> Result<ApiResponse, Problem> {
    let Body(request) = of_sign_in(&app, &info, LimitedAction::SecondFactor, body).await?;
    let over = || {
        Problem::unauthorized(
            Code::MfaTokenNotValid,
            "The token is invalid or expired: sign in with the password again.",
        )
    };
    let (signer, now) = (app.tokens.signer().await?, clock::now());
    let token = MfaToken::open(signer.sealer(), &request.mfa_token, now).ok_or_else(over)?;
    let user = token.user_id;
    let (attempt, account, factor) = tokio::join!(
        SignInAttempt::begin_code(&app, &info, user, request.proof.guess(), Problem::unauthorized),
        app.store.get_account(user),
        app.store.get_second_factor(user)
    );
    let attempt = attempt?;
    let is_as_it_was = |account: &Account| {
        (account.sessions_ended_through, account.password_version)
            == (token.sessions_ended_through, token.password_version)
    };
    let fits =
        |account: &Account| account.is_active && account.second_factor && is_as_it_was(account);
    let used_token = UsedToken { id: token.id, expires_at: token.expires_at };
    let found = account?.filter(fits).zip(factor?.filter(|factor| factor.confirmed));
    let Some((account, factor, after)) = found.and_then(|(account, factor)| {
        let after = factor.with_token_used(used_token, now)?;
        Some((account, factor, after))
    }) else {
        attempt.was_no_guess().await?;
        return Err(over());
    };
    let event = info.audit(&account, Action::Login, user, None);
    let used = match request.proof.use_up(&app, &after, now) {
        Ok(used) => used,
        Err(refusal) => {
            fail(&app, &attempt, event, refusal).await?;
            return Err(refusal.of_sign_in());
        }
    };
    let lifetimes = app.tokens.lifetimes(account.role);
    let (mut session, refresh) = match account.sessions_ended_through {
        Some(through) => RefreshToken::start_above(through, user, now, info.device(), lifetimes),
        None => RefreshToken::start(user, now, info.device(), lifetimes),
    };
    session.second_factor = true;
    session.password_version = token.password_version;
    let reason = request.proof.is_of_paper().then(|| "recovery_code".to_owned());
    let mail = request
        .proof
        .is_of_paper()
        .then(|| Mail::new(clock::new_id(), MailKind::RecoveryCodeUsed, user, now));
    let event = AuditEvent { session_id: Some(session.id), reason, ..event };
    let (device_token, device) = renew_device(user, token.device, token.password_version, now);
    let (signed_in, known) = tokio::join!(
        app.store.sign_in_with_second_factor(
            &factor,
            &used,
            &session,
            &event,
            attempt.throttle_key(),
            mail.as_ref(),
        ),
        app.store.create_device(&device, device_token.place)
    );
    match signed_in {
        Ok(()) => {}
        // Of two who show one code at once, one signs in.
        Err(UpdateError::Stale) => {
            let refusal = request.proof.when_used_meanwhile();
            fail(&app, &attempt, AuditEvent { session_id: None, ..event }, refusal).await?;
            return Err(refusal.of_sign_in());
        }
        Err(UpdateError::Store(error)) => return Err(error.into()),
    }
    known?;
    let tokens = app.tokens.issue(signer, &account, &session, &refresh, now);
    let response = ok(&SignedInUser::new(&account, tokens).on_device(&device_token));
    transport.deliver(&app, account.role, response)
}

/// Counts a failure and writes it to the audit trail. The user gets a mail when several codes were
/// wrong in a row: the sender knows the password.
async fn fail(
    app: &App,
    attempt: &SignInAttempt<'_>,
    event: AuditEvent,
    refusal: Refusal,
) -> Result<(), Problem> {
    let is_setup = event.action == Action::EnableSecondFactor;
    if refusal == Refusal::AlreadyUsed {
        let reason = Some(Code::CodeAlreadyUsed.as_str().to_owned());
        let failure = [AuditEvent { outcome: Outcome::Failed, reason, ..event }];
        tokio::try_join!(app.store.create_events(&failure), attempt.was_no_guess())?;
        return Ok(());
    }
    let reason = Some("second_factor".to_owned());
    let failure = AuditEvent { outcome: Outcome::Failed, reason, ..event };
    let told = async {
        if attempt.failures_in_a_row() != CODE_FAILURES_BEFORE_MAIL || is_setup {
            return app.store.create_events(std::slice::from_ref(&failure)).await;
        }
        let user = failure.subject_id;
        let mail = Mail::new(clock::new_id(), MailKind::CodesFailed, user, clock::now());
        app.store.record_code_failure(&failure, &mail).await
    };
    tokio::try_join!(told, attempt.failed())?;
    Ok(())
}

request! {
    pub(crate) struct SetUpSecondFactorRequest {
        password: Password = required,
    }
}

#[derive(Serialize, ToSchema)]
struct SecondFactorSecret<'a> {
    /// In base32.
    #[schema(max_length = 64, example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: &'a str,
    /// What an app reads from a QR code.
    #[schema(format = "uri", max_length = 1024)]
    otpauth_url: String,
}

/// Get a secret for an authenticator app. It has no effect before a code is confirmed; until then a
/// new secret replaces it.
#[utoipa::path(
    post, path = "/api/accounts/second-factor/setup/", tag = "Accounts",
        request_body = SetUpSecondFactorRequest,
    responses(
        (status = 200, description = "The secret. It is shown only once.",
            body = SecondFactorSecret),
    )
)]
pub(crate) async fn set_up_second_factor(
    State(app): State<App>,
    caller: SignedIn,
    Body(request): Body<SetUpSecondFactorRequest>,
) -> Result<ApiResponse, Problem> {
    let caller = caller.authorize().await?;
    let account = &caller.account;
    if account.second_factor {
        return Err(exists());
    }
    if !account.email_verified {
        return Err(not_confirmed());
    }
    check_password(&app, &caller, &request.password, Action::EnableSecondFactor).await?;
    let secret = totp::new_secret();
    let sealed = app.hasher.sealer().seal_totp(account.id, &secret);
    let factor = SecondFactor::pending(account.id, sealed);
    app.store.start_second_factor(&factor).await.map_err(|error| match error {
        UpdateError::Stale => exists(),
        UpdateError::Store(error) => error.into(),
    })?;
    let otpauth_url = totp::otpauth_url(ISSUER, account.email.as_str(), &secret);
    Ok(ok(&SecondFactorSecret { secret: &secret, otpauth_url }))
}

/// Returns the problem of a user whose address is unconfirmed: a second factor could lock out the
/// address's real owner.
fn not_confirmed() -> Problem {
    Problem::forbidden(
        Code::EmailNotConfirmed,
        "Confirm your email address before you set up a second factor.",
    )
}

fn exists() -> Problem {
    Problem::conflict(
        Code::SecondFactorExists,
        "There is a second factor: disable it before you set up another one.",
    )
}

fn changed() -> Problem {
    Problem::conflict(
        Code::ChangedMeanwhile,
        "The second factor or the account has changed meanwhile; try again.",
    )
}

/// Begins to check a code of a user who is signed in.
async fn begin_code<'a>(
    app: &'a App,
    caller: &Caller,
    proof: &Proof,
) -> Result<SignInAttempt<'a>, Problem> {
    let (request, user) = (&caller.request, caller.account.id);
    SignInAttempt::begin_code(app, request, user, proof.guess(), Problem::forbidden).await
}

/// Checks the code that a change of the account needs, if the account has a second factor, and uses
/// it up.
///
/// # Errors
/// An error of the field `code` when it is missing or not valid.
pub(crate) async fn check_second_factor(
    app: &App,
    caller: &Caller,
    proof: Option<&Proof>,
    action: Action,
) -> Result<(), Problem> {
    let user = caller.account.id;
    if !caller.account.second_factor {
        return Ok(());
    }
    let proof = proof.ok_or_else(|| {
        let required = "This field is required, or recovery_code: there is a second factor.";
        Problem::field("code", Reason::new("required", required))
    })?;
    let (attempt, factor) =
        tokio::join!(begin_code(app, caller, proof), app.store.get_second_factor(user));
    let (attempt, factor) = (attempt?, factor?.ok_or_else(changed)?);
    let event = caller.audit(action, user, None);
    let refusal = match proof.use_up(app, &factor, clock::now()) {
        Err(refusal) => refusal,
        Ok(used) => match app.store.use_second_factor(&factor, &used).await {
            Ok(()) => return Ok(attempt.succeeded().await?),
            // Of two who show one code at once, one succeeds.
            Err(UpdateError::Stale) => proof.when_used_meanwhile(),
            Err(UpdateError::Store(error)) => return Err(error.into()),
        },
    };
    fail(app, &attempt, event, refusal).await?;
    Err(refusal.of_field())
}

/// Checks the caller's password.
async fn check_password(
    app: &App,
    caller: &Caller,
    password: &Password,
    action: Action,
) -> Result<(), Problem> {
    let account = &caller.account;
    let begin = SignInAttempt::begin_password_check(app, caller);
    let (attempt, credentials) = tokio::join!(begin, app.store.get_credentials(&account.email));
    let (attempt, credentials) =
        (attempt?, credentials?.filter(|credentials| credentials.user_id == account.id));
    let verified = app.hasher.verify(password, credentials.as_ref()).await;
    if verified.map_err(Problem::internal)? {
        return Ok(attempt.succeeded().await?);
    }
    let failure = [caller.audit(action, account.id, None).with_outcome(Outcome::Failed)];
    tokio::try_join!(app.store.create_events(&failure), attempt.failed())?;
    Err(Problem::field("password", Reason::new("incorrect", "Is not your password.")))
}

request! {
    pub(crate) struct ConfirmSecondFactorRequest {
        code: TotpCode = required,
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodeList)]
struct RecoveryCodes<'a> {
    /// Each works once, instead of a code of the app.
    #[schema(max_items = 10, value_type = Vec<RecoveryCode>)]
    recovery_codes: Vec<&'a str>,
}

/// Enable the second factor with a code from the app. The recovery codes are only in this response.
/// The session counts as started with a second factor.
#[utoipa::path(
    post, path = "/api/accounts/second-factor/confirm/", tag = "Accounts",
        request_body = ConfirmSecondFactorRequest,
    responses(
        (status = 200, description = "The recovery codes. They are shown only once.",
            body = RecoveryCodes),
    )
)]
pub(crate) async fn confirm_second_factor(
    State(app): State<App>,
    caller: SignedIn,
    Body(request): Body<ConfirmSecondFactorRequest>,
) -> Result<ApiResponse, Problem> {
    let user = caller.id();
    let (caller, factor) = caller.authorize_with(app.store.get_second_factor(user)).await?;
    let missing = || Problem::conflict(Code::SecondFactorNotSetUp, "Ask for a secret first.");
    let factor = factor.ok_or_else(missing)?;
    if factor.confirmed {
        return Err(exists());
    }
    if !caller.account.email_verified {
        return Err(not_confirmed());
    }
    let proof = Proof::App(request.code);
    let attempt = begin_code(&app, &caller, &proof).await?;
    let event = caller.audit(Action::EnableSecondFactor, user, None);
    let used = match proof.use_up(&app, &factor, clock::now()) {
        Ok(used) => used,
        Err(refusal) => {
            fail(&app, &attempt, event, refusal).await?;
            return Err(refusal.of_field());
        }
    };
    let codes: Vec<RecoveryCode> =
        (0..RECOVERY_CODE_COUNT).map(|_| totp::new_recovery_code()).collect();
    let confirmed = SecondFactor {
        confirmed: true,
        recovery_hashes: codes.iter().map(totp::recovery_hash).collect(),
        ..used
    };
    let mail = Mail::new(clock::new_id(), MailKind::SecondFactorEnabled, user, clock::now());
    let enabled = app
        .store
        .enable_second_factor(&factor, &confirmed, &caller.account, &caller.session, &event, &mail)
        .await;
    enabled.map_err(|error| match error {
        UpdateError::Stale => changed(),
        UpdateError::Store(error) => error.into(),
    })?;
    attempt.succeeded().await?;
    Ok(ok(&RecoveryCodes { recovery_codes: codes.iter().map(RecoveryCode::expose).collect() }))
}

request! {
    pub(crate) struct DisableSecondFactorRequest {
        password: Password = required,
        proof: Proof = by(Proof::from_form),
    }
}

/// Disable the second factor. The session counts as started without one: users who need a second
/// factor set up another next.
#[utoipa::path(
    post, path = "/api/accounts/second-factor/disable/", tag = "Accounts",
        request_body = DisableSecondFactorRequest,
    responses(
        (status = 204, description = "The second factor is disabled."),
    )
)]
pub(crate) async fn disable_second_factor(
    State(app): State<App>,
    caller: SignedIn,
    Body(request): Body<DisableSecondFactorRequest>,
) -> Result<ApiResponse, Problem> {
    let user = caller.id();
    let (caller, factor) = caller.authorize_with(app.store.get_second_factor(user)).await?;
    let missing = || Problem::conflict(Code::SecondFactorNotSetUp, "There is no second factor.");
    let factor = factor.filter(|factor| factor.confirmed).ok_or_else(missing)?;
    check_password(&app, &caller, &request.password, Action::DisableSecondFactor).await?;
    let attempt = begin_code(&app, &caller, &request.proof).await?;
    let event = caller.audit(Action::DisableSecondFactor, user, None);
    let now = clock::now();
    if let Err(refusal) = request.proof.use_up(&app, &factor, now) {
        fail(&app, &attempt, event, refusal).await?;
        return Err(refusal.of_field());
    }
    let mail = Mail::new(clock::new_id(), MailKind::SecondFactorDisabled, user, now);
    app.store
        .disable_second_factor(&factor, &caller.account, &caller.session, &event, &mail)
        .await
        .map_err(|error| match error {
            UpdateError::Stale => changed(),
            UpdateError::Store(error) => error.into(),
        })?;
    attempt.succeeded().await?;
    Ok(no_content())
}
