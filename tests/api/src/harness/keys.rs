//! Partitions with hashed keys, for tests that read the table.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::digest::{SHA256, digest};

fn hash(subject: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, subject))
}

/// Returns the partition of an address's credentials.
pub fn credentials_of(email: &str) -> String {
    format!("EMAIL#{}", hash(email.to_lowercase().as_bytes()))
}

/// Returns the partition of a counter.
pub fn counter(kind: &str, subject: &[&str]) -> String {
    format!("RATE#{kind}#{}", hash(subject.join("\0").as_bytes()))
}
