//! Measures what the operations of the store cost: round trips and capacity units, as the table
//! counts them, with items of usual size.
//!
//! Each measurement makes the calls of a handler. The caller (account and session, strongly
//! consistent) is read concurrently with the first of them and costs [`CALLER`] more. Each test
//! runs on one thread, so that calls that a handler makes concurrently are measured as concurrent.

use domain::account::{Account, Approval, Role};
use domain::approval::ApprovalDecision;
use domain::audit::{Action, Outcome};
use domain::id::{AnnotationId, FileId, RecordId, SessionId, UserId};
use domain::mail::{Mail, MailKind};
use domain::notification::{Notification, RecordEvent};
use domain::rate::{
    ClientNetwork, FREE_FAILURES, FailureLimits, LimitedAction, MIN_REFUSAL_DURATION,
};
use domain::record::Record;
use domain::second_factor::SecondFactor;
use domain::session::Session;
use domain::text::Justification;
use store::Span;
use store::credentials::NewPassword;
use store::idempotency::LeaseOutcome;
use store::rate::{DailyUsage, ThrottleKey};
use store::records::RecordFilter;
use store::staff::lists::RecordEntry;

use crate::meter::Cost;
use crate::notifications::notified;
use crate::people::{
    annotation, at, credentials, doctor, event, file, hashed_file, id, patient, record, session,
    told_doctor, told_patient, user,
};
use crate::table::{Item, Table};

/// Read units for reading the caller.
const CALLER: f64 = 2.0;

/// Write units of the event about a read, for each patient whose chart was read.
const READ: f64 = 1.0;
/// Write units of the event about a read of twenty records of one patient.
const LONG_READ: f64 = 2.0;

/// The cost of throttling (decisions 0017 and 0035): read units of the counters of network and
/// account.
const COUNTERS: f64 = 1.0;
/// Read units of the counter of the network.
const NETWORK: f64 = 0.5;
/// Write units of both counters after a failure.
const FAILURE: f64 = 2.0;
/// Write units of the daily count.
const DAY: f64 = 1.0;

const TOLERANCE: FailureLimits = FailureLimits { network: 100, account: 100 };

/// Makes a cost from round trips, calls, read units, write units and write units of indexes.
const fn cost(round_trips: usize, calls: usize, read: f64, write: f64, index: f64) -> Cost {
    Cost { round_trips, calls, read, write, index }
}

/// The upper limits of round trips, read units and write units; writes of indexes are not limited.
struct Budget(usize, f64, f64);

#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn row(
        &mut self,
        name: &str,
        measured: Cost,
        expected: Cost,
        Budget(round_trips, read, write): Budget,
    ) {
        let within =
            measured.round_trips <= round_trips && measured.read <= read && measured.write <= write;
        println!("{name:42} {measured:?}");
        if measured != expected || !within {
            self.0.push(format!(
                "{name}: measured {measured:?}, expected {expected:?}, allowed \
                                 {round_trips} / {read} / {write}"
            ));
        }
    }
}

/// Measures what a user does with an account: the calls of the handlers, with the throttling and
/// the events of each.
#[tokio::test]
async fn every_operation_on_an_account_keeps_its_budget() {
    let table = Table::new().await;
    let (store, meter) = (&table.store, &table.meter);
    let mut report = Report::default();
    let (user, here) = (patient(), ClientNetwork::of("203.0.113.7"));
    let mut session = table.register(&user).await;
    let email = user.email.normalized();
    let login = ThrottleKey { kind: LimitedAction::Login, account: &email, network: &here };
    let audit = |action| event(&user, user.id, action, None);
    let mail = |kind| Mail::new(id(), kind, user.id, at(0));

    // A failed sign-in costs the same whether the account exists or not.
    for email in [user.email.clone(), patient().email] {
        let normalized = email.normalized();
        let trial =
            ThrottleKey { kind: LimitedAction::Login, account: &normalized, network: &here };
        let failure = audit(Action::Login).with_outcome(Outcome::Failed);
        let (_, measured) = meter
            .measure(async {
                let (begun, found) = tokio::join!(
                    store.start_sign_in_attempt(trial, TOLERANCE, at(0)),
                    store.get_credentials(&email)
                );
                let (_, known) = (begun.unwrap(), found.unwrap().is_some());
                let told = async {
                    if known {
                        store.create_events(std::slice::from_ref(&failure)).await
                    } else {
                        store.create_decoy_event(&failure, at(0)).await
                    }
                };
                let failed =
                    store.count_failure(LimitedAction::Login, Some(&normalized), &here, at(0));
                tokio::try_join!(store.get_account(id()), told, failed).unwrap()
            })
            .await;
        // A decoy is in no index.
        let index = if email == user.email { 1.0 } else { 0.0 };
        report.row(
            "login, failed",
            measured,
            cost(2, 7, 2.0 + COUNTERS, 2.0 + FAILURE, index),
            Budget(2, 2.0 + COUNTERS, 2.0 + FAILURE),
        );
    }
    let attempts = ThrottleKey { kind: LimitedAction::Login, account: "somebody", network: &here };
    for _ in 0..FREE_FAILURES {
        store.start_sign_in_attempt(attempts, TOLERANCE, at(0)).await.unwrap();
    }
    let later = at(0) + MIN_REFUSAL_DURATION;
    let (begun, measured) = meter
        .measure(async {
            tokio::join!(
                store.start_sign_in_attempt(attempts, TOLERANCE, later),
                store.get_credentials(&user.email)
            )
        })
        .await;
    assert!(begun.0.is_err());
    // One write unit on top: the table does not report what a refused write consumes.
    report.row(
        "login, too often",
        measured,
        cost(1, 3, 1.0 + COUNTERS, 0.0, 0.0),
        Budget(1, 1.0 + COUNTERS, 0.0),
    );

    // Sessions.
    let rotated =
        Session { token_hash: format!("{}-{:010}", "h".repeat(32), 2), ..session.clone() };
    let (_, measured) = meter
        .measure(async {
            let (checked, found) = tokio::join!(
                store.check_network(LimitedAction::Refresh, &here, TOLERANCE, at(0)),
                store.get_caller(user.id, session.id)
            );
            assert!(checked.is_ok() && found.unwrap().is_some());
            store.rotate_session(&session, &rotated).await.unwrap();
        })
        .await;
    report.row(
        "refresh",
        measured,
        cost(2, 3, CALLER + NETWORK, 1.0, 0.0),
        Budget(2, CALLER + NETWORK, 1.0),
    );
    session = rotated;
    let (_, measured) = meter
        .measure(async {
            store.get_caller(user.id, session.id).await.unwrap().unwrap();
            store.list_sessions(user.id, None, |_| true, 20, None).await.unwrap()
        })
        .await;
    report.row(
        "sessions",
        measured,
        cost(2, 2, CALLER + 1.0, 0.0, 0.0),
        Budget(2, CALLER + 1.0, 0.0),
    );
    let spare = crate::people::session(&user);
    store.create_session(&spare, None).await.unwrap();
    let (_, measured) = meter
        .measure(async {
            store.get_caller(user.id, session.id).await.unwrap().unwrap();
            store.end_session(user.id, spare.id, &audit(Action::EndSession)).await.unwrap();
        })
        .await;
    report.row("end a session", measured, cost(2, 2, CALLER, 4.0, 1.0), Budget(2, CALLER, 4.0));
    store.create_session(&spare, None).await.unwrap();
    let (_, measured) = meter
        .measure(async {
            let (checked, found) = tokio::join!(
                store.check_network(LimitedAction::Refresh, &here, TOLERANCE, at(0)),
                store.get_caller(user.id, spare.id)
            );
            assert!(checked.is_ok() && found.unwrap().is_some());
            let reused = audit(Action::ReuseToken).with_outcome(Outcome::Failed);
            store.end_reused_session(&spare, &reused, &mail(MailKind::TokenReused)).await.unwrap();
            store.count_failure(LimitedAction::Refresh, None, &here, at(0)).await.unwrap();
        })
        .await;
    report.row(
        "refresh, reused",
        measured,
        cost(3, 4, CALLER + NETWORK, 6.0 + 1.0, 2.0),
        Budget(3, CALLER + NETWORK, 6.0 + 1.0),
    );
    let (_, measured) = meter
        .measure(async {
            let (found, newest) = tokio::join!(
                store.get_caller(user.id, session.id),
                store.get_newest_session(user.id)
            );
            assert!(found.unwrap().is_some());
            store
                .end_sessions(user.id, newest.unwrap().unwrap(), &audit(Action::EndAllSessions))
                .await
                .unwrap();
        })
        .await;
    report.row(
        "logout everywhere",
        measured,
        cost(2, 3, CALLER + 1.0, 4.0, 1.0),
        Budget(2, CALLER + 1.0, 4.0),
    );

    // Second factors.
    let pending = SecondFactor::pending(user.id, "JBSWY3DPEHPK3PXP".to_owned());
    store.start_second_factor(&pending).await.unwrap();
    let (confirmed, told) = (
        SecondFactor { confirmed: true, ..pending.with_step_used(1).unwrap() },
        mail(MailKind::SecondFactorEnabled),
    );
    store
        .enable_second_factor(
            &pending,
            &confirmed,
            &user,
            &session,
            &audit(Action::EnableSecondFactor),
            &told,
        )
        .await
        .unwrap();
    let (account, another) = (user.id.to_string(), crate::people::session(&user));
    let trial =
        ThrottleKey { kind: LimitedAction::SecondFactor, account: &account, network: &here };
    let (_, measured) = meter
        .measure(async {
            let begin = store.start_sign_in_attempt(trial, TOLERANCE, at(0));
            let (begun, found, factor) =
                tokio::join!(begin, store.get_account(user.id), store.get_second_factor(user.id));
            let (_, _, factor) =
                (begun.unwrap(), found.unwrap().unwrap(), factor.unwrap().unwrap());
            let used = factor.with_step_used(2).unwrap();
            store
                .sign_in_with_second_factor(
                    &factor,
                    &used,
                    &another,
                    &audit(Action::Login),
                    trial,
                    None,
                )
                .await
                .unwrap();
        })
        .await;
    report.row(
        "login, second factor",
        measured,
        cost(2, 5, 2.0 + COUNTERS, 1.0 + 8.0, 1.0),
        Budget(2, 2.0 + COUNTERS, 1.0 + 8.0),
    );

    // Passwords and email addresses.
    let through: SessionId = id();
    let before = store.get_credentials(&user.email).await.unwrap().unwrap();
    let (event, told) = (audit(Action::ChangePassword), mail(MailKind::PasswordChanged));
    let new = NewPassword {
        account: &user,
        before: &before,
        password_hash: &before.password_hash,
        sessions_ended_through: through,
        event: &event,
        mail: &told,
    };
    let after = crate::people::session(&user);
    store.clear_failures(login).await.unwrap();
    let (_, measured) = meter
        .measure(async {
            let (found, newest) = tokio::join!(
                store.get_caller(user.id, session.id),
                store.get_newest_session(user.id)
            );
            assert!(found.unwrap().is_some() && newest.unwrap().is_some());
            let (begun, found) = tokio::join!(
                store.start_sign_in_attempt(login, TOLERANCE, later),
                store.get_credentials(&user.email)
            );
            assert!(begun.is_ok() && found.unwrap().is_some());
            let (changed, forgotten) =
                tokio::join!(store.change_password(&new, &after), store.clear_failures(login));
            (changed.unwrap(), forgotten.unwrap())
        })
        .await;
    report.row(
        "change the password",
        measured,
        cost(3, 7, CALLER + 2.0 + COUNTERS, 12.0, 2.0),
        Budget(3, CALLER + 2.0 + COUNTERS, 12.0),
    );
    for kind in [MailKind::ResetPassword, MailKind::Decoy] {
        let trial =
            ThrottleKey { kind: LimitedAction::PasswordReset, account: &email, network: &here };
        let (_, measured) = meter
            .measure(async {
                let (begun, found) = tokio::join!(
                    store.start_sign_in_attempt(trial, TOLERANCE, at(0)),
                    store.get_credentials(&user.email)
                );
                assert!(begun.is_ok() && found.unwrap().is_some());
                let told = mail(kind);
                let sent = store.create_mail_within_limit(&email, 20, &told, at(0));
                let (sent, failed) = tokio::join!(
                    sent,
                    store.count_failure(LimitedAction::PasswordReset, Some(&email), &here, at(0))
                );
                (sent.unwrap(), failed.unwrap())
            })
            .await;
        // The second attempt replaces the item of the first.
        let (trips, calls) = if kind == MailKind::ResetPassword { (2, 6) } else { (3, 7) };
        report.row(
            "ask for a reset",
            measured,
            cost(trips, calls, 1.0 + COUNTERS, 5.0 + FAILURE, 1.0),
            Budget(trips, 1.0 + COUNTERS, 5.0 + FAILURE),
        );
    }

    // The access log with all these events.
    let (log, measured) = meter
        .measure(async {
            store.get_caller(user.id, after.id).await.unwrap().unwrap();
            let read = [audit(Action::ReadAccessLog)];
            let (log, told) = tokio::join!(
                store.list_events_of_subject(user.id, None, 20, None),
                store.create_events(&read)
            );
            told.unwrap();
            log.unwrap()
        })
        .await;
    assert!(log.items.len() > 5);
    report.row(
        "access log",
        measured,
        cost(2, 3, CALLER + 2.0, READ, 1.0),
        Budget(2, CALLER + 2.0, READ),
    );
    assert!(report.0.is_empty(), "{}", report.0.join("\n"));
}

/// Measures what staff do.
#[tokio::test]
async fn every_operation_of_staff_keeps_its_budget() {
    let table = Table::new().await;
    let (store, meter) = (&table.store, &table.meter);
    let mut report = Report::default();
    let admin = user(Role::Admin, "Ada", "Jones");
    let session = table.register(&admin).await;
    let who = || store.get_caller(admin.id, session.id);
    let mut doctors = Vec::new();
    for _ in 0..21 {
        doctors.push(Account { approval: Some(Approval::Pending), ..doctor() });
        table.register(&doctors[doctors.len() - 1]).await;
    }
    let looked = || [event(&admin, admin.id, Action::ListUsers, None)];
    let (_, measured) = meter
        .measure(async {
            let (caller, page) =
                tokio::join!(who(), store.list_doctors_by_approval(Approval::Pending, 20, None));
            let (_, page) = (caller.unwrap().unwrap(), page.unwrap());
            assert_eq!(page.items.len(), 20);
            let event = looked();
            tokio::try_join!(store.get_accounts(page.items), store.create_events(&event)).unwrap()
        })
        .await;
    report.row(
        "doctors who wait, 20",
        measured,
        cost(2, 4, CALLER + 1.0 + 10.0, READ, 1.0),
        Budget(2, CALLER + 2.0 + 10.0, READ),
    );
    let (_, measured) = meter
        .measure(async {
            let (caller, page) =
                tokio::join!(who(), store.list_newest_users(jiff::Timestamp::now(), 20, None));
            let (_, page) = (caller.unwrap().unwrap(), page.unwrap());
            assert_eq!(page.items.len(), 20);
            let event = looked();
            tokio::try_join!(store.get_accounts(page.items), store.create_events(&event)).unwrap()
        })
        .await;
    // Eight shards are queried concurrently; in a month with few users so far, the months before it
    // are queried, too.
    report.row(
        "newest users, 20",
        measured,
        cost(2, 11, CALLER + 4.0 + 10.0, READ, 1.0),
        Budget(2, CALLER + 4.0 + 10.0, READ),
    );
    let before = &doctors[0];
    let after = Account {
        approval: Some(Approval::Approved),
        version: before.version + 1,
        ..before.clone()
    };
    let told = ApprovalDecision::Approve.notification(id(), before.id, &admin, None);
    let mail = Mail::new(id(), ApprovalDecision::Approve.mail(), before.id, at(0));
    let decided = event(&admin, before.id, ApprovalDecision::Approve.action(), None);
    let (_, measured) = meter
        .measure(async {
            let (caller, found) = tokio::join!(who(), store.get_account(before.id));
            assert!(caller.unwrap().is_some() && found.unwrap().is_some());
            store.decide_approval(before, &after, &told, &mail, &decided).await.unwrap();
        })
        .await;
    report.row(
        "approve a doctor",
        measured,
        cost(2, 3, CALLER + 1.0, 8.0, 7.0),
        Budget(2, CALLER + 1.0, 8.0),
    );
    assert!(report.0.is_empty(), "{}", report.0.join("\n"));
}

/// Fills a chart with records of two files and two annotations each, assigned to twenty doctors in
/// turn.
async fn fill(table: &Table, patient: &Account, doctors: &[Account], number: usize) {
    // The store writes one record; the others are copies of its items under other ids.
    let scratch = Table::new().await;
    let model = Record { file_count: 2, ..record(patient, &doctors[0]) };
    let files = [file(&model), hashed_file(&model)];
    scratch.create(patient, &model, &files).await;
    let notes = [annotation(&model), annotation(&model)];
    for note in &notes {
        scratch.annotate(&doctors[0], &model, note).await;
    }
    let chart: Vec<Item> = scratch
        .all()
        .await
        .into_iter()
        .filter(|item| {
            item["pk"].as_s().unwrap().starts_with("PATIENT#")
                && item["sk"].as_s().unwrap().starts_with("RECORD#")
        })
        .collect();
    assert_eq!(chart.len(), 5);
    table.multiply(&chart, number, |copy| {
        let mut ids = vec![
            (model.id.to_string(), id::<RecordId>().to_string()),
            (model.doctor_id.to_string(), doctors[copy % doctors.len()].id.to_string()),
        ];
        ids.extend(files.iter().map(|file| (file.id.to_string(), id::<FileId>().to_string())));
        ids.extend(
            notes.iter().map(|note| (note.id.to_string(), id::<AnnotationId>().to_string())),
        );
        ids
    });
}

/// Reads a page of a patient's records as the handler does.
async fn patients_page(table: &Table, caller: &Session) -> Cost {
    let (store, filter) = (&table.store, RecordFilter::default());
    let ((people, charts), cost) = table
        .meter
        .measure(async {
            let (caller, page) = tokio::join!(
                store.get_caller(caller.user_id, caller.id),
                store.list_records_of_patient(caller.user_id, &filter, 20, None)
            );
            let charts = page.unwrap().items;
            let (account, _) = caller.unwrap().unwrap();
            let shown = charts.iter().map(|chart| chart.record.id).collect();
            let read = [event(&account, account.id, Action::ListRecords, None).with_records(shown)];
            let people = store.get_accounts(charts.iter().map(|chart| chart.record.doctor_id));
            let (people, told) = tokio::join!(people, store.create_events(&read));
            told.unwrap();
            (people.unwrap(), charts)
        })
        .await;
    assert_eq!((people.len(), charts.len()), (20, 20));
    assert!(charts.iter().all(|chart| chart.files.len() == 2 && chart.annotations.len() == 2));
    cost
}

#[tokio::test]
async fn a_page_costs_the_same_in_a_short_and_in_a_long_chart() {
    let table = Table::new().await;
    let mut doctors = Vec::new();
    for _ in 0..20 {
        doctors.push(doctor());
        table.register(&doctors[doctors.len() - 1]).await;
    }
    let mut costs = Vec::new();
    for number in [20, 10_000] {
        let patient = patient();
        let caller = table.register(&patient).await;
        fill(&table, &patient, &doctors, number).await;
        costs.push(patients_page(&table, &caller).await);
    }
    assert_eq!(costs, [cost(2, 4, CALLER + 8.0 + 10.0, LONG_READ, 1.0); 2]);
}

#[tokio::test]
async fn every_operation_keeps_its_budget() {
    let table = Table::new().await;
    let (store, meter) = (&table.store, &table.meter);
    let mut report = Report::default();
    let filter = RecordFilter::default();
    let mut doctors = Vec::new();
    for _ in 0..20 {
        doctors.push(doctor());
        table.register(&doctors[doctors.len() - 1]).await;
    }

    // The counter of the network is read before the password is hashed, the transaction is written
    // after it (decision 0035).
    let (patient, here) = (patient(), ClientNetwork::of("203.0.113.7"));
    let first = session(&patient);
    let registered = event(&patient, patient.id, Action::Register, None);
    let (done, measured) = meter
        .measure(async {
            store.check_network(LimitedAction::Register, &here, TOLERANCE, at(0)).await.unwrap();
            store.register(&patient, &credentials(&patient), &first, &registered, None).await
        })
        .await;
    done.unwrap();
    report.row("register", measured, cost(2, 2, NETWORK, 8.0, 4.0), Budget(1 + 1, NETWORK, 8.0));

    let caller = session(&patient);
    let email = patient.email.normalized();
    let trial = ThrottleKey { kind: LimitedAction::Login, account: &email, network: &here };
    let (_, measured) = meter
        .measure(async {
            let (begun, found) = tokio::join!(
                store.start_sign_in_attempt(trial, TOLERANCE, at(0)),
                store.get_credentials(&patient.email)
            );
            let (_, found) = (begun.unwrap(), found.unwrap().unwrap());
            let signed_in = event(&patient, found.user_id, Action::Login, None);
            let (account, put, forgotten) = tokio::join!(
                store.get_account(found.user_id),
                store.create_session(&caller, Some(&signed_in)),
                store.clear_failures(trial)
            );
            (account.unwrap().unwrap(), put.unwrap(), forgotten.unwrap())
        })
        .await;
    report.row(
        "login",
        measured,
        cost(2, 7, 2.0 + COUNTERS, 2.0 + 2.0, 1.0),
        Budget(2, 2.0 + COUNTERS, 2.0 + 2.0),
    );

    let who = || store.get_caller(patient.id, caller.id);
    let (_, measured) = meter.measure(who()).await;
    report.row("caller", measured, cost(1, 1, CALLER, 0.0, 0.0), Budget(1, CALLER, 0.0));

    // Create a record: read the doctor, then one transaction.
    let created = Record { file_count: 2, ..record(&patient, &doctors[0]) };
    let files = [file(&created), hashed_file(&created)];
    let told = told_doctor(&patient, &created);
    let creation = event(&patient, patient.id, Action::CreateRecord, Some(created.id));
    let (_, measured) = meter
        .measure(async {
            let take = DailyUsage { records: 1, files: 2 };
            let most = DailyUsage { records: 200, files: 500 };
            let (caller, doctor, taken) = tokio::join!(
                who(),
                store.get_account(doctors[0].id),
                store.use_daily_allowance(patient.id, take, most, at(0))
            );
            assert!(caller.unwrap().is_some() && doctor.unwrap().is_some() && taken.is_ok());
            store.create_record(&created, &files, &told, &creation, None).await.unwrap();
        })
        .await;
    report.row(
        "create record with 2 files",
        measured,
        cost(2, 4, CALLER + 1.0, 16.0 + DAY, 6.0),
        Budget(2, CALLER + 1.0, 16.0 + DAY),
    );

    // The same with an Idempotency-Key and a response of 3 KB: one write concurrent with the first
    // read, and twice the size of the response in the transaction.
    let other = Record { id: id(), ..created.clone() };
    let files = [file(&other), hashed_file(&other)];
    let (told, creation) = (
        told_doctor(&patient, &other),
        event(&patient, patient.id, Action::CreateRecord, Some(other.id)),
    );
    let (_, measured) = meter
        .measure(async {
            let begun = store.acquire_lease(Some(patient.id), "label", at(0));
            let (caller, doctor, begun) =
                tokio::join!(who(), store.get_account(doctors[0].id), begun);
            assert!(caller.unwrap().is_some() && doctor.unwrap().is_some());
            let LeaseOutcome::Acquired(hold) = begun.unwrap() else {
                panic!("nobody has begun before")
            };
            let response = hold.response(vec![0; 3_000], at(0));
            store.create_record(&other, &files, &told, &creation, Some(&response)).await.unwrap();
        })
        .await;
    let allowed = Budget(2, CALLER + 1.0, 16.0 + 1.0 + 8.0);
    report.row(
        "create record, to be repeated",
        measured,
        cost(2, 4, CALLER + 1.0, 16.0 + 1.0 + 8.0, 6.0),
        allowed,
    );

    // Annotate: read the assignment, then one transaction.
    let doctors_session = session(&doctors[0]);
    store.create_session(&doctors_session, None).await.unwrap();
    let doctor_calls = || store.get_caller(doctors[0].id, doctors_session.id);
    for _ in 0..2 {
        let note = annotation(&created);
        let told = told_patient(&doctors[0], &created);
        let creation = event(&doctors[0], patient.id, Action::CreateAnnotation, Some(created.id));
        let (_, measured) = meter
            .measure(async {
                let (caller, assignment) =
                    tokio::join!(doctor_calls(), store.get_assignment(doctors[0].id, created.id));
                assert!(caller.unwrap().is_some() && assignment.unwrap().is_some());
                store.create_annotation(&note, at(1), &told, &creation, None).await.unwrap();
            })
            .await;
        report.row(
            "annotate",
            measured,
            cost(2, 3, CALLER + 1.0, 14.0, 4.0),
            Budget(2, CALLER + 1.0, 14.0),
        );
    }

    // One record, read by a patient and by a doctor.
    let (_, measured) = meter
        .measure(async {
            let (caller, chart) =
                tokio::join!(who(), store.get_record_detail(patient.id, created.id));
            let (_, chart) = (caller.unwrap().unwrap(), chart.unwrap().unwrap());
            let read = [event(&patient, patient.id, Action::ReadRecord, Some(chart.record.id))];
            let people = store.get_accounts([chart.record.patient_id, chart.record.doctor_id]);
            tokio::try_join!(people, store.create_events(&read)).unwrap()
        })
        .await;
    report.row(
        "one record, patient",
        measured,
        cost(2, 4, CALLER + 1.0 + 1.0, READ, 1.0),
        Budget(2, CALLER + 1.0 + 2.0, READ),
    );
    let (_, measured) = meter
        .measure(async {
            let (caller, assignment) =
                tokio::join!(doctor_calls(), store.get_assignment(doctors[0].id, created.id));
            let (_, assignment) = (caller.unwrap().unwrap(), assignment.unwrap().unwrap());
            let people = store.get_accounts([assignment.patient_id, assignment.doctor_id]);
            let read = [event(
                &doctors[0],
                assignment.patient_id,
                Action::ReadRecord,
                Some(assignment.record_id),
            )];
            let chart = store.get_record_detail(assignment.patient_id, assignment.record_id);
            tokio::try_join!(chart, people, store.create_events(&read)).unwrap()
        })
        .await;
    report.row(
        "one record, doctor",
        measured,
        cost(2, 5, CALLER + 1.0 + 2.0, READ, 1.0),
        Budget(2, CALLER + 1.0 + 3.0, READ),
    );

    // Reassign: read the record and the new doctor concurrently, then one transaction.
    let (_, measured) = meter
        .measure(async {
            let (caller, chart, doctor) = tokio::join!(
                who(),
                store.get_record_detail(patient.id, created.id),
                store.get_account(doctors[1].id)
            );
            let (_, before, doctor) = (
                caller.unwrap().unwrap(),
                chart.unwrap().unwrap().record,
                doctor.unwrap().unwrap(),
            );
            let after =
                Record { doctor_id: doctor.id, version: before.version + 1, ..before.clone() };
            let change = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
            let told = [told_doctor(&patient, &before), told_doctor(&patient, &after)];
            store.update_record(&before, &after, &[], &told, &change).await.unwrap();
        })
        .await;
    report.row(
        "reassign",
        measured,
        cost(2, 4, CALLER + 2.0, 12.0, 6.0),
        Budget(2, CALLER + 1.0 + 1.0, 12.0),
    );

    // A doctor's page of 20 records of 20 patients.
    let busy = doctor();
    let busy_session = table.register(&busy).await;
    let mut records = Vec::new();
    for _ in 0..25 {
        let patient = crate::people::patient();
        table.register(&patient).await;
        let record = Record { file_count: 2, ..record(&patient, &busy) };
        table.create(&patient, &record, &[file(&record), hashed_file(&record)]).await;
        for _ in 0..2 {
            table.annotate(&busy, &record, &annotation(&record)).await;
        }
        records.push(record);
    }
    let busy_calls = || store.get_caller(busy.id, busy_session.id);
    let (charts, measured) = meter
        .measure(async {
            let (caller, page) = tokio::join!(
                busy_calls(),
                store.list_assignments_of_doctor(busy.id, &filter, 20, None)
            );
            let (_, page) = (caller.unwrap().unwrap(), page.unwrap());
            let keys: Vec<(UserId, RecordId)> = page
                .items
                .iter()
                .map(|assignment| (assignment.patient_id, assignment.record_id))
                .collect();
            let read = |(patient, record): &(UserId, RecordId)| {
                event(&busy, *patient, Action::ListRecords, None).with_records(vec![*record])
            };
            let events: Vec<_> = keys.iter().map(read).collect();
            let people = store.get_accounts(keys.iter().map(|(patient, _)| *patient));
            let (charts, people, ()) = tokio::try_join!(
                store.get_record_details(&keys),
                people,
                store.create_events(&events)
            )
            .unwrap();
            assert_eq!(people.len(), 20);
            charts
        })
        .await;
    assert_eq!(charts.iter().flatten().count(), 20);
    report.row(
        "doctor's records, 20",
        measured,
        cost(2, 43, CALLER + 1.0 + 20.0 + 10.0, 20.0 * READ, 20.0),
        Budget(2, CALLER + 1.0 + 20.0 + 10.0, 20.0 * READ),
    );

    // Notifications, 20, with their records: the chart contains the assigned doctor, so that no
    // assignment has to be read.
    let (shown, measured) = meter
        .measure(async {
            let (caller, page) =
                tokio::join!(busy_calls(), store.list_notifications(busy.id, None, 20, None));
            let (_, page) = (caller.unwrap().unwrap(), page.unwrap());
            let keys: Vec<_> = page.items.iter().filter_map(Notification::record).collect();
            let read = |(patient, record): &(UserId, RecordId)| {
                event(&busy, *patient, Action::ReadNotifications, None).with_records(vec![*record])
            };
            let events: Vec<_> = keys.iter().map(read).collect();
            let (charts, ()) =
                tokio::try_join!(store.get_record_details(&keys), store.create_events(&events))
                    .unwrap();
            charts.into_iter().flatten().filter(|chart| chart.record.doctor_id == busy.id).count()
        })
        .await;
    assert_eq!(shown, 20);
    report.row(
        "notifications, 20",
        measured,
        cost(2, 43, CALLER + 2.0 + 20.0, 20.0 * READ, 20.0),
        Budget(2, CALLER + 2.0 + 20.0, 20.0 * READ),
    );

    // Bulk actions, on a short and on a long inbox.
    for (name, number) in [("mark all read, 10", 10), ("mark all read, 1,000", 1_000)] {
        let doctor = doctor();
        let session = table.register(&doctor).await;
        notified(&table, &doctor, number).await;
        let calls = || store.get_caller(doctor.id, session.id);
        let (_, measured) = meter
            .measure(async {
                let (caller, newest) =
                    tokio::join!(calls(), store.get_newest_notification(doctor.id));
                let (_, newest) = (caller.unwrap().unwrap(), newest.unwrap().unwrap());
                store.mark_notifications_read(doctor.id, newest, at(1)).await.unwrap();
            })
            .await;
        report.row(
            name,
            measured,
            cost(2, 3, CALLER + 1.0, 1.0, 0.0),
            Budget(2, CALLER + 1.0, 1.0),
        );
        let (_, measured) = meter
            .measure(async {
                let (caller, newest) =
                    tokio::join!(calls(), store.get_newest_notification(doctor.id));
                let (_, newest) = (caller.unwrap().unwrap(), newest.unwrap().unwrap());
                store.delete_notifications(doctor.id, newest).await.unwrap();
            })
            .await;
        report.row(
            &name.replace("mark all read", "delete all"),
            measured,
            cost(2, 3, CALLER + 1.0, 1.0, 0.0),
            Budget(2, CALLER + 1.0, 1.0),
        );
    }

    // Other lists and counts.
    let (_, measured) = meter.measure(store.list_doctors(None, None, 20, None)).await;
    report.row("directory, 20", measured, cost(1, 1, 1.0, 0.0, 0.0), Budget(1, 2.0, 0.0));
    let (_, measured) = meter.measure(store.count_unread_notifications(busy.id)).await;
    report.row("unread count, 25", measured, cost(2, 2, 1.5, 0.0, 0.0), Budget(2, 2.0, 0.0));
    let (chart, _) =
        meter.measure(store.get_record_detail(records[0].patient_id, records[0].id)).await;
    let chart = chart.unwrap().unwrap();
    let deletion = event(&busy, chart.record.patient_id, Action::DeleteFile, Some(chart.record.id));
    let told = told_patient(&busy, &chart.record);
    let (done, measured) = meter
        .measure(store.delete_file(&chart.files[0], &chart.record, at(1), Some(&told), &deletion))
        .await;
    done.unwrap();
    report.row("delete a file", measured, cost(1, 1, 0.0, 10.0, 4.0), Budget(1, 0.0, 10.0));

    // The console. Eight shards of a list, at most a unit each; the outline of a record consumes as
    // much as the record, although fewer attributes are sent.
    let staff = user(Role::Admin, "Ada", "Staff");
    let now = jiff::Timestamp::now();
    let (page, measured) = meter
        .measure(store.list_newest::<RecordEntry>(now, Span::default(), 25, None, |_| true))
        .await;
    assert_eq!(page.unwrap().items.len(), 25);
    report.row(
        "console: newest records, 25",
        measured,
        cost(1, 8, 4.0, 0.0, 0.0),
        Budget(1, 8.0, 0.0),
    );
    let (r, p) = (records[1].id, records[1].patient_id);
    let (outline, measured) = meter.measure(store.get_record_outline(p, r)).await;
    let outline = outline.unwrap().unwrap().record;
    report.row(
        "console: outline of a record",
        measured,
        cost(1, 1, 1.0, 0.0, 0.0),
        Budget(1, 1.0, 0.0),
    );
    let reason = Justification::parse("The patient asks on the telephone").unwrap();
    let told = RecordEvent::Opened { staff: &staff }.notification(id(), p, r, p);
    let broken = event(&staff, p, Action::BreakGlass, Some(r));
    let (done, measured) =
        meter.measure(store.break_glass(staff.id, &outline, &reason, now, &told, &broken)).await;
    done.unwrap();
    report.row("console: break glass", measured, cost(1, 1, 0.0, 6.0, 3.0), Budget(1, 0.0, 6.0));
    let told = [
        RecordEvent::AssignedByStaff { staff: &staff }.notification(id(), doctors[0].id, r, p),
        RecordEvent::UnassignedByStaff { staff: &staff }.notification(id(), busy.id, r, p),
        RecordEvent::ReassignedByStaff { staff: &staff }.notification(id(), p, r, p),
    ];
    let corrected = event(&staff, p, Action::CorrectAssignment, Some(r));
    let (done, measured) = meter
        .measure(store.correct_assignment(&outline, doctors[0].id, at(1), &told, &corrected))
        .await;
    done.unwrap();
    report.row(
        "console: correct an assignment",
        measured,
        cost(1, 1, 0.0, 14.0, 8.0),
        Budget(1, 0.0, 14.0),
    );

    assert!(report.0.is_empty(), "{}", report.0.join("\n"));
}
