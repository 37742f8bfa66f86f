//! Tests of what staff may read of a record, before and after they break the glass, and what they
//! may change.

use domain::account::{Account, Role};
use domain::audit::{Action, AuditEvent};
use domain::id::{RecordId, UserId};
use domain::notification::{NotificationType, RecordEvent};
use domain::record::RecordType;
use domain::text::Justification;
use jiff::{SignedDuration, Timestamp};
use store::Span;
use store::UpdateError;
use store::records::RecordFilter;
use store::staff::emergency_access::Grant;
use store::staff::lists::{AnnotationEntry, FileEntry, NotificationEntry, RecordEntry};
use store::staff::outline::Outline;
use store::stream::Change;

use crate::people::{annotation, at, doctor, event, id, user};
use crate::table::{TestTable, text};

async fn outline(table: &TestTable, patient: UserId, record: RecordId) -> Outline {
    table.store.get_record_outline(patient, record).await.unwrap().unwrap()
}

/// Breaks the glass at a time.
async fn break_glass(table: &TestTable, staff: &Account, outline: &Outline, now: Timestamp) {
    let record = &outline.record;
    let reason = Justification::parse("The patient asks on the telephone").unwrap();
    let told = RecordEvent::Opened { staff }.notification(
        id(),
        record.patient_id,
        record.id,
        record.patient_id,
    );
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        ..event(staff, record.patient_id, Action::BreakGlass, Some(record.id))
    };
    table.store.break_glass(staff.id, record, &reason, now, &told, &event).await.unwrap();
}

#[tokio::test]
async fn an_outline_contains_no_text_that_people_have_written() {
    let table = TestTable::new().await;
    let (patient, doctor, record, files) = table.record_with_files(2).await;
    let note = annotation(&record);
    table.annotate(&doctor, &record, &note).await;
    let outline = outline(&table, patient.id, record.id).await;
    let seen = &outline.record;
    assert_eq!(
        (seen.id, seen.patient_id, seen.doctor_id, seen.record_type),
        (record.id, patient.id, doctor.id, record.record_type)
    );
    assert_eq!((seen.version, seen.updated_at), (2, at(1)));
    let seen: Vec<_> = outline
        .files
        .iter()
        .map(|file| (file.id, file.content_type, file.size_bytes, file.status))
        .collect();
    let expected: Vec<_> = files
        .iter()
        .rev()
        .map(|file| (file.id, file.content_type, file.size_bytes, file.status))
        .collect();
    assert_eq!(seen, expected);
    let seen: Vec<_> =
        outline.annotations.iter().map(|it| (it.id, it.author_id, it.updated_at)).collect();
    assert_eq!(seen, [(note.id, doctor.id, note.updated_at)]);
    for secret in [record.description.as_str(), files[0].name.as_str(), note.note.as_str()] {
        assert!(!format!("{outline:?}").contains(secret));
    }
    assert_eq!(table.store.get_record_outline(patient.id, id()).await.unwrap(), None);
    assert_eq!(table.store.get_record_outline(doctor.id, record.id).await.unwrap(), None);
}

#[tokio::test]
async fn breaking_the_glass_opens_one_record_for_15_minutes() {
    let table = TestTable::new().await;
    let (staff, other) = (user(Role::Admin, "Ada", "Staff"), user(Role::Admin, "Bob", "Staff"));
    let (patient, doctor, record, files) = table.record_with_files(1).await;
    let note = annotation(&record);
    table.annotate(&doctor, &record, &note).await;
    let second = table.record_with_files(1).await;
    let outline = outline(&table, patient.id, record.id).await;
    let broken = at(0);
    let grant = async |admin: &Account, record, now| {
        table.store.get_grant(admin.id, record, now).await.unwrap()
    };
    assert_eq!(grant(&staff, record.id, broken).await, None);
    let count = table.count().await;
    break_glass(&table, &staff, &outline, broken).await;
    assert_eq!(table.count().await, count + 3, "glass, notification, event");

    let granted = grant(&staff, record.id, broken).await.unwrap();
    assert_eq!((granted.record_id(), granted.patient_id()), (record.id, patient.id));
    assert_eq!(granted.reason().as_str(), "The patient asks on the telephone");
    let end = granted.ends_at();
    assert_eq!(end.duration_since(broken).as_secs(), 15 * 60 - 1, "in whole seconds, rounded down");
    let chart = table.store.get_granted_record(&granted).await.unwrap().unwrap();
    assert_eq!(
        (chart.record.description, chart.annotations),
        (record.description.clone(), vec![note.clone()])
    );

    // No access for other admins, to other records, or later.
    assert_eq!(grant(&other, record.id, broken).await, None);
    assert_eq!(grant(&staff, second.2.id, broken).await, None);
    assert!(grant(&staff, record.id, end - SignedDuration::from_millis(1)).await.is_some());
    assert_eq!(grant(&staff, record.id, end).await, None);
    assert_eq!(table.store.list_grants(staff.id, end).await.unwrap(), []);
    assert_eq!(table.store.list_grants(other.id, broken).await.unwrap(), []);
    let grants: Vec<Grant> = table.store.list_grants(staff.id, broken).await.unwrap();
    assert_eq!(grants, [granted]);

    // Which entries of lists are readable by the grant.
    let now = Timestamp::now();
    let listed = table
        .store
        .list_entries::<FileEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap()
        .items;
    assert_eq!(listed.len(), 2);
    let opened = table.store.get_granted_files(&grants, &listed).await.unwrap();
    assert_eq!(opened.into_values().collect::<Vec<_>>(), files);
    assert!(table.store.get_granted_files(&[], &listed).await.unwrap().is_empty());
    let listed = table
        .store
        .list_entries::<AnnotationEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap()
        .items;
    assert_eq!(
        table.store.get_granted_annotations(&grants, &listed).await.unwrap()[&note.id],
        note
    );
    assert!(table.store.get_granted_annotations(&[], &listed).await.unwrap().is_empty());
    let listed = table
        .store
        .list_entries::<NotificationEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap()
        .items;
    let opened = table.store.get_granted_notifications(&grants, &listed).await.unwrap();
    assert_eq!((listed.len(), opened.len()), (4, 3));
    assert!(opened.values().all(|it| it.record_id == Some(record.id)));
    assert!(table.store.get_granted_notifications(&[], &listed).await.unwrap().is_empty());

    // Breaking the glass again restarts the time.
    break_glass(&table, &staff, &outline, at(10)).await;
    assert!(grant(&staff, record.id, end).await.is_some());
}

#[tokio::test]
async fn the_patient_sees_who_broke_the_glass_and_why() {
    let table = TestTable::new().await;
    let staff = user(Role::Admin, "Ada", "Staff");
    let (patient, _, record, _) = table.record_with_files(0).await;
    break_glass(&table, &staff, &outline(&table, patient.id, record.id).await, at(0)).await;
    let inbox = table.store.list_notifications(patient.id, None, 10, None).await.unwrap().items;
    assert_eq!(inbox.len(), 1);
    assert_eq!(
        (inbox[0].notification_type, inbox[0].record()),
        (NotificationType::RecordOpenedByStaff, Some((patient.id, record.id)))
    );
    assert_eq!(inbox[0].message, format!("Staff have opened health record: {}", record.id));
    let log = table
        .store
        .list_events_of_subject(patient.id, Some(record.id), 10, None)
        .await
        .unwrap()
        .items;
    let entry = (log[0].action, log[0].actor_name.as_str(), log[0].reason.as_deref());
    assert_eq!(entry, (Action::BreakGlass, "Ada Staff", Some("The patient asks on the telephone")));
    // The change in the stream asks for a mail.
    let items = table
        .all()
        .await
        .into_iter()
        .filter(|item| text(item, "notification_type") == Some("record_opened_by_staff"));
    let mut asked = Vec::new();
    for item in items {
        let image: std::collections::HashMap<String, serde_dynamo::AttributeValue> =
            item.into_iter().map(|(name, value)| (name, value.into())).collect();
        asked.extend(
            Change::from_images("INSERT", None, Some(serde_dynamo::Item::from(image))).unwrap(),
        );
    }
    assert!(
        matches!(asked[..], [Change::NotificationMailOrdered { recipient_id,
            .. }] if recipient_id == patient.id),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_correction_of_an_assignment_is_all_or_nothing() {
    let table = TestTable::new().await;
    let staff = user(Role::Admin, "Ada", "Staff");
    let (patient, former, record, _) = table.record_with_files(1).await;
    let new = doctor();
    table.annotate(&former, &record, &annotation(&record)).await;
    let before = outline(&table, patient.id, record.id).await.record;
    let (r, p) = (record.id, patient.id);
    let told = || {
        [
            RecordEvent::AssignedByStaff { staff: &staff }.notification(id(), new.id, r, p),
            RecordEvent::UnassignedByStaff { staff: &staff }.notification(id(), former.id, r, p),
            RecordEvent::ReassignedByStaff { staff: &staff }.notification(id(), p, r, p),
        ]
    };
    let change = || AuditEvent {
        before: Some(former.id.to_string()),
        after: Some(new.id.to_string()),
        ..event(&staff, p, Action::CorrectAssignment, Some(r))
    };
    table.store.correct_assignment(&before, new.id, at(5), &told(), &change()).await.unwrap();

    let chart = table.store.get_record_detail(p, r).await.unwrap().unwrap();
    assert_eq!(
        (chart.record.doctor_id, chart.record.version, chart.record.updated_at),
        (new.id, before.version + 1, at(5))
    );
    assert_eq!(
        (chart.record.description, chart.files.len(), chart.annotations.len()),
        (record.description, 1, 1)
    );
    assert_eq!(table.store.get_assignment(former.id, r).await.unwrap(), None);
    let assignment = table.store.get_assignment(new.id, r).await.unwrap().unwrap();
    assert_eq!((assignment.patient_id, assignment.record_type), (p, RecordType::LabResult));
    let filter = RecordFilter::default();
    assert!(
        table
            .store
            .list_assignments_of_doctor(former.id, &filter, 10, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    let types = async |user| -> Vec<_> {
        table
            .store
            .list_notifications(user, None, 10, None)
            .await
            .unwrap()
            .items
            .iter()
            .map(|it| it.notification_type)
            .collect()
    };
    assert_eq!(types(new.id).await, [NotificationType::PatientAssigned]);
    assert_eq!(types(former.id).await[0], NotificationType::AssignmentEnded);
    assert_eq!(types(p).await[0], NotificationType::RecordReassignedByStaff);
    assert_eq!(
        table.store.get_entry::<RecordEntry>(r).await.unwrap().unwrap().doctor_id,
        new.id,
        "lists follow"
    );

    let count = table.count().await;
    let again =
        table.store.correct_assignment(&before, doctor().id, at(6), &told(), &change()).await;
    assert!(matches!(again, Err(UpdateError::Stale)));
    assert_eq!(table.count().await, count, "nobody is told of what was not done");
}
