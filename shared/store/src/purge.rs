//! The second half of bulk actions on inboxes, run by the function that reads the table's stream.
//! Each operation can be interrupted and repeated.

use domain::id::{NotificationId, UserId};
use jiff::Timestamp;

use crate::attributes::{Item, string, text};
use crate::error::Error;
use crate::keys::{self, Key, Range};
use crate::mail::awaits_mail;
use crate::notifications::for_each;
use crate::read::{Consistency, Query};
use crate::table::Table;
use crate::write::UpdateOutcome;

/// How many notifications are read before the next writes.
const READ_AT_ONCE: usize = 500;

impl Table {
    /// Deletes the notifications that a bulk deletion covers: all up to and including `through`.
    /// Those whose mails are not sent yet are only marked as deleted: the stream reports the end of
    /// their mails as [`Change::DeletedNotificationMailed`](crate::stream::Change).
    pub async fn purge_deleted(
        &self,
        recipient: UserId,
        through: NotificationId,
    ) -> Result<(), Error> {
        self.purge(&keys::notifications(recipient, None, Some(through)), None).await
    }

    /// Deletes the notifications after `after` that are marked as deleted, unless their mails are
    /// not sent yet.
    pub async fn purge_marked(
        &self,
        recipient: UserId,
        after: Option<NotificationId>,
    ) -> Result<(), Error> {
        self.purge(
            &keys::notifications(recipient, after, None),
            Some("attribute_exists(is_deleted)"),
        )
        .await
    }

    async fn purge(&self, range: &Range, filter: Option<&'static str>) -> Result<(), Error> {
        let mut start = None;
        loop {
            let query = Query {
                consistency: Consistency::Strong,
                filter,
                ..Query::of(range, READ_AT_ONCE)
            };
            let (items, rest) = self.send_query(&query, start).await?;
            let (mut purged, mut kept) = (Vec::new(), Vec::new());
            for item in items {
                let Some(key) = Key::of(&item) else { continue };
                let seen = text(&item, "mail_state").map(str::to_owned);
                if awaits_mail(item)? {
                    kept.push(key);
                } else {
                    purged.push((key, seen));
                }
            }
            for_each(purged, |(key, seen)| self.delete_unless_ordered(key, seen)).await?;
            for_each(kept, |key| self.mark_deleted_while_mailed(key)).await?;
            start = rest;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Deletes a notification whose mail was in this state, or marks it as deleted if staff have
    /// ordered the mail again meanwhile.
    async fn delete_unless_ordered(&self, key: Key, seen: Option<String>) -> Result<(), Error> {
        let is_deleted = match seen {
            Some(seen) => {
                let value = string(":seen", seen);
                self.delete_if(key.clone(), "mail_state = :seen", [value]).await?
            }
            None => self.delete_if(key.clone(), "attribute_not_exists(mail_state)", []).await?,
        };
        if is_deleted { Ok(()) } else { self.mark_deleted(key).await.map(drop) }
    }

    /// Marks a notification as deleted, or deletes it if its mail has ended meanwhile.
    async fn mark_deleted_while_mailed(&self, key: Key) -> Result<(), Error> {
        let UpdateOutcome::Done(item) = self.mark_deleted(key.clone()).await? else {
            return Ok(());
        };
        let seen = text(&item, "mail_state").map(str::to_owned);
        if awaits_mail(item)? { Ok(()) } else { self.delete_unless_ordered(key, seen).await }
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
            for_each(keys.iter().filter_map(Key::of).collect(), |key| self.set_read(key, at))
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
