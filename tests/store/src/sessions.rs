//! Sessions.

use domain::audit::Action;
use domain::session::{PreviousToken, Session};
use store::UpdateError;

use crate::people::{at, event, id, patient, session};
use crate::table::{Table, text};

#[tokio::test]
async fn a_sign_in_stores_a_session_and_its_event() {
    let table = Table::new().await;
    let account = patient();
    let session = session(&account);
    table.store.put_session(&session, Some(&event(&account, account.id, Action::Login, None))).await.unwrap();
    assert_eq!(table.store.session(account.id, session.id).await.unwrap(), Some(session.clone()));
    assert_eq!(table.count().await, 2);
    let item = table.item(format!("USER#{}", account.id), format!("SESSION#{}", session.id)).await.unwrap();
    assert_eq!(item["ttl"].as_n().unwrap(), &session.ttl.to_string(), "what the table's time to live looks at");
    assert_eq!(text(&item, "entity"), Some("session"));

    let silent = Session { id: id(), ..session };
    table.store.put_session(&silent, None).await.unwrap();
    assert_eq!(table.count().await, 3);
    assert_eq!(table.store.session(id(), silent.id).await.unwrap(), None, "of somebody else");
}

#[tokio::test]
async fn a_token_is_replaced_once() {
    let table = Table::new().await;
    let before = session(&patient());
    table.store.put_session(&before, None).await.unwrap();
    let previous = PreviousToken { token_hash: before.token_hash.clone(), masked_successor: "m".repeat(43) };
    let after = Session { token_hash: "second".to_owned(), previous: Some(previous), last_used_at: at(5), ..before.clone() };
    table.store.rotate_session(&before, &after).await.unwrap();
    assert_eq!(table.store.session(before.user_id, before.id).await.unwrap(), Some(after.clone()));
    let other = Session { token_hash: "third".to_owned(), ..after.clone() };
    assert!(matches!(table.store.rotate_session(&before, &other).await, Err(UpdateError::Stale)));
    assert_eq!(table.store.session(before.user_id, before.id).await.unwrap(), Some(after));
}

#[tokio::test]
async fn an_ended_session_stays_ended() {
    let table = Table::new().await;
    let before = session(&patient());
    table.store.put_session(&before, None).await.unwrap();
    for _ in 0..2 {
        table.store.end_session(before.user_id, before.id).await.unwrap();
        assert_eq!(table.store.session(before.user_id, before.id).await.unwrap(), None);
    }
    let after = Session { token_hash: "second".to_owned(), ..before.clone() };
    assert!(matches!(table.store.rotate_session(&before, &after).await, Err(UpdateError::Stale)));
    assert_eq!(table.count().await, 0);
}
