//! Orders of mails are queued again and again, while SES takes few mails and takes long for each,
//! and the table's responses to updates are lost: a mailer whose report is repeated late does not
//! undo what another one has noted meanwhile. The queues refuse orders, too, and one message is
//! none. Nothing else goes wrong.

use domain::mail::{Mail, MailKind, MailMessage};
use runtime::clock;
use serde_json::json;

use super::staff_orders::mails;
use super::{ScenarioWorld, all, below, beside, pause};
use crate::clock::wait;
use crate::run;

/// How often each order is queued once more, if orders are: several times while a mailer waits for
/// the response to its report.
const QUEUED_AGAIN: u32 = 12;

/// In which time that happens, in ms.
const QUEUED_WITHIN: u32 = 30_000;

/// A message that is no order.
const POISON: &str = "not an order";

/// How long such a message may take until it is set aside, in ms: ten deliveries, each beside mails
/// that take long, and none of them hidden for the queue's own time.
const PATIENCE: u64 = 900_000;

pub(super) async fn run(world: ScenarioWorld) {
    let (people, store) = (world.people, &world.functions.store);
    // Where they are not, an order that the dispatcher loses is missed.
    let is_repeated = below(3) > 0;
    run::with(|run| {
        run.queues.refused_entries = if is_repeated { 100 } else { 600 };
        run.let_nothing_fail();
        run.network.waits = &[1, 2, 5, 20];
        (run.network.lost_updates, run.network.lost_releases) =
            run.choices.one_of(&[(300, 300), (0, 800), (0, 800)]);
        // A mail takes up to the 4 s after which a mailer gives SES up.
        (run.mails.interval, run.mails.latency) =
            run.choices.one_of(&[(1_500, 1_500), (3_000, 2_500), (4_000, 3_500)]);
        let now = run.now();
        run.queues.send("mail", POISON, now, now);
    });
    let mut started = Vec::new();
    for _ in 0..2 + below(2) {
        let (patient, doctor) = (people.patient.clone(), people.doctor.clone());
        started.push(beside(
            &[0, 100],
            async move { patient.create_record(&doctor, json!({})).await },
        ));
    }
    let mut orders = Vec::new();
    for _ in 0..2 + below(3) {
        let (id, kind) = (clock::new_id(), MailKind::PasswordChanged);
        store.create_mail(&Mail::new(id, kind, people.doctor.id, clock::now())).await.unwrap();
        orders.push(MailMessage::Mail { mail_id: id });
    }
    all(started).await;
    orders.extend(mails());
    if !is_repeated {
        orders.clear();
    }
    let mut queued = Vec::new();
    for order in orders {
        let queue = match order {
            MailMessage::Notification { .. } => "mail",
            MailMessage::Mail { .. } => "account-mail",
        };
        let body = serde_json::to_string(&order).unwrap();
        for _ in 0..QUEUED_AGAIN {
            let body = body.clone();
            let at = u64::from(below(QUEUED_WITHIN));
            queued.push(beside(&[at], async move {
                run::with(|run| {
                    let now = run.now();
                    run.note(&format!("the order {body} is queued once more"));
                    run.queues.send(queue, &body, now, now);
                });
            }));
        }
    }
    all(queued).await;
    pause(&[0, 60_000]).await;
    wait(PATIENCE).await;
    run::with(|run| {
        if !run.queues.get("mail-dead").messages.iter().any(|message| message.body == POISON) {
            run.violations.push("a message that is no order is not set aside in time".to_owned());
        }
    });
}
