//! The address of a doctor refuses all mails, and SES sends none to that of another one, while
//! patients go on creating and changing records. Sometimes the table is out when SES reports it.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::faults::{CallFault, Outage, Service};
use crate::run;

const SOON: [u64; 5] = [0, 100, 3_000, 60_000, 900_000];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    run::with(|run| {
        run.mails.refused_by.insert(people.doctor.address());
        run.mails.invalid.insert(people.other_doctor.address());
        if run.choices.below(4) == 0 {
            let from = run.now() + run.choices.wait(&[500, 3_000, 7_000]);
            let to = from + run.choices.wait(&[600_000, 3_600_000, 25_200_000]);
            let fault = run.choices.one_of(&[CallFault::Refused, CallFault::Silent]);
            run.network.outages.push(Outage { service: Service::Table, from, to, fault });
            run.is_calm = false;
        }
    });
    let mut started = Vec::new();
    for _ in 0..2 + below(4) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        let other = people.other_doctor.clone();
        let moves = below(3) == 0;
        started.push(beside(&SOON, async move {
            let created = patient.create_record(&doctor, json!({})).await;
            if let Some(id) = created.id() {
                let doctor = if moves { &other } else { &doctor };
                patient.update_record(&id, json!({"doctor": doctor.id})).await;
                patient.update_record(&id, json!({"description": "a cough"})).await;
            }
        }));
    }
    all(started).await;
    pause(&[60_000, 3_600_000]).await;
}
