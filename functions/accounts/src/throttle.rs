//! Use [`SignInAttempt`] to throttle guesses at one account, [`by_network`] for requests that name
//! no account. Both decide before a password is hashed, and alike for accounts that do not exist.

use std::time::Instant;

use domain::email::Email;
use domain::mail::Mail;
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
    fn failure_limits(&self) -> FailureLimits {
        FailureLimits {
            network: self.throttling.failures_per_network,
            account: self.throttling.failures_per_account,
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
        let begun = app
            .store
            .start_sign_in_attempt(attempt.throttle_key(), app.failure_limits(), now)
            .await;
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

/// Waits until the least duration of a refusal has passed.
pub(crate) async fn wait_for_min_refusal_duration(began: Instant) {
    tokio::time::sleep(MIN_REFUSAL_DURATION.unsigned_abs().saturating_sub(began.elapsed())).await;
}

/// Throttles a request that names no account, such as one with a token, by the failures of its
/// network. Responses with 400, 401 or 422 count as failures.
///
/// `read` only reads, and runs concurrently with the check of the network; `run` runs after both.
///
/// # Errors
/// 429 when the network has to wait; those of `read` and `run`.
pub(crate) async fn by_network<F, T>(
    app: &App,
    info: &RequestInfo,
    kind: LimitedAction,
    read: impl Future<Output = Result<F, Problem>>,
    run: impl AsyncFnOnce(F) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let (network, now) = (ClientNetwork::of(&info.source_ip), clock::now());
    let limit = Limit { quota: app.throttling.failures_per_network, ..limit(kind) };
    let (checked, found) =
        tokio::join!(app.store.check_network(kind, &network, app.failure_limits(), now), read);
    checked.map_err(|error| limit.refuse(error, now))?;
    let done = match found {
        Ok(found) => run(found).await,
        Err(problem) => Err(problem),
    };
    if done.as_ref().is_err_and(|problem| matches!(problem.status().as_u16(), 400 | 401 | 422)) {
        app.store.count_failure(kind, None, &network, now).await?;
    }
    done
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
