//! A patient changes records as fast as possible, while SES takes few mails or takes long for each,
//! and a doctor waits for a mail about the account. Nothing else goes wrong.

use domain::mail::{Mail, MailKind};
use runtime::clock;
use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::clock::wait;
use crate::run;
use crate::table::text;

/// The least number of records. If SES is slow, their mails take longer than the mail may.
const RECORDS: u32 = 12;

pub(super) async fn run(world: ScenarioWorld) {
    let (people, store) = (world.people, &world.functions.store);
    // How long the mail may take, in ms: longer if it can be throttled and has to be tried again.
    let patience = run::with(|run| {
        run.network.heal();
        let modes = [(500, 0), (1_000, 0), (2_000, 0), (0, 3_000), (0, 3_000)];
        (run.mails.interval, run.mails.latency) = run.choices.one_of(&modes);
        if run.mails.latency > 0 { 20_000 } else { 120_000 }
    });
    let mut started = Vec::new();
    for _ in 0..RECORDS + below(RECORDS) {
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
    let ordered_at = run::now();
    all(started).await;
    wait(patience).await;
    run::with(|run| {
        let of = format!("MAIL#{} MAIL", mail.id);
        let in_time = |at| at <= ordered_at + patience;
        if !run.mails.sent.iter().any(|sent| sent.of == of && in_time(sent.at)) {
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
