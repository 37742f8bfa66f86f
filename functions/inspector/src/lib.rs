//! The function inspector.
