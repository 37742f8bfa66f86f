//! What invokes the functions behind the table, the queues and the bucket, as Lambda's event source
//! mappings do.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::{timestamp, wait};
use crate::queues::QueuedMessage;
use crate::run;
use crate::sandboxes::{Ended, Functions, invoke};
use crate::settings::{QueueSource, SETTINGS, StreamSource};
use crate::table::{CommittedChange, SHARDS, matches};

/// The longest pause between two tries of a batch of the stream.
const LONGEST_PAUSE: u64 = 120_000;

/// How long the stream keeps a change.
pub const STREAM_KEEPS: u64 = 24 * 3_600_000;

/// Starts everything that invokes functions.
pub fn start(functions: &Arc<Functions>) {
    for shard in 0..SHARDS {
        tokio::task::spawn_local(follow(&SETTINGS.dispatcher, shard, Arc::clone(functions)));
        tokio::task::spawn_local(follow(&SETTINGS.archivist, shard, Arc::clone(functions)));
    }
    for source in &SETTINGS.queue_sources {
        for _ in 0..source.concurrency {
            tokio::task::spawn_local(poll(source, Arc::clone(functions)));
        }
    }
    tokio::task::spawn_local(tell_of_uploads());
    tokio::task::spawn_local(tell_of_bounces());
}

/// What came of a batch of the stream.
enum Handled {
    All,
    /// All before the change with this sequence number.
    Until(String),
    Nothing,
}

/// Delivers the changes of a shard to a function, again and again until it has handled them.
async fn follow(source: &'static StreamSource, shard: usize, functions: Arc<Functions>) {
    let mut position = 0;
    loop {
        let changed = run::with(|run| Arc::clone(&run.table.changed));
        let mut notified = Box::pin(changed.notified());
        notified.as_mut().enable();
        let (mut batch, end) = next_batch(source, shard, position);
        if end == position {
            notified.await;
            let pause = run::with(|run| run.choices.wait(&[100, 10, 1_000, 3_000]));
            wait(source.window + pause).await;
            continue;
        }
        let (mut tries, mut size) = (0, batch.len());
        while !batch.is_empty() {
            let part = &batch[..size.min(batch.len())];
            let handled = deliver(source.function, part, &functions).await;
            let done = match &handled {
                Handled::All => part.len(),
                Handled::Until(number) => part
                    .iter()
                    .position(|change| change.sequence_number() == number)
                    .unwrap_or_else(|| {
                        let what = format!("{} gives {number:?} back", source.function);
                        run::with(|run| run.violations.push(what));
                        0
                    }),
                Handled::Nothing => 0,
            };
            if matches!(handled, Handled::All) {
                let again = run::with(|run| run.choices.chance(run.network.doubled));
                if again {
                    run::note(format!("{}: the same changes once more", source.function));
                    continue;
                }
            }
            if done > 0 {
                batch.drain(..done);
                (tries, size) = (0, batch.len());
            }
            if matches!(handled, Handled::All) {
                continue;
            }
            // A batch that was halved is a new one.
            if source.bisects && matches!(handled, Handled::Nothing) && size > 1 {
                size = size.div_ceil(2);
                continue;
            }
            tries += 1;
            let age = run::now() - batch[0].at;
            if source.retries.is_some_and(|retries| tries > retries) || age > STREAM_KEEPS {
                let rest = size.min(batch.len());
                for change in batch.drain(..rest) {
                    run::with(|run| {
                        run.note(&format!("{}: gives {} up", source.function, change.key()));
                        run.given_up.push(change.key());
                    });
                }
                (tries, size) = (0, batch.len());
                continue;
            }
            wait((1000 << tries.min(10)).min(LONGEST_PAUSE)).await;
        }
        position = end;
        run::with(|run| run.read.insert((source.function, shard), position));
    }
}

/// Returns the changes of a shard from a position on that pass the filters, and the position after
/// them.
fn next_batch(
    source: &StreamSource,
    shard: usize,
    position: usize,
) -> (Vec<CommittedChange>, usize) {
    run::with(|run| {
        let waiting = run.table.log.len() - position;
        if waiting == 0 {
            return (Vec::new(), position);
        }
        let most = source.batch.min(waiting);
        let end = position + most - run.choices.below(most as u32) as usize;
        let changes = run.table.log[position..end].iter().filter(|change| change.shard == shard);
        let changes = changes.filter(|change| {
            source.patterns.iter().any(|pattern| matches(pattern, &change.record))
        });
        (changes.cloned().collect(), end)
    })
}

async fn deliver(
    function: &'static str,
    changes: &[CommittedChange],
    functions: &Functions,
) -> Handled {
    let records: Vec<&Value> = changes.iter().map(|change| &change.record).collect();
    let event = json!({"Records": records}).to_string();
    let failures = match function {
        "dispatcher" => {
            let handle = functions.dispatcher.handle(serde_json::from_str(&event).unwrap());
            match invoke(function, handle).await {
                Ended::Done(response) => response.batch_item_failures,
                Ended::Crashed | Ended::TimedOut => return Handled::Nothing,
            }
        }
        _ => {
            let handle = functions.archivist.handle(serde_json::from_str(&event).unwrap());
            match invoke(function, handle).await {
                Ended::Done(response) => response.batch_item_failures,
                Ended::Crashed | Ended::TimedOut => return Handled::Nothing,
            }
        }
    };
    match failures.into_iter().next() {
        None => Handled::All,
        Some(failure) => {
            let number = failure.item_identifier.unwrap_or_default();
            run::note(format!("{function}: gives a batch back from {number} on"));
            Handled::Until(number)
        }
    }
}

/// Delivers the messages of a queue to a function.
async fn poll(source: &'static QueueSource, functions: Arc<Functions>) {
    loop {
        let changed = run::with(|run| Arc::clone(&run.queues.get(&source.queue).changed));
        let mut notified = Box::pin(changed.notified());
        notified.as_mut().enable();
        let (now, next) = run::with(|run| (run.now(), run.queues.next_visible(&source.queue)));
        match next {
            Some(at) if at <= now => {}
            Some(at) => {
                tokio::select! {
                    biased;
                    () = notified => {}
                    () = wait(at - now) => {}
                }
            }
            None => notified.await,
        }
        let pause = run::with(|run| run.choices.wait(&[10, 100, 1_000, 5_000]));
        wait(pause).await;
        let messages = run::with(|run| {
            let (now, doubled) = (run.now(), run.network.doubled);
            let most = 1 + run.choices.below(source.batch as u32) as usize;
            run.queues.receive(&source.queue, most, now, None, &mut run.choices, doubled)
        });
        if messages.is_empty() {
            continue;
        }
        run::with(|run| run.under_way += 1);
        let kept = handle(source, &messages, &functions).await;
        run::with(|run| {
            for message in &messages {
                let is_lost = run.choices.chance(run.network.doubled);
                if !is_lost && !kept.contains(&message.id.to_string()) {
                    run.queues.delete(&source.queue, message.id);
                }
            }
            run.under_way -= 1;
        });
    }
}

/// Lets a function handle messages; returns the ids of those that stay in the queue.
async fn handle(
    source: &'static QueueSource,
    messages: &[QueuedMessage],
    functions: &Functions,
) -> Vec<String> {
    let function = source.function;
    let mut event = SqsEvent::default();
    for message in messages {
        let mut delivered = SqsMessage::default();
        delivered.message_id = Some(message.id.to_string());
        delivered.receipt_handle = Some(message.receipt());
        delivered.body = Some(message.body.clone());
        delivered.event_source_arn =
            Some(format!("arn:aws:sqs:eu-central-1:123456789012:{}", source.queue));
        let count = message.received.to_string();
        delivered.attributes.insert("ApproximateReceiveCount".to_owned(), count);
        let sent = timestamp(message.sent_at).as_millisecond().to_string();
        delivered.attributes.insert("SentTimestamp".to_owned(), sent);
        event.records.push(delivered);
    }
    let ended = match function {
        "mailer" => {
            let deadline = Instant::now() + Duration::from_millis(SETTINGS.timeouts[function]);
            invoke(function, functions.mailer.handle(event, deadline)).await
        }
        "mail-events" => invoke(function, functions.mail_events.handle(event)).await,
        _ => invoke(function, functions.inspector.handle(event)).await,
    };
    match ended {
        Ended::Done(response) => response
            .batch_item_failures
            .into_iter()
            .map(|failure| failure.item_identifier)
            .collect(),
        Ended::Crashed | Ended::TimedOut => {
            messages.iter().map(|message| message.id.to_string()).collect()
        }
    }
}

/// Returns the event of an upload: the sample of the inspector, with another key.
fn upload_event(key: &str) -> Value {
    let sample: Value =
        serde_json::from_str(include_str!("../../../events/inspector.json")).unwrap();
    let body = sample["Records"][0]["body"].as_str().unwrap();
    let mut event: Value = serde_json::from_str(body).unwrap();
    event["Records"][0]["s3"]["object"]["key"] = json!(key);
    event
}

/// The queue of reports about mails.
const MAIL_EVENTS: &str = "MailEventQueue";

/// Puts reports of bounces into their queue: late or twice.
async fn tell_of_bounces() {
    loop {
        let (bounce, pause) = run::with(|run| {
            let number = run.mails.bounces.len() as u32;
            let next = (number > 0).then(|| {
                let at = run.choices.below(number) as usize;
                run.mails.bounces.remove(at)
            });
            (next, run.choices.wait(&[10, 500, 20_000, 600_000]))
        });
        let Some(bounce) = bounce else {
            let bounced = run::with(|run| Arc::clone(&run.mails.bounced));
            bounced.notified().await;
            continue;
        };
        run::with(|run| run.under_way += 1);
        wait(pause).await;
        run::with(|run| {
            run.under_way -= 1;
            let (now, doubled) = (run.now(), run.network.doubled);
            run.note(&format!("SES reports the bounce of {}", bounce.of));
            for _ in 0..1 + u32::from(run.choices.chance(doubled)) {
                run.queues.send(MAIL_EVENTS, &bounce.bounce(now), now, now);
            }
        });
    }
}

/// Puts the events of the bucket into their queue: late, twice or never.
async fn tell_of_uploads() {
    loop {
        let (key, pause) = run::with(|run| {
            let choices = &mut run.choices;
            let number = run.buckets.events.len() as u32;
            let key =
                (number > 0).then(|| run.buckets.events.remove(choices.below(number) as usize));
            (key, choices.wait(&[500, 2_000, 20_000, 100_000]))
        });
        let Some(key) = key else {
            let changed = run::with(|run| Arc::clone(&run.buckets.changed));
            changed.notified().await;
            continue;
        };
        run::with(|run| run.under_way += 1);
        wait(pause).await;
        run::with(|run| {
            run.under_way -= 1;
            let now = run.now();
            let lost = run.choices.chance(run.network.lost_events);
            let doubled = run.choices.chance(run.network.doubled);
            let body = upload_event(&key);
            if lost {
                run.note(&format!("the event of {key} is lost"));
            }
            for _ in 0..(if lost { 0 } else { 1 + u32::from(doubled) }) {
                run.queues.send("upload", &body.to_string(), now, now);
            }
        });
    }
}
