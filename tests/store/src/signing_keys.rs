//! Public keys.

use domain::key::SigningKey;

use crate::people::at;
use crate::table::Table;

#[tokio::test]
async fn a_published_key_stays_as_it_is() {
    let table = Table::new().await;
    assert!(table.store.signing_keys().await.unwrap().is_empty());
    let key = |kid: &str, x: &str| SigningKey { kid: kid.to_owned(), x: x.to_owned(), created_at: at(0), retire_after: None };
    let (first, second) = (key("_kid-1", "x1"), SigningKey { retire_after: Some(at(9)), ..key("kid-2", "x2") });
    table.store.publish_signing_key(&first).await.unwrap();
    table.store.publish_signing_key(&second).await.unwrap();
    table.store.publish_signing_key(&SigningKey { x: "other".to_owned(), ..first.clone() }).await.unwrap();
    assert_eq!(table.store.signing_keys().await.unwrap(), [first, second]);
    assert!(table.item("JWKS", "KEY#_kid-1").await.is_some());
}
