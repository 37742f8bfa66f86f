//! Tests of the second half of bulk actions on inboxes.

use domain::id::UserId;
use domain::mail::MailFailure;
use domain::notification::InboxExtent;
use jiff::Timestamp;
use store::mail::MailOutcome;
use store::stream::Change;

use crate::mail::claimed;
use crate::notifications::{mailed, newest, notified, up_to};
use crate::people::{at, doctor, id};
use crate::table::{TestTable, text};

#[tokio::test]
async fn deleted_notifications_are_purged_and_later_ones_stay() {
    let table = TestTable::new().await;
    let (doctor, other) = (doctor(), doctor());
    let old = mailed(&table, &doctor, 60).await;
    notified(&table, &doctor, 1).await;
    notified(&table, &other, 1).await;
    table.store.delete_all_notifications(doctor.id, &up_to(old[0].id), at(5)).await.unwrap();
    for _ in 0..2 {
        table.store.purge_deleted(doctor.id, None, old[0].id).await.unwrap();
        let left = table
            .all()
            .await
            .iter()
            .filter(|item| text(item, "entity") == Some("notification"))
            .count();
        assert_eq!(left, 2);
    }
    table.store.purge_deleted(id(), None, old[0].id).await.unwrap();
    assert_eq!(
        table.store.list_notifications(doctor.id, None, 10, None).await.unwrap().items.len(),
        1
    );
}

/// Does what the changes of an inbox's state ask for, as the dispatcher does it, until they ask for
/// nothing more; returns how often that was.
async fn dispatch_state(table: &TestTable, recipient: UserId) -> usize {
    let image = async || table.item(format!("INBOX#{recipient}"), "STATE").await;
    let (mut before, mut invocations) = (None, 0);
    loop {
        let after = image().await;
        let images = [before, after.clone()].map(|item| item.map(serde_dynamo::Item::from));
        let [old, new] = images;
        let changes = Change::from_images("MODIFY", old, new).unwrap();
        if changes.is_empty() {
            return invocations;
        }
        for change in changes {
            match change {
                Change::InboxRead { recipient_id, after, through, at } => {
                    table.store.settle_read(recipient_id, after, through, at).await.unwrap();
                }
                Change::InboxDeleted { recipient_id, after, through } => {
                    table.store.purge_deleted(recipient_id, after, through).await.unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        invocations += 1;
        before = after;
    }
}

/// Other changes wait while one is dispatched, and an invocation has only so much time.
#[tokio::test]
async fn a_long_inbox_is_changed_part_by_part() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = mailed(&table, &doctor, 1_100).await;
    let newest_id = all[0].id;
    table.store.mark_all_notifications_read(doctor.id, &up_to(newest_id), at(1)).await.unwrap();
    assert_eq!(dispatch_state(&table, doctor.id).await, 3);
    let unread = async || {
        let items = table.all().await;
        items.iter().filter(|item| item.contains_key("gsi1pk")).count()
    };
    assert_eq!(unread().await, 0);

    let later = mailed(&table, &doctor, 1_100).await;
    table.store.delete_all_notifications(doctor.id, &up_to(later[1].id), at(5)).await.unwrap();
    assert_eq!(dispatch_state(&table, doctor.id).await, 5);
    assert_eq!(newest(&table, doctor.id).await, Some(later[0].id));
    let left = table.entities().await.iter().filter(|entity| *entity == "notification").count();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn covered_notifications_get_the_time_of_their_mark_all_read() {
    let table = TestTable::new().await;
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
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = mailed(&table, &doctor, 30).await;
    let (settled, purged) = tokio::join!(
        table.store.settle_read(doctor.id, None, all[0].id, at(2)),
        table.store.purge_deleted(doctor.id, None, all[0].id),
    );
    settled.unwrap();
    purged.unwrap();
    assert_eq!(newest(&table, doctor.id).await, None);
}

/// A deletion right after a notification must not take its mail away.
#[tokio::test]
async fn a_deleted_notification_stays_until_its_mail_has_ended() {
    let table = TestTable::new().await;
    for outcome in [None, Some(MailOutcome::GivenUp), Some(MailOutcome::InDoubt)] {
        for by_id in [true, false] {
            let doctor = doctor();
            let notification = notified(&table, &doctor, 1).await.remove(0);
            let (recipient, id) = (doctor.id, notification.id);
            let item = async || {
                table.item(format!("INBOX#{recipient}"), format!("NOTIFICATION#{id}")).await
            };
            let claim =
                async || claimed(table.store.claim_mail(recipient, id, at(1)).await.unwrap()).1;
            if by_id {
                let extent = InboxExtent { through: None, recent: vec![id] };
                table.store.delete_all_notifications(recipient, &extent, at(5)).await.unwrap();
                table.store.purge_marked(recipient, id).await.unwrap();
            } else {
                table.store.delete_all_notifications(recipient, &up_to(id), at(5)).await.unwrap();
                table.store.purge_deleted(recipient, None, id).await.unwrap();
            }
            assert_eq!(table.store.get_notification(recipient, id).await.unwrap(), None);
            assert_eq!(table.store.count_unread_notifications(recipient).await.unwrap(), 0);
            let inbox = table.store.list_notifications(recipient, None, 9, None).await.unwrap();
            assert!(inbox.items.is_empty());
            // A try that fails does not end it.
            let failure = MailFailure::Throttled;
            let tried = claim().await;
            let again = MailOutcome::TriedAgain;
            table.store.mark_mail_failed(&tried, failure, again, at(1)).await.unwrap();
            let held = claim().await;
            let before = item().await.unwrap();
            match outcome {
                None => table.store.mark_mail_sent(&held, at(2)).await.unwrap(),
                Some(end) => {
                    table.store.mark_mail_failed(&held, failure, end, at(2)).await.unwrap()
                }
            }
            let after = item().await.unwrap();
            let images = [before, after].map(|item| Some(serde_dynamo::Item::from(item)));
            let [old, new] = images;
            let changes = Change::from_images("MODIFY", old, new).unwrap();
            let removal =
                Change::DeletedNotificationMailed { recipient_id: recipient, notification_id: id };
            assert!(changes.contains(&removal), "{changes:?}");
            table.store.purge_notification(recipient, id).await.unwrap();
            assert!(item().await.is_none());
        }
    }
}

#[tokio::test]
async fn a_marked_notification_without_a_pending_mail_is_removed() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = mailed(&table, &doctor, 3).await;
    let extent = InboxExtent { through: None, recent: all.iter().map(|it| it.id).collect() };
    table.store.delete_all_notifications(doctor.id, &extent, at(5)).await.unwrap();
    let kept = mailed(&table, &doctor, 1).await.remove(0);
    for _ in 0..2 {
        table.store.purge_marked(doctor.id, all[2].id).await.unwrap();
        let extent = table.store.get_inbox_extent(doctor.id, Timestamp::now()).await.unwrap();
        assert_eq!(extent, InboxExtent { through: None, recent: vec![kept.id] });
    }
}

/// A query reads so many notifications at most.
#[tokio::test]
async fn marked_notifications_are_removed_however_many_others_are_between_them() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = mailed(&table, &doctor, 502).await;
    let (newest_id, oldest) = (all[0].id, all[501].id);
    let extent = InboxExtent { through: None, recent: vec![newest_id, oldest] };
    table.store.delete_all_notifications(doctor.id, &extent, at(5)).await.unwrap();
    table.store.purge_marked(doctor.id, oldest).await.unwrap();
    assert_eq!(newest(&table, doctor.id).await, Some(all[1].id));
    let left = table.entities().await.iter().filter(|entity| *entity == "notification").count();
    assert_eq!(left, 500);
}
