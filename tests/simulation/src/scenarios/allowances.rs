//! A patient changes records more often than a day allows, and a doctor whose address was never
//! confirmed has more notifications than mails.

use domain::account::Role;
use domain::rate::MAX_UNCONFIRMED_MAILS;
use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::people::Person;
use crate::run;
use crate::settings::CHANGES_PER_DAY;

const SOON: [u64; 4] = [0, 100, 3_000, 60_000];

/// How many changes are sent at a time.
const AT_ONCE: u64 = 4;

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    // Registered before anything goes wrong.
    let faults = run::with(|run| std::mem::take(&mut run.network));
    let doctor = Person::register_unconfirmed(&world.functions, "doctor elsewhere", Role::Doctor);
    let doctor = doctor.await;
    run::with(|run| run.network = faults);
    let mut started = Vec::new();
    for _ in 0..MAX_UNCONFIRMED_MAILS + 1 + u64::from(below(4)) {
        let (patient, doctor) = (people.other_patient.clone(), doctor.clone());
        started.push(beside(&SOON, async move { patient.create_record(&doctor, json!({})).await }));
    }
    all(started).await;
    let record = people.patient.create_record(&people.doctor, json!({})).await;
    if let Some(id) = record.id() {
        let mut started = Vec::new();
        for part in 0..AT_ONCE {
            let (patient, id) = (people.patient.clone(), id.clone());
            started.push(tokio::task::spawn_local(async move {
                for number in 0..CHANGES_PER_DAY / AT_ONCE + 2 {
                    let description = format!("cough {part} {number}");
                    patient.update_record(&id, json!({"description": description})).await;
                }
            }));
        }
        all(started).await;
    }
    pause(&[0, 60_000]).await;
}
