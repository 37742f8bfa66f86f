//! The function notifications.
