//! A queue of SQS as a person looks at it: how much is in it, what was set aside there, and back
//! with it.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;

/// A failure of SQS, or of the way to it.
#[derive(Debug, thiserror::Error)]
#[error("SQS {operation} failed")]
pub struct QueueError {
    operation: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl QueueError {
    fn of<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |error| Self { operation, source: error.into() }
    }
}

/// About how much is in a queue: SQS knows no better.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Depth {
    /// Messages that can be received.
    pub waiting: u64,
    /// Messages that somebody has received and not done with.
    pub under_way: u64,
}

/// A message that was taken from a queue, and is hidden from others for a while.
#[derive(Clone, Debug)]
pub struct Message {
    /// The message's id in this queue, the same however often it is received.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it was first sent; a message that was set aside keeps the time.
    pub sent_at: Option<Timestamp>,
    receipt: String,
}

/// How many messages SQS hands out at once (SQS developer guide, "quotas related to messages").
const AT_ONCE: i32 = 10;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// How much is in it.
    ///
    /// # Errors
    /// When SQS does not answer.
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
        let response = request.send().await.map_err(QueueError::of("GetQueueAttributes"))?;
        let number = |name| {
            response.attributes().and_then(|all| all.get(name)?.parse().ok()).unwrap_or_default()
        };
        Ok(Depth { waiting: number(&names[0]), under_way: number(&names[1]) })
    }

    /// Takes up to `most` messages, which nobody else gets for as long as they are hidden. Delete
    /// them or put them back.
    ///
    /// An answer of SQS may come from some of its servers only: so not all that is there may be
    /// found, and who looks at the same moment finds the rest.
    ///
    /// # Errors
    /// When SQS does not answer. What was taken before comes back by itself.
    pub async fn take(&self, most: usize, hidden: Duration) -> Result<Vec<Message>, QueueError> {
        let (mut taken, mut seen, mut empty) = (Vec::new(), HashSet::new(), 0);
        while taken.len() < most && empty < 2 {
            let request = self
                .client
                .receive_message()
                .queue_url(&self.url)
                .max_number_of_messages(
                    AT_ONCE.min(i32::try_from(most - taken.len()).unwrap_or(AT_ONCE)),
                )
                .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX))
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp);
            let response = request.send().await.map_err(QueueError::of("ReceiveMessage"))?;
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

    /// Puts a message back that was taken: others get it at once.
    ///
    /// # Errors
    /// When SQS does not answer. Then it comes back when its time is over.
    pub async fn put_back(&self, message: &Message) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&message.receipt)
            .visibility_timeout(0);
        request.send().await.map(drop).map_err(QueueError::of("ChangeMessageVisibility"))
    }

    /// Deletes a message that was taken.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn delete(&self, message: &Message) -> Result<(), QueueError> {
        let request =
            self.client.delete_message().queue_url(&self.url).receipt_handle(&message.receipt);
        request.send().await.map(drop).map_err(QueueError::of("DeleteMessage"))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When SQS does not answer; it may have been sent.
    pub async fn send(&self, body: impl Into<String>) -> Result<(), QueueError> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body);
        request.send().await.map(drop).map_err(QueueError::of("SendMessage"))
    }
}
