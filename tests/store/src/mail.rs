//! The mail of a notification.

use store::mail::MailClaim;

use crate::notifications::notified;
use crate::people::{at, doctor, id};
use crate::table::{Table, text};

#[tokio::test]
async fn a_mail_is_claimed_sent_and_done() {
    let table = Table::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    assert_eq!(claim().await, MailClaim::Claimed(notification.clone()));
    assert_eq!(claim().await, MailClaim::InDoubt);
    table.store.release_mail(doctor.id, notification.id).await.unwrap();
    assert_eq!(claim().await, MailClaim::Claimed(notification.clone()), "it was surely not sent");
    for _ in 0..2 {
        table.store.mail_sent(doctor.id, notification.id, at(2)).await.unwrap();
        assert_eq!(claim().await, MailClaim::AlreadySent);
    }
    table.store.release_mail(doctor.id, notification.id).await.unwrap();
    assert_eq!(claim().await, MailClaim::AlreadySent, "what is sent is not released");
    assert_eq!(table.store.notification(doctor.id, notification.id).await.unwrap(), Some(notification));
}

#[tokio::test]
async fn there_is_no_mail_for_what_is_gone() {
    let table = Table::new().await;
    let doctor = doctor();
    assert_eq!(table.store.claim_mail(doctor.id, id(), at(1)).await.unwrap(), MailClaim::Gone);
    table.store.release_mail(doctor.id, id()).await.unwrap();
    table.store.mail_sent(doctor.id, id(), at(1)).await.unwrap();
    assert_eq!(table.count().await, 0, "nothing is made");
}

#[tokio::test]
async fn reading_and_mailing_do_not_meet() {
    let table = Table::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    table.store.mark_read(doctor.id, notification.id, at(2)).await.unwrap();
    table.store.mail_sent(doctor.id, notification.id, at(3)).await.unwrap();
    let item = table.item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", notification.id)).await.unwrap();
    assert_eq!((text(&item, "mail_state"), text(&item, "read_at")), (Some("sent"), Some(at(2).to_string().as_str())));
}
