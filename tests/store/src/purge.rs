//! Tests of the second half of bulk actions on inboxes.

use crate::notifications::notified;
use crate::people::{at, doctor, id};
use crate::table::{Table, text};

#[tokio::test]
async fn deleted_notifications_are_purged_and_later_ones_stay() {
    let table = Table::new().await;
    let (doctor, other) = (doctor(), doctor());
    let old = notified(&table, &doctor, 60).await;
    notified(&table, &doctor, 1).await;
    notified(&table, &other, 1).await;
    table.store.delete_notifications(doctor.id, old[0].id).await.unwrap();
    for _ in 0..2 {
        table.store.purge_deleted(doctor.id, old[0].id).await.unwrap();
        let left = table
            .all()
            .await
            .iter()
            .filter(|item| text(item, "entity") == Some("notification"))
            .count();
        assert_eq!(left, 2);
    }
    table.store.purge_deleted(id(), old[0].id).await.unwrap();
    assert_eq!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.len(),
        1
    );
}

#[tokio::test]
async fn a_long_inbox_is_purged_in_batches() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 1_100).await;
    table.store.purge_deleted(doctor.id, all[0].id).await.unwrap();
    assert_eq!(table.store.get_newest_notification(doctor.id).await.unwrap(), None);
}

#[tokio::test]
async fn covered_notifications_get_the_time_of_their_mark_all_read() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 5).await;
    table.store.mark_notification_read(doctor.id, all[3].id, at(1)).await.unwrap();
    table.store.settle_read(doctor.id, None, all[3].id, at(2)).await.unwrap();
    for _ in 0..2 {
        table.store.settle_read(doctor.id, Some(all[3].id), all[1].id, at(3)).await.unwrap();
        let inbox = table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items;
        let times: Vec<_> = inbox.iter().map(|notification| notification.read_at).collect();
        assert_eq!(times, [None, Some(at(3)), Some(at(3)), Some(at(1)), Some(at(2))]);
        assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 1);
    }
    let item = table
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", all[1].id))
        .await
        .unwrap();
    assert!(!item.contains_key("gsi1pk") && !item.contains_key("gsi1sk"));
}

#[tokio::test]
async fn updating_read_times_does_not_recreate_deleted_notifications() {
    let table = Table::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 30).await;
    let (settled, purged) = tokio::join!(
        table.store.settle_read(doctor.id, None, all[0].id, at(2)),
        table.store.purge_deleted(doctor.id, all[0].id),
    );
    settled.unwrap();
    purged.unwrap();
    assert_eq!(table.store.get_newest_notification(doctor.id).await.unwrap(), None);
}
