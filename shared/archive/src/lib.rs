//! The archive of the audit trail, in which nothing can be removed, altered or invented without
//! being found.
//!
//! Every event is a link of one chain ([`chain`]). The links lie in objects of a bucket that are
//! created once and kept under S3's object lock ([`vault`]). [`mod@append`] brings events there,
//! [`comparison`] finds what the archive and the table do not agree about.

pub mod append;
pub mod chain;
pub mod comparison;
pub mod vault;
