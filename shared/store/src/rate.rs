//! Rate limits: failed sign-ins per account and network, and daily allowances. Their counters
//! expire by themselves.

use std::ops::Range;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::Account;
use domain::id::UserId;
use domain::rate::{
    AccountFailures, AttemptRefusal, ClientNetwork, FREE_FAILURES, FailureCount, FailureLimits,
    FixedWindow, LimitedAction, Lockout, MAX_UNCONFIRMED_MAILS, TOKEN_MAIL_INTERVAL,
};
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::attributes::{Item, Value, number, seconds, string, text};
use crate::error::Error;
use crate::item::{Stored, from_item, to_item_at};
use crate::keys::{self, ItemKey};
use crate::read::Consistency;
use crate::retry::{SIGN_IN_COUNT, pause};
use crate::table::Table;
use crate::write::{IS_NEW, PutOutcome, Step, UpdateOutcome, operation_id};

impl Stored for AccountFailures {
    const ENTITY: &'static str = "attempts";
    const IN_KEY: &'static [&'static str] = &[];
}

/// The key by which the failures of a sign-in are counted.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleKey<'a> {
    /// The action that is tried.
    pub kind: LimitedAction,
    /// The account that is tried, existing or not: its normalized address or its id.
    pub account: &'a str,
    /// The network that it is tried from.
    pub network: &'a ClientNetwork,
}

/// An attempt that is counted.
#[derive(Clone, PartialEq, Debug)]
pub struct CountedAttempt {
    /// The failures at the account, this attempt included.
    pub failures: AccountFailures,
    /// The failures from its network before it.
    before: Option<FailureCount>,
    /// The id of the write that has counted it.
    written: String,
}

/// Why an attempt is not allowed.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The account from this network, or the network as a whole, has to wait.
    #[error(transparent)]
    Locked(#[from] Lockout),
    /// Too many attempts in a row have failed, from all networks together.
    #[error("too many failures in a row")]
    TooManyInARow,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<AttemptRefusal> for AttemptError {
    fn from(refusal: AttemptRefusal) -> Self {
        match refusal {
            AttemptRefusal::Locked(lockout) => lockout.into(),
            AttemptRefusal::TooManyInARow => Self::TooManyInARow,
        }
    }
}

/// The outcome of a write of the failures at an account.
enum FailureWrite {
    /// Done, with this id.
    Done(String),
    /// Something else was stored, with the id of its write.
    Found(Option<(AccountFailures, String)>),
}

/// The attribute with the id of the write of failures.
const ATTEMPT: &str = "attempt";

/// Why a limit refuses something.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The limit is reached until a time.
    #[error(transparent)]
    LimitReached(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Delay before a concurrent sign-in checks the last free attempt again, in ms.
const RECHECK_DELAY: Range<u64> = 50..150;

/// How long a sign-in is refused when too many others are counted first.
const CONTENTION_LOCKOUT: SignedDuration = SignedDuration::from_secs(1);

/// The greatest count of failures of a window.
const MAX_COUNT: u64 = 1_000_000;

impl Table {
    /// Begins a sign-in, which counts as failed until [`Table::clear_failures`]: concurrent
    /// sign-ins get no more tries than sequential ones. A sign-in that meets the last free try of
    /// another waits a moment, because the other may succeed.
    ///
    /// # Errors
    /// [`AttemptError`] when the account from this network, the network as a whole, or the account
    /// as a whole allows no attempt.
    pub async fn start_sign_in_attempt(
        &self,
        key: ThrottleKey<'_>,
        limits: FailureLimits,
        mut now: Timestamp,
    ) -> Result<CountedAttempt, AttemptError> {
        let (start, began) = (now, Instant::now());
        let count = |seen: Option<&AccountFailures>, free, now| {
            AccountFailures::next(seen, key.network, free, limits.in_a_row, now)
        };
        let (mut failures, mut before) = (count(None, FREE_FAILURES, now)?, None);
        let (network_failures, mut written) = try_join(
            self.network_failures(key.kind, key.network, now),
            self.write_failures(key, None, &failures),
        )
        .await?;
        if limits.refuses_network(network_failures) {
            return Err(Lockout { until: FixedWindow::for_failures(now).end }.into());
        }
        let free = limits.free_failures(network_failures);
        if let (FailureWrite::Done(id), false) = (&written, free == FREE_FAILURES) {
            failures = count(None, free, now)?;
            written = self.write_failures(key, Some(id), &failures).await?;
        }
        let mut retries = SIGN_IN_COUNT.start();
        loop {
            let seen = match written {
                FailureWrite::Done(written) => {
                    return Ok(CountedAttempt { failures, before, written });
                }
                FailureWrite::Found(seen) => seen,
            };
            let of_network = |seen: &Option<(AccountFailures, String)>| {
                let (failures, _) = seen.as_ref()?;
                failures.networks.get(key.network.as_str()).cloned()
            };
            let waits = of_network(&seen)
                .is_some_and(|count| count.last_free_attempt_is_pending(free, now));
            let (seen, counted) = match count(seen.as_ref().map(|(seen, _)| seen), free, now) {
                Ok(counted) => (seen, counted),
                Err(AttemptRefusal::Locked(_)) if waits => {
                    pause(RECHECK_DELAY).await;
                    now = start.saturating_add(began.elapsed()).unwrap_or(start);
                    (None, count(None, free, now)?)
                }
                Err(refusal) => return Err(refusal.into()),
            };
            (failures, before) = (counted, of_network(&seen));
            if !retries.next().await {
                let until = now.saturating_add(CONTENTION_LOCKOUT).unwrap_or(now);
                return Err(Lockout { until }.into());
            }
            let id = seen.as_ref().map(|(_, id)| id.as_str());
            written = self.write_failures(key, id, &failures).await?;
        }
    }

    /// Writes the failures if they are those of the write `seen`, or if there are none.
    async fn write_failures(
        &self,
        key: ThrottleKey<'_>,
        seen: Option<&str>,
        next: &AccountFailures,
    ) -> Result<FailureWrite, Error> {
        let mut item = to_item_at(next, failures_key(key), Vec::new())?;
        let id = operation_id();
        item.insert(ATTEMPT.to_owned(), AttributeValue::S(id.clone()));
        let outcome = match seen {
            None => self.put_if(item, IS_NEW, []).await?,
            Some(seen) => self.put_if(item, IS_ATTEMPT, [string(":attempt", seen)]).await?,
        };
        Ok(match outcome {
            PutOutcome::Done => FailureWrite::Done(id),
            PutOutcome::ConditionFailed(stored) => {
                FailureWrite::Found(stored.map(failures_with_id).transpose()?)
            }
        })
    }

    /// Changes the failures at an account, if there are any.
    async fn amend_failures(
        &self,
        key: ThrottleKey<'_>,
        change: impl Fn(&mut AccountFailures),
    ) -> Result<(), Error> {
        let mut retries = SIGN_IN_COUNT.start();
        loop {
            let stored = self.get_all([failures_key(key)], Consistency::Strong).await?;
            let Some(item) = stored.into_iter().next() else { return Ok(()) };
            let (mut failures, id) = failures_with_id(item)?;
            change(&mut failures);
            let is_done = if failures.is_empty() {
                self.delete_if(failures_key(key), IS_ATTEMPT, [string(":attempt", &id)]).await?
            } else {
                let written = self.write_failures(key, Some(&id), &failures).await?;
                matches!(written, FailureWrite::Done(_))
            };
            if is_done || !retries.next().await {
                return Ok(());
            }
        }
    }

    /// Clears the failures at an account from a network, and those in a row, after a sign-in has
    /// succeeded.
    pub async fn clear_failures(
        &self,
        key: ThrottleKey<'_>,
        attempt: &CountedAttempt,
    ) -> Result<(), Error> {
        if attempt.failures.networks.len() == 1 {
            let written = string(":attempt", &attempt.written);
            if self.delete_if(failures_key(key), IS_ATTEMPT, [written]).await? {
                return Ok(());
            }
        }
        self.amend_failures(key, |failures| {
            failures.in_a_row = 0;
            failures.networks.remove(key.network.as_str());
        })
        .await
    }

    /// Restores cleared failures.
    pub async fn restore_failures(
        &self,
        key: ThrottleKey<'_>,
        attempt: &CountedAttempt,
    ) -> Result<(), Error> {
        let cleared = &attempt.failures;
        if let FailureWrite::Done(_) = self.write_failures(key, None, cleared).await? {
            return Ok(());
        }
        self.amend_failures(key, |failures| {
            failures.in_a_row = failures.in_a_row.saturating_add(cleared.in_a_row);
            let own = cleared.networks.get(key.network.as_str()).cloned();
            failures.networks.extend(own.map(|own| (key.network.as_str().to_owned(), own)));
        })
        .await
    }

    /// Takes back the count of an attempt that was no guess.
    pub async fn take_back_attempt(
        &self,
        key: ThrottleKey<'_>,
        attempt: &CountedAttempt,
    ) -> Result<(), Error> {
        self.amend_failures(key, |failures| {
            failures.in_a_row = failures.in_a_row.saturating_sub(1);
            let network = key.network.as_str();
            match &attempt.before {
                Some(before) => failures.networks.insert(network.to_owned(), before.clone()),
                None => failures.networks.remove(network),
            };
        })
        .await
    }

    /// Checks whether the network as a whole has to wait. For secrets that cannot be guessed, where
    /// a try need not be counted before it is made.
    ///
    /// # Errors
    /// [`LimitError::LimitReached`] when it has to wait.
    pub async fn check_network(
        &self,
        kind: LimitedAction,
        network: &ClientNetwork,
        limits: FailureLimits,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        if limits.refuses_network(self.network_failures(kind, network, now).await?) {
            return Err(Lockout { until: FixedWindow::for_failures(now).end }.into());
        }
        Ok(())
    }

    /// Counts a failure of a network, in windows of 15 minutes.
    pub async fn increment_failures(
        &self,
        kind: LimitedAction,
        network: &ClientNetwork,
        now: Timestamp,
    ) -> Result<(), Error> {
        let window = FixedWindow::for_failures(now);
        self.increment_in(network_key(kind, network, window), window).await
    }

    async fn increment_in(&self, key: ItemKey, window: FixedWindow) -> Result<(), Error> {
        let values = [
            number(":one", 1_u64),
            number(":enough", MAX_COUNT),
            string(":entity", WINDOW),
            ttl(window),
        ];
        let expression = "ADD failures :one SET entity = :entity, #ttl = :ttl";
        self.update_if(key, expression, "attribute_not_exists(pk) OR failures < :enough", values)
            .await
            .map(drop)
    }

    /// Reads the failures of the network in the current window. Eventually consistent: the limit is
    /// coarse.
    async fn network_failures(
        &self,
        kind: LimitedAction,
        network: &ClientNetwork,
        now: Timestamp,
    ) -> Result<u64, Error> {
        let key = network_key(kind, network, FixedWindow::for_failures(now));
        let counted = self.get_all([key], Consistency::Eventual).await?;
        counted.first().map_or(Ok(0), count)
    }

    /// Counts a mail about a notification to a user whose address is not confirmed. When the SDK
    /// repeats the request, it may be counted twice: the limit is coarse.
    ///
    /// # Errors
    /// [`LimitError::LimitReached`] until the next day after [`MAX_UNCONFIRMED_MAILS`].
    pub async fn increment_unconfirmed_mails(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let day = FixedWindow::for_day(now);
        let (user, window) = (user.to_string(), day.number.to_string());
        let key = keys::rate(LimitedAction::UnconfirmedMails, &[&user], &window);
        let values = mail_values(MAX_UNCONFIRMED_MAILS, day);
        match self.update_if(key, COUNT_MAIL, MAY_BE_MAILED, values).await? {
            UpdateOutcome::Done(_) => Ok(()),
            UpdateOutcome::ConditionFailed(_) => Err(Lockout { until: day.end }.into()),
        }
    }
}

/// Counts a mail of a day, if [`MAY_BE_MAILED`] holds; for [`mail_values`].
const COUNT_MAIL: &str = "ADD mail_count :one SET entity = :entity, #ttl = :ttl";

/// Condition: the maximum of the day is not reached.
const MAY_BE_MAILED: &str = "attribute_not_exists(pk) OR mail_count < :most";

/// Returns the values of [`COUNT_MAIL`] and [`MAY_BE_MAILED`].
fn mail_values(most: u64, day: FixedWindow) -> [Value; 4] {
    [number(":one", 1_u64), number(":most", most), string(":entity", WINDOW), ttl(day)]
}

/// Makes the step that counts a requested mail to an address; it fails until the next day when the
/// maximum is reached.
pub(crate) fn count_mail<E: From<Lockout>>(address: &str, most: u64, now: Timestamp) -> Step<E> {
    let day = FixedWindow::for_day(now);
    let key = keys::rate(LimitedAction::Mails, &[address], &day.number.to_string());
    Step::update(key, COUNT_MAIL)
        .only_if(MAY_BE_MAILED, Lockout { until: day.end }.into())
        .with(mail_values(most, day))
}

/// Makes the step that notes a mail with a token to an address; it fails within
/// [`TOKEN_MAIL_INTERVAL`] of another one for the same action.
pub(crate) fn space_mails(
    action: LimitedAction,
    address: &str,
    now: Timestamp,
) -> Step<LimitError> {
    let until = now.saturating_add(TOKEN_MAIL_INTERVAL).unwrap_or(Timestamp::MAX);
    let key = keys::rate(action, &[address], "LAST");
    Step::update(key, "SET entity = :entity, #ttl = :ttl")
        .only_if("attribute_not_exists(pk) OR #ttl <= :now", Lockout { until }.into())
        .with([string(":entity", WINDOW), seconds(":ttl", until), seconds(":now", now)])
}

/// How much a user creates and changes in a day, or may create and change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailyUsage {
    /// Number of new records.
    pub records: u64,
    /// Number of new files.
    pub files: u64,
    /// Number of changes of records and annotations.
    pub changes: u64,
}

/// The part of the author's daily allowance that a change takes. It is taken in the transaction of
/// the change, so that a refused change takes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailyAllowance {
    /// The author.
    pub user: UserId,
    /// What the change takes.
    pub usage: DailyUsage,
    /// The allowance of a day.
    pub most: DailyUsage,
    /// The time of the change.
    pub now: Timestamp,
}

impl DailyAllowance {
    /// Makes the step that takes from the allowance.
    ///
    /// # Errors
    /// [`Lockout`] until the next day when the change takes more than the allowance of a whole day.
    pub(crate) fn step<E: From<Lockout>>(&self) -> Result<Step<E>, Lockout> {
        let Self { user, usage, most, now } = self;
        let day = FixedWindow::for_day(*now);
        let exceeded = Lockout { until: day.end };
        let before = |most: u64, usage: u64| most.checked_sub(usage).ok_or(exceeded);
        let key = keys::rate(LimitedAction::Records, &[&user.to_string()], &day.number.to_string());
        let step = Step::update(
            key,
            "ADD record_count :records, file_count :files, change_count :changes \
             SET entity = :entity, #ttl = :ttl",
        );
        Ok(step
            .only_if(
                "attribute_not_exists(pk) OR (record_count <= :records_before AND file_count <= \
                 :files_before AND (attribute_not_exists(change_count) OR change_count <= \
                 :changes_before))",
                exceeded.into(),
            )
            .with([
                number(":records", usage.records),
                number(":files", usage.files),
                number(":changes", usage.changes),
                number(":records_before", before(most.records, usage.records)?),
                number(":files_before", before(most.files, usage.files)?),
                number(":changes_before", before(most.changes, usage.changes)?),
                string(":entity", WINDOW),
                ttl(day),
            ]))
    }
}

/// The entity of the counters of windows.
const WINDOW: &str = "rate_window";

fn count(item: &Item) -> Result<u64, Error> {
    let failures = item.get("failures").and_then(|value| value.as_n().ok());
    let count = failures.and_then(|number| number.parse().ok());
    count.ok_or(Error::corrupt(WINDOW, "no number of failures"))
}

fn ttl(window: FixedWindow) -> Value {
    seconds(":ttl", window.end)
}

/// Condition: the failures are those written by `:attempt`.
const IS_ATTEMPT: &str = "attempt = :attempt";

/// Returns the failures of an item with the id of its write.
fn failures_with_id(item: Item) -> Result<(AccountFailures, String), Error> {
    let id = text(&item, ATTEMPT).map(str::to_owned);
    let id = id.ok_or(Error::corrupt(AccountFailures::ENTITY, "no id of its write"))?;
    Ok((from_item(item)?, id))
}

/// Returns the key of the failures at an account, from all networks.
pub(crate) fn failures_key(key: ThrottleKey<'_>) -> ItemKey {
    account_key(key.kind, key.account)
}

fn account_key(kind: LimitedAction, account: &str) -> ItemKey {
    keys::rate(kind, &[account], "ATTEMPTS")
}

/// Makes the steps that forget all failures at an account, after its owner has used a token from a
/// mail: sign-ins with the address, checks of the password by the user, and codes.
pub(crate) fn forget_failures<E>(account: &Account) -> [Step<E>; 3] {
    let (address, user) = (account.email.normalized(), account.id.to_string());
    [
        Step::delete(account_key(LimitedAction::Login, &address)),
        Step::delete(account_key(LimitedAction::Login, &user)),
        Step::delete(account_key(LimitedAction::SecondFactor, &user)),
    ]
}

fn network_key(kind: LimitedAction, network: &ClientNetwork, window: FixedWindow) -> ItemKey {
    keys::rate(kind, &["network", network.as_str()], &window.number.to_string())
}
