//! A request with an idempotency key is sent again and again: beside itself, after a lost response,
//! after its function has ended in the middle.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};

const SOON: [u64; 6] = [0, 10, 200, 2_000, 12_000, 31_000];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    for number in 0..=below(2) {
        let key = format!("key-{number}");
        let mut started = Vec::new();
        for _ in 0..2 + below(4) {
            let (patient, key) = (people.patient.clone(), key.clone());
            let body = json!({"doctor": people.doctor.id, "description": key});
            started.push(beside(&SOON, async move {
                let headers = [("idempotency-key", key.as_str())];
                patient.send("POST", "/api/records/patient/", Some(body), &headers).await
            }));
        }
        all(started).await;
        pause(&[0, 10_000, 60_000]).await;
    }
}
