//! `/api/admin/...`.

mod doctors;
mod users;
