//! Tests of inboxes.

use domain::account::Account;
use domain::id::{NotificationId, RecordId, UserId};
use domain::notification::Notification;
use jiff::Timestamp;

use crate::people::{at, doctor, id, patient, record};
use crate::table::{Table, text};

/// Stores this many notifications to a doctor, and returns the whole inbox, newest first.
pub(crate) async fn notified(table: &Table, doctor: &Account, number: usize) -> Vec<Notification> {
    let (scratch, patient) = (Table::new().await, patient());
    let record = record(&patient, doctor);
    scratch.create(&patient, &record, &[]).await;
    let model = scratch.store.get_newest_notification(doctor.id).await.unwrap().unwrap();
    let item = scratch
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{model}"))
        .await
        .unwrap();
    table.multiply(&[item], number, |_| {
        vec![
            (model.to_string(), id::<NotificationId>().to_string()),
            (record.id.to_string(), id::<RecordId>().to_string()),
        ]
    });
    let all = table.store.list_notifications(doctor.id, None, usize::from(u16::MAX), None);
    all.await.unwrap().items
}

/// Returns everything that a list shows, page by page: ids, and when they were read.
async fn listed(
    table: &Table,
    user: UserId,
    is_read: Option<bool>,
    limit: usize,
) -> Vec<(NotificationId, Option<Timestamp>)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = table.store.list_notifications(user, is_read, limit, after).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items.iter().map(|notification| (notification.id, notification.read_at)));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn an_inbox_is_paged_newest_first() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 7).await;
    assert!(all.len() == 7 && all.is_sorted_by(|a, b| a.id > b.id));
    let expected: Vec<_> = all.iter().map(|notification| (notification.id, None)).collect();
    for limit in [1, 3, 6, 7, 100] {
        assert_eq!(listed(&table, doctor.id, None, limit).await, expected);
        assert_eq!(listed(&table, doctor.id, Some(false), limit).await, expected);
        assert!(listed(&table, doctor.id, Some(true), limit).await.is_empty());
    }
    assert_eq!(table.store.list_notifications(doctor.id, None, 7, None).await.unwrap().next, None);
    assert!(listed(&table, id(), None, 10).await.is_empty());
    assert_eq!(table.store.get_newest_notification(doctor.id).await.unwrap(), Some(all[0].id));
    assert_eq!(table.store.get_newest_notification(id()).await.unwrap(), None);
    let item = table
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", all[0].id))
        .await
        .unwrap();
    assert_eq!(text(&item, "gsi1pk"), Some(format!("UNREAD#{}", doctor.id).as_str()));
    assert_eq!(text(&item, "gsi1sk"), Some(all[0].id.to_string().as_str()));
}

#[tokio::test]
async fn the_time_of_the_first_reading_stays() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 3).await;
    let read =
        table.store.mark_notification_read(doctor.id, all[1].id, at(5)).await.unwrap().unwrap();
    assert_eq!(read, Notification { read_at: Some(at(5)), ..all[1].clone() });
    let again =
        table.store.mark_notification_read(doctor.id, all[1].id, at(6)).await.unwrap().unwrap();
    assert_eq!(again.read_at, Some(at(5)));
    assert_eq!(table.store.get_notification(doctor.id, all[1].id).await.unwrap(), Some(read));
    assert_eq!(
        table.store.get_notification(doctor.id, all[0].id).await.unwrap(),
        Some(all[0].clone()),
        "reading one reads one"
    );
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 2);
    for limit in [1, 2, 10] {
        assert_eq!(listed(&table, doctor.id, Some(true), limit).await, [(all[1].id, Some(at(5)))]);
        assert_eq!(
            listed(&table, doctor.id, Some(false), limit).await,
            [(all[0].id, None), (all[2].id, None)]
        );
    }
    assert_eq!(table.store.mark_notification_read(doctor.id, id(), at(6)).await.unwrap(), None);
    assert_eq!(
        table.store.mark_notification_read(id(), all[1].id, at(6)).await.unwrap(),
        None,
        "in somebody else's inbox"
    );
    assert_eq!(table.store.get_notification(doctor.id, id()).await.unwrap(), None);
}

#[tokio::test]
async fn mark_all_read_covers_all_stored_notifications_and_no_later_ones() {
    let table = Table::new().await;
    let doctor = doctor();
    let old = notified(&table, &doctor, 3).await;
    table.store.mark_notification_read(doctor.id, old[2].id, at(5)).await.unwrap();
    table.store.mark_notifications_read(doctor.id, old[0].id, at(10)).await.unwrap();
    let new = notified(&table, &doctor, 5).await;
    let (new, old) = (&new[..2], &old);
    let read = [(old[0].id, Some(at(10))), (old[1].id, Some(at(10))), (old[2].id, Some(at(5)))];
    let unread = [(new[0].id, None), (new[1].id, None)];
    for limit in [1, 2, 3, 10] {
        assert_eq!(&listed(&table, doctor.id, None, limit).await[..2], unread);
        assert_eq!(listed(&table, doctor.id, Some(true), limit).await, read);
    }
    assert_eq!(
        table.store.get_notification(doctor.id, old[1].id).await.unwrap().unwrap().read_at,
        Some(at(10))
    );
    let again =
        table.store.mark_notification_read(doctor.id, old[1].id, at(20)).await.unwrap().unwrap();
    assert_eq!(again.read_at, Some(at(10)));
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 5);
}

#[tokio::test]
async fn a_watermark_never_goes_back() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 4).await;
    for (through, minute) in [(1, 10), (2, 20), (1, 30)] {
        table.store.mark_notifications_read(doctor.id, all[through].id, at(minute)).await.unwrap();
    }
    let shown = table.store.get_notification(doctor.id, all[1].id).await.unwrap().unwrap();
    assert_eq!(shown.read_at, Some(at(10)));
    table.store.mark_notifications_read(doctor.id, all[0].id, at(40)).await.unwrap();
    assert_eq!(
        table.store.get_notification(doctor.id, all[0].id).await.unwrap().unwrap().read_at,
        Some(at(40))
    );
    for through in [2, 3] {
        table.store.delete_notifications(doctor.id, all[through].id).await.unwrap();
        let shown: Vec<_> =
            listed(&table, doctor.id, None, 10).await.into_iter().map(|(id, _)| id).collect();
        assert_eq!(shown, [all[0].id, all[1].id]);
    }
    let state = table.item(format!("INBOX#{}", doctor.id), "STATE").await.unwrap();
    assert_eq!(text(&state, "deleted_through"), Some(all[2].id.to_string().as_str()));
    assert_eq!(text(&state, "read_through"), Some(all[0].id.to_string().as_str()));
    assert_eq!(text(&state, "entity"), Some("inbox_state"));
}

#[tokio::test]
async fn deleted_notifications_are_not_shown_anywhere() {
    let table = Table::new().await;
    let doctor = doctor();
    let old = notified(&table, &doctor, 3).await;
    table.store.delete_notifications(doctor.id, old[0].id).await.unwrap();
    for is_read in [None, Some(true), Some(false)] {
        assert!(listed(&table, doctor.id, is_read, 2).await.is_empty());
    }
    assert_eq!(table.store.get_notification(doctor.id, old[0].id).await.unwrap(), None);
    assert_eq!(
        table.store.mark_notification_read(doctor.id, old[0].id, at(1)).await.unwrap(),
        None
    );
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 0);
    notified(&table, &doctor, 1).await;
    for limit in [1, 10] {
        assert_eq!(listed(&table, doctor.id, None, limit).await.len(), 1, "later ones are shown");
    }
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 1);
}

#[tokio::test]
async fn a_list_of_read_notifications_reads_a_bounded_part_of_the_inbox() {
    let table = Table::new().await;
    let doctor = doctor();
    let oldest = notified(&table, &doctor, 1).await;
    table.store.mark_notification_read(doctor.id, oldest[0].id, at(1)).await.unwrap();
    notified(&table, &doctor, 1_400).await;
    let (page, cost) =
        table.meter.measure(table.store.list_notifications(doctor.id, Some(true), 20, None)).await;
    let page = page.unwrap();
    assert!(page.items.is_empty() && page.next.is_some() && cost.calls == 6);
    assert_eq!(listed(&table, doctor.id, Some(true), 20).await, [(oldest[0].id, Some(at(1)))]);
    assert_eq!(
        table.store.count_unread_notifications(doctor.id).await.unwrap(),
        store::notifications::MAX_UNREAD_COUNTED
    );
}
