//! Pages of users, their profiles, and doctors' approvals.

pub(crate) mod approvals;
pub(crate) mod pages;
pub(crate) mod profiles;
