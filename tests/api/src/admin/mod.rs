//! `/api/admin/...`.

mod doctors;
mod recoveries;
mod users;
