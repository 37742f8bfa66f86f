//! Tests of the changes that are read from records of the table's stream.

use std::slice;

use domain::account::{Account, Role};
use domain::audit::Action;
use domain::counter::Counts;
use domain::file::object_key;
use domain::mail::{AccountSnapshot, Mail, MailFailure, MailKind, MailMessage, MailToken};
use domain::notification::InboxExtent;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use store::Error;
use store::mail::{MailClaim, MailOutcome};
use store::stream::Change;

use crate::mail::{claimed, order};
use crate::notifications::{notified, up_to};
use crate::people::{at, doctor, event, id, patient, user};
use crate::table::{Item, TestTable, text};

fn changes(event: &str, old: Option<&Item>, new: Option<&Item>) -> Vec<Change> {
    let image = |item: Option<&Item>| item.map(|item| serde_dynamo::Item::from(item.clone()));
    Change::from_images(event, image(old), image(new)).unwrap()
}

#[tokio::test]
async fn a_new_notification_is_a_change() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let items = table.all().await;
    let added = Change::NotificationMailOrdered {
        due_at: notification.mail_due_at(),
        recipient_id: doctor.id,
        notification_id: notification.id,
    };
    for item in &items {
        let expected = if text(item, "entity") == Some("notification") {
            vec![added.clone()]
        } else {
            Vec::new()
        };
        assert_eq!(changes("INSERT", None, Some(item)), expected);
        assert_eq!(changes("MODIFY", Some(item), Some(item)), []);
        assert_eq!(changes("REMOVE", Some(item), None), []);
    }
    // Some event sources send an empty image instead of none.
    let empty = Item::new();
    let item = items.iter().find(|item| text(item, "entity") == Some("notification")).unwrap();
    assert_eq!(changes("INSERT", Some(&empty), Some(item)), [added]);
}

#[tokio::test]
async fn a_removed_account_is_a_change() {
    let table = TestTable::new().await;
    let account = patient();
    table.register(&account).await;
    let items = table.all().await;
    let told = items.iter().flat_map(|item| changes("REMOVE", Some(item), None));
    let told: Vec<Change> = told.collect();
    assert_eq!(told, [Change::UserRemoved { user_id: account.id }]);
}

#[tokio::test]
async fn a_removed_file_is_a_change_with_the_key_of_its_object() {
    let table = TestTable::new().await;
    let (_, _, _, files) = table.record_with_files(1).await;
    let mut told = Vec::new();
    for item in table.all().await {
        told.extend(changes("REMOVE", Some(&item), None));
        let entity = text(&item, "entity").unwrap();
        assert!(
            ["notification", "record"].contains(&entity)
                || changes("INSERT", None, Some(&item)).is_empty()
        );
    }
    assert_eq!(
        told,
        [Change::FileRemoved { file_id: files[0].id, object_key: object_key(files[0].id) }]
    );
}

#[tokio::test]
async fn bulk_actions_are_changes_when_their_watermark_rises() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let all = notified(&table, &doctor, 2).await;
    let state = async || table.item(format!("INBOX#{}", doctor.id), "STATE").await.unwrap();
    let (recipient_id, older, newer) = (doctor.id, all[1].id, all[0].id);

    table.store.mark_all_notifications_read(doctor.id, &up_to(older), at(1)).await.unwrap();
    let first = state().await;
    assert_eq!(
        changes("INSERT", None, Some(&first)),
        [Change::InboxRead { recipient_id, after: None, through: older, at: at(1) }]
    );
    assert_eq!(changes("MODIFY", Some(&first), Some(&first)), []);

    table.store.delete_all_notifications(doctor.id, &up_to(older), at(5)).await.unwrap();
    let second = state().await;
    assert_eq!(
        changes("MODIFY", Some(&first), Some(&second)),
        [Change::InboxDeleted { recipient_id, after: None, through: older }]
    );

    table.store.mark_all_notifications_read(doctor.id, &up_to(newer), at(2)).await.unwrap();
    let third = state().await;
    let further = Change::InboxRead { recipient_id, after: Some(older), through: newer, at: at(2) };
    assert_eq!(changes("MODIFY", Some(&second), Some(&third)), [further]);
    assert_eq!(changes("REMOVE", Some(&third), None), []);

    let recent = InboxExtent { through: None, recent: vec![newer] };
    table.store.delete_all_notifications(doctor.id, &recent, at(6)).await.unwrap();
    let fourth = state().await;
    assert_eq!(
        changes("MODIFY", Some(&third), Some(&fourth)),
        [Change::RecentDeleted { recipient_id, oldest: InboxExtent::oldest_recent(at(6)) }]
    );
}

#[tokio::test]
async fn an_invalid_item_is_refused_without_repeating_its_values() {
    let table = TestTable::new().await;
    notified(&table, &doctor(), 1).await;
    let mut item = table
        .all()
        .await
        .into_iter()
        .find(|item| text(item, "entity") == Some("notification"))
        .unwrap();
    item.remove("message");
    item.insert(
        "record_id".to_owned(),
        aws_sdk_dynamodb::types::AttributeValue::S("secret".to_owned()),
    );
    let error = Change::from_images("INSERT", None, Some(item.into())).unwrap_err();
    assert!(matches!(error, Error::Corrupt { entity: "notification", .. }));
    assert!(!format!("{error} {error:?}").contains("secret"));
    assert_eq!(Change::from_images("INSERT", None, None).unwrap(), []);
}

#[tokio::test]
async fn new_mails_and_unconfirmed_users_are_changes() {
    let table = TestTable::new().await;
    let (confirmed, unconfirmed) = (patient(), Account { email_verified: false, ..patient() });
    table.register(&confirmed).await;
    table.register(&unconfirmed).await;
    let mail = Mail::new(id(), MailKind::PasswordChanged, confirmed.id, at(0));
    table.store.create_mail(&mail).await.unwrap();
    table.store.create_mail(&Mail::new(id(), MailKind::Decoy, id(), at(0))).await.unwrap();
    let token = MailToken::new(
        MailKind::VerifyEmail,
        confirmed.id,
        confirmed.email.clone(),
        AccountSnapshot::of(&confirmed),
        at(0),
    );
    table.store.create_mail_token("a-hash", &token).await.unwrap();
    let mut told = Vec::new();
    for item in table.all().await {
        told.extend(changes("INSERT", None, Some(&item)));
        assert_eq!(changes("MODIFY", Some(&item), Some(&item)), []);
    }
    let (added, user) =
        (Change::MailOrdered { mail_id: mail.id }, Change::UserAdded { user_id: unconfirmed.id });
    told.retain(|change| !matches!(change, Change::Counts { .. }));
    assert_eq!(told.len(), 2);
    assert!(told.contains(&added) && told.contains(&user), "{told:?}");
}

fn counted(day: Timestamp, counts: Counts) -> Change {
    Change::Counts { day: day.to_zoned(TimeZone::UTC).date(), counts }
}

#[tokio::test]
async fn users_and_records_count_on_the_day_of_their_creation() {
    let table = TestTable::new().await;
    let (patient, doctor, _, _) = table.record_with_files(1).await;
    let admin = user(Role::Admin, "Ada", "Lovelace");
    for account in [&patient, &doctor, &admin] {
        table.register(account).await;
    }
    let mut sum = Counts::default();
    for item in table.all().await {
        for change in changes("INSERT", None, Some(&item)) {
            if let Change::Counts { day, counts } = change {
                assert_eq!(day, patient.id.created_at().to_zoned(TimeZone::UTC).date());
                sum += counts;
            }
        }
        assert_eq!(changes("MODIFY", Some(&item), Some(&item)), []);
    }
    assert_eq!(sum, Counts { patients: 1, doctors: 1, admins: 1, records: 1, ..Counts::default() });
}

#[tokio::test]
async fn outcomes_of_mails_are_counted() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let now = async || {
        table
            .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", notification.id))
            .await
            .unwrap()
    };
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let failed = async |claim: MailClaim, outcome| {
        let (claim, failure) = (claimed(claim).1, MailFailure::Throttled);
        table.store.mark_mail_failed(&claim, failure, outcome, at(2)).await.unwrap()
    };
    let (sent, lost) = (
        Counts { mails_sent: 1, ..Counts::default() },
        Counts { mails_failed: 1, ..Counts::default() },
    );
    let mut before = now().await;
    let mut told = async || {
        let after = now().await;
        let changes = changes("MODIFY", Some(&before), Some(&after));
        before = after;
        changes
    };
    let drop = async || {
        table.store.mark_mail_dropped(order, MailFailure::RecipientInactive, at(2)).await.unwrap()
    };
    drop().await;
    assert_eq!(told().await, [], "nothing has failed");
    let held = claim().await;
    assert_eq!(told().await, []);
    failed(held, MailOutcome::TriedAgain).await;
    assert_eq!(told().await, [], "it may still be sent");
    let held = claim().await;
    told().await;
    failed(held, MailOutcome::GivenUp).await;
    assert_eq!(told().await, [counted(at(2), lost)]);
    let (_, held) = claimed(claim().await);
    assert_eq!(told().await, [], "its order was put back");
    table.store.mark_mail_sent(&held, at(3)).await.unwrap();
    assert_eq!(told().await, [counted(at(3), sent)]);
    table.store.mark_notification_read(doctor.id, notification.id, at(4)).await.unwrap();
    assert_eq!(told().await, []);
    let again = async |now| {
        let event = event(&doctor, doctor.id, Action::ResendMail, None);
        table.store.resend_mail(order, "smith@example.com", 9, &event, now).await.unwrap();
    };
    again(at(0)).await;
    let ordered = Change::NotificationMailOrdered {
        due_at: None,
        recipient_id: doctor.id,
        notification_id: notification.id,
    };
    assert_eq!(told().await, slice::from_ref(&ordered));
    let held = claim().await;
    told().await;
    failed(held, MailOutcome::InDoubt).await;
    assert_eq!(told().await, [counted(at(2), lost)]);
    again(at(0)).await;
    assert_eq!(told().await, slice::from_ref(&ordered));
    let (_, held) = claimed(claim().await);
    told().await;
    table.store.mark_mail_interrupted(&held, at(9)).await.unwrap();
    assert_eq!(told().await, [counted(at(9), lost)]);
    table.store.mark_mail_sent(&held, at(10)).await.unwrap();
    assert_eq!(told().await, [], "it counts as failed already");
    again(at(0)).await;
    assert_eq!(told().await, slice::from_ref(&ordered));
    claim().await;
    told().await;
    for (failure, reported) in [(MailFailure::NotDelivered, 12), (MailFailure::Bounced, 13)] {
        table.store.note_mail_report(order, failure, at(11), at(reported)).await.unwrap();
        let counted = counted(at(11), sent);
        assert_eq!(told().await, if reported == 12 { vec![counted] } else { Vec::new() });
    }
    again(at(0)).await;
    assert_eq!(told().await, slice::from_ref(&ordered));
    claim().await;
    told().await;
    again(at(59)).await;
    assert_eq!(told().await, [ordered], "it was interrupted");
    drop().await;
    assert_eq!(told().await, [], "nothing has failed");

    let mail = Mail::new(id(), MailKind::ResetPassword, doctor.id, at(0));
    let order = MailMessage::Mail { mail_id: mail.id };
    table.store.create_mail(&mail).await.unwrap();
    let claim = table.store.claim_stored_mail(mail.id, at(1)).await.unwrap();
    table.store.mark_mail_sent(&claimed(claim).1, at(2)).await.unwrap();
    let before = table.item(format!("MAIL#{}", mail.id), "MAIL").await.unwrap();
    table
        .store
        .resend_mail(
            order,
            "smith@example.com",
            9,
            &event(&doctor, doctor.id, Action::ResendMail, None),
            at(0),
        )
        .await
        .unwrap();
    let after = table.item(format!("MAIL#{}", mail.id), "MAIL").await.unwrap();
    assert_eq!(
        changes("MODIFY", Some(&before), Some(&after)),
        [Change::MailOrdered { mail_id: mail.id }]
    );
}
