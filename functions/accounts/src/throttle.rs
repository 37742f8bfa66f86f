//! Use [`SignInAttempt`] to throttle guesses at one account, [`by_network`] for requests that name
//! no account. Both decide before a password is hashed, and alike for accounts that do not exist.
//! Use [`failures_by_network`] for requests with a token.
//!
//! A known device is counted by itself, and no failures of others concern it. The others share what
//! an account allows in a row.

use std::time::Instant;

use domain::account::Credentials;
use domain::device::KnownDevice;
use domain::email::Email;
use domain::id::UserId;
use domain::mail::{Mail, MailKind};
use domain::password::Password;
use domain::problem::Code;
use domain::rate::{
    ClientNetwork, FAILURE_WINDOW, FREE_FAILURES, FailureLimits, LimitedAction, MAX_CODE_FAILURES,
    MIN_REFUSAL_DURATION,
};
use http_api::caller::{Caller, RequestInfo};
use http_api::problem::{Limit, Problem};
use jiff::Timestamp;
use runtime::clock;
use runtime::tokens::DeviceToken;
use store::rate::{AttemptError, CountedAttempt, ThrottleKey};

use crate::App;

/// An attempt that has started. It counts as failed until it succeeds.
pub(crate) struct SignInAttempt<'a> {
    app: &'a App,
    kind: LimitedAction,
    account: String,
    network: ClientNetwork,
    counted: AttemptCounter,
}

/// By what an attempt is counted.
enum AttemptCounter {
    /// By the known device in this place.
    Device(u8),
    /// By account and network.
    Account(CountedAttempt),
}

/// What an attempt at a second factor shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// A code of the app.
    Code,
    /// A recovery code, which nobody guesses.
    RecoveryCode,
}

impl App {
    fn failure_limits(&self, network: &ClientNetwork) -> FailureLimits {
        FailureLimits {
            network: self.throttling.failures_per_network,
            is_shared: self.throttling.shared_networks.contains(network),
            ..self.failure_limits_of_user()
        }
    }

    /// Returns the limits of a user who has shown a token or a password: failures of others in the
    /// network do not count.
    fn failure_limits_of_user(&self) -> FailureLimits {
        FailureLimits {
            network: u64::MAX,
            in_a_row: self.throttling.failures_per_account,
            is_shared: true,
        }
    }
}

fn limit(kind: LimitedAction) -> Limit {
    Limit {
        code: Code::TooManyAttempts,
        name: kind,
        quota: u64::from(FREE_FAILURES),
        window: FAILURE_WINDOW,
    }
}

/// Returns code and detail of the problem of an account that allows no more attempts.
fn too_many_in_a_row(kind: LimitedAction) -> (Code, &'static str) {
    if kind == LimitedAction::SecondFactor {
        let detail = "Too many codes in a row were wrong. Use a recovery code, or ask for a mail \
                      with a link.";
        return (Code::SecondFactorLocked, detail);
    }
    let detail =
        "Too many attempts in a row have failed. Ask for a mail with a link, and follow it.";
    (Code::SignInLinkRequired, detail)
}

impl<'a> SignInAttempt<'a> {
    /// Begins a sign-in with an address, and reads its credentials. A device that is known for
    /// them is counted by itself.
    ///
    /// # Errors
    /// 429 when the account from this network, or the network as a whole, has to wait; 401 when too
    /// many sign-ins of unknown devices have failed in a row. Neither happens to known devices.
    pub(crate) async fn begin_sign_in(
        app: &'a App,
        info: &RequestInfo,
        email: &Email,
        device: Option<&DeviceToken>,
    ) -> Result<(Self, Option<Credentials>), Problem> {
        let (kind, network) = (LimitedAction::Login, ClientNetwork::of(&info.source_ip));
        let (limits, account) = (app.failure_limits(&network), email.normalized());
        let in_a_row = |code, detail| Problem::unauthorized(code, detail);
        let Some(token) = device else {
            let begin = Self::begin(app, kind, account, network, limits, in_a_row);
            let (attempt, credentials) = tokio::join!(begin, app.store.get_credentials(email));
            return Ok((attempt?, credentials?));
        };
        let (hash, now) = (token.hash(), clock::now());
        let (known, credentials) = tokio::try_join!(
            app.store.start_device_attempt(token.user_id, token.place, &hash, now),
            app.store.get_credentials(email)
        )?;
        let is_known = credentials
            .as_ref()
            .zip(known.as_ref())
            .is_some_and(|(credentials, known)| known.is_of(credentials));
        let attempt = if is_known {
            Self { app, kind, account, network, counted: AttemptCounter::Device(token.place) }
        } else {
            Self::begin(app, kind, account, network, limits, in_a_row).await?
        };
        Ok((attempt, credentials))
    }

    /// Begins to check the password of a user who is signed in. Failures of strangers and of others
    /// in the network do not count.
    ///
    /// # Errors
    /// 429 when the user has to wait; 403 when too many checks have failed in a row.
    pub(crate) async fn begin_password_check(
        app: &'a App,
        caller: &Caller,
    ) -> Result<Self, Problem> {
        let (account, network) =
            (caller.account.id.to_string(), ClientNetwork::of(&caller.request.source_ip));
        let (limits, in_a_row) = (app.failure_limits_of_user(), Problem::forbidden);
        Self::begin(app, LimitedAction::Login, account, network, limits, in_a_row).await
    }

    /// Begins to check a code of a user who has shown the password, or is signed in. Failures of
    /// others in the network do not count.
    ///
    /// # Errors
    /// 429 when the user has to wait; `in_a_row` when too many codes were wrong in a row. Recovery
    /// codes are checked all the same.
    pub(crate) async fn begin_code(
        app: &'a App,
        info: &RequestInfo,
        user: UserId,
        guess: Guess,
        in_a_row: impl FnOnce(Code, &'static str) -> Problem,
    ) -> Result<Self, Problem> {
        let network = ClientNetwork::of(&info.source_ip);
        let most = if guess == Guess::RecoveryCode { u64::MAX } else { MAX_CODE_FAILURES };
        let limits = FailureLimits { in_a_row: most, ..app.failure_limits_of_user() };
        let kind = LimitedAction::SecondFactor;
        Self::begin(app, kind, user.to_string(), network, limits, in_a_row).await
    }

    async fn begin(
        app: &'a App,
        kind: LimitedAction,
        account: String,
        network: ClientNetwork,
        limits: FailureLimits,
        in_a_row: impl FnOnce(Code, &'static str) -> Problem,
    ) -> Result<Self, Problem> {
        let now = clock::now();
        let key = ThrottleKey { kind, account: &account, network: &network };
        match app.store.start_sign_in_attempt(key, limits, now).await {
            Ok(counted) => {
                Ok(Self { app, kind, account, network, counted: AttemptCounter::Account(counted) })
            }
            Err(AttemptError::Locked(locked)) => {
                Err(Problem::too_many_requests(&limit(kind), locked, now))
            }
            Err(AttemptError::TooManyInARow) => {
                let (code, detail) = too_many_in_a_row(kind);
                Err(in_a_row(code, detail))
            }
            Err(AttemptError::Store(error)) => Err(error.into()),
        }
    }

    /// Returns the key of the attempt's counters.
    pub(crate) fn throttle_key(&self) -> ThrottleKey<'_> {
        ThrottleKey { kind: self.kind, account: &self.account, network: &self.network }
    }

    /// Returns the place of the device, if it is known.
    pub(crate) fn device(&self) -> Option<u8> {
        match self.counted {
            AttemptCounter::Device(place) => Some(place),
            AttemptCounter::Account(_) => None,
        }
    }

    /// Returns how many attempts have failed in a row, this one included.
    pub(crate) fn failures_in_a_row(&self) -> u64 {
        match &self.counted {
            AttemptCounter::Device(_) => 0,
            AttemptCounter::Account(counted) => counted.failures.in_a_row,
        }
    }

    /// Counts a failure for the network, too, unless the device is known.
    pub(crate) async fn failed(&self) -> Result<(), store::Error> {
        match self.counted {
            AttemptCounter::Device(_) => Ok(()),
            AttemptCounter::Account(_) => {
                self.app.store.increment_failures(self.kind, &self.network, clock::now()).await
            }
        }
    }

    /// Clears the failures before the success. Those of a known device end when it is stored again.
    pub(crate) async fn succeeded(&self) -> Result<(), store::Error> {
        match &self.counted {
            AttemptCounter::Device(_) => Ok(()),
            AttemptCounter::Account(counted) => {
                self.app.store.clear_failures(self.throttle_key(), counted).await
            }
        }
    }

    /// Takes back the count of an attempt that was no guess.
    pub(crate) async fn was_no_guess(&self) -> Result<(), store::Error> {
        match &self.counted {
            AttemptCounter::Device(_) => Ok(()),
            AttemptCounter::Account(counted) => {
                self.app.store.take_back_attempt(self.throttle_key(), counted).await
            }
        }
    }

    /// Counts a failure although the password was right, and restores the failures before it.
    pub(crate) async fn refused_despite_password(&self) -> Result<(), store::Error> {
        match &self.counted {
            AttemptCounter::Device(_) => Ok(()),
            AttemptCounter::Account(counted) => tokio::try_join!(
                self.app.store.restore_failures(self.throttle_key(), counted),
                self.failed()
            )
            .map(drop),
        }
    }
}

/// Makes the token of a device that signs in, and what is stored of it: a known device keeps its
/// place.
pub(crate) fn renew_device(
    user: UserId,
    place: Option<u8>,
    password_version: u64,
    now: Timestamp,
) -> (DeviceToken, KnownDevice) {
    let token = DeviceToken::generate(user, place);
    let device = KnownDevice::new(user, token.hash(), password_version, now);
    (token, device)
}

/// Returns whether a request is from a known device of the user with these credentials. It guesses
/// nothing, so it is not counted.
async fn is_known_device(
    app: &App,
    credentials: Option<&Credentials>,
    token: Option<&str>,
) -> Result<bool, store::Error> {
    let token = token.and_then(DeviceToken::parse);
    let Some((credentials, token)) =
        credentials.zip(token).filter(|(credentials, token)| credentials.user_id == token.user_id)
    else {
        return Ok(false);
    };
    let device = app.store.get_device(token.user_id, token.place).await?;
    Ok(device.is_some_and(|device| {
        device.has_secret(&token.hash(), clock::now()) && device.is_of(credentials)
    }))
}

/// Waits until the least duration of a refusal has passed: twice as long for a password that may
/// have been compared with an imported hash twice.
pub(crate) async fn wait_for_min_refusal_duration(began: Instant, password: &Password) {
    let tries = 1 + u32::from(password.expose_raw().is_some());
    let duration = MIN_REFUSAL_DURATION.unsigned_abs() * tries;
    tokio::time::sleep(duration.saturating_sub(began.elapsed())).await;
}

/// Throttles attempts by the failures of their network alone: a network at its limit is refused
/// before `run`. Responses with 400, 401 or 422 count as failures.
///
/// # Errors
/// 429 when the network has to wait; those of `run`.
pub(crate) async fn by_network<T>(
    app: &App,
    info: &RequestInfo,
    kind: LimitedAction,
    run: impl AsyncFnOnce() -> Result<T, Problem>,
) -> Result<T, Problem> {
    let network = ClientNetwork::of(&info.source_ip);
    admit_network(app, kind, &network).await?;
    let done = run().await;
    if is_failure(&done) {
        app.store.increment_failures(kind, &network, clock::now()).await?;
    }
    done
}

/// Throttles those who present tokens. Nobody guesses a token, so only failures are counted and
/// refused: a valid one is accepted, whatever others in the network do.
///
/// # Errors
/// Those of `run`; 429 in place of a failure when the network has too many.
pub(crate) async fn failures_by_network<T>(
    app: &App,
    info: &RequestInfo,
    kind: LimitedAction,
    run: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let done = run.await;
    if is_failure(&done) {
        let network = ClientNetwork::of(&info.source_ip);
        admit_network(app, kind, &network).await?;
        app.store.increment_failures(kind, &network, clock::now()).await?;
    }
    done
}

fn is_failure<T>(done: &Result<T, Problem>) -> bool {
    done.as_ref().is_err_and(|problem| matches!(problem.status().as_u16(), 400 | 401 | 422))
}

/// Checks that the network as a whole need not wait, or that the request is from a known device of
/// the user with these credentials: a flood of requests must not stop the others in a network.
///
/// # Errors
/// 429 when neither holds.
pub(crate) async fn admit_network_or_device(
    app: &App,
    kind: LimitedAction,
    network: &ClientNetwork,
    email: &Email,
    device: Option<&str>,
) -> Result<Option<Credentials>, Problem> {
    let (admitted, credentials) =
        tokio::join!(admit_network(app, kind, network), app.store.get_credentials(email));
    let credentials = credentials?;
    if let Err(problem) = admitted
        && !is_known_device(app, credentials.as_ref(), device).await?
    {
        return Err(problem);
    }
    Ok(credentials)
}

/// Checks that the network as a whole need not wait.
///
/// # Errors
/// 429 when it has to.
pub(crate) async fn admit_network(
    app: &App,
    kind: LimitedAction,
    network: &ClientNetwork,
) -> Result<(), Problem> {
    let (limits, now) = (app.failure_limits(network), clock::now());
    let limit = Limit { quota: limits.network, ..limit(kind) };
    app.store
        .check_network(kind, network, limits, now)
        .await
        .map_err(|error| limit.refuse(error, now))
}

/// Orders a mail, within the daily limit of the address.
///
/// # Errors
/// 429 when the limit is reached.
pub(crate) async fn order_mail(app: &App, address: &Email, mail: &Mail) -> Result<(), Problem> {
    order_mail_within_limit(app, &address.normalized(), mail).await
}

/// Orders a mail to an address that a user claims. Each user has a daily limit for all addresses
/// together: strangers who claim an address do not use up what its owner may.
///
/// # Errors
/// 429 when the limit is reached.
pub(crate) async fn order_mail_to_claimed(
    app: &App,
    claimant: UserId,
    mail: &Mail,
) -> Result<(), Problem> {
    order_mail_within_limit(app, &format!("claimed by {claimant}"), mail).await
}

async fn order_mail_within_limit(app: &App, allowance: &str, mail: &Mail) -> Result<(), Problem> {
    let (now, most) = (clock::now(), app.throttling.mails_per_day);
    app.store
        .create_mail_within_limit(allowance, most, mail, now)
        .await
        .map_err(|error| Limit::of_a_day(LimitedAction::Mails, most).refuse(error, now))
}

/// Orders a mail of a kind that anyone may request to the owner of an address, or a mail that is
/// not sent where nobody has the address. Within five minutes there is one for an action.
///
/// Each request counts for the network, whether the account exists or not. Nothing counts for the
/// address: strangers could keep its owner from the mail.
pub(crate) async fn order_spaced_mail(
    app: &App,
    action: LimitedAction,
    network: &ClientNetwork,
    address: &Email,
    (kind, owner): (MailKind, Option<UserId>),
) -> Result<(), Problem> {
    let (kind, user_id) = match owner {
        Some(owner) => (kind, owner),
        None => (MailKind::Decoy, clock::new_id()),
    };
    let (address, now) = (address.normalized(), clock::now());
    let mail = Mail::new(clock::new_id(), kind, user_id, now);
    tokio::try_join!(
        app.store.create_spaced_mail(action, &address, &mail, now),
        app.store.increment_failures(action, network, now)
    )?;
    Ok(())
}
