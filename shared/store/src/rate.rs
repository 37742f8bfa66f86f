//! How often something was tried, and how much of something was had: counters that forget by
//! themselves.

use std::ops::Range;
use std::time::Instant;

use domain::id::UserId;
use domain::mail::Mail;
use domain::rate::{
    ClientNetwork, FREE_FAILURES, FailureCount, FailureLimits, FixedWindow, LimitedAction, Lockout,
};
use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};

use crate::Store;
use crate::error::Error;
use crate::item::{self, Item, read};
use crate::keys::{self, Key};
use crate::read::Consistency;
use crate::write::{PutOutcome, Step, UpdateOutcome, number, pause, string};

/// Whose attempts are counted.
#[derive(Clone, Copy, Debug)]
pub struct ThrottleKey<'a> {
    /// FailureCount at what.
    pub kind: LimitedAction,
    /// At which account: its address in the normal form or its id, whether there is such an account
    /// or not.
    pub account: &'a str,
    /// From where.
    pub network: &'a ClientNetwork,
}

/// Why something may not be tried, or had.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Not now.
    #[error(transparent)]
    Locked(#[from] Lockout),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How often an attempt is counted anew because others came between. Who meets more has to wait.
const TRIES: usize = 20;

/// How long who comes while the last free attempt is under way waits before looking again, in
/// milliseconds.
const LOOK_AGAIN: Range<u64> = 50..150;

/// How long who meets too many others has to wait.
const CROWDED: SignedDuration = SignedDuration::from_secs(1);

/// Failures are counted no further.
const ENOUGH: u64 = 1_000_000;

impl Store {
    /// Begins an attempt, which counts as failed until [`Store::clear_failures`]: however many
    /// begin at once, no more are allowed than one after the other. Those who find the last free
    /// one under way wait a moment, because it may succeed.
    ///
    /// Gives the attempts, this one included.
    ///
    /// # Errors
    /// [`LimitError::Locked`] when the account from this network, or the network as a whole, has to
    /// wait.
    pub async fn start_sign_in_attempt(
        &self,
        trial: ThrottleKey<'_>,
        tolerance: FailureLimits,
        mut now: Timestamp,
    ) -> Result<FailureCount, LimitError> {
        let (start, began) = (now, Instant::now());
        let first = FailureCount::next(None, FREE_FAILURES, now)?;
        let (failures, mut written) =
            try_join(self.failures(trial, now), self.write_attempts(trial, None, &first)).await?;
        if failures.network >= tolerance.network {
            return Err(Lockout { until: FixedWindow::for_failures(now).end }.into());
        }
        let free = tolerance.free_failures(failures.account);
        let mut next = first;
        if let (PutOutcome::Done, false) = (&written, free == FREE_FAILURES) {
            let seen = next;
            next = FailureCount::next(None, free, now)?;
            written = self.write_attempts(trial, Some(&seen), &next).await?;
        }
        for _ in 0..TRIES {
            let seen = match written {
                PutOutcome::Done => return Ok(next),
                PutOutcome::Refused(Some(stored)) => Some(read::<FailureCount>(stored)?),
                PutOutcome::Refused(None) => None,
            };
            let waits = |seen: &FailureCount| seen.last_free_attempt_is_pending(free, now);
            let counted = match FailureCount::next(seen.as_ref(), free, now) {
                Ok(attempts) => (seen.as_ref(), attempts),
                Err(_) if seen.as_ref().is_some_and(waits) => {
                    pause(LOOK_AGAIN).await;
                    let waited = SignedDuration::try_from(began.elapsed()).unwrap_or_default();
                    now = start.saturating_add(waited).unwrap_or(start);
                    (None, FailureCount::next(None, free, now)?)
                }
                Err(locked) => return Err(locked.into()),
            };
            next = counted.1;
            written = self.write_attempts(trial, counted.0, &next).await?;
        }
        Err(Lockout { until: now.saturating_add(CROWDED).unwrap_or(now) }.into())
    }

    async fn write_attempts(
        &self,
        trial: ThrottleKey<'_>,
        seen: Option<&FailureCount>,
        next: &FailureCount,
    ) -> Result<PutOutcome, Error> {
        let item = item::attempts(attempts_key(trial), next)?;
        match seen {
            None => self.put_if(item, "attribute_not_exists(pk)", []).await,
            Some(seen) => {
                let values =
                    [number(":failures", seen.failures), string(":until", seen.locked_until)];
                self.put_if(item, "failures = :failures AND locked_until = :until", values).await
            }
        }
    }

    /// Forgets the attempts at an account from a network, after one has succeeded.
    pub async fn clear_failures(&self, trial: ThrottleKey<'_>) -> Result<(), Error> {
        self.delete(attempts_key(trial)).await
    }

    /// Takes back that attempts were forgotten, unless others have begun meanwhile.
    pub async fn restore_failures(
        &self,
        trial: ThrottleKey<'_>,
        attempts: &FailureCount,
    ) -> Result<(), Error> {
        self.write_attempts(trial, None, attempts).await.map(drop)
    }

    /// Whether the network as a whole has to wait. For what nobody can guess, where an attempt need
    /// not be counted before it is made.
    ///
    /// # Errors
    /// [`LimitError::Locked`] when it has to.
    pub async fn check_network(
        &self,
        kind: LimitedAction,
        network: &ClientNetwork,
        tolerance: FailureLimits,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let window = FixedWindow::for_failures(now);
        let counted =
            self.get_all([network_key(kind, network, window)], Consistency::Eventual).await?;
        if counted.iter().any(|item| count(item) >= tolerance.network) {
            Err(Lockout { until: window.end }.into())
        } else {
            Ok(())
        }
    }

    /// Counts a failure of a network, and at an account where one is named: coarse counters, in
    /// windows of 15 minutes.
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
            number(":enough", ENOUGH),
            string(":entity", WINDOW),
            ttl(window),
        ];
        let expression = "ADD failures :one SET entity = :entity, #ttl = :ttl";
        self.update_if(key, expression, "attribute_not_exists(pk) OR failures < :enough", values)
            .await
            .map(drop)
    }

    /// The failures of the present window. Eventually consistent: they are coarse.
    async fn failures(&self, trial: ThrottleKey<'_>, now: Timestamp) -> Result<Failures, Error> {
        let window = FixedWindow::for_failures(now);
        let network = network_key(trial.kind, trial.network, window);
        let keys = [network.clone(), account_key(trial.kind, trial.account, window)];
        let mut failures = Failures { network: 0, account: 0 };
        for item in self.get_all(keys, Consistency::Eventual).await? {
            let count = count(&item);
            match Key::of(&item) {
                Some(key) if key == network => failures.network = count,
                _ => failures.account = count,
            }
        }
        Ok(failures)
    }

    /// Takes a record and files from what a patient may create in a day.
    ///
    /// # Errors
    /// [`LimitError::Locked`] until the next day when it would be too much.
    pub async fn use_daily_allowance(
        &self,
        patient: UserId,
        take: DailyUsage,
        most: DailyUsage,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        let day = FixedWindow::for_day(now);
        let (Some(records), Some(files)) =
            (most.records.checked_sub(take.records), most.files.checked_sub(take.files))
        else {
            return Err(Lockout { until: day.end }.into());
        };
        let key =
            keys::rate(LimitedAction::Records, &[&patient.to_string()], &day.number.to_string());
        let values = [
            number(":records", take.records),
            number(":files", take.files),
            number(":records_before", records),
            number(":files_before", files),
            string(":entity", WINDOW),
            ttl(day),
        ];
        let expression =
            "ADD record_count :records, file_count :files SET entity = :entity, #ttl = :ttl";
        let condition = "attribute_not_exists(pk) OR (record_count <= :records_before AND \
                         file_count <= :files_before)";
        match self.update_if(key, expression, condition, values).await? {
            UpdateOutcome::Done(_) => Ok(()),
            UpdateOutcome::Refused(_) => Err(Lockout { until: day.end }.into()),
        }
    }

    /// Stores a mail that somebody asked for, unless its address has had as many as a day may
    /// bring.
    ///
    /// # Errors
    /// [`LimitError::Locked`] until the next day when it would be too much.
    pub async fn create_mail_within_limit(
        &self,
        address: &str,
        most: u64,
        mail: &Mail,
        now: Timestamp,
    ) -> Result<(), LimitError> {
        self.commit(vec![count_mail(address, most, now), Step::put(item::mail(mail)?)]).await
    }
}

/// Takes a mail from what an address may be sent in a day because somebody asked for it; refused
/// until the next day when there is none left.
pub(crate) fn count_mail<E: From<Lockout>>(address: &str, most: u64, now: Timestamp) -> Step<E> {
    let day = FixedWindow::for_day(now);
    let key = keys::rate(LimitedAction::Mails, &[address], &day.number.to_string());
    let values =
        [number(":one", 1_u64), number(":most", most), string(":entity", WINDOW), ttl(day)];
    let count = Step::update(key, "ADD mail_count :one SET entity = :entity, #ttl = :ttl");
    count
        .only_if(
            "attribute_not_exists(pk) OR mail_count < :most",
            Lockout { until: day.end }.into(),
        )
        .with(values)
}

/// Records and files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DailyUsage {
    /// So many records.
    pub records: u64,
    /// So many files.
    pub files: u64,
}

struct Failures {
    network: u64,
    account: u64,
}

/// The entity of counters.
const WINDOW: &str = "rate_window";

fn count(item: &Item) -> u64 {
    item.get("failures")
        .and_then(|value| value.as_n().ok())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

fn ttl(window: FixedWindow) -> crate::write::Value {
    number(":ttl", u64::try_from(window.end.as_second()).unwrap_or_default())
}

pub(crate) fn attempts_key(trial: ThrottleKey<'_>) -> Key {
    keys::rate(trial.kind, &[trial.account, trial.network.as_str()], "ATTEMPTS")
}

fn network_key(kind: LimitedAction, network: &ClientNetwork, window: FixedWindow) -> Key {
    keys::rate(kind, &["network", network.as_str()], &window.number.to_string())
}

fn account_key(kind: LimitedAction, account: &str, window: FixedWindow) -> Key {
    keys::rate(kind, &["account", account], &window.number.to_string())
}
