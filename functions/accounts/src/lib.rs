//! The function accounts.
