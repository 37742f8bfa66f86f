//! A day of everybody: patients, doctors, newcomers who confirm their addresses, and staff, each
//! doing anything at any time, with faults of all kinds at once.

use std::cell::RefCell;
use std::rc::Rc;

use domain::account::Role;
use serde_json::{Value, json};

use super::staff_orders::mails;
use super::{ScenarioWorld, all, below, beside, pause, store_poison, upload};
use crate::faults::Network;
use crate::people::Person;
use crate::run;

const SOON: [u64; 8] = [0, 20, 500, 3_000, 20_000, 120_000, 900_000, 4_000_000];

/// Everybody and everything that an act may be about.
#[derive(Clone)]
struct Day {
    world: ScenarioWorld,
    newcomer: Person,
    new_doctor: Person,
    admin: Person,
    /// The records so far, each with its patient and the response that shows it.
    records: Rc<RefCell<Vec<(Person, Value)>>>,
}

pub(super) async fn run(world: ScenarioWorld) {
    // They register before anything goes wrong.
    let faults = run::with(|run| std::mem::take(&mut run.network));
    let functions = &world.functions;
    let leaver = Person::register_newcomer(functions, "leaver", Role::Patient).await;
    let day = Day {
        newcomer: Person::register_newcomer(functions, "newcomer", Role::Patient).await,
        new_doctor: Person::register_newcomer(functions, "new doctor", Role::Doctor).await,
        admin: Person::register(functions, "admin", Role::Admin).await,
        world,
        records: Rc::default(),
    };
    begin(faults, &day);
    drop(beside(&SOON, async move { remove_account(&leaver) }));
    let mut started = Vec::new();
    for _ in 0..2 {
        started.push(beside(&SOON[..3], day.clone().create_record()));
    }
    for _ in 0..10 + below(15) {
        started.push(match below(5) {
            0 => beside(&SOON, day.clone().create_record()),
            1 => beside(&SOON, day.clone().change_record()),
            2 => beside(&SOON, day.clone().use_inbox()),
            3 => beside(&SOON, day.clone().use_account()),
            _ => beside(&SOON, day.clone().act_as_staff()),
        });
    }
    all(started).await;
    pause(&[0, 60_000, 3_600_000]).await;
}

/// Lets the faults of the run begin, and perhaps more.
fn begin(faults: Network, day: &Day) {
    run::with(|run| {
        run.network = faults;
        run.network.slow_commits = run.choices.one_of(&[0, 0, 100]);
        run.mails.interval = run.choices.one_of(&[0, 0, 500]);
        run.mails.latency = run.choices.one_of(&[0, 0, 1_500]);
        if run.choices.below(4) == 3 {
            run.mails.refused_by.insert(day.world.people.other_doctor.address());
        }
    });
    if below(4) == 3 {
        store_poison();
    }
}

/// Removes an account, as the table does with one that was discarded.
fn remove_account(person: &Person) {
    run::with(|run| {
        let item = json!({"pk": {"S": format!("USER#{}", person.id)}, "sk": {"S": "ACCOUNT"}});
        let now = run.now();
        run.table.delete(&item, now);
        run.note(&format!("the account of the {} is removed", person.name));
    });
}

impl Day {
    fn patient(&self) -> Person {
        let people = &self.world.people;
        [&people.patient, &people.other_patient, &self.newcomer][below(3) as usize].clone()
    }

    fn doctor(&self) -> Person {
        let people = &self.world.people;
        [&people.doctor, &people.other_doctor, &self.new_doctor][below(3) as usize].clone()
    }

    /// Returns one of the records so far.
    fn record(&self) -> Option<(Person, Value)> {
        let records = self.records.borrow();
        let number = records.len() as u32;
        (number > 0).then(|| records[below(number) as usize].clone())
    }

    async fn create_record(self) {
        let (patient, doctor) = (self.patient(), self.doctor());
        let file = json!({"name": "a.pdf", "content_type": "application/pdf", "size_bytes": 9});
        let files = vec![file; below(3) as usize];
        let created = patient.create_record(&doctor, json!({"files": files})).await;
        if created.is_ok() {
            self.records.borrow_mut().push((patient, created.body));
        }
    }

    async fn change_record(self) {
        let Some((patient, record)) = self.record() else { return };
        let doctor = self.doctor();
        let id = record["id"].as_str().unwrap().to_owned();
        let own = format!("/api/records/patient/{id}/");
        let file = record["files"][0].clone();
        let path = format!("/api/records/files/{}/", file["id"].as_str().unwrap_or_default());
        match below(9) {
            0 => drop(patient.update_record(&id, json!({"description": "a cough"})).await),
            // Nothing changes, and nothing is taken from an allowance.
            1 => drop(patient.update_record(&id, json!({"description": "cough"})).await),
            2 => drop(patient.update_record(&id, json!({"doctor": doctor.id})).await),
            3 | 4 => {
                let noted = doctor.annotate(&id).await;
                if let Some(note) = noted.id() {
                    let path = format!("/api/records/doctor/annotations/{note}/");
                    let text = ["better", "worse"][below(2) as usize];
                    doctor.send("PATCH", &path, Some(json!({"note": text})), &[]).await;
                }
            }
            5 => {
                doctor.send("GET", &format!("/api/records/doctor/{id}/"), None, &[]).await;
                patient.send("GET", &format!("{own}access-log/"), None, &[]).await;
            }
            6 if !file.is_null() => {
                let content: &[u8] = if below(3) == 2 { b"something" } else { b"%PDF-1.7\n" };
                upload(&file, content).await;
                patient.send("GET", &own, None, &[]).await;
            }
            7 if !file.is_null() => drop(patient.send("DELETE", &path, None, &[]).await),
            _ => drop(patient.send("GET", &own, None, &[]).await),
        }
    }

    async fn use_inbox(self) {
        let person = if below(3) == 0 { self.patient() } else { self.doctor() };
        match below(4) {
            0 => drop(person.mark_all_read().await),
            1 => drop(person.delete_all().await),
            _ => {
                let page = person.send("GET", "/api/notifications/", None, &[]).await;
                if let Some(id) = page.body["results"][0]["id"].as_str() {
                    person.send("GET", &format!("/api/notifications/{id}/"), None, &[]).await;
                }
            }
        }
    }

    async fn use_account(self) {
        let person = if below(2) == 0 { self.newcomer.clone() } else { self.new_doctor.clone() };
        match below(4) {
            0 => {
                let somebody = if below(3) == 0 { &self.world.people.doctor } else { &person };
                let body = json!({"email": somebody.address()});
                person.send("POST", "/api/accounts/password-reset/", Some(body), &[]).await;
            }
            1 => {
                person.send("POST", "/api/accounts/verify-email/resend/", None, &[]).await;
            }
            2 => {
                let change = json!({"phone_number": format!("+49301234{}", below(9))});
                person.send("PATCH", "/api/accounts/profile-update/", Some(change), &[]).await;
            }
            _ => {
                let token = run::with(|run| {
                    let sent = run.mails.sent.iter().filter(|mail| mail.to == person.address());
                    sent.filter_map(|mail| mail.token.clone()).next_back()
                });
                // It may be for another purpose.
                let Some(token) = token else { return };
                let path = ["verify-email/", "email-change/confirm/"][below(2) as usize];
                let body = Some(json!({"token": token}));
                person.send("POST", &format!("/api/accounts/{path}"), body, &[]).await;
            }
        }
    }

    async fn act_as_staff(self) {
        let (admin, staff) = (&self.admin, &self.world.staff);
        let person = if below(2) == 0 { &self.newcomer } else { &self.new_doctor };
        let user = format!("/api/admin/users/{}/", person.id);
        let reason = Some(json!({"reason": "ticket 7"}));
        match below(9) {
            0 | 1 => {
                let decision = ["approve", "suspend"][below(2) as usize];
                let path = format!("/api/admin/doctors/{}/{decision}/", self.new_doctor.id);
                admin.send("POST", &path, reason, &[]).await;
            }
            2 => drop(admin.send("POST", &format!("{user}password-reset/"), None, &[]).await),
            3 => {
                let address = format!("new-{}@example.org", below(3));
                let body = Some(json!({"email": address}));
                admin.send("POST", &format!("{user}email-change/"), body, &[]).await;
            }
            4 => {
                let change = json!({"is_active": below(2) == 0});
                admin.send("PATCH", &user, Some(change), &[]).await;
            }
            5 => {
                let body = json!({"email": format!("created-{}@example.org", below(3)),
                    "role": "patient"});
                admin.send("POST", "/api/admin/users/", Some(body), &[]).await;
            }
            6 => {
                if let Some((patient, record)) = self.record() {
                    let doctors = [&self.world.people.doctor, &self.world.people.other_doctor];
                    let doctor = doctors[below(2) as usize];
                    staff.assign(&patient, record["id"].as_str().unwrap(), doctor).await;
                }
            }
            7 => {
                for order in mails().into_iter().take(2) {
                    staff.order_again(order).await;
                }
            }
            _ => staff.redrive(),
        }
    }
}
