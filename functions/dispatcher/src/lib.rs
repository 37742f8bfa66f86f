//! The function `dispatcher`: reads the table's stream, queues mails, deletes objects of removed
//! files, purges inboxes and updates the counters of the dashboard.
//!
//! The stream delivers each change at least once and in order, so everything here is idempotent;
//! counters ([`domain::counter`]) are deduplicated by the id of the stream record.
//!
//! After a failure of another service, the stream is read again from the failed record, for as long
//! as it keeps the record. A record that cannot be read would block those behind it: it is set
//! aside, as a whole, in the bucket for failures.

mod set_aside;

use aws_lambda_events::dynamodb::EventRecord;
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::id::UserId;
use domain::mail::{Mail, MailKind, MailMessage};
use jiff::{SignedDuration, Timestamp};
use runtime::aws::{self, CallPolicy};
use runtime::bucket::{Bucket, BucketError};
use runtime::queue::{MAX_BATCH, MailQueues, Queue};
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use serde::Deserialize;
use serde_json::Value;
use store::Table;
use store::counters::CountedChange;
use store::stream::Change;
use uuid::Uuid;

pub use crate::set_aside::FailureBucket;

/// The state of the function: clients and configuration.
pub struct Dispatcher {
    store: Table,
    bucket: Bucket,
    failures: FailureBucket,
    queues: MailQueues,
}

/// A batch of the table's stream.
#[derive(Deserialize, Debug)]
pub struct StreamEvent {
    /// The records as JSON, so that one that cannot be read does not hide the others.
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

/// Why a record of the stream was not handled.
enum RecordFailure {
    /// The record, or what it is about, cannot be read, now or later.
    Corrupt(Error),
    /// Another service has failed.
    Outage(Error),
}

impl From<store::Error> for RecordFailure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Corrupt { .. } => Self::Corrupt(error.into()),
            _ => Self::Outage(error.into()),
        }
    }
}

impl From<BucketError> for RecordFailure {
    fn from(error: BucketError) -> Self {
        Self::Outage(error.into())
    }
}

/// Work that is done for all records of a batch together, each with the index of its record.
#[derive(Default)]
struct Deferred {
    mails: Vec<MailToQueue>,
    counts: Vec<(usize, CountedChange)>,
}

/// A mail to be queued.
struct MailToQueue {
    /// The index of the record that orders it.
    record: usize,
    message: MailMessage,
    /// How long the queue holds it back.
    delay: SignedDuration,
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
        Ok(Self::new(config, store, aws::s3(&sdk), &aws::sqs(&sdk)))
    }

    /// Puts the parts together.
    pub fn new(
        config: config::Dispatch,
        store: Table,
        s3: aws_sdk_s3::Client,
        sqs: &aws_sdk_sqs::Client,
    ) -> Self {
        let bucket = Bucket::new(s3.clone(), &config.bucket_name);
        let failures = FailureBucket::new(s3, config.failure_bucket_name);
        let queues = MailQueues::new(sqs, config.mail_queue_url, config.account_mail_queue_url);
        Self { store, bucket, failures, queues }
    }

    /// Handles a batch of the stream; returns the first record from which it must be retried.
    pub async fn handle(&self, event: StreamEvent) -> DynamoDbEventResponse {
        let mut deferred = Deferred::default();
        let mut failed = None;
        for (index, record) in event.records.iter().enumerate() {
            if let Err(error) = self.apply_or_set_aside(record, index, &mut deferred).await {
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
            .and_then(|index| event.records.get(index))
            .into_iter()
            .map(|record| {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(sequence_number(record));
                failure
            })
            .collect();
        response
    }

    /// Handles a record of the stream, or sets it aside if it cannot be read.
    async fn apply_or_set_aside(
        &self,
        record: &Value,
        index: usize,
        deferred: &mut Deferred,
    ) -> Result<(), Error> {
        match self.apply(record, index, deferred).await {
            Ok(()) => Ok(()),
            Err(RecordFailure::Outage(error)) => Err(error),
            Err(RecordFailure::Corrupt(error)) => {
                let key = self.failures.put(record).await?;
                tracing::error!(error = sentence(&*error), key, "a change was set aside");
                Ok(())
            }
        }
    }

    /// Handles a record of the stream, and adds its mails and counts to the deferred work.
    async fn apply(
        &self,
        record: &Value,
        index: usize,
        deferred: &mut Deferred,
    ) -> Result<(), RecordFailure> {
        let EventRecord { change, event_name, event_id, .. } =
            EventRecord::deserialize(record).map_err(|_| unreadable())?;
        let changes =
            Change::from_images(&event_name, Some(change.old_image), Some(change.new_image))?;
        let mut mail = |message, due_at: Option<Timestamp>| {
            let delay = due_at.map_or(SignedDuration::ZERO, |at| at.duration_since(clock::now()));
            deferred.mails.push(MailToQueue { record: index, message, delay });
        };
        for change in changes {
            match change {
                Change::NotificationMailOrdered { recipient_id, notification_id, due_at } => {
                    mail(MailMessage::Notification { recipient_id, notification_id }, due_at);
                }
                Change::MailOrdered { mail_id } => mail(MailMessage::Mail { mail_id }, None),
                Change::Counts { day, counts } => {
                    let counted = CountedChange { event_id: event_id.clone(), day, counts };
                    deferred.counts.push((index, counted));
                }
                Change::UserAdded { user_id } => {
                    self.store.create_mail(&verification_mail(user_id)).await?
                }
                Change::UserRemoved { user_id } => self.store.delete_names(user_id).await?,
                Change::FileRemoved { object_key, .. } => self.bucket.delete(&object_key).await?,
                Change::InboxRead { recipient_id, after, through, at } => {
                    self.store.settle_read(recipient_id, after, through, at).await?
                }
                Change::DeletedNotificationMailed { recipient_id, notification_id } => {
                    self.store.purge_notification(recipient_id, notification_id).await?
                }
                Change::RecentDeleted { recipient_id, oldest } => {
                    self.store.purge_marked(recipient_id, oldest).await?
                }
                Change::InboxDeleted { recipient_id, after, through } => {
                    self.store.purge_deleted(recipient_id, after, through).await?
                }
            }
        }
        Ok(())
    }

    /// Updates the counters; returns the index of the first record that may not be counted.
    async fn count(&self, counts: Vec<(usize, CountedChange)>) -> Option<usize> {
        let (indexes, counts): (Vec<usize>, Vec<CountedChange>) = counts.into_iter().unzip();
        let (failed, error) = self.store.increment_counters(&counts, clock::now()).await.err()?;
        tracing::error!(error = sentence(&error), "changes could not be counted");
        indexes.into_iter().nth(failed)
    }

    /// Queues mails; returns the index of the first record whose mail was not queued.
    async fn queue(&self, mails: &[MailToQueue]) -> Option<usize> {
        let is_account_mail =
            |mail: &&MailToQueue| matches!(mail.message, MailMessage::Mail { .. });
        let (of_accounts, of_notifications): (Vec<_>, Vec<_>) =
            mails.iter().partition(is_account_mail);
        let mut failed = None;
        for of_queue in [of_accounts, of_notifications] {
            let Some(queue) = of_queue.first().map(|mail| self.queues.of(mail.message)) else {
                continue;
            };
            for batch in of_queue.chunks(MAX_BATCH) {
                if let Err((index, error)) = self.queue_batch(queue, batch).await {
                    tracing::error!(error = sentence(&*error), "mails could not be queued");
                    let record = batch.get(index).map(|mail| mail.record);
                    failed = [failed, record].into_iter().flatten().min();
                    break;
                }
            }
        }
        failed
    }

    /// Queues a batch of mails; returns the first one that failed, by its index in the batch.
    async fn queue_batch(
        &self,
        queue: &Queue,
        batch: &[&MailToQueue],
    ) -> Result<(), (usize, Error)> {
        let messages: Result<Vec<_>, serde_json::Error> = batch
            .iter()
            .map(|mail| Ok((serde_json::to_string(&mail.message)?, mail.delay)))
            .collect();
        let messages = messages.map_err(|error| (0, error.into()))?;
        queue.send_batch(&messages).await.map_err(|(index, error)| (index, error.into()))
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

/// Returns the position of a record in its stream. One that has none is never the first failure of
/// a batch that Lambda can retry in part: without it, Lambda retries the whole batch.
fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// Makes the failure of a record that is not one of the stream. What the parser says may contain
/// values, which may be personal data.
fn unreadable() -> RecordFailure {
    RecordFailure::Corrupt("the record of the stream is not of the expected form".into())
}
