//! Counters for staff: per day and in total, incremented by the function that reads the table's
//! stream.
//!
//! The stream delivers each change at least once. The transaction that counts a change also marks
//! it by the stream's id for it, so that a repeated delivery adds nothing.

use std::collections::{BTreeMap, HashSet};

use domain::counter::Counts;
use futures_util::future::try_join_all;
use jiff::{Timestamp, civil::Date};

use crate::attributes::{number, string};
use crate::error::{Error, UpdateError};
use crate::item::{Stored, from_item, mark};
use crate::keys::{self, ItemKey};
use crate::read::Consistency;
use crate::retry::COUNTER_CONFLICT;
use crate::stream::STREAM_REPEATS_FOR;
use crate::table::Table;
use crate::write::{IS_NEW, Step};

impl Stored for Counts {
    const ENTITY: &'static str = "counters";
    const IN_KEY: &'static [&'static str] = &[];
}

/// A change that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountedChange {
    /// The stream's id for the change, the same at each delivery.
    pub event_id: String,
    /// The day of the change, in UTC.
    pub day: Date,
    /// What the change adds.
    pub counts: Counts,
}

/// How many changes one transaction counts. It takes 100 actions, and each change may need two: its
/// mark and a day of its own.
const CHANGES_PER_TRANSACTION: usize = 49;

/// The attributes of [`Counts`]; `ADD` creates missing ones as 0.
const ADD: &str = "SET entity = :entity ADD patients :patients, doctors :doctors, admins :admins, \
    records :records, \
                   mails_sent :mails_sent, mails_failed :mails_failed";

impl Table {
    /// Counts the changes that are not counted yet, in the order given. When it fails, returns the
    /// index of the first change that may not be counted, and the error.
    pub async fn increment_counters(
        &self,
        changes: &[CountedChange],
        now: Timestamp,
    ) -> Result<(), (usize, Error)> {
        for (index, chunk) in changes.chunks(CHANGES_PER_TRANSACTION).enumerate() {
            self.count_chunk(chunk, now)
                .await
                .map_err(|error| (index * CHANGES_PER_TRANSACTION, error))?;
        }
        Ok(())
    }

    async fn count_chunk(&self, changes: &[CountedChange], now: Timestamp) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut fresh: Vec<&CountedChange> =
            changes.iter().filter(|counted| seen.insert(counted.event_id.as_str())).collect();
        let mut retries = COUNTER_CONFLICT.start();
        loop {
            // Repeated deliveries are rare: the marks are read only when one of the changes was
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
            let counted: HashSet<ItemKey> = marks.iter().filter_map(ItemKey::of).collect();
            fresh.retain(|fresh| !counted.contains(&keys::counted(&fresh.event_id)));
            if fresh.is_empty() {
                return Ok(());
            }
            if !retries.next().await {
                let counted = "the same changes are being counted by others";
                return Err(Error::Unavailable(counted.to_owned()));
            }
        }
    }

    /// Lists the counters of the days from `first` to `last`, oldest first, without days on which
    /// nothing was counted. Eventually consistent.
    pub async fn list_counters(
        &self,
        first: Date,
        last: Date,
    ) -> Result<Vec<(Date, Counts)>, Error> {
        let years = keys::counters_between(first, last).map(|range| async move {
            let mut days = BTreeMap::<Date, Counts>::new();
            for item in self.query_all(&range, Consistency::Eventual).await? {
                let day = keys::counted_day(&item)
                    .ok_or(Error::corrupt(Counts::ENTITY, "its sort key is not a day"))?;
                *days.entry(day).or_default() += from_item(item)?;
            }
            Ok::<Vec<(Date, Counts)>, Error>(days.into_iter().collect())
        });
        Ok(try_join_all(years).await?.concat())
    }

    /// Reads the counters of all days together. Eventually consistent.
    pub async fn get_total_counters(&self) -> Result<Counts, Error> {
        let range = keys::all_total_counters();
        let mut total = Counts::default();
        for part in self.query_all(&range, Consistency::Eventual).await? {
            total += from_item(part)?;
        }
        Ok(total)
    }
}

/// Makes the steps that mark and count.
fn transaction(changes: &[&CountedChange], now: Timestamp) -> Vec<Step<UpdateError>> {
    let ttl = now.saturating_add(STREAM_REPEATS_FOR).unwrap_or(now);
    let mut days: BTreeMap<Date, Counts> = BTreeMap::new();
    let mut all = Counts::default();
    let mut steps = Vec::with_capacity(changes.len() + 2);
    for CountedChange { event_id, day, counts } in changes {
        *days.entry(*day).or_default() += *counts;
        all += *counts;
        steps.push(
            Step::put_item(mark(keys::counted(event_id), "counted", ttl))
                .only_if(IS_NEW, UpdateError::Stale),
        );
    }
    // One part for all of them, so that a transaction has few actions.
    let part = changes.first().map_or(0, |first| keys::counter_part(&first.event_id));
    let targets = days
        .into_iter()
        .map(|(day, counts)| (keys::counters(day, part), counts))
        .chain([(keys::total_counters(part), all)]);
    steps.extend(targets.map(|(key, counts)| {
        Step::update(key, ADD).with([
            string(":entity", Counts::ENTITY),
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
