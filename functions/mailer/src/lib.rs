//! The function `mailer`: sends each mail of the mail queue once, mails about notifications and
//! account mails.
//!
//! SQS may deliver a message several times, and to several sandboxes at once. The sandbox that
//! claims the mail in the table sends it. If SES surely did not accept the mail, the claim is
//! released and the message is retried; at the last delivery, the mail is marked as failed. If the
//! outcome is unknown because SES did not respond, the mail is marked as in doubt: the message
//! fails until it is in the dead-letter queue, where staff decide. Mails to inactive accounts, and
//! mails that are not needed any more, are dropped. The reason is stored with the delivery status.
//!
//! Tokens are created here, so that they exist in the mail only; their hashes are stored before the
//! mail is sent.

mod account_mail;

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_ses::error::SdkError;
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use domain::account::Account;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{AccountSnapshot, Mail, MailFailure, MailMessage, MailToken};
use domain::notification::Notification;
use runtime::aws::{self, CallPolicy};
use runtime::serve::{Error, sentence};
use runtime::tokens::MailTokenSecret;
use runtime::{clock, config};
use store::Table;
use store::mail::{Claim, MailClaim, MailOutcome};
use tokio::time::Instant;

use crate::account_mail::Template;

const NOTIFICATION_TEXT: &str = include_str!("../templates/notification.txt");
const NOTIFICATION_HTML: &str = include_str!("../templates/notification.html");

/// Time that must be left to begin a mail: SES is given up after 4 s ([`CallPolicy::Background`]),
/// and the table usually responds within milliseconds.
pub const TIME_FOR_ONE_MAIL: Duration = Duration::from_secs(8);

/// The state of the function: clients and configuration.
pub struct Mailer {
    store: Table,
    ses: aws_sdk_ses::Client,
    config: config::Mail,
}

impl Mailer {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Mail::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self::new(config, store, aws::ses(&sdk)))
    }

    /// Puts the parts together.
    pub fn new(config: config::Mail, store: Table, ses: aws_sdk_ses::Client) -> Self {
        Self { store, ses, config }
    }

    /// Sends the mails of a batch; returns the messages to be retried. No mail is begun when too
    /// little time is left before `deadline`, at which Lambda ends the invocation: it would be in
    /// doubt.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            let time_left = deadline.saturating_duration_since(Instant::now());
            let delivered = if time_left < TIME_FOR_ONE_MAIL {
                Err("there is too little time left for it".into())
            } else {
                self.deliver(&message).await
            };
            if let Err(error) = delivered {
                tracing::error!(error = sentence(&*error), "a mail was not sent");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn deliver(&self, message: &SqsMessage) -> Result<(), Error> {
        let request = serde_json::from_str(message.body.as_deref().unwrap_or_default())
            .map_err(|_| "the message is not a request for a mail")?;
        let count = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse::<u32>().ok());
        let is_last = count.is_some_and(|count| count >= self.config.deliveries);
        match request {
            MailMessage::Notification { recipient_id, notification_id } => {
                self.deliver_notification(request, recipient_id, notification_id, is_last).await
            }
            MailMessage::Mail { mail_id } => {
                self.deliver_account_mail(request, mail_id, is_last).await
            }
        }
    }

    async fn deliver_notification(
        &self,
        request: MailMessage,
        recipient_id: UserId,
        notification_id: NotificationId,
        is_last: bool,
    ) -> Result<(), Error> {
        let Some(recipient) =
            self.store.get_account(recipient_id).await?.filter(|recipient| recipient.is_active)
        else {
            tracing::info!(%notification_id, "the recipient is not active: the mail is dropped");
            return self.drop_mail(request, MailFailure::RecipientInactive).await;
        };
        match self.store.claim_mail(recipient_id, notification_id, clock::now()).await? {
            MailClaim::Claimed(notification, claim) => {
                let sent = self.send_notification(recipient.email.as_str(), &notification).await;
                self.report_outcome(&claim, sent, is_last).await
            }
            MailClaim::AlreadySent | MailClaim::Gone => Ok(()),
            MailClaim::InDoubt(claim) => self.report_unknown_outcome(claim, is_last).await,
        }
    }

    async fn deliver_account_mail(
        &self,
        request: MailMessage,
        id: MailId,
        is_last: bool,
    ) -> Result<(), Error> {
        let Some(mail) = self.store.get_mail(id).await? else { return Ok(()) };
        let Some(template) = Template::of(mail.kind) else {
            tracing::info!(mail_id = %id, "the mail is a decoy: it is not sent");
            return Ok(());
        };
        let Some(account) =
            self.store.get_account(mail.user_id).await?.filter(|account| account.is_active)
        else {
            tracing::info!(mail_id = %id, "the recipient is not active: the mail is dropped");
            return self.drop_mail(request, MailFailure::RecipientInactive).await;
        };
        if !mail.is_still_needed_by(&account) {
            return self.drop_mail(request, MailFailure::NotNeeded).await;
        }
        match self.store.claim_stored_mail(id, clock::now()).await? {
            MailClaim::Claimed(_, claim) => {
                let sent = self.send_account_mail(&mail, &account, &template).await;
                self.report_outcome(&claim, sent, is_last).await
            }
            MailClaim::AlreadySent | MailClaim::Gone => Ok(()),
            MailClaim::InDoubt(claim) => self.report_unknown_outcome(claim, is_last).await,
        }
    }

    /// Stores why a mail is not sent. The message is not retried.
    async fn drop_mail(&self, request: MailMessage, reason: MailFailure) -> Result<(), Error> {
        Ok(self.store.mark_mail_dropped(request, reason, clock::now()).await?)
    }

    /// Stores the outcome of a claimed mail.
    async fn report_outcome(
        &self,
        claim: &Claim,
        sent: Result<(), Failure>,
        is_last: bool,
    ) -> Result<(), Error> {
        let (outcome, reason, error) = match sent {
            Ok(()) => return Ok(self.store.mark_mail_sent(claim, clock::now()).await?),
            Err(Failure::NotSent(reason, error)) => {
                let outcome = if is_last { MailOutcome::GivenUp } else { MailOutcome::TriedAgain };
                (outcome, reason, error)
            }
            Err(Failure::Unknown(error)) => (MailOutcome::InDoubt, MailFailure::NoAnswer, error),
        };
        self.store.mark_mail_failed(claim, reason, outcome, clock::now()).await?;
        Err(error)
    }

    /// Fails the message of a mail that was claimed before. At the last delivery, a claim without
    /// an outcome is marked as interrupted.
    async fn report_unknown_outcome(
        &self,
        claim: Option<Claim>,
        is_last: bool,
    ) -> Result<(), Error> {
        if let Some(claim) = claim.filter(|_| is_last) {
            self.store.mark_mail_interrupted(&claim, clock::now()).await?;
        }
        Err("the mail was claimed before and may have been sent".into())
    }

    async fn send_account_mail(
        &self,
        mail: &Mail,
        account: &Account,
        template: &Template,
    ) -> Result<(), Failure> {
        let address = mail.address.as_ref().unwrap_or(&account.email);
        let mut token = None;
        if mail.kind.includes_token() {
            let generated = MailTokenSecret::generate();
            let basis = mail.basis.clone().unwrap_or_else(|| AccountSnapshot::of(account));
            let entry = MailToken::new(mail.kind, account.id, address.clone(), basis, clock::now());
            self.store.create_mail_token(&generated.hash(), &entry).await.map_err(not_prepared)?;
            token = Some(generated.reveal());
        }
        let content = template.render(&self.config.app_url, token.as_deref());
        self.send(address.as_str(), template.subject, content.text, content.html).await
    }

    async fn send_notification(
        &self,
        address: &str,
        notification: &Notification,
    ) -> Result<(), Failure> {
        let subject = notification.notification_type.subject();
        let render = |template: &str| {
            template.replace("{url}", &self.config.public_url).replace("{subject}", subject)
        };
        self.send(address, subject, render(NOTIFICATION_TEXT), render(NOTIFICATION_HTML)).await
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
            // SES returns a client error only for mails that it has not accepted. The message is
            // not logged, because it may contain the address.
            Err(SdkError::ServiceError(failure)) if failure.raw().status().as_u16() < 500 => {
                let code = aws_sdk_ses::error::ProvideErrorMetadata::code(failure.err())
                    .unwrap_or("no code");
                Err(Failure::NotSent(
                    failure_of_code(code),
                    format!("SES refused the mail: {code}").into(),
                ))
            }
            Err(SdkError::ConstructionFailure(_)) => {
                Err(not_prepared("the request to SES cannot be built"))
            }
            Err(error) if aws::was_not_sent(&error) => Err(Failure::NotSent(
                MailFailure::NotReached,
                "the request to SES was not sent".into(),
            )),
            Err(_) => {
                Err(Failure::Unknown("SES did not respond: the mail may have been sent".into()))
            }
        }
    }
}

/// A failure to send a mail.
enum Failure {
    /// The mail was not sent.
    NotSent(MailFailure, Error),
    /// The mail may have been sent.
    Unknown(Error),
}

fn not_prepared(error: impl Into<Error>) -> Failure {
    Failure::NotSent(MailFailure::NotPrepared, error.into())
}

/// Maps an error code of SES (API reference of SES, "SendEmail" and "Common errors").
fn failure_of_code(code: &str) -> MailFailure {
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

    use super::{NOTIFICATION_HTML, NOTIFICATION_TEXT, failure_of_code};

    #[test]
    fn notification_templates_have_no_unknown_placeholders() {
        for template in [NOTIFICATION_TEXT, NOTIFICATION_HTML] {
            let rendered = template.replace("{url}", "").replace("{subject}", "");
            assert!(!rendered.contains(['{', '}']), "{rendered}");
        }
    }

    #[test]
    fn error_codes_of_ses_are_mapped_to_failures() {
        assert_eq!(failure_of_code("MessageRejected"), MailFailure::Rejected);
        assert_eq!(failure_of_code("MailFromDomainNotVerifiedException"), MailFailure::Rejected);
        assert_eq!(failure_of_code("InvalidParameterValue"), MailFailure::AddressInvalid);
        assert_eq!(failure_of_code("Throttling"), MailFailure::Throttled);
        assert_eq!(failure_of_code("AccountSendingPausedException"), MailFailure::SendingPaused);
        assert_eq!(failure_of_code("ConfigurationSetDoesNotExist"), MailFailure::Misconfigured);
        assert_eq!(failure_of_code("no code"), MailFailure::Rejected);
    }
}
