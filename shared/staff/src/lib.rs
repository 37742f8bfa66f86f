//! What staff do with users, doctors' approvals and the audit trail: the use cases that the
//! functions `admin` (JSON) and `console` (pages) share.
//!
//! Each use case is a method of [`StaffService`], in a file of its own. It takes the request's
//! [`Admin`](http_api::caller::Admin), which it authorizes while it reads, and records an event in
//! the audit trail. Nothing here reads records, notifications or queues.

mod create_user;
mod decide_approval;
mod end_sessions;
mod get_user;
mod list_doctors;
mod list_events;
mod list_users;
mod recoveries;
mod start_password_reset;
mod start_recovery;
mod update_user;

use http_api::state::HttpState;
use store::Store;

pub use crate::create_user::NewUser;
pub use crate::list_doctors::{LISTED_APPROVALS, read_approval};
pub use crate::list_events::AuditFilter;
pub use crate::list_users::{UserFilters, UserPosition};
pub use crate::recoveries::SeenRecovery;
pub use crate::start_recovery::{NewEmail, user_inactive};
pub use crate::update_user::UserChange;

/// The use cases of staff.
#[derive(Clone)]
pub struct StaffService {
    store: Store,
    http: HttpState,
    approval_is_required: bool,
}

impl StaffService {
    /// Makes the use cases over a table; `approval_is_required` as in
    /// [`Doctors`](runtime::config::Doctors).
    pub fn new(store: Store, http: HttpState, approval_is_required: bool) -> Self {
        Self { store, http, approval_is_required }
    }
}
