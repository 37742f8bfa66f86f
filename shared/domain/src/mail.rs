//! What the mail queue carries: whom to tell of what, by ids alone.

use serde::{Deserialize, Serialize};

use crate::id::{NotificationId, UserId};

/// The order to mail a notification to its recipient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MailMessage {
    /// To whom.
    pub recipient_id: UserId,
    /// Of which notification.
    pub notification_id: NotificationId,
}
