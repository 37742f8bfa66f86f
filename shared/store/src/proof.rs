//! Proofs (HMAC) that a function with the audit key has written an event of the audit trail.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use crypto::{HmacKey, RotatingSecret};
use domain::audit::AuditEvent;
use domain::id::EventId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attributes::{ENTITY, Item, SK, TTL, entity};
use crate::error::Error;
use crate::item::{Stored, read_part, to_item_at};
use crate::keys;

impl Stored for AuditEvent {
    const ENTITY: &'static str = "audit_event";
    const IN_KEY: &'static [&'static str] = &["subject_id", "id"];
}

/// The attribute of an event with its proof.
const PROOF: &str = "proof";

/// The key with which functions prove that they have written an event. An event that was invented
/// by someone with write access to the table, but without the key, is found by the comparison with
/// the archive.
#[derive(Clone, Debug)]
pub struct AuditKey(HmacKey);

impl AuditKey {
    /// Makes the key from a secret.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self(HmacKey::new(secret))
    }

    /// Makes the item of an event, with its proof. There is no other way to make one.
    pub(crate) fn event_item(&self, event: &AuditEvent) -> Result<Item, Error> {
        let mut item = unproved_item(event)?;
        let proof = self.prove(&StoredEvent::of(item.clone())?);
        item.insert(PROOF.to_owned(), AttributeValue::S(proof));
        Ok(item)
    }

    /// Returns the proof of an event, as its attribute.
    pub fn prove(&self, event: &StoredEvent) -> String {
        self.0.sign(&event.proved())
    }
}

/// An event as it is stored: every attribute of its item, by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredEvent(BTreeMap<String, Value>);

impl StoredEvent {
    /// Reads an event from a record of the stream; `None` when the record is not about a new event.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an event has no id.
    pub fn from_image(event_name: &str, new: serde_dynamo::Item) -> Result<Option<Self>, Error> {
        let item = Item::from(new);
        if event_name != "INSERT" || entity(&item) != AuditEvent::ENTITY {
            return Ok(None);
        }
        Self::of(item).map(Some)
    }

    pub(crate) fn of(item: Item) -> Result<Self, Error> {
        let event = Self(read_part(item, AuditEvent::ENTITY, &[])?);
        let id = event.id();
        id.map(|_| event).ok_or(Error::corrupt(AuditEvent::ENTITY, "its sort key is not an id"))
    }

    /// Returns the event's id; `None` only for what is not an event.
    pub fn id(&self) -> Option<EventId> {
        self.0.get(SK)?.as_str()?.parse().ok()
    }

    /// Returns whether the event was written with the key, and exactly so.
    pub fn is_proved(&self, key: &AuditKey) -> bool {
        let proof = self.0.get(PROOF).and_then(Value::as_str);
        proof.is_some_and(|proof| key.0.verify(&self.proved(), proof))
    }

    /// Returns what a proof covers: all attributes but itself, sorted by name.
    #[expect(clippy::expect_used, reason = "no map of names and JSON values fails to serialize")]
    fn proved(&self) -> Vec<u8> {
        let attributes: BTreeMap<_, _> =
            self.0.iter().filter(|(name, _)| name.as_str() != PROOF).collect();
        serde_json::to_vec(&attributes).expect("a map of names and JSON values")
    }
}

/// Makes an item that takes as long to write as the item of an event, and that the table deletes
/// soon.
pub(crate) fn decoy_item(event: &AuditEvent, now: Timestamp) -> Result<Item, Error> {
    let mut decoy = unproved_item(event)?;
    decoy.retain(|name, _| !name.starts_with("gsi"));
    decoy.insert(ENTITY.to_owned(), AttributeValue::S("decoy".to_owned()));
    decoy.insert(TTL.to_owned(), AttributeValue::N(now.as_second().to_string()));
    decoy.extend(keys::decoy(event.subject_id).into_attributes());
    Ok(decoy)
}

fn unproved_item(event: &AuditEvent) -> Result<Item, Error> {
    let key = keys::audit_event(event.subject_id, event.id);
    to_item_at(event, key, keys::audit_event_indexes(event))
}
