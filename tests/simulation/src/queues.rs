//! Queues of SQS: visibility, receive counts, dead letters, messages delivered twice or in another
//! order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::choices::Choices;
use crate::clock::timestamp;

/// A message.
#[derive(Clone, Debug)]
pub struct QueuedMessage {
    /// Its id, the same at each delivery.
    pub id: u64,
    /// The text.
    pub body: String,
    /// When it was sent.
    pub sent_at: u64,
    /// How often it was received.
    pub received: u32,
    /// From when on it can be received.
    visible_at: u64,
    /// The number of the last delivery.
    delivery: u64,
    /// Whether it was delivered twice at a time; more often would be another queue than SQS.
    is_doubled: bool,
}

/// A queue.
#[derive(Default)]
pub struct SimulatedQueue {
    /// What is in it.
    pub messages: Vec<QueuedMessage>,
    /// Is notified of new and returned messages.
    pub changed: Arc<Notify>,
    /// How long a message stays hidden once it is received, in ms.
    visibility: u64,
    /// Where messages go after so many deliveries.
    redrive: Option<(String, u32)>,
}

/// All queues, by the last part of their URL.
pub struct SimulatedQueues {
    queues: BTreeMap<String, SimulatedQueue>,
    ids: u64,
    /// Messages of a batch that are refused, in so many of 1000 cases.
    pub refused_entries: u32,
}

impl Default for SimulatedQueues {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), ids: 0, refused_entries: 20 }
    }
}

impl SimulatedQueues {
    /// Creates a queue.
    pub fn create(&mut self, name: &str, visibility: u64, redrive: Option<(&str, u32)>) {
        let redrive = redrive.map(|(name, count)| (name.to_owned(), count));
        self.queues.insert(
            name.to_owned(),
            SimulatedQueue { visibility, redrive, ..SimulatedQueue::default() },
        );
    }

    /// Returns a queue.
    pub fn get(&self, name: &str) -> &SimulatedQueue {
        &self.queues[name]
    }

    fn queue(&mut self, name: &str) -> &mut SimulatedQueue {
        self.queues.get_mut(name).unwrap_or_else(|| panic!("no queue {name}"))
    }

    /// Adds a message.
    pub fn send(&mut self, name: &str, body: &str, now: u64, visible_at: u64) {
        self.ids += 1;
        let id = self.ids;
        let body = body.to_owned();
        let message = QueuedMessage {
            id,
            body,
            sent_at: now,
            received: 0,
            visible_at,
            delivery: 0,
            is_doubled: false,
        };
        let queue = self.queue(name);
        queue.messages.push(message);
        queue.changed.notify_waiters();
    }

    /// Receives messages, in any order, some of them although they are hidden.
    pub fn receive(
        &mut self,
        name: &str,
        most: usize,
        now: u64,
        visibility: Option<u64>,
        choices: &mut Choices,
        doubled: u32,
    ) -> Vec<QueuedMessage> {
        let mut received = Vec::new();
        let mut dead = Vec::new();
        let queue = self.queue(name);
        let hidden = visibility.unwrap_or(queue.visibility);
        let mut waiting: Vec<u64> = Vec::new();
        for message in &mut queue.messages {
            if message.visible_at <= now {
                waiting.push(message.id);
            } else if message.received > 0 && !message.is_doubled && choices.chance(doubled) {
                message.is_doubled = true;
                waiting.push(message.id);
            }
        }
        while received.len() < most && !waiting.is_empty() {
            let id = waiting.remove(choices.below(waiting.len() as u32) as usize);
            let at = queue.messages.iter().position(|message| message.id == id).unwrap();
            if let Some((letters, count)) = &queue.redrive
                && queue.messages[at].received >= *count
            {
                dead.push((letters.clone(), queue.messages.remove(at)));
                continue;
            }
            let message = &mut queue.messages[at];
            message.received += 1;
            message.delivery += 1;
            message.visible_at = now + hidden;
            received.push(message.clone());
        }
        for (letters, message) in dead {
            let queue = self.queue(&letters);
            queue.messages.push(QueuedMessage { visible_at: now, ..message });
            queue.changed.notify_waiters();
        }
        received
    }

    /// Takes all messages out of a queue; returns their texts.
    pub fn take_all(&mut self, name: &str) -> Vec<String> {
        self.queue(name).messages.drain(..).map(|message| message.body).collect()
    }

    /// Deletes a message, whichever of its deliveries it was.
    pub fn delete(&mut self, name: &str, id: u64) {
        self.queue(name).messages.retain(|message| message.id != id);
    }

    /// Hides a message for another time.
    fn hide(&mut self, name: &str, receipt: &str, now: u64, ms: u64) {
        let Some((id, delivery)) = receipt.split_once('-') else { return };
        let queue = self.queue(name);
        for message in &mut queue.messages {
            if message.id.to_string() == id && message.delivery.to_string() == delivery {
                message.visible_at = now + ms;
            }
        }
        queue.changed.notify_waiters();
    }

    /// Returns when the next hidden message becomes visible.
    pub fn next_visible(&self, name: &str) -> Option<u64> {
        self.get(name).messages.iter().map(|message| message.visible_at).min()
    }

    /// Carries out an operation of the API.
    pub fn act(
        &mut self,
        operation: &str,
        body: &[u8],
        now: u64,
        choices: &mut Choices,
    ) -> (u16, String) {
        let request: Value = serde_json::from_slice(body).unwrap();
        let url = request["QueueUrl"].as_str().unwrap();
        let name = url.rsplit('/').next().unwrap().to_owned();
        let seconds = |name: &str| request[name].as_u64().unwrap_or_default();
        let response = match operation {
            "SendMessageBatch" => {
                let (mut taken, mut failed) = (Vec::new(), Vec::new());
                for entry in request["Entries"].as_array().unwrap() {
                    let delay = entry["DelaySeconds"].as_u64().unwrap_or_default() * 1000;
                    if choices.chance(self.refused_entries) {
                        let code = "InternalError";
                        failed.push(json!({"Id": entry["Id"], "Code": code, "SenderFault": false}));
                        continue;
                    }
                    self.send(&name, entry["MessageBody"].as_str().unwrap(), now, now + delay);
                    taken.push(json!({"Id": entry["Id"], "MessageId": self.ids.to_string(),
                        "MD5OfMessageBody": ""}));
                }
                json!({"Successful": taken, "Failed": failed})
            }
            "SendMessage" => {
                let body = request["MessageBody"].as_str().unwrap();
                self.send(&name, body, now, now + seconds("DelaySeconds") * 1000);
                json!({"MessageId": self.ids.to_string(), "MD5OfMessageBody": ""})
            }
            "ReceiveMessage" => {
                let most = seconds("MaxNumberOfMessages").max(1) as usize;
                let hidden = request["VisibilityTimeout"].as_u64().map(|seconds| seconds * 1000);
                let messages = self.receive(&name, most, now, hidden, choices, 0);
                let messages = messages.iter().map(|message| {
                    let sent = timestamp(message.sent_at).as_millisecond();
                    json!({"MessageId": message.id.to_string(), "Body": message.body,
                        "ReceiptHandle": message.receipt(),
                        "Attributes": {"SentTimestamp": sent.to_string()}})
                });
                json!({"Messages": messages.collect::<Vec<_>>()})
            }
            "DeleteMessage" => {
                let receipt = request["ReceiptHandle"].as_str().unwrap();
                let id = receipt.split('-').next().unwrap().parse().unwrap();
                self.delete(&name, id);
                json!({})
            }
            "ChangeMessageVisibility" => {
                let receipt = request["ReceiptHandle"].as_str().unwrap();
                self.hide(&name, receipt, now, seconds("VisibilityTimeout") * 1000);
                json!({})
            }
            "GetQueueAttributes" => {
                let messages = &self.get(&name).messages;
                let waiting = messages.iter().filter(|message| message.visible_at <= now).count();
                let hidden = messages.len() - waiting;
                json!({"Attributes": {"ApproximateNumberOfMessages": waiting.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": hidden.to_string()}})
            }
            other => panic!("the queues have no {other}"),
        };
        (200, response.to_string())
    }
}

impl QueuedMessage {
    /// Returns the handle of its last delivery.
    pub fn receipt(&self) -> String {
        format!("{}-{}", self.id, self.delivery)
    }
}
