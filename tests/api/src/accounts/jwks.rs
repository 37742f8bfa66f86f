//! Tests of the keys of access tokens: published and retired.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::tokens::{TestSigningKey, kid_of, parts, published, with};
use crate::harness::{Anonymous, Client, FunctionSettings, User};

#[test]
fn the_public_keys_may_be_cached_for_a_while() {
    let user = User::new("patient");
    let response = Anonymous.jwks().ok(200);
    assert_eq!(response.header("cache-control"), "public, max-age=300");
    assert_eq!(response.header("content-type"), "application/json");
    assert!(published().contains(&kid_of(&user.access)));
}

#[test]
fn a_retired_key_is_refused() {
    let (user, ending, ended) =
        (User::new("patient"), TestSigningKey::new(), TestSigningKey::new());
    let (header, claims) = parts(&user.access);
    let now = Timestamp::now();
    ending.put(Some(now + SignedDuration::from_mins(10)));
    ended.put(Some(now - SignedDuration::from_secs(1)));
    let sign = |key: &TestSigningKey| {
        Client::with_token(&key.sign(&with(&header, "kid", json!(key.kid)), &claims))
    };
    // Warm sandboxes may cache what they have read for five minutes.
    for (function, path) in [
        ("accounts", "/api/accounts/me/"),
        ("records", "/api/records/patient/"),
        ("notifications", "/api/notifications/"),
    ] {
        let cold = FunctionSettings::of(function).start();
        cold.send(&sign(&ending), "GET", path, &Value::Null).ok(200);
        cold.send(&sign(&ended), "GET", path, &Value::Null).problem(401, "token_not_valid");
    }
    let published = published();
    assert!(published.contains(&ending.kid) && !published.contains(&ended.kid));
}
