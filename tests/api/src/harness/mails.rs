//! The mails that were sent.

use serde_json::Value;

use super::{Request, Stack};

/// A sent mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// The mails to an address so far, oldest first.
#[track_caller]
pub(crate) fn mails_to(email: &str) -> Vec<Mail> {
    let mails = Request::new("GET", &Stack::get().mails_url).send_unchecked().ok(200);
    let mails = mails.body.as_array().unwrap().iter().map(mail);
    let mut mails: Vec<Mail> = mails.filter(|mail| mail.to.iter().any(|to| to == email)).collect();
    mails.reverse();
    mails
}

fn mail(mail: &Value) -> Mail {
    let text = |name: &str| mail[name].as_str().unwrap_or_default().to_owned();
    let to = mail["to"].as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_owned()).collect();
    Mail { from: text("from"), to, subject: text("subject"), text: text("text"), html: text("html") }
}
