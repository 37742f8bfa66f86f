//! What the table's stream tells.

use domain::account::Account;
use domain::file::{File, object_key};
use domain::id::{FileId, MailId, NotificationId, UserId};
use domain::mail::{Mail, MailKind};
use domain::notification::{InboxState, Notification};
use jiff::Timestamp;

use crate::error::Error;
use crate::item::{self, Item, Stored, read};
use crate::keys;

/// Something that happened in the table and that has consequences outside. The stream may tell it more than once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A notification was stored, and asks for a mail.
    NotificationAdded {
        /// In whose inbox.
        recipient_id: UserId,
        /// Which.
        notification_id: NotificationId,
    },
    /// A mail that goes to somebody was stored.
    MailAdded {
        /// Which.
        mail_id: MailId,
    },
    /// A user is new who has not shown to receive mail at the address.
    UserAdded {
        /// Who.
        user_id: UserId,
    },
    /// A file was deleted from its record.
    FileRemoved {
        /// Which.
        file_id: FileId,
        /// Where its object lies in the bucket.
        object_key: String,
    },
    /// A user marked everything as read.
    InboxRead {
        /// Whose inbox.
        recipient_id: UserId,
        /// How far the mark-all-read before went.
        after: Option<NotificationId>,
        /// How far this one goes.
        through: NotificationId,
        /// When it was.
        at: Timestamp,
    },
    /// A user deleted everything.
    InboxDeleted {
        /// Whose inbox.
        recipient_id: UserId,
        /// How far.
        through: NotificationId,
    },
}

impl Change {
    /// What a record of the stream tells: its event name (`INSERT`, `MODIFY`, `REMOVE`) and the item before and after.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an item of a kind that matters here is not what the code expects.
    pub fn from_images(event_name: &str, old: Option<serde_dynamo::Item>, new: Option<serde_dynamo::Item>) -> Result<Vec<Self>, Error> {
        // An image that the event does not have may also come as an empty one.
        let image = |image: Option<serde_dynamo::Item>| image.map(Item::from).filter(|item| !item.is_empty());
        let (old, new) = (image(old), image(new));
        let Some(entity) = new.as_ref().or(old.as_ref()).map(|item| item::entity(item).to_owned()) else { return Ok(Vec::new()) };
        match (event_name, entity.as_str(), old, new) {
            ("INSERT", Notification::ENTITY, _, Some(new)) => {
                let Notification { id, recipient_id, notification_type, .. } = read(new)?;
                let added = Self::NotificationAdded { recipient_id, notification_id: id };
                Ok(if notification_type.is_mailed() { vec![added] } else { Vec::new() })
            }
            ("INSERT", Mail::ENTITY, _, Some(new)) => {
                let Mail { id, kind, .. } = read(new)?;
                Ok(if kind == MailKind::Nobody { Vec::new() } else { vec![Self::MailAdded { mail_id: id }] })
            }
            ("INSERT", Account::ENTITY, _, Some(new)) => {
                let Account { id, email_verified, .. } = read(new)?;
                Ok(if email_verified { Vec::new() } else { vec![Self::UserAdded { user_id: id }] })
            }
            ("REMOVE", File::ENTITY, Some(old), _) => {
                let File { id, .. } = read(old)?;
                Ok(vec![Self::FileRemoved { file_id: id, object_key: object_key(id) }])
            }
            ("INSERT" | "MODIFY", InboxState::ENTITY, old, Some(new)) => inbox_changes(old, new),
            _ => Ok(Vec::new()),
        }
    }
}

fn inbox_changes(old: Option<Item>, new: Item) -> Result<Vec<Change>, Error> {
    let corrupt = Error::Corrupt { entity: InboxState::ENTITY };
    let Some(recipient_id) = keys::ids(&new).next().and_then(|id| id.parse().ok()) else { return Err(corrupt) };
    let old: InboxState = old.map(read).transpose()?.unwrap_or_default();
    let new: InboxState = read(new)?;
    let mut changes = Vec::new();
    if let (Some(through), Some(at)) = (new.read_through, new.read_through_at)
        && old.read_through != new.read_through
    {
        changes.push(Change::InboxRead { recipient_id, after: old.read_through, through, at });
    }
    if let Some(through) = new.deleted_through
        && old.deleted_through != new.deleted_through
    {
        changes.push(Change::InboxDeleted { recipient_id, through });
    }
    Ok(changes)
}
