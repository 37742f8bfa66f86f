//! The function mailer.
