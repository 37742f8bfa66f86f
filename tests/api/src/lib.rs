//! The system from outside: over HTTP, against the deployed stack that `STACK_FILE` describes.
//!
//! One module per resource says what its endpoints do; `access` and `errors` walk over all of them;
//! `mistakes` says which test keeps each of the predecessor's mistakes in the past. [`harness`]
//! sends the requests, and checks on every answer what must hold for all.
//!
//! What the functions have logged about all this is looked at last, by `tests/logs.rs`.
//!
//! A test that keeps the promise of one of the predecessor's own tests bears its name, or names it
//! in a comment: all 91 are found by it (`test_login_success`).
#![cfg(test)]

mod harness;

mod access;
mod access_logs;
mod access_table;
mod accounts;
mod addresses;
mod admin;
mod annotations;
mod approvals;
mod archive;
mod console;
mod console_mail;
mod console_records;
mod counters;
mod day;
mod devices;
mod docs;
mod doctors;
mod errors;
mod events;
mod files;
mod histories;
mod iam;
mod idempotency;
mod keys;
mod mails;
mod mistakes;
mod notifications;
mod pages;
mod passwords;
mod profiles;
mod races;
mod readme;
mod records;
mod registration;
mod second_factor;
mod sessions;
mod stuffing;
mod throttling;
mod tokens;
