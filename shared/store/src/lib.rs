//! The table: every operation that the system does on DynamoDB.
//!
//! An operation takes and returns types of the domain, is one method of [`Store`], and has an error
//! of its own where it can fail for reasons of the field. How things lie in the table is known to
//! `keys` and `item` alone; transactions, conditional writes, batches and their retries are in
//! `write` and `read`. The store has no clock: the time is an argument.
//!
//! The client decides how long a call may take; it must be built with timeouts, because the SDK has
//! none by default.

pub mod accounts;
pub mod admin;
pub mod annotations;
pub mod archive;
mod audit;
pub mod counters;
pub mod credentials;
pub mod emergency_access;
mod error;
pub mod files;
pub mod idempotency;
mod item;
mod keys;
pub mod lists;
pub mod mail;
pub mod notifications;
mod page;
mod purge;
pub mod rate;
mod read;
pub mod records;
mod second_factor;
pub mod sessions;
mod signing_keys;
pub mod stream;
mod write;

pub use error::{Error, UpdateError};
pub use item::Lookup;
pub use page::Page;

/// The table, through a client.
#[derive(Clone, Debug)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    table: String,
    audit_key: Option<archive::AuditKey>,
    kept: Option<idempotency::StoredResponse>,
}

impl Store {
    /// The table named `table`.
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), audit_key: None, kept: None }
    }
}
