//! What the tests run against: the routers in this process, or the deployed stack.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Builder;

use super::SentMail;
use super::local::{self, Local};
use super::stack::Stack;

/// How a request reaches the functions.
pub enum Transport {
    /// The routers of the functions over an embedded table, inside this process.
    InProcess(Box<Local>),
    /// The stack that `STACK_FILE` describes.
    Stack(Box<Stack>),
}

impl Transport {
    /// Returns what the current test runs against: the stack if `STACK_FILE` is set, otherwise one
    /// system in this process for all tests that have none of their own.
    pub fn get() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Transport>> = OnceLock::new();
        OWN.with_borrow(Clone::clone).unwrap_or_else(|| {
            let shared = SHARED.get_or_init(|| {
                Arc::new(match Stack::from_env() {
                    Some(stack) => Self::Stack(Box::new(stack)),
                    None => Self::InProcess(Box::new(
                        Local::start(Builder::new_multi_thread()).following_the_stream(),
                    )),
                })
            });
            Arc::clone(shared)
        })
    }

    /// Returns the base of the addresses of the API, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        match self {
            Self::InProcess(_) => local::BASE_URL,
            Self::Stack(stack) => &stack.base_url,
        }
    }

    /// Returns the address of the table's service.
    pub(super) fn endpoint_url(&self) -> String {
        match self {
            Self::InProcess(local) => local.endpoint_url(),
            Self::Stack(stack) => stack.endpoint_url.clone(),
        }
    }

    /// Returns the name of the table.
    pub(super) fn table(&self) -> &str {
        match self {
            Self::InProcess(_) => store_tests::table::NAME,
            Self::Stack(stack) => &stack.table,
        }
    }
}

thread_local! {
    static OWN: RefCell<Option<Arc<Transport>>> = const { RefCell::new(None) };
}

/// A system in this process for the requests of one thread, with an empty table, and without
/// dispatcher and mailer. Each request runs on one thread, so that calls to the table that a
/// handler makes concurrently are measured as concurrent.
pub struct IsolatedSystem(Arc<Transport>);

impl IsolatedSystem {
    /// Starts it; requests of this thread go to it until it is dropped.
    #[must_use = "it ends when it is dropped"]
    pub fn start() -> Self {
        let own =
            Arc::new(Transport::InProcess(Box::new(Local::start(Builder::new_current_thread()))));
        OWN.set(Some(Arc::clone(&own)));
        Self(own)
    }

    /// Lets the bucket respond after half a minute.
    pub fn slow_the_bucket_down(&self) {
        if let Transport::InProcess(local) = &*self.0 {
            local.services().slow_the_bucket_down();
        }
    }

    /// Returns how many responses of the slow bucket were waited for.
    pub fn slow_responses(&self) -> usize {
        match &*self.0 {
            Transport::InProcess(local) => local.services().slow_responses(),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Writes a secret, as an operator does at this time. Functions that start later read it.
    pub fn put_secret(&self, arn: &str, value: &str, at: Timestamp) {
        if let Transport::InProcess(local) = &*self.0 {
            local.services().put_secret(arn, value, at.as_second());
        }
    }

    /// Returns all changes that the table's stream has delivered so far, oldest first.
    pub fn changes(&self) -> Vec<Value> {
        match &*self.0 {
            Transport::InProcess(local) => local.changes(),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Stores an object in the bucket, as an upload does.
    pub fn put_object(&self, key: &str, content_type: &str, content: &[u8]) {
        if let Transport::InProcess(local) = &*self.0 {
            local.services().put_object(key, content_type, content);
        }
    }

    /// Returns whether the bucket has an object.
    pub fn has_object(&self, key: &str) -> bool {
        match &*self.0 {
            Transport::InProcess(local) => local.services().has_object(key),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Lets an inspector handle a message about an object, in a deployment with scans for malware
    /// or without; returns whether it did.
    pub fn inspect(&self, message: &Value, scans_for_malware: bool) -> bool {
        match &*self.0 {
            Transport::InProcess(local) => local.inspect(message, scans_for_malware),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Lets SES refuse all mails from now on, because its daily quota is used up.
    pub fn exhaust_the_quota(&self) {
        if let Transport::InProcess(local) = &*self.0 {
            local.services().exhaust_the_quota();
        }
    }

    /// Returns the messages that were hidden for longer or shorter, each by its receipt, and for
    /// how many seconds.
    pub fn hidden(&self) -> Vec<(String, u64)> {
        match &*self.0 {
            Transport::InProcess(local) => local.services().hidden(),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Returns the mails sent to an address, oldest first.
    pub fn mails_to(&self, address: &str) -> Vec<SentMail> {
        match &*self.0 {
            Transport::InProcess(local) => local.services().mails_to(address),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Lets a mailer handle orders of mails; returns how many of them it gives back.
    pub fn deliver(&self, orders: &[Value], time_left: Duration) -> usize {
        match &*self.0 {
            Transport::InProcess(local) => local.deliver(orders, time_left),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Lets a mailer handle the last delivery of an order, with a detour to the table.
    pub fn deliver_last(&self, order: &Value, table_url: &str) {
        match &*self.0 {
            Transport::InProcess(local) => local.deliver_last(order, table_url),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Returns the mails that [`Self::deliver`] has sent to an address.
    pub fn delivered_to(&self, address: &str) -> Vec<SentMail> {
        match &*self.0 {
            Transport::InProcess(local) => local.delivered_to(address),
            Transport::Stack(_) => unreachable!("a system of its own is in this process"),
        }
    }

    /// Stores copies of the items of a partition with this prefix of their sort keys, under other
    /// ids: see [`store_tests::table::TestTable::multiply`].
    pub fn multiply(
        &self,
        pk: &str,
        sk: &str,
        number: usize,
        ids: impl Fn(usize) -> Vec<(String, String)>,
    ) {
        if let Transport::InProcess(local) = &*self.0 {
            local.multiply(pk, sk, number, ids);
        }
    }
}

impl Drop for IsolatedSystem {
    fn drop(&mut self) {
        OWN.set(None);
    }
}
