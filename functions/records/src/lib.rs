//! The function records.
