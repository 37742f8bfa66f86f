//! The second half of bulk actions on inboxes, run by the function that reads the table's stream.
//! Each operation can be interrupted and repeated.
//!
//! An inbox can be so long that one invocation cannot change all of it, and other changes wait
//! behind it. So an operation changes a part, and notes in the inbox's state where the rest begins:
//! the stream reports that like a bulk action.

use domain::id::{NotificationId, UserId};
use jiff::Timestamp;

use crate::attributes::{Item, string, text};
use crate::error::Error;
use crate::keys::{self, ItemKey, Range};
use crate::mail::awaits_mail;
use crate::notifications::for_each;
use crate::read::{Consistency, Query};
use crate::table::Table;
use crate::write::{EXISTS, UpdateOutcome};

/// How many notifications one operation reads at most.
const MAX_READ: usize = 500;

impl Table {
    /// Deletes the next notifications after `after` that a bulk deletion covers, all up to and
    /// including `through`. Those whose mails are not sent yet are only marked as deleted: the
    /// stream reports the end of their mails as
    /// [`Change::DeletedNotificationMailed`](crate::stream::Change).
    pub async fn purge_deleted(
        &self,
        recipient: UserId,
        after: Option<NotificationId>,
        through: NotificationId,
    ) -> Result<(), Error> {
        let rest = self.purge(&keys::notifications(recipient, after, Some(through)), None).await?;
        match rest {
            Some(last) => self.note_position(recipient, "SET purged_through = :last", last).await,
            None => Ok(()),
        }
    }

    /// Deletes the notifications since `oldest` that are marked as deleted, unless their mails are
    /// not sent yet: those of a bulk deletion that was not older than its recent notifications.
    pub async fn purge_marked(
        &self,
        recipient: UserId,
        oldest: NotificationId,
    ) -> Result<(), Error> {
        let is_marked = Some("attribute_exists(is_deleted)");
        let mut range = keys::notifications_since(recipient, oldest);
        while let Some(last) = self.purge(&range, is_marked).await? {
            range = keys::notifications(recipient, Some(last), None);
        }
        Ok(())
    }

    /// Purges the first notifications of a range; returns the last one that was read unless it is
    /// the last of the range.
    async fn purge(
        &self,
        range: &Range,
        filter: Option<&'static str>,
    ) -> Result<Option<NotificationId>, Error> {
        let query =
            Query { consistency: Consistency::Strong, filter, ..Query::of(range, MAX_READ) };
        let (items, rest) = self.send_query(&query, None).await?;
        let (mut purged, mut kept) = (Vec::new(), Vec::new());
        for item in items {
            let Some(key) = ItemKey::of(&item) else { continue };
            let seen = text(&item, "mail_state").map(str::to_owned);
            if awaits_mail(item)? {
                kept.push(key);
            } else {
                purged.push((key, seen));
            }
        }
        for_each(purged, |(key, seen)| self.delete_unless_ordered(key, seen)).await?;
        for_each(kept, |key| self.mark_deleted_while_mailed(key)).await?;
        rest.as_ref().map(position_of).transpose()
    }

    /// Deletes a notification whose mail was in this state, or marks it as deleted if staff have
    /// ordered the mail again meanwhile.
    async fn delete_unless_ordered(&self, key: ItemKey, seen: Option<String>) -> Result<(), Error> {
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
    async fn mark_deleted_while_mailed(&self, key: ItemKey) -> Result<(), Error> {
        let UpdateOutcome::Done(item) = self.mark_deleted(key.clone()).await? else {
            return Ok(());
        };
        let seen = text(&item, "mail_state").map(str::to_owned);
        if awaits_mail(item)? { Ok(()) } else { self.delete_unless_ordered(key, seen).await }
    }

    /// Sets the time of a mark-all-read in the next unread notifications that it covers: those
    /// after `after`, which is the bound of the mark-all-read before it at first, up to and
    /// including `through`.
    pub async fn settle_read(
        &self,
        recipient: UserId,
        after: Option<NotificationId>,
        through: NotificationId,
        at: Timestamp,
    ) -> Result<(), Error> {
        let range = keys::notifications(recipient, after, Some(through));
        let query = Query {
            consistency: Consistency::Strong,
            filter: Some(keys::IS_UNREAD),
            projection: Some(keys::KEY_ATTRIBUTES),
            ..Query::of(&range, MAX_READ)
        };
        let (items, rest) = self.send_query(&query, None).await?;
        for_each(items.iter().filter_map(ItemKey::of).collect(), |key| self.set_read(key, at))
            .await?;
        match rest {
            Some(rest) => {
                let last = position_of(&rest)?;
                self.note_position(recipient, "SET settled_through = :last", last).await
            }
            None => Ok(()),
        }
    }

    /// Notes how far an operation has come.
    async fn note_position(
        &self,
        recipient: UserId,
        expression: &'static str,
        last: NotificationId,
    ) -> Result<(), Error> {
        self.update_if(keys::inbox_state(recipient), expression, EXISTS, [string(":last", last)])
            .await
            .map(drop)
    }
}

/// Reads the notification at which a query ended.
fn position_of(rest: &Item) -> Result<NotificationId, Error> {
    let ids: Option<NotificationId> = keys::ids(rest).nth(1).and_then(|id| id.parse().ok());
    ids.ok_or(Error::corrupt("notification", "no id in its key"))
}
