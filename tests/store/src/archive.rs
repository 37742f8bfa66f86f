//! Tests of what the archive of the audit trail stores in the table and reads from it.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::Action;
use domain::id::EventId;
use store::UpdateError;
use store::archive::ArchiveHead;
use store::proof::{AuditKey, StoredEvent};

use crate::people::{at, doctor, event, id, patient, record, unlimited};
use crate::table::{Item, NAME, TestTable, audit_key, text};

async fn trail(table: &TestTable) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    table.store.scan_events(|event| events.push(event)).await.unwrap();
    events
}

#[tokio::test]
async fn the_proof_of_an_event_detects_changed_and_invented_ones() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    // Events written alone and in transactions.
    let read = event(&doctor, patient.id, Action::ListRecords, None).with_records(vec![id(), id()]);
    table.store.create_events(std::slice::from_ref(&read)).await.unwrap();
    let record = record(&patient, &doctor);
    let creation = event(&patient, patient.id, Action::CreateRecord, Some(record.id));
    let told = crate::people::notification_to_doctor(&patient, &record);
    table.store.create_record(&record, &[], &told, &creation, None, &unlimited()).await.unwrap();
    assert_eq!(
        table.store.list_events_of_subject(patient.id, None, 10, None).await.unwrap().items,
        [creation.clone(), read.clone()]
    );
    let events = trail(&table).await;
    assert_eq!(events.len(), 2);
    for event in &events {
        assert!(
            event.is_proved(&audit_key()) && !event.is_proved(&AuditKey::new("another secret"))
        );
    }
    // Only events carry a proof.
    for item in table.all().await {
        assert_eq!(item.contains_key("proof"), text(&item, "entity") == Some("audit_event"));
    }
    // The proof fails for an event with any changed attribute, and for an event written without the
    // key.
    let item = table.item(format!("AUDIT#{}", patient.id), read.id).await.unwrap();
    for name in item.keys().filter(|name| name.as_str() != "entity" && name.as_str() != "sk") {
        let mut altered = item.clone();
        altered.insert(name.clone(), AttributeValue::S("x".to_owned()));
        assert!(!image("INSERT", &altered).unwrap().is_proved(&audit_key()), "{name}");
    }
    let mut invented = item;
    invented.remove("proof");
    invented.insert("sk".to_owned(), AttributeValue::S(id::<EventId>().to_string()));
    let put = table.client.put_item().table_name(NAME).set_item(Some(invented));
    put.condition_expression("attribute_not_exists(pk)").send().await.unwrap();
    assert_eq!(
        trail(&table).await.iter().filter(|event| !event.is_proved(&audit_key())).count(),
        1
    );
}

fn image(event: &str, item: &Item) -> Option<StoredEvent> {
    StoredEvent::from_image(event, item.clone().into()).unwrap()
}

#[tokio::test]
async fn only_new_events_are_read_from_the_stream() {
    let table = TestTable::new().await;
    let (patient, _, _, _) = table.record_with_files(1).await;
    table
        .store
        .create_events(&[event(&patient, patient.id, Action::ReadRecord, Some(id()))])
        .await
        .unwrap();
    let told: Vec<StoredEvent> =
        table.all().await.iter().filter_map(|item| image("INSERT", item)).collect();
    assert_eq!(told.len(), 2);
    let stored = trail(&table).await;
    assert!(
        told.iter().all(|event| stored.contains(event) && event.id().is_some()),
        "as it is stored"
    );
    assert!(
        table
            .all()
            .await
            .iter()
            .all(|item| image("MODIFY", item).is_none() && image("REMOVE", item).is_none())
    );
    let mut nonsense = table
        .all()
        .await
        .into_iter()
        .find(|item| text(item, "entity") == Some("audit_event"))
        .unwrap();
    nonsense.remove("sk");
    assert!(StoredEvent::from_image("INSERT", nonsense.into()).is_err());
}

#[tokio::test]
async fn the_archive_is_extended_from_its_end() {
    let table = TestTable::new().await;
    let store = &table.store;
    assert_eq!(store.get_archive_head().await.unwrap(), ArchiveHead::default());
    let first = ArchiveHead { sequence: 3, tip: "a".to_owned() };
    let second = ArchiveHead { sequence: 5, tip: "b".to_owned() };
    assert!(matches!(store.update_archive_head(&first, &second).await, Err(UpdateError::Stale)));
    store.update_archive_head(&ArchiveHead::default(), &first).await.unwrap();
    assert!(matches!(
        store.update_archive_head(&ArchiveHead::default(), &second).await,
        Err(UpdateError::Stale)
    ));
    store.update_archive_head(&first, &second).await.unwrap();
    assert!(matches!(store.update_archive_head(&first, &second).await, Err(UpdateError::Stale)));
    assert_eq!(store.get_archive_head().await.unwrap(), second);
}

#[tokio::test]
async fn of_concurrent_extensions_of_the_archive_one_succeeds() {
    let table = TestTable::new().await;
    let extensions = (0..20).map(|number| {
        let store = table.store.clone();
        async move {
            store
                .update_archive_head(
                    &ArchiveHead::default(),
                    &ArchiveHead { sequence: 1, tip: format!("{number}") },
                )
                .await
                .is_ok()
        }
    });
    let done = futures_util::future::join_all(extensions).await;
    assert_eq!(done.into_iter().filter(|done| *done).count(), 1);
}

#[tokio::test]
async fn archived_events_are_marked_for_two_days() {
    let table = TestTable::new().await;
    let events: Vec<EventId> = (0..150).map(|_| id()).collect();
    table.store.mark_archived(&events[..120], at(0)).await.unwrap();
    table.store.mark_archived(&events[..10], at(0)).await.unwrap();
    let known = table.store.get_archived_events(&events).await.unwrap();
    assert_eq!(known, events[..120].iter().copied().collect());
    let item = table.item(format!("ARCHIVED#{}", events[0]), "ARCHIVED").await.unwrap();
    assert_eq!(item["ttl"].as_n().unwrap(), &(at(0).as_second() + 48 * 3600).to_string());
}
