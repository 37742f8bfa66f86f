//! Tests of second factors.

use domain::audit::Action;
use domain::mail::{Mail, MailKind};
use domain::rate::{ClientNetwork, FailureLimits, LimitedAction};
use domain::second_factor::SecondFactor;
use domain::session::Session;
use store::UpdateError;
use store::rate::ThrottleKey;

use crate::people::{at, event, id, patient, session};
use crate::table::TestTable;

fn stale(result: Result<(), UpdateError>) -> bool {
    matches!(result, Err(UpdateError::Stale))
}

#[tokio::test]
async fn a_second_factor_is_set_up_used_and_removed() {
    let table = TestTable::new().await;
    let store = &table.store;
    let account = patient();
    let first = table.register(&account).await;
    let audit = |action| event(&account, account.id, action, None);
    let mail = |kind| Mail::new(id(), kind, account.id, at(0));

    let pending = SecondFactor::pending(account.id, "FIRST".to_owned());
    store.start_second_factor(&pending).await.unwrap();
    let pending = SecondFactor { secret: "SECOND".to_owned(), ..pending };
    store.start_second_factor(&pending).await.unwrap();
    assert!(
        store.get_second_factor(account.id).await.unwrap() == Some(pending.clone()),
        "the newer secret counts"
    );

    let hashes = vec!["a".to_owned(), "b".to_owned()];
    let confirmed = SecondFactor {
        confirmed: true,
        recovery_hashes: hashes,
        ..pending.with_step_used(7).unwrap()
    };
    let enable = async || {
        let mail = mail(MailKind::SecondFactorEnabled);
        let event = audit(Action::EnableSecondFactor);
        store
            .enable_second_factor(&pending, &confirmed, &account, &first, &event, &mail)
            .await
            .map(|()| mail)
    };
    let told = enable().await.unwrap();
    assert_eq!(store.get_mail(told.id).await.unwrap(), Some(told));
    let (stored, marked) = store.get_caller(account.id, first.id).await.unwrap().unwrap();
    assert!(stored.second_factor && stored.version == account.version + 1 && marked.second_factor);
    assert!(store.get_credentials(&account.email).await.unwrap().unwrap().second_factor);
    assert!(stale(store.start_second_factor(&pending).await), "a confirmed one is not replaced");
    assert!(matches!(enable().await, Err(UpdateError::Stale)));

    // Of two concurrent sign-ins with the same code, one succeeds.
    let used = confirmed.with_step_used(8).unwrap();
    let sessions = [0, 1].map(|_| Session { id: id(), second_factor: true, ..session(&account) });
    let logins = sessions.clone().map(|_| audit(Action::Login));
    let (user, here) = (account.id.to_string(), ClientNetwork::of("203.0.113.7"));
    let trial = ThrottleKey { kind: LimitedAction::SecondFactor, account: &user, network: &here };
    store
        .start_sign_in_attempt(
            trial,
            FailureLimits { network: 100, in_a_row: 100, is_shared: false },
            at(0),
        )
        .await
        .unwrap();
    let told = mail(MailKind::RecoveryCodeUsed);
    let (one, other) = tokio::join!(
        store.sign_in_with_second_factor(&confirmed, &used, &sessions[0], &logins[0], trial, None),
        store.sign_in_with_second_factor(
            &confirmed,
            &used,
            &sessions[1],
            &logins[1],
            trial,
            Some(&told)
        ),
    );
    let tried = table
        .all()
        .await
        .iter()
        .filter(|item| item["pk"].as_s().unwrap().starts_with("RATE#"))
        .count();
    assert_eq!(tried, 0, "the attempts are forgotten");
    assert!(one.is_ok() != other.is_ok());
    let mut signed_in = 0;
    for session in &sessions {
        signed_in +=
            usize::from(store.get_session(account.id, session.id).await.unwrap().is_some());
    }
    assert_eq!(signed_in, 1);

    let (event, told) = (audit(Action::DisableSecondFactor), mail(MailKind::SecondFactorDisabled));
    assert!(
        stale(store.disable_second_factor(&confirmed, &account, &first, &event, &told).await),
        "it has changed since"
    );
    store.disable_second_factor(&used, &account, &first, &event, &told).await.unwrap();
    assert_eq!(store.get_mail(told.id).await.unwrap(), Some(told));
    assert!(!store.get_session(account.id, first.id).await.unwrap().unwrap().second_factor);
    assert!(store.get_second_factor(account.id).await.unwrap().is_none());
    assert!(!store.get_account(account.id).await.unwrap().unwrap().second_factor);
    assert!(!store.get_credentials(&account.email).await.unwrap().unwrap().second_factor);
}
