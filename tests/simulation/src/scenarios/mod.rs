//! What happens in a run: each scenario in its own file. The numbers of the seed decide the order,
//! the waits and all faults.

mod allowances;
mod archive;
mod bounces;
mod bulk_actions;
mod flood;
mod mail_storm;
mod one_key;
mod paused_sending;
mod queued_orders;
mod random_day;
mod reassignments;
mod slow_mails;
mod staff_orders;
mod uploads;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use runtime::clock;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::buckets::S3Request;
use crate::clock::wait;
use crate::people::People;
use crate::run;
use crate::sandboxes::Functions;
use crate::settings::{FILES, SETTINGS};
use crate::staff::Staff;

/// What a scenario acts on.
#[derive(Clone)]
pub struct ScenarioWorld {
    /// The functions, for what staff and the table itself do.
    pub functions: Arc<Functions>,
    /// The users.
    pub people: People,
    /// An admin.
    pub staff: Staff,
}

type Scenario = fn(ScenarioWorld) -> Pin<Box<dyn Future<Output = ()>>>;

/// All scenarios by their names. A seed runs that at its place, modulo their number.
pub const SCENARIOS: [(&str, Scenario); 14] = [
    ("bulk actions", |world| Box::pin(bulk_actions::run(world))),
    ("mail storm", |world| Box::pin(mail_storm::run(world))),
    ("reassignments", |world| Box::pin(reassignments::run(world))),
    ("one key", |world| Box::pin(one_key::run(world))),
    ("uploads", |world| Box::pin(uploads::run(world))),
    ("staff orders", |world| Box::pin(staff_orders::run(world))),
    ("archive", |world| Box::pin(archive::run(world))),
    ("bounces", |world| Box::pin(bounces::run(world))),
    ("flood", |world| Box::pin(flood::run(world))),
    ("slow mails", |world| Box::pin(slow_mails::run(world))),
    ("random day", |world| Box::pin(random_day::run(world))),
    ("paused sending", |world| Box::pin(paused_sending::run(world))),
    ("allowances", |world| Box::pin(allowances::run(world))),
    ("queued orders", |world| Box::pin(queued_orders::run(world))),
];

/// Stores an item that no function can read.
fn store_poison() {
    let id = clock::new_id::<uuid::Uuid>().to_string();
    run::with(|run| {
        let item = json!({"pk": {"S": format!("USER#{id}")}, "sk": {"S": "ACCOUNT"},
            "entity": {"S": "user"}, "role": {"S": "ghost"}});
        let body = json!({"TableName": SETTINGS.variables["TABLE_NAME"], "Item": item}).to_string();
        let now = run.now();
        run.table.act("PutItem", body.as_bytes(), now);
        run.note(&format!("an item that cannot be read is stored: {id}"));
        run.poison.push(id);
    });
}

/// Draws a number below a bound.
fn below(bound: u32) -> u32 {
    run::with(|run| run.choices.below(bound))
}

/// Waits for one of these times, in ms.
async fn pause(times: &[u64]) {
    let ms = run::with(|run| run.choices.wait(times));
    wait(ms).await;
    run::with(|run| {
        if run.choices.chance(100) {
            let now = run.now();
            let expired = run.table.expire(now);
            run.note(&format!("the table deletes {expired} expired items"));
        }
    });
}

/// Uploads the content of a file with its presigned URL.
async fn upload(file: &Value, content: &[u8]) {
    let url = file["upload"]["url"].as_str().unwrap_or_default();
    let key = url.split('?').next().and_then(|url| url.split_once(".com/"));
    let Some((_, key)) = key else { return };
    pause(&[10, 100, 1_000]).await;
    run::with(|run| {
        let request = S3Request {
            method: "PUT",
            bucket: FILES,
            key,
            query: BTreeMap::new(),
            if_none_match: true,
            content_type: "application/pdf",
            range: None,
            body: content,
        };
        let now = run.now();
        let status = run.buckets.act(&request, now, &mut run.choices).status;
        run.note(&format!("upload of {key} -> {status}"));
    });
}

/// Starts something that runs beside the rest after one of these times, in ms.
fn beside<T: 'static>(times: &[u64], what: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let ms = run::with(|run| run.choices.wait(times));
    tokio::task::spawn_local(async move {
        wait(ms).await;
        what.await
    })
}

/// Waits for all of them.
async fn all<T>(started: Vec<JoinHandle<T>>) {
    for one in started {
        one.await.unwrap();
    }
}
