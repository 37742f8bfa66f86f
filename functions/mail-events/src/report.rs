//! What a message of the queue says, as the rules of `template.yaml` write it.
//!
//! <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>
//! describes the events of which the rules take parts.

use std::collections::HashMap;

use domain::mail::MailFailure;
use jiff::Timestamp;
use runtime::mail_tags::{InvalidTags, MailTags};
use serde::Deserialize;

/// What SES reports about a mail.
#[derive(Clone, PartialEq, Debug)]
pub struct MailReport {
    /// What became of the mail.
    pub failure: MailFailure,
    /// When SES took the mail.
    pub sent_at: Timestamp,
    /// When SES reported it.
    pub reported_at: Timestamp,
    /// Which mail; none for one that was sent without tags.
    pub tags: Option<MailTags>,
}

/// A message that is not a report. Its text repeats nothing of the message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidReport {
    /// The message does not have the form of a report.
    #[error("the message is not a report about a mail")]
    Malformed,
    /// The tags are incomplete.
    #[error(transparent)]
    Tags(#[from] InvalidTags),
}

#[derive(Deserialize)]
struct ReportBody {
    event_type: EventType,
    bounce_type: Option<BounceType>,
    sent_at: Timestamp,
    reported_at: Timestamp,
    tags: HashMap<String, Vec<String>>,
}

#[derive(Clone, Copy, Deserialize)]
enum EventType {
    Bounce,
    Complaint,
}

/// How final a bounce is. SES has retried a transient one for hours.
#[derive(Clone, Copy, Deserialize)]
enum BounceType {
    Permanent,
    Transient,
    Undetermined,
}

impl MailReport {
    /// Reads a message.
    ///
    /// # Errors
    /// When the message is not a report of one of the two kinds.
    pub fn parse(text: &str) -> Result<Self, InvalidReport> {
        let body: ReportBody = serde_json::from_str(text).map_err(|_| InvalidReport::Malformed)?;
        let failure = match (body.event_type, body.bounce_type) {
            (EventType::Bounce, Some(BounceType::Permanent)) => MailFailure::Bounced,
            (EventType::Bounce, Some(BounceType::Transient | BounceType::Undetermined)) => {
                MailFailure::NotDelivered
            }
            (EventType::Bounce, None) => return Err(InvalidReport::Malformed),
            (EventType::Complaint, _) => MailFailure::Complained,
        };
        let tags = MailTags::parse(&body.tags)?;
        Ok(Self { failure, sent_at: body.sent_at, reported_at: body.reported_at, tags })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bounce(kind: &str) -> Value {
        json!({
            "event_type": "Bounce", "bounce_type": kind, "reported_at": "2026-11-28T12:00:02Z",
            "sent_at": "2026-11-28T12:00:00.017Z",
            "tags": {
                "ses:configuration-set": ["health-records"],
                "recipient_id": ["01936f2a-0000-7000-8000-0000000000d1"],
                "mail_id": ["01936f2a-0000-7000-8000-0000000000e1"],
                "address": ["ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"],
            },
        })
    }

    fn failure(report: &Value) -> Result<MailFailure, InvalidReport> {
        MailReport::parse(&report.to_string()).map(|report| report.failure)
    }

    #[test]
    fn only_a_permanent_bounce_is_a_bounce() {
        for (kind, expected) in [
            ("Permanent", MailFailure::Bounced),
            ("Transient", MailFailure::NotDelivered),
            ("Undetermined", MailFailure::NotDelivered),
        ] {
            assert_eq!(failure(&bounce(kind)), Ok(expected), "{kind}");
        }
        let mut complaint = bounce("Permanent");
        complaint["event_type"] = json!("Complaint");
        complaint.as_object_mut().unwrap().remove("bounce_type");
        assert_eq!(failure(&complaint), Ok(MailFailure::Complained));
    }

    #[test]
    fn a_mail_without_tags_of_ours_is_nobodys() {
        let mut report = bounce("Permanent");
        report["tags"] = json!({"ses:configuration-set": ["health-records"]});
        assert_eq!(MailReport::parse(&report.to_string()).unwrap().tags, None);
    }

    #[test]
    fn what_is_no_report_is_refused_without_being_repeated() {
        let mut of_other_kinds = [bounce("Permanent"), bounce("Permanent"), bounce("Permanent")];
        of_other_kinds[0]["event_type"] = json!("Delivery");
        of_other_kinds[1].as_object_mut().unwrap().remove("bounce_type");
        of_other_kinds[2]["bounce_type"] = json!("jane@example.com");
        for report in &of_other_kinds {
            let error = failure(report).unwrap_err();
            assert_eq!(error, InvalidReport::Malformed);
            assert!(!error.to_string().contains("jane"));
        }
        assert_eq!(MailReport::parse("{"), Err(InvalidReport::Malformed));
        let mut incomplete = bounce("Permanent");
        incomplete["tags"]["mail_id"] = json!(["1"]);
        assert_eq!(failure(&incomplete), Err(InvalidReport::Tags(InvalidTags)));
    }
}
