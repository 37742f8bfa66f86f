//! SES does not respond and the table is slow: a mailer gets no farther than some mails of its
//! batch before its invocation ends.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::faults::{CallFault, Outage, Service};
use crate::run;

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    run::with(|run| {
        let now = run.now();
        let fault = run.choices.one_of(&[CallFault::Ignored, CallFault::Silent]);
        let to = now + run.choices.wait(&[20_000, 60_000, 600_000, 25_200_000]);
        run.network.outages.push(Outage { service: Service::Mail, from: now, to, fault });
    });
    let mut started = Vec::new();
    for _ in 0..6 + below(10) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        started.push(beside(&[0, 10, 100], async move {
            patient.create_record(&doctor, json!({})).await
        }));
    }
    all(started).await;
    // Later, because requests give a call up after 800 ms; mailers wait for 4 s.
    run::with(|run| {
        run.network.waits = run.choices.one_of(&[&[300, 700, 1_500], &[700, 1_500, 1_900]]);
    });
    pause(&[60_000, 600_000]).await;
}
