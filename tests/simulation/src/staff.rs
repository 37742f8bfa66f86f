//! What staff do in the console: assign records, order mails again, put messages back. It runs as
//! the function `console`, below its pages.

use std::sync::Arc;

use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent};
use domain::email::Email;
use domain::id::{RecordId, UserId};
use domain::mail::MailMessage;
use domain::notification::RecordEvent;
use runtime::clock;

use crate::people::{self, Person};
use crate::run;
use crate::sandboxes::{Ended, Functions, invoke};

/// How many mails an address gets per day.
const MAILS_PER_DAY: u64 = 20;

/// An admin.
#[derive(Clone)]
pub struct Staff {
    account: Account,
    functions: Arc<Functions>,
}

impl Staff {
    /// Makes an admin, who is not in the table.
    pub fn new(functions: &Arc<Functions>) -> Self {
        let email = Email::parse("admin@example.org").unwrap();
        let account = Account::new(clock::new_id(), email, Role::Admin);
        Self { account, functions: Arc::clone(functions) }
    }

    fn event(&self, action: Action, subject_id: UserId, record_id: Option<RecordId>) -> AuditEvent {
        AuditEvent {
            reason: Some("ticket 7".to_owned()),
            ..people::event(&self.account, action, subject_id, record_id)
        }
    }

    /// Assigns a record to a doctor.
    pub async fn assign(&self, patient: &Person, record: &str, doctor: &Person) {
        let id: RecordId = record.parse().unwrap();
        let store = &self.functions.store;
        let assigned = invoke("console", async {
            let outline = store.get_record_outline(patient.id, id).await.ok().flatten();
            let Some(before) = outline.map(|outline| outline.record) else { return "not found" };
            if before.doctor_id == doctor.id {
                return "unchanged";
            }
            let notify = |event: RecordEvent, recipient| {
                event.notification(clock::new_id(), recipient, id, patient.id)
            };
            let staff = &self.account;
            let notifications = [
                notify(RecordEvent::AssignedByStaff { staff }, doctor.id),
                notify(RecordEvent::UnassignedByStaff { staff }, before.doctor_id),
                notify(RecordEvent::ReassignedByStaff { staff }, patient.id),
            ];
            let event = self.event(Action::CorrectAssignment, patient.id, Some(id));
            let now = clock::now();
            match store.correct_assignment(&before, doctor.id, now, &notifications, &event).await {
                Ok(()) => "done",
                Err(_) => "failed",
            }
        });
        note_ended(&format!("staff: assign {record} to {}", doctor.name), assigned.await);
    }

    /// Orders the mail of a notification again.
    pub async fn order_again(&self, order: MailMessage) {
        let event = self.event(Action::ResendMail, self.account.id, None);
        let store = &self.functions.store;
        let ordered = invoke("console", async {
            let now = clock::now();
            let address = "somebody@example.org";
            match store.resend_mail(order, address, MAILS_PER_DAY, &event, now).await {
                Ok(()) => "done",
                Err(_) => "refused",
            }
        });
        note_ended(&format!("staff: order {order:?} again"), ordered.await);
    }

    /// Puts the messages of the dead-letter queue of mails back into the queue.
    pub fn redrive(&self) {
        run::with(|run| {
            let now = run.now();
            let moved = run.queues.take_all("mail-dead");
            run.note(&format!("staff: put {} messages back", moved.len()));
            for body in moved {
                run.queues.send("mail", &body, now, now);
            }
        });
    }
}

fn note_ended(what: &str, ended: Ended<&str>) {
    let how = match ended {
        Ended::Done(how) => how,
        Ended::Crashed => "ended in the middle",
        Ended::TimedOut => "took too long",
    };
    run::note(format!("{what} -> {how}"));
}
