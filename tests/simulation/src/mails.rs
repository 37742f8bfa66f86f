//! SES: what it was asked to send, and what it has sent.

use std::collections::BTreeMap;

/// A mail that SES has accepted.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: u64,
    /// The recipient's address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// Keys of the item of which the mail is.
    pub of: String,
}

/// What SES has accepted, and how it responds.
#[derive(Default)]
pub struct Mails {
    /// All mails.
    pub sent: Vec<Sent>,
    /// All requests to send one: of which item, and whether it may have been sent.
    pub requests: Vec<(u64, String, bool)>,
}

/// A response of SES.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
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
    /// Carries out SendEmail.
    pub fn act(&mut self, body: &[u8], of: String, verdict: Verdict, now: u64) -> (u16, String) {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let sent = Sent {
            at: now,
            to: text("Destination.ToAddresses.member.1"),
            subject: text("Message.Subject.Data"),
            of,
        };
        let error = |code| {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error>\
                     </ErrorResponse>"
            )
        };
        match verdict {
            Verdict::Refused(code) => (400, error(code)),
            Verdict::Failed { sent: false } => (500, error("InternalFailure")),
            Verdict::Failed { sent: true } => {
                self.sent.push(sent);
                (500, error("InternalFailure"))
            }
            Verdict::Accepted => {
                self.sent.push(sent);
                let result = "<SendEmailResult><MessageId>1</MessageId></SendEmailResult>";
                (200, format!("<SendEmailResponse>{result}</SendEmailResponse>"))
            }
        }
    }
}
