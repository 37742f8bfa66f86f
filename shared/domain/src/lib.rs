//! The domain model: entities, field types with their validation, and the rules for who may do
//! what.
//!
//! Values are valid by construction: they are parsed from input ([`field::FieldValue`]) or read
//! back from the table. This crate does not depend on AWS, HTTP, a clock or the environment.

pub mod access;
pub mod account;
pub mod approval;
pub mod audit;
pub mod content;
pub mod counter;
pub mod device;
pub mod email;
pub mod field;
pub mod file;
pub mod id;
mod invisible;
pub mod mail;
pub mod name_search;
pub mod notification;
pub mod password;
pub mod problem;
pub mod rate;
pub mod record;
pub mod recovery;
pub mod schema;
pub mod second_factor;
pub mod session;
pub mod signing_key;
pub mod text;
