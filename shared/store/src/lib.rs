//! The table: every operation of the system on DynamoDB.
//!
//! An operation is one method of [`Table`], or of [`Store`] when it writes an event of the audit
//! trail. It takes and returns types of the domain, and has an error type of its own where it can
//! fail for reasons of the domain. The time is an argument.
//!
//! Methods are named `<verb>_<what>[_of_<whom>|_by_<what>]`: `get` reads one thing or, of several
//! given ids, those that exist; `list` reads a page or all of them; `put` overwrites what is there;
//! `create`, `update`, `delete`, `increment` and `mark` are what they say; and what has a verb of
//! its own in the domain has it here: `register`, `break_glass`, `settle_file`.
//!
//! The modules are layers; each uses those before it alone:
//!
//! 1. `attributes` (names and values), `error`, [`retry`];
//! 2. `keys`: the layout of the table, known to no other module;
//! 3. `item`: between types of the domain and items;
//! 4. `table`, then `read` and `write`: calls with their retries, transactions;
//! 5. `page`: pages of lists;
//! 6. one module for each aggregate: how it is stored, and its operations;
//! 7. [`staff`]: what only staff do.
//!
//! The client must be built with timeouts: the SDK has none by default.

pub mod accounts;
pub mod annotations;
pub mod archive;
mod attributes;
mod audit;
pub mod counters;
pub mod credentials;
mod devices;
mod error;
pub mod files;
pub mod idempotency;
mod item;
mod keys;
mod lookups;
pub mod mail;
mod names;
pub mod notifications;
mod page;
pub mod proof;
mod purge;
pub mod rate;
mod read;
pub mod reconcile;
pub mod records;
pub mod recoveries;
pub mod retry;
mod second_factor;
pub mod sessions;
mod signing_keys;
pub mod staff;
mod store;
pub mod stream;
mod table;
mod versions;
mod write;

pub use error::{Error, UpdateError};
pub use lookups::Lookup;
pub use page::{Page, Span};
pub use store::Store;
pub use table::Table;
