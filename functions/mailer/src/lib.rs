//! The function `mailer`: sends each mail of the mail queues once, mails about notifications and
//! account mails.
//!
//! SQS may deliver a message several times, and to several sandboxes at once. The sandbox that
//! claims the mail in the table sends it. If SES surely did not accept the mail, the claim is
//! released and the message is retried, later when a rate or quota is exceeded or sending is paused
//! ([`MailFailure::pause`]); at the last delivery, the mail is marked as failed. If the
//! outcome is unknown because SES did not respond, the mail is marked as in doubt: the message
//! fails until it is in the dead-letter queue, where staff decide. Mails to inactive accounts, to
//! addresses that bounced or complained, and mails that are not needed any more, are dropped. The
//! reason is stored with the delivery status.
//!
//! Tokens are created here, so that they exist in the mail only; their hashes are stored before the
//! mail is sent.

mod account_mail;

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::types::{Body, Content, Destination, Message, MessageTag};
use domain::account::{Account, Role};
use domain::email::Email;
use domain::id::{MailId, NotificationId, UserId};
use domain::mail::{AccountSnapshot, Mail, MailFailure, MailKind, MailMessage, MailToken};
use domain::notification::Notification;
use jiff::SignedDuration;
use runtime::aws::{self, CallPolicy};
use runtime::mail_tags::MailTags;
use runtime::queue::MailQueues;
use runtime::serve::{Error, sentence};
use runtime::tokens::MailTokenSecret;
use runtime::{clock, config};
use store::Table;
use store::mail::{Claim, MailClaim, MailOutcome};
use store::rate::LimitError;
use tokio::time::Instant;

use crate::account_mail::MailTemplate;

const NOTIFICATION_TEXT: &str = include_str!("../templates/notification.txt");
const NOTIFICATION_HTML: &str = include_str!("../templates/notification.html");

/// The path of a notification in the web client, before its id.
const NOTIFICATION_PATH: &str = "/notifications/";

/// Returns the paths in the web client to which mails lead, with `{id}` in place of an id.
pub fn link_paths() -> Vec<&'static str> {
    let mut paths = account_mail::link_paths();
    paths.push("/notifications/{id}");
    paths
}

/// Time that must be left to begin a mail: SES is given up after 4 s ([`CallPolicy::Background`]),
/// and the table usually responds within milliseconds.
pub const TIME_FOR_ONE_MAIL: Duration = Duration::from_secs(8);

/// The state of the function: clients and configuration.
pub struct Mailer {
    store: Table,
    ses: aws_sdk_ses::Client,
    queues: MailQueues,
    config: config::Mail,
}

/// Why an order was not carried out.
struct Undelivered {
    error: Error,
    /// Why the mail was not sent, if that says when to try again.
    failure: Option<MailFailure>,
}

impl<E: Into<Error>> From<E> for Undelivered {
    fn from(error: E) -> Self {
        Self { error: error.into(), failure: None }
    }
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
        Ok(Self::new(config, store, aws::ses(&sdk), &aws::sqs(&sdk)))
    }

    /// Puts the parts together.
    pub fn new(
        config: config::Mail,
        store: Table,
        ses: aws_sdk_ses::Client,
        sqs: &aws_sdk_sqs::Client,
    ) -> Self {
        let queues = MailQueues::new(sqs, &config.mail_queue_url, &config.account_mail_queue_url);
        Self { store, ses, queues, config }
    }

    /// Sends the mails of a batch; returns the messages to be retried. No mail is begun when too
    /// little time is left before `deadline`, at which Lambda ends the invocation: it would be in
    /// doubt.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            let time_left = deadline.saturating_duration_since(Instant::now());
            let delivered = if time_left < TIME_FOR_ONE_MAIL {
                Err(Undelivered::from("there is too little time left for it"))
            } else {
                self.deliver(&message).await
            };
            if let Err(Undelivered { error, failure }) = delivered {
                // An alarm counts the failures that stop all mails.
                tracing::error!(
                    error = sentence(&*error),
                    failure = failure.map(MailFailure::as_str),
                    "a mail was not sent"
                );
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    /// Carries out the order of a message. If that fails, the message is hidden until the next try.
    async fn deliver(&self, message: &SqsMessage) -> Result<(), Undelivered> {
        let deliveries = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse::<u32>().ok())
            .unwrap_or(1);
        let Ok(order) = serde_json::from_str(message.body.as_deref().unwrap_or_default()) else {
            // It can never be carried out: let it reach the dead-letter queue quickly.
            self.hide(message, SignedDuration::ZERO).await;
            return Err("the message is not a request for a mail".into());
        };
        let is_last = deliveries >= self.config.deliveries;
        let delivered = self.carry_out(order, is_last).await;
        if let Err(Undelivered { failure: Some(failure), .. }) = &delivered
            && let Some(pause) = failure.pause(order, deliveries)
        {
            self.hide(message, pause).await;
        }
        delivered
    }

    /// Hides a message for this time, if its queue can be reached. Otherwise the queue's own time
    /// applies.
    async fn hide(&self, message: &SqsMessage, time: SignedDuration) {
        let source = message.event_source_arn.as_deref().unwrap_or_default();
        let queue = self.queues.all().into_iter().find(|queue| queue.has_arn(source));
        let Some((queue, receipt)) = queue.zip(message.receipt_handle.as_deref()) else { return };
        if let Err(error) = queue.hide(receipt, time).await {
            tracing::warn!(error = sentence(&error), "a message could not be hidden");
        }
    }

    async fn carry_out(&self, order: MailMessage, is_last: bool) -> Result<(), Undelivered> {
        match order {
            MailMessage::Notification { recipient_id, notification_id } => {
                self.deliver_notification(order, recipient_id, notification_id, is_last).await
            }
            MailMessage::Mail { mail_id } => {
                self.deliver_account_mail(order, mail_id, is_last).await
            }
        }
    }

    async fn deliver_notification(
        &self,
        request: MailMessage,
        recipient_id: UserId,
        notification_id: NotificationId,
        is_last: bool,
    ) -> Result<(), Undelivered> {
        let Some(recipient) =
            self.store.get_account(recipient_id).await?.filter(|recipient| recipient.is_active)
        else {
            tracing::info!(%notification_id, "the recipient is not active: the mail is dropped");
            return Ok(self.drop_mail(request, MailFailure::RecipientInactive).await?);
        };
        if let Some(problem) = recipient.problem_of(&recipient.email) {
            return Ok(self.drop_mail(request, MailFailure::of_address(problem)).await?);
        }
        match self.store.claim_mail(recipient_id, notification_id, clock::now()).await? {
            MailClaim::Claimed(notification, claim) => {
                let counted = if recipient.email_verified || !claim.is_first() {
                    Ok(())
                } else {
                    self.store.increment_unconfirmed_mails(recipient.id, clock::now()).await
                };
                let sent = match counted {
                    Ok(()) => self.send_notification(request, &recipient, &notification).await,
                    Err(LimitError::LimitReached(_)) => {
                        return self.give_up_unconfirmed(&claim).await;
                    }
                    Err(LimitError::Store(error)) => Err(not_prepared(error)),
                };
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
    ) -> Result<(), Undelivered> {
        let Some(mail) = self.store.get_mail(id).await? else { return Ok(()) };
        let Some(template) = MailTemplate::of(mail.kind) else {
            tracing::info!(mail_id = %id, "the mail is a decoy: it is not sent");
            return Ok(());
        };
        // Staff could deactivate a user to keep from them what they have started.
        let is_sent_anyway = mail.kind.cancels_recovery();
        let Some(account) = self
            .store
            .get_account(mail.user_id)
            .await?
            .filter(|account| account.is_active || is_sent_anyway)
        else {
            tracing::info!(mail_id = %id, "the recipient is not active: the mail is dropped");
            return Ok(self.drop_mail(request, MailFailure::RecipientInactive).await?);
        };
        if !mail.is_still_needed_by(&account) {
            return Ok(self.drop_mail(request, MailFailure::NotNeeded).await?);
        }
        if let Some(problem) = account.problem_of(mail.recipient(&account)) {
            return Ok(self.drop_mail(request, MailFailure::of_address(problem)).await?);
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

    /// Gives up a claimed mail to an address that is not confirmed and gets no more mails today.
    /// The message is not retried.
    async fn give_up_unconfirmed(&self, claim: &Claim) -> Result<(), Undelivered> {
        let (reason, outcome) = (MailFailure::AddressUnconfirmed, MailOutcome::GivenUp);
        Ok(self.store.mark_mail_failed(claim, reason, outcome, clock::now()).await?)
    }

    /// Stores the outcome of a claimed mail.
    async fn report_outcome(
        &self,
        claim: &Claim,
        sent: Result<(), SendError>,
        is_last: bool,
    ) -> Result<(), Undelivered> {
        let (outcome, reason, error) = match sent {
            Ok(()) => return Ok(self.store.mark_mail_sent(claim, clock::now()).await?),
            Err(SendError::NotSent(reason, error)) => {
                let outcome = if is_last { MailOutcome::GivenUp } else { MailOutcome::TriedAgain };
                (outcome, reason, error)
            }
            Err(SendError::Unknown(error)) => {
                (MailOutcome::InDoubt, MailFailure::NoResponse, error)
            }
        };
        self.store.mark_mail_failed(claim, reason, outcome, clock::now()).await?;
        Err(Undelivered { error, failure: Some(reason) })
    }

    /// Fails the message of a mail that was claimed before. At the last delivery, a claim without
    /// an outcome is marked as interrupted.
    async fn report_unknown_outcome(
        &self,
        claim: Option<Claim>,
        is_last: bool,
    ) -> Result<(), Undelivered> {
        if let Some(claim) = claim.filter(|_| is_last) {
            self.store.mark_mail_interrupted(&claim, clock::now()).await?;
        }
        Err("the mail was claimed before and may have been sent".into())
    }

    async fn send_account_mail(
        &self,
        mail: &Mail,
        account: &Account,
        template: &MailTemplate,
    ) -> Result<(), SendError> {
        let address = mail.recipient(account);
        let mut token = None;
        if mail.kind.includes_token() {
            let generated = MailTokenSecret::generate();
            // If the mail has a snapshot, it equals this one: otherwise the mail was dropped
            // before.
            let basis = AccountSnapshot::of(account);
            let entry = MailToken::new(mail.kind, account.id, address.clone(), basis, clock::now());
            self.store.create_mail_token(&generated.hash(), &entry).await.map_err(not_prepared)?;
            token = Some(generated.reveal());
        }
        // Tokens of these kinds can discard an unconfirmed account, but not one of staff.
        let is_unconfirmed = !account.email_verified
            && account.role != Role::Admin
            && MailKind::OF_REGISTRATION.contains(&mail.kind);
        let content =
            template.render(mail.kind, &self.config.app_url, token.as_deref(), is_unconfirmed);
        let tags = MailTags::new(MailMessage::Mail { mail_id: mail.id }, account.id, address);
        self.send(address, &tags, template.subject, content.text, content.html).await
    }

    async fn send_notification(
        &self,
        request: MailMessage,
        recipient: &Account,
        notification: &Notification,
    ) -> Result<(), SendError> {
        let subject = notification.notification_type.subject();
        // The id says nothing to others, and the client asks for a sign-in first.
        let url = format!("{}{NOTIFICATION_PATH}{}", self.config.app_url, notification.id);
        let render = |template: &str| template.replace("{url}", &url).replace("{subject}", subject);
        let (text, html) = (render(NOTIFICATION_TEXT), render(NOTIFICATION_HTML));
        let tags = MailTags::new(request, recipient.id, &recipient.email);
        self.send(&recipient.email, &tags, subject, text, html).await
    }

    async fn send(
        &self,
        address: &Email,
        tags: &MailTags,
        subject: &str,
        text: String,
        html: String,
    ) -> Result<(), SendError> {
        let content = |text: String| {
            Content::builder().charset("UTF-8").data(text).build().map_err(not_prepared)
        };
        let body = Body::builder().text(content(text)?).html(content(html)?).build();
        let tags = tags.pairs().into_iter().map(|(name, value)| {
            MessageTag::builder().name(name).value(value).build().map_err(not_prepared)
        });
        let request = self
            .ses
            .send_email()
            .source(&self.config.sender)
            .destination(Destination::builder().to_addresses(address.as_str()).build())
            .message(Message::builder().subject(content(subject.to_owned())?).body(body).build())
            .set_tags(Some(tags.collect::<Result<_, _>>()?))
            .configuration_set_name(&self.config.configuration_set);
        match request.send().await {
            Ok(_) => Ok(()),
            // SES returns a client error only for mails that it has not accepted. The message is
            // not logged, because it may contain the address.
            Err(SdkError::ServiceError(failure)) if failure.raw().status().as_u16() < 500 => {
                let code = failure.err().code().unwrap_or("no code");
                let message = failure.err().message().unwrap_or_default();
                Err(SendError::NotSent(
                    failure_of(code, message),
                    format!("SES refused the mail: {code}").into(),
                ))
            }
            Err(SdkError::ConstructionFailure(_)) => {
                Err(not_prepared("the request to SES cannot be built"))
            }
            Err(error) if aws::was_not_sent(&error) => Err(SendError::NotSent(
                MailFailure::NotReached,
                "the request to SES was not sent".into(),
            )),
            Err(_) => {
                Err(SendError::Unknown("SES did not respond: the mail may have been sent".into()))
            }
        }
    }
}

/// A failure to send a mail.
enum SendError {
    /// The mail was not sent.
    NotSent(MailFailure, Error),
    /// The mail may have been sent.
    Unknown(Error),
}

fn not_prepared(error: impl Into<Error>) -> SendError {
    SendError::NotSent(MailFailure::NotPrepared, error.into())
}

/// Maps an error of SES (API reference of SES, "SendEmail" and "Common errors"). Rate and daily
/// quota have one code; the developer guide, "Errors related to the sending quotas", has the texts.
fn failure_of(code: &str, message: &str) -> MailFailure {
    let is_quota = message.starts_with("Daily message quota exceeded");
    match code {
        "InvalidParameterValue" | "InvalidParameterValueException" => MailFailure::AddressInvalid,
        "Throttling" | "ThrottlingException" | "LimitExceededException" if is_quota => {
            MailFailure::QuotaExceeded
        }
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

    use super::{NOTIFICATION_HTML, NOTIFICATION_TEXT, failure_of};

    #[test]
    fn notification_templates_have_no_unknown_placeholders() {
        for template in [NOTIFICATION_TEXT, NOTIFICATION_HTML] {
            let rendered = template.replace("{url}", "").replace("{subject}", "");
            assert!(!rendered.contains(['{', '}']), "{rendered}");
        }
    }

    #[test]
    fn error_codes_of_ses_are_mapped_to_failures() {
        for (code, failure) in [
            ("MessageRejected", MailFailure::Rejected),
            ("MailFromDomainNotVerifiedException", MailFailure::Rejected),
            ("InvalidParameterValue", MailFailure::AddressInvalid),
            ("Throttling", MailFailure::Throttled),
            ("AccountSendingPausedException", MailFailure::SendingPaused),
            ("ConfigurationSetDoesNotExist", MailFailure::Misconfigured),
            ("no code", MailFailure::Rejected),
        ] {
            assert_eq!(failure_of(code, "Maximum sending rate exceeded."), failure, "{code}");
        }
        let quota = "Daily message quota exceeded.";
        assert_eq!(failure_of("Throttling", quota), MailFailure::QuotaExceeded);
    }
}
