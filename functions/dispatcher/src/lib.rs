//! The function `dispatcher`: reads the table's stream, queues mails, deletes objects of removed
//! files, purges inboxes and updates the counters of the dashboard.
//!
//! The stream delivers each change at least once and in order, so everything here is idempotent;
//! counters ([`domain::counter`]) are deduplicated by the id of the stream record. After a failure,
//! the stream is read again from the failed record.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::id::UserId;
use domain::mail::{Mail, MailKind, MailMessage};
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::Table;
use store::counters::Counted;
use store::stream::Change;
use uuid::Uuid;

/// Maximum number of messages in a batch (SQS developer guide, "quotas related to messages").
const MAX_BATCH_SIZE: usize = 10;

/// The state of the function: clients and configuration.
pub struct Dispatcher {
    store: Table,
    bucket: Bucket,
    queue: aws_sdk_sqs::Client,
    queue_url: String,
}

/// Work that is done for all records of a batch together, each with the index of its record.
#[derive(Default)]
struct Deferred {
    mails: Vec<(usize, MailMessage)>,
    counts: Vec<(usize, Counted)>,
}

impl Dispatcher {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Dispatch::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        let bucket = Bucket::new(aws::s3(&sdk), &config.bucket_name);
        Ok(Self::new(config, store, bucket, aws::sqs(&sdk)))
    }

    /// Puts the parts together.
    pub fn new(
        config: config::Dispatch,
        store: Table,
        bucket: Bucket,
        queue: aws_sdk_sqs::Client,
    ) -> Self {
        Self { store, bucket, queue, queue_url: config.mail_queue_url }
    }

    /// Handles a batch of the stream; returns the first record from which it must be retried.
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let sequence_numbers: Vec<_> =
            event.records.iter().map(|record| record.change.sequence_number.clone()).collect();
        let mut deferred = Deferred::default();
        let mut failed = None;
        for (index, record) in event.records.into_iter().enumerate() {
            if let Err(error) = self.apply(record, index, &mut deferred).await {
                tracing::error!(error = sentence(&*error), "a change could not be dispatched");
                failed = Some(index);
                break;
            }
        }
        // The deferred work belongs to records before the failed one. Whatever was done after the
        // first failure is repeated without effect.
        let not_queued = self.queue(&deferred.mails).await;
        let not_counted = self.count(deferred.counts).await;
        let first_failed = [not_queued, not_counted, failed].into_iter().flatten().min();
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = first_failed
            .into_iter()
            .map(|index| {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier =
                    Some(sequence_numbers.get(index).cloned().flatten().unwrap_or_default());
                failure
            })
            .collect();
        response
    }

    /// Handles a record of the stream, and adds its mails and counts to the deferred work.
    async fn apply(
        &self,
        record: EventRecord,
        index: usize,
        deferred: &mut Deferred,
    ) -> Result<(), Error> {
        let change = record.change;
        let mut mail = |message| deferred.mails.push((index, message));
        for change in
            Change::from_images(&record.event_name, Some(change.old_image), Some(change.new_image))?
        {
            match change {
                Change::NotificationMailOrdered { recipient_id, notification_id } => {
                    mail(MailMessage::Notification { recipient_id, notification_id });
                }
                Change::MailOrdered { mail_id } => mail(MailMessage::Mail { mail_id }),
                Change::Counts { day, counts } => {
                    let counted = Counted { event_id: record.event_id.clone(), day, counts };
                    deferred.counts.push((index, counted));
                }
                Change::UserAdded { user_id } => {
                    self.store.create_mail(&verification_mail(user_id)).await?
                }
                Change::FileRemoved { object_key, .. } => self.bucket.delete(&object_key).await?,
                Change::InboxRead { recipient_id, after, through, at } => {
                    self.store.settle_read(recipient_id, after, through, at).await?
                }
                Change::DeletedNotificationMailed { recipient_id, notification_id } => {
                    self.store.purge_notification(recipient_id, notification_id).await?
                }
                Change::RecentDeleted { recipient_id, after } => {
                    self.store.purge_marked(recipient_id, after).await?
                }
                Change::InboxDeleted { recipient_id, through } => {
                    self.store.purge_deleted(recipient_id, through).await?
                }
            }
        }
        Ok(())
    }

    /// Updates the counters; returns the index of the first record that may not be counted.
    async fn count(&self, counts: Vec<(usize, Counted)>) -> Option<usize> {
        let (indexes, counts): (Vec<usize>, Vec<Counted>) = counts.into_iter().unzip();
        let (failed, error) = self.store.increment_counters(&counts, clock::now()).await.err()?;
        tracing::error!(error = sentence(&error), "changes could not be counted");
        indexes.into_iter().nth(failed)
    }

    /// Queues mails; returns the index of the first record whose mail was not queued.
    async fn queue(&self, mails: &[(usize, MailMessage)]) -> Option<usize> {
        for batch in mails.chunks(MAX_BATCH_SIZE) {
            if let Err((failed, error)) = self.queue_batch(batch).await {
                tracing::error!(error = sentence(&*error), "mails could not be queued");
                return batch.get(failed).map(|(index, _)| *index);
            }
        }
        None
    }

    /// Queues a batch of mails; returns the first one that failed, by its index in the batch.
    async fn queue_batch(&self, batch: &[(usize, MailMessage)]) -> Result<(), (usize, Error)> {
        let failed = |error: Error| (0, error);
        let mut request = self.queue.send_message_batch().queue_url(&self.queue_url);
        for (index, (_, message)) in batch.iter().enumerate() {
            let body = serde_json::to_string(message).map_err(|error| failed(error.into()))?;
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .build();
            request = request.entries(entry.map_err(|error| failed(error.into()))?);
        }
        let response = request.send().await.map_err(|error| failed(error.into()))?;
        let refused = response
            .failed()
            .iter()
            .filter_map(|failure| Some((failure.id().parse::<usize>().ok()?, failure.code())));
        match refused.min() {
            Some((index, code)) => Err((index, format!("SQS refused a message: {code}").into())),
            None => Ok(()),
        }
    }
}

/// Returns the mail that asks a new user to confirm the address. Its id is the user's, so that it
/// is created once even if the stream delivers the user twice. Once stored, it is queued through
/// the stream.
fn verification_mail(user_id: UserId) -> Mail {
    Mail::new(
        Uuid::from_bytes(*user_id.as_bytes()).into(),
        MailKind::VerifyEmail,
        user_id,
        clock::now(),
    )
}
