//! The function `dispatcher`: turns changes of the table into mail messages, deletions of objects
//! and purges, and counts them.
//!
//! The stream tells everything at least once and in order, and may tell it again: whatever is done
//! here can be repeated. A record that fails is answered as the place from which the stream comes
//! again, so nothing behind it is lost.
//!
//! What counts (see [`domain::counter`]) is counted once, however often it is told.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use domain::id::UserId;
use domain::mail::{Mail, MailKind, MailMessage};
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::Store;
use store::counters::Counted;
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

/// What the records of a batch ask for together, each with the place of its record in the batch.
#[derive(Default)]
struct Asked {
    mails: Vec<(usize, MailMessage)>,
    counts: Vec<(usize, Counted)>,
}

impl Dispatcher {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Dispatch::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        Ok(Self {
            store: Store::new(aws::dynamodb(&sdk), &config.table_name),
            bucket: Bucket::new(aws::s3(&sdk), &config.bucket_name),
            queue: aws::sqs(&sdk),
            queue_url: config.mail_queue_url,
        })
    }

    /// Handles a batch of the stream; answers the first record that must come again, with all
    /// behind it.
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let sequence_numbers: Vec<_> =
            event.records.iter().map(|record| record.change.sequence_number.clone()).collect();
        let mut asked = Asked::default();
        let mut failed = None;
        for (place, record) in event.records.into_iter().enumerate() {
            if let Err(error) = self.apply(record, place, &mut asked).await {
                tracing::error!(error = sentence(&*error), "a change could not be dispatched");
                failed = Some(place);
                break;
            }
        }
        // What could not be queued or counted stands before the record that failed. What was done
        // behind the first place is done again, to no effect.
        let (queued, counted) = (self.queue(&asked.mails).await, self.count(asked.counts).await);
        let failed = [queued, counted, failed].into_iter().flatten().min();
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures = failed
            .into_iter()
            .map(|place| {
                let mut failure = DynamoDbBatchItemFailure::default();
                failure.item_identifier =
                    Some(sequence_numbers.get(place).cloned().flatten().unwrap_or_default());
                failure
            })
            .collect();
        response
    }

    /// Does what a record of the stream asks for, but for what is done for many together.
    async fn apply(
        &self,
        record: EventRecord,
        place: usize,
        asked: &mut Asked,
    ) -> Result<(), Error> {
        let change = record.change;
        let mut mail = |message| asked.mails.push((place, message));
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
                    asked.counts.push((place, counted));
                }
                Change::UserAdded { user_id } => {
                    self.store.create_mail(&verification(user_id)).await?
                }
                Change::FileRemoved { object_key, .. } => self.bucket.delete(&object_key).await?,
                Change::InboxRead { recipient_id, after, through, at } => {
                    self.store.settle_read(recipient_id, after, through, at).await?
                }
                Change::InboxDeleted { recipient_id, through } => {
                    self.store.purge_deleted(recipient_id, through).await?
                }
            }
        }
        Ok(())
    }

    /// Counts; answers the first record that may not be counted.
    async fn count(&self, counts: Vec<(usize, Counted)>) -> Option<usize> {
        let (places, counts): (Vec<usize>, Vec<Counted>) = counts.into_iter().unzip();
        let (index, error) = self.store.increment_counters(&counts, clock::now()).await.err()?;
        tracing::error!(error = sentence(&error), "changes could not be counted");
        places.into_iter().nth(index)
    }

    /// Queues mails; answers the first record whose mail was not taken.
    async fn queue(&self, mails: &[(usize, MailMessage)]) -> Option<usize> {
        for batch in mails.chunks(MESSAGES_AT_ONCE) {
            if let Err((index, error)) = self.queue_batch(batch).await {
                tracing::error!(error = sentence(&*error), "mails could not be queued");
                return batch.get(index).map(|(place, _)| *place);
            }
        }
        None
    }

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

/// The mail that asks a new user to confirm the address. It has the user's own id, so that there is
/// only one however often the stream tells of the user; being stored, it comes back through the
/// stream.
fn verification(user_id: UserId) -> Mail {
    Mail::new(
        Uuid::from_bytes(*user_id.as_bytes()).into(),
        MailKind::VerifyEmail,
        user_id,
        clock::now(),
    )
}
