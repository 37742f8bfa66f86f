//! Tests of rate limits: failed sign-ins and daily allowances.

use std::time::{Duration, Instant};

use domain::audit::Action;
use domain::mail::{Mail, MailKind};
use domain::rate::{
    ClientNetwork, FREE_FAILURES, FailureLimits, LimitedAction, MIN_REFUSAL_DURATION,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use store::rate::{AttemptError, DailyAllowance, DailyUsage, ThrottleKey};

use crate::people::{at, doctor, event, id, notification_to_doctor, patient, record};
use crate::table::{TestTable, text};

const LIMITS: FailureLimits = FailureLimits { network: 100, in_a_row: 100, is_shared: false };

fn throttle_key<'a>(account: &'a str, network: &'a ClientNetwork) -> ThrottleKey<'a> {
    ThrottleKey { kind: LimitedAction::Login, account, network }
}

/// Returns how many seconds the caller has to wait; 0 when it need not wait.
fn wait<T>(result: Result<T, AttemptError>, now: Timestamp) -> i64 {
    match result {
        Ok(_) => 0,
        Err(AttemptError::Locked(locked)) => locked.retry_after_seconds(now),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn waits_follow_the_free_failures() {
    let table = TestTable::new().await;
    let (here, elsewhere) = (ClientNetwork::of("203.0.113.7"), ClientNetwork::of("198.51.100.7"));
    let begin = async |account, network, now| {
        wait(
            table.store.start_sign_in_attempt(throttle_key(account, network), LIMITS, now).await,
            now,
        )
    };
    for _ in 0..FREE_FAILURES {
        assert_eq!(begin("jane@example.com", &here, at(0)).await, 0);
    }
    assert_eq!(begin("jane@example.com", &here, at(0)).await, 1);
    assert_eq!(
        begin("jane@example.com", &elsewhere, at(0)).await,
        0,
        "the owner comes from elsewhere"
    );
    assert_eq!(begin("john@example.com", &here, at(0)).await, 0);
    let later = at(0) + SignedDuration::from_secs(1);
    assert_eq!(begin("jane@example.com", &here, later).await, 0);
    assert_eq!(begin("jane@example.com", &here, later).await, 2);
    assert_eq!(
        begin("jane@example.com", &here, at(30)).await,
        0,
        "forgotten, though the item is there"
    );
    for item in table.all().await {
        let key = item["pk"].as_s().unwrap();
        assert!(
            key.starts_with("RATE#login#") && !key.contains("jane") && !key.contains("203"),
            "{key}"
        );
        assert!(item.contains_key("ttl"));
    }
}

#[tokio::test]
async fn a_success_clears_the_failures() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    for _ in 0..4 {
        let mut last = None;
        for _ in 0..FREE_FAILURES - 1 {
            let begun = table
                .store
                .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
                .await;
            last = Some(begun.unwrap());
        }
        let last = last.unwrap();
        table.store.clear_failures(throttle_key("jane@example.com", &here), &last).await.unwrap();
    }
    assert_eq!(table.count().await, 0);
}

/// Returns how many failures in a row, and from how many networks, are stored.
async fn stored(table: &TestTable) -> Option<(String, usize)> {
    let item =
        table.all().await.into_iter().find(|item| text(item, "entity") == Some("attempts"))?;
    let networks = item["networks"].as_m().unwrap().len();
    Some((item["in_a_row"].as_n().unwrap().clone(), networks))
}

#[tokio::test]
async fn a_success_keeps_what_other_networks_have_failed() {
    let table = TestTable::new().await;
    let [here, elsewhere] = ["203.0.113.7", "198.51.100.7"].map(ClientNetwork::of);
    let begin = async |network| {
        let begun = table.store.start_sign_in_attempt(throttle_key("jane", network), LIMITS, at(0));
        begun.await.unwrap()
    };
    begin(&elsewhere).await;
    let own = begin(&here).await;
    assert_eq!(own.failures.in_a_row, 2);
    table.store.clear_failures(throttle_key("jane", &here), &own).await.unwrap();
    assert_eq!(stored(&table).await, Some(("0".to_owned(), 1)));
    // The same when the other one begins later.
    let own = begin(&here).await;
    begin(&elsewhere).await;
    table.store.clear_failures(throttle_key("jane", &here), &own).await.unwrap();
    assert_eq!(stored(&table).await, Some(("0".to_owned(), 1)));
}

#[tokio::test]
async fn an_attempt_that_was_no_guess_does_not_count() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    let begin = async || {
        let begun = table.store.start_sign_in_attempt(throttle_key("jane", &here), LIMITS, at(0));
        begun.await.unwrap()
    };
    begin().await;
    for _ in 0..20 {
        let attempt = begin().await;
        table.store.take_back_attempt(throttle_key("jane", &here), &attempt).await.unwrap();
        assert_eq!(stored(&table).await, Some(("1".to_owned(), 1)));
    }
    let other = TestTable::new().await;
    let attempt = other
        .store
        .start_sign_in_attempt(throttle_key("jane", &here), LIMITS, at(0))
        .await
        .unwrap();
    other.store.take_back_attempt(throttle_key("jane", &here), &attempt).await.unwrap();
    assert_eq!(stored(&other).await, None);
}

#[tokio::test]
async fn of_many_simultaneous_attempts_as_many_begin_as_may_fail_in_a_row() {
    let table = TestTable::new().await;
    let most = FailureLimits { in_a_row: 20, ..LIMITS };
    let networks: Vec<ClientNetwork> = (0..300)
        .map(|number| ClientNetwork::of(&format!("10.{}.{}.7", number / 250, number % 250)))
        .collect();
    let attempts = networks.iter().map(|network| {
        table.store.start_sign_in_attempt(throttle_key("jane", network), most, at(0))
    });
    let begun = join_all(attempts).await.into_iter().filter(Result::is_ok).count();
    assert!(begun <= 20, "{begun}");
    // Those that met others have to come back; in the end, it is exactly so many.
    let mut further = begun;
    for network in &networks {
        match table.store.start_sign_in_attempt(throttle_key("jane", network), most, at(20)).await {
            Ok(_) => further += 1,
            Err(AttemptError::TooManyInARow) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(further, 20);
}

#[tokio::test]
async fn concurrent_attempts_get_no_more_than_the_free_failures() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    let started = Instant::now();
    let attempts = (0..40).map(|_| {
        table.store.start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
    });
    let begun = join_all(attempts).await.into_iter().filter(Result::is_ok).count();
    // One more for each wait that ends meanwhile: sign-ins that check again may do so late.
    let further = (1.0 + started.elapsed().as_secs_f64()).log2() as usize;
    assert!((5..=5 + further).contains(&begun), "{begun} in {:?}", started.elapsed());
}

#[tokio::test]
async fn concurrent_sign_ins_wait_instead_of_failing() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    let sign_in = async || {
        let attempt = table
            .store
            .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
            .await?;
        // About as long as hashing a password takes.
        tokio::time::sleep(Duration::from_millis(50)).await;
        table.store.clear_failures(throttle_key("jane@example.com", &here), &attempt).await?;
        Ok::<_, AttemptError>(())
    };
    // A sign-in that takes longer than the maximum wait of the others may make some of them fail;
    // on a busy machine this happens.
    for _ in 0..20 {
        let started = Instant::now();
        let refused =
            join_all((0..12).map(|_| sign_in())).await.into_iter().filter(Result::is_err).count();
        if refused == 0 {
            return;
        }
        assert!(started.elapsed() > MIN_REFUSAL_DURATION.unsigned_abs(), "{refused} refused");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("somebody is always refused");
}

#[tokio::test]
async fn a_sign_in_that_waits_in_vain_is_refused_in_time() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    for _ in 0..FREE_FAILURES {
        table
            .store
            .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
            .await
            .unwrap();
    }
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        assert!(
            table
                .store
                .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
                .await
                .is_err()
        );
        shortest = shortest.min(started.elapsed());
    }
    assert!(shortest < Duration::from_secs(1), "{shortest:?}");
    // Once the last free attempt must have failed, no sign-in waits for it.
    let later = at(0) + MIN_REFUSAL_DURATION;
    let (begun, cost) = table
        .meter
        .measure(table.store.start_sign_in_attempt(
            throttle_key("jane@example.com", &here),
            LIMITS,
            later,
        ))
        .await;
    assert!(begun.is_err());
    assert_eq!((cost.round_trips, cost.calls), (1, 2));
}

#[tokio::test]
async fn restored_failures_count() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    for _ in 0..FREE_FAILURES {
        let begun = table
            .store
            .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, at(0))
            .await
            .unwrap();
        table.store.clear_failures(throttle_key("jane@example.com", &here), &begun).await.unwrap();
        table
            .store
            .restore_failures(throttle_key("jane@example.com", &here), &begun)
            .await
            .unwrap();
    }
    let later = at(0) + MIN_REFUSAL_DURATION;
    assert!(
        table
            .store
            .start_sign_in_attempt(throttle_key("jane@example.com", &here), LIMITS, later)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_network_that_fails_everywhere_has_to_wait() {
    let table = TestTable::new().await;
    let (here, elsewhere) = (ClientNetwork::of("203.0.113.7"), ClientNetwork::of("198.51.100.7"));
    let tolerance = FailureLimits { network: 10, in_a_row: 100, is_shared: false };
    for _ in 0..10 {
        table.store.increment_failures(LimitedAction::Login, &here, at(0)).await.unwrap();
    }
    let begin = async |account, network, now| {
        wait(
            table.store.start_sign_in_attempt(throttle_key(account, network), tolerance, now).await,
            now,
        )
    };
    assert!(begin("john@example.com", &here, at(0)).await > 0);
    assert_eq!(begin("john@example.com", &here, at(20)).await, 0, "the next window");
    assert_eq!(begin("jane@example.com", &elsewhere, at(0)).await, 0);
    assert!(
        table.store.check_network(LimitedAction::Login, &here, tolerance, at(0)).await.is_err()
    );
    table.store.check_network(LimitedAction::Refresh, &here, tolerance, at(0)).await.unwrap();
    // One that is shared has one free failure at each account.
    let shared = FailureLimits { is_shared: true, ..tolerance };
    table.store.check_network(LimitedAction::Login, &here, shared, at(0)).await.unwrap();
    let begin = async |account| {
        let begun =
            table.store.start_sign_in_attempt(throttle_key(account, &here), shared, at(0)).await;
        wait(begun, at(0))
    };
    assert_eq!((begin("jack@example.com").await, begin("jack@example.com").await), (0, 1));
    assert_eq!(begin("joan@example.com").await, 0);
}

#[tokio::test]
async fn an_address_gets_one_mail_to_set_its_password_in_five_minutes() {
    let table = TestTable::new().await;
    let order = async |address, now| {
        let mail = Mail::new(id(), MailKind::ResetPassword, id(), now);
        let action = LimitedAction::PasswordReset;
        table.store.create_spaced_mail(action, address, &mail, now).await.unwrap();
        table.store.get_mail(mail.id).await.unwrap().is_some()
    };
    let after = |seconds| at(0) + SignedDuration::from_secs(seconds);
    assert!(order("jane@example.com", at(0)).await && order("john@example.com", at(0)).await);
    assert!(!order("jane@example.com", at(0)).await);
    assert!(!order("jane@example.com", after(299)).await);
    assert!(order("jane@example.com", after(300)).await);
    assert!(!order("jane@example.com", after(301)).await, "since the last one");
}

#[tokio::test]
async fn records_files_and_mails_have_daily_limits() {
    let table = TestTable::new().await;
    let (most, now) = (DailyUsage { records: 2, files: 5, changes: 3 }, at(0));
    let (owner, doctor) = (patient(), doctor());
    let used = async |usage: DailyUsage, now| {
        let record = record(&owner, &doctor);
        let told = notification_to_doctor(&owner, &record);
        let allowance = DailyAllowance { user: owner.id, usage, most, now };
        let creation = event(&owner, owner.id, Action::CreateRecord, Some(record.id));
        let created =
            table.store.create_record(&record, &[], &told, &creation, None, &allowance).await;
        let stored = table.store.get_record(owner.id, record.id).await.unwrap();
        assert_eq!(stored.is_some(), created.is_ok(), "counted and stored, or neither");
        created.is_ok()
    };
    let take =
        async |records, files, now| used(DailyUsage { records, files, changes: 0 }, now).await;
    assert!(!take(1, 6, now).await, "more than a day has");
    assert!(take(1, 4, now).await);
    assert!(!take(1, 2, now).await);
    assert!(take(1, 1, now).await);
    assert!(!take(1, 0, now).await);
    assert!(take(0, 0, now).await);
    let change = DailyUsage { records: 0, files: 0, changes: 1 };
    assert!(used(change, now).await && used(change, now).await && used(change, now).await);
    assert!(!used(change, now).await);
    assert!(take(1, 5, now + SignedDuration::from_hours(24)).await);
    let mail = async |address, now| {
        let mail = Mail::new(id(), MailKind::Decoy, id(), now);
        let sent = table.store.create_mail_within_limit(address, 2, &mail, now).await.is_ok();
        assert_eq!(
            table.store.get_mail(mail.id).await.unwrap().is_some(),
            sent,
            "counted and stored, or neither"
        );
        sent
    };
    assert!(mail("jane@example.com", now).await && mail("jane@example.com", now).await);
    assert!(!mail("jane@example.com", now).await && mail("john@example.com", now).await);
    assert!(mail("jane@example.com", now + SignedDuration::from_hours(24)).await);
}

#[tokio::test]
async fn an_unconfirmed_address_gets_five_mails_a_day_each_counted_with_one_write() {
    let table = TestTable::new().await;
    let (user, now) = (patient(), at(0));
    let count = async |now| {
        let counted = table.store.increment_unconfirmed_mails(user.id, now);
        let (counted, cost) = table.meter.measure(counted).await;
        assert_eq!(cost.calls, 1);
        // The engine does not meter what it refuses.
        assert_eq!(cost.write, if counted.is_ok() { 1.0 } else { 0.0 });
        counted.is_ok()
    };
    for _ in 0..5 {
        assert!(count(now).await);
    }
    assert!(!count(now).await);
    assert!(count(now + SignedDuration::from_hours(24)).await);
}

#[tokio::test]
async fn the_first_attempt_costs_one_round_trip() {
    let table = TestTable::new().await;
    let here = ClientNetwork::of("203.0.113.7");
    let (begun, cost) = table
        .meter
        .measure(table.store.start_sign_in_attempt(
            throttle_key("jane@example.com", &here),
            LIMITS,
            at(0),
        ))
        .await;
    begun.unwrap();
    assert_eq!((cost.round_trips, cost.calls, cost.read, cost.write), (1, 2, 0.5, 1.0));
    let (checked, cost) = table
        .meter
        .measure(table.store.check_network(LimitedAction::Register, &here, LIMITS, at(0)))
        .await;
    checked.unwrap();
    assert_eq!((cost.round_trips, cost.calls, cost.read, cost.write), (1, 1, 0.5, 0.0));
}
