//! SES has paused sending, or the day's quota is used up, for hours: mails wait, and all are sent.
//! Nothing else goes wrong.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::mails::SendingPause;
use crate::run;

const SOON: [u64; 4] = [0, 1_000, 600_000, 7_200_000];

/// How long it lasts, in ms: until the next day at most.
const LASTS: [u64; 4] = [600_000, 7_200_000, 28_800_000, 86_400_000];

/// What SES responds (SES developer guide, "errors related to the sending quotas").
const RESPONSES: [(&str, &str); 3] = [
    ("Throttling", "Daily message quota exceeded."),
    ("AccountSendingPausedException", "Sending is disabled."),
    ("ConfigurationSetSendingPausedException", "Sending is disabled."),
];

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    run::with(|run| {
        run.network.heal();
        let (code, message) = run.choices.one_of(&RESPONSES);
        let until = run.now() + run.choices.one_of(&LASTS);
        run.mails.pause = Some(SendingPause { code, message, until });
    });
    let mut started = Vec::new();
    for _ in 0..=below(4) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        started.push(beside(&SOON, async move { patient.create_record(&doctor, json!({})).await }));
    }
    all(started).await;
    if below(2) == 1 {
        people.doctor.delete_all().await;
    }
    pause(&[60_000, 600_000]).await;
}
