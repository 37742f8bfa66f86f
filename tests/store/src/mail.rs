//! Tests of mails: of notifications, and stored ones.

use domain::account::Role;
use domain::audit::Action;
use domain::email::Email;
use domain::id::MailId;
use domain::mail::{
    AccountSnapshot, Delivery, Mail, MailFailure, MailKind, MailMessage, MailState, MailToken,
};
use domain::notification::Notification;
use jiff::{SignedDuration, Timestamp};
use store::mail::{Claim, MailClaim, MailOutcome};
use store::reconcile::MailStatus;
use store::staff::lists::MailEntry;
use store::staff::mail::{Mailed, ResendMailError};
use store::{Page, Span};

use crate::notifications::notified;
use crate::people::{at, doctor, event, id, patient, user};
use crate::table::{TestTable, text};

/// Returns the order for the mail of a notification.
pub(crate) fn order(notification: &Notification) -> MailMessage {
    MailMessage::Notification {
        recipient_id: notification.recipient_id,
        notification_id: notification.id,
    }
}

/// Returns the mail and the claim of a caller who has got it.
#[track_caller]
pub(crate) fn claimed<T>(claim: MailClaim<T>) -> (T, Claim) {
    match claim {
        MailClaim::Claimed(mail, claim) => (mail, claim),
        MailClaim::AlreadySent | MailClaim::InDoubt(_) | MailClaim::Gone => panic!("not claimed"),
    }
}

fn delivery(
    state: Option<MailState>,
    failure: Option<(MailFailure, i8)>,
    sent: Option<i8>,
) -> Delivery {
    let (mail_failure, failed_at) = failure.unzip();
    Delivery {
        mail_state: state,
        mail_failure,
        mail_failed_at: failed_at.map(at),
        mail_sent_at: sent.map(at),
        ..Delivery::default()
    }
}

#[tokio::test]
async fn a_mail_of_a_notification_is_sent_once() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let failed = async |claim: &Claim, outcome| {
        table.store.mark_mail_failed(claim, MailFailure::Throttled, outcome, at(1)).await.unwrap()
    };
    let now = async || {
        table
            .store
            .get_notification_delivery(doctor.id, notification.id)
            .await
            .unwrap()
            .unwrap()
            .delivery
    };
    assert_eq!(now().await, Delivery::default());
    let (mail, first) = claimed(claim().await);
    assert_eq!(mail, notification);
    assert_eq!(claim().await, MailClaim::InDoubt(Some(first.clone())));
    failed(&first, MailOutcome::TriedAgain).await;
    assert_eq!(now().await, delivery(None, Some((MailFailure::Throttled, 1)), None));
    let (mail, second) = claimed(claim().await);
    assert_eq!(mail, notification, "it was surely not sent");
    failed(&second, MailOutcome::GivenUp).await;
    assert_eq!(
        now().await,
        delivery(Some(MailState::Failed), Some((MailFailure::Throttled, 1)), None)
    );
    let (mail, third) = claimed(claim().await);
    assert_eq!(mail, notification, "its order was put back by somebody");
    for _ in 0..2 {
        table.store.mark_mail_sent(&third, at(2)).await.unwrap();
        assert_eq!(claim().await, MailClaim::AlreadySent);
    }
    assert_eq!(now().await, delivery(Some(MailState::Sent), None, Some(2)));
    for outcome in [MailOutcome::TriedAgain, MailOutcome::GivenUp, MailOutcome::InDoubt] {
        failed(&third, outcome).await;
        assert_eq!(claim().await, MailClaim::AlreadySent, "what is sent is not released");
    }
    assert_eq!(
        table.store.get_notification(doctor.id, notification.id).await.unwrap(),
        Some(notification)
    );
}

#[tokio::test]
async fn only_staff_resend_a_mail_that_may_have_been_sent() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let again = async || {
        let event = event(&admin, doctor.id, Action::ResendMail, None);
        table.store.resend_mail(order, "smith@example.com", 9, &event, at(0)).await
    };
    assert!(matches!(again().await, Err(ResendMailError::UnderWay)), "it waits");
    let (_, first) = claimed(claim().await);
    assert!(matches!(again().await, Err(ResendMailError::UnderWay)), "it is being sent");
    table
        .store
        .mark_mail_failed(&first, MailFailure::NoResponse, MailOutcome::InDoubt, at(1))
        .await
        .unwrap();
    assert_eq!(claim().await, MailClaim::InDoubt(None));
    for sent in 2..4 {
        again().await.unwrap();
        assert!(matches!(again().await, Err(ResendMailError::UnderWay)), "once for each order");
        let (mail, held) = claimed(claim().await);
        assert_eq!(mail, notification);
        table.store.mark_mail_sent(&held, at(sent)).await.unwrap();
        assert_eq!(claim().await, MailClaim::AlreadySent);
    }
    let told = table.store.list_events_of_subject(doctor.id, None, 10, None).await.unwrap().items;
    assert_eq!(
        told.iter().filter(|event| event.action == Action::ResendMail).count(),
        2,
        "no event without its order"
    );
}

#[tokio::test]
async fn a_claimed_mail_without_an_outcome_is_resent_once() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = async |minute| {
        table.store.claim_mail(doctor.id, notification.id, at(minute)).await.unwrap()
    };
    let again = async |minute| {
        let event = event(&admin, doctor.id, Action::ResendMail, None);
        table.store.resend_mail(order, "smith@example.com", 9, &event, at(minute)).await
    };
    let now = async || {
        table
            .store
            .get_notification_delivery(doctor.id, notification.id)
            .await
            .unwrap()
            .unwrap()
            .delivery
    };
    claim(1).await;
    assert_eq!(
        now().await,
        Delivery { mail_claimed_at: Some(at(1)), ..delivery(Some(MailState::Sending), None, None) }
    );
    assert!(
        matches!(again(46).await, Err(ResendMailError::UnderWay))
            && !now().await.can_be_resent(at(0), at(46))
    );
    assert!(now().await.can_be_resent(at(0), at(47)));
    let (one, other) = tokio::join!(again(47), again(47));
    assert!(
        matches!(
            (&one, &other),
            (Ok(()), Err(ResendMailError::UnderWay)) | (Err(ResendMailError::UnderWay), Ok(()))
        ),
        "{one:?} {other:?}"
    );
    let ordered = Delivery {
        mail_ordered_at: Some(at(47)),
        ..delivery(Some(MailState::ResendRequested), None, None)
    };
    assert_eq!(now().await, ordered);
    assert_eq!(claimed(claim(48).await).0, notification);
    assert!(matches!(again(49).await, Err(ResendMailError::UnderWay)), "it was begun anew");
}

#[tokio::test]
async fn only_an_unclaimed_mail_can_be_dropped() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let drop = async || {
        table.store.mark_mail_dropped(order, MailFailure::RecipientInactive, at(2)).await.unwrap()
    };
    let now = async || {
        table
            .store
            .get_notification_delivery(doctor.id, notification.id)
            .await
            .unwrap()
            .unwrap()
            .delivery
    };
    let dropped =
        |sent| delivery(Some(MailState::Failed), Some((MailFailure::RecipientInactive, 2)), sent);
    for _ in 0..2 {
        drop().await;
        assert_eq!(now().await, dropped(None));
    }
    let (_, held) = claimed(claim().await);
    for outcome in [None, Some(MailOutcome::InDoubt)] {
        if let Some(outcome) = outcome {
            let failure = MailFailure::NoResponse;
            table.store.mark_mail_failed(&held, failure, outcome, at(3)).await.unwrap();
        }
        let before = now().await;
        drop().await;
        assert_eq!(now().await, before, "it may have been sent");
    }
    let again = async || {
        let event = event(&admin, doctor.id, Action::ResendMail, None);
        table.store.resend_mail(order, "smith@example.com", 9, &event, at(4)).await.unwrap();
    };
    again().await;
    let (_, held) = claimed(claim().await);
    table.store.mark_mail_sent(&held, at(5)).await.unwrap();
    drop().await;
    let ordered = |delivery| Delivery { mail_ordered_at: Some(at(4)), ..delivery };
    assert_eq!(now().await, ordered(delivery(Some(MailState::Sent), None, Some(5))));
    again().await;
    drop().await;
    assert_eq!(now().await, ordered(dropped(Some(5))));
}

/// The SDK may send a report again whose response was lost.
#[tokio::test]
async fn a_report_that_is_repeated_does_not_undo_what_came_after_it() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let (_, held) = claimed(claim);
    let released = async || {
        let (failure, outcome) = (MailFailure::Throttled, MailOutcome::TriedAgain);
        table.store.mark_mail_failed(&held, failure, outcome, at(2)).await.unwrap();
    };
    released().await;
    table.store.mark_mail_dropped(order, MailFailure::RecipientInactive, at(3)).await.unwrap();
    released().await;
    let stored = table.store.get_notification_delivery(doctor.id, notification.id).await.unwrap();
    assert_eq!(
        stored.unwrap().delivery,
        delivery(Some(MailState::Failed), Some((MailFailure::RecipientInactive, 3)), None)
    );
}

/// The stream does not report the end of a mail that nobody has claimed.
#[tokio::test]
async fn a_deleted_notification_goes_when_its_mail_is_dropped() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notifications = notified(&table, &doctor, 2).await;
    // Newest first.
    let [kept, deleted] = &notifications[..] else { panic!("{notifications:?}") };
    table.store.purge_deleted(doctor.id, None, deleted.id).await.unwrap();
    for notification in [deleted, kept] {
        let dropped = MailFailure::RecipientInactive;
        table.store.mark_mail_dropped(order(notification), dropped, at(1)).await.unwrap();
    }
    let stored = async |notification: &Notification| {
        table.store.get_notification_delivery(doctor.id, notification.id).await.unwrap()
    };
    assert!(stored(deleted).await.is_none() && stored(kept).await.is_some());
}

#[tokio::test]
async fn a_report_says_what_became_of_a_sent_mail() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = async |at| table.store.claim_mail(doctor.id, notification.id, at).await.unwrap();
    let report = async |failure, sent, reported| {
        table.store.note_mail_report(order, failure, at(sent), at(reported)).await.unwrap();
        let mailed = table.store.get_notification_delivery(doctor.id, notification.id).await;
        mailed.unwrap().unwrap().delivery
    };
    let returned = |failure, sent, reported| {
        delivery(Some(MailState::Sent), Some((failure, reported)), Some(sent))
    };
    let bounced = MailFailure::Bounced;
    assert_eq!(report(bounced, 1, 2).await, Delivery::default(), "it was never sent");
    let (_, held) = claimed(claim(at(3)).await);
    table.store.mark_mail_sent(&held, at(4)).await.unwrap();
    let late = MailFailure::NotDelivered;
    assert_eq!(report(late, 3, 5).await, returned(late, 3, 5));
    for (failure, reported) in [(bounced, 6), (bounced, 7), (MailFailure::Complained, 8), (late, 9)]
    {
        assert_eq!(report(failure, 3, reported).await, returned(bounced, 3, 6), "the first stays");
    }
    assert_eq!(claim(at(9)).await, MailClaim::AlreadySent);

    // Staff order it again: a report about the first sending is not about the second one.
    let event = event(&admin, doctor.id, Action::ResendMail, None);
    table.store.resend_mail(order, "smith@example.com", 9, &event, at(10)).await.unwrap();
    assert_eq!(report(late, 3, 11).await.mail_state, Some(MailState::ResendRequested));
    let (_, held) = claimed(claim(at(12)).await);
    assert_eq!(report(late, 3, 13).await.mail_state, Some(MailState::Sending));
    table.store.mark_mail_sent(&held, at(14)).await.unwrap();
    let again = Delivery {
        mail_ordered_at: Some(at(10)),
        ..delivery(Some(MailState::Sent), None, Some(14))
    };
    assert_eq!(report(late, 3, 15).await, again);
}

#[tokio::test]
async fn a_report_may_come_before_the_mailers_own() {
    let table = TestTable::new().await;
    let doctor = doctor();
    for outcome in [None, Some(MailOutcome::TriedAgain), Some(MailOutcome::InDoubt)] {
        let mail = Mail::new(id(), MailKind::ResetPassword, doctor.id, at(0));
        let order = MailMessage::Mail { mail_id: mail.id };
        table.store.create_mail(&mail).await.unwrap();
        let (_, held) = claimed(table.store.claim_stored_mail(mail.id, at(1)).await.unwrap());
        let failure = MailFailure::Bounced;
        table.store.note_mail_report(order, failure, at(2), at(3)).await.unwrap();
        match outcome {
            None => table.store.mark_mail_sent(&held, at(4)).await.unwrap(),
            Some(outcome) => {
                let failure = MailFailure::NoResponse;
                table.store.mark_mail_failed(&held, failure, outcome, at(4)).await.unwrap();
            }
        }
        let stored = table.store.get_mail_delivery(mail.id).await.unwrap().unwrap().delivery;
        assert_eq!(stored, delivery(Some(MailState::Sent), Some((failure, 3)), Some(2)));
    }
    let mail = Mail::new(id(), MailKind::ResetPassword, doctor.id, at(0));
    table.store.create_mail(&mail).await.unwrap();
    let (_, held) = claimed(table.store.claim_stored_mail(mail.id, at(1)).await.unwrap());
    let (failure, outcome) = (MailFailure::NoResponse, MailOutcome::InDoubt);
    table.store.mark_mail_failed(&held, failure, outcome, at(2)).await.unwrap();
    let (order, failure) = (MailMessage::Mail { mail_id: mail.id }, MailFailure::Complained);
    table.store.note_mail_report(order, failure, at(2), at(3)).await.unwrap();
    let stored = table.store.get_mail_delivery(mail.id).await.unwrap().unwrap().delivery;
    assert_eq!(stored, delivery(Some(MailState::Sent), Some((failure, 3)), Some(2)), "no doubt");
    let unknown = MailMessage::Mail { mail_id: id() };
    table.store.note_mail_report(unknown, failure, at(2), at(3)).await.unwrap();
    assert_eq!(table.store.get_mail_delivery(id()).await.unwrap(), None, "nothing is made");
}

#[tokio::test]
async fn a_deleted_notification_has_no_mail() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let order = MailMessage::Notification { recipient_id: doctor.id, notification_id: id() };
    assert_eq!(table.store.claim_mail(doctor.id, id(), at(1)).await.unwrap(), MailClaim::Gone);
    table.store.mark_mail_dropped(order, MailFailure::RecipientInactive, at(1)).await.unwrap();
    let event = event(&doctor, doctor.id, Action::ResendMail, None);
    assert!(matches!(
        table.store.resend_mail(order, "smith@example.com", 9, &event, at(0)).await,
        Err(ResendMailError::UnderWay)
    ));
    assert_eq!(table.store.get_notification_delivery(doctor.id, id()).await.unwrap(), None);
    assert_eq!(table.store.get_mail_delivery(id()).await.unwrap(), None);
    assert_eq!(table.count().await, 0, "nothing is made");

    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let (_, held) = claimed(claim);
    table.delete(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", notification.id)).await;
    for outcome in [MailOutcome::TriedAgain, MailOutcome::GivenUp, MailOutcome::InDoubt] {
        table.store.mark_mail_failed(&held, MailFailure::Rejected, outcome, at(1)).await.unwrap();
    }
    table.store.mark_mail_sent(&held, at(1)).await.unwrap();
    table.store.mark_mail_interrupted(&held, at(9)).await.unwrap();
    assert_eq!(
        table.store.get_notification_delivery(doctor.id, notification.id).await.unwrap(),
        None
    );
}

/// The SDK repeats a report whose response is lost. By then another mailer may have claimed the
/// mail.
#[tokio::test]
async fn a_late_report_does_not_touch_the_claim_of_another_mailer() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = async || {
        claimed(table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap()).1
    };
    let delivery = async || {
        let stored = table.store.get_notification_delivery(doctor.id, notification.id).await;
        stored.unwrap().unwrap().delivery
    };
    let first = claim().await;
    let released = MailOutcome::TriedAgain;
    table.store.mark_mail_failed(&first, MailFailure::Throttled, released, at(1)).await.unwrap();
    let second = claim().await;
    let before = delivery().await;
    for outcome in [MailOutcome::TriedAgain, MailOutcome::GivenUp, MailOutcome::InDoubt] {
        table.store.mark_mail_failed(&first, MailFailure::Throttled, outcome, at(2)).await.unwrap();
    }
    table.store.mark_mail_sent(&first, at(2)).await.unwrap();
    table.store.mark_mail_interrupted(&first, at(59)).await.unwrap();
    assert_eq!(delivery().await, before);
    table.store.mark_mail_sent(&second, at(3)).await.unwrap();
    assert_eq!(delivery().await.mail_state, Some(MailState::Sent));
}

#[tokio::test]
async fn an_interrupted_mail_is_in_doubt_until_its_mailer_reports() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let now = async || {
        let stored = table.store.get_notification_delivery(doctor.id, notification.id).await;
        stored.unwrap().unwrap().delivery
    };
    let (_, held) = claimed(claim().await);
    let before = now().await;
    for time in [at(1) + SignedDuration::from_secs(30), at(2)] {
        table.store.mark_mail_interrupted(&held, time).await.unwrap();
        assert_eq!(now().await, before, "its mailer may still be sending it");
    }
    table.store.mark_mail_interrupted(&held, at(3)).await.unwrap();
    let interrupted = Some((MailFailure::Interrupted, 3));
    assert_eq!(now().await, delivery(Some(MailState::InDoubt), interrupted, None));
    assert_eq!(claim().await, MailClaim::InDoubt(Some(held.clone())));
    table.store.mark_mail_sent(&held, at(4)).await.unwrap();
    assert_eq!(now().await, delivery(Some(MailState::Sent), None, Some(4)));
}

#[tokio::test]
async fn a_claim_from_a_clock_that_is_ahead_can_be_interrupted() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = table.store.claim_mail(doctor.id, notification.id, at(59)).await.unwrap();
    table.store.mark_mail_interrupted(&claimed(claim).1, at(9)).await.unwrap();
    let stored = table.store.get_notification_delivery(doctor.id, notification.id).await;
    let expected = delivery(Some(MailState::InDoubt), Some((MailFailure::Interrupted, 9)), None);
    assert_eq!(stored.unwrap().unwrap().delivery, expected);
}

#[tokio::test]
async fn reading_and_mailing_a_notification_do_not_disturb_each_other() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let claim = table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    table.store.mark_notification_read(doctor.id, notification.id, at(2)).await.unwrap();
    table.store.mark_mail_sent(&claimed(claim).1, at(3)).await.unwrap();
    let item = table
        .item(format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{}", notification.id))
        .await
        .unwrap();
    assert_eq!(
        (text(&item, "mail_state"), text(&item, "read_at")),
        (Some("sent"), Some(at(2).to_string().as_str()))
    );
}

#[tokio::test]
async fn a_stored_mail_is_sent_once() {
    let table = TestTable::new().await;
    let mail = Mail::new(id(), MailKind::EmailChanged, id(), at(0))
        .to(Email::parse("old@example.com").unwrap());
    assert_eq!(table.store.claim_stored_mail(mail.id, at(1)).await.unwrap(), MailClaim::Gone);
    assert_eq!(table.store.get_mail(mail.id).await.unwrap(), None);
    table.store.create_mail(&mail).await.unwrap();
    let item = table.item(format!("MAIL#{}", mail.id), "MAIL").await.unwrap();
    assert_eq!(
        (text(&item, "entity"), item["ttl"].as_n().unwrap()),
        (Some("mail"), &mail.ttl.to_string())
    );
    assert_eq!(table.store.get_mail(mail.id).await.unwrap(), Some(mail.clone()));
    let claim = async || table.store.claim_stored_mail(mail.id, at(1)).await.unwrap();
    let (stored, first) = claimed(claim().await);
    assert_eq!(stored, mail);
    assert_eq!(claim().await, MailClaim::InDoubt(Some(first.clone())));
    table
        .store
        .mark_mail_failed(&first, MailFailure::Rejected, MailOutcome::TriedAgain, at(1))
        .await
        .unwrap();
    let (stored, second) = claimed(claim().await);
    assert_eq!(stored, mail);
    table.store.mark_mail_sent(&second, at(2)).await.unwrap();
    assert_eq!(claim().await, MailClaim::AlreadySent);
    let stored = table.store.get_mail_delivery(mail.id).await.unwrap().unwrap();
    assert_eq!(
        stored,
        Mailed { what: mail, delivery: delivery(Some(MailState::Sent), None, Some(2)) }
    );
    assert!(stored.delivery.can_be_resent(at(0), at(2)));
}

#[tokio::test]
async fn the_mails_to_a_user_are_listed() {
    let table = TestTable::new().await;
    let (user, other) = (id(), id());
    let mut mails: Vec<Mail> =
        (0..5).map(|_| Mail::new(id(), MailKind::ResetPassword, user, at(0))).collect();
    mails.reverse();
    let nobody = Mail::new(id(), MailKind::Decoy, user, at(0));
    for mail in
        mails.iter().chain([&nobody, &Mail::new(id(), MailKind::ResetPassword, other, at(0))])
    {
        table.store.create_mail(mail).await.unwrap();
    }
    let page = table.store.list_mails_of_user(user, 4, None).await.unwrap();
    let shown = |page: &Page<Mailed<Mail>, MailId>| {
        page.items.iter().map(|mail| mail.what.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        (shown(&page), page.next),
        (mails[..4].to_vec(), Some(mails[3].id)),
        "what goes to nobody is left out"
    );
    let page = table.store.list_mails_of_user(user, 4, page.next).await.unwrap();
    assert_eq!((shown(&page), page.next), (mails[4..].to_vec(), None));
}

#[tokio::test]
async fn a_mail_is_stored_once() {
    let table = TestTable::new().await;
    let mail = Mail::new(id(), MailKind::VerifyEmail, id(), at(0));
    table.store.create_mail(&mail).await.unwrap();
    let claim = table.store.claim_stored_mail(mail.id, at(1)).await.unwrap();
    table.store.mark_mail_sent(&claimed(claim).1, at(1)).await.unwrap();
    table.store.create_mail(&mail).await.unwrap();
    assert_eq!(
        table.store.claim_stored_mail(mail.id, at(2)).await.unwrap(),
        MailClaim::AlreadySent
    );
    assert_eq!(table.count().await, 1);
}

#[tokio::test]
async fn a_token_is_found_by_its_hash() {
    let table = TestTable::new().await;
    let account = patient();
    let token = MailToken::new(
        MailKind::ResetPassword,
        account.id,
        account.email.clone(),
        AccountSnapshot::of(&account),
        at(0),
    );
    table.store.create_mail_token("a-hash", &token).await.unwrap();
    assert_eq!(table.store.get_mail_token("a-hash").await.unwrap(), Some(token.clone()));
    assert_eq!(table.store.get_mail_token("another").await.unwrap(), None);
    let item = table.item("TOKEN#a-hash", "TOKEN").await.unwrap();
    assert_eq!(
        (text(&item, "entity"), item["ttl"].as_n().unwrap()),
        (Some("mail_token"), &token.ttl.to_string())
    );
}

/// The notification was deleted, and its mail ordered again before the dispatcher came to remove
/// it.
#[tokio::test]
async fn a_mail_that_is_ordered_again_keeps_its_notification() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let claim = async || table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap();
    let (_, held) = claimed(claim().await);
    let outcome = MailOutcome::InDoubt;
    table.store.mark_mail_failed(&held, MailFailure::NoResponse, outcome, at(1)).await.unwrap();
    let event = event(&admin, doctor.id, Action::ResendMail, None);
    table.store.resend_mail(order, "smith@example.com", 9, &event, at(2)).await.unwrap();
    table.store.purge_notification(doctor.id, notification.id).await.unwrap();
    claimed(claim().await);
}

#[tokio::test]
async fn a_waiting_mail_is_ordered_again_once_an_hour() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let again = async |now| {
        let event = event(&admin, doctor.id, Action::ResendMail, None);
        table.store.note_resent_order(order, "smith@example.com", 9, &event, now).await
    };
    let later = at(0) + SignedDuration::from_mins(61);
    again(at(0)).await.unwrap();
    assert!(matches!(again(at(59)).await, Err(ResendMailError::UnderWay)));
    again(later).await.unwrap();
    let held = claimed(table.store.claim_mail(doctor.id, notification.id, at(1)).await.unwrap()).1;
    let much_later = later + SignedDuration::from_hours(9);
    assert!(matches!(again(much_later).await, Err(ResendMailError::UnderWay)), "it is claimed");
    table.store.mark_mail_sent(&held, at(2)).await.unwrap();
    assert!(matches!(again(much_later).await, Err(ResendMailError::UnderWay)), "it is sent");
}

#[tokio::test]
async fn a_mail_that_staff_ordered_is_ordered_again_by_itself_when_the_order_is_lost() {
    let table = TestTable::new().await;
    let (doctor, admin) = (doctor(), user(Role::Admin, "Ada", "Lovelace"));
    let notification = notified(&table, &doctor, 1).await.remove(0);
    let order = order(&notification);
    let held = claimed(table.store.claim_mail(doctor.id, notification.id, at(0)).await.unwrap()).1;
    table.store.mark_mail_sent(&held, at(0)).await.unwrap();
    let event = event(&admin, doctor.id, Action::ResendMail, None);
    table.store.resend_mail(order, "smith@example.com", 9, &event, at(0)).await.unwrap();
    let again = async |order, now| table.store.note_repeated_order(order, now).await.unwrap();
    assert!(!again(order, at(59)).await, "it has not waited long enough");
    let later = at(0) + SignedDuration::from_mins(61);
    assert!(again(order, later).await && !again(order, later).await);
    let before = table.count().await;
    let gone = MailMessage::Mail { mail_id: id() };
    assert!(!again(gone, later).await);
    assert_eq!(table.count().await, before, "nothing is created");
}

/// No notification leads to them.
#[tokio::test]
async fn stored_mails_that_wait_or_were_interrupted_are_found() {
    let table = TestTable::new().await;
    let doctor = doctor();
    let mail = |kind| Mail::new(id(), kind, doctor.id, Timestamp::now());
    let stored = [MailKind::ResetPassword, MailKind::Decoy, MailKind::PasswordChanged].map(mail);
    for mail in &stored {
        table.store.create_mail(mail).await.unwrap();
    }
    let soon = Timestamp::now() + SignedDuration::from_secs(1);
    let page =
        table.store.list_entries::<MailEntry>(soon, Span::default(), 9, None, |_| true).await;
    let mut ids: Vec<MailId> = page.unwrap().items.iter().map(|entry| entry.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, stored.each_ref().map(|mail| mail.id));
    let [waiting, _, sending] = &stored;
    let (_, claim) = claimed(table.store.claim_stored_mail(sending.id, soon).await.unwrap());
    let mut statuses = table.store.get_mail_statuses(&ids).await.unwrap();
    statuses.sort_unstable_by_key(|status| status.claim.is_some());
    let orders: Vec<_> = statuses.iter().map(|status| status.order).collect();
    let order = |mail: &Mail| MailMessage::Mail { mail_id: mail.id };
    assert_eq!(orders, [order(waiting), order(sending)], "a decoy is never sent");
    assert_eq!(statuses[0].requested_at, waiting.requested_at());
    assert_eq!(statuses[1].claim.as_ref(), Some(&claim));
    let later = soon + SignedDuration::from_hours(2);
    let is_due = |status: &MailStatus| status.delivery.is_overdue(status.requested_at, later);
    assert!(is_due(&statuses[0]) && statuses[1].delivery.is_interrupted(later));
    let again = async |mail| table.store.note_repeated_order(order(mail), later).await.unwrap();
    assert!(again(waiting).await);
    assert!(!again(waiting).await && !again(sending).await);
}
