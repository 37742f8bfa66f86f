//! The mails that were sent.

use serde_json::Value;

use super::{Request, Transport, eventually};

/// A sent mail.
#[derive(Clone, Debug)]
pub struct SentMail {
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// Names and values; the emulated cloud does not tell them.
    pub tags: Vec<(String, String)>,
}

/// Returns the mails about notifications sent to an address so far, oldest first.
#[track_caller]
pub fn mails_to(email: &str) -> Vec<SentMail> {
    all_mails_to(email, "Health Record Notification - ")
}

/// Returns the mails about the account sent to an address so far, oldest first. Every new user gets
/// one that confirms the address.
#[track_caller]
pub fn account_mails_to(email: &str) -> Vec<SentMail> {
    all_mails_to(email, "Health Record Account - ")
}

/// Waits for the next mail to an address with this end of its subject, after those in `before`.
#[track_caller]
pub fn account_mail(email: &str, subject: &str, before: usize) -> SentMail {
    eventually(&format!("a mail: {subject}"), || {
        let mut mails = account_mails_to(email);
        mails.retain(|mail| mail.subject.ends_with(subject));
        mails.into_iter().nth(before)
    })
}

impl SentMail {
    /// Returns the token in the mail.
    #[track_caller]
    pub fn token(&self) -> String {
        let (_, rest) =
            self.text.split_once("#token=").unwrap_or_else(|| panic!("no token: {}", self.text));
        rest.split_whitespace().next().unwrap().to_owned()
    }
}

#[track_caller]
fn all_mails_to(email: &str, subject: &str) -> Vec<SentMail> {
    let mut mails = match &*Transport::get() {
        Transport::InProcess(local) => local.mails_to(email),
        Transport::Stack(stack) => {
            let mails = Request::new("GET", &stack.mails_url).send_unchecked().ok(200);
            mails.body.as_array().unwrap().iter().rev().map(mail).collect()
        }
    };
    mails.retain(|mail| mail.to.iter().any(|to| to == email) && mail.subject.starts_with(subject));
    mails
}

fn mail(mail: &Value) -> SentMail {
    let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
    let to = mail["to"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| address.as_str().unwrap().to_owned())
        .collect();
    SentMail {
        from: text("from"),
        to,
        subject: text("subject"),
        text: text("text"),
        html: text("html"),
        tags: Vec::new(),
    }
}
