//! A patient changes records as fast as possible, while SES takes few mails and a doctor waits for
//! a mail about the account. Nothing else goes wrong.

use domain::mail::{Mail, MailKind};
use runtime::clock;
use serde_json::json;

use super::{World, all, below, beside, pause};
use crate::run::{self, wait};
use crate::table::text;

/// How long the mail may take, in ms.
const PATIENCE: u64 = 60_000;

pub(super) async fn run(world: World) {
    let (people, store) = (world.people, &world.functions.store);
    run::with(|run| {
        run.network.heal();
        run.mails.interval = run.choices.one_of(&[500, 1_000, 2_000]);
    });
    let mut started = Vec::new();
    for _ in 0..6 + below(12) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        started.push(beside(&[0, 100, 1_000], async move {
            let created = patient.create_record(&doctor, json!({})).await;
            if let Some(id) = created.id() {
                for number in 0..3 {
                    patient.update_record(&id, json!({"description": number.to_string()})).await;
                }
            }
        }));
    }
    pause(&[500, 3_000]).await;
    let mail =
        Mail::new(clock::new_id(), MailKind::PasswordChanged, people.doctor.id, clock::now());
    store.create_mail(&mail).await.unwrap();
    all(started).await;
    wait(PATIENCE).await;
    run::with(|run| {
        let of = format!("MAIL#{} MAIL", mail.id);
        if !run.mails.sent.iter().any(|sent| sent.of == of) {
            run.violations.push(format!("{of} waits behind mails about notifications"));
        }
        let inserted = run.table.log.iter().filter(|change| {
            change.event() == "INSERT"
                && text(change.new_image(), "notification_type") == "record_updated"
        });
        let replaced = run.table.log.iter().filter(|change| {
            !text(change.new_image(), "supersedes").is_empty() && change.event() == "INSERT"
        });
        let (inserted, replaced) = (inserted.count(), replaced.count());
        // Three changes of a record take less than the time that a mail about one waits.
        if replaced * 2 < inserted {
            let what = format!("{replaced} of {inserted} notifications took the place of another");
            run.violations.push(what);
        }
    });
}
