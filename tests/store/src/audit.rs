//! Tests of the audit trail as users and staff read it.

use domain::audit::{Action, AuditEvent, Outcome};
use domain::id::{EventId, RecordId};
use store::{Error, Store};

use crate::people::{
    at, doctor, event, id, id_at, notification_to_doctor, patient, record, session, unlimited,
};
use crate::table::{TestTable, text};

async fn log(
    store: &Store,
    subject: &domain::account::Account,
    record: Option<RecordId>,
    limit: usize,
) -> Vec<AuditEvent> {
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_events_of_subject(subject.id, record, limit, after).await.unwrap();
        assert!(page.items.len() <= limit);
        events.extend(page.items);
        after = page.next;
        if after.is_none() {
            return events;
        }
    }
}

#[tokio::test]
async fn events_are_read_back_newest_first_and_whole() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let records: Vec<RecordId> = (0..3).map(|_| id()).collect();
    let mut events = vec![
        event(&doctor, patient.id, Action::ReadRecord, Some(records[0])),
        event(&doctor, patient.id, Action::ListRecords, None).with_records(records.clone()),
        event(&patient, patient.id, Action::ReadAccessLog, None).with_outcome(Outcome::Denied),
    ];
    table.store.create_events(&events).await.unwrap();
    let elsewhere = event(&patient, doctor.id, Action::ReadRecord, None);
    table.store.create_events(std::slice::from_ref(&elsewhere)).await.unwrap();
    table.store.create_events(&[]).await.unwrap();
    events.reverse();
    for limit in [1, 2, 3, 100] {
        assert_eq!(log(&table.store, &patient, None, limit).await, events);
    }
    assert_eq!(log(&table.store, &doctor, None, 10).await, [elsewhere]);
    let item = table.item(format!("AUDIT#{}", patient.id), events[0].id).await.unwrap();
    assert_eq!(text(&item, "gsi2pk"), Some(format!("ACTOR#{}", patient.id).as_str()));
    assert!(!item.contains_key("record_ids") && !item.contains_key("reason"));
}

#[tokio::test]
async fn the_log_of_a_record_contains_all_its_events_and_no_others() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let record = record(&patient, &doctor);
    table.create(&patient, &record, &[]).await;
    // Many events about other records, and a few about this one.
    let mut expected = vec![
        table
            .store
            .list_events_of_subject(patient.id, None, 1, None)
            .await
            .unwrap()
            .items
            .remove(0),
    ];
    for round in 0..5 {
        let others: Vec<_> =
            (0..80).map(|_| event(&doctor, patient.id, Action::ReadRecord, Some(id()))).collect();
        table.store.create_events(&others).await.unwrap();
        let mine = match round % 2 {
            0 => event(&doctor, patient.id, Action::ReadRecord, Some(record.id)),
            _ => event(&patient, patient.id, Action::ListRecords, None)
                .with_records(vec![id(), record.id]),
        };
        table.store.create_events(std::slice::from_ref(&mine)).await.unwrap();
        expected.push(mine);
    }
    expected.reverse();
    for limit in [1, 4, 100] {
        assert_eq!(log(&table.store, &patient, Some(record.id), limit).await, expected, "{limit}");
    }
    assert_eq!(log(&table.store, &patient, Some(id()), 10).await, []);
    assert_eq!(log(&table.store, &doctor, Some(record.id), 10).await, []);
}

#[tokio::test]
async fn a_page_of_a_long_log_is_bounded() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let old: RecordId = id_at("2026-01-01T00:00:00Z");
    table
        .store
        .create_events(&[AuditEvent {
            id: id_at("2026-01-01T00:00:01Z"),
            ..event(&doctor, patient.id, Action::ReadRecord, Some(old))
        }])
        .await
        .unwrap();
    let model = event(&doctor, patient.id, Action::ReadRecord, Some(id()));
    table.store.create_events(std::slice::from_ref(&model)).await.unwrap();
    let item = table.item(format!("AUDIT#{}", patient.id), model.id).await.unwrap();
    table.multiply(&[item], 3_000, |_| vec![(model.id.to_string(), id::<EventId>().to_string())]);
    let (first, cost) = table
        .meter
        .measure(table.store.list_events_of_subject(patient.id, Some(old), 20, None))
        .await;
    let first = first.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    assert!(cost.calls <= 5 && cost.read < 350.0, "{cost:?}");
    assert_eq!(log(&table.store, &patient, Some(old), 20).await.len(), 1);
}

#[tokio::test]
async fn a_decoy_event_costs_as_much_as_an_event_and_is_never_listed() {
    let table = TestTable::new().await;
    let nobody = patient();
    let failure = event(&nobody, nobody.id, Action::Login, None).with_outcome(Outcome::Failed);
    let ((), pretended) = table
        .meter
        .measure(async { table.store.create_decoy_event(&failure, at(1)).await.unwrap() })
        .await;
    assert_eq!(
        table.store.list_events_of_subject(nobody.id, None, 10, None).await.unwrap().items,
        []
    );
    let items = table.all().await;
    assert_eq!(items.len(), 1);
    assert_eq!(
        (text(&items[0], "entity"), items[0]["ttl"].as_n().unwrap().as_str()),
        (Some("decoy"), "1772366460")
    );
    assert!(!items[0].keys().any(|name| name.starts_with("gsi")));
    let ((), told) =
        table.meter.measure(async { table.store.create_events(&[failure]).await.unwrap() }).await;
    assert_eq!(
        (pretended.round_trips, pretended.calls, pretended.write),
        (told.round_trips, told.calls, told.write)
    );
}

#[tokio::test]
async fn an_event_never_replaces_another_one() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let first = event(&doctor, patient.id, Action::ReadRecord, Some(id()));
    table.store.create_events(std::slice::from_ref(&first)).await.unwrap();
    let other = AuditEvent { action: Action::Login, ..first.clone() };
    let refused = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::Rejected(_))), "{result:?}")
    };
    refused(table.store.create_events(std::slice::from_ref(&other)).await);
    refused(table.store.create_session(&session(&patient), Some(&other)).await);
    let record = record(&patient, &doctor);
    let chart = AuditEvent { action: Action::CreateRecord, ..first.clone() };
    let created = table
        .store
        .create_record(
            &record,
            &[],
            &notification_to_doctor(&patient, &record),
            &chart,
            None,
            &unlimited(),
        )
        .await;
    assert!(
        created.is_err()
            && table
                .item(format!("PATIENT#{}", patient.id), format!("RECORD#{}", record.id))
                .await
                .is_none()
    );
    assert_eq!(log(&table.store, &patient, None, 10).await, std::slice::from_ref(&first));
    // The same event again, as the SDK sends it after a lost connection: the write succeeds.
    table.store.create_events(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(log(&table.store, &patient, None, 10).await, [first]);
}
