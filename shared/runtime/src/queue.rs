//! A queue of SQS: sending messages, hiding one for longer, and, for administration, its depth and
//! taking, returning and deleting messages one by one. Functions that are triggered by a queue
//! receive and delete nothing themselves.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};
use domain::mail::MailMessage;
use jiff::{SignedDuration, Timestamp};

/// A failed call to SQS.
#[derive(Debug, thiserror::Error)]
#[error("SQS {operation} failed")]
pub struct QueueError {
    operation: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl QueueError {
    fn during<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self { operation, source: error.into() }
    }
}

/// The approximate number of messages in a queue; SQS has no exact one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Depth {
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that were received and neither deleted nor returned.
    pub under_way: u64,
}

/// A message received from a queue and hidden from other receivers for a while.
#[derive(Clone, Debug)]
pub struct Message {
    /// The id in this queue, the same each time the message is received.
    pub id: String,
    /// The content.
    pub body: String,
    /// When it was first sent; SQS keeps the time when it moves a message to a dead-letter queue.
    pub sent_at: Option<Timestamp>,
    receipt: String,
}

/// The largest number of messages in a request or a response of SQS (SQS developer guide, "quotas
/// related to messages").
pub const MAX_BATCH: usize = 10;

/// The longest delay of a message (SQS developer guide, "delay queues").
const MAX_DELAY: SignedDuration = SignedDuration::from_mins(15);

/// The longest time for which a message is hidden, in seconds: 12 hours.
const MAX_HIDDEN: i32 = 43_200;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

/// The queues of orders of mails. Account mails have one of their own, so that no number of
/// notifications delays the reset of a password.
#[derive(Clone, Debug)]
pub struct MailQueues {
    notifications: Queue,
    accounts: Queue,
}

impl MailQueues {
    /// Creates handles for the queues of mails about notifications and of account mails.
    pub fn new(
        client: &Client,
        notifications: impl Into<String>,
        accounts: impl Into<String>,
    ) -> Self {
        let queue = |url| Queue { client: client.clone(), url };
        Self { notifications: queue(notifications.into()), accounts: queue(accounts.into()) }
    }

    /// Returns the queue of an order.
    pub fn of(&self, order: MailMessage) -> &Queue {
        match order {
            MailMessage::Notification { .. } => &self.notifications,
            MailMessage::Mail { .. } => &self.accounts,
        }
    }

    /// Returns both queues: of notifications, then of accounts.
    pub fn all(&self) -> [&Queue; 2] {
        [&self.notifications, &self.accounts]
    }
}

impl Queue {
    /// Creates a handle for the queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Returns whether an ARN is that of this queue, of the same account and region.
    pub fn has_arn(&self, arn: &str) -> bool {
        let name = self.url.rsplit('/').next();
        !arn.is_empty() && arn.rsplit(':').next() == name
    }

    /// Returns how many messages are in the queue.
    ///
    /// # Errors
    /// When the call to SQS fails.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()));
        let response = request.send().await.map_err(QueueError::during("GetQueueAttributes"))?;
        let number = |name| {
            let number = response.attributes().and_then(|all| all.get(name)?.parse().ok());
            number
                .ok_or("an attribute is missing")
                .map_err(QueueError::during("GetQueueAttributes"))
        };
        Ok(Depth { waiting: number(&names[0])?, under_way: number(&names[1])? })
    }

    /// Receives up to `most` messages and hides them from other receivers for the time `hidden`.
    /// Delete them or return them.
    ///
    /// SQS asks only some of its servers for a response, so not all messages may be found.
    ///
    /// # Errors
    /// When a call to SQS fails. Messages received before become visible again by themselves.
    pub async fn take(&self, most: usize, hidden: Duration) -> Result<Vec<Message>, QueueError> {
        let (mut taken, mut seen, mut empty) = (Vec::new(), HashSet::new(), 0);
        while taken.len() < most && empty < 2 {
            let request = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(
                    i32::try_from(MAX_BATCH.min(most - taken.len())).unwrap_or(i32::MAX),
                )
                .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX))
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let response = request.send().await.map_err(QueueError::during("ReceiveMessage"))?;
            let before = taken.len();
            for message in response.messages.unwrap_or_default() {
                let sent = message
                    .attributes
                    .as_ref()
                    .and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp));
                let sent_at =
                    sent.and_then(|sent| Timestamp::from_millisecond(sent.parse().ok()?).ok());
                let (Some(id), Some(body), Some(receipt)) =
                    (message.message_id, message.body, message.receipt_handle)
                else {
                    continue;
                };
                if seen.insert(id.clone()) {
                    taken.push(Message { id, body, sent_at, receipt });
                }
            }
            empty = if taken.len() == before { empty + 1 } else { 0 };
        }
        Ok(taken)
    }

    /// Returns a received message to the queue, where others can receive it at once.
    ///
    /// # Errors
    /// When the call to SQS fails. The message then becomes visible when its time is over.
    pub async fn put_back(&self, message: &Message) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&message.receipt)
            .visibility_timeout(0);
        request.send().await.map(drop).map_err(QueueError::during("ChangeMessageVisibility"))
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// When the call to SQS fails.
    pub async fn delete(&self, message: &Message) -> Result<(), QueueError> {
        let request =
            self.client.delete_message().queue_url(&self.url).receipt_handle(&message.receipt);
        request.send().await.map(drop).map_err(QueueError::during("DeleteMessage"))
    }

    /// Hides a message that a function has received from now on for this time, at most 12 hours.
    ///
    /// # Errors
    /// When the call to SQS fails. The message then stays hidden as long as the queue says.
    pub async fn hide(&self, receipt: &str, time: SignedDuration) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(i32::try_from(time.as_secs()).unwrap_or(MAX_HIDDEN));
        request.send().await.map(drop).map_err(QueueError::during("ChangeMessageVisibility"))
    }

    /// Sends up to [`MAX_BATCH`] messages, each with the time after which it can be received, at
    /// most 15 minutes.
    ///
    /// # Errors
    /// When the call to SQS fails or SQS refuses a message; with the index of the first message
    /// that may not have been sent.
    pub async fn send_batch(
        &self,
        messages: &[(String, SignedDuration)],
    ) -> Result<(), (usize, QueueError)> {
        const NAME: &str = "SendMessageBatch";
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (index, (body, delay)) in messages.iter().enumerate() {
            let delay = i32::try_from(delay.as_secs().clamp(0, MAX_DELAY.as_secs()))
                .map_err(|error| (0, QueueError::during(NAME)(error)))?;
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .delay_seconds(delay)
                .build()
                .map_err(|error| (0, QueueError::during(NAME)(error)))?;
            request = request.entries(entry);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| (0, QueueError::during(NAME)(error)))?;
        let refused = response
            .failed()
            .iter()
            .filter_map(|failure| Some((failure.id().parse::<usize>().ok()?, failure.code())));
        match refused.min() {
            Some((index, code)) => {
                Err((index, QueueError::during(NAME)(format!("a message was refused: {code}"))))
            }
            None => Ok(()),
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the call to SQS fails. The message may have been sent all the same.
    pub async fn send(&self, body: impl Into<String>) -> Result<(), QueueError> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map(drop).map_err(QueueError::during("SendMessage"))
    }
}
