//! What the tests are written with.
//!
//! ```ignore
//! let (patient, doctor) = (Patient::new(), Doctor::new());
//! let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
//! assert_eq!(record["record_type"], "general");
//! patient.create_record(json!({})).refused("doctor", "required");
//! ```

pub(crate) mod aws;
mod hosts;
mod http;
pub(crate) mod keys;
mod mails;
mod people;
mod sandbox;
mod stack;
mod totp;

use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use hosts::Host;
pub(crate) use http::{Request, Response, call};
pub(crate) use mails::{Mail, account_mail, account_mails_to, mails_to};
pub(crate) use people::{Admin, Anonymous, Client, Doctor, PASSWORD, Patient, User, new_email};
pub(crate) use sandbox::{Detour, Fault, Sandbox, Settings};
pub(crate) use stack::Stack;
pub(crate) use totp::App;

/// In every name, address, note, description, file name and telephone number that the tests send,
/// so that one search shows whether any of it has reached a log.
pub(crate) const MARKER: &str = "zq7marker";

/// How long the things behind the requests may take: stream, queues and functions, one behind the
/// other, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(240);

/// A moment in an answer. As text, `.5Z` would come after `.51Z`.
#[track_caller]
pub(crate) fn moment(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// A word that no other test uses.
pub(crate) fn unique() -> String {
    let random = Uuid::now_v7().simple().to_string();
    random[20..].to_owned()
}

/// Waits until `probe` answers.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is_last = Instant::now() >= deadline;
        if let Some(found) = probe() {
            return found;
        }
        assert!(!is_last, "{what}: not within {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(100));
    }
}
