//! What the archive of the audit trail needs of the table: events as they are stored, proofs that
//! functions wrote them, and how far the archive goes.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::audit::AuditEvent;
use domain::id::EventId;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Store;
use crate::error::{Error, UpdateError, classify};
use crate::item::{self, Item, Stored};
use crate::keys::{self, SK};
use crate::read::Consistency;
use crate::write::{PutOutcome, string};

/// The attribute of an event that proves that somebody with the key wrote it.
const PROOF: &str = "proof";

/// The key with which functions prove that they wrote an event. Who can write to the table and does
/// not have it can invent no event that stands a comparison.
#[derive(Clone, Debug)]
pub struct AuditKey(hmac::Key);

impl AuditKey {
    /// The key that is made from a secret.
    pub fn new(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The proof of an event, as its attribute.
    pub fn prove(&self, event: &StoredEvent) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &event.proved()))
    }
}

/// An event as it is stored: every attribute of its item, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredEvent(BTreeMap<String, Value>);

impl StoredEvent {
    /// The event that a record of the stream tells of; `None` when it tells of anything else than a
    /// new event.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an event has no id.
    pub fn from_image(event_name: &str, new: serde_dynamo::Item) -> Result<Option<Self>, Error> {
        let item = Item::from(new);
        if event_name != "INSERT" || item::entity(&item) != AuditEvent::ENTITY {
            return Ok(None);
        }
        Self::of(item).map(Some)
    }

    fn of(item: Item) -> Result<Self, Error> {
        let corrupt = Error::Corrupt { entity: AuditEvent::ENTITY };
        let Ok(attributes) = serde_dynamo::aws_sdk_dynamodb_1::from_item(item) else {
            return Err(corrupt);
        };
        let event = Self(attributes);
        if event.id().is_some() { Ok(event) } else { Err(corrupt) }
    }

    /// The event's id; `None` only for what was never an event.
    pub fn id(&self) -> Option<EventId> {
        self.0.get(SK)?.as_str()?.parse().ok()
    }

    /// Whether somebody with the key wrote exactly this.
    pub fn is_proved(&self, key: &AuditKey) -> bool {
        let proof = self
            .0
            .get(PROOF)
            .and_then(Value::as_str)
            .and_then(|proof| URL_SAFE_NO_PAD.decode(proof).ok());
        proof.is_some_and(|proof| hmac::verify(&key.0, &self.proved(), &proof).is_ok())
    }

    /// What a proof is about: everything but itself, in the order of the names.
    fn proved(&self) -> Vec<u8> {
        let told: BTreeMap<_, _> =
            self.0.iter().filter(|(name, _)| name.as_str() != PROOF).collect();
        // A map of names and JSON values can be written down.
        serde_json::to_vec(&told).unwrap_or_default()
    }
}

/// Where the archive ends: the last link of its chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ArchiveHead {
    /// How many links there are.
    pub sequence: u64,
    /// The hash of the last one; empty before the first.
    pub tip: String,
}

/// How long a table's stream may tell something again: it keeps records for a day, and nobody can
/// ask it for older ones.
const TOLD_AGAIN: SignedDuration = SignedDuration::from_hours(48);

/// How many marks are written at once.
const MARKS_AT_ONCE: usize = 16;

impl Store {
    /// The store that proves the events it writes.
    #[must_use]
    pub fn proving(self, key: AuditKey) -> Self {
        Self { audit_key: Some(key), ..self }
    }

    /// The item, proved if it is an event.
    pub(crate) fn prove(&self, mut item: Item) -> Result<Item, Error> {
        if let Some(key) = &self.audit_key
            && item::entity(&item) == AuditEvent::ENTITY
        {
            let proof = key.prove(&StoredEvent::of(item.clone())?);
            item.insert(PROOF.to_owned(), AttributeValue::S(proof));
        }
        Ok(item)
    }

    /// Where the archive ends, strongly consistent.
    pub async fn get_archive_head(&self) -> Result<ArchiveHead, Error> {
        self.get(keys::archive_head(), Consistency::Strong).await.map(Option::unwrap_or_default)
    }

    /// Says that the archive goes on from `before` to `after`.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when it does not end at `before` any more.
    pub async fn update_archive_head(
        &self,
        before: &ArchiveHead,
        after: &ArchiveHead,
    ) -> Result<(), UpdateError> {
        let written = if *before == ArchiveHead::default() {
            self.put_if(item::archive_head(after)?, "attribute_not_exists(pk)", []).await?
        } else {
            self.put_if(
                item::archive_head(after)?,
                "tip = :before",
                [string(":before", &before.tip)],
            )
            .await?
        };
        match written {
            PutOutcome::Done => Ok(()),
            PutOutcome::Refused(_) => Err(UpdateError::Stale),
        }
    }

    /// Which of some events are in the archive, as far as the stream may still tell of them;
    /// strongly consistent.
    pub async fn get_archived_events(&self, events: &[EventId]) -> Result<HashSet<EventId>, Error> {
        let items =
            self.get_all(events.iter().copied().map(keys::archived), Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| keys::ids(item).next()?.parse().ok()).collect())
    }

    /// Marks events as archived, until the stream cannot tell of them again.
    pub async fn mark_archived(&self, events: &[EventId], now: Timestamp) -> Result<(), Error> {
        let ttl = now.saturating_add(TOLD_AGAIN).unwrap_or(now).as_second();
        let marks = events.iter().map(|event| self.put(item::archived(*event, ttl)));
        stream::iter(marks)
            .buffer_unordered(MARKS_AT_ONCE)
            .try_for_each(|()| async { Ok(()) })
            .await
    }

    /// Shows every event of the table to `see`. Reads the whole table: for those who compare it
    /// with the archive, never for a request.
    pub async fn scan_events(&self, mut see: impl FnMut(StoredEvent)) -> Result<(), Error> {
        let mut start = None;
        loop {
            let sent = self
                .client
                .scan()
                .table_name(&self.table)
                .filter_expression("entity = :event")
                .expression_attribute_values(
                    ":event",
                    AttributeValue::S(AuditEvent::ENTITY.to_owned()),
                )
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await;
            let response = sent.map_err(|error| classify("Scan", &error))?;
            for item in response.items.unwrap_or_default() {
                see(StoredEvent::of(item)?);
            }
            start = response.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}
