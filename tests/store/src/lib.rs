//! The store on a real engine: each test has a private table, served by dynoxide inside the test
//! process.
//!
//! One module per aggregate tests what each operation does and when it refuses; `races` lets
//! operations meet; `budgets` measures what the operations cost; `faults` stands between the store
//! and the table and breaks things.
#![cfg(test)]

mod accounts;

mod annotations;
mod archive;
mod audit;
mod budgets;
mod counters;
mod credentials;
mod emergency_access;
mod faults;
mod files;
mod idempotency;
mod lists;
mod mail;
mod meter;
mod notifications;
mod people;
mod purge;
mod races;
mod rate;
mod records;
mod second_factor;
mod sessions;
mod signing_keys;
mod stream;
mod table;
mod users;
