//! Tests of requests that are sent again with the same idempotency key.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::Account;
use domain::audit::Action;
use domain::id::UserId;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use store::Error;
use store::accounts::{CreateProfileError, RegisterError};
use store::idempotency::{LEASE_DURATION, Lease, LeaseOutcome, RESPONSE_RETENTION};

use crate::people::{at, credentials, doctor_profile, event, id, patient, session, user};
use crate::table::TestTable;

const LABEL: &str = "label";

impl TestTable {
    /// Begins a request for the first time and returns its lease.
    async fn first(&self, user: UserId, now: Timestamp) -> Lease {
        match self.begin(user, now).await {
            LeaseOutcome::Acquired(hold) => hold,
            other => panic!("{other:?}"),
        }
    }

    async fn begin(&self, user: UserId, now: Timestamp) -> LeaseOutcome {
        self.store.acquire_lease(Some(user), LABEL, now).await.unwrap()
    }

    /// Registers an account in the transaction that stores the response.
    async fn register_once(
        &self,
        account: &Account,
        hold: &Lease,
        now: Timestamp,
    ) -> Result<(), RegisterError> {
        let event = event(account, account.id, Action::Register, None);
        let response = hold.response(b"sealed".to_vec(), now);
        let (credentials, session) = (credentials(account), session(account));
        self.store.register(account, &credentials, &session, &event, Some(&response)).await
    }
}

fn has_response(begun: &LeaseOutcome) -> bool {
    matches!(begun, LeaseOutcome::Completed(response) if response == b"sealed")
}

#[tokio::test]
async fn a_change_and_its_response_are_stored_together() {
    let (table, account) = (TestTable::new().await, patient());
    let hold = table.first(account.id, at(0)).await;
    assert!(matches!(table.begin(account.id, at(0)).await, LeaseOutcome::InProgress));
    assert_eq!(table.entities().await, ["idempotency"]);
    table.register_once(&account, &hold, at(0)).await.unwrap();
    assert_eq!(
        table.entities().await,
        ["audit_event", "credentials", "idempotency", "session", "user"]
    );
    assert!(has_response(&table.begin(account.id, at(0)).await));
    table.store.release_lease(&hold).await.unwrap();
    assert!(has_response(&table.begin(account.id, at(0)).await), "the stored response stays");
    let item =
        table.item(format!("IDEMPOTENCY#{}#{LABEL}", account.id), "IDEMPOTENCY").await.unwrap();
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["answer", "entity", "pk", "sk", "ttl"]);
    assert_eq!(
        item["ttl"],
        AttributeValue::N((at(0) + RESPONSE_RETENTION).as_second().to_string())
    );
}

#[tokio::test]
async fn a_refused_change_stores_no_response() {
    let (table, account) = (TestTable::new().await, patient());
    table.register(&account).await;
    let again = Account { id: id(), ..account.clone() };
    let hold = table.first(account.id, at(0)).await;
    assert!(matches!(
        table.register_once(&again, &hold, at(0)).await,
        Err(RegisterError::EmailTaken)
    ));
    assert!(matches!(table.begin(account.id, at(0)).await, LeaseOutcome::InProgress));
    table.store.release_lease(&hold).await.unwrap();
    assert!(
        matches!(table.begin(account.id, at(0)).await, LeaseOutcome::Acquired(_)),
        "it may be sent again at once"
    );
}

#[tokio::test]
async fn each_user_and_label_has_its_own_lease() {
    let (table, here, there) = (TestTable::new().await, id::<UserId>(), id::<UserId>());
    for (user, label) in
        [(Some(here), LABEL), (Some(there), LABEL), (Some(here), "other"), (None, LABEL)]
    {
        let begun = table.store.acquire_lease(user, label, at(0)).await.unwrap();
        assert!(matches!(begun, LeaseOutcome::Acquired(_)), "{user:?} {label}");
    }
    assert_eq!(table.count().await, 4);
}

#[tokio::test]
async fn a_lease_expires_and_is_acquired_by_another_request() {
    let (table, account) = (TestTable::new().await, patient());
    let crashed = table.first(account.id, at(0)).await;
    assert!(matches!(
        table.begin(account.id, at(0) + LEASE_DURATION - SignedDuration::from_secs(1)).await,
        LeaseOutcome::InProgress
    ));
    let now = at(0) + LEASE_DURATION;
    let hold = table.first(account.id, now).await;
    // The previous request was not dead but slow: without its lease it can neither change anything
    // nor release the lease of the other.
    let overtaken = table.register_once(&account, &crashed, now).await;
    assert!(matches!(overtaken, Err(RegisterError::Store(Error::LeaseLost))), "{overtaken:?}");
    table.store.release_lease(&crashed).await.unwrap();
    assert_eq!(table.entities().await, ["idempotency"]);
    table.register_once(&account, &hold, now).await.unwrap();
    // The lost lease is reported even when the address is taken by now.
    let overtaken =
        table.register_once(&Account { id: id(), ..account.clone() }, &crashed, now).await;
    assert!(matches!(overtaken, Err(RegisterError::Store(Error::LeaseLost))), "{overtaken:?}");
    assert!(has_response(&table.begin(account.id, now).await));
}

#[tokio::test]
async fn a_response_is_valid_for_a_day_even_if_the_table_deletes_it_later() {
    let (table, account) = (TestTable::new().await, patient());
    let hold = table.first(account.id, at(0)).await;
    table.register_once(&account, &hold, at(0)).await.unwrap();
    assert!(has_response(
        &table.begin(account.id, at(0) + RESPONSE_RETENTION - SignedDuration::from_secs(1)).await
    ));
    assert!(matches!(
        table.begin(account.id, at(0) + RESPONSE_RETENTION).await,
        LeaseOutcome::Acquired(_)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_concurrent_requests_one_acquires_the_lease() {
    let (table, user) = (TestTable::new().await, id::<UserId>());
    for now in [at(0), at(0) + LEASE_DURATION] {
        let begun = join_all((0..8).map(|_| {
            let store = table.store.clone();
            tokio::spawn(async move { store.acquire_lease(Some(user), LABEL, now).await.unwrap() })
        }))
        .await;
        let begun: Vec<LeaseOutcome> = begun.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            begun.iter().filter(|begun| matches!(begun, LeaseOutcome::Acquired(_))).count(),
            1
        );
        assert_eq!(
            begun.iter().filter(|begun| matches!(begun, LeaseOutcome::InProgress)).count(),
            7
        );
    }
}

#[tokio::test]
async fn creating_a_profile_with_a_lease_is_refused_for_the_usual_reasons() {
    let (table, account) =
        (TestTable::new().await, user(domain::account::Role::Doctor, "John", "Smith"));
    table.register(&account).await;
    let profile =
        Account { profile: Some(doctor_profile("Cardiology")), version: 2, ..account.clone() };
    let hold = table.first(account.id, at(0)).await;
    let response = hold.response(b"sealed".to_vec(), at(0));
    let stale = Account { version: 7, ..profile.clone() };
    assert!(matches!(
        table.store.create_profile(&stale, Some(&response)).await,
        Err(CreateProfileError::Stale)
    ));
    table.store.create_profile(&profile, Some(&response)).await.unwrap();
    assert!(has_response(&table.begin(account.id, at(0)).await));
    let hold = match table.store.acquire_lease(Some(account.id), "other", at(0)).await.unwrap() {
        LeaseOutcome::Acquired(hold) => hold,
        other => panic!("{other:?}"),
    };
    let response = hold.response(b"sealed".to_vec(), at(0));
    assert!(matches!(
        table.store.create_profile(&profile, Some(&response)).await,
        Err(CreateProfileError::ProfileExists)
    ));
}
