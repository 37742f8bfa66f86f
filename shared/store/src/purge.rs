//! What bulk actions leave to be done later. Everything here can be interrupted and repeated.

use domain::id::{NotificationId, UserId};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::Store;
use crate::error::{Error, classify};
use crate::item::Item;
use crate::keys::{self, Key, Range};

/// How many notifications are looked at between two writes.
const STRETCH: i32 = 500;

/// How many notifications are updated at once.
const AT_ONCE: usize = 8;

impl Store {
    /// Deletes the notifications that a bulk deletion covers: all up to and with `through`.
    pub async fn purge_deleted(
        &self,
        recipient: UserId,
        through: NotificationId,
    ) -> Result<(), Error> {
        let range = keys::notifications(recipient, None, Some(through));
        let mut start = None;
        loop {
            let (keys, rest) = self.stretch(&range, None, start).await?;
            self.delete_all(keys).await?;
            start = rest;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Gives the unread notifications that mark-all-read covers the time at which that was: those
    /// above `after`, which the mark-all-read before covered, up to and with `through`.
    pub async fn settle_read(
        &self,
        recipient: UserId,
        after: Option<NotificationId>,
        through: NotificationId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let range = keys::notifications(recipient, after, Some(through));
        let mut start = None;
        loop {
            let (keys, rest) = self.stretch(&range, Some(keys::IS_UNREAD), start).await?;
            let updates = keys.iter().filter_map(Key::of).map(|key| self.set_read(key, at));
            stream::iter(updates)
                .buffer_unordered(AT_ONCE)
                .try_for_each(|_| async { Ok(()) })
                .await?;
            start = rest;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// The keys of the next stretch of a range, of those items that meet the filter, and where it
    /// goes on.
    async fn stretch(
        &self,
        range: &Range,
        filter: Option<&str>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let sent = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression(range.index.condition())
            .set_filter_expression(filter.map(str::to_owned))
            .set_expression_attribute_values(Some(range.values()))
            .projection_expression(keys::KEY_ATTRIBUTES)
            .consistent_read(true)
            .limit(STRETCH)
            .set_exclusive_start_key(start)
            .send()
            .await;
        let response = sent.map_err(|error| classify("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }
}
