//! Tests of inboxes.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::Account;
use domain::id::{NotificationId, RecordId, UserId};
use domain::notification::{InboxExtent, Notification};
use jiff::{SignedDuration, Timestamp};

use crate::people::{at, doctor, id, patient, record};
use crate::table::{Item, TestTable, text};

/// Stores this many notifications to a doctor, whose mails are not sent yet, and returns the whole
/// inbox, newest first.
pub(crate) async fn notified(
    table: &TestTable,
    doctor: &Account,
    number: usize,
) -> Vec<Notification> {
    store_notifications(table, doctor, number, None).await
}

/// Stores the same with mails that are sent.
pub(crate) async fn mailed(
    table: &TestTable,
    doctor: &Account,
    number: usize,
) -> Vec<Notification> {
    store_notifications(table, doctor, number, Some("sent")).await
}

async fn store_notifications(
    table: &TestTable,
    doctor: &Account,
    number: usize,
    mail_state: Option<&str>,
) -> Vec<Notification> {
    let (scratch, patient) = (TestTable::new().await, patient());
    let record = record(&patient, doctor);
    scratch.create(&patient, &record, &[]).await;
    let model = newest(&scratch, doctor.id).await.unwrap();
    let mut item = scratch
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{model}"))
        .await
        .unwrap();
    if let Some(state) = mail_state {
        item.insert("mail_state".to_owned(), AttributeValue::S(state.to_owned()));
    }
    table.multiply(&[item], number, |_| {
        vec![
            (model.to_string(), id::<NotificationId>().to_string()),
            (record.id.to_string(), id::<RecordId>().to_string()),
        ]
    });
    let all = table.store.list_notifications(doctor.id, None, usize::from(u16::MAX), None);
    all.await.unwrap().items
}

/// Returns the newest stored notification of an inbox, deleted or not.
pub(crate) async fn newest(table: &TestTable, recipient: UserId) -> Option<NotificationId> {
    let extent = table.store.get_inbox_extent(recipient, Timestamp::now()).await.unwrap();
    extent.recent.first().copied().or(extent.through)
}

/// Returns what a bulk action covers that covers everything up to and including a notification.
pub(crate) fn up_to(through: NotificationId) -> InboxExtent {
    InboxExtent { through: Some(through), recent: Vec::new() }
}

/// Returns everything that a list shows, page by page: ids, and when they were read.
async fn listed(
    table: &TestTable,
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
    let table = TestTable::new().await;
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
    assert_eq!(newest(&table, doctor.id).await, Some(all[0].id));
    assert_eq!(newest(&table, id()).await, None);
    let item = table
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", all[0].id))
        .await
        .unwrap();
    assert_eq!(text(&item, "gsi1pk"), Some(format!("UNREAD#{}", doctor.id).as_str()));
    assert_eq!(text(&item, "gsi1sk"), Some(all[0].id.to_string().as_str()));
}

#[tokio::test]
async fn the_time_of_the_first_reading_stays() {
    let table = TestTable::new().await;
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
    let table = TestTable::new().await;
    let doctor = doctor();
    let old = notified(&table, &doctor, 3).await;
    table.store.mark_notification_read(doctor.id, old[2].id, at(5)).await.unwrap();
    table.store.mark_all_notifications_read(doctor.id, &up_to(old[0].id), at(10)).await.unwrap();
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
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 4).await;
    for (through, minute) in [(1, 10), (2, 20), (1, 30)] {
        table
            .store
            .mark_all_notifications_read(doctor.id, &up_to(all[through].id), at(minute))
            .await
            .unwrap();
    }
    let shown = table.store.get_notification(doctor.id, all[1].id).await.unwrap().unwrap();
    assert_eq!(shown.read_at, Some(at(10)));
    table.store.mark_all_notifications_read(doctor.id, &up_to(all[0].id), at(40)).await.unwrap();
    assert_eq!(
        table.store.get_notification(doctor.id, all[0].id).await.unwrap().unwrap().read_at,
        Some(at(40))
    );
    for through in [2, 3] {
        table
            .store
            .delete_all_notifications(doctor.id, &up_to(all[through].id), at(5))
            .await
            .unwrap();
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
    let table = TestTable::new().await;
    let doctor = doctor();
    let old = notified(&table, &doctor, 3).await;
    table.store.delete_all_notifications(doctor.id, &up_to(old[0].id), at(5)).await.unwrap();
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
    let table = TestTable::new().await;
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

/// The time of a notification's commit is not that of its id: another one can be committed first.
#[tokio::test]
async fn a_bulk_action_leaves_a_notification_that_is_committed_later() {
    let table = TestTable::new().await;
    let doctor = doctor();
    // The id of the older notification is made, then the newer one is stored.
    let older = id();
    let newer = mailed(&table, &doctor, 1).await.remove(0);
    assert!(older < newer.id);
    let extent = table.store.get_inbox_extent(doctor.id, Timestamp::now()).await.unwrap();
    assert_eq!(extent, InboxExtent { through: None, recent: vec![newer.id] });
    table.store.mark_all_notifications_read(doctor.id, &extent, at(1)).await.unwrap();
    assert_eq!(listed(&table, doctor.id, Some(true), 9).await, [(newer.id, Some(at(1)))]);
    table.store.delete_all_notifications(doctor.id, &extent, at(5)).await.unwrap();
    store_copy(&table, &newer, older);
    assert_eq!(listed(&table, doctor.id, Some(false), 9).await, [(older, None)]);
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 1);
}

/// A sandbox whose clock is an hour behind that of the bulk action makes ids of an hour ago.
#[tokio::test]
async fn a_bulk_action_leaves_what_a_clock_an_hour_behind_commits_later() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let old = mailed(&table, &doctor, 1).await.remove(0);
    let now = Timestamp::now() + SignedDuration::from_hours(2);
    let made = |time| NotificationId::first_at(time);
    let behind = made(now - SignedDuration::from_hours(1));
    let newest = made(now - SignedDuration::from_mins(1));
    store_copy(&table, &old, newest);
    let extent = table.store.get_inbox_extent(doctor.id, now).await.unwrap();
    assert_eq!(extent, InboxExtent { through: Some(old.id), recent: vec![newest] });
    table.store.mark_all_notifications_read(doctor.id, &extent, now).await.unwrap();
    store_copy(&table, &old, behind);
    let unread = |id| vec![(id, None)];
    assert_eq!(listed(&table, doctor.id, Some(false), 9).await, unread(behind));
    table.store.delete_all_notifications(doctor.id, &extent, now).await.unwrap();
    assert_eq!(listed(&table, doctor.id, None, 9).await, unread(behind));
}

/// Stores a notification with another id, not read and not mailed.
fn store_copy(table: &TestTable, notification: &Notification, id: NotificationId) {
    let text = |value: &dyn ToString| AttributeValue::S(value.to_string());
    let recipient = notification.recipient_id;
    let item = Item::from(
        [
            ("pk", text(&format!("INBOX#{recipient}"))),
            ("sk", text(&format!("NOTIFICATION#{id}"))),
            ("entity", text(&"notification")),
            ("gsi1pk", text(&format!("UNREAD#{recipient}"))),
            ("gsi1sk", text(&id)),
            ("notification_type", text(&notification.notification_type)),
            ("actor_id", text(&notification.actor_id)),
            ("message", text(&notification.message)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    table.multiply(&[item], 1, |_| Vec::new());
}

/// A sandbox whose clock is ahead makes ids from the future.
#[tokio::test]
async fn a_bulk_action_on_ids_from_the_future_leaves_those_of_the_present() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let old = mailed(&table, &doctor, 1).await.remove(0);
    let soon = Timestamp::now() + SignedDuration::from_hours(2);
    let ahead = NotificationId::first_at(soon + SignedDuration::from_hours(1));
    store_copy(&table, &old, ahead);
    let extent = table.store.get_inbox_extent(doctor.id, soon).await.unwrap();
    assert_eq!(extent, InboxExtent { through: Some(old.id), recent: vec![ahead] });
    table.store.mark_all_notifications_read(doctor.id, &extent, at(1)).await.unwrap();
    table.store.delete_all_notifications(doctor.id, &extent, at(5)).await.unwrap();
    let next = mailed(&table, &doctor, 1).await.into_iter().map(|new| (new.id, None));
    assert_eq!(listed(&table, doctor.id, None, 9).await, next.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bulk_action_covers_more_recent_notifications_than_it_changes_one_by_one() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = mailed(&table, &doctor, 130).await;
    let extent = table.store.get_inbox_extent(doctor.id, Timestamp::now()).await.unwrap();
    assert_eq!((extent.recent.len(), extent.through), (24, Some(all[24].id)));
    table.store.mark_all_notifications_read(doctor.id, &extent, at(1)).await.unwrap();
    assert_eq!(table.store.count_unread_notifications(doctor.id).await.unwrap(), 0);
    table.store.delete_all_notifications(doctor.id, &extent, at(5)).await.unwrap();
    assert!(listed(&table, doctor.id, None, 200).await.is_empty());
}
