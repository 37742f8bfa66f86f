//! Inboxes. What bulk actions cover is said by two watermarks in the inbox's state, so that they
//! cost the same whatever the inbox holds; the notifications themselves follow later (`purge`).

use aws_sdk_dynamodb::types::Select;
use domain::id::{NotificationId, UserId};
use domain::notification::{InboxState, Notification};
use futures_util::future::try_join;
use jiff::Timestamp;

use crate::Store;
use crate::error::{Error, classify};
use crate::item::{Stored, read};
use crate::keys;
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order};
use crate::write::{UpdateOutcome, string};

/// Up to how many unread notifications are counted: beyond, the number says nothing to a person.
pub const MAX_UNREAD_COUNTED: usize = 1000;

impl Store {
    /// A page of an inbox, newest first: all of it, or the read or the unread ones. `read_at` says
    /// when a notification was read, by itself or by a bulk action; deleted ones are left out.
    ///
    /// Eventually consistent: a list may lag a moment, and decides nothing.
    pub async fn list_notifications(
        &self,
        recipient: UserId,
        is_read: Option<bool>,
        limit: usize,
        after: Option<NotificationId>,
    ) -> Result<Page<Notification, NotificationId>, Error> {
        let range = keys::notifications(recipient, None, after.map(|id| below(id.as_bytes())));
        let first = self.query(&range, Order::Descending, Consistency::Eventual, limit + 1, None);
        let (state, first) =
            try_join(self.inbox_state(recipient, Consistency::Eventual), first).await?;
        let look = |item| {
            let mut notification: Notification = read(item)?;
            let id = notification.id;
            let all_read = state.read_through.is_some_and(|through| id <= through);
            // Everything from here on is deleted; or read, where unread ones are wanted.
            if state.has_deleted(id) || (all_read && is_read == Some(false)) {
                return Ok((id, Selection::Stop));
            }
            notification.read_at = state.read_at(&notification);
            Ok((
                id,
                Selection::show_if(
                    is_read.is_none_or(|wanted| wanted == notification.read_at.is_some()),
                    notification,
                ),
            ))
        };
        self.page_from(&range, Consistency::Eventual, limit, first, look).await
    }

    async fn inbox_state(
        &self,
        recipient: UserId,
        consistency: Consistency,
    ) -> Result<InboxState, Error> {
        self.get(keys::inbox_state(recipient), consistency).await.map(Option::unwrap_or_default)
    }

    /// A notification as [`Store::list_notifications`] shows it, strongly consistent; `None` when
    /// it is deleted.
    pub async fn get_notification(
        &self,
        recipient: UserId,
        id: NotificationId,
    ) -> Result<Option<Notification>, Error> {
        let notification =
            self.get::<Notification>(keys::notification(recipient, id), Consistency::Strong);
        let (found, state) =
            try_join(notification, self.inbox_state(recipient, Consistency::Strong)).await?;
        let shown = found.filter(|notification| !state.has_deleted(notification.id));
        Ok(shown.map(|notification| Notification {
            read_at: state.read_at(&notification),
            ..notification
        }))
    }

    /// Marks a notification as read and gives it back; the first reading counts. `None` when it is
    /// deleted.
    pub async fn mark_notification_read(
        &self,
        recipient: UserId,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<Notification>, Error> {
        let Some(notification) = self.get_notification(recipient, id).await? else {
            return Ok(None);
        };
        if notification.read_at.is_some() {
            return Ok(Some(notification));
        }
        match self.set_read(keys::notification(recipient, id), now).await? {
            UpdateOutcome::Done(item) => read(item).map(Some),
            UpdateOutcome::Refused(_) => Ok(None),
        }
    }

    /// Gives a notification the time at which it was read, if it has none.
    pub(crate) async fn set_read(
        &self,
        key: keys::Key,
        at: Timestamp,
    ) -> Result<UpdateOutcome, Error> {
        let expression =
            format!("SET read_at = if_not_exists(read_at, :at) {}", keys::NO_LONGER_UNREAD);
        self.update_if(key, &expression, "attribute_exists(pk)", [string(":at", at)]).await
    }

    /// The newest stored notification of an inbox, deleted or not: how far a bulk action reaches.
    pub async fn get_newest_notification(
        &self,
        recipient: UserId,
    ) -> Result<Option<NotificationId>, Error> {
        let range = keys::notifications(recipient, None, None);
        let (items, _) =
            self.query(&range, Order::Descending, Consistency::Strong, 1, None).await?;
        items
            .into_iter()
            .next()
            .map(|item| read::<Notification>(item).map(|notification| notification.id))
            .transpose()
    }

    /// Marks everything up to and with `through` as read; nothing changes where a bulk action has
    /// gone further before.
    pub async fn mark_notifications_read(
        &self,
        recipient: UserId,
        through: NotificationId,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.update_if(
            keys::inbox_state(recipient),
            "SET read_through = :through, read_through_at = :now, entity = :entity",
            "attribute_not_exists(read_through) OR read_through < :through",
            [
                string(":through", through),
                string(":now", now),
                string(":entity", InboxState::ENTITY),
            ],
        )
        .await
        .map(drop)
    }

    /// Deletes everything up to and with `through`; nothing changes where a bulk action has gone
    /// further before.
    pub async fn delete_notifications(
        &self,
        recipient: UserId,
        through: NotificationId,
    ) -> Result<(), Error> {
        self.update_if(
            keys::inbox_state(recipient),
            "SET deleted_through = :through, entity = :entity",
            "attribute_not_exists(deleted_through) OR deleted_through < :through",
            [string(":through", through), string(":entity", InboxState::ENTITY)],
        )
        .await
        .map(drop)
    }

    /// How many notifications are unread, at most [`MAX_UNREAD_COUNTED`]. Counted in an index: may
    /// lag a moment.
    pub async fn count_unread_notifications(&self, recipient: UserId) -> Result<usize, Error> {
        let state = self.inbox_state(recipient, Consistency::Eventual).await?;
        let range = keys::unread(recipient, state.read_through.max(state.deleted_through));
        let sent = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(range.index.name().map(str::to_owned))
            .key_condition_expression(range.index.condition())
            .set_expression_attribute_values(Some(range.values()))
            .select(Select::Count)
            .limit(i32::try_from(MAX_UNREAD_COUNTED).unwrap_or(i32::MAX))
            .send()
            .await;
        let count = sent.map_err(|error| classify("Query", &error))?.count;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}
