//! Archive of the audit trail, as far as the table knows it: which events are archived, where the
//! archive ends, and all events for a comparison.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::AuditEvent;
use domain::id::EventId;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attributes::string;
use crate::error::{Error, UpdateError, classify};
use crate::item::{Keyed, Stored, mark, to_item};
use crate::keys::{self, ItemKey};
use crate::proof::StoredEvent;
use crate::read::Consistency;
use crate::stream::STREAM_REPEATS_FOR;
use crate::table::Table;
use crate::write::{IS_NEW, PutOutcome};

/// The end of the archive: the last link of its hash chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ArchiveHead {
    /// The number of links.
    pub sequence: u64,
    /// The hash of the last link; empty before the first.
    pub tip: String,
}

impl Stored for ArchiveHead {
    const ENTITY: &'static str = "archive_head";
    const IN_KEY: &'static [&'static str] = &[];
}

impl Keyed for ArchiveHead {
    fn key(&self) -> ItemKey {
        keys::archive_head()
    }
}

/// How many marks are written concurrently.
const MARKS_AT_ONCE: usize = 16;

impl Table {
    /// Reads the end of the archive, strongly consistent.
    pub async fn get_archive_head(&self) -> Result<ArchiveHead, Error> {
        self.get(keys::archive_head(), Consistency::Strong).await.map(Option::unwrap_or_default)
    }

    /// Moves the end of the archive from `before` to `after`.
    ///
    /// # Errors
    /// [`UpdateError::Stale`] when the archive does not end at `before` any more.
    pub async fn update_archive_head(
        &self,
        before: &ArchiveHead,
        after: &ArchiveHead,
    ) -> Result<(), UpdateError> {
        let written = if *before == ArchiveHead::default() {
            self.put_if(to_item(after)?, IS_NEW, []).await?
        } else {
            self.put_if(to_item(after)?, "tip = :before", [string(":before", &before.tip)]).await?
        };
        match written {
            PutOutcome::Done => Ok(()),
            PutOutcome::ConditionFailed(_) => Err(UpdateError::Stale),
        }
    }

    /// Returns those of these events that are archived, strongly consistent. Complete only for
    /// events that the stream may still deliver.
    pub async fn get_archived_events(&self, events: &[EventId]) -> Result<HashSet<EventId>, Error> {
        let items =
            self.get_all(events.iter().copied().map(keys::archived), Consistency::Strong).await?;
        Ok(items.iter().filter_map(|item| keys::ids(item).next()?.parse().ok()).collect())
    }

    /// Marks events as archived, until the stream cannot deliver them again.
    pub async fn mark_archived(&self, events: &[EventId], now: Timestamp) -> Result<(), Error> {
        let until = now.saturating_add(STREAM_REPEATS_FOR).unwrap_or(now);
        let marks =
            events.iter().map(|event| self.put(mark(keys::archived(*event), "archived", until)));
        stream::iter(marks)
            .buffer_unordered(MARKS_AT_ONCE)
            .try_for_each(|()| async { Ok(()) })
            .await
    }

    /// Passes every event of the table to `visit`. Reads the whole table: for the comparison with
    /// the archive, never for a request.
    pub async fn scan_events(&self, mut visit: impl FnMut(StoredEvent)) -> Result<(), Error> {
        let mut start = None;
        loop {
            let sent = self
                .client
                .scan()
                .table_name(&self.name)
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
                visit(StoredEvent::of(item)?);
            }
            start = response.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}
