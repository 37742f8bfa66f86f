//! Counters for staff, kept by whoever reads the table's stream: a day each, and all days together.
//!
//! The stream tells everything at least once. So what is counted is marked by the stream's own id
//! for it, in the transaction that counts: what is told again, by whomever, adds nothing.

use std::collections::{BTreeMap, HashSet};

use domain::counter::Counts;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp, civil::Date};

use crate::Store;
use crate::error::{Error, UpdateError};
use crate::item::{self, read};
use crate::keys::{self, Key};
use crate::read::{Consistency, Order};
use crate::write::{Step, number, string};

/// Something that the stream told, as it counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The stream's id for it, the same whenever it is told.
    pub event_id: String,
    /// When it was, in UTC.
    pub day: Date,
    /// What it adds.
    pub counts: Counts,
}

/// How many things one transaction counts. It takes 100 actions: each of them may be of a day of
/// its own.
const AT_ONCE: usize = 49;

/// How often a transaction is tried that meets something counted meanwhile.
const TRIES: usize = 3;

/// How long a table's stream may tell something again: it keeps records for a day, and nobody can
/// ask it for older ones.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(48);

/// The attributes of [`Counts`]; those that are not there yet count as 0.
const ADD: &str = "SET entity = :entity ADD patients :patients, doctors :doctors, admins :admins, \
    records :records, \
                   mails_sent :mails_sent, mails_failed :mails_failed";

impl Store {
    /// Counts what has not been counted yet. In the order given, as far as it gets: the first
    /// [`Counted`] that may not be counted is answered with the error, by its place.
    pub async fn increment_counters(
        &self,
        told: &[Counted],
        now: Timestamp,
    ) -> Result<(), (usize, Error)> {
        for (index, chunk) in told.chunks(AT_ONCE).enumerate() {
            self.count_chunk(chunk, now).await.map_err(|error| (index * AT_ONCE, error))?;
        }
        Ok(())
    }

    async fn count_chunk(&self, told: &[Counted], now: Timestamp) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut fresh: Vec<&Counted> =
            told.iter().filter(|counted| seen.insert(counted.event_id.as_str())).collect();
        for _ in 0..TRIES {
            // Hardly anything is told twice: whether it was is asked only of those of which one was
            // counted before.
            match self.commit(transaction(&fresh, now)).await {
                Ok(()) => return Ok(()),
                Err(UpdateError::Store(error)) => return Err(error),
                Err(UpdateError::Stale) => {}
            }
            let marks = self
                .get_all(
                    fresh.iter().map(|counted| keys::counted(&counted.event_id)),
                    Consistency::Strong,
                )
                .await?;
            let counted: HashSet<Key> = marks.iter().filter_map(Key::of).collect();
            fresh.retain(|fresh| !counted.contains(&keys::counted(&fresh.event_id)));
            if fresh.is_empty() {
                return Ok(());
            }
        }
        Err(Error::Unavailable("others count the same all the time".to_owned()))
    }

    /// What was counted on the days from `first` to `last`, oldest first, without those on which
    /// there was nothing. Eventually consistent.
    pub async fn list_counters(
        &self,
        first: Date,
        last: Date,
    ) -> Result<Vec<(Date, Counts)>, Error> {
        let years = keys::counters_between(first, last).map(|range| async move {
            let (mut days, mut start) = (Vec::new(), None);
            loop {
                let (items, rest) = self
                    .query(&range, Order::Ascending, Consistency::Eventual, DAYS_OF_A_YEAR, start)
                    .await?;
                for item in items {
                    let day =
                        keys::counted_day(&item).ok_or(Error::Corrupt { entity: "counters" })?;
                    days.push((day, read(item)?));
                }
                start = rest;
                if start.is_none() {
                    return Ok::<_, Error>(days);
                }
            }
        });
        Ok(try_join_all(years).await?.concat())
    }

    /// What was counted in all. Eventually consistent.
    pub async fn get_total_counters(&self) -> Result<Counts, Error> {
        Ok(self.get(keys::all_counters(), Consistency::Eventual).await?.unwrap_or_default())
    }
}

/// One more than there can be, so that a year is one answer that says so itself.
const DAYS_OF_A_YEAR: usize = 367;

/// Marks and counts.
fn transaction(told: &[&Counted], now: Timestamp) -> Vec<Step<UpdateError>> {
    let ttl = now.saturating_add(TOLD_AGAIN).unwrap_or(now).as_second();
    let mut days: BTreeMap<Date, Counts> = BTreeMap::new();
    let mut all = Counts::default();
    let mut steps = Vec::with_capacity(told.len() + 2);
    for Counted { event_id, day, counts } in told {
        *days.entry(*day).or_default() += *counts;
        all += *counts;
        steps.push(
            Step::put(item::counted(event_id, ttl))
                .only_if("attribute_not_exists(pk)", UpdateError::Stale),
        );
    }
    let targets = days
        .into_iter()
        .map(|(day, counts)| (keys::counters(day), counts))
        .chain([(keys::all_counters(), all)]);
    steps.extend(targets.map(|(key, counts)| {
        Step::update(key, ADD).with([
            string(":entity", "counters"),
            number(":patients", counts.patients),
            number(":doctors", counts.doctors),
            number(":admins", counts.admins),
            number(":records", counts.records),
            number(":mails_sent", counts.mails_sent),
            number(":mails_failed", counts.mails_failed),
        ])
    }));
    steps
}
