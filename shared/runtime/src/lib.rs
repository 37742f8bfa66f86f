//! What connects a function to the world around it: configuration, time and ids, AWS clients,
//! tokens, passwords, logs, and the loop that serves events.

pub mod aws;
pub mod bucket;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod mail_tags;
pub mod passwords;
pub mod queue;
pub mod secrets;
pub mod serve;
pub mod telemetry;
pub mod tokens;
pub mod totp;
