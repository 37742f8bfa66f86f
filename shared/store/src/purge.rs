//! The second half of bulk actions on inboxes, run by the function that reads the table's stream.
//! Each operation can be interrupted and repeated.

use domain::id::{NotificationId, UserId};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::attributes::Item;
use crate::error::Error;
use crate::keys::{self, Key, Range};
use crate::read::{Consistency, Query};
use crate::table::Table;

/// How many notifications are read before the next writes.
const READ_AT_ONCE: usize = 500;

/// How many notifications are updated concurrently.
const UPDATED_AT_ONCE: usize = 8;

impl Table {
    /// Deletes the notifications that a bulk deletion covers: all up to and including `through`.
    pub async fn purge_deleted(
        &self,
        recipient: UserId,
        through: NotificationId,
    ) -> Result<(), Error> {
        let range = keys::notifications(recipient, None, Some(through));
        let mut start = None;
        loop {
            let (keys, rest) = self.list_keys(&range, None, start).await?;
            self.delete_all(keys).await?;
            start = rest;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Sets the time of a mark-all-read in the unread notifications that it covers: those above
    /// `after`, the bound of the mark-all-read before it, up to and including `through`.
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
            let (keys, rest) = self.list_keys(&range, Some(keys::IS_UNREAD), start).await?;
            let updates = keys.iter().filter_map(Key::of).map(|key| self.set_read(key, at));
            stream::iter(updates)
                .buffer_unordered(UPDATED_AT_ONCE)
                .try_for_each(|_| async { Ok(()) })
                .await?;
            start = rest;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads the keys of the next items of a range that meet the filter, and where the range goes
    /// on.
    async fn list_keys(
        &self,
        range: &Range,
        filter: Option<&'static str>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let query = Query {
            consistency: Consistency::Strong,
            filter,
            projection: Some(keys::KEY_ATTRIBUTES),
            ..Query::of(range, READ_AT_ONCE)
        };
        self.send_query(&query, start).await
    }
}
