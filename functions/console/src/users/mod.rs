//! Pages of users, their profiles and recoveries, and doctors' approvals.

pub(crate) mod approvals;
pub(crate) mod create_user;
pub(crate) mod edit_user;
pub(crate) mod list_users;
pub(crate) mod profiles;
pub(crate) mod read_user;
pub(crate) mod recoveries;
pub(crate) mod search;
pub(crate) mod update_user;
