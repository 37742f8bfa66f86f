//! The function `mailer`: sends mails, each once: those of notifications, and those that are stored
//! by themselves.
//!
//! A message may be delivered often and to several sandboxes at a time. Who claims the mail in the
//! table sends it. A failure that is surely one gives the claim back, and the message comes again;
//! the last time, the mail is given up. When the outcome is unknown, because SES did not answer,
//! the mail is in doubt: the message fails until it is in the dead-letter queue, where a person
//! decides. What nobody is there for, or needs any more, is given up at once. Why a mail was not
//! sent stands with how far it is, for that person.
//!
//! A token that a mail carries is made here, so that it is nowhere but in the mail; the table gets
//! its hash before the mail goes out.

mod words;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_ses::error::SdkError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use domain::account::Account;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{AccountSnapshot, Mail, MailFailure, MailMessage, MailToken};
use domain::notification::Notification;
use runtime::aws::{self, CallPolicy};
use runtime::serve::{Error, sentence};
use runtime::tokens::MailedToken;
use runtime::{clock, config};
use store::Store;
use store::mail::{MailClaim, MailOutcome};

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
        let sdk = aws::sdk(CallPolicy::Background).await;
        Ok(Self {
            store: Store::new(aws::dynamodb(&sdk), &config.table_name),
            ses: aws::ses(&sdk),
            config,
        })
    }

    /// Handles messages; answers those that must come again.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(error) = self.deliver(&message).await {
                tracing::error!(error = sentence(&*error), "a mail was not sent");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn deliver(&self, message: &SqsMessage) -> Result<(), Error> {
        let order = serde_json::from_str(message.body.as_deref().unwrap_or_default())
            .map_err(|_| "the message is no order for a mail")?;
        let count = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse::<u32>().ok());
        let is_last = count.is_some_and(|count| count >= self.config.deliveries);
        match order {
            MailMessage::Notification { recipient_id, notification_id } => {
                self.notify(order, recipient_id, notification_id, is_last).await
            }
            MailMessage::Mail { mail_id } => self.tell(order, mail_id, is_last).await,
        }
    }

    async fn notify(
        &self,
        order: MailMessage,
        recipient_id: UserId,
        notification_id: NotificationId,
        is_last: bool,
    ) -> Result<(), Error> {
        let Some(recipient) =
            self.store.get_account(recipient_id).await?.filter(|recipient| recipient.is_active)
        else {
            tracing::info!(%notification_id, "the recipient is gone");
            return self.drop_mail(order, MailFailure::RecipientInactive).await;
        };
        match self.store.claim_mail(recipient_id, notification_id, clock::now()).await? {
            MailClaim::Claimed(notification) => {
                let sent = self.send_notification(recipient.email.as_str(), &notification).await;
                self.settle(order, sent, is_last).await
            }
            MailClaim::AlreadySent | MailClaim::Gone => Ok(()),
            MailClaim::InDoubt => self.leave_in_doubt(order, is_last).await,
        }
    }

    /// Sends a mail that is stored by itself.
    async fn tell(&self, order: MailMessage, id: MailId, is_last: bool) -> Result<(), Error> {
        let Some(mail) = self.store.get_mail(id).await? else { return Ok(()) };
        let Some(words) = Words::of(mail.kind) else {
            tracing::info!(mail_id = %id, "the mail goes to nobody");
            return Ok(());
        };
        let Some(account) =
            self.store.get_account(mail.user_id).await?.filter(|account| account.is_active)
        else {
            tracing::info!(mail_id = %id, "the recipient is gone");
            return self.drop_mail(order, MailFailure::RecipientInactive).await;
        };
        if !mail.is_still_needed_by(&account) {
            return self.drop_mail(order, MailFailure::NotNeeded).await;
        }
        match self.store.claim_stored_mail(id, clock::now()).await? {
            MailClaim::Claimed(_) => {
                let sent = self.send_mail(&mail, &account, &words).await;
                self.settle(order, sent, is_last).await
            }
            MailClaim::AlreadySent | MailClaim::Gone => Ok(()),
            MailClaim::InDoubt => self.leave_in_doubt(order, is_last).await,
        }
    }

    /// Notes why a mail is not sent, and is done with its order.
    async fn drop_mail(&self, order: MailMessage, why: MailFailure) -> Result<(), Error> {
        Ok(self.store.mark_mail_dropped(order, why, clock::now()).await?)
    }

    /// Notes what came of a claimed mail.
    async fn settle(
        &self,
        order: MailMessage,
        sent: Result<(), Failure>,
        is_last: bool,
    ) -> Result<(), Error> {
        let (fate, why, error) = match sent {
            Ok(()) => return Ok(self.store.mark_mail_sent(order, clock::now()).await?),
            Err(Failure::NotSent(why, error)) => {
                (if is_last { MailOutcome::GivenUp } else { MailOutcome::TriedAgain }, why, error)
            }
            Err(Failure::Unknown(error)) => (MailOutcome::InDoubt, MailFailure::NoAnswer, error),
        };
        self.store.mark_mail_failed(order, why, fate, clock::now()).await?;
        Err(error)
    }

    /// A mail that somebody began and of which nobody said what came of it. When that is so until
    /// the end, it was interrupted.
    async fn leave_in_doubt(&self, order: MailMessage, is_last: bool) -> Result<(), Error> {
        if is_last {
            self.store
                .mark_mail_failed(
                    order,
                    MailFailure::Interrupted,
                    MailOutcome::InDoubt,
                    clock::now(),
                )
                .await?;
        }
        Err("it was begun before and may have been sent".into())
    }

    async fn send_mail(
        &self,
        mail: &Mail,
        account: &Account,
        words: &Words,
    ) -> Result<(), Failure> {
        let address = mail.address.as_ref().unwrap_or(&account.email);
        let mut token = None;
        if mail.kind.includes_token() {
            let made = MailedToken::generate();
            let basis = mail.basis.clone().unwrap_or_else(|| AccountSnapshot::of(account));
            let good_for =
                MailToken::new(mail.kind, account.id, address.clone(), basis, clock::now());
            self.store.create_mail_token(&made.hash(), &good_for).await.map_err(not_prepared)?;
            token = Some(made.reveal());
        }
        let content = words.fill(&self.config.app_url, token.as_deref());
        self.send(address.as_str(), words.subject, content.text, content.html).await
    }

    async fn send_notification(
        &self,
        address: &str,
        notification: &Notification,
    ) -> Result<(), Failure> {
        let subject = notification.notification_type.subject();
        let fill = |template: &str| {
            template.replace("{url}", &self.config.public_url).replace("{subject}", subject)
        };
        self.send(address, subject, fill(TEXT), fill(HTML)).await
    }

    async fn send(
        &self,
        address: &str,
        subject: &str,
        text: String,
        html: String,
    ) -> Result<(), Failure> {
        let content = |text: String| {
            Content::builder().charset("UTF-8").data(text).build().map_err(not_prepared)
        };
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
            // SES answers an error only for a mail that it has not taken. Its text may hold the
            // address: the code says enough.
            Err(SdkError::ServiceError(failure)) if failure.raw().status().as_u16() < 500 => {
                let code = aws_sdk_ses::error::ProvideErrorMetadata::code(failure.err())
                    .unwrap_or("no code");
                Err(Failure::NotSent(refusal(code), format!("SES refused the mail: {code}").into()))
            }
            Err(SdkError::ConstructionFailure(_)) => {
                Err(not_prepared("the request to SES cannot be built"))
            }
            Err(SdkError::DispatchFailure(failure))
                if failure.as_connector_error().is_some_and(|error| error.is_user()) =>
            {
                Err(Failure::NotSent(
                    MailFailure::NotReached,
                    "the request to SES was not sent".into(),
                ))
            }
            Err(_) => {
                Err(Failure::Unknown("SES did not answer: the mail may have been sent".into()))
            }
        }
    }
}

/// Why a mail was perhaps not sent.
enum Failure {
    /// It surely was not.
    NotSent(MailFailure, Error),
    /// Nobody knows.
    Unknown(Error),
}

fn not_prepared(error: impl Into<Error>) -> Failure {
    Failure::NotSent(MailFailure::NotPrepared, error.into())
}

/// What SES means by the code of a refusal (API reference of SES, "SendEmail" and "Common errors").
fn refusal(code: &str) -> MailFailure {
    match code {
        "InvalidParameterValue" | "InvalidParameterValueException" => MailFailure::AddressInvalid,
        "Throttling"
        | "ThrottlingException"
        | "TooManyRequestsException"
        | "LimitExceeded"
        | "LimitExceededException" => MailFailure::Throttled,
        "AccountSendingPausedException" | "ConfigurationSetSendingPausedException" => {
            MailFailure::SendingPaused
        }
        "ConfigurationSetDoesNotExist"
        | "ConfigurationSetDoesNotExistException"
        | "AccessDenied"
        | "AccessDeniedException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken" => MailFailure::Misconfigured,
        _ => MailFailure::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use domain::mail::MailFailure;

    use super::{HTML, TEXT, refusal};

    #[test]
    fn the_templates_have_no_other_places_than_are_filled() {
        for template in [TEXT, HTML] {
            let filled = template.replace("{url}", "").replace("{subject}", "");
            assert!(!filled.contains(['{', '}']), "{filled}");
        }
    }
    #[test]
    fn what_ses_says_becomes_a_reason() {
        assert_eq!(refusal("MessageRejected"), MailFailure::Rejected);
        assert_eq!(refusal("MailFromDomainNotVerifiedException"), MailFailure::Rejected);
        assert_eq!(refusal("InvalidParameterValue"), MailFailure::AddressInvalid);
        assert_eq!(refusal("Throttling"), MailFailure::Throttled);
        assert_eq!(refusal("AccountSendingPausedException"), MailFailure::SendingPaused);
        assert_eq!(refusal("ConfigurationSetDoesNotExist"), MailFailure::Misconfigured);
        assert_eq!(refusal("no code"), MailFailure::Rejected);
    }
}
