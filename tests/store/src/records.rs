//! Tests of charts and assignments.

use domain::account::Account;
use domain::audit::Action;
use domain::id::{RecordId, UserId};
use domain::record::Assignment;
use domain::record::{Annotation, NamedFile, Record, RecordDetail, RecordType, RecordVersion};
use domain::text::{Description, Note};
use jiff::Timestamp;
use store::records::RecordFilter;
use store::records::UpdateRecordError;

use crate::people::{
    annotation, at, doctor, event, file, id, id_at, notification_to_doctor, patient, record,
    unlimited,
};
use crate::table::{Item, TestTable, text};

/// Returns the ids of all records in a patient's list, page by page, and the number of pages.
async fn listed(
    table: &TestTable,
    patient: UserId,
    filter: &RecordFilter,
    limit: usize,
) -> (Vec<RecordId>, usize) {
    let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page =
            table.store.list_records_of_patient(patient, filter, limit, after).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|chart| chart.record.id));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => return (ids, pages),
        }
    }
}

/// Returns the same of a doctor's list.
async fn assigned(
    table: &TestTable,
    doctor: UserId,
    filter: &RecordFilter,
    limit: usize,
) -> Vec<RecordId> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page =
            table.store.list_assignments_of_doctor(doctor, filter, limit, after).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|assignment| assignment.record_id));
        match page.next {
            Some(next) => after = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn a_new_record_is_stored_with_files_assignment_and_notification() {
    let table = TestTable::new().await;
    let (patient, doctor, record, mut files) = table.record_with_files(2).await;
    files.reverse();
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!(
        chart,
        RecordDetail { record: record.clone(), files: files.clone(), annotations: Vec::new() }
    );
    let expected = Assignment {
        record_id: record.id,
        doctor_id: doctor.id,
        patient_id: patient.id,
        record_type: record.record_type,
    };
    assert_eq!(table.store.get_assignment(doctor.id, record.id).await.unwrap(), Some(expected));
    assert_eq!(table.store.get_assignment(patient.id, record.id).await.unwrap(), None);
    let inbox = table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items;
    assert_eq!((inbox.len(), inbox[0].record_id), (1, Some(record.id)));
    let items = table.count().await;
    assert_eq!(items, 5 + 2 * 2, "record, assignment, notification, event, day; two for a file");

    // The keys of the items.
    let (p, r) = (format!("PATIENT#{}", patient.id), format!("RECORD#{}", record.id));
    let item = table.item(&p, &r).await.unwrap();
    assert_eq!(text(&item, "gsi3sk"), Some(record.id.to_string().as_str()));
    assert!(text(&item, "gsi3pk").unwrap().starts_with("RECORD#20"));
    let item = table.item(&p, format!("{r}#FILE#{}", files[0].id)).await.unwrap();
    assert!(!item.contains_key("gsi3pk") && !item.contains_key("patient_id"));
    let item = table.item(format!("FILE#{}", files[0].id), "LOOKUP").await.unwrap();
    assert!(text(&item, "gsi3pk").unwrap().starts_with("FILE#20"));
    assert!(table.item(format!("DOCTOR#{}", doctor.id), &r).await.is_some());
}

#[tokio::test]
async fn a_record_is_in_its_patients_chart_only() {
    let table = TestTable::new().await;
    let (_, _, record, _) = table.record_with_files(1).await;
    let (other, other_doctor, other_record, _) = table.record_with_files(1).await;
    assert_eq!(table.store.get_record_detail(other.id, record.id).await.unwrap(), None);
    assert_eq!(table.store.get_assignment(other_doctor.id, record.id).await.unwrap(), None);
    assert_eq!(listed(&table, other.id, &RecordFilter::default(), 10).await.0, [other_record.id]);
    assert_eq!(
        assigned(&table, other_doctor.id, &RecordFilter::default(), 10).await,
        [other_record.id]
    );
    let charts = table
        .store
        .get_record_details(&[(other.id, other_record.id), (other.id, record.id)])
        .await
        .unwrap();
    assert_eq!(charts.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn pages_are_counted_in_complete_records() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let mut expected = Vec::new();
    // Records with very different numbers of files and annotations.
    for number in 0_u32..13 {
        let record = Record { file_count: number % 5 * 3, ..record(&patient, &doctor) };
        let files: Vec<_> = (0..record.file_count).map(|_| file(&record)).collect();
        table.create(&patient, &record, &files).await;
        for _ in 0..number % 3 * 2 {
            table.annotate(&doctor, &record, &annotation(&record)).await;
        }
        expected.insert(0, (record.id, number % 5 * 3, number % 3 * 2));
    }
    for limit in [1, 2, 3, 5, 12, 13, 14, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = table
                .store
                .list_records_of_patient(patient.id, &RecordFilter::default(), limit, after)
                .await
                .unwrap();
            for RecordDetail { record, files, annotations } in &page.items {
                assert_eq!(
                    (record.file_count as usize, record.annotation_count as usize),
                    (files.len(), annotations.len())
                );
                assert!(
                    files.iter().all(|file| file.record_id == record.id)
                        && files.is_sorted_by(|a, b| a.id > b.id)
                );
                assert!(
                    annotations.iter().all(|note| note.record_id == record.id)
                        && annotations.is_sorted_by(|a, b| a.id > b.id)
                );
                found.push((record.id, record.file_count, record.annotation_count));
            }
            let Some(next) = page.next else { break };
            assert_eq!(page.items.len(), limit, "only the last page is short");
            assert_eq!(page.items.last().unwrap().record.id, next);
            after = Some(next);
        }
        assert_eq!(found, expected, "limit {limit}");
    }
    let records: Vec<RecordId> = expected.iter().map(|(id, ..)| *id).collect();
    for limit in [1, 4, 12, 13, 50] {
        assert_eq!(assigned(&table, doctor.id, &RecordFilter::default(), limit).await, records);
    }
    let exactly = table
        .store
        .list_records_of_patient(patient.id, &RecordFilter::default(), 13, None)
        .await
        .unwrap();
    assert_eq!(exactly.next, None);
    let exactly = table
        .store
        .list_assignments_of_doctor(doctor.id, &RecordFilter::default(), 13, None)
        .await
        .unwrap();
    assert_eq!(exactly.next, None);
    let empty = table
        .store
        .list_records_of_patient(id(), &RecordFilter::default(), 13, None)
        .await
        .unwrap();
    assert_eq!((empty.items.len(), empty.next), (0, None));
}

#[tokio::test]
async fn lists_are_filtered() {
    let table = TestTable::new().await;
    let (patient, first, second) = (patient(), doctor(), doctor());
    let mut all = Vec::new();
    for number in 0_u32..40 {
        let doctor = if number % 4 == 0 { &second } else { &first };
        let record_type = if number % 10 == 0 { RecordType::Imaging } else { RecordType::General };
        let record = Record { record_type, ..record(&patient, doctor) };
        table.create(&patient, &record, &[]).await;
        all.insert(0, record);
    }
    let ids = |wanted: &dyn Fn(&Record) -> bool| {
        all.iter().filter(|record| wanted(record)).map(|record| record.id).collect::<Vec<_>>()
    };
    for limit in [1, 3, 20] {
        let by_type =
            RecordFilter { record_type: Some(RecordType::Imaging), ..RecordFilter::default() };
        assert_eq!(
            listed(&table, patient.id, &by_type, limit).await.0,
            ids(&|record| record.record_type == RecordType::Imaging)
        );
        let by_doctor = RecordFilter { other: Some(second.id), ..RecordFilter::default() };
        assert_eq!(
            listed(&table, patient.id, &by_doctor, limit).await.0,
            ids(&|record| record.doctor_id == second.id)
        );
        assert_eq!(
            assigned(&table, second.id, &by_type, limit).await,
            ids(&|record| {
                record.doctor_id == second.id && record.record_type == RecordType::Imaging
            })
        );
        let by_patient = RecordFilter { other: Some(patient.id), ..RecordFilter::default() };
        assert_eq!(
            assigned(&table, first.id, &by_patient, limit).await,
            ids(&|record| record.doctor_id == first.id)
        );
        let by_stranger = RecordFilter { other: Some(id()), ..RecordFilter::default() };
        assert!(assigned(&table, first.id, &by_stranger, limit).await.is_empty());
    }
}

#[tokio::test]
async fn times_of_creation_bound_lists() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let times = [
        "2026-01-31T23:59:59.999Z",
        "2026-02-01T00:00:00Z",
        "2026-02-01T00:00:00.001Z",
        "2026-03-01T00:00:00Z",
    ];
    for time in times {
        table.create(&patient, &Record { id: id_at(time), ..record(&patient, &doctor) }, &[]).await;
    }
    let found = async |after: Option<&str>, before: Option<&str>| {
        let time = |text: Option<&str>| text.map(|text| text.parse::<Timestamp>().unwrap());
        let filter = RecordFilter {
            created_after: time(after),
            created_before: time(before),
            ..RecordFilter::default()
        };
        let ids = listed(&table, patient.id, &filter, 2).await.0;
        assert_eq!(assigned(&table, doctor.id, &filter, 1).await, ids);
        ids.iter()
            .map(|id| {
                times
                    .iter()
                    .position(|time| time.parse::<Timestamp>().unwrap() == id.created_at())
                    .unwrap()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(found(None, None).await, [3, 2, 1, 0]);
    assert_eq!(found(Some("2026-02-01T00:00:00Z"), None).await, [3, 2, 1]);
    assert_eq!(found(None, Some("2026-02-01T00:00:00Z")).await, [0]);
    assert_eq!(found(Some("2026-02-01T00:00:00Z"), Some("2026-03-01T00:00:00Z")).await, [2, 1]);
    assert_eq!(
        found(Some("2026-02-01T00:00:00.0001Z"), Some("2026-02-01T00:00:00.0011Z")).await,
        [2],
        "finer than ids"
    );
    assert!(found(Some("2026-03-01T00:00:00Z"), Some("2026-02-01T00:00:00Z")).await.is_empty());
    assert!(found(None, Some("1969-01-01T00:00:00Z")).await.is_empty());
    assert_eq!(
        found(Some("1969-01-01T00:00:00Z"), Some("9999-12-01T00:00:00Z")).await,
        [3, 2, 1, 0]
    );
    assert!(found(Some("9999-12-01T00:00:00Z"), None).await.is_empty());
}

#[tokio::test]
async fn a_selective_filter_reads_a_bounded_part_of_a_chart() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let wanted = Record { record_type: RecordType::Imaging, ..record(&patient, &doctor) };
    table.create(&patient, &wanted, &[]).await;
    let (scratch, model) = (TestTable::new().await, record(&patient, &doctor));
    scratch.create(&patient, &model, &[]).await;
    let lists = |item: &Item| {
        ["PATIENT#", "DOCTOR#"].iter().any(|prefix| text(item, "pk").unwrap().starts_with(prefix))
    };
    let items: Vec<Item> = scratch.all().await.into_iter().filter(lists).collect();
    table.multiply(&items, 2_000, |_| vec![(model.id.to_string(), id::<RecordId>().to_string())]);
    let filter = RecordFilter { record_type: Some(RecordType::Imaging), ..RecordFilter::default() };
    let (page, cost) = table
        .meter
        .measure(table.store.list_records_of_patient(patient.id, &filter, 20, None))
        .await;
    let page = page.unwrap();
    assert!(page.items.is_empty() && page.next.is_some() && cost.calls == 5);
    let (ids, pages) = listed(&table, patient.id, &filter, 20).await;
    assert_eq!((ids, pages), (vec![wanted.id], 2));
    let (page, cost) = table
        .meter
        .measure(table.store.list_assignments_of_doctor(doctor.id, &filter, 20, None))
        .await;
    assert!(page.unwrap().next.is_some() && cost.calls == 5);
    assert_eq!(assigned(&table, doctor.id, &filter, 20).await, [wanted.id]);
}

#[tokio::test]
async fn large_records_make_short_pages() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let mut ids = Vec::new();
    for _ in 0..4 {
        // 60 notes of 20 kB: one record of 1.2 MB, more than one Query returns.
        let record = Record {
            description: Description::parse(&"𝔘".repeat(5000)).unwrap(),
            ..record(&patient, &doctor)
        };
        table.create(&patient, &record, &[]).await;
        for _ in 0..60 {
            let note = Annotation {
                note: Note::parse(&"𝔘".repeat(5000)).unwrap(),
                ..annotation(&record)
            };
            table.annotate(&doctor, &record, &note).await;
        }
        ids.insert(0, record.id);
    }
    let page = table
        .store
        .list_records_of_patient(patient.id, &RecordFilter::default(), 20, None)
        .await
        .unwrap();
    assert_eq!((page.items.len(), page.next), (2, Some(ids[1])), "2.4 MB are enough");
    assert!(page.items.iter().all(|chart| chart.annotations.len() == 60));
    assert_eq!(listed(&table, patient.id, &RecordFilter::default(), 20).await, (ids.clone(), 2));
    assert_eq!(listed(&table, patient.id, &RecordFilter::default(), 1).await.0, ids);
    let chart = table.store.get_record_detail(patient.id, ids[0]).await.unwrap().unwrap();
    assert_eq!(chart.annotations.len(), 60);
}

#[tokio::test]
async fn a_change_of_text_and_files_keeps_the_doctor() {
    let table = TestTable::new().await;
    let (patient, doctor, before, _) = table.record_with_files(1).await;
    let new = file(&before);
    let after = Record {
        record_type: RecordType::Procedure,
        description: Description::parse("After all, a biopsy.").unwrap(),
        file_count: 2,
        updated_at: at(3),
        version: 2,
        ..before.clone()
    };
    let event = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
    let told = [notification_to_doctor(&patient, &after)];
    table
        .store
        .update_record(&before, &after, std::slice::from_ref(&new), &told, &event, &unlimited())
        .await
        .unwrap();
    let chart = table.store.get_record_detail(patient.id, before.id).await.unwrap().unwrap();
    assert_eq!((&chart.record, chart.files.len(), &chart.files[0]), (&after, 2, &new));
    let versions = table.store.list_record_versions(patient.id, before.id, 10, None).await.unwrap();
    let version = RecordVersion {
        files_added: vec![NamedFile::from(&new)],
        ..RecordVersion::between(&before, &after, patient.id)
    };
    assert_eq!(versions.items, [version]);
    assert_eq!(
        versions.items[0].description.as_ref().map(|change| &change.before),
        Some(&before.description)
    );
    assert!(table.store.get_file_lookup(new.id).await.unwrap().is_some());
    let assignment = table.store.get_assignment(doctor.id, before.id).await.unwrap().unwrap();
    assert_eq!(assignment.record_type, RecordType::Procedure, "the doctor's list filters by it");
    assert_eq!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.len(),
        2
    );
}

#[tokio::test]
async fn reassigning_moves_access_at_once() {
    let table = TestTable::new().await;
    let (patient, former, before, _) = table.record_with_files(0).await;
    let next = doctor();
    let after = Record { doctor_id: next.id, version: 2, updated_at: at(3), ..before.clone() };
    let event = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
    let told =
        [notification_to_doctor(&patient, &before), notification_to_doctor(&patient, &after)];
    table.store.update_record(&before, &after, &[], &told, &event, &unlimited()).await.unwrap();
    assert_eq!(table.store.get_assignment(former.id, before.id).await.unwrap(), None);
    assert!(assigned(&table, former.id, &RecordFilter::default(), 10).await.is_empty());
    assert_eq!(
        table.store.get_assignment(next.id, before.id).await.unwrap().unwrap().doctor_id,
        next.id
    );
    assert_eq!(assigned(&table, next.id, &RecordFilter::default(), 10).await, [before.id]);
    assert_eq!(
        table.store.list_notifications(next.id, None, 10, None).await.unwrap().items.len(),
        1
    );
    assert_eq!(
        table.store.list_notifications(former.id, None, 10, None).await.unwrap().items.len(),
        2
    );
}

#[tokio::test]
async fn a_stale_update_changes_nothing() {
    let table = TestTable::new().await;
    let (patient, former, before, _) = table.record_with_files(0).await;
    table.annotate(&former, &before, &annotation(&before)).await;
    let items = table.count().await;
    let next = doctor();
    let after = Record { doctor_id: next.id, file_count: 1, version: 2, ..before.clone() };
    let event = event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
    let refused = table
        .store
        .update_record(
            &before,
            &after,
            &[file(&after)],
            &[notification_to_doctor(&patient, &after)],
            &event,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(UpdateRecordError::Stale)));
    assert_eq!(table.count().await, items);
    assert!(table.store.get_assignment(former.id, before.id).await.unwrap().is_some());
    assert_eq!(
        table
            .store
            .get_record_detail(patient.id, before.id)
            .await
            .unwrap()
            .unwrap()
            .record
            .annotation_count,
        1
    );
}

#[tokio::test]
async fn a_record_is_created_with_forty_files() {
    let table = TestTable::new().await;
    let (patient, doctor): (Account, Account) = (patient(), doctor());
    let record = Record { file_count: 40, ..record(&patient, &doctor) };
    let files: Vec<_> = (0..40).map(|_| file(&record)).collect();
    table.create(&patient, &record, &files).await;
    assert_eq!(
        table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap().files.len(),
        40
    );
}
