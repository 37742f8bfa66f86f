//! The layout of the table: the only place that knows how keys are built and read.
//!
//! | entity | pk | sk | indexes |
//! |---|---|---|---|
//! | user | `USER#<user>` | `ACCOUNT` | gsi1 if assignable; gsi2 if doctor; gsi3 |
//! | name | `NAMES#<user>` | `<place>` | gsi1 and gsi2 if assignable; gsi4 |
//! | credentials | `EMAIL#<hash>` | `CREDENTIALS` | gsi4 |
//! | second_factor | `FACTOR#<user>` | `SECOND_FACTOR` | |
//! | device | `FACTOR#<user>` | `DEVICE#<place>` | |
//! | attempts | `RATE#<what>#<hash>` | `ATTEMPTS` | |
//! | rate_window | `RATE#<what>#<hash>` | `<window>` | |
//! | admins | `ADMINS` | `STATE` | |
//! | session | `USER#<user>` | `SESSION#<session>` | |
//! | record | `PATIENT#<patient>` | `RECORD#<record>` | gsi3 |
//! | file | `PATIENT#<patient>` | `RECORD#<record>#FILE#<file>` | |
//! | annotation | `PATIENT#<patient>` | `RECORD#<record>#ANNOTATION#<annotation>` | |
//! | assignment | `DOCTOR#<doctor>` | `RECORD#<record>` | |
//! | lookup | `FILE#<file>`, `ANNOTATION#<annotation>` | `LOOKUP` | gsi3 |
//! | notification | `INBOX#<user>` | `NOTIFICATION#<notification>` | gsi1 while unread; gsi3 |
//! | inbox_state | `INBOX#<user>` | `STATE` | |
//! | annotation_version | `PATIENT#<patient>` | `HISTORY#<annotation>#<version>` | |
//! | record_version | `PATIENT#<patient>` | `HISTORY#<record>#<version>` | |
//! | audit_event | `AUDIT#<user>` | `<event>` | gsi2 |
//! | decoy | `USER#<nobody>` | `DECOY` | |
//! | decoy | `NAMES#<nobody>` | `<place>` | gsi4 |
//! | idempotency | `IDEMPOTENCY#<user>#<label>`, `IDEMPOTENCY#ANYONE#<label>` | `IDEMPOTENCY` | |
//! | archive_head | `ARCHIVE` | `HEAD` | |
//! | archived | `ARCHIVED#<event>` | `ARCHIVED` | |
//! | counters | `COUNTERS#<year>`, `COUNTERS#ALL` | `<day>#<part>`, `ALL#<part>` | |
//! | counted | `COUNTED#<stream event>` | `COUNTED` | |
//! | mail | `MAIL#<mail>` | `MAIL` | gsi2; gsi3 |
//! | mail_token | `TOKEN#<hash>` | `TOKEN` | |
//! | glass | `GLASS#<admin>` | `RECORD#<record>` | |
//! | signing_key | `JWKS` | `KEY#<kid>` | |
//! | recovery | `RECOVERIES` | `<user>` | |
//! | reconciliation | `RECONCILIATION` | `PROGRESS` | |
//!
//! All ids are UUIDs of version 7 in their canonical form: of one length, sorted by creation.
//! Descending, the children of a record therefore come directly before the record itself, files
//! before annotations, newest first.
//!
//! The newest-first lists of files and annotations (gsi3) hang on their lookup items: index keys on
//! the children themselves would make every page of a chart a sixth larger.

use aws_sdk_dynamodb::types::AttributeValue;
use crypto::sha256_base64url;
use domain::account::{Account, Approval};
use domain::audit::AuditEvent;
use domain::email::Email;
use domain::id::{
    AnnotationId, EventId, FileId, MailId, NotificationId, RecordId, SessionId, UserId,
};
use domain::mail::{Mail, MailMessage};
use domain::name_search::NameSearch;
use domain::notification::Notification;
use domain::rate::LimitedAction;
use domain::record::Record;
use domain::text::Name;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use uuid::Uuid;

use crate::attributes::{Item, PK, SK, text};

/// The projection of a query that returns only keys.
pub(crate) const KEY_ATTRIBUTES: &str = "pk, sk";

/// The key of an item.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ItemKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl ItemKey {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    /// Returns the key of an item, or of the part of it that a query shows.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let attribute = |name| item.get(name)?.as_s().ok().cloned();
        Some(Self { pk: attribute(PK)?, sk: attribute(SK)? })
    }

    pub(crate) fn into_attributes(self) -> Item {
        Item::from([
            (PK.to_owned(), AttributeValue::S(self.pk)),
            (SK.to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

pub(crate) fn account(user: UserId) -> ItemKey {
    ItemKey::new(format!("USER#{user}"), "ACCOUNT")
}

/// Returns the key of one of the entries of a user in the search by name.
pub(crate) fn name_entry(user: UserId, place: usize) -> ItemKey {
    ItemKey::new(names_of(user), format!("{place:02}"))
}

/// Returns the partition, in an index, of entries that no search finds.
pub(crate) fn decoys() -> String {
    "DECOYS".to_owned()
}

fn names_of(user: UserId) -> String {
    format!("NAMES#{user}")
}

pub(crate) fn credentials(email: &Email) -> ItemKey {
    ItemKey::new(format!("EMAIL#{}", email_hash(email)), "CREDENTIALS")
}

/// Hashes an address: keys, other than items, appear in logs and metrics of AWS.
fn email_hash(email: &Email) -> String {
    sha256_base64url(email.normalized().as_bytes())
}

/// Returns the key of a second factor. The item is not in the user's partition, which other
/// functions read, nor in that of the address, which can change.
pub(crate) fn second_factor(user: UserId) -> ItemKey {
    ItemKey::new(format!("FACTOR#{user}"), "SECOND_FACTOR")
}

/// Returns the key of a known device, by its place among those of the user.
pub(crate) fn device(user: UserId, place: u8) -> ItemKey {
    ItemKey::new(format!("FACTOR#{user}"), format!("DEVICE#{place:02}"))
}

/// Returns the key of a counter about a subject. The subject is hashed, because keys appear in logs
/// of AWS.
pub(crate) fn rate(what: LimitedAction, subject: &[&str], window: &str) -> ItemKey {
    // No part holds a NUL, so that no two subjects are one text.
    let hash = sha256_base64url(subject.join("\0").as_bytes());
    ItemKey::new(format!("RATE#{what}#{hash}"), window)
}

pub(crate) fn session(user: UserId, session: SessionId) -> ItemKey {
    ItemKey::new(format!("USER#{user}"), format!("SESSION#{session}"))
}

pub(crate) fn record(patient: UserId, record: RecordId) -> ItemKey {
    ItemKey::new(chart(patient), format!("RECORD#{record}"))
}

pub(crate) fn file(patient: UserId, record: RecordId, file: FileId) -> ItemKey {
    ItemKey::new(chart(patient), format!("RECORD#{record}#FILE#{file}"))
}

pub(crate) fn annotation(patient: UserId, record: RecordId, annotation: AnnotationId) -> ItemKey {
    ItemKey::new(chart(patient), format!("RECORD#{record}#ANNOTATION#{annotation}"))
}

pub(crate) fn assignment(doctor: UserId, record: RecordId) -> ItemKey {
    ItemKey::new(assignments(doctor), format!("RECORD#{record}"))
}

pub(crate) fn file_lookup(file: FileId) -> ItemKey {
    ItemKey::new(format!("FILE#{file}"), "LOOKUP")
}

pub(crate) fn annotation_lookup(annotation: AnnotationId) -> ItemKey {
    ItemKey::new(format!("ANNOTATION#{annotation}"), "LOOKUP")
}

pub(crate) fn notification(recipient: UserId, notification: NotificationId) -> ItemKey {
    ItemKey::new(inbox(recipient), format!("NOTIFICATION#{notification}"))
}

pub(crate) fn inbox_state(recipient: UserId) -> ItemKey {
    ItemKey::new(inbox(recipient), "STATE")
}

pub(crate) fn audit_event(subject: UserId, event: EventId) -> ItemKey {
    ItemKey::new(format!("AUDIT#{subject}"), event.to_string())
}

/// Returns the key of an admin's emergency access to a record.
pub(crate) fn emergency_access(admin: UserId, record: RecordId) -> ItemKey {
    ItemKey::new(emergency_accesses_of(admin), format!("RECORD#{record}"))
}

pub(crate) fn mail(mail: MailId) -> ItemKey {
    ItemKey::new(format!("MAIL#{mail}"), "MAIL")
}

/// Returns the key of the item that contains the state of an ordered mail.
pub(crate) fn ordered(order: MailMessage) -> ItemKey {
    match order {
        MailMessage::Notification { recipient_id, notification_id } => {
            notification(recipient_id, notification_id)
        }
        MailMessage::Mail { mail_id } => mail(mail_id),
    }
}

/// The number of items into which the counters of a day are spread, and those of all days. The
/// dispatcher runs once for each shard of the stream, and transactions on one item wait for each
/// other.
const COUNTER_PARTS: u8 = 4;

/// Returns the part of the counters that counts a change of the stream. `event` is the stream's id
/// for it.
pub(crate) fn counter_part(event: &str) -> u8 {
    crypto::sha256(event.as_bytes())[0] % COUNTER_PARTS
}

/// Returns the key of a part of the counters of a day (UTC).
pub(crate) fn counters(day: Date, part: u8) -> ItemKey {
    ItemKey::new(counters_of_year(day.year()), format!("{day}#{part}"))
}

/// Returns the key of a part of the counters of all days together.
pub(crate) fn total_counters(part: u8) -> ItemKey {
    ItemKey::new(TOTAL_COUNTERS.to_owned(), format!("ALL#{part}"))
}

const TOTAL_COUNTERS: &str = "COUNTERS#ALL";

/// Returns the range of the counters of all days together.
pub(crate) fn all_total_counters() -> Range {
    Range {
        index: Index::Table,
        pk: TOTAL_COUNTERS.to_owned(),
        low: "ALL".to_owned(),
        high: format!("ALL{BEHIND}"),
    }
}

fn counters_of_year(year: i16) -> String {
    format!("COUNTERS#{year:04}")
}

/// Returns the day of an item with counters.
pub(crate) fn counted_day(item: &Item) -> Option<Date> {
    text(item, SK)?.split('#').next()?.parse().ok()
}

/// Returns the key of the item that marks a change of the stream as counted. `event` is the
/// stream's id for the change.
pub(crate) fn counted(event: &str) -> ItemKey {
    ItemKey::new(format!("COUNTED#{event}"), "COUNTED")
}

/// Returns the key of a token from a mail. `hash` is the hash of the token, in base64url.
pub(crate) fn mail_token(hash: &str) -> ItemKey {
    ItemKey::new(format!("TOKEN#{hash}"), "TOKEN")
}

/// Returns the key of a version of an annotation. It is not among the records' keys, so that a page
/// of a chart does not read old versions.
pub(crate) fn annotation_version(
    patient: UserId,
    annotation: AnnotationId,
    version: u64,
) -> ItemKey {
    ItemKey::new(chart(patient), format!("HISTORY#{annotation}#{}", version_part(version)))
}

/// Returns the key of a version of a record, beside those of annotations.
pub(crate) fn record_version(patient: UserId, record: RecordId, version: u64) -> ItemKey {
    ItemKey::new(chart(patient), format!("HISTORY#{record}#{}", version_part(version)))
}

/// Writes a version with ten digits, so that versions sort by number.
fn version_part(version: u64) -> String {
    format!("{version:010}")
}

/// Returns the key of a decoy, which is written instead of an event when there is no account.
/// `nobody` is a random id.
pub(crate) fn decoy(nobody: UserId) -> ItemKey {
    ItemKey::new(format!("USER#{nobody}"), "DECOY")
}

/// Returns the key of a request that may be sent again: of a user, or of a caller without an
/// account. The label is opaque.
pub(crate) fn idempotency(user: Option<UserId>, label: &str) -> ItemKey {
    let user = user.map_or("ANYONE".to_owned(), |user| user.to_string());
    ItemKey::new(format!("IDEMPOTENCY#{user}#{label}"), "IDEMPOTENCY")
}

pub(crate) fn archive_head() -> ItemKey {
    ItemKey::new(ARCHIVE.to_owned(), "HEAD")
}

const ARCHIVE: &str = "ARCHIVE";

pub(crate) fn archived(event: EventId) -> ItemKey {
    ItemKey::new(format!("ARCHIVED#{event}"), "ARCHIVED")
}

/// Returns the key of the counter of active admins.
pub(crate) fn admins() -> ItemKey {
    ItemKey::new(ADMINS.to_owned(), "STATE")
}

const ADMINS: &str = "ADMINS";

/// Returns the key of what staff have started for a user. All are in one partition, to be listed:
/// they are few.
pub(crate) fn recovery(user: UserId) -> ItemKey {
    ItemKey::new(RECOVERIES.to_owned(), user.to_string())
}

const RECOVERIES: &str = "RECOVERIES";

pub(crate) fn signing_key(kid: &str) -> ItemKey {
    ItemKey::new(SIGNING_KEYS.to_owned(), format!("KEY#{kid}"))
}

const SIGNING_KEYS: &str = "JWKS";

/// Returns the key of the item that says where the reconciliation continues.
pub(crate) fn reconciliation() -> ItemKey {
    ItemKey::new(RECONCILIATION.to_owned(), "PROGRESS")
}

const RECONCILIATION: &str = "RECONCILIATION";

/// Returns the key of an item that does not exist, which the readiness check reads. Nothing else is
/// in its partition, so that many checks slow down nothing.
pub(crate) fn readiness() -> ItemKey {
    ItemKey::new(READINESS.to_owned(), "NOTHING")
}

const READINESS: &str = "READINESS";

fn chart(patient: UserId) -> String {
    format!("PATIENT#{patient}")
}

fn assignments(doctor: UserId) -> String {
    format!("DOCTOR#{doctor}")
}

fn inbox(recipient: UserId) -> String {
    format!("INBOX#{recipient}")
}

fn emergency_accesses_of(admin: UserId) -> String {
    format!("GLASS#{admin}")
}

/// Returns the ids in the key of an item, in their order. The attributes of the item do not repeat
/// them.
pub(crate) fn ids(item: &Item) -> impl Iterator<Item = &str> {
    let id_length = uuid::fmt::Hyphenated::LENGTH;
    [PK, SK]
        .into_iter()
        .filter_map(|name| item.get(name).and_then(|value| value.as_s().ok()))
        .flat_map(|key| key.split('#'))
        .filter(move |part| part.len() == id_length)
}

/// Part of a partition of the table or of an index: sort keys from `low` to `high`, both included.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) index: Index,
    pub(crate) pk: String,
    pub(crate) low: String,
    pub(crate) high: String,
}

impl Range {
    /// Returns whether no key is in the range. DynamoDB refuses `BETWEEN` whose ends are the wrong
    /// way round with a `ValidationException`.
    pub(crate) fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// Returns the values that [`Index::condition`] names.
    pub(crate) fn values(&self) -> Item {
        [(":pk", &self.pk), (":low", &self.low), (":high", &self.high)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value.clone())))
            .collect()
    }
}

/// The table or one of its indexes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Index {
    Table,
    Gsi1,
    Gsi2,
    Gsi3,
    Gsi4,
}

impl Index {
    /// Returns the index's name, for a query.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Table => None,
            Self::Gsi1 => Some("gsi1"),
            Self::Gsi2 => Some("gsi2"),
            Self::Gsi3 => Some("gsi3"),
            Self::Gsi4 => Some("gsi4"),
        }
    }

    /// Returns the condition of a query for a range of sort keys in a partition, both ends
    /// included.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::Table => "pk = :pk AND sk BETWEEN :low AND :high",
            Self::Gsi1 => "gsi1pk = :pk AND gsi1sk BETWEEN :low AND :high",
            Self::Gsi2 => "gsi2pk = :pk AND gsi2sk BETWEEN :low AND :high",
            Self::Gsi3 => "gsi3pk = :pk AND gsi3sk BETWEEN :low AND :high",
            Self::Gsi4 => "gsi4pk = :pk AND gsi4sk BETWEEN :low AND :high",
        }
    }

    /// Returns the sort key of an item of the table or index.
    pub(crate) fn position(self, item: &Item) -> Option<&str> {
        let name = match self {
            Self::Table => SK,
            Self::Gsi1 => "gsi1sk",
            Self::Gsi2 => "gsi2sk",
            Self::Gsi3 => "gsi3sk",
            Self::Gsi4 => "gsi4sk",
        };
        item.get(name)?.as_s().ok().map(String::as_str)
    }
}

/// Sorts behind every character of an id and of `#`, and so behind everything that begins with a
/// key.
const BEHIND: char = '~';

/// Returns the range of the items of these records, children included.
pub(crate) fn records(patient: UserId, oldest: RecordId, newest: RecordId) -> Range {
    Range {
        index: Index::Table,
        pk: chart(patient),
        low: format!("RECORD#{oldest}"),
        high: format!("RECORD#{newest}{BEHIND}"),
    }
}

/// Returns the range of the sessions after the watermark `ended_through`, up to and including
/// `newest`, or the last one.
pub(crate) fn sessions(
    user: UserId,
    ended_through: Option<SessionId>,
    newest: Option<SessionId>,
) -> Range {
    let low = ended_through.map_or("SESSION#".to_owned(), |id| format!("SESSION#{id}{BEHIND}"));
    let high = newest.map_or(format!("SESSION#{BEHIND}"), |id| format!("SESSION#{id}"));
    Range { index: Index::Table, pk: format!("USER#{user}"), low, high }
}

/// Returns the range of the assignments of these records.
pub(crate) fn assigned_records(doctor: UserId, oldest: RecordId, newest: RecordId) -> Range {
    Range {
        index: Index::Table,
        pk: assignments(doctor),
        low: format!("RECORD#{oldest}"),
        high: format!("RECORD#{newest}"),
    }
}

/// Returns the range of a patient's records with their children, in descending order from before
/// the sort key `before`, or from the last one.
pub(crate) fn chart_before(patient: UserId, before: Option<&str>) -> Range {
    let low = "RECORD#".to_owned();
    Range {
        index: Index::Table,
        pk: chart(patient),
        high: before.map_or_else(|| format!("RECORD#{BEHIND}"), just_below),
        low,
    }
}

/// Returns the range of an inbox's notifications, in descending order from before the sort key
/// `before`, or from the last one.
pub(crate) fn inbox_before(recipient: UserId, before: Option<&str>) -> Range {
    let low = "NOTIFICATION#".to_owned();
    Range {
        index: Index::Table,
        pk: inbox(recipient),
        high: before.map_or_else(|| format!("NOTIFICATION#{BEHIND}"), just_below),
        low,
    }
}

/// Returns a key below this one and above all smaller ones in use.
#[expect(clippy::expect_used, reason = "sort keys end with the digit of an id")]
fn just_below(key: &str) -> String {
    // A record's id ends where its children's keys go on with `#`, and a child's key comes above
    // the record's.
    let mut chars = key.chars();
    let last = chars.next_back().and_then(|last| char::from_u32(u32::from(last) - 1));
    format!("{}{}{BEHIND}", chars.as_str(), last.expect("a sort key ends with a digit"))
}

/// Returns the range of the records to which an admin has, or had, emergency access.
pub(crate) fn emergency_accesses(admin: UserId) -> Range {
    Range {
        index: Index::Table,
        pk: emergency_accesses_of(admin),
        low: "RECORD#".to_owned(),
        high: format!("RECORD#{BEHIND}"),
    }
}

/// Returns the range of the notifications after `after`, or from the first one, up to and including
/// `through`, or the last one.
pub(crate) fn notifications(
    recipient: UserId,
    after: Option<NotificationId>,
    through: Option<NotificationId>,
) -> Range {
    let low = after.map_or("NOTIFICATION#".to_owned(), |id| format!("NOTIFICATION#{id}{BEHIND}"));
    let high = through.map_or(format!("NOTIFICATION#{BEHIND}"), |id| format!("NOTIFICATION#{id}"));
    Range { index: Index::Table, pk: inbox(recipient), low, high }
}

/// Returns the range of the notifications from `oldest` on.
pub(crate) fn notifications_since(recipient: UserId, oldest: NotificationId) -> Range {
    let low = format!("NOTIFICATION#{oldest}");
    Range { low, ..notifications(recipient, None, None) }
}

/// Returns the range of the unread notifications after `after`.
pub(crate) fn unread(recipient: UserId, after: Option<NotificationId>) -> Range {
    let low = after.map_or("!".to_owned(), |id| format!("{id}{BEHIND}"));
    Range { index: Index::Gsi1, pk: format!("UNREAD#{recipient}"), low, high: BEHIND.to_string() }
}

pub(crate) fn signing_keys() -> Range {
    Range {
        index: Index::Table,
        pk: SIGNING_KEYS.to_owned(),
        low: "KEY#".to_owned(),
        high: format!("KEY#{BEHIND}"),
    }
}

/// Returns the ranges of the counters of days, both ends included: one range for each year.
pub(crate) fn counters_between(first: Date, last: Date) -> impl Iterator<Item = Range> {
    (first.year()..=last.year()).map(move |year| Range {
        index: Index::Table,
        pk: counters_of_year(year),
        low: first.to_string(),
        high: format!("{last}{BEHIND}"),
    })
}

/// Returns the range of events about a user's chart and account, both ends included.
pub(crate) fn audit_events(subject: UserId, oldest: EventId, newest: EventId) -> Range {
    Range {
        index: Index::Table,
        pk: format!("AUDIT#{subject}"),
        low: oldest.to_string(),
        high: newest.to_string(),
    }
}

/// Returns the range of the versions of an annotation up to and including `newest`.
pub(crate) fn annotation_versions(patient: UserId, annotation: AnnotationId, newest: u64) -> Range {
    let part = |version| format!("HISTORY#{annotation}#{}", version_part(version));
    Range { index: Index::Table, pk: chart(patient), low: part(0), high: part(newest) }
}

/// Returns the range of the versions of a record up to and including `newest`.
pub(crate) fn record_versions(patient: UserId, record: RecordId, newest: u64) -> Range {
    let part = |version| format!("HISTORY#{record}#{}", version_part(version));
    Range { index: Index::Table, pk: chart(patient), low: part(0), high: part(newest) }
}

/// Returns the range of the directory of doctors, all or of one specialization, after the sort key
/// `after`.
pub(crate) fn directory(specialization: Option<&str>, after: Option<&str>) -> Range {
    let (index, pk) = match specialization {
        None => (Index::Gsi1, DOCTORS.to_owned()),
        Some(slug) => (Index::Gsi2, doctors_of(slug)),
    };
    named(index, pk, "", after)
}

/// Returns the range of the entries of the doctors in the directory whom a search finds, after the
/// sort key `after`. The search must not be empty.
pub(crate) fn doctors_named(
    specialization: Option<&str>,
    search: &NameSearch,
    after: Option<&str>,
) -> Range {
    let words = Words::of(search);
    let (index, pk) = match specialization {
        None => (Index::Gsi1, doctor_names(words, search.as_str())),
        Some(slug) => (Index::Gsi2, specialist_names(words, slug)),
    };
    named(index, pk, search.as_str(), after)
}

/// Returns the range of the entries of the users whom a search finds, after the sort key `after`.
/// The search must not be empty.
pub(crate) fn users_named(search: &NameSearch, after: Option<&str>) -> Range {
    named(Index::Gsi4, user_names(Words::of(search), search.as_str()), search.as_str(), after)
}

/// Returns the range of a user's entries in the search by name.
pub(crate) fn names(user: UserId) -> Range {
    let high = BEHIND.to_string();
    Range { index: Index::Table, pk: names_of(user), low: "0".to_owned(), high }
}

/// Returns the range of the entries whose name begins with `prefix`, sorted by name, after the sort
/// key `after`.
fn named(index: Index, pk: String, prefix: &str, after: Option<&str>) -> Range {
    let prefix = key_part(prefix, MAX_NAME);
    // An empty string is no key; nothing in a name sorts below the first control character.
    let low = match after {
        Some(after) => format!("{after}\u{1}"),
        None if prefix.is_empty() => "\u{1}".to_owned(),
        None => prefix.to_owned(),
    };
    Range { index, pk, low, high: format!("{prefix}\u{10ffff}") }
}

/// Returns the range of all items of a partition, of the table or an index, that is sorted by ids,
/// up to and including `newest`.
fn all_ids(index: Index, pk: String, newest: Option<String>) -> Range {
    Range { index, pk, low: "!".to_owned(), high: newest.unwrap_or(BEHIND.to_string()) }
}

/// Returns the range of the recoveries that wait.
pub(crate) fn recoveries(newest: Option<UserId>) -> Range {
    all_ids(Index::Table, RECOVERIES.to_owned(), newest.map(|id| id.to_string()))
}

/// Returns the range of the user with an address: one at most.
pub(crate) fn users_with_email(email: &Email) -> Range {
    all_ids(Index::Gsi4, email_entry(email), None)
}

/// Returns the range of the doctors whose licence has this approval, without those to whom records
/// can be assigned.
pub(crate) fn doctors_by_approval(approval: Approval, newest: Option<UserId>) -> Range {
    all_ids(Index::Gsi2, doctors_of_approval(approval), newest.map(|id| id.to_string()))
}

/// Returns the range of the events of an actor.
pub(crate) fn events_by(actor: UserId, newest: Option<EventId>) -> Range {
    all_ids(Index::Gsi2, events_of_actor(actor), newest.map(|id| id.to_string()))
}

/// The prefixes of the partitions of the newest-first lists.
pub(crate) const USERS: &str = "USER#";
pub(crate) const RECORDS: &str = "RECORD#";
pub(crate) const FILES: &str = "FILE#";
pub(crate) const ANNOTATIONS: &str = "ANNOTATION#";
pub(crate) const NOTIFICATIONS: &str = "NOTIFICATION#";
pub(crate) const MAILS: &str = "MAIL#";

/// Returns the ranges of the entries of a list in a month, from one id to another, both included;
/// one range for each shard.
pub(crate) fn listed_in_month(
    list: &'static str,
    month: Date,
    oldest: Uuid,
    newest: Uuid,
) -> impl Iterator<Item = Range> {
    (0..SHARDS).map(move |shard| ids_between(month_partition(list, month, shard), oldest, newest))
}

/// Returns the range of the entry of one id in a list.
pub(crate) fn listed_as(list: &str, id: Uuid, created_at: Timestamp) -> Range {
    ids_between(month_partition(list, month_of(created_at), shard_of(id)), id, id)
}

fn ids_between(pk: String, oldest: Uuid, newest: Uuid) -> Range {
    Range { index: Index::Gsi3, pk, low: oldest.to_string(), high: newest.to_string() }
}

/// Returns the range of the stored mails to a user.
pub(crate) fn mails_of(user: UserId, newest: Option<MailId>) -> Range {
    all_ids(Index::Gsi2, mails_to(user), newest.map(|id| id.to_string()))
}

const DOCTORS: &str = "DOCTORS";

fn doctors_of(slug: &str) -> String {
    format!("SPECIALIZATION#{slug}")
}

/// How many bytes of a folded name a sort key holds, which has at most 1,024: an id and a number
/// fit, too.
const MAX_NAME: usize = 960;

/// Returns the beginning of a folded name.
fn key_part(name: &str, max_bytes: usize) -> &str {
    &name[..name.floor_char_boundary(max_bytes)]
}

fn email_entry(email: &Email) -> String {
    format!("ACCOUNT_EMAIL#{}", email_hash(email))
}

fn doctors_of_approval(approval: Approval) -> String {
    format!("APPROVAL#{approval}")
}

fn events_of_actor(actor: UserId) -> String {
    format!("ACTOR#{actor}")
}

fn mails_to(user: UserId) -> String {
    format!("MAILED#{user}")
}

/// The searches that an entry in the search by name is for.
#[derive(Clone, Copy)]
pub(crate) enum Words {
    /// Of one word.
    One,
    /// Of several words.
    Several,
}

impl Words {
    fn of(search: &NameSearch) -> Self {
        if search.has_several_words() { Self::Several } else { Self::One }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::One => "WORD",
            Self::Several => "WORDS",
        }
    }
}

/// Returns the partition of users with this beginning of a key of the search by name. It is chosen
/// by the first letter, so that a search knows its partition and the users are spread.
fn user_names(words: Words, key: &str) -> String {
    format!("NAME#{}#{}", words.as_str(), initial(key))
}

/// Returns the partition of doctors in the directory, as [`user_names`].
fn doctor_names(words: Words, key: &str) -> String {
    format!("DOCTOR_NAME#{}#{}", words.as_str(), initial(key))
}

/// Returns the partition of the names of doctors of a specialization.
fn specialist_names(words: Words, slug: &str) -> String {
    format!("SPECIALIST_NAME#{}#{slug}", words.as_str())
}

fn initial(key: &str) -> String {
    key.chars().next().map(String::from).unwrap_or_default()
}

pub(crate) type IndexKeys = Vec<(&'static str, String)>;

pub(crate) fn account_indexes(account: &Account) -> IndexKeys {
    let mut keys = newest_first(USERS, account.id, account.id.created_at());
    let folded =
        |name: &Name| key_part(NameSearch::of(name.as_str()).as_str(), MAX_NAME / 2).to_owned();
    let position =
        format!("{}#{}#{}", folded(&account.last_name), folded(&account.first_name), account.id);
    if let Some(profile) = account.assignable_doctor() {
        keys.extend([
            ("gsi1pk", DOCTORS.to_owned()),
            ("gsi1sk", position.clone()),
            ("gsi2pk", doctors_of(&profile.specialization.slug())),
            ("gsi2sk", position),
        ]);
    } else if let (Some(approval), Some(_), true) =
        (account.approval, account.doctor_profile(), account.is_active)
    {
        keys.extend([
            ("gsi2pk", doctors_of_approval(approval)),
            ("gsi2sk", account.id.to_string()),
        ]);
    }
    keys
}

/// Returns the keys of a user's entry in the search by name, under a key of the name. `shared` is
/// the number of leading bytes that the previous key has, too: a search for no more bytes finds the
/// user there. `specialization` is that of a doctor in the directory, as a slug.
pub(crate) fn name_indexes(
    user: UserId,
    words: Words,
    key: &str,
    shared: usize,
    specialization: Option<&str>,
) -> IndexKeys {
    let position = format!("{}#{user}#{shared}", key_part(key, MAX_NAME));
    let mut keys = vec![("gsi4pk", user_names(words, key)), ("gsi4sk", position.clone())];
    if let Some(slug) = specialization {
        keys.extend([
            ("gsi1pk", doctor_names(words, key)),
            ("gsi1sk", position.clone()),
            ("gsi2pk", specialist_names(words, slug)),
            ("gsi2sk", position),
        ]);
    }
    keys
}

/// Returns whether a search finds a user first at this entry, by its sort key in an index.
pub(crate) fn is_first_found(position: &str, search: &NameSearch) -> bool {
    let shared = position.rsplit('#').next().and_then(|number| number.parse::<usize>().ok());
    shared.is_none_or(|shared| key_part(search.as_str(), MAX_NAME).len() > shared)
}

pub(crate) fn credentials_indexes(email: &Email, user: UserId) -> IndexKeys {
    vec![("gsi4pk", email_entry(email)), ("gsi4sk", user.to_string())]
}

pub(crate) fn record_indexes(record: &Record) -> IndexKeys {
    newest_first(RECORDS, record.id, record.id.created_at())
}

pub(crate) fn file_lookup_indexes(file: FileId) -> IndexKeys {
    newest_first(FILES, file, file.created_at())
}

pub(crate) fn annotation_lookup_indexes(annotation: AnnotationId) -> IndexKeys {
    newest_first(ANNOTATIONS, annotation, annotation.created_at())
}

pub(crate) fn notification_indexes(notification: &Notification) -> IndexKeys {
    let id = notification.id;
    let mut keys = newest_first(NOTIFICATIONS, id, id.created_at());
    if notification.read_at.is_none() {
        keys.extend([
            ("gsi1pk", format!("UNREAD#{}", notification.recipient_id)),
            ("gsi1sk", id.to_string()),
        ]);
    }
    keys
}

/// The clause that takes a notification out of the index of unread ones.
pub(crate) const NO_LONGER_UNREAD: &str = "REMOVE gsi1pk, gsi1sk";

/// Condition: the notification is in the index of unread ones.
pub(crate) const IS_UNREAD: &str = "attribute_exists(gsi1pk)";

pub(crate) fn audit_event_indexes(event: &AuditEvent) -> IndexKeys {
    vec![("gsi2pk", events_of_actor(event.actor_id)), ("gsi2sk", event.id.to_string())]
}

pub(crate) fn mail_indexes(mail: &Mail) -> IndexKeys {
    let mut keys = newest_first(MAILS, mail.id, mail.id.created_at());
    keys.extend([("gsi2pk", mails_to(mail.user_id)), ("gsi2sk", mail.id.to_string())]);
    keys
}

/// The number of partitions of one month of a list. A partition takes 1,000 writes per second:
/// eight avoid a hot partition in a busy month, and are few enough to be read at once and merged.
const SHARDS: u8 = 8;

/// The first month of operation, at which lists end. Older things were imported: they are in the
/// partitions of this month, too, sorted by id.
const FIRST_MONTH: Date = jiff::civil::date(2026, 1, 1);

/// Returns the keys in gsi3, which lists everything of a kind, newest first, by month of creation
/// (UTC) and shard.
fn newest_first(list: &str, id: impl Into<Uuid>, created_at: Timestamp) -> IndexKeys {
    let id = id.into();
    vec![
        ("gsi3pk", month_partition(list, month_of(created_at), shard_of(id))),
        ("gsi3sk", id.to_string()),
    ]
}

/// Returns the shard of an id, chosen by its last byte, which is random.
fn shard_of(id: Uuid) -> u8 {
    id.as_bytes()[15] % SHARDS
}

fn month_partition(list: &str, month: Date, shard: u8) -> String {
    format!("{list}{:04}{:02}#{shard}", month.year(), month.month())
}

/// Returns the first day of the month (UTC) in which something created at this time is listed.
pub(crate) fn month_of(created_at: Timestamp) -> Date {
    created_at.to_zoned(TimeZone::UTC).date().first_of_month().max(FIRST_MONTH)
}
