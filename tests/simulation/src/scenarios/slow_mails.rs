//! SES does not respond and the table is slow: a mailer gets no farther than some mails of its
//! batch before its invocation ends.

use serde_json::json;

use super::{World, all, below, beside, pause};
use crate::network::{Fault, Outage, Service};
use crate::run;

pub(super) async fn run(world: World) {
    let people = world.people;
    run::with(|run| {
        let now = run.now();
        run.network.waits = run.choices.one_of(&[&[100, 300, 600], &[300, 700, 1_500]]);
        let fault = run.choices.one_of(&[Fault::Ignored, Fault::Silent]);
        let to = now + run.choices.wait(&[20_000, 60_000, 600_000, 25_200_000]);
        run.network.outages.push(Outage { service: Service::Mail, from: now, to, fault });
    });
    let mut started = Vec::new();
    for _ in 0..4 + below(4) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        started.push(beside(&[0, 10, 100], async move {
            patient.create_record(&doctor, json!({})).await
        }));
    }
    all(started).await;
    pause(&[60_000, 600_000]).await;
}
