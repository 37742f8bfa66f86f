//! The words and rules of the field.
//!
//! A value of a type of this crate is valid: it is made by parsing ([`field::FieldValue`]) and
//! cannot be made otherwise, except by reading back what was stored. Nothing here knows AWS, HTTP,
//! a clock or the environment.

pub mod access;
pub mod account;
pub mod approval;
pub mod audit;
pub mod counter;
pub mod email;
pub mod field;
pub mod file;
pub mod id;
pub mod key;
pub mod mail;
pub mod notification;
pub mod password;
pub mod rate;
pub mod record;
pub mod schema;
pub mod second_factor;
pub mod session;
pub mod text;
