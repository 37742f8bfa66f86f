//! Tests of sessions.

use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::id::SessionId;
use domain::mail::{Mail, MailKind};
use domain::session::{PreviousToken, Session};
use store::UpdateError;
use store::sessions::EndSessionError;

use crate::people::{at, event, id, patient, session};
use crate::table::{TestTable, text};

#[tokio::test]
async fn a_sign_in_stores_a_session_and_its_event() {
    let table = TestTable::new().await;
    let account = patient();
    let session = session(&account);
    table
        .store
        .create_session(&session, Some(&event(&account, account.id, Action::Login, None)))
        .await
        .unwrap();
    assert_eq!(
        table.store.get_session(account.id, session.id).await.unwrap(),
        Some(session.clone())
    );
    assert_eq!(table.count().await, 2);
    let item = table
        .item(format!("USER#{}", account.id), format!("SESSION#{}", session.id))
        .await
        .unwrap();
    assert_eq!(
        item["ttl"].as_n().unwrap(),
        &session.ttl.to_string(),
        "what the table's time to live looks at"
    );
    assert_eq!(text(&item, "entity"), Some("session"));

    let silent = Session { id: id(), ..session };
    table.store.create_session(&silent, None).await.unwrap();
    assert_eq!(table.count().await, 3);
    assert_eq!(table.store.get_session(id(), silent.id).await.unwrap(), None, "of somebody else");
}

#[tokio::test]
async fn a_token_is_replaced_once() {
    let table = TestTable::new().await;
    let before = session(&patient());
    table.store.create_session(&before, None).await.unwrap();
    let previous =
        PreviousToken { token_hash: before.token_hash.clone(), masked_successor: "m".repeat(43) };
    let after = Session {
        token_hash: "second".to_owned(),
        previous: Some(previous),
        last_used_at: at(5),
        ..before.clone()
    };
    table.store.rotate_session(&before, &after).await.unwrap();
    assert_eq!(
        table.store.get_session(before.user_id, before.id).await.unwrap(),
        Some(after.clone())
    );
    let other = Session { token_hash: "third".to_owned(), ..after.clone() };
    assert!(matches!(table.store.rotate_session(&before, &other).await, Err(UpdateError::Stale)));
    assert_eq!(table.store.get_session(before.user_id, before.id).await.unwrap(), Some(after));
}

#[tokio::test]
async fn a_rotation_does_not_undo_a_change_of_the_second_factor() {
    let table = TestTable::new().await;
    let account = patient();
    let with = Session { second_factor: true, ..session(&account) };
    let without = Session { second_factor: false, ..with.clone() };
    table.store.create_session(&without, None).await.unwrap();
    let after = Session { token_hash: "second".to_owned(), ..with.clone() };
    assert!(matches!(table.store.rotate_session(&with, &after).await, Err(UpdateError::Stale)));
    assert_eq!(table.store.get_session(account.id, with.id).await.unwrap(), Some(without.clone()));
    let after = Session { second_factor: false, ..after };
    table.store.rotate_session(&without, &after).await.unwrap();
}

#[tokio::test]
async fn an_ended_session_stays_ended() {
    let table = TestTable::new().await;
    let account = patient();
    let before = session(&account);
    table.store.create_session(&before, None).await.unwrap();
    let ended = || event(&account, account.id, Action::EndSession, None);
    assert!(
        matches!(
            table.store.end_session(id(), before.id, &ended()).await,
            Err(EndSessionError::NotFound)
        ),
        "of somebody else"
    );
    table.store.end_session(before.user_id, before.id, &ended()).await.unwrap();
    assert_eq!(table.store.get_session(before.user_id, before.id).await.unwrap(), None);
    assert!(matches!(
        table.store.end_session(before.user_id, before.id, &ended()).await,
        Err(EndSessionError::NotFound)
    ));
    let after = Session { token_hash: "second".to_owned(), ..before.clone() };
    assert!(matches!(table.store.rotate_session(&before, &after).await, Err(UpdateError::Stale)));
    assert_eq!(table.count().await, 1, "the event of the one that was ended");
}

#[tokio::test]
async fn a_reused_token_ends_the_session_with_event_and_mail_once() {
    let table = TestTable::new().await;
    let account = patient();
    let session = session(&account);
    table.store.create_session(&session, None).await.unwrap();
    let end = async || {
        let mail = Mail::new(id(), MailKind::TokenReused, account.id, at(0));
        table
            .store
            .end_reused_session(
                &session,
                &event(&account, account.id, Action::ReuseToken, None),
                &mail,
            )
            .await
    };
    end().await.unwrap();
    assert!(matches!(end().await, Err(EndSessionError::NotFound)));
    assert_eq!(table.entities().await, ["audit_event", "mail"]);
}

#[tokio::test]
async fn all_sessions_end_by_a_watermark_that_never_goes_back() {
    let table = TestTable::new().await;
    let account = patient();
    let first = table.register(&account).await;
    let second = session(&account);
    table.store.create_session(&second, None).await.unwrap();
    assert_eq!(table.store.get_newest_session(account.id).await.unwrap(), Some(second.id));
    assert_eq!(table.store.get_newest_session(id()).await.unwrap(), None);
    let ended = event(&account, account.id, Action::EndAllSessions, None);
    let end = async |through| {
        table
            .store
            .end_sessions(account.id, through, &AuditEvent { id: id(), ..ended.clone() })
            .await
    };
    end(second.id).await.unwrap();
    for not_further in [second.id, first.id] {
        assert!(matches!(end(not_further).await, Err(UpdateError::Stale)));
    }
    assert!(
        matches!(table.store.end_sessions(id(), second.id, &ended).await, Err(UpdateError::Stale)),
        "nobody is made"
    );
    let (stored, _) = table.store.get_caller(account.id, second.id).await.unwrap().unwrap();
    assert!(
        !stored.allows_session_id(first.id)
            && !stored.allows_session_id(second.id)
            && stored.allows_session_id(id())
    );
    assert_eq!(
        stored,
        Account { sessions_ended_through: Some(second.id), version: 2, ..account.clone() }
    );
    // A change based on an earlier read of the account cannot undo it.
    let late = Account { profile: None, version: 2, ..account.clone() };
    let late = table.store.update_profile(&account, &late, None).await;
    assert!(matches!(late, Err(UpdateError::Stale)));
}

#[tokio::test]
async fn ending_sessions_costs_the_same_for_one_and_for_a_thousand() {
    let mut costs = Vec::new();
    for number in [1, 1_000] {
        let table = TestTable::new().await;
        let account = patient();
        let first = table.register(&account).await;
        let model = table
            .item(format!("USER#{}", account.id), format!("SESSION#{}", first.id))
            .await
            .unwrap();
        table.multiply(&[model], number - 1, |_| {
            vec![(first.id.to_string(), id::<SessionId>().to_string())]
        });
        let (_, cost) = table
            .meter
            .measure(async {
                let (caller, newest) = tokio::join!(
                    table.store.get_caller(account.id, first.id),
                    table.store.get_newest_session(account.id)
                );
                caller.unwrap().unwrap();
                let ended = event(&account, account.id, Action::EndAllSessions, None);
                table
                    .store
                    .end_sessions(account.id, newest.unwrap().unwrap(), &ended)
                    .await
                    .unwrap();
            })
            .await;
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(
        (costs[0].round_trips, costs[0].calls, costs[0].read, costs[0].write),
        (2, 3, 3.0, 4.0)
    );
}

/// Returns all live sessions of a user, page by page.
async fn pages(
    table: &TestTable,
    account: &Account,
    lives: impl Fn(&Session) -> bool,
    limit: usize,
) -> Vec<SessionId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = table
            .store
            .list_sessions(account.id, account.sessions_ended_through, &lives, limit, after)
            .await
            .unwrap();
        assert!(page.items.len() <= limit);
        found.extend(page.items.iter().map(|session| session.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

/// DynamoDB refuses `BETWEEN` with its ends the wrong way round; the table of these tests does not.
#[tokio::test]
async fn a_page_after_sessions_that_have_ended_meanwhile_is_empty_and_asks_nothing() {
    let table = TestTable::new().await;
    let account = patient();
    let old = table.register(&account).await.id;
    let (new, everything) = (session(&account).id, |_: &Session| true);
    let listed = table.store.list_sessions(account.id, Some(new), everything, 10, Some(old));
    let (page, cost) = table.meter.measure(listed).await;
    assert!(page.unwrap().items.is_empty());
    assert_eq!(cost.calls, 0);
}

#[tokio::test]
async fn sessions_are_listed_newest_first_without_the_ended_ones() {
    let table = TestTable::new().await;
    let mut account = patient();
    let mut all = vec![table.register(&account).await.id];
    table.register(&patient()).await;
    for number in 1..12 {
        let session = Session { ttl: 1_900_000_000 + number, ..session(&account) };
        table.store.create_session(&session, None).await.unwrap();
        all.insert(0, session.id);
    }
    let even = |session: &Session| session.ttl % 2 == 0;
    let evens: Vec<SessionId> = all.iter().rev().step_by(2).rev().copied().collect();
    for limit in [1, 5, 11, 12, 100] {
        assert_eq!(pages(&table, &account, |_| true, limit).await, all, "{limit}");
        assert_eq!(pages(&table, &account, even, limit).await, evens, "{limit}");
        assert!(pages(&table, &account, |_| false, limit).await.is_empty());
    }
    account.sessions_ended_through = Some(all[3]);
    for limit in [1, 2, 3, 100] {
        assert_eq!(pages(&table, &account, |_| true, limit).await, all[..3], "{limit}");
    }
    account.sessions_ended_through = Some(all[0]);
    assert!(pages(&table, &account, |_| true, 5).await.is_empty());
}
