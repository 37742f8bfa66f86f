//! Staff order mails again that have failed or are in doubt, several at a time, and put messages
//! back, with every outcome of SES.

use domain::mail::MailMessage;
use serde_json::json;

use super::{ScenarioWorld, below, beside, pause};
use crate::run;
use crate::table::text;

const SOON: [u64; 5] = [0, 5, 100, 2_000, 30_000];
const LATER: [u64; 5] = [500, 1_500, 2_500, 4_000, 6_000];

pub(super) async fn run(world: ScenarioWorld) {
    let (people, staff) = (world.people, world.staff);
    run::with(|run| {
        run.network.refused_mails = 700;
        // Between the look at a notification and its deletion, its mail may be ordered.
        run.network.slow_deletions = run.choices.one_of(&[0, 700]);
    });
    for _ in 0..=below(2) {
        people.patient.create_record(&people.doctor, json!({})).await;
    }
    for _ in 0..=below(2) {
        pause(&[30_000, 600_000, 1_800_000, 4_000_000]).await;
        let mut started = Vec::new();
        // While the dispatcher deletes what was not ordered before.
        let deletes_first = below(2) == 1;
        if deletes_first {
            people.doctor.delete_all().await;
        }
        for order in mails() {
            for _ in 0..=below(3) {
                let staff = staff.clone();
                let times = if deletes_first { &LATER } else { &SOON };
                started.push(beside(times, async move { staff.order_again(order).await }));
            }
        }
        if below(3) == 0 {
            staff.redrive();
        }
        if !deletes_first && below(2) == 0 {
            people.doctor.delete_all().await;
        }
        for one in started {
            one.await.unwrap();
        }
    }
}

/// Returns the orders of all mails of notifications.
pub(super) fn mails() -> Vec<MailMessage> {
    run::with(|run| {
        let changes = run.table.log.iter().filter(|change| {
            change.event() == "INSERT" && text(change.new_image(), "entity") == "notification"
        });
        let id = |change: &crate::table::CommittedChange, part: &str| {
            text(change.new_image(), part).rsplit('#').next().unwrap().to_owned()
        };
        changes
            .map(|change| MailMessage::Notification {
                recipient_id: id(change, "pk").parse().unwrap(),
                notification_id: id(change, "sk").parse().unwrap(),
            })
            .collect()
    })
}
