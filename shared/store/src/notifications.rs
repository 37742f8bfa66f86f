//! Inboxes: list, count, read and delete notifications. Bulk actions move one of two watermarks in
//! the inbox's state, so that they cost the same for every inbox; the notifications themselves are
//! changed later (`purge`).

use domain::id::{NotificationId, UserId};
use domain::notification::{InboxState, Notification};
use futures_util::future::try_join;
use jiff::Timestamp;

use crate::attributes::string;
use crate::error::Error;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, IndexKeys, Key};
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order, Query};
use crate::table::Table;
use crate::write::{EXISTS, UpdateOutcome};

impl Stored for Notification {
    const ENTITY: &'static str = "notification";
    const IN_KEY: &'static [&'static str] = &["recipient_id", "id"];
}

impl Keyed for Notification {
    fn key(&self) -> Key {
        keys::notification(self.recipient_id, self.id)
    }

    fn indexes(&self) -> IndexKeys {
        keys::notification_indexes(self)
    }
}

impl Stored for InboxState {
    const ENTITY: &'static str = "inbox_state";
    const IN_KEY: &'static [&'static str] = &[];
}

/// The greatest number of unread notifications that is counted: a greater one does not help a
/// reader.
pub const MAX_UNREAD_COUNTED: usize = 1000;

impl Table {
    /// Lists an inbox, newest first: all notifications, or the read or the unread ones. `read_at`
    /// is the time at which a notification was read, by itself or by a bulk action. Deleted ones
    /// are left out.
    ///
    /// Eventually consistent: for display, never for decisions.
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
            let mut notification: Notification = from_item(item)?;
            let id = notification.id;
            let all_read = state.read_through.is_some_and(|through| id <= through);
            // All older ones are deleted, or read where unread ones are wanted.
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

    /// Reads a notification as [`Table::list_notifications`] lists it, strongly consistent; `None`
    /// when it is deleted.
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

    /// Marks a notification as read and returns it; the time of the first reading stays. `None`
    /// when it is deleted.
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
            UpdateOutcome::Done(item) => from_item(item).map(Some),
            UpdateOutcome::ConditionFailed(_) => Ok(None),
        }
    }

    /// Sets the time at which a notification was read, if it has none.
    pub(crate) async fn set_read(&self, key: Key, at: Timestamp) -> Result<UpdateOutcome, Error> {
        let expression =
            format!("SET read_at = if_not_exists(read_at, :at) {}", keys::NO_LONGER_UNREAD);
        self.update_if(key, &expression, EXISTS, [string(":at", at)]).await
    }

    /// Returns the newest stored notification of an inbox, deleted or not: the bound of a bulk
    /// action.
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
            .map(|item| from_item::<Notification>(item).map(|notification| notification.id))
            .transpose()
    }

    /// Marks everything up to and including `through` as read; changes nothing when an earlier bulk
    /// action went further.
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

    /// Deletes everything up to and including `through`; changes nothing when an earlier bulk
    /// action went further.
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

    /// Counts the unread notifications, up to [`MAX_UNREAD_COUNTED`]. Eventually consistent.
    pub async fn count_unread_notifications(&self, recipient: UserId) -> Result<usize, Error> {
        let state = self.inbox_state(recipient, Consistency::Eventual).await?;
        let range = keys::unread(recipient, state.read_through.max(state.deleted_through));
        self.count(&Query::of(&range, MAX_UNREAD_COUNTED)).await
    }
}
