//! Partitions with hashed keys, for tests that read the table.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::aws;

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

/// Sets how many attempts at an account have failed in a row, and from a network until when it is
/// locked.
pub fn set_attempts(kind: &str, account: &str, in_a_row: u64, network: &str, until: &str) {
    let later = (Timestamp::now().as_second() + 900).to_string();
    let failures = json!({"failures": {"N": in_a_row.to_string()}, "locked_until": {"S": until},
        "ttl": {"N": later}});
    let mut networks = json!({});
    networks[network] = json!({"M": failures});
    let values = json!({":entity": {"S": "attempts"}, ":attempt": {"S": "of a test"},
        ":n": {"N": in_a_row.to_string()}, ":networks": {"M": networks}, ":ttl": {"N": later}});
    aws::update_item(
        &counter(kind, &[account]),
        "ATTEMPTS",
        "SET entity = :entity, attempt = :attempt, in_a_row = :n, networks = :networks, \
         #ttl = :ttl",
        values,
    );
}
