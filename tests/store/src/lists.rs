//! Tests of the lists for staff: all things of a kind, and those of one user.

use std::cmp::Reverse;

use domain::account::{Account, Role};
use domain::email::Email;
use domain::id::{AnnotationId, FileId, NotificationId, RecordId, UserId};
use domain::notification::NotificationType;
use domain::record::{Record, RecordType};
use jiff::Timestamp;
use store::Span;
use store::staff::lists::{
    AnnotationEntry, ChartEntry, FileEntry, ListEntry, NotificationEntry, RecordEntry, UserEntry,
};
use uuid::Uuid;

use crate::meter::Cost;
use crate::notifications::notified;
use crate::people::{annotation, at, doctor, file, id, id_at, patient, record};
use crate::table::{Item, NAME, TestTable, text};

const NOW: &str = "2026-11-23T10:00:00Z";

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns the ids of a whole list, page by page.
async fn walk<T: ListEntry>(
    table: &TestTable,
    now: &str,
    span: Span,
    limit: usize,
    shows: impl Fn(&T) -> bool,
) -> Vec<Uuid> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page =
            table.store.list_entries::<T>(moment(now), span, limit, after, &shows).await.unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|entry| -> Uuid { entry.id().into() }));
        match page.next {
            Some(next) => after = Some(next),
            None => return ids,
        }
    }
}

/// Registers patients created at the given times.
async fn registered(table: &TestTable, moments: &[&str]) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = Vec::new();
    for moment in moments {
        let account = Account { id: id_at(moment), ..patient() };
        let account = Account {
            email: Email::parse(&format!("{}@example.com", account.id)).unwrap(),
            ..account
        };
        table.register(&account).await;
        ids.push(account.id.into());
    }
    ids.sort_unstable_by_key(|id| Reverse(*id));
    ids
}

/// Stores copies of the items of a chart or an inbox under other ids, which are listed in an index.
fn multiply(table: &TestTable, items: &[Item], number: usize, ids: &[String]) {
    table.multiply(items, number, |_| {
        let new: Uuid = id::<RecordId>().into();
        let mut pairs: Vec<(String, String)> =
            ids.iter().map(|old| (old.clone(), id::<RecordId>().to_string())).collect();
        pairs[0].1 = new.to_string();
        // The index entry goes to the shard of the new id.
        let shard = |id: &str| u8::from_str_radix(&id[34..], 16).unwrap() % 8;
        for item in items {
            let (partition, sort) = (text(item, "gsi3pk").unwrap(), text(item, "gsi3sk").unwrap());
            let new = &pairs.iter().find(|(old, _)| old == sort).unwrap().1;
            pairs.push((
                partition.to_owned(),
                format!("{}{}", &partition[..partition.len() - 1], shard(new)),
            ));
        }
        pairs
    });
}

#[tokio::test]
async fn pages_that_end_in_empty_months_lose_no_entries() {
    let table = TestTable::new().await;
    // More than thirteen months before the time of the walk: the work for one page ends in the
    // empty months between.
    let ids = registered(
        &table,
        &[
            "2028-03-15T12:00:00Z",
            "2028-02-15T12:00:00Z",
            "2027-03-15T12:00:00Z",
            "2026-03-01T00:00:00Z",
        ],
    )
    .await;
    for limit in [1, 20] {
        assert_eq!(
            walk::<UserEntry>(&table, "2029-03-01T00:00:00Z", Span::default(), limit, |_| true)
                .await,
            ids
        );
    }
}

#[tokio::test]
async fn imported_things_older_than_the_system_are_listed() {
    let table = TestTable::new().await;
    let moments = [
        "2026-02-01T00:00:00Z",
        "2026-01-05T00:00:00Z",
        "2025-12-31T23:59:59Z",
        "2019-05-01T00:00:00Z",
        "2019-05-01T00:00:01Z",
        "1999-01-01T00:00:00Z",
    ];
    let ids = registered(&table, &moments).await;
    for limit in [1, 2, 5, 6, 100] {
        assert_eq!(walk::<UserEntry>(&table, NOW, Span::default(), limit, |_| true).await, ids);
    }
    let span = Span {
        created_after: Some(moment("2019-01-01T00:00:00Z")),
        created_before: Some(moment("2020-01-01T00:00:00Z")),
    };
    assert_eq!(walk::<UserEntry>(&table, NOW, span, 1, |_| true).await, ids[3..5]);
}

#[tokio::test]
async fn a_list_is_narrowed_by_year_month_and_day() {
    let table = TestTable::new().await;
    let moments = [
        "2026-03-04T23:59:59.999Z",
        "2026-03-05T00:00:00Z",
        "2026-03-05T12:00:00Z",
        "2026-03-05T23:59:59.999Z",
        "2026-03-06T00:00:00Z",
        "2026-04-01T00:00:00Z",
        "2027-01-01T00:00:00Z",
    ];
    let ids = registered(&table, &moments).await;
    let between = async |after: &str, before: &str, limit: usize| {
        let span =
            Span { created_after: Some(moment(after)), created_before: Some(moment(before)) };
        walk::<UserEntry>(&table, "2027-06-01T00:00:00Z", span, limit, |_| true).await
    };
    for limit in [1, 3, 100] {
        assert_eq!(between("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", limit).await, ids[1..]);
        assert_eq!(between("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", limit).await, ids[2..]);
        assert_eq!(between("2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z", limit).await, ids[3..6]);
    }
    assert!(between("2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", 5).await.is_empty());
    assert!(
        between("2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z", 5).await.is_empty(),
        "a time to come"
    );
    // A day takes one round of queries, whatever its age.
    let day = Span {
        created_after: Some(moment("2026-03-05T00:00:00Z")),
        created_before: Some(moment("2026-03-06T00:00:00Z")),
    };
    let (page, cost) = table
        .meter
        .measure(table.store.list_entries::<UserEntry>(moment(NOW), day, 25, None, |_| true))
        .await;
    assert_eq!((page.unwrap().items.len(), cost.round_trips, cost.calls), (3, 1, 8));
}

#[tokio::test]
async fn a_filtered_list_contains_every_match() {
    let table = TestTable::new().await;
    let mut doctors: Vec<Uuid> = Vec::new();
    for number in 0..40 {
        let account = if number % 10 == 3 { doctor() } else { patient() };
        table.register(&account).await;
        if account.role == Role::Doctor {
            doctors.insert(0, account.id.into());
        }
    }
    let now = Timestamp::now().to_string();
    for limit in [1, 2, 3, 4, 25] {
        assert_eq!(
            walk::<UserEntry>(&table, &now, Span::default(), limit, |it| it.role == Role::Doctor)
                .await,
            doctors
        );
    }
    assert!(
        walk::<UserEntry>(&table, &now, Span::default(), 25, |it| !it.is_active).await.is_empty()
    );
}

#[tokio::test]
async fn lists_contain_no_text_that_people_have_written() {
    let table = TestTable::new().await;
    let (patient, doctor, record, files) = table.record_with_files(1).await;
    let note = annotation(&record);
    table.annotate(&doctor, &record, &note).await;
    let now = Timestamp::now();

    let records = table
        .store
        .list_entries::<RecordEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap();
    let entry = RecordEntry {
        id: record.id,
        patient_id: patient.id,
        doctor_id: doctor.id,
        record_type: record.record_type,
    };
    assert_eq!((records.items, records.next), (vec![entry], None));
    assert_eq!(table.store.get_entry::<RecordEntry>(record.id).await.unwrap(), Some(entry));
    assert_eq!(table.store.get_entry::<RecordEntry>(id()).await.unwrap(), None);

    let found = table
        .store
        .list_entries::<FileEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap();
    let entry = FileEntry { id: files[0].id, patient_id: patient.id, record_id: record.id };
    assert_eq!(found.items, [entry]);
    assert_eq!(table.store.get_entry::<FileEntry>(entry.id).await.unwrap(), Some(entry));

    let found = table
        .store
        .list_entries::<AnnotationEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap();
    let entry = AnnotationEntry {
        id: note.id,
        patient_id: patient.id,
        record_id: record.id,
        author_id: doctor.id,
    };
    assert_eq!(found.items, [entry]);

    let found = table
        .store
        .list_entries::<NotificationEntry>(now, Span::default(), 25, None, |_| true)
        .await
        .unwrap();
    let told: Vec<_> = found
        .items
        .iter()
        .map(|it| (it.recipient_id, it.notification_type, it.record_id, it.patient_id, it.read_at))
        .collect();
    let both = (Some(record.id), Some(patient.id), None);
    let expected = [
        (patient.id, NotificationType::RecordAnnotated),
        (doctor.id, NotificationType::RecordUpdated),
    ]
    .map(|(recipient, what)| (recipient, what, both.0, both.1, both.2));
    assert_eq!(told, expected);
    table.store.mark_notification_read(patient.id, found.items[0].id, at(5)).await.unwrap();
    let unread = |it: &NotificationEntry| it.read_at.is_none();
    assert_eq!(
        walk::<NotificationEntry>(&table, &now.to_string(), Span::default(), 25, unread).await,
        [Uuid::from(found.items[1].id)]
    );

    // The index contains nothing but what the lists show.
    let entries = table
        .client
        .scan()
        .table_name(NAME)
        .index_name("gsi3")
        .send()
        .await
        .unwrap()
        .items
        .unwrap();
    let shown = [
        "pk",
        "sk",
        "gsi3pk",
        "gsi3sk",
        "role",
        "is_active",
        "record_type",
        "patient_id",
        "doctor_id",
        "author_id",
        "record_id",
        "notification_type",
        "read_at",
    ];
    for name in entries.iter().flat_map(|entry| entry.keys()) {
        assert!(shown.contains(&name.as_str()), "the index shows {name}");
    }
}

/// Returns all entries of a chart, page by page.
async fn in_chart<T: ChartEntry>(
    table: &TestTable,
    patient: UserId,
    limit: usize,
    shows: impl Fn(&T) -> bool,
) -> Vec<Uuid> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = table
            .store
            .list_entries_of_chart::<T>(patient, limit, after.as_ref(), &shows)
            .await
            .unwrap();
        assert!(page.items.len() <= limit);
        ids.extend(page.items.iter().map(|entry| -> Uuid { entry.id().into() }));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn a_chart_is_listed_by_record_newest_first() {
    let table = TestTable::new().await;
    let (patient, doctor) = (patient(), doctor());
    let (mut records, mut files, mut notes): (Vec<Uuid>, Vec<Uuid>, Vec<Uuid>) = Default::default();
    for number in 0..7 {
        let record_type = if number == 2 { RecordType::Imaging } else { RecordType::General };
        let record = Record { file_count: 2, record_type, ..record(&patient, &doctor) };
        let new = [file(&record), file(&record)];
        table.create(&patient, &record, &new).await;
        files.splice(0..0, [new[1].id.into(), new[0].id.into()]);
        let note = annotation(&record);
        table.annotate(&doctor, &record, &note).await;
        notes.insert(0, note.id.into());
        records.insert(0, record.id.into());
    }
    for limit in [1, 2, 3, 6, 7, 14, 100] {
        assert_eq!(in_chart::<RecordEntry>(&table, patient.id, limit, |_| true).await, records);
        assert_eq!(in_chart::<FileEntry>(&table, patient.id, limit, |_| true).await, files);
        assert_eq!(
            in_chart::<AnnotationEntry>(&table, patient.id, limit, |it| it.author_id == doctor.id)
                .await,
            notes
        );
        assert_eq!(
            in_chart::<RecordEntry>(&table, patient.id, limit, |it| it.record_type
                == RecordType::Imaging)
            .await,
            records[4..5]
        );
    }
    let page = table
        .store
        .list_entries_of_chart::<FileEntry>(patient.id, 1, None, |_| true)
        .await
        .unwrap();
    let last = table
        .store
        .list_entries_of_chart::<RecordEntry>(patient.id, 1, None, |_| true)
        .await
        .unwrap();
    let expected = RecordEntry {
        id: records[0].into(),
        patient_id: patient.id,
        doctor_id: doctor.id,
        record_type: RecordType::General,
    };
    assert_eq!(last.items, [expected]);
    assert_eq!((page.items[0].patient_id, page.items[0].record_id), (patient.id, expected.id));
    assert!(in_chart::<RecordEntry>(&table, id(), 5, |_| true).await.is_empty());
}

#[tokio::test]
async fn an_inbox_is_listed_without_its_messages() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all: Vec<NotificationId> =
        notified(&table, &doctor, 7).await.iter().map(|it| it.id).collect();
    for limit in [1, 3, 7, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = table
                .store
                .list_entries_of_inbox(doctor.id, limit, after.as_ref(), |_| true)
                .await
                .unwrap();
            assert!(
                page.items.len() <= limit
                    && page
                        .items
                        .iter()
                        .all(|it| it.recipient_id == doctor.id && it.record_id.is_some())
            );
            found.extend(page.items.iter().map(|it| it.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, all);
    }
    let none = |it: &NotificationEntry| it.notification_type == NotificationType::RecordAnnotated;
    assert!(
        table.store.list_entries_of_inbox(doctor.id, 5, None, none).await.unwrap().items.is_empty()
    );
}

#[tokio::test]
async fn a_page_costs_the_same_however_long_the_list_is() {
    let mut costs: Vec<[Cost; 3]> = Vec::new();
    for number in [1_000, 10_000] {
        let table = TestTable::new().await;
        let scratch = TestTable::new().await;
        let (_, doctor, record, files) = scratch.record_with_files(1).await;
        let note = annotation(&record);
        scratch.annotate(&doctor, &record, &note).await;
        let listed: Vec<Item> =
            scratch.all().await.into_iter().filter(|item| item.contains_key("gsi3pk")).collect();
        let told = listed
            .iter()
            .filter(|item| text(item, "entity") == Some("notification"))
            .map(|item| text(item, "gsi3sk").unwrap());
        let mut ids = vec![record.id.to_string(), files[0].id.to_string(), note.id.to_string()];
        ids.extend(told.map(str::to_owned));
        multiply(&table, &listed, number, &ids);
        let (store, now) = (&table.store, Timestamp::now());
        let (page, records) = table
            .meter
            .measure(store.list_entries::<RecordEntry>(now, Span::default(), 25, None, |_| true))
            .await;
        let page = page.unwrap();
        assert!(
            page.items.len() == 25
                && page.next.is_some()
                && page.items.is_sorted_by(|one, other| one.id > other.id)
        );
        let second = store
            .list_entries::<RecordEntry>(now, Span::default(), 25, page.next, |_| true)
            .await
            .unwrap();
        assert!(second.items[0].id < page.items[24].id);
        let files = store.list_entries::<FileEntry>(now, Span::default(), 25, None, |_| true);
        let (_, files) = table.meter.measure(files).await;
        let never = store.list_entries::<NotificationEntry>(now, Span::default(), 25, None, |it| {
            it.read_at.is_some()
        });
        let (page, filtered) = table.meter.measure(never).await;
        assert!(page.unwrap().items.is_empty());
        assert!(
            filtered.round_trips <= 12,
            "a filter that lets nothing through has an end: {filtered:?}"
        );
        println!("{number}: {records:?} {files:?} {filtered:?}");
        costs.push([records, files, filtered]);
    }
    assert_eq!((costs[0][0], costs[0][1]), (costs[1][0], costs[1][1]));
    assert_eq!(
        costs[0][0],
        Cost { round_trips: 1, calls: 8, read: costs[0][0].read, write: 0.0, index: 0.0 }
    );
    assert!(costs[0][0].read <= 16.0, "{costs:?}");
}

#[tokio::test]
async fn an_entry_is_found_by_its_id_whatever_its_age() {
    let table = TestTable::new().await;
    let ids = registered(
        &table,
        &["2018-03-15T12:00:00Z", "2026-01-01T00:00:00Z", "2026-11-15T12:00:00Z"],
    )
    .await;
    for id in ids {
        assert_eq!(
            table.store.get_entry::<UserEntry>(id.into()).await.unwrap().map(|it| it.id),
            Some(id.into())
        );
    }
    assert_eq!(table.store.get_entry::<AnnotationEntry>(id::<AnnotationId>()).await.unwrap(), None);
    assert_eq!(table.store.get_entry::<FileEntry>(id::<FileId>()).await.unwrap(), None);
    // Ids that were never made: one of another UUID version, and the lowest of all.
    for odd in [Uuid::nil(), Uuid::max()] {
        assert_eq!(table.store.get_entry::<UserEntry>(odd.into()).await.unwrap(), None);
    }
}
