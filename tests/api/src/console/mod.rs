//! `/admin/...`: the console.

mod doctors;
mod pages;
mod records;
mod recoveries;
mod session;
mod users;
