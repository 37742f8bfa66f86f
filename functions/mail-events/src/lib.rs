//! The function `mail-events`: notes what SES reports about sent mails.
//!
//! A mail that bounced or was reported as spam says so, and its recipient's address gets no mails
//! any more, if it is still the account's. A mail that SES could not deliver in time only says so.
//!
//! The rules of `template.yaml` pass on when and what was reported, and the tags of the mail, which
//! contain ids: no address, no subject, no text of another server.
//!
//! All steps are idempotent. Reports may come several times, late, and before the mailer has noted
//! that the mail is sent.

mod report;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use runtime::aws::{self, CallPolicy};
use runtime::config;
use runtime::serve::{Error, sentence};
use store::Table;

pub use report::{InvalidReport, MailReport};

/// The state of the function.
pub struct MailEvents {
    store: Table,
}

impl MailEvents {
    /// Reads the configuration and creates the client.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::MailEvents::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        Ok(Self::new(Table::new(aws::dynamodb(&sdk), &config.table_name)))
    }

    /// Puts the parts together.
    pub fn new(store: Table) -> Self {
        Self { store }
    }

    /// Notes the reports of a batch; returns the messages to be retried.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(error) = self.note(message.body.as_deref().unwrap_or_default()).await {
                tracing::error!(error = sentence(&*error), "a report of SES was not noted");
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn note(&self, body: &str) -> Result<(), Error> {
        let MailReport { failure, sent_at, reported_at, tags } = MailReport::parse(body)?;
        let Some(tags) = tags else {
            tracing::warn!(%failure, "a report about a mail without tags is dropped");
            return Ok(());
        };
        tracing::info!(%failure, recipient_id = %tags.recipient_id, "a mail was reported");
        if let Some(problem) = failure.email_problem()
            && let Some(account) = self.store.get_account(tags.recipient_id).await?
            && tags.is_sent_to(&account.email)
        {
            self.store.mark_email_problem(&account, problem, sent_at, reported_at).await?;
        }
        Ok(self.store.note_mail_report(tags.order, failure, sent_at, reported_at).await?)
    }
}
