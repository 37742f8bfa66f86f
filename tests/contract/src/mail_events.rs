//! Bounces and complaints: SES publishes them, the rules pass them on without personal data, and
//! the function reads what the rules write.

use domain::mail::MailFailure;
use mail_events::MailReport;
use serde_json::{Value, json};

use crate::assert_same;
use crate::template::{Template, text, texts};

const RULE: &str = "AWS::Events::Rule";

/// Returns an event of SES on the default bus, about a mail to Jane.
/// <https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html>
/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html>
fn event(detail_type: &str, event_type: &str, name: &str, specifics: &Value) -> Value {
    json!({
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2026-11-28T12:00:03Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:ses:eu-central-1:123456789012:configuration-set/mails"],
        "detail": {
            "eventType": event_type,
            name: specifics,
            "mail": {
                "timestamp": "2026-11-28T12:00:00.041Z",
                "source": "records@example.org",
                "sourceArn": "arn:aws:ses:eu-central-1:123456789012:identity/records@example.org",
                "sendingAccountId": "123456789012",
                "messageId": "010701936f2a0000-7c191be4-e9ae-4d12-a87d-dd0099a07f8a-000000",
                "destination": ["jane@example.com"],
                "headersTruncated": false,
                "headers": [
                    {"name": "From", "value": "records@example.org"},
                    {"name": "To", "value": "jane@example.com"},
                    {"name": "Subject", "value": "Health Record Notification - New Record"},
                ],
                "commonHeaders": {
                    "from": ["records@example.org"],
                    "to": ["jane@example.com"],
                    "messageId": "010701936f2a0000-7c191be4-e9ae-4d12-a87d-dd0099a07f8a-000000",
                    "subject": "Health Record Notification - New Record",
                },
                "tags": {
                    "ses:operation": ["SendEmail"],
                    "ses:configuration-set": ["${MailConfigurationSet}"],
                    "ses:source-ip": ["192.0.2.20"],
                    "ses:from-domain": ["example.org"],
                    "ses:caller-identity": ["health-records-mailer"],
                    "recipient_id": ["01936f2a-0000-7000-8000-0000000000d1"],
                    "mail_id": ["01936f2a-0000-7000-8000-0000000000a1"],
                    "address": ["ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"],
                },
            },
        },
    })
}

fn bounce(kind: &str) -> Value {
    let bounce = json!({
        "feedbackId": "010701936f2a0bb8-61b59c11-9236-4e6f-8f96-7be8aexample-000000",
        "bounceType": kind,
        "bounceSubType": "General",
        "bouncedRecipients": [{
            "emailAddress": "jane@example.com",
            "action": "failed",
            "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 <jane@example.com>: user unknown",
        }],
        "timestamp": "2026-11-28T12:00:02.669Z",
        "reportingMTA": "dns; b224-10.smtp-out.eu-central-1.amazonses.com",
    });
    event("Email Bounced", "Bounce", "bounce", &bounce)
}

fn complaint() -> Value {
    let complaint = json!({
        "feedbackId": "010701936f2a0bb8-61b59c11-9236-4e6f-8f96-7be8aexample-000001",
        "complaintSubType": null,
        "complainedRecipients": [{"emailAddress": "jane@example.com"}],
        "timestamp": "2026-11-28T12:00:02.669Z",
        "userAgent": "Mail of Jane",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2026-11-28T12:00:02.669Z",
    });
    event("Email Complaint Received", "Complaint", "complaint", &complaint)
}

/// Returns whether an event matches a pattern: it has each name of the pattern with one of its
/// values, or a list that contains one.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html>
fn matches(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(names), _) => {
            names.iter().all(|(name, pattern)| matches(pattern, &event[name]))
        }
        (Value::Array(_), Value::Array(values)) => {
            values.iter().any(|value| matches(pattern, value))
        }
        (Value::Array(allowed), Value::String(value)) => {
            allowed.iter().any(|allowed| text(allowed) == *value)
        }
        _ => false,
    }
}

/// Returns what a target of a rule gets of an event.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>
fn transformed(target: &Value, event: &Value) -> String {
    let transformer = &target["InputTransformer"];
    let mut written = text(&transformer["InputTemplate"]);
    for (name, path) in transformer["InputPathsMap"].as_object().unwrap() {
        let path = text(path);
        let names = path.strip_prefix("$.").unwrap().split('.');
        let value = names.fold(event, |value, name| &value[name]);
        assert!(!value.is_null(), "an input path must exist in every event: {path}");
        written = written.replace(&format!("<{name}>"), &value.to_string());
    }
    written
}

/// Returns the rules for events of SES.
fn rules(template: &Template) -> impl Iterator<Item = (&str, &Value)> {
    template.all(RULE).filter(|(_, rule)| rule["EventPattern"]["source"] == json!(["aws.ses"]))
}

/// Returns the messages that the rules make of an event.
fn messages(template: &Template, event: &Value) -> Vec<String> {
    rules(template)
        .map(|(_, rule)| rule)
        .filter(|rule| matches(&rule["EventPattern"], event))
        .flat_map(|rule| rule["Targets"].as_array().unwrap())
        .map(|target| transformed(target, event))
        .collect()
}

#[test]
fn the_function_gets_each_bounce_and_complaint_once_without_personal_data() {
    let template = Template::load();
    for (event, failure) in [
        (bounce("Permanent"), MailFailure::Bounced),
        (bounce("Transient"), MailFailure::NotDelivered),
        (bounce("Undetermined"), MailFailure::NotDelivered),
        (complaint(), MailFailure::Complained),
    ] {
        let messages = messages(&template, &event);
        let [message] = &messages[..] else {
            panic!("{failure}: the rules make {} messages of it, not one", messages.len())
        };
        let report = MailReport::parse(message).unwrap();
        assert_eq!(report.failure, failure);
        let times = [report.sent_at, report.reported_at].map(|time| time.to_string());
        assert_eq!(times, ["2026-11-28T12:00:00.041Z", "2026-11-28T12:00:03Z"]);
        assert!(report.tags.is_some());
        for personal in ["jane", "Jane", "@", "user unknown", "Notification"] {
            assert!(!message.contains(personal), "{personal} must not be in the queue: {message}");
        }
    }
}

#[test]
fn events_of_others_are_left_to_them() {
    let template = Template::load();
    let mut foreign = bounce("Permanent");
    foreign["detail"]["mail"]["tags"]["ses:configuration-set"] = json!(["another"]);
    assert_eq!(messages(&template, &foreign), [""; 0]);
    let mut sent = bounce("Permanent");
    sent["detail-type"] = json!("Email Delivered");
    assert_eq!(messages(&template, &sent), [""; 0]);
}

#[test]
fn ses_publishes_bounces_and_complaints_and_suppresses_their_addresses() {
    let template = Template::load();
    let set = template.properties("MailConfigurationSet", "AWS::SES::ConfigurationSet");
    assert_eq!(set["ReputationOptions"], json!({ "ReputationMetricsEnabled": true }));
    assert_eq!(set["SuppressionOptions"], json!({ "SuppressedReasons": ["BOUNCE", "COMPLAINT"] }));
    let destination = "AWS::SES::ConfigurationSetEventDestination";
    let destination = template.properties("MailEventDestination", destination);
    assert_eq!(text(&destination["ConfigurationSetName"]), "${MailConfigurationSet}");
    let destination = &destination["EventDestination"];
    assert_eq!(destination["Enabled"], true);
    assert_same(
        texts(&destination["MatchingEventTypes"]),
        ["bounce", "complaint"],
        "SES must publish what the rules pass on, and nothing else",
    );
    assert_eq!(
        text(&destination["EventBridgeDestination"]["EventBusArn"]),
        "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default",
        "SES can publish to the default bus only"
    );
}

#[test]
fn only_the_rules_may_send_to_the_queue() {
    let template = Template::load();
    for (rule, properties) in rules(&template) {
        let targets = properties["Targets"].as_array().unwrap();
        let queues: Vec<String> = targets.iter().map(|target| text(&target["Arn"])).collect();
        assert_eq!(queues, ["${MailEventQueue.Arn}"], "{rule}");
    }
    let policy = template.properties("MailEventQueuePolicy", "AWS::SQS::QueuePolicy");
    assert_eq!(texts(&policy["Queues"]), ["${MailEventQueue}"]);
    let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
    let [statement] = &statements[..] else { panic!("one statement is enough") };
    assert_eq!(
        (&statement["Effect"], &statement["Principal"], text(&statement["Action"])),
        (
            &json!("Allow"),
            &json!({ "Service": "events.amazonaws.com" }),
            "sqs:SendMessage".to_owned()
        )
    );
    assert_eq!(text(&statement["Resource"]), "${MailEventQueue.Arn}");
    assert_same(
        texts(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]),
        rules(&template).map(|(rule, _)| format!("${{{rule}.Arn}}")),
        "the policy of the queue must name the rules",
    );
}
