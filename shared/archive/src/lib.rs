//! The archive of the audit trail, a hash chain in which removed, altered and forged events are
//! detected.
//!
//! Every event is a link of one chain ([`chain`]). The links are stored in objects of a bucket that
//! are created once and kept under S3's object lock ([`vault`]). Use [`mod@append`] to archive
//! events and [`comparison`] to find the differences between the archive and the table.

pub mod append;
pub mod chain;
pub mod comparison;
pub mod vault;
