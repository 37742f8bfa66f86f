//! Tests of concurrent operations. Every task has a connection of its own, and all begin at once.

use domain::account::{Account, Approval, Role};
use domain::approval::ApprovalDecision;
use domain::audit::Action;
use domain::file::{File, Rejection, Verdict};
use domain::mail::MailKind;
use domain::record::{Annotation, MAX_ANNOTATIONS, Record};
use domain::session::Session;
use domain::text::Note;
use futures_util::future::join_all;
use jiff::Timestamp;
use store::accounts::{CreateProfileError, RegisterError};
use store::annotations::{CreateAnnotationError, UpdateAnnotationError};
use store::files::DeleteFileError;
use store::mail::MailClaim;
use store::records::UpdateRecordError;
use store::staff::users::{BootstrapError, StaffUpdateError};
use store::{Store, UpdateError};

use crate::notifications::{notified, up_to};
use crate::people::{
    annotation, at, credentials, doctor, event, file, notification_to_doctor,
    notification_to_patient, patient, session, unlimited, user,
};
use crate::table::{TestTable, text};
use crate::users::mail;

/// Runs one task for each number concurrently on the threads of the runtime.
async fn at_once<T, F>(number: u32, task: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    join_all((0..number).map(task).map(tokio::spawn))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn count<T>(results: &[T], wanted: impl Fn(&T) -> bool) -> usize {
    results.iter().filter(|result| wanted(result)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_registrations_one_succeeds() {
    let table = TestTable::new().await;
    let email = patient().email;
    let results = at_once(8, |_| {
        let (store, account) = (table.store.clone(), Account { email: email.clone(), ..patient() });
        async move {
            let event = event(&account, account.id, Action::Register, None);
            store.register(&account, &credentials(&account), &session(&account), &event, None).await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(count(&results, |result| matches!(result, Err(RegisterError::EmailTaken))), 7);
    assert_eq!(table.count().await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_concurrent_first_admins_one_is_created() {
    let table = TestTable::new().await;
    let results = at_once(8, |_| {
        let (store, account) = (table.store.clone(), user(Role::Admin, "", ""));
        async move {
            let event = event(&account, account.id, Action::CreateUser, None);
            store
                .bootstrap_admin(
                    &account,
                    &credentials(&account),
                    &mail(MailKind::ResetPassword, &account),
                    &event,
                )
                .await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    let refused = |result: &Result<(), BootstrapError>| {
        matches!(result, Err(BootstrapError::AdminExists | BootstrapError::Store(_)))
    };
    assert_eq!(count(&results, refused), 7);
    assert_eq!(table.count().await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn admins_who_deactivate_each_other_leave_one() {
    for _ in 0..10 {
        let table = TestTable::new().await;
        let admins = [user(Role::Admin, "", ""), user(Role::Admin, "", "")];
        for admin in &admins {
            table.staff_create(admin).await;
        }
        let results = at_once(2, |number| {
            let (store, by) = (table.store.clone(), admins[1 - number as usize].clone());
            let before = admins[number as usize].clone();
            async move {
                let after = Account { is_active: false, version: 2, ..before.clone() };
                store
                    .update_account_as_staff(
                        &before,
                        &after,
                        &[event(&by, before.id, Action::Deactivate, None)],
                        at(0),
                    )
                    .await
            }
        })
        .await;
        assert_eq!(count(&results, Result::is_ok), 1);
        assert_eq!(count(&results, |result| matches!(result, Err(StaffUpdateError::LastAdmin))), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_decisions_about_a_doctor_one_succeeds() {
    let table = TestTable::new().await;
    let doctor = Account { approval: Some(Approval::Pending), ..doctor() };
    table.register(&doctor).await;
    let results = at_once(8, |number| {
        let (store, before) = (table.store.clone(), doctor.clone());
        async move {
            let decision =
                if number % 2 == 0 { ApprovalDecision::Approve } else { ApprovalDecision::Refuse };
            let admin = user(Role::Admin, "", "");
            let after =
                Account { approval: Some(decision.outcome()), version: 2, ..before.clone() };
            let told = decision.notification(crate::people::id(), before.id, &admin, None);
            let event = event(&admin, before.id, decision.action(), None);
            store
                .decide_approval(&before, &after, &told, &mail(decision.mail(), &before), &event)
                .await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(count(&results, |result| matches!(result, Err(UpdateError::Stale))), 7);
    assert_eq!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_equal_profile_creations_one_succeeds() {
    let table = TestTable::new().await;
    let account = user(Role::Patient, "Jane", "Doe");
    table.register(&account).await;
    let after = Account { profile: patient().profile, version: 2, ..account.clone() };
    let results = at_once(8, |_| {
        let (store, after) = (table.store.clone(), after.clone());
        async move { store.create_profile(&after, None).await }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(
        count(&results, |result| matches!(result, Err(CreateProfileError::ProfileExists))),
        7
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_equal_profile_updates_one_succeeds() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let results = at_once(8, |_| {
        let (store, before) = (table.store.clone(), account.clone());
        let after = Account { version: 2, ..before.clone() };
        async move { store.update_profile(&before, &after, None).await }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(count(&results, |result| matches!(result, Err(UpdateError::Stale))), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refresh_token_is_replaced_once() {
    let table = TestTable::new().await;
    let before = session(&patient());
    table.store.create_session(&before, None).await.unwrap();
    let results = at_once(8, |number| {
        let (store, before) = (table.store.clone(), before.clone());
        async move {
            let after = Session { token_hash: format!("of {number}"), ..before.clone() };
            store.rotate_session(&before, &after).await.map(|()| after.token_hash)
        }
    })
    .await;
    let winners: Vec<_> = results.iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(
        &table.store.get_session(before.user_id, before.id).await.unwrap().unwrap().token_hash,
        winners[0]
    );
}

/// Reads a record, adds a file and stores it; again after another writer was faster.
async fn add_file(store: &Store, patient: &Account, before: &Record) -> u32 {
    for attempt in 1.. {
        let before = store.get_record_detail(patient.id, before.id).await.unwrap().unwrap().record;
        let after = Record {
            file_count: before.file_count + 1,
            version: before.version + 1,
            ..before.clone()
        };
        let event = event(patient, patient.id, Action::UpdateRecord, Some(before.id));
        match store
            .update_record(
                &before,
                &after,
                &[file(&after)],
                &[notification_to_doctor(patient, &after)],
                &event,
                &unlimited(),
            )
            .await
        {
            Ok(()) => return attempt,
            Err(UpdateRecordError::Stale) => {}
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!()
}

/// Reads a record and deletes a file of it; again after another writer was faster.
async fn delete(
    store: &Store,
    patient: &Account,
    record: &Record,
    file: &File,
) -> Result<(), DeleteFileError> {
    loop {
        let record = store.get_record(patient.id, record.id).await.unwrap().unwrap();
        let event = event(patient, patient.id, Action::DeleteFile, Some(record.id));
        let told = notification_to_doctor(patient, &record);
        let deleted = store.delete_file(file, &record, at(1), &told, &event, &unlimited()).await;
        if !matches!(deleted, Err(DeleteFileError::Stale)) {
            return deleted;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_update_of_a_record_is_lost() {
    let table = TestTable::new().await;
    let (patient, _, record, _) = table.record_with_files(0).await;
    at_once(6, |_| {
        let (store, patient, record) = (table.store.clone(), patient.clone(), record.clone());
        async move { add_file(&store, &patient, &record).await }
    })
    .await;
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!((chart.record.file_count, chart.files.len(), chart.record.version), (6, 6, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_that_is_reassigned_concurrently_has_one_doctor() {
    let table = TestTable::new().await;
    let (patient, former, before, _) = table.record_with_files(0).await;
    let doctors: Vec<Account> = (0..6).map(|_| doctor()).collect();
    let results = at_once(6, |number| {
        let (store, patient, before) = (table.store.clone(), patient.clone(), before.clone());
        let after = Record { doctor_id: doctors[number as usize].id, version: 2, ..before.clone() };
        async move {
            let event = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
            store
                .update_record(
                    &before,
                    &after,
                    &[],
                    &[notification_to_doctor(&patient, &after)],
                    &event,
                    &unlimited(),
                )
                .await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(count(&results, |result| matches!(result, Err(UpdateRecordError::Stale))), 5);
    let record =
        table.store.get_record_detail(patient.id, before.id).await.unwrap().unwrap().record;
    let mut assigned = Vec::new();
    for account in doctors.iter().chain([&former]) {
        assigned.extend(table.store.get_assignment(account.id, before.id).await.unwrap());
    }
    assert_eq!(
        assigned.iter().map(|assignment| assignment.doctor_id).collect::<Vec<_>>(),
        [record.doctor_id]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_doctor_cannot_annotate_after_losing_the_record() {
    let table = TestTable::new().await;
    let (mut before_it, mut not_at_all) = (0, 0);
    for round in 0..30 {
        let (patient, former, before, _) = table.record_with_files(0).await;
        let next = doctor();
        let note = annotation(&before);
        let annotate = {
            let (store, former, before, note) =
                (table.store.clone(), former.clone(), before.clone(), note.clone());
            async move {
                tokio::time::sleep(std::time::Duration::from_micros(200 * (round % 6))).await;
                let event =
                    event(&former, before.patient_id, Action::CreateAnnotation, Some(before.id));
                store
                    .create_annotation(
                        &note,
                        at(1),
                        &notification_to_patient(&former, &before),
                        &event,
                        None,
                        &unlimited(),
                    )
                    .await
            }
        };
        let reassign = {
            let (store, patient, before, next) =
                (table.store.clone(), patient.clone(), before.clone(), next.clone());
            async move {
                // Reads again after an annotation was faster, as the handler does.
                loop {
                    let before = store
                        .get_record_detail(patient.id, before.id)
                        .await
                        .unwrap()
                        .unwrap()
                        .record;
                    let after = Record {
                        doctor_id: next.id,
                        version: before.version + 1,
                        ..before.clone()
                    };
                    let event = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
                    match store.update_record(&before, &after, &[], &[], &event, &unlimited()).await
                    {
                        Ok(()) => return,
                        Err(UpdateRecordError::Stale) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        let (annotated, moved) = tokio::join!(tokio::spawn(annotate), tokio::spawn(reassign));
        moved.unwrap();
        let chart = table.store.get_record_detail(patient.id, before.id).await.unwrap().unwrap();
        assert_eq!(chart.record.doctor_id, next.id);
        assert_eq!(table.store.get_assignment(former.id, before.id).await.unwrap(), None);
        match annotated.unwrap() {
            Ok(()) => {
                before_it += 1;
                assert_eq!((chart.record.annotation_count, chart.annotations), (1, vec![note]));
            }
            Err(CreateAnnotationError::NotAssigned) => {
                not_at_all += 1;
                assert_eq!((chart.record.annotation_count, chart.annotations), (0, Vec::new()));
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("annotated before the move {before_it} times, refused {not_at_all} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_doctor_cannot_edit_an_annotation_after_losing_the_record() {
    let table = TestTable::new().await;
    for _ in 0..20 {
        let (patient, former, record, _) = table.record_with_files(0).await;
        let before = annotation(&record);
        table.annotate(&former, &record, &before).await;
        let edit = {
            let (store, former, record, before) =
                (table.store.clone(), former.clone(), record.clone(), before.clone());
            async move {
                let after = Annotation {
                    note: Note::parse("edited").unwrap(),
                    version: 2,
                    ..before.clone()
                };
                let event =
                    event(&former, record.patient_id, Action::UpdateAnnotation, Some(record.id));
                store
                    .update_annotation(
                        &before,
                        &after,
                        at(2),
                        &notification_to_patient(&former, &record),
                        &event,
                        &unlimited(),
                    )
                    .await
            }
        };
        let read =
            table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap().record;
        let moved = {
            let (store, patient) = (table.store.clone(), patient.clone());
            let after =
                Record { doctor_id: doctor().id, version: read.version + 1, ..read.clone() };
            async move {
                let event = event(&patient, patient.id, Action::UpdateRecord, Some(read.id));
                store.update_record(&read, &after, &[], &[], &event, &unlimited()).await
            }
        };
        let (edited, moved) = tokio::join!(tokio::spawn(edit), tokio::spawn(moved));
        let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
        match (edited.unwrap(), moved.unwrap()) {
            (Ok(()), Err(UpdateRecordError::Stale)) => {
                assert_eq!(chart.annotations[0].note.as_str(), "edited")
            }
            (Err(UpdateAnnotationError::NotAssigned), Ok(())) => {
                assert_eq!(chart.annotations, [before])
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_annotations_are_all_counted_up_to_the_limit() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(0).await;
    for _ in 0..MAX_ANNOTATIONS - 3 {
        table.annotate(&doctor, &record, &annotation(&record)).await;
    }
    let results = at_once(8, |_| {
        let (store, doctor, record) = (table.store.clone(), doctor.clone(), record.clone());
        async move {
            let event =
                event(&doctor, record.patient_id, Action::CreateAnnotation, Some(record.id));
            store
                .create_annotation(
                    &annotation(&record),
                    at(1),
                    &notification_to_patient(&doctor, &record),
                    &event,
                    None,
                    &unlimited(),
                )
                .await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 3);
    assert_eq!(count(&results, |result| matches!(result, Err(CreateAnnotationError::Full))), 5);
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!((chart.record.annotation_count, chart.annotations.len()), (MAX_ANNOTATIONS, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_edits_of_an_annotation_one_succeeds() {
    let table = TestTable::new().await;
    let (_, doctor, record, _) = table.record_with_files(0).await;
    let before = annotation(&record);
    table.annotate(&doctor, &record, &before).await;
    let results = at_once(8, |_| {
        let (store, doctor, record, before) =
            (table.store.clone(), doctor.clone(), record.clone(), before.clone());
        async move {
            let after = Annotation { version: 2, ..before.clone() };
            let event =
                event(&doctor, record.patient_id, Action::UpdateAnnotation, Some(record.id));
            store
                .update_annotation(
                    &before,
                    &after,
                    at(2),
                    &notification_to_patient(&doctor, &record),
                    &event,
                    &unlimited(),
                )
                .await
        }
    })
    .await;
    assert_eq!(count(&results, Result::is_ok), 1);
    assert_eq!(count(&results, |result| matches!(result, Err(UpdateAnnotationError::Stale))), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_is_deleted_once_without_losing_concurrent_updates() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(1).await;
    let deleted = at_once(4, |_| {
        let (store, patient, record, file) =
            (table.store.clone(), patient.clone(), record.clone(), files[0].clone());
        async move { delete(&store, &patient, &record, &file).await }
    });
    let added = at_once(4, |_| {
        let (store, patient, record) = (table.store.clone(), patient.clone(), record.clone());
        async move { add_file(&store, &patient, &record).await }
    });
    let (deleted, _) = tokio::join!(deleted, added);
    assert_eq!(count(&deleted, Result::is_ok), 1);
    assert_eq!(count(&deleted, |result| matches!(result, Err(DeleteFileError::NotFound))), 3);
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!((chart.record.file_count, chart.files.len(), chart.record.version), (4, 4, 6));
    assert!(!chart.files.contains(&files[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_gets_one_final_status() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(1).await;
    let results = at_once(8, |number| {
        let (store, file) = (table.store.clone(), files[0].clone());
        let rejected = Verdict::Rejected(Rejection::ContentMismatch);
        let verdict = if number % 2 == 0 { Verdict::Available } else { rejected };
        async move { (verdict.status(), store.settle_file(&file, verdict).await.unwrap()) }
    })
    .await;
    let status =
        table.store.get_file(patient.id, record.id, files[0].id).await.unwrap().unwrap().status;
    assert!(results.iter().all(|(wanted, settled)| *settled == (*wanted == status)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn settling_does_not_recreate_a_deleted_file() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(10).await;
    let deleted = at_once(10, |number| {
        let (store, patient, record, file) =
            (table.store.clone(), patient.clone(), record.clone(), files[number as usize].clone());
        async move { delete(&store, &patient, &record, &file).await }
    });
    let settled = at_once(10, |number| {
        let (store, file) = (table.store.clone(), files[number as usize].clone());
        async move { store.settle_file(&file, Verdict::Available).await }
    });
    let (deleted, settled) = tokio::join!(deleted, settled);
    assert_eq!((count(&deleted, Result::is_ok), count(&settled, Result::is_ok)), (10, 10));
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!((chart.record.file_count, chart.files), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_readings_agree_on_the_time() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let times: Vec<Option<Timestamp>> = at_once(8, |number| {
        let (store, recipient) = (table.store.clone(), doctor.id);
        async move {
            store
                .mark_notification_read(recipient, notification.id, at(number as i8))
                .await
                .unwrap()
                .unwrap()
                .read_at
        }
    })
    .await;
    let stored =
        table.store.get_notification(doctor.id, notification.id).await.unwrap().unwrap().read_at;
    assert!(stored.is_some() && times.iter().all(|time| *time == stored));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_watermarks_end_at_the_highest() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 8).await;
    at_once(8, |number| {
        let (store, recipient, through) = (table.store.clone(), doctor.id, all[number as usize].id);
        async move {
            store
                .mark_all_notifications_read(recipient, &up_to(through), at(number as i8))
                .await
                .unwrap();
            store.delete_all_notifications(recipient, &up_to(through), at(5)).await.unwrap();
        }
    })
    .await;
    let state = table.item(format!("INBOX#{}", doctor.id), "STATE").await.unwrap();
    let newest = all[0].id.to_string();
    assert_eq!(
        (text(&state, "read_through"), text(&state, "deleted_through")),
        (Some(newest.as_str()), Some(newest.as_str()))
    );
    assert_eq!(text(&state, "read_through_at"), Some(at(0).to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mail_is_claimed_once() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claims = at_once(8, |_| {
        let (store, recipient, id) = (table.store.clone(), doctor.id, notification.id);
        async move { store.claim_mail(recipient, id, at(1)).await.unwrap() }
    })
    .await;
    assert_eq!(count(&claims, |claim| matches!(claim, MailClaim::Claimed(..))), 1);
    assert_eq!(count(&claims, |claim| matches!(claim, MailClaim::InDoubt(Some(_)))), 7);
}
