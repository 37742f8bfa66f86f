//! What SES reports about mails, as the rules of `template.yaml` pass it on.

use domain::mail::MailMessage;
use jiff::Timestamp;
use runtime::mail_tags::MailTags;
use serde_json::{Value, json};

use super::{Transport, aws};

/// Makes the report of a bounce of this type (`Permanent` or `Transient`), or of a `Complaint`,
/// about a mail that was sent to an address just now. `order` is the order for the mail.
pub fn report_about(order: &Value, recipient: &str, email: &str, kind: &str) -> Value {
    let order: MailMessage = serde_json::from_value(order.clone()).unwrap();
    let tags = MailTags::new(order, recipient.parse().unwrap(), &email.parse().unwrap());
    let tags = tags.pairs().into_iter().map(|(name, value)| (name.to_owned(), json!([value])));
    let tags: serde_json::Map<String, Value> = tags.collect();
    let now = Timestamp::now();
    let mut report = json!({"event_type": "Bounce", "bounce_type": kind, "sent_at": now,
        "reported_at": now, "tags": tags});
    if kind == "Complaint" {
        report["event_type"] = json!(kind);
        report.as_object_mut().unwrap().remove("bounce_type");
    }
    report
}

/// Lets the function `mail-events` note a report; returns whether it did.
pub fn report(report: &Value) -> bool {
    match &*Transport::get() {
        Transport::InProcess(local) => local.report(report),
        Transport::Stack(_) => {
            let message = json!({"messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "x", "body": report.to_string(), "attributes": {},
                "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
                "eventSourceARN": "", "awsRegion": "eu-central-1"});
            let response = aws::invoke("mail-events", &json!({"Records": [message]}));
            response["batchItemFailures"].as_array().unwrap().is_empty()
        }
    }
}
