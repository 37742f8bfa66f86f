//! The function `dispatcher`: turns changes of the table into mail messages, deletions of objects and purges.
//!
//! The stream tells everything at least once and in order, and may tell it again: whatever is done here can be repeated.
//! A record that fails is answered as the place from which the stream comes again, so nothing behind it is lost.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::id::UserId;
use domain::mail::{Mail, MailKind, MailMessage};
use runtime::aws::{self, Patience};
use runtime::bucket::Bucket;
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::Store;
use store::stream::Change;
use uuid::Uuid;

/// How many messages SQS takes at once (SQS developer guide, "quotas related to messages").
const MESSAGES_AT_ONCE: usize = 10;

/// What the function works with.
pub struct Dispatcher {
    store: Store,
    bucket: Bucket,
    queue: aws_sdk_sqs::Client,
    queue_url: String,
}

/// A mail to be queued, and the record of the stream that asks for it.
struct Queued {
    sequence_number: String,
    message: MailMessage,
}

impl Dispatcher {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Dispatch::from_env()?;
        let sdk = aws::sdk(Patience::Background).await;
        Ok(Self {
            store: Store::new(aws::dynamodb(&sdk), &config.table_name),
            bucket: Bucket::new(aws::s3(&sdk), &config.bucket_name),
            queue: aws::sqs(&sdk),
            queue_url: config.mail_queue_url,
        })
    }

    /// Handles a batch of the stream; answers the first record that must come again, with all behind it.
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let mut mails = Vec::new();
        let mut failed = None;
        for record in event.records {
            let sequence_number = record.change.sequence_number.clone().unwrap_or_default();
            match self.apply(record, &sequence_number).await {
                Ok(queued) => mails.extend(queued),
                Err(error) => {
                    tracing::error!(error = sentence(&*error), "a change could not be dispatched");
                    failed = Some(sequence_number);
                    break;
                }
            }
        }
        // What could not be queued stands before the record that failed.
        let failed = self.queue(mails).await.or(failed);
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failed
            .into_iter()
            .map(|sequence_number| {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier = Some(sequence_number);
                failure
            })
            .collect();
        response
    }

    /// Does what a record of the stream asks for, but for mails, which are returned to be queued together.
    async fn apply(&self, record: EventRecord, sequence_number: &str) -> Result<Vec<Queued>, Error> {
        let change = record.change;
        let mut mails = Vec::new();
        for change in Change::from_images(&record.event_name, Some(change.old_image), Some(change.new_image))? {
            match change {
                Change::NotificationAdded { recipient_id, notification_id } => mails.push(Queued {
                    sequence_number: sequence_number.to_owned(),
                    message: MailMessage::Notification { recipient_id, notification_id },
                }),
                Change::MailAdded { mail_id } => {
                    mails.push(Queued { sequence_number: sequence_number.to_owned(), message: MailMessage::Mail { mail_id } });
                }
                Change::UserAdded { user_id } => self.store.put_mail_once(&verification(user_id)).await?,
                Change::FileRemoved { object_key, .. } => self.bucket.delete(&object_key).await?,
                Change::InboxRead { recipient_id, after, through, at } => self.store.settle_read(recipient_id, after, through, at).await?,
                Change::InboxDeleted { recipient_id, through } => self.store.purge_deleted(recipient_id, through).await?,
            }
        }
        Ok(mails)
    }

    /// Queues mails; answers the first record whose mail was not taken.
    async fn queue(&self, mails: Vec<Queued>) -> Option<String> {
        for batch in mails.chunks(MESSAGES_AT_ONCE) {
            if let Err((index, error)) = self.queue_batch(batch).await {
                tracing::error!(error = sentence(&*error), "mails could not be queued");
                return batch.get(index).map(|queued| queued.sequence_number.clone());
            }
        }
        None
    }

    async fn queue_batch(&self, batch: &[Queued]) -> Result<(), (usize, Error)> {
        let failed = |error: Error| (0, error);
        let mut request = self.queue.send_message_batch().queue_url(&self.queue_url);
        for (index, queued) in batch.iter().enumerate() {
            let body = serde_json::to_string(&queued.message).map_err(|error| failed(error.into()))?;
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build();
            request = request.entries(entry.map_err(|error| failed(error.into()))?);
        }
        let answer = request.send().await.map_err(|error| failed(error.into()))?;
        let refused = answer.failed().iter().filter_map(|failure| Some((failure.id().parse::<usize>().ok()?, failure.code())));
        match refused.min() {
            Some((index, code)) => Err((index, format!("SQS refused a message: {code}").into())),
            None => Ok(()),
        }
    }
}

/// The mail that asks a new user to confirm the address. It has the user's own id, so that there is only one however often
/// the stream tells of the user; being stored, it comes back through the stream.
fn verification(user_id: UserId) -> Mail {
    Mail::new(Uuid::from_bytes(*user_id.as_bytes()).into(), MailKind::VerifyEmail, user_id, clock::now())
}
