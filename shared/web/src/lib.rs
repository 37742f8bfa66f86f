//! Use [`StaticBody`] for what browsers load: it is compressed where the client takes that, and not
//! sent at all when the client has it already.
//!
//! `assets` has the styles that portal and console share. They are embedded by the functions that
//! serve them.

mod static_body;

pub use crate::static_body::{Caching, StaticBody};
