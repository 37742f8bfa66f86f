//! Tests of annotations.

use domain::audit::Action;
use domain::record::{Annotation, AnnotationVersion, MAX_ANNOTATIONS, Record};
use domain::text::Note;
use store::Lookup;
use store::annotations::{CreateAnnotationError, UpdateAnnotationError};
use store::records::RecordFilter;

use crate::people::{
    annotation, at, doctor, event, id, notification_to_doctor, notification_to_patient, unlimited,
};
use crate::table::{TestTable, text};

#[tokio::test]
async fn an_annotation_is_part_of_the_record() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(1).await;
    let annotation = annotation(&record);
    table.annotate(&doctor, &record, &annotation).await;
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!(
        chart.record,
        Record { annotation_count: 1, version: 2, updated_at: at(1), ..record.clone() }
    );
    assert_eq!(chart.annotations, std::slice::from_ref(&annotation));
    let lookup = table.store.get_annotation_lookup(annotation.id).await.unwrap();
    assert_eq!(
        lookup,
        Some(Lookup { patient_id: patient.id, record_id: record.id, author_id: Some(doctor.id) })
    );
    assert_eq!(table.store.get_annotation_lookup(id()).await.unwrap(), None);
    assert_eq!(
        table.store.list_notifications(patient.id, None, 10, None).await.unwrap().items.len(),
        1
    );
    let item = table.item(format!("ANNOTATION#{}", annotation.id), "LOOKUP").await.unwrap();
    assert!(text(&item, "gsi3pk").unwrap().starts_with("ANNOTATION#20"));
    assert!(
        table
            .item(
                format!("PATIENT#{}", patient.id),
                format!("RECORD#{}#ANNOTATION#{}", record.id, annotation.id)
            )
            .await
            .is_some()
    );
}

#[tokio::test]
async fn only_the_assigned_doctor_annotates() {
    let table = TestTable::new().await;
    let (patient, _, record, _) = table.record_with_files(0).await;
    let stranger = doctor();
    let items = table.count().await;
    let note = Annotation { author_id: stranger.id, ..annotation(&record) };
    let event = event(&stranger, patient.id, Action::CreateAnnotation, Some(record.id));
    let refused = table
        .store
        .create_annotation(
            &note,
            at(1),
            &notification_to_patient(&stranger, &record),
            &event,
            None,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(CreateAnnotationError::NotAssigned)));
    let unknown = Annotation { record_id: id(), ..note };
    let refused = table
        .store
        .create_annotation(
            &unknown,
            at(1),
            &notification_to_patient(&stranger, &record),
            &event,
            None,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(CreateAnnotationError::NotAssigned)));
    assert_eq!(table.count().await, items);
}

#[tokio::test]
async fn a_record_takes_a_limited_number_of_annotations() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(0).await;
    for _ in 0..MAX_ANNOTATIONS {
        table.annotate(&doctor, &record, &annotation(&record)).await;
    }
    let event = event(&doctor, patient.id, Action::CreateAnnotation, Some(record.id));
    let refused = table
        .store
        .create_annotation(
            &annotation(&record),
            at(1),
            &notification_to_patient(&doctor, &record),
            &event,
            None,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(CreateAnnotationError::Full)));
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!((chart.record.annotation_count, chart.annotations.len()), (MAX_ANNOTATIONS, 100));
}

#[tokio::test]
async fn only_an_assigned_author_reads_an_annotation_to_change_it() {
    let table = TestTable::new().await;
    let (patient, first, before, _) = table.record_with_files(0).await;
    let note = annotation(&before);
    table.annotate(&first, &before, &note).await;
    let annotation_for = async |author| {
        let read =
            table.store.get_annotation(author, patient.id, before.id, note.id).await.unwrap();
        read.map(|(annotation, _)| annotation)
    };
    assert_eq!(annotation_for(first.id).await.as_ref(), Some(&note));
    assert_eq!(annotation_for(patient.id).await, None);
    assert_eq!(
        table.store.get_annotation(first.id, patient.id, before.id, id()).await.unwrap(),
        None
    );

    // After the record is assigned to a second doctor, the author has no access and the second
    // doctor has, also to the author's annotations. After it is assigned back, the author has
    // access again.
    let second = doctor();
    let read = Record { annotation_count: 1, version: 2, updated_at: at(1), ..before.clone() };
    let moved = Record { doctor_id: second.id, version: 3, ..read.clone() };
    let returned = Record { doctor_id: first.id, version: 4, ..moved.clone() };
    let event = || event(&patient, patient.id, Action::UpdateRecord, Some(before.id));
    table
        .store
        .update_record(
            &read,
            &moved,
            &[],
            &[notification_to_doctor(&patient, &moved)],
            &event(),
            &unlimited(),
        )
        .await
        .unwrap();
    assert_eq!(annotation_for(first.id).await, None);
    assert_eq!(annotation_for(second.id).await.as_ref(), Some(&note));
    table.store.update_record(&moved, &returned, &[], &[], &event(), &unlimited()).await.unwrap();
    assert_eq!(annotation_for(first.id).await, Some(note));
}

#[tokio::test]
async fn a_change_of_a_stale_annotation_is_refused() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(0).await;
    let before = annotation(&record);
    table.annotate(&doctor, &record, &before).await;
    let after = Annotation {
        note: Note::parse("Please come in on Monday.").unwrap(),
        updated_at: at(2),
        version: 2,
        ..before.clone()
    };
    let event = || event(&doctor, patient.id, Action::UpdateAnnotation, Some(record.id));
    let told = || notification_to_patient(&doctor, &record);
    table
        .store
        .update_annotation(&before, &after, at(2), &told(), &event(), &unlimited())
        .await
        .unwrap();
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!(chart.annotations, std::slice::from_ref(&after));
    assert_eq!(
        (chart.record.version, chart.record.updated_at, chart.record.annotation_count),
        (3, at(2), 1)
    );
    assert_eq!(
        table.store.list_notifications(patient.id, None, 10, None).await.unwrap().items.len(),
        2
    );

    let stale = table
        .store
        .update_annotation(&before, &after, at(3), &told(), &event(), &unlimited())
        .await;
    assert!(matches!(stale, Err(UpdateAnnotationError::Stale)));
    let chart = table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap();
    assert_eq!(chart.record.version, 3, "nothing of a refused change happens");
}

#[tokio::test]
async fn a_former_doctor_cannot_change_an_annotation() {
    let table = TestTable::new().await;
    let (patient, former, record, _) = table.record_with_files(0).await;
    let before = annotation(&record);
    table.annotate(&former, &record, &before).await;
    let read = Record { annotation_count: 1, version: 2, updated_at: at(1), ..record.clone() };
    let moved = Record { doctor_id: doctor().id, version: 3, ..read.clone() };
    let change = event(&patient, patient.id, Action::UpdateRecord, Some(record.id));
    table.store.update_record(&read, &moved, &[], &[], &change, &unlimited()).await.unwrap();
    let after = Annotation { version: 2, ..before.clone() };
    let event = event(&former, patient.id, Action::UpdateAnnotation, Some(record.id));
    let refused = table
        .store
        .update_annotation(
            &before,
            &after,
            at(2),
            &notification_to_patient(&former, &record),
            &event,
            &unlimited(),
        )
        .await;
    assert!(matches!(refused, Err(UpdateAnnotationError::NotAssigned)));
    assert_eq!(
        table.store.get_record_detail(patient.id, record.id).await.unwrap().unwrap().annotations,
        [before]
    );
}

#[tokio::test]
async fn an_annotation_keeps_its_versions() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(1).await;
    let mut annotation = annotation(&record);
    table.annotate(&doctor, &record, &annotation).await;
    let other = crate::people::annotation(&record);
    table.annotate(&doctor, &record, &other).await;
    let mut expected = vec![AnnotationVersion::from(&annotation)];
    for number in 2..=12 {
        let note = Note::parse(&format!("Version {number}.")).unwrap();
        let after = Annotation {
            note,
            updated_at: at(number),
            version: number.unsigned_abs().into(),
            ..annotation.clone()
        };
        let event = event(&doctor, patient.id, Action::UpdateAnnotation, Some(record.id));
        table
            .store
            .update_annotation(
                &annotation,
                &after,
                at(number),
                &notification_to_patient(&doctor, &record),
                &event,
                &unlimited(),
            )
            .await
            .unwrap();
        // A refused change stores nothing.
        let stale = table
            .store
            .update_annotation(
                &annotation,
                &after,
                at(number),
                &notification_to_patient(&doctor, &record),
                &event,
                &unlimited(),
            )
            .await;
        assert!(matches!(stale, Err(UpdateAnnotationError::Stale)));
        expected.insert(0, AnnotationVersion::from(&after));
        annotation = after;
    }
    for limit in [1, 5, 11, 12, 100] {
        let (mut versions, mut after) = (Vec::new(), None);
        loop {
            let page = table
                .store
                .list_annotation_versions(patient.id, annotation.id, limit, after)
                .await
                .unwrap();
            versions.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(versions, expected, "{limit}");
    }
    let history = async |patient, id| {
        table.store.list_annotation_versions(patient, id, 10, None).await.unwrap().items
    };
    assert_eq!(history(patient.id, other.id).await, [AnnotationVersion::from(&other)]);
    assert_eq!(history(doctor.id, annotation.id).await, []);
    assert_eq!(history(patient.id, id()).await, []);
    // A page of the chart does not contain old versions.
    let chart = table
        .store
        .list_records_of_patient(patient.id, &RecordFilter::default(), 10, None)
        .await
        .unwrap()
        .items
        .remove(0);
    assert_eq!((chart.annotations.len(), chart.files.len()), (2, 1));
}

#[tokio::test]
async fn a_history_is_not_cut_where_dynamodb_ends_a_response() {
    let table = TestTable::new().await;
    let (patient, doctor, record, _) = table.record_with_files(0).await;
    // Four bytes each: seventy versions are 1.4 MB.
    let long = Note::parse(&"\u{1f600}".repeat(5_000)).unwrap();
    let mut note = Annotation { note: long, ..annotation(&record) };
    table.annotate(&doctor, &record, &note).await;
    let event = || event(&doctor, patient.id, Action::UpdateAnnotation, Some(record.id));
    for version in 2..=70 {
        let after = Annotation { version, ..note.clone() };
        let told = notification_to_patient(&doctor, &record);
        table
            .store
            .update_annotation(&note, &after, at(1), &told, &event(), &unlimited())
            .await
            .unwrap();
        note = after;
    }
    for limit in [20, 100] {
        let (mut versions, mut after) = (Vec::new(), None);
        loop {
            let page = table
                .store
                .list_annotation_versions(patient.id, note.id, limit, after)
                .await
                .unwrap();
            versions.extend(page.items.iter().map(|version| version.version));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(versions, (1..=70).rev().collect::<Vec<u64>>(), "{limit} on a page");
    }
}
