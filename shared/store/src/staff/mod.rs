//! Operations for staff: lists and outlines without what people have written, emergency access to
//! it, and changes of users, assignments and mails.

pub mod assignments;
pub mod emergency_access;
pub mod lists;
pub mod mail;
pub mod outline;
pub mod users;
