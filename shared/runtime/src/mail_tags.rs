//! The tags of a mail in SES, which come back with every event about the mail: ids, and a hash of
//! the address, so that neither the address nor an index is needed to find the mail and the
//! account.

use std::collections::HashMap;

use crypto::sha256_base64url;
use domain::email::Email;
use domain::id::UserId;
use domain::mail::MailMessage;

const RECIPIENT: &str = "recipient_id";
const NOTIFICATION: &str = "notification_id";
const MAIL: &str = "mail_id";
const ADDRESS: &str = "address";

/// The tags of a mail. SES allows letters, digits, `_` and `-` in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailTags {
    /// What was mailed.
    pub order: MailMessage,
    /// The account that it was about.
    pub recipient_id: UserId,
    address_hash: String,
}

/// Tags that name a recipient, but are not those of a mail. The message does not repeat them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the tags are not those of a mail")]
pub struct InvalidTags;

impl MailTags {
    /// Makes the tags of a mail to an address.
    pub fn new(order: MailMessage, recipient_id: UserId, address: &Email) -> Self {
        Self { order, recipient_id, address_hash: hash(address) }
    }

    /// Returns whether the mail was sent to this address. Case is ignored.
    pub fn is_sent_to(&self, address: &Email) -> bool {
        self.address_hash == hash(address)
    }

    /// Returns the names and values for SES.
    pub fn pairs(&self) -> [(&'static str, String); 3] {
        let order = match self.order {
            MailMessage::Notification { notification_id, .. } => {
                (NOTIFICATION, notification_id.to_string())
            }
            MailMessage::Mail { mail_id } => (MAIL, mail_id.to_string()),
        };
        let address = (ADDRESS, self.address_hash.clone());
        [(RECIPIENT, self.recipient_id.to_string()), order, address]
    }

    /// Reads the tags of an event, where each name has a list of values; `None` if they name no
    /// recipient, as those of mails that were sent without tags.
    ///
    /// # Errors
    /// When they name a recipient, but do not say which mail and address.
    pub fn parse(tags: &HashMap<String, Vec<String>>) -> Result<Option<Self>, InvalidTags> {
        let value = |name: &str| tags.get(name).and_then(|values| values.first());
        let Some(recipient) = value(RECIPIENT) else { return Ok(None) };
        let recipient_id = recipient.parse().map_err(|_| InvalidTags)?;
        let order = match (value(NOTIFICATION), value(MAIL)) {
            (Some(id), None) => {
                let notification_id = id.parse().map_err(|_| InvalidTags)?;
                MailMessage::Notification { recipient_id, notification_id }
            }
            (None, Some(id)) => MailMessage::Mail { mail_id: id.parse().map_err(|_| InvalidTags)? },
            _ => return Err(InvalidTags),
        };
        let address_hash = value(ADDRESS).ok_or(InvalidTags)?.clone();
        Ok(Some(Self { order, recipient_id, address_hash }))
    }
}

fn hash(address: &Email) -> String {
    sha256_base64url(address.normalized().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::new_id;

    fn email(text: &str) -> Email {
        text.parse().unwrap()
    }

    fn of_event(tags: &[(&str, String)]) -> HashMap<String, Vec<String>> {
        let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), vec![value.clone()]));
        tags.collect()
    }

    #[test]
    fn tags_come_back_as_they_were_sent() {
        let recipient_id: UserId = new_id();
        let orders = [
            MailMessage::Notification { recipient_id, notification_id: new_id() },
            MailMessage::Mail { mail_id: new_id() },
        ];
        for order in orders {
            let tags = MailTags::new(order, recipient_id, &email("Jane.Doe@example.com"));
            for (name, value) in tags.pairs() {
                let is_allowed =
                    |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
                assert!(name.chars().chain(value.chars()).all(is_allowed), "{name}: {value}");
                assert!(value.len() <= 256, "the maximum of SES");
            }
            assert_eq!(MailTags::parse(&of_event(&tags.pairs())), Ok(Some(tags.clone())));
            assert!(tags.is_sent_to(&email("jane.doe@example.com")));
            assert!(!tags.is_sent_to(&email("john.doe@example.com")));
        }
    }

    #[test]
    fn incomplete_tags_are_refused_and_foreign_ones_ignored() {
        let order = MailMessage::Mail { mail_id: new_id() };
        let pairs = MailTags::new(order, new_id(), &email("jane@example.com")).pairs();
        let [recipient, mail, address] = pairs.clone();
        assert_eq!(MailTags::parse(&HashMap::new()), Ok(None));
        assert_eq!(MailTags::parse(&of_event(&[mail.clone(), address.clone()])), Ok(None));
        for tags in [
            vec![recipient.clone(), mail.clone()],
            vec![recipient.clone(), address.clone()],
            vec![recipient.clone(), (MAIL, "1".to_owned()), address.clone()],
            vec![(RECIPIENT, "1".to_owned()), mail.clone(), address.clone()],
            [&pairs[..], &[(NOTIFICATION, new_id::<UserId>().to_string())]].concat(),
        ] {
            assert_eq!(MailTags::parse(&of_event(&tags)), Err(InvalidTags), "{tags:?}");
        }
    }
}
