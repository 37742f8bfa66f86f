//! Inboxes: list, count, read and delete notifications. Bulk actions move one of two watermarks in
//! the inbox's state, so that they cost the same for every inbox; the notifications themselves are
//! changed later (`purge`).

use domain::id::{NotificationId, UserId};
use domain::mail::MailState;
use domain::notification::{InboxExtent, InboxState, Notification};
use futures_util::future::try_join;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::attributes::{flag, string};
use crate::error::Error;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, IndexKeys, ItemKey};
use crate::mail::{delivery, state};
use crate::page::{Page, Selection, below};
use crate::read::{Consistency, Order, Query};
use crate::table::Table;
use crate::write::{EXISTS, Step, UpdateOutcome};

impl Stored for Notification {
    const ENTITY: &'static str = "notification";
    const IN_KEY: &'static [&'static str] = &["recipient_id", "id"];
}

impl Keyed for Notification {
    fn key(&self) -> ItemKey {
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

/// How many notifications of the last seconds an inbox usually has at most.
const USUALLY_RECENT: usize = 5;

/// How many recent notifications a bulk action changes one by one.
const MAX_RECENT: usize = 24;

/// How many notifications are updated concurrently.
const UPDATED_AT_ONCE: usize = 8;

/// Condition: nobody has read or deleted the notification, and its mail waits.
const IS_OPEN: &str = "attribute_exists(pk) AND attribute_not_exists(read_at) AND \
                       attribute_not_exists(is_deleted) AND attribute_not_exists(mail_state)";

/// Returns the keys of the recent notifications that a bulk action covers.
fn recent_keys(recipient: UserId, extent: &InboxExtent) -> Vec<ItemKey> {
    extent.recent.iter().map(|id| keys::notification(recipient, *id)).collect()
}

/// Updates notifications, some at a time.
pub(crate) async fn for_each<K, T, F: Future<Output = Result<T, Error>>>(
    keys: Vec<K>,
    update: impl Fn(K) -> F,
) -> Result<(), Error> {
    stream::iter(keys.into_iter().map(update))
        .buffer_unordered(UPDATED_AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await
}

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
            if state.has_deleted_through(id) || (all_read && is_read == Some(false)) {
                return Ok((id, Selection::Stop));
            }
            if notification.is_deleted {
                return Ok((id, Selection::Exclude));
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
        let shown = found.filter(|notification| !state.has_deleted(notification));
        Ok(shown.map(|notification| Notification {
            read_at: state.read_at(&notification),
            ..notification
        }))
    }

    /// Reads a notification that is open: nobody has read or deleted it, and its mail is not sent
    /// or being sent. Strongly consistent.
    pub async fn get_open_notification(
        &self,
        recipient: UserId,
        id: NotificationId,
    ) -> Result<Option<Notification>, Error> {
        let found = self.get_item(keys::notification(recipient, id), Consistency::Strong).await?;
        let Some(item) = found else { return Ok(None) };
        let waits = delivery(item.clone())?.mail_state.is_none();
        let notification: Notification = from_item(item)?;
        let is_open = waits && notification.read_at.is_none() && !notification.is_deleted;
        Ok(is_open.then_some(notification))
    }

    /// Carries out a transaction that stores notifications. One that takes the place of an open
    /// notification removes it, unless that is not open any more.
    pub(crate) async fn commit_notifying<E: From<Error>>(
        &self,
        notifications: &[Notification],
        steps: impl Fn() -> Result<Vec<Step<E>>, E>,
    ) -> Result<(), E> {
        let with = |notifications: &[Notification]| -> Result<Vec<Step<E>>, E> {
            let mut steps = steps()?;
            for notification in notifications {
                steps.push(Step::put(notification)?);
            }
            Ok(steps)
        };
        let superseded = notifications
            .iter()
            .find_map(|it| Some(keys::notification(it.recipient_id, it.supersedes?)));
        let Some(superseded) = superseded else { return self.commit(with(notifications)?).await };
        if self.commit_with_deletion(with(notifications)?, superseded, IS_OPEN).await? {
            return Ok(());
        }
        let mut notifications = notifications.to_vec();
        for notification in &mut notifications {
            notification.supersedes = None;
            notification.pending_since = None;
        }
        self.commit(with(&notifications)?).await
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
    pub(crate) async fn set_read(
        &self,
        key: ItemKey,
        at: Timestamp,
    ) -> Result<UpdateOutcome, Error> {
        let expression =
            format!("SET read_at = if_not_exists(read_at, :at) {}", keys::NO_LONGER_UNREAD);
        self.update_if(key, &expression, EXISTS, [string(":at", at)]).await
    }

    /// Returns what a bulk action covers that starts now: all stored notifications, deleted or not.
    /// If there are more than `MAX_RECENT` recent ones, the older ones count as part of the range.
    pub async fn get_inbox_extent(
        &self,
        recipient: UserId,
        now: Timestamp,
    ) -> Result<InboxExtent, Error> {
        let oldest_recent = InboxExtent::oldest_recent(now);
        let range = keys::notifications(recipient, None, None);
        let mut extent = InboxExtent::default();
        let (mut limit, mut start) = (USUALLY_RECENT, None);
        loop {
            let (items, rest) =
                self.query(&range, Order::Descending, Consistency::Strong, limit, start).await?;
            for item in items {
                let id = from_item::<Notification>(item)?.id;
                if id < oldest_recent || extent.recent.len() == MAX_RECENT {
                    extent.through = Some(id);
                    return Ok(extent);
                }
                extent.recent.push(id);
            }
            if rest.is_none() {
                return Ok(extent);
            }
            (limit, start) = (MAX_RECENT, rest);
        }
    }

    /// Marks everything that a bulk action covers as read. Can be repeated.
    pub async fn mark_all_notifications_read(
        &self,
        recipient: UserId,
        extent: &InboxExtent,
        now: Timestamp,
    ) -> Result<(), Error> {
        let all_older = async {
            match extent.through {
                Some(through) => {
                    self.mark_notifications_read_through(recipient, through, now).await
                }
                None => Ok(()),
            }
        };
        let recent = for_each(recent_keys(recipient, extent), |key| self.set_read(key, now));
        try_join(all_older, recent).await.map(drop)
    }

    /// Deletes everything that a bulk action covers. Can be repeated.
    pub async fn delete_all_notifications(
        &self,
        recipient: UserId,
        extent: &InboxExtent,
        now: Timestamp,
    ) -> Result<(), Error> {
        if !extent.recent.is_empty() {
            for_each(recent_keys(recipient, extent), |key| self.mark_deleted(key)).await?;
            self.note_recent_deleted(recipient, now).await?;
        }
        match extent.through {
            Some(through) => self.delete_notifications_through(recipient, through).await,
            None => Ok(()),
        }
    }

    /// Marks a notification as deleted: it is not shown any more, and the dispatcher removes it
    /// when its mail needs it no longer.
    pub(crate) async fn mark_deleted(&self, key: ItemKey) -> Result<UpdateOutcome, Error> {
        let expression = format!("SET is_deleted = :true {}", keys::NO_LONGER_UNREAD);
        self.update_if(key, &expression, EXISTS, [flag(":true", true)]).await
    }

    /// Lets the dispatcher look for notifications that are marked as deleted.
    async fn note_recent_deleted(&self, recipient: UserId, now: Timestamp) -> Result<(), Error> {
        self.update_if(
            keys::inbox_state(recipient),
            "SET recent_deleted_at = :now, entity = :entity",
            "attribute_not_exists(recent_deleted_at) OR recent_deleted_at <> :now",
            [string(":now", now), string(":entity", InboxState::ENTITY)],
        )
        .await
        .map(drop)
    }

    /// Removes a notification whose mail has ended; not one whose mail staff have ordered again.
    pub async fn purge_notification(
        &self,
        recipient: UserId,
        id: NotificationId,
    ) -> Result<(), Error> {
        self.delete_if(
            keys::notification(recipient, id),
            "mail_state IN (:sent, :failed, :in_doubt)",
            [
                state(":sent", MailState::Sent),
                state(":failed", MailState::Failed),
                state(":in_doubt", MailState::InDoubt),
            ],
        )
        .await
        .map(drop)
    }

    /// Marks everything up to and including `through` as read; changes nothing when an earlier bulk
    /// action went further.
    async fn mark_notifications_read_through(
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
    async fn delete_notifications_through(
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
