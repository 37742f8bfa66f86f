//! Lists for staff of all users, records, files, annotations and notifications: ids, owners and
//! types, without anything that people have written; and of stored mails, for the reconciler.
//!
//! Lists of everything read an index, newest first; lists of one user's things read the user's
//! partition. Their cost does not depend on the size of the table.

use std::cmp::Reverse;

use domain::account::Role;
use domain::file::File;
use domain::id::{AnnotationId, FileId, MailId, NotificationId, RecordId, UserId};
use domain::notification::NotificationType;
use domain::record::{Annotation, Assignment, Record, RecordType};
use futures_util::future::try_join_all;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::attributes::{Item, entity};
use crate::error::Error;
use crate::item::{Stored, read_part};
use crate::keys::{self, Range};
use crate::page::{FURTHER_ITEMS, Page, PageFiller, Selection, Span, below};
use crate::read::{Consistency, Order};
use crate::table::Table;

/// An entry of a list of all things of a kind.
pub trait ListEntry: DeserializeOwned {
    /// The type of the entry's id.
    type Id: Copy + From<Uuid> + Into<Uuid>;
    /// The prefix of the list's partition keys.
    const LIST: &'static str;
    /// The fields whose values are in the keys of the list's items.
    const IN_KEY: &'static [&'static str];
    /// Returns the id of the entry.
    fn id(&self) -> Self::Id;
    /// Returns the time of creation.
    fn created_at(&self) -> Timestamp {
        created_at(self.id().into())
    }
}

/// An entry that a patient's chart holds.
pub trait ChartEntry: ListEntry {
    /// The entity of the chart's item.
    const ENTITY: &'static str;
    /// The fields whose values are in its key.
    const IN_CHART: &'static [&'static str];
}

macro_rules! listed {
    ($($entry:ty: $id:ty, $list:expr, $in_key:expr;)+) => {
        $(impl ListEntry for $entry {
            type Id = $id;
            const LIST: &'static str = $list;
            const IN_KEY: &'static [&'static str] = &$in_key;
            fn id(&self) -> $id {
                self.id
            }
        })+
    };
}

listed! {
    UserEntry: UserId, keys::USERS, ["id"];
    RecordEntry: RecordId, keys::RECORDS, ["patient_id", "id"];
    FileEntry: FileId, keys::FILES, ["id"];
    AnnotationEntry: AnnotationId, keys::ANNOTATIONS, ["id"];
    NotificationEntry: NotificationId, keys::NOTIFICATIONS, ["recipient_id", "id"];
    MailEntry: MailId, keys::MAILS, ["id"];
}

macro_rules! in_chart {
    ($($entry:ty: $stored:ty;)+) => {
        $(impl ChartEntry for $entry {
            const ENTITY: &'static str = <$stored as Stored>::ENTITY;
            const IN_CHART: &'static [&'static str] = <$stored as Stored>::IN_KEY;
        })+
    };
}

in_chart! {
    RecordEntry: Record;
    FileEntry: File;
    AnnotationEntry: Annotation;
}

/// A user.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct UserEntry {
    /// Who.
    pub id: UserId,
    /// The role.
    pub role: Role,
    /// Whether the user can sign in.
    pub is_active: bool,
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct RecordEntry {
    /// Which.
    pub id: RecordId,
    /// Whose it is.
    pub patient_id: UserId,
    /// The doctor it is assigned to.
    pub doctor_id: UserId,
    /// What it is about.
    pub record_type: RecordType,
}

impl From<&Assignment> for RecordEntry {
    fn from(assignment: &Assignment) -> Self {
        let Assignment { record_id, doctor_id, patient_id, record_type } = *assignment;
        Self { id: record_id, patient_id, doctor_id, record_type }
    }
}

/// A file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct FileEntry {
    /// Which.
    pub id: FileId,
    /// Whose record it belongs to.
    pub patient_id: UserId,
    /// Which record.
    pub record_id: RecordId,
}

/// An annotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct AnnotationEntry {
    /// Which.
    pub id: AnnotationId,
    /// Whose record it is on.
    pub patient_id: UserId,
    /// Which record.
    pub record_id: RecordId,
    /// The doctor who wrote it.
    pub author_id: UserId,
}

/// A notification.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct NotificationEntry {
    /// Which.
    pub id: NotificationId,
    /// In whose inbox it is.
    pub recipient_id: UserId,
    /// What it is about.
    pub notification_type: NotificationType,
    /// The record it is about, if it is about one.
    pub record_id: Option<RecordId>,
    /// Whose record it is.
    pub patient_id: Option<UserId>,
    /// When it was read. A mark-all-read appears here a moment later.
    pub read_at: Option<Timestamp>,
}

/// A stored mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct MailEntry {
    /// Which.
    pub id: MailId,
}

/// The position at which a page of a chart or an inbox ends. Contains ids: seal it before it leaves
/// the system.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerPosition(String);

/// How many times one page queries all partitions of a month.
const MOST_ROUNDS: usize = 12;

/// How many entries of each partition further queries read, for filters that let few through.
const FURTHER_ENTRIES: usize = 100;

impl Table {
    /// Lists all things of a kind that were created in a period and for which `shows` returns true,
    /// newest first. Eventually consistent. The work for one page is bounded: a page may contain
    /// fewer entries than requested, or none, and still have a next one.
    pub async fn list_entries<T: ListEntry>(
        &self,
        now: Timestamp,
        span: Span,
        limit: usize,
        after: Option<T::Id>,
        shows: impl Fn(&T) -> bool,
    ) -> Result<Page<T, T::Id>, Error> {
        let mut page = Page { items: Vec::new(), next: None };
        let Some((oldest, mut newest)) = span.bounds::<Uuid>(after.map(Into::into)) else {
            return Ok(page);
        };
        let beginnings = [span.created_before, after.map(|id| created_at(id.into()))];
        let mut month = keys::month_of(beginnings.into_iter().flatten().fold(now, Timestamp::min));
        let last_month = keys::month_of(created_at(oldest));
        let mut wanted = limit + 1;
        // The last entry that was read, included or not.
        let mut last = None;
        for _ in 0..MOST_ROUNDS {
            let ranges = keys::listed_in_month(T::LIST, month, oldest, newest);
            let shards = try_join_all(ranges.map(|range| self.entries::<T>(range, wanted))).await?;
            // Where a shard was not read to its end, older entries of the other shards wait for the
            // rest of it.
            let whole_down_to = shards
                .iter()
                .filter(|(_, more)| *more)
                .filter_map(|(entries, _)| entries.last())
                .map(uuid)
                .max();
            let mut entries: Vec<T> = shards.into_iter().flat_map(|(entries, _)| entries).collect();
            entries.retain(|entry| whole_down_to.is_none_or(|down_to| uuid(entry) >= down_to));
            entries.sort_unstable_by_key(|entry| Reverse(uuid(entry)));
            for entry in entries {
                let is_shown = shows(&entry);
                if is_shown && page.items.len() >= limit {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(entry.id());
                if is_shown {
                    page.items.push(entry);
                }
            }
            match whole_down_to {
                Some(down_to) => newest = below(down_to.as_bytes()),
                None if month <= last_month => return Ok(page),
                None => {
                    let walked = month
                        .to_zoned(TimeZone::UTC)
                        .ok()
                        .map(|month| RecordId::first_at(month.timestamp()));
                    last = walked.map(|walked| Uuid::from(walked).into());
                    month = month.saturating_sub(1.month());
                }
            }
            wanted = limit.max(FURTHER_ENTRIES) + 1;
        }
        page.next = last;
        Ok(page)
    }

    /// Reads the first entries of one partition of a list, and returns whether there are more.
    async fn entries<T: ListEntry>(
        &self,
        range: Range,
        wanted: usize,
    ) -> Result<(Vec<T>, bool), Error> {
        let (items, rest) =
            self.query(&range, Order::Descending, Consistency::Eventual, wanted, None).await?;
        let entries = items.into_iter().map(entry).collect::<Result<_, _>>()?;
        Ok((entries, rest.is_some()))
    }

    /// Reads the entry of one thing. Eventually consistent.
    pub async fn get_entry<T: ListEntry>(&self, id: T::Id) -> Result<Option<T>, Error> {
        let id = id.into();
        let (entries, _) = self.entries(keys::listed_as(T::LIST, id, created_at(id)), 1).await?;
        Ok(entries.into_iter().next())
    }

    /// Lists all things of a kind in a patient's chart for which `shows` returns true, those of the
    /// newest record first. Bounded as [`Table::list_entries`].
    pub async fn list_entries_of_chart<T: ChartEntry>(
        &self,
        patient: UserId,
        limit: usize,
        after: Option<&OwnerPosition>,
        shows: impl Fn(&T) -> bool,
    ) -> Result<Page<T, OwnerPosition>, Error> {
        let range = keys::chart_before(patient, after.map(|place| place.0.as_str()));
        self.pick(&range, limit, |item| match entity(&item) {
            entity if entity == T::ENTITY => {
                read_part(item, T::ENTITY, T::IN_CHART).map(|entry| Some(entry).filter(&shows))
            }
            _ => Ok(None),
        })
        .await
    }

    /// Lists a user's notifications for which `shows` returns true, newest first, including those
    /// that the user has deleted and that are not purged yet. Bounded as [`Table::list_entries`].
    pub async fn list_entries_of_inbox(
        &self,
        recipient: UserId,
        limit: usize,
        after: Option<&OwnerPosition>,
        shows: impl Fn(&NotificationEntry) -> bool,
    ) -> Result<Page<NotificationEntry, OwnerPosition>, Error> {
        let range = keys::inbox_before(recipient, after.map(|place| place.0.as_str()));
        self.pick(&range, limit, |item| entry(item).map(|entry| Some(entry).filter(&shows))).await
    }

    /// Fills a page with what `take` returns for the outlines of a range, in descending order.
    async fn pick<T>(
        &self,
        range: &Range,
        limit: usize,
        take: impl Fn(Item) -> Result<Option<T>, Error>,
    ) -> Result<Page<T, OwnerPosition>, Error> {
        let look = |item| {
            let place = range.index.position(&item).map(|key| OwnerPosition(key.to_owned()));
            Ok((place, take(item)?.map_or(Selection::Exclude, Selection::Include)))
        };
        let mut filling = PageFiller::new(limit);
        let (mut items, mut start) = self.query_outline(range, limit + 1, None).await?;
        while filling.take(items, start.is_some(), look)? {
            (items, start) = self.query_outline(range, FURTHER_ITEMS, start).await?;
        }
        let page = filling.done();
        Ok(Page { items: page.items, next: page.next.flatten() })
    }
}

pub(crate) fn entry<T: ListEntry>(item: Item) -> Result<T, Error> {
    read_part(item, "entry of a list", T::IN_KEY)
}

fn uuid<T: ListEntry>(entry: &T) -> Uuid {
    entry.id().into()
}

/// Returns the time of creation, which ids of all kinds contain.
fn created_at(id: Uuid) -> Timestamp {
    RecordId::from(id).created_at()
}
