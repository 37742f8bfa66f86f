//! Mails: of notifications, and stored by themselves.

use domain::email::Email;
use domain::mail::{Mail, MailKind, MailToken};
use store::mail::MailClaim;

use crate::notifications::notified;
use crate::people::{at, doctor, id, patient};
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

#[tokio::test]
async fn a_stored_mail_is_claimed_sent_and_done() {
    let table = Table::new().await;
    let mail = Mail::new(id(), MailKind::EmailChanged, id(), at(0)).to(Email::parse("old@example.com").unwrap());
    assert_eq!(table.store.claim_stored_mail(mail.id, at(1)).await.unwrap(), MailClaim::Gone);
    assert_eq!(table.store.stored_mail(mail.id).await.unwrap(), None);
    table.store.put_mail(&mail).await.unwrap();
    let item = table.item(format!("MAIL#{}", mail.id), "MAIL").await.unwrap();
    assert_eq!((text(&item, "entity"), item["ttl"].as_n().unwrap()), (Some("mail"), &mail.ttl.to_string()));
    assert_eq!(table.store.stored_mail(mail.id).await.unwrap(), Some(mail.clone()));
    let claim = async || table.store.claim_stored_mail(mail.id, at(1)).await.unwrap();
    assert_eq!(claim().await, MailClaim::Claimed(mail.clone()));
    assert_eq!(claim().await, MailClaim::InDoubt);
    table.store.release_stored_mail(mail.id).await.unwrap();
    assert_eq!(claim().await, MailClaim::Claimed(mail.clone()));
    table.store.stored_mail_sent(mail.id, at(2)).await.unwrap();
    assert_eq!(claim().await, MailClaim::AlreadySent);
}

#[tokio::test]
async fn a_mail_that_is_there_is_not_ordered_again() {
    let table = Table::new().await;
    let mail = Mail::new(id(), MailKind::VerifyEmail, id(), at(0));
    table.store.put_mail_once(&mail).await.unwrap();
    table.store.claim_stored_mail(mail.id, at(1)).await.unwrap();
    table.store.stored_mail_sent(mail.id, at(1)).await.unwrap();
    table.store.put_mail_once(&mail).await.unwrap();
    assert_eq!(table.store.claim_stored_mail(mail.id, at(2)).await.unwrap(), MailClaim::AlreadySent);
    assert_eq!(table.count().await, 1);
}

#[tokio::test]
async fn a_token_is_found_by_its_hash() {
    let table = Table::new().await;
    let account = patient();
    let token = MailToken::new(MailKind::ResetPassword, account.id, account.email.clone(), Some(id()), at(0));
    table.store.put_mail_token("a-hash", &token).await.unwrap();
    assert_eq!(table.store.mail_token("a-hash").await.unwrap(), Some(token.clone()));
    assert_eq!(table.store.mail_token("another").await.unwrap(), None);
    let item = table.item("TOKEN#a-hash", "TOKEN").await.unwrap();
    assert_eq!((text(&item, "entity"), item["ttl"].as_n().unwrap()), (Some("mail_token"), &token.ttl.to_string()));
}
