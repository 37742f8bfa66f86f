//! The API over HTTP: on routers in this process, or on the deployed stack if `STACK_FILE` is set.
//!
//! [`harness`] sends the requests, and checks on every response what must hold for all. One module
//! per resource says what its endpoints do; `access` and `errors` walk over all of them; `mistakes`
//! says which test keeps each of the predecessor's mistakes in the past.
//!
//! What only the deployed stack can show is tested in `tests/system`, with the same harness.
//!
//! A test that keeps the promise of one of the predecessor's own tests bears its name, or names it
//! in a comment: all 91 are found by it (`test_login_success`).
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
mod errors;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod races;
#[cfg(test)]
mod records;
