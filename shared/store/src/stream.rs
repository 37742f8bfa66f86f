//! Changes that the table's stream delivers and that have consequences outside the table or count.

use domain::account::{Account, Role};
use domain::counter::Counts;
use domain::file::{File, object_key};
use domain::id::{FileId, MailId, NotificationId, UserId};
use domain::mail::{Mail, MailKind, MailState};
use domain::notification::{InboxExtent, InboxState, Notification};
use domain::record::Record;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::attributes::{Item, entity};
use crate::error::Error;
use crate::item::{Stored, from_item};
use crate::keys;
use crate::mail::delivery;

/// How long the table's stream may deliver a change again. It retains changes for 24 hours.
pub(crate) const STREAM_REPEATS_FOR: SignedDuration = SignedDuration::from_hours(48);

/// A change in the table that has consequences outside or counts. The stream may deliver it more
/// than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A notification was stored, and asks for a mail; or staff want its mail sent again.
    NotificationMailOrdered {
        /// The owner of the inbox.
        recipient_id: UserId,
        /// Which.
        notification_id: NotificationId,
        /// When it is due, unless at once.
        due_at: Option<Timestamp>,
    },
    /// A mail that is not a decoy was stored, or staff want it sent again.
    MailOrdered {
        /// Which.
        mail_id: MailId,
    },
    /// A new user has an unconfirmed email address.
    UserAdded {
        /// Who.
        user_id: UserId,
    },
    /// An account was removed.
    UserRemoved {
        /// Whose.
        user_id: UserId,
    },
    /// A file was deleted from its record.
    FileRemoved {
        /// Which.
        file_id: FileId,
        /// The key of its object in the bucket.
        object_key: String,
    },
    /// A user marked everything as read, or one part of a long mark-all-read is done.
    InboxRead {
        /// Whose inbox.
        recipient_id: UserId,
        /// The bound of the previous mark-all-read, or the end of the part.
        after: Option<NotificationId>,
        /// The bound of this one.
        through: NotificationId,
        /// The time of it.
        at: Timestamp,
    },
    /// The mail of a deleted notification has ended.
    DeletedNotificationMailed {
        /// The owner of the inbox.
        recipient_id: UserId,
        /// Which.
        notification_id: NotificationId,
    },
    /// A user deleted recent notifications, which are marked.
    RecentDeleted {
        /// Whose inbox.
        recipient_id: UserId,
        /// The oldest that can be among them.
        oldest: NotificationId,
    },
    /// A user deleted all notifications; or a part of them is purged, and the rest waits.
    InboxDeleted {
        /// Whose inbox.
        recipient_id: UserId,
        /// The end of the part.
        after: Option<NotificationId>,
        /// The bound of the deletion.
        through: NotificationId,
    },
    /// A change that counts.
    Counts {
        /// The day of the change, in UTC.
        day: Date,
        /// What it adds.
        counts: Counts,
    },
}

impl Change {
    /// Reads the changes from a record of the stream: its event name (`INSERT`, `MODIFY`, `REMOVE`)
    /// and the item before and after.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an item of a kind that matters here is not what the code expects.
    pub fn from_images(
        event_name: &str,
        old: Option<serde_dynamo::Item>,
        new: Option<serde_dynamo::Item>,
    ) -> Result<Vec<Self>, Error> {
        // An image that the event does not have may also come as an empty one.
        let image = |image: Option<serde_dynamo::Item>| {
            image.map(Item::from).filter(|item| !item.is_empty())
        };
        let (old, new) = (image(old), image(new));
        let Some(entity) = new.as_ref().or(old.as_ref()).map(|item| entity(item).to_owned()) else {
            return Ok(Vec::new());
        };
        match (event_name, entity.as_str(), old, new) {
            ("INSERT", Notification::ENTITY, _, Some(new)) => {
                let notification: Notification = from_item(new)?;
                let added = Self::NotificationMailOrdered {
                    recipient_id: notification.recipient_id,
                    notification_id: notification.id,
                    due_at: notification.mail_due_at(),
                };
                let is_mailed = notification.notification_type.is_mailed();
                Ok(if is_mailed { vec![added] } else { Vec::new() })
            }
            ("INSERT", Mail::ENTITY, _, Some(new)) => {
                let Mail { id, kind, .. } = from_item(new)?;
                Ok(if kind == MailKind::Decoy {
                    Vec::new()
                } else {
                    vec![Self::MailOrdered { mail_id: id }]
                })
            }
            ("INSERT", Account::ENTITY, _, Some(new)) => {
                let Account { id, email_verified, role, .. } = from_item(new)?;
                let one = match role {
                    Role::Patient => Counts { patients: 1, ..Counts::default() },
                    Role::Doctor => Counts { doctors: 1, ..Counts::default() },
                    Role::Admin => Counts { admins: 1, ..Counts::default() },
                };
                let registered = Self::at(id.created_at(), one);
                Ok(if email_verified {
                    vec![registered]
                } else {
                    vec![registered, Self::UserAdded { user_id: id }]
                })
            }
            ("INSERT", Record::ENTITY, _, Some(new)) => {
                let Record { id, .. } = from_item(new)?;
                Ok(vec![Self::at(id.created_at(), Counts { records: 1, ..Counts::default() })])
            }
            ("MODIFY", Notification::ENTITY | Mail::ENTITY, Some(old), Some(new)) => {
                delivery_changes(old, new)
            }
            ("REMOVE", Account::ENTITY, Some(old), _) => {
                let Account { id, .. } = from_item(old)?;
                Ok(vec![Self::UserRemoved { user_id: id }])
            }
            ("REMOVE", File::ENTITY, Some(old), _) => {
                let File { id, .. } = from_item(old)?;
                Ok(vec![Self::FileRemoved { file_id: id, object_key: object_key(id) }])
            }
            ("INSERT" | "MODIFY", InboxState::ENTITY, old, Some(new)) => inbox_changes(old, new),
            _ => Ok(Vec::new()),
        }
    }

    fn at(at: Timestamp, counts: Counts) -> Self {
        Self::Counts { day: at.to_zoned(TimeZone::UTC).date(), counts }
    }
}

/// Returns the changes in the delivery of a mail. The filters of the event source let these changes
/// through, and no others of such items.
fn delivery_changes(old: Item, new: Item) -> Result<Vec<Change>, Error> {
    use MailState::{Failed, InDoubt, ResendRequested, Sending, Sent};

    let (before, after) = (delivery(old)?, delivery(new.clone())?);
    let time = |at: Option<Timestamp>| at.ok_or(Error::corrupt("delivery", "no time of its end"));
    let ended = |at, counts| {
        let mut changes = vec![Change::at(time(at)?, counts)];
        changes.extend(removal(new.clone())?);
        Ok(changes)
    };
    match (before.mail_state, after.mail_state) {
        (Some(Sending), Some(Sent)) => {
            ended(after.mail_sent_at, Counts { mails_sent: 1, ..Counts::default() })
        }
        (Some(Sending), Some(Failed | InDoubt)) => {
            ended(after.mail_failed_at, Counts { mails_failed: 1, ..Counts::default() })
        }
        (Some(Sent | Failed | InDoubt | Sending), Some(ResendRequested))
            if entity(&new) == Mail::ENTITY =>
        {
            let Mail { id, .. } = from_item(new)?;
            Ok(vec![Change::MailOrdered { mail_id: id }])
        }
        (Some(Sent | Failed | InDoubt | Sending), Some(ResendRequested)) => {
            let Notification { id, recipient_id, .. } = from_item(new)?;
            let (notification_id, due_at) = (id, None);
            Ok(vec![Change::NotificationMailOrdered { recipient_id, notification_id, due_at }])
        }
        _ => Ok(Vec::new()),
    }
}

/// Returns the removal of a notification that is marked as deleted, after the end of its mail.
fn removal(mailed: Item) -> Result<Option<Change>, Error> {
    if entity(&mailed) == Mail::ENTITY {
        return Ok(None);
    }
    let Notification { id, recipient_id, is_deleted, .. } = from_item(mailed)?;
    let removal = Change::DeletedNotificationMailed { recipient_id, notification_id: id };
    Ok(is_deleted.then_some(removal))
}

fn inbox_changes(old: Option<Item>, new: Item) -> Result<Vec<Change>, Error> {
    let Some(recipient_id) = keys::ids(&new).next().and_then(|id| id.parse().ok()) else {
        return Err(Error::corrupt(InboxState::ENTITY, "no recipient in its key"));
    };
    let old: InboxState = old.map(from_item).transpose()?.unwrap_or_default();
    let new: InboxState = from_item(new)?;
    let mut changes = Vec::new();
    if let (Some(through), Some(at)) = (new.read_through, new.read_through_at) {
        let after = if old.read_through != new.read_through {
            Some(old.read_through)
        } else {
            (old.settled_through != new.settled_through).then_some(new.settled_through)
        };
        changes.extend(after.map(|after| Change::InboxRead { recipient_id, after, through, at }));
    }
    if let Some(at) = new.recent_deleted_at
        && old.recent_deleted_at != new.recent_deleted_at
    {
        let oldest = InboxExtent::oldest_recent(at);
        changes.push(Change::RecentDeleted { recipient_id, oldest });
    }
    if let Some(through) = new.deleted_through {
        let after = if old.deleted_through != new.deleted_through {
            Some(None)
        } else {
            (old.purged_through != new.purged_through).then_some(new.purged_through)
        };
        changes.extend(after.map(|after| Change::InboxDeleted { recipient_id, after, through }));
    }
    Ok(changes)
}
