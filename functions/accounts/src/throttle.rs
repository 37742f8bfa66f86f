//! Use [`SignInAttempt`] to throttle guesses at one account, [`by_network`] for requests that name
//! no account. Both decide before a password is hashed, and alike for accounts that do not exist.
//! Use [`failures_by_network`] for requests with a token.

use std::time::Instant;

use domain::email::Email;
use domain::mail::Mail;
use domain::password::Password;
use domain::problem::Code;
use domain::rate::{
    ClientNetwork, FAILURE_WINDOW, FREE_FAILURES, FailureCount, FailureLimits, LimitedAction,
    MIN_REFUSAL_DURATION,
};
use http_api::caller::RequestInfo;
use http_api::problem::{Limit, Problem};
use runtime::clock;
use store::rate::ThrottleKey;

use crate::App;

/// An attempt that has started. It counts as failed until it succeeds.
pub(crate) struct SignInAttempt<'a> {
    app: &'a App,
    kind: LimitedAction,
    account: String,
    network: ClientNetwork,
    attempts: Option<FailureCount>,
}

impl App {
    fn failure_limits(&self, network: &ClientNetwork) -> FailureLimits {
        FailureLimits {
            network: self.throttling.failures_per_network,
            account: self.throttling.failures_per_account,
            is_shared: self.throttling.shared_networks.contains(network),
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

impl<'a> SignInAttempt<'a> {
    /// Begins an attempt at the account with an address, or with an id.
    ///
    /// # Errors
    /// 429 when the account from this network, or the network as a whole, has to wait.
    pub(crate) async fn begin(
        app: &'a App,
        info: &RequestInfo,
        kind: LimitedAction,
        account: impl ToString,
    ) -> Result<Self, Problem> {
        let mut attempt = Self {
            app,
            kind,
            account: account.to_string(),
            network: ClientNetwork::of(&info.source_ip),
            attempts: None,
        };
        let now = clock::now();
        let limits = app.failure_limits(&attempt.network);
        let begun = app.store.start_sign_in_attempt(attempt.throttle_key(), limits, now).await;
        attempt.attempts = Some(begun.map_err(|error| limit(kind).refuse(error, now))?);
        Ok(attempt)
    }

    /// Returns the key of the attempt's counters.
    pub(crate) fn throttle_key(&self) -> ThrottleKey<'_> {
        ThrottleKey { kind: self.kind, account: &self.account, network: &self.network }
    }

    /// Counts a failure for the network and the account, too.
    pub(crate) async fn failed(&self) -> Result<(), store::Error> {
        self.app
            .store
            .count_failure(self.kind, Some(&self.account), &self.network, clock::now())
            .await
    }

    /// Clears the failures before the success.
    pub(crate) async fn succeeded(&self) -> Result<(), store::Error> {
        self.app.store.clear_failures(self.throttle_key()).await
    }

    /// Counts a failure although the password was right, and restores the failures before it.
    pub(crate) async fn refused_despite_password(&self) -> Result<(), store::Error> {
        let remember = async {
            match &self.attempts {
                Some(attempts) => {
                    self.app.store.restore_failures(self.throttle_key(), attempts).await
                }
                None => Ok(()),
            }
        };
        tokio::try_join!(remember, self.failed()).map(drop)
    }
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
        app.store.count_failure(kind, None, &network, clock::now()).await?;
    }
    done
}

/// Throttles those who present tokens. Nobody guesses a token, so only failures are counted and
/// refused: whoever has a valid one is let in, whatever others in the network do.
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
        app.store.count_failure(kind, None, &network, clock::now()).await?;
    }
    done
}

fn is_failure<T>(done: &Result<T, Problem>) -> bool {
    done.as_ref().is_err_and(|problem| matches!(problem.status().as_u16(), 400 | 401 | 422))
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

/// Orders a mail to an address that the caller claims. It has a daily limit of its own, so that
/// others cannot use up the owner's.
///
/// # Errors
/// 429 when the limit is reached.
pub(crate) async fn order_mail_to_claimed(
    app: &App,
    address: &Email,
    mail: &Mail,
) -> Result<(), Problem> {
    order_mail_within_limit(app, &format!("claimed {}", address.normalized()), mail).await
}

async fn order_mail_within_limit(app: &App, allowance: &str, mail: &Mail) -> Result<(), Problem> {
    let (now, most) = (clock::now(), app.throttling.mails_per_day);
    app.store
        .create_mail_within_limit(allowance, most, mail, now)
        .await
        .map_err(|error| Limit::of_a_day(LimitedAction::Mails, most).refuse(error, now))
}
