//! Events of the audit trail come from both shards at once, a repair beside them, and a restore of
//! the table turns the head of the archive back.

use archive::append::append;
use runtime::clock;
use serde_json::json;
use store::proof::StoredEvent;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::run;
use crate::sandboxes::invoke;
use crate::table::text;

const SOON: [u64; 5] = [0, 10, 300, 3_000, 10_000];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    for _ in 0..2 + below(3) {
        let mut started = Vec::new();
        for _ in 0..=below(3) {
            let patient =
                if below(2) == 0 { people.patient.clone() } else { people.other_patient.clone() };
            let doctor = people.doctor.clone();
            started.push(beside(
                &SOON,
                async move { patient.create_record(&doctor, json!({})).await },
            ));
        }
        if below(3) == 0 {
            let functions = world.functions.clone();
            drop(beside(&SOON, async move {
                let events = events();
                run::note(format!("repair of {} events", events.len()));
                let store = &functions.store;
                let repair =
                    async { append(store, &functions.vault, events, clock::now).await.is_ok() };
                invoke("archivist", repair).await;
            }));
        }
        if below(3) == 0 {
            drop(beside(&SOON, async { turn_back() }));
        }
        all(started).await;
        pause(&[0, 1_000, 8_000, 30_000]).await;
    }
}

/// Returns all events of the audit trail.
fn events() -> Vec<StoredEvent> {
    run::with(|run| {
        let changes = run.table.log.iter();
        let events = changes.filter(|change| text(change.new_image(), "entity") == "audit_event");
        events
            .filter_map(|change| {
                let record = change.record["dynamodb"]["NewImage"].clone();
                let item = serde_json::from_value(record).unwrap();
                StoredEvent::from_image("INSERT", item).unwrap()
            })
            .collect()
    })
}

/// Restores an earlier head of the archive.
fn turn_back() {
    run::with(|run| {
        let log = &run.table.log;
        let heads = log.iter().filter(|change| text(change.new_image(), "pk") == "ARCHIVE");
        let heads: Vec<_> = heads.map(|change| change.new_image().clone()).collect();
        if heads.is_empty() {
            return;
        }
        let now = run.now();
        let head = &heads[run.choices.below(heads.len() as u32) as usize];
        run.table.write(head, now);
        let number = head["sequence"]["N"].as_str().unwrap_or_default().to_owned();
        run.note(&format!("a restore turns the archive's head back to {number}"));
    });
}
