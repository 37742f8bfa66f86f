//! The queue of mails and its dead letters, for the tests that change them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use api_tests::harness::{SentMail, aws, eventually, mails_to};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Waits for `count` mails to an address and returns them.
pub(crate) fn mails(email: &str, count: usize) -> Vec<SentMail> {
    eventually(&format!("{count} mails have been sent"), || {
        Some(mails_to(email)).filter(|mails| mails.len() >= count)
    })
}

/// Returns the order for a mail, as the dispatcher puts it into the queue.
pub(crate) fn order(recipient: &str, notification: &Value) -> String {
    json!({"recipient_id": recipient, "notification_id": notification}).to_string()
}

/// Returns the event with which SQS delivers a message to the mailer.
fn delivery(body: &str) -> Value {
    json!({"Records": [{
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d", "receiptHandle": "x", "body": body,
            "attributes": {},
        "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "",
            "awsRegion": "eu-central-1",
    }]})
}

/// Delivers a message to the mailer; returns whether the mailer accepted it.
pub(crate) fn deliver(body: &str) -> bool {
    aws::invoke("mailer", &delivery(body))["batchItemFailures"].as_array().unwrap().is_empty()
}

/// Returns the expression and the values that store a state of a mail, with the times that a state
/// has. Without them, the change is corrupt: the dispatcher stops at it, and the emulated cloud
/// does not deliver the rest of its batch again, as AWS does.
pub(crate) fn change_to(state: &str) -> (&'static str, Value) {
    let expression = "SET mail_state = :state, mail_sent_at = if_not_exists(mail_sent_at, :now), \
                      mail_failed_at = if_not_exists(mail_failed_at, :now)";
    (expression, json!({":state": {"S": state}, ":now": {"S": Timestamp::now().to_string()}}))
}

/// Stores in a notification that its mail was begun, or that it was not.
pub(crate) fn set_mail_state(recipient: &str, notification: &Value, state: Option<&str>) {
    let sk = format!("NOTIFICATION#{}", notification.as_str().unwrap());
    let (expression, values) = match state {
        Some(state) => change_to(state),
        None => ("REMOVE mail_state", Value::Null),
    };
    aws::update_item(&format!("INBOX#{recipient}"), &sk, expression, values);
}

/// While one lives, a message that the mailer has refused is delivered again after a few seconds;
/// others only if they take longer.
pub(crate) struct ShortVisibilityTimeout;

/// How many there are, and the visibility timeout of the queue before.
static SHORT_VISIBILITY_TIMEOUTS: Mutex<(usize, Value)> = Mutex::new((0, Value::Null));

impl ShortVisibilityTimeout {
    pub(crate) fn begin() -> Self {
        let mut state = SHORT_VISIBILITY_TIMEOUTS.lock().unwrap();
        if state.0 == 0 {
            let response = aws::sqs(
                "GetQueueAttributes",
                "mail",
                json!({"AttributeNames": ["VisibilityTimeout"]}),
            );
            state.1 = response["Attributes"]["VisibilityTimeout"].clone();
            assert_eq!(state.1, "180");
            Self::set(&json!("3"));
        }
        state.0 += 1;
        Self
    }

    fn set(seconds: &Value) {
        aws::sqs(
            "SetQueueAttributes",
            "mail",
            json!({"Attributes": {"VisibilityTimeout": seconds}}),
        );
    }
}

impl Drop for ShortVisibilityTimeout {
    fn drop(&mut self) {
        // A failed test leaves this state consistent.
        let mut state = SHORT_VISIBILITY_TIMEOUTS.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 -= 1;
        if state.0 == 0 {
            Self::set(&state.1);
        }
    }
}

/// All tests share the dead letters, and any test may put them back: these run one after the other.
static DEAD_LETTERS: Mutex<()> = Mutex::new(());

/// Returns a lock of the dead letters, for a whole test.
pub(crate) fn lock_dead_letters() -> MutexGuard<'static, ()> {
    DEAD_LETTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Walks through all dead letters and removes those that are `unwanted`; returns the bodies of all.
pub(crate) fn read_dead_letters(unwanted: impl Fn(&str) -> bool) -> Vec<String> {
    let (mut bodies, mut others) = (Vec::new(), Vec::new());
    loop {
        let taken = aws::sqs(
            "ReceiveMessage",
            "mail_dlq",
            json!({"MaxNumberOfMessages": 10, "VisibilityTimeout": 60}),
        );
        let Some(messages) = taken["Messages"].as_array().filter(|messages| !messages.is_empty())
        else {
            break;
        };
        for message in messages {
            let receipt = message["ReceiptHandle"].clone();
            let body = message["Body"].as_str().unwrap();
            if unwanted(body) {
                aws::sqs("DeleteMessage", "mail_dlq", json!({"ReceiptHandle": receipt}));
            } else {
                others.push(receipt);
            }
            bodies.push(body.to_owned());
        }
    }
    for receipt in others {
        aws::sqs(
            "ChangeMessageVisibility",
            "mail_dlq",
            json!({"ReceiptHandle": receipt, "VisibilityTimeout": 0}),
        );
    }
    bodies
}
