//! SES: what it was asked to send, and what it has sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use crate::clock::timestamp;

/// A mail that SES has accepted.
#[derive(Clone, Debug)]
pub struct SentMail {
    /// When.
    pub at: u64,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// Keys of the item of which the mail is.
    pub of: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The token in it.
    pub token: Option<String>,
}

impl SentMail {
    /// Returns the message about its bounce, as the rules of the template write it.
    pub fn bounce(&self, now: u64) -> String {
        let tags: BTreeMap<&String, [&String; 1]> =
            self.tags.iter().map(|(name, value)| (name, [value])).collect();
        json!({"event_type": "Bounce", "bounce_type": "Permanent", "tags": tags,
            "sent_at": timestamp(self.at).to_string(),
            "reported_at": timestamp(now).to_string()})
        .to_string()
    }
}

/// What SES has accepted, and how it responds.
#[derive(Default)]
pub struct Mails {
    /// All mails.
    pub sent: Vec<SentMail>,
    /// Addresses that refuse all mails.
    pub refused_by: BTreeSet<String>,
    /// Addresses to which it sends nothing.
    pub invalid: BTreeSet<String>,
    /// Bounces that are not reported yet.
    pub bounces: Vec<SentMail>,
    /// Is notified of bounces.
    pub bounced: Arc<Notify>,
    /// The least time between two mails, in ms.
    pub interval: u64,
    /// How long it takes to respond, in ms.
    pub latency: u64,
    /// Why it sends nothing, if it does not.
    pub pause: Option<SendingPause>,
    /// When the last mail was accepted.
    last: Option<u64>,
    /// All requests to send one: of which item, and whether it may have been sent.
    pub requests: Vec<(u64, String, bool)>,
}

/// A time in which SES sends nothing.
#[derive(Clone, Copy, Debug)]
pub struct SendingPause {
    /// The code of its responses.
    pub code: &'static str,
    /// Their message.
    pub message: &'static str,
    /// The first ms after it.
    pub until: u64,
}

/// A response of SES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SesOutcome {
    /// It sends the mail.
    Accepted,
    /// It refuses the mail with this code.
    Refused(&'static str),
    /// It fails, and has sent the mail or not.
    Failed {
        /// Whether it has sent it.
        sent: bool,
    },
}

impl Mails {
    fn accept(&mut self, sent: SentMail) {
        self.last = Some(sent.at);
        if self.refused_by.contains(&sent.to) {
            self.bounces.push(sent.clone());
            self.bounced.notify_one();
        }
        self.sent.push(sent);
    }

    /// Notes that the last request for a mail was refused, and its sender knows.
    pub fn note_refusal(&mut self, of: &str) {
        if let Some(request) = self.requests.iter_mut().rfind(|request| request.1 == of) {
            request.2 = false;
        }
    }

    /// Carries out SendEmail.
    pub fn act(&mut self, body: &[u8], of: String, outcome: SesOutcome, now: u64) -> (u16, String) {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let tag = |number: usize| {
            let part = |name: &str| fields.get(&format!("Tags.member.{number}.{name}")).cloned();
            part("Name").zip(part("Value"))
        };
        let sent = SentMail {
            at: now,
            to: text("Destination.ToAddresses.member.1"),
            subject: text("Message.Subject.Data"),
            of,
            tags: (1..10).map_while(tag).collect(),
            token: token_in(&text("Message.Body.Text.Data")),
        };
        let error = |code, message| {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>\
                     <Message>{message}</Message></Error></ErrorResponse>"
            )
        };
        if let Some(pause) = self.pause.filter(|pause| now < pause.until) {
            return (400, error(pause.code, pause.message));
        }
        if self.last.is_some_and(|last| now < last + self.interval) {
            return (400, error("Throttling", ""));
        }
        if self.invalid.contains(&sent.to) {
            return (400, error("InvalidParameterValue", ""));
        }
        match outcome {
            SesOutcome::Refused(code) => (400, error(code, "")),
            SesOutcome::Failed { sent: false } => (500, error("InternalFailure", "")),
            SesOutcome::Failed { sent: true } => {
                self.accept(sent);
                (500, error("InternalFailure", ""))
            }
            SesOutcome::Accepted => {
                self.accept(sent);
                let result = "<SendEmailResult><MessageId>1</MessageId></SendEmailResult>";
                (200, format!("<SendEmailResponse>{result}</SendEmailResponse>"))
            }
        }
    }
}

/// Returns the token in the link of a mail.
fn token_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("#token=")?;
    rest.split_whitespace().next().map(str::to_owned)
}
