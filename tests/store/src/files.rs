//! Tests of files.

use domain::audit::Action;
use domain::file::{Rejection, Verdict};
use domain::record::Record;
use store::Lookup;
use store::files::DeleteFileError;

use crate::people::{at, doctor, event, file, hashed_file, id, notification_to_doctor, unlimited};
use crate::table::TestTable;

#[tokio::test]
async fn a_file_is_found_by_its_id() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(1).await;
    let lookup = table.store.get_file_lookup(files[0].id).await.unwrap();
    assert_eq!(
        lookup,
        Some(Lookup { patient_id: patient.id, record_id: record.id, author_id: None })
    );
    assert_eq!(
        table.store.get_file(patient.id, record.id, files[0].id).await.unwrap().as_ref(),
        Some(&files[0])
    );
    assert_eq!(table.store.get_file_lookup(id()).await.unwrap(), None);
    assert_eq!(table.store.get_file(patient.id, id(), files[0].id).await.unwrap(), None);
}

#[tokio::test]
async fn a_deleted_file_is_removed_and_no_longer_counted() {
    let table = TestTable::new().await;
    let (patient, doctor, record, files) = table.record_with_files(2).await;
    let event = || event(&patient, patient.id, Action::DeleteFile, Some(record.id));
    let told = notification_to_doctor(&patient, &record);
    table
        .store
        .delete_file(&files[0], &record, at(7), &told, &event(), &unlimited())
        .await
        .unwrap();
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!(chart.files, files[1..]);
    assert_eq!(
        chart.record,
        Record {
            file_count: 1,
            version: 2,
            content_version: Some(2),
            updated_at: at(7),
            update_notification_id: Some(told.id),
            ..record.clone()
        }
    );
    assert_eq!(table.store.get_file_lookup(files[0].id).await.unwrap(), None);
    assert_eq!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.len(),
        2
    );

    let items = table.count().await;
    let told = notification_to_doctor(&patient, &record);
    let again =
        table.store.delete_file(&files[0], &record, at(8), &told, &event(), &unlimited()).await;
    assert!(matches!(again, Err(DeleteFileError::NotFound)));
    assert_eq!(table.count().await, items);
    let stale =
        table.store.delete_file(&files[1], &record, at(8), &told, &event(), &unlimited()).await;
    assert!(matches!(stale, Err(DeleteFileError::Stale)), "each change has a version of its own");
    table
        .store
        .delete_file(&files[1], &chart.record, at(8), &told, &event(), &unlimited())
        .await
        .unwrap();
    assert_eq!(
        table
            .store
            .get_record_detail(patient.id, record.id)
            .await
            .unwrap()
            .unwrap()
            .record
            .file_count,
        0
    );
}

#[tokio::test]
async fn a_deletion_that_would_notify_a_former_doctor_is_refused() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(1).await;
    let outdated = Record { doctor_id: doctor().id, version: 0, ..record.clone() };
    let event = event(&patient, patient.id, Action::DeleteFile, Some(record.id));
    let refused = table
        .store
        .delete_file(
            &files[0],
            &outdated,
            at(7),
            &notification_to_doctor(&patient, &outdated),
            &event,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(DeleteFileError::Stale)));
    assert!(table.store.get_file(patient.id, record.id, files[0].id).await.unwrap().is_some());
    assert!(table.store.get_file_lookup(files[0].id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_is_settled_once() {
    let table = TestTable::new().await;
    let (patient, _, record, files) = table.record_with_files(2).await;
    let rejected = Verdict::Rejected(Rejection::ContainsMacros);
    for (file, verdict, other) in
        [(&files[0], Verdict::Available, rejected), (&files[1], rejected, Verdict::Available)]
    {
        assert!(table.store.settle_file(file, verdict).await.unwrap());
        assert!(!table.store.settle_file(file, other).await.unwrap(), "it is settled otherwise");
        assert!(table.store.settle_file(file, verdict).await.unwrap(), "it has that status");
        let stored = table.store.get_file(patient.id, record.id, file.id).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.rejection), (verdict.status(), verdict.rejection()));
    }
    assert!(
        !table.store.settle_file(&file(&record), Verdict::Available).await.unwrap(),
        "it is not there, and is not made"
    );
    assert_eq!(
        table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap().files.len(),
        2
    );
}

#[tokio::test]
async fn a_file_keeps_its_hash() {
    let table = TestTable::new().await;
    let (patient, _, record, _) = table.record_with_files(0).await;
    let file = hashed_file(&record);
    let after = Record { file_count: 1, version: 2, ..record.clone() };
    let event = event(&patient, patient.id, Action::UpdateRecord, Some(record.id));
    table
        .store
        .update_record(&record, &after, std::slice::from_ref(&file), &[], &event, &unlimited())
        .await
        .unwrap();
    assert_eq!(table.store.get_file(patient.id, record.id, file.id).await.unwrap(), Some(file));
}
