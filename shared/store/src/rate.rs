//! Rate limits: failed sign-ins per account and network, and daily allowances. Their counters
//! expire by themselves.

use std::ops::Range;

use domain::id::UserId;
use domain::rate::{
    ClientNetwork, FREE_FAILURES, FailureCount, FailureLimits, FixedWindow, LimitedAction, Lockout,
    MAX_UNCONFIRMED_MAILS, PASSWORD_RESET_INTERVAL,
};
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::attributes::{Item, Value, number, seconds, string};
use crate::error::Error;
use crate::item::{Stored, from_item, to_item_at};
use crate::keys::{self, Key};
use crate::read::Consistency;
use crate::retry::{SIGN_IN_COUNT, pause};
use crate::table::Table;
use crate::write::{IS_NEW, PutOutcome, Step, UpdateOutcome};

impl Stored for FailureCount {
    const ENTITY: &'static str = "attempts";
    const IN_KEY: &'static [&'static str] = &[];
}

/// What the failures of a sign-in are counted by.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleKey<'a> {
    /// What is tried.
    pub kind: LimitedAction,
    /// The account that is tried, existing or not: its normalized address or its id.
    pub account: &'a str,
    /// The network that it is tried from.
    pub network: &'a ClientNetwork,
}

/// Why a limit refuses something.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The limit is reached until a time.
    #[error(transparent)]
    Locked(#[from] Lockout),
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
    /// Returns the failures, this sign-in included.
    ///
    /// # Errors
    /// [`LimitError::Locked`] when the account from this network, or the network as a whole, has to
    /// wait.
    pub async fn start_sign_in_attempt(
        &self,
        key: ThrottleKey<'_>,
        limits: FailureLimits,
        mut now: Timestamp,
    ) -> Result<FailureCount, LimitError> {
        let (start, began) = (now, Instant::now());
        let first = FailureCount::next(None, FREE_FAILURES, now)?;
        let (failures, mut written) =
            try_join(self.failures(key, now), self.write_failures(key, None, &first)).await?;
        if limits.refuses_network(failures.network) {
            return Err(Lockout { until: FixedWindow::for_failures(now).end }.into());
        }
        let free = limits.free_failures(failures.network, failures.account);
        let mut next = first;
        if let (PutOutcome::Done, false) = (&written, free == FREE_FAILURES) {
            let seen = next;
            next = FailureCount::next(None, free, now)?;
            written = self.write_failures(key, Some(&seen), &next).await?;
        }
        let mut retries = SIGN_IN_COUNT.start();
        loop {
            let seen = match written {
                PutOutcome::Done => return Ok(next),
                PutOutcome::ConditionFailed(Some(stored)) => {
                    Some(from_item::<FailureCount>(stored)?)
                }
                PutOutcome::ConditionFailed(None) => None,
            };
            let waits = |seen: &FailureCount| seen.last_free_attempt_is_pending(free, now);
            let counted = match FailureCount::next(seen.as_ref(), free, now) {
                Ok(attempts) => (seen.as_ref(), attempts),
                Err(_) if seen.as_ref().is_some_and(waits) => {
                    pause(RECHECK_DELAY).await;
                    now = start.saturating_add(began.elapsed()).unwrap_or(start);
                    (None, FailureCount::next(None, free, now)?)
                }
                Err(locked) => return Err(locked.into()),
            };
            next = counted.1;
            if !retries.next().await {
                let until = now.saturating_add(CONTENTION_LOCKOUT).unwrap_or(now);
                return Err(Lockout { until }.into());
            }
            written = self.write_failures(key, counted.0, &next).await?;
        }
    }

    async fn write_failures(
        &self,
        key: ThrottleKey<'_>,
        seen: Option<&FailureCount>,
        next: &FailureCount,
    ) -> Result<PutOutcome, Error> {
        let item = to_item_at(next, failures_key(key), Vec::new())?;
        match seen {
            None => self.put_if(item, IS_NEW, []).await,
            Some(seen) => {
                let values =
                    [number(":failures", seen.failures), string(":until", seen.locked_until)];
                self.put_if(item, "failures = :failures AND locked_until = :until", values).await
            }
        }
    }

    /// Clears the failures at an account from a network, after a sign-in has succeeded.
    pub async fn clear_failures(&self, key: ThrottleKey<'_>) -> Result<(), Error> {
        self.delete(failures_key(key)).await
    }

    /// Restores cleared failures, unless another sign-in has begun since.
    pub async fn restore_failures(
        &self,
        key: ThrottleKey<'_>,
        attempts: &FailureCount,
    ) -> Result<(), Error> {
        self.write_failures(key, None, attempts).await.map(drop)
    }

    /// Checks whether the network as a whole has to wait. For secrets that cannot be guessed, where
    /// a try need not be counted before it is made.
    ///
    /// # Errors
    /// [`LimitError::Locked`] when it has to wait.
    pub async fn check_network(
        &self,
        kind: LimitedAction,
        network: &ClientNetwork,
        limits: FailureLimits,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let window = FixedWindow::for_failures(now);
        let counted =
            self.get_all([network_key(kind, network, window)], Consistency::Eventual).await?;
        for item in &counted {
            if limits.refuses_network(count(item)?) {
                return Err(Lockout { until: window.end }.into());
            }
        }
        Ok(())
    }

    /// Counts a failure of a network, and of an account if there is one, in windows of 15 minutes.
    pub async fn count_failure(
        &self,
        kind: LimitedAction,
        account: Option<&str>,
        network: &ClientNetwork,
        now: Timestamp,
    ) -> Result<(), Error> {
        let window = FixedWindow::for_failures(now);
        let at_account = async {
            match account {
                Some(account) => self.count_in(account_key(kind, account, window), window).await,
                None => Ok(()),
            }
        };
        try_join(self.count_in(network_key(kind, network, window), window), at_account)
            .await
            .map(drop)
    }

    async fn count_in(&self, key: Key, window: FixedWindow) -> Result<(), Error> {
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

    /// Reads the failures of the current window. Eventually consistent: the limits are coarse.
    async fn failures(&self, key: ThrottleKey<'_>, now: Timestamp) -> Result<Failures, Error> {
        let window = FixedWindow::for_failures(now);
        let network = network_key(key.kind, key.network, window);
        let keys = [network.clone(), account_key(key.kind, key.account, window)];
        let mut failures = Failures { network: 0, account: 0 };
        for item in self.get_all(keys, Consistency::Eventual).await? {
            let count = count(&item)?;
            match Key::of(&item) {
                Some(key) if key == network => failures.network = count,
                _ => failures.account = count,
            }
        }
        Ok(failures)
    }

    /// Counts a mail about a notification to a user whose address is not confirmed. When the SDK
    /// repeats the request, it may be counted twice: the limit is coarse.
    ///
    /// # Errors
    /// [`LimitError::Locked`] until the next day after [`MAX_UNCONFIRMED_MAILS`].
    pub async fn count_unconfirmed_mail(
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

/// Holds while the maximum of the day is not reached.
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

/// Makes the step that notes a mail that sets the password of an address; it fails within
/// [`PASSWORD_RESET_INTERVAL`] of another one.
pub(crate) fn space_resets(address: &str, now: Timestamp) -> Step<LimitError> {
    let until = now.saturating_add(PASSWORD_RESET_INTERVAL).unwrap_or(Timestamp::MAX);
    let key = keys::rate(LimitedAction::PasswordReset, &[address], "LAST");
    Step::update(key, "SET entity = :entity, #ttl = :ttl")
        .only_if("attribute_not_exists(pk) OR #ttl <= :now", Lockout { until }.into())
        .with([string(":entity", WINDOW), seconds(":ttl", until), seconds(":now", now)])
}

/// How much a user creates and changes, or may, in a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailyUsage {
    /// Number of new records.
    pub records: u64,
    /// Number of new files.
    pub files: u64,
    /// Number of changes of records and annotations.
    pub changes: u64,
}

/// What a change takes from the allowance of its author's day. It is taken in the transaction of
/// the change, so that a refused one takes nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailyAllowance {
    /// The author.
    pub user: UserId,
    /// What the change takes.
    pub usage: DailyUsage,
    /// What a day has.
    pub most: DailyUsage,
    /// The time of the change.
    pub now: Timestamp,
}

impl DailyAllowance {
    /// Makes the step that takes from the allowance.
    ///
    /// # Errors
    /// [`Lockout`] until the next day when a whole day has not as much.
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

struct Failures {
    network: u64,
    account: u64,
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

pub(crate) fn failures_key(key: ThrottleKey<'_>) -> Key {
    keys::rate(key.kind, &[key.account, key.network.as_str()], "ATTEMPTS")
}

fn network_key(kind: LimitedAction, network: &ClientNetwork, window: FixedWindow) -> Key {
    keys::rate(kind, &["network", network.as_str()], &window.number.to_string())
}

fn account_key(kind: LimitedAction, account: &str, window: FixedWindow) -> Key {
    keys::rate(kind, &["account", account], &window.number.to_string())
}
