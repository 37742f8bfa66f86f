//! Tests of the store on a real engine: each test has a table of its own, served by dynoxide inside
//! the test process.
//!
//! The tests of the API use [`table`] and [`meter`], too.
//!
//! One module for each aggregate tests what its operations do and when they refuse. `races` runs
//! operations concurrently, and `faults` makes the table fail.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

pub mod meter;
pub mod table;

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod annotations;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod emergency_access;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod names;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod people;
#[cfg(test)]
mod purge;
#[cfg(test)]
mod races;
#[cfg(test)]
mod rate;
#[cfg(test)]
mod records;
#[cfg(test)]
mod recoveries;
#[cfg(test)]
mod second_factor;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signing_keys;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod users;
