//! The API over HTTP: on routers in this process, or on the deployed stack if `STACK_FILE` is set.
//!
//! [`harness`] sends the requests and checks on every response what must hold for all. One module
//! for each resource tests its endpoints; `access` and `errors` cover all endpoints; `mistakes`
//! lists what the Django service did wrong, with the tests that show what holds now.
//!
//! What only the deployed stack can show is tested in `tests/system`, with the same harness.
//!
//! A test that covers a test of the Django service has its name in a comment: a search for
//! `test_login_success`, for example, finds it. All 91 are covered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

#[allow(missing_docs, reason = "a method per endpoint, named as the operation")]
#[allow(clippy::new_without_default, reason = "what is new is registered")]
pub mod harness;

#[cfg(test)]
mod access;
#[cfg(test)]
mod access_table;
#[cfg(test)]
mod accounts;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod console;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod edges;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod portal;
#[cfg(test)]
mod races;
#[cfg(test)]
mod records;
#[cfg(test)]
mod secrets;
