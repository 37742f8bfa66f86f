//! Between the domain's types and the table's items.
//!
//! An item holds the fields of its type under their own names, without those that its key says
//! already and without absent ones, and beside them `pk`, `sk`, `entity` and the keys of indexes.
//! Reading ignores what it does not know.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::{Account, Credentials};
use domain::audit::AuditEvent;
use domain::counter::Counts;
use domain::email::Email;
use domain::file::File;
use domain::id::{AnnotationId, EventId, FileId, RecordId, UserId};
use domain::key::SigningKey;
use domain::mail::{Delivery, Mail, MailToken};
use domain::notification::{InboxState, Notification};
use domain::rate::FailureCount;
use domain::record::{Annotation, AnnotationVersion, Record};
use domain::second_factor::SecondFactor;
use domain::session::Session;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::archive::ArchiveHead;
use crate::emergency_access::EmergencyAccess;
use crate::error::Error;
use crate::keys::{self, ENTITY, IndexKeys, Key, PK, SK};
use crate::records::Assignment;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A type that items are made of.
pub(crate) trait Stored: Serialize + DeserializeOwned {
    /// The value of the attribute `entity`.
    const ENTITY: &'static str;
    /// The fields whose values are the ids of the key, in the key's order.
    const IN_KEY: &'static [&'static str];
}

macro_rules! stored {
    ($($type:ty: $entity:literal, [$($field:literal),*];)+) => {
        $(impl Stored for $type {
            const ENTITY: &'static str = $entity;
            const IN_KEY: &'static [&'static str] = &[$($field),*];
        })+
    };
}

stored! {
    Account: "user", ["id"];
    Credentials: "credentials", [];
    SecondFactor: "second_factor", ["user_id"];
    FailureCount: "attempts", [];
    Session: "session", ["user_id", "id"];
    Record: "record", ["patient_id", "id"];
    File: "file", ["patient_id", "record_id", "id"];
    Annotation: "annotation", ["patient_id", "record_id", "id"];
    Assignment: "assignment", ["doctor_id", "record_id"];
    Lookup: "lookup", [];
    Notification: "notification", ["recipient_id", "id"];
    InboxState: "inbox_state", [];
    AnnotationVersion: "annotation_version", ["patient_id", "annotation_id"];
    AuditEvent: "audit_event", ["subject_id", "id"];
    ArchiveHead: "archive_head", [];
    SigningKey: "signing_key", [];
    Mail: "mail", ["id"];
    MailToken: "mail_token", [];
    EmergencyAccess: "glass", ["admin_id", "record_id"];
    Counts: "counters", [];
}

/// Where a file or an annotation lies, found by its own id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lookup {
    /// Whose chart it is in.
    pub patient_id: UserId,
    /// Which record it belongs to.
    pub record_id: RecordId,
    /// Who wrote it, where it is an annotation.
    pub author_id: Option<UserId>,
}

pub(crate) fn account(account: &Account) -> Result<Item, Error> {
    item(account, keys::account(account.id), keys::account_indexes(account))
}

pub(crate) fn credentials(email: &Email, credentials: &Credentials) -> Result<Item, Error> {
    item(
        credentials,
        keys::credentials(email),
        keys::credentials_indexes(email, credentials.user_id),
    )
}

pub(crate) fn second_factor(factor: &SecondFactor) -> Result<Item, Error> {
    item(factor, keys::second_factor(factor.user_id), Vec::new())
}

pub(crate) fn attempts(key: Key, attempts: &FailureCount) -> Result<Item, Error> {
    item(attempts, key, Vec::new())
}

pub(crate) fn session(session: &Session) -> Result<Item, Error> {
    item(session, keys::session(session.user_id, session.id), Vec::new())
}

pub(crate) fn record(record: &Record) -> Result<Item, Error> {
    item(record, keys::record(record.patient_id, record.id), keys::record_indexes(record))
}

pub(crate) fn assignment(assignment: &Assignment) -> Result<Item, Error> {
    item(assignment, keys::assignment(assignment.doctor_id, assignment.record_id), Vec::new())
}

pub(crate) fn file(file: &File) -> Result<Item, Error> {
    item(file, keys::file(file.patient_id, file.record_id, file.id), Vec::new())
}

pub(crate) fn file_lookup(file: FileId, lookup: &Lookup) -> Result<Item, Error> {
    item(lookup, keys::file_lookup(file), keys::file_lookup_indexes(file))
}

pub(crate) fn annotation(annotation: &Annotation) -> Result<Item, Error> {
    item(
        annotation,
        keys::annotation(annotation.patient_id, annotation.record_id, annotation.id),
        Vec::new(),
    )
}

pub(crate) fn annotation_lookup(annotation: AnnotationId, lookup: &Lookup) -> Result<Item, Error> {
    item(lookup, keys::annotation_lookup(annotation), keys::annotation_lookup_indexes(annotation))
}

pub(crate) fn notification(notification: &Notification) -> Result<Item, Error> {
    item(
        notification,
        keys::notification(notification.recipient_id, notification.id),
        keys::notification_indexes(notification),
    )
}

pub(crate) fn audit_event(event: &AuditEvent) -> Result<Item, Error> {
    item(event, keys::audit_event(event.subject_id, event.id), keys::audit_event_indexes(event))
}

pub(crate) fn glass(glass: &EmergencyAccess) -> Result<Item, Error> {
    item(glass, glass.key(), Vec::new())
}

pub(crate) fn mail(mail: &Mail) -> Result<Item, Error> {
    item(mail, keys::mail(mail.id), keys::mail_indexes(mail))
}

/// How far the mail is that goes with an item.
pub(crate) fn delivery(item: Item) -> Result<Delivery, Error> {
    read_part(item, &[]).ok_or(Error::Corrupt { entity: "delivery" })
}

pub(crate) fn mail_token(hash: &str, token: &MailToken) -> Result<Item, Error> {
    item(token, keys::mail_token(hash), Vec::new())
}

pub(crate) fn annotation_version(version: &AnnotationVersion) -> Result<Item, Error> {
    item(
        version,
        keys::annotation_version(version.patient_id, version.annotation_id, version.version),
        Vec::new(),
    )
}

/// As long as the item of an event, and nothing else.
pub(crate) fn decoy(event: &AuditEvent, ttl: i64) -> Result<Item, Error> {
    let mut decoy = audit_event(event)?;
    decoy.retain(|name, _| !name.starts_with("gsi"));
    decoy.insert(ENTITY.to_owned(), AttributeValue::S("decoy".to_owned()));
    decoy.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    decoy.extend(keys::decoy(event.subject_id).into_attributes());
    Ok(decoy)
}

pub(crate) fn archive_head(head: &ArchiveHead) -> Result<Item, Error> {
    item(head, keys::archive_head(), Vec::new())
}

/// Says that an event is in the archive, for as long as the stream may tell it again.
pub(crate) fn archived(event: EventId, ttl: i64) -> Item {
    let mut item = keys::archived(event).into_attributes();
    item.insert(ENTITY.to_owned(), AttributeValue::S("archived".to_owned()));
    item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    item
}

/// Says that something is counted, for as long as the stream may tell it again.
pub(crate) fn counted(event: &str, ttl: i64) -> Item {
    let mut item = keys::counted(event).into_attributes();
    item.insert(ENTITY.to_owned(), AttributeValue::S("counted".to_owned()));
    item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    item
}

/// A request that may be sent again, until `ttl`: who is at it (`held_by`), or what was answered
/// (`answer`).
pub(crate) fn idempotency(key: Key, ttl: Timestamp, name: &str, value: AttributeValue) -> Item {
    let mut item = key.into_attributes();
    item.insert(ENTITY.to_owned(), AttributeValue::S("idempotency".to_owned()));
    item.insert("ttl".to_owned(), AttributeValue::N(ttl.as_second().to_string()));
    item.insert(name.to_owned(), value);
    item
}

pub(crate) fn signing_key(key: &SigningKey) -> Result<Item, Error> {
    let mut item = item(key, keys::signing_key(&key.kid), Vec::new())?;
    if let Some(end) = key.retire_after {
        let ttl = end.as_second().saturating_add(KEEP_RETIRED_KEY);
        item.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    }
    Ok(item)
}

/// How long a retired key is kept, in seconds: so that what it has signed is still told from what
/// nobody has signed.
const KEEP_RETIRED_KEY: i64 = 24 * 60 * 60;

fn item<T: Stored>(value: &T, key: Key, indexes: IndexKeys) -> Result<Item, Error> {
    let corrupt = |_| Error::Corrupt { entity: T::ENTITY };
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(value).map_err(corrupt)?;
    item.retain(|name, value| !value.is_null() && !T::IN_KEY.contains(&name.as_str()));
    let told = [(PK, key.pk), (SK, key.sk), (ENTITY, T::ENTITY.to_owned())];
    item.extend(
        told.into_iter()
            .chain(indexes)
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value))),
    );
    Ok(item)
}

/// Reads an item back.
pub(crate) fn read<T: Stored>(item: Item) -> Result<T, Error> {
    let corrupt = Error::Corrupt { entity: T::ENTITY };
    if entity(&item) != T::ENTITY {
        return Err(corrupt);
    }
    read_part(item, T::IN_KEY).ok_or(corrupt)
}

/// Reads what an index shows of an item.
pub(crate) fn read_part<T: DeserializeOwned>(mut item: Item, in_key: &[&str]) -> Option<T> {
    let told: Vec<_> = in_key
        .iter()
        .map(|name| (*name).to_owned())
        .zip(keys::ids(&item).map(str::to_owned).map(AttributeValue::S))
        .collect();
    item.extend(told);
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).ok()
}

/// What an item is.
pub(crate) fn entity(item: &Item) -> &str {
    text(item, ENTITY).unwrap_or_default()
}

/// A text attribute of an item.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// About how many bytes of an answer an item becomes.
pub(crate) fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.as_s().map_or(8, String::len)).sum()
}
