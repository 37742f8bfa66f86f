//! Many notifications at once, while SES, queue, table and sandboxes fail, and recipients delete
//! what is not mailed yet.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause, store_poison};

const SOON: [u64; 6] = [0, 10, 500, 3_000, 20_000, 200_000];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    let mut records = Vec::new();
    for _ in 0..=below(3) {
        let doctor = if below(3) == 0 { &people.other_doctor } else { &people.doctor };
        let created = people.patient.create_record(doctor, json!({})).await;
        records.extend(created.id().map(|id| (id, doctor.clone())));
    }
    for _ in 0..below(3) {
        store_poison();
    }
    let mut started = Vec::new();
    for (record, doctor) in records {
        for _ in 0..=below(2) {
            let (doctor, record) = (doctor.clone(), record.clone());
            started.push(beside(&SOON, async move { doctor.annotate(&record).await }));
        }
        let patient = people.patient.clone();
        started.push(beside(&SOON, async move {
            patient.update_record(&record, json!({"description": "a cough"})).await
        }));
    }
    for person in people.all() {
        if below(2) == 1 {
            let person = person.clone();
            let deletes = below(3) > 0;
            started.push(beside(&SOON, async move {
                if deletes { person.delete_all().await } else { person.mark_all_read().await }
            }));
        }
    }
    all(started).await;
    pause(&[0, 60_000, 600_000]).await;
}
