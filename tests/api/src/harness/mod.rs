//! Users, requests and responses for tests.
//!
//! ```ignore
//! let (patient, doctor) = (Patient::new(), Doctor::new());
//! let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
//! assert_eq!(record["record_type"], "general");
//! patient.create_record(json!({})).refused("doctor", "required");
//! ```

pub mod aws;
pub mod console;
pub mod files;
mod gateway;
mod hosts;
mod http;
pub mod keys;
pub mod local;
mod mails;
mod people;
mod recovery;
mod reports;
mod sandbox;
mod services;
mod stack;
pub mod tokens;
mod totp;
mod transport;
pub mod world;

use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub use hosts::Host;
pub use http::{Request, Response, call, cookie_name, get, origin, path_of};
pub use local::hash_as_in_production;
pub use mails::{SentMail, account_mail, account_mails_to, mails_to};
pub use people::{Admin, Anonymous, Client, Doctor, PASSWORD, Patient, User, new_email};
pub use recovery::{let_it_wait, recover};
pub use reports::{report, report_about};
pub use sandbox::{FaultProxy, FunctionSettings, ProxyFault, Sandbox};
pub use services::VERSION;
pub use stack::Stack;
pub use totp::AuthenticatorApp;
pub use transport::{IsolatedSystem, Transport};

/// Part of every name, address, note, description, file name and phone number that the tests send,
/// so that one search (`tests/system/tests/logs.rs`) shows whether any of them was logged.
pub const MARKER: &str = "zq7marker";

/// An id that nothing has.
pub const UNKNOWN: &str = "01936f2a-0000-7000-8000-00000000ffff";

/// Returns the names of an object's fields, sorted.
#[track_caller]
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// How long tests wait for what happens after a response: stream, queues and functions, one after
/// the other, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(240);

/// Parses a time of a response: compared as text, `.5Z` would come after `.51Z`.
#[track_caller]
pub fn moment(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Waits until mails that were ordered are sent, and nothing else is going on in the background.
#[track_caller]
pub fn wait_until_idle() {
    eventually("the background is idle", || {
        let is_idle = match &*Transport::get() {
            Transport::InProcess(local) => local.is_idle(),
            Transport::Stack(_) => {
                let names = json!({"AttributeNames": ["ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible"]});
                let response = aws::sqs("GetQueueAttributes", "mail", names);
                let attributes = response["Attributes"].as_object().unwrap();
                attributes.values().all(|number| number == "0")
            }
        };
        is_idle.then_some(())
    });
}

/// Returns a word that no other test uses.
pub fn unique() -> String {
    let random = Uuid::now_v7().simple().to_string();
    random[20..].to_owned()
}

/// Waits until `probe` returns a value.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let is_last = Instant::now() >= deadline;
        if let Some(found) = probe() {
            return found;
        }
        assert!(!is_last, "{what}: not within {} s", TIMEOUT.as_secs());
        thread::sleep(Duration::from_millis(100));
    }
}
