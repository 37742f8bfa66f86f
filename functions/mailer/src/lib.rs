//! The function `mailer`: sends mails, each once: those of notifications, and those that are stored by themselves.
//!
//! A message may be delivered often and to several sandboxes at a time. Who claims the mail in the table sends it. A
//! failure that is surely one gives the claim back, and the message comes again. When the outcome is unknown, because SES
//! did not answer, the claim stays: the message fails until it is in the dead-letter queue, where a person decides.
//!
//! A token that a mail carries is made here, so that it is nowhere but in the mail; the table gets its hash before the mail
//! goes out.

mod words;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use aws_sdk_ses::error::SdkError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use domain::account::Account;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{Mail, MailKind, MailMessage, MailToken};
use domain::notification::Notification;
use runtime::aws::{self, Patience};
use runtime::serve::{Error, sentence};
use runtime::tokens::MailedToken;
use runtime::{clock, config};
use store::Store;
use store::mail::MailClaim;

use crate::words::Words;

const TEXT: &str = include_str!("../templates/notification.txt");
const HTML: &str = include_str!("../templates/notification.html");

/// What the function works with.
pub struct Mailer {
    store: Store,
    ses: aws_sdk_ses::Client,
    config: config::Mail,
}

impl Mailer {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Mail::from_env()?;
        let sdk = aws::sdk(Patience::Background).await;
        Ok(Self { store: Store::new(aws::dynamodb(&sdk), &config.table_name), ses: aws::ses(&sdk), config })
    }

    /// Handles messages; answers those that must come again.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(error) = self.deliver(message.body.as_deref().unwrap_or_default()).await {
                tracing::error!(error = sentence(&*error), "a mail was not sent");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn deliver(&self, body: &str) -> Result<(), Error> {
        match serde_json::from_str(body).map_err(|_| "the message is no order for a mail")? {
            MailMessage::Notification { recipient_id, notification_id } => self.notify(recipient_id, notification_id).await,
            MailMessage::Mail { mail_id } => self.tell(mail_id).await,
        }
    }

    async fn notify(&self, recipient_id: UserId, notification_id: NotificationId) -> Result<(), Error> {
        let Some(recipient) = self.store.account(recipient_id).await?.filter(|recipient| recipient.is_active) else {
            tracing::info!(%notification_id, "the recipient is gone");
            return Ok(());
        };
        let notification = match self.store.claim_mail(recipient_id, notification_id, clock::now()).await? {
            MailClaim::Claimed(notification) => notification,
            MailClaim::AlreadySent | MailClaim::Gone => return Ok(()),
            MailClaim::InDoubt => return Err("it was begun before and may have been sent".into()),
        };
        match self.send_notification(recipient.email.as_str(), &notification).await {
            Ok(()) => Ok(self.store.mail_sent(recipient_id, notification_id, clock::now()).await?),
            Err(Failure::NotSent(error)) => {
                self.store.release_mail(recipient_id, notification_id).await?;
                Err(error)
            }
            Err(Failure::Unknown(error)) => Err(error),
        }
    }

    /// Sends a mail that is stored by itself.
    async fn tell(&self, id: MailId) -> Result<(), Error> {
        let Some(mail) = self.store.stored_mail(id).await? else { return Ok(()) };
        let account = self.store.account(mail.user_id).await?.filter(|account| account.is_active);
        let Some((account, words)) = account.zip(Words::of(mail.kind)) else {
            tracing::info!(mail_id = %id, "the mail goes to nobody");
            return Ok(());
        };
        if mail.kind == MailKind::VerifyEmail && account.email_verified {
            return Ok(());
        }
        match self.store.claim_stored_mail(id, clock::now()).await? {
            MailClaim::Claimed(_) => {}
            MailClaim::AlreadySent | MailClaim::Gone => return Ok(()),
            MailClaim::InDoubt => return Err("it was begun before and may have been sent".into()),
        }
        match self.send_mail(&mail, &account, &words).await {
            Ok(()) => Ok(self.store.stored_mail_sent(id, clock::now()).await?),
            Err(Failure::NotSent(error)) => {
                self.store.release_stored_mail(id).await?;
                Err(error)
            }
            Err(Failure::Unknown(error)) => Err(error),
        }
    }

    async fn send_mail(&self, mail: &Mail, account: &Account, words: &Words) -> Result<(), Failure> {
        let address = mail.address.as_ref().unwrap_or(&account.email);
        let mut token = None;
        if mail.kind.carries_token() {
            let made = MailedToken::generate();
            let good_for = MailToken::new(mail.kind, account.id, address.clone(), account.sessions_ended_through, clock::now());
            self.store.put_mail_token(&made.hash(), &good_for).await.map_err(|error| Failure::NotSent(error.into()))?;
            token = Some(made.reveal());
        }
        let content = words.fill(&self.config.app_url, token.as_deref());
        self.send(address.as_str(), words.subject, content.text, content.html).await
    }

    async fn send_notification(&self, address: &str, notification: &Notification) -> Result<(), Failure> {
        let subject = notification.notification_type.subject();
        let fill = |template: &str| template.replace("{url}", &self.config.public_url).replace("{subject}", subject);
        self.send(address, subject, fill(TEXT), fill(HTML)).await
    }

    async fn send(&self, address: &str, subject: &str, text: String, html: String) -> Result<(), Failure> {
        let content = |text: String| Content::builder().charset("UTF-8").data(text).build().map_err(|error| Failure::NotSent(error.into()));
        let body = Body::builder().text(content(text)?).html(content(html)?).build();
        let request = self
            .ses
            .send_email()
            .source(&self.config.sender)
            .destination(Destination::builder().to_addresses(address).build())
            .message(Message::builder().subject(content(subject.to_owned())?).body(body).build())
            .configuration_set_name(&self.config.configuration_set);
        match request.send().await {
            Ok(_) => Ok(()),
            // SES answers an error only for a mail that it has not taken. Its text may hold the address: the code says enough.
            Err(SdkError::ServiceError(failure)) if failure.raw().status().as_u16() < 500 => {
                let code = aws_sdk_ses::error::ProvideErrorMetadata::code(failure.err()).unwrap_or("no code");
                Err(Failure::NotSent(format!("SES refused the mail: {code}").into()))
            }
            Err(SdkError::ConstructionFailure(_)) => Err(Failure::NotSent("the request to SES cannot be built".into())),
            Err(SdkError::DispatchFailure(failure)) if failure.as_connector_error().is_some_and(|error| error.is_user()) => {
                Err(Failure::NotSent("the request to SES was not sent".into()))
            }
            Err(_) => Err(Failure::Unknown("SES did not answer: the mail may have been sent".into())),
        }
    }
}

/// Why a mail was perhaps not sent.
enum Failure {
    /// It surely was not.
    NotSent(Error),
    /// Nobody knows.
    Unknown(Error),
}

#[cfg(test)]
mod tests {
    use super::{HTML, TEXT};

    #[test]
    fn the_templates_have_no_other_places_than_are_filled() {
        for template in [TEXT, HTML] {
            let filled = template.replace("{url}", "").replace("{subject}", "");
            assert!(!filled.contains(['{', '}']), "{filled}");
        }
    }
}
