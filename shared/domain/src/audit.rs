//! The audit trail: who did what to whose chart. Append only.

use serde::{Deserialize, Serialize};

use crate::account::Role;
use crate::field::choice;
use crate::id::{EventId, RecordId, UserId};

choice! {
    /// What was done.
    Action {
        /// An account was registered.
        Register = "register",
        /// Somebody signed in.
        Login = "login",
        /// A record was created.
        CreateRecord = "create_record",
        /// A record was changed, its doctor perhaps.
        UpdateRecord = "update_record",
        /// A file was deleted.
        DeleteFile = "delete_file",
        /// An annotation was written.
        CreateAnnotation = "create_annotation",
        /// An annotation was changed.
        UpdateAnnotation = "update_annotation",
    }
}

/// An event of the audit trail. Written in the transaction of what it tells; nobody may change it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The event's id, which says when it happened.
    pub id: EventId,
    /// Whose chart or account it concerns.
    pub subject_id: UserId,
    /// Who did it.
    pub actor_id: UserId,
    /// What they were then; not known yet at a login.
    pub actor_role: Option<Role>,
    /// What was done.
    pub action: Action,
    /// To which record.
    pub record_id: Option<RecordId>,
    /// The request that did it, as in its answer and in the logs.
    pub request_id: String,
    /// The address the request came from, as the gateway saw it.
    pub source_ip: String,
}
