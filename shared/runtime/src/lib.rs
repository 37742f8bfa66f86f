//! What a function needs of the world around it: configuration, time and ids, AWS clients,
//! cryptography, tokens, passwords, logs, and the loop that serves events.

pub mod aws;
pub mod bucket;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod passwords;
pub mod queue;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod tokens;
pub mod totp;
