//! The function dispatcher.
