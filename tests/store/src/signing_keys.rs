//! Tests of public keys.

use domain::signing_key::SigningKey;

use crate::people::at;
use crate::table::TestTable;

fn key(kid: &str) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        x: format!("x of {kid}"),
        created_at: at(0),
        retire_after: None,
    }
}

#[tokio::test]
async fn a_published_key_is_never_replaced() {
    let table = TestTable::new().await;
    assert!(table.store.list_signing_keys().await.unwrap().is_empty());
    let first = key("_kid-1");
    table.store.publish_signing_key(&first, at(9)).await.unwrap();
    table
        .store
        .publish_signing_key(
            &SigningKey { x: "other".to_owned(), created_at: at(5), ..first.clone() },
            at(20),
        )
        .await
        .unwrap();
    assert_eq!(table.store.list_signing_keys().await.unwrap(), [first]);
    assert!(table.item("JWKS", "KEY#_kid-1").await.is_some());
}

#[tokio::test]
async fn a_new_key_lets_the_others_expire() {
    let table = TestTable::new().await;
    let (first, second, third) = (key("kid-1"), key("kid-2"), key("kid-3"));
    let ending =
        |key: &SigningKey, second| SigningKey { retire_after: Some(at(second)), ..key.clone() };
    let publish = async |key, end| table.store.publish_signing_key(key, at(end)).await.unwrap();
    let published = async || table.store.list_signing_keys().await.unwrap();
    publish(&first, 9).await;
    publish(&second, 20).await;
    assert_eq!(published().await, [ending(&first, 20), second.clone()]);
    publish(&second, 30).await;
    assert_eq!(
        published().await,
        [ending(&first, 20), second.clone()],
        "an end is not put off by asking again"
    );
    let ttl = table.item("JWKS", "KEY#kid-1").await.unwrap()["ttl"]
        .as_n()
        .unwrap()
        .parse::<i64>()
        .unwrap();
    assert!(ttl > at(20).as_second(), "{ttl}");
    publish(&third, 40).await;
    assert_eq!(published().await, [ending(&first, 20), ending(&second, 40), third.clone()]);
    // A process that publishes an older key late is corrected by the next.
    publish(&second, 50).await;
    assert_eq!(published().await, [ending(&first, 20), second.clone(), ending(&third, 50)]);
    assert!(!table.item("JWKS", "KEY#kid-2").await.unwrap().contains_key("ttl"));
    publish(&third, 59).await;
    assert_eq!(published().await, [ending(&first, 20), ending(&second, 59), third]);
}
