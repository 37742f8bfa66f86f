//! Tests of what follows a sign-in: refresh, logout, the user's own data, the public keys.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::harness::{Anonymous, Client, PASSWORD, User, aws};

/// Returns the parts of an access token: header, claims, signed text, signature.
fn parts(access: &str) -> (Value, Value, String, Vec<u8>) {
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let json = |part: &str| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims), signed.to_owned(), decode(signature))
}

/// Returns the keys of the table's item of the session of an access token.
fn session_of(access: &str) -> (String, String) {
    let (_, claims, ..) = parts(access);
    (
        format!("USER#{}", claims["sub"].as_str().unwrap()),
        format!("SESSION#{}", claims["sid"].as_str().unwrap()),
    )
}

fn tokens(response: &crate::harness::Response) -> (String, String) {
    (response.text("access").to_owned(), response.text("refresh").to_owned())
}

#[test]
fn a_refresh_token_gives_new_tokens() {
    let user = User::new("patient");
    let response = Anonymous.refresh(&user.refresh).ok(200);
    assert_eq!(response.keys(), ["access", "refresh"]);
    let (access, refresh) = tokens(&response);
    assert_ne!((&access, &refresh), (&user.access, &user.refresh));
    Client::with_token(&access).me().ok(200);
    user.me().ok(200);
    let (third, _) = tokens(&Anonymous.refresh(&refresh).ok(200));
    assert_eq!(session_of(&third), session_of(&user.access), "still one session");
}

#[test]
fn a_lost_response_can_be_requested_again() {
    let user = User::new("patient");
    let (access, first) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    // However slow the system is, the token was replaced a moment ago.
    let (pk, sk) = session_of(&access);
    let used = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(2);
    aws::update_item(
        &pk,
        &sk,
        "SET last_used_at = :used",
        json!({":used": {"S": used.to_string()}}),
    );
    let (access, again) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    assert_eq!(first, again);
    assert_eq!(reuses(&user), [("success".to_owned(), json!("within_grace"))]);
    Client::with_token(&access).me().ok(200);
    Anonymous.refresh(&again).ok(200);
}

/// Returns outcome and reason of the events about a used refresh token.
fn reuses(user: &User) -> Vec<(String, Value)> {
    let events = aws::query(&format!("AUDIT#{}", user.id));
    let reuses = events.iter().filter(|event| event["action"]["S"] == "reuse_token");
    reuses
        .map(|event| {
            (event["outcome"]["S"].as_str().unwrap().to_owned(), event["reason"]["S"].clone())
        })
        .collect()
}

#[test]
fn a_reused_refresh_token_ends_its_session() {
    let user = User::new("patient");
    let other = user.sign_in();
    let (access, refresh) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    // As after the seconds in which a lost response is repeated.
    let (pk, sk) = session_of(&access);
    let used = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(11);
    aws::update_item(
        &pk,
        &sk,
        "SET last_used_at = :used",
        json!({":used": {"S": used.to_string()}}),
    );
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    Anonymous.refresh(&refresh).problem(401, "token_not_valid");
    Client::with_token(&access).me().problem(401, "token_not_valid");
    user.me().problem(401, "token_not_valid");
    other.me().ok(200);
}

#[test]
fn an_older_refresh_token_ends_its_session_at_once() {
    let user = User::new("patient");
    let (_, second) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    let (access, _) = tokens(&Anonymous.refresh(&second).ok(200));
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    Client::with_token(&access).me().problem(401, "token_not_valid");
}

#[test]
fn malformed_refresh_tokens_are_rejected() {
    let user = User::new("patient");
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&user.refresh).unwrap();
    let others_session = BASE64_URL_SAFE_NO_PAD.decode(User::new("patient").refresh).unwrap();
    let of_another_session = [&others_session[..32], &bytes[32..]].concat();
    let shorter = bytes[..63].to_vec();
    bytes[0] ^= 1;
    for token in
        [bytes, of_another_session, shorter].map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes))
    {
        Anonymous.refresh(&token).problem(401, "token_not_valid");
    }
    let padded = format!("{}==", user.refresh);
    let long = "x".repeat(4096);
    for token in ["x", "..", &user.access, &padded, &long] {
        Anonymous.refresh(token).problem(401, "token_not_valid");
    }
    for (body, code) in [
        (json!({}), "required"),
        (json!({"refresh": null}), "null"),
        (json!({"refresh": 7}), "invalid"),
    ] {
        Anonymous.post("/api/accounts/token/refresh/", &body).refused("refresh", code);
    }
    Anonymous.refresh(&user.refresh).ok(200);
}

#[test]
fn logout_ends_the_session_and_no_other() {
    let user = User::new("doctor");
    let other = user.sign_in();
    user.logout().ok(204);
    user.me().problem(401, "token_not_valid");
    user.list_notifications("").problem(401, "token_not_valid");
    user.list_doctor_records("").problem(401, "token_not_valid");
    user.logout().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    other.me().ok(200);
    Anonymous.login(&user.email, PASSWORD).ok(200);
}

#[test]
fn the_refresh_token_alone_signs_out() {
    let user = User::new("patient");
    let other = user.sign_in();
    let response = Anonymous.revoke(&user.refresh).ok(204);
    assert_eq!(response.header("clear-site-data"), "\"cache\", \"storage\"");
    user.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    other.me().ok(200);
    let ended = aws::query(&format!("AUDIT#{}", user.id));
    assert!(ended.iter().any(|event| event["action"]["S"] == "end_session"));
    // What is no token, or none any more, gets the same response.
    for token in [user.refresh.as_str(), "x", &user.access] {
        Anonymous.revoke(token).ok(204);
    }
    Anonymous.post("/api/accounts/token/revoke/", &json!({})).refused("refresh", "required");
    other.me().ok(200);
}

#[test]
fn an_older_refresh_token_that_signs_out_is_reported() {
    let user = User::new("patient");
    let (_, second) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    let (access, _) = tokens(&Anonymous.refresh(&second).ok(200));
    Anonymous.revoke(&user.refresh).ok(204);
    Client::with_token(&access).me().problem(401, "token_not_valid");
    assert_eq!(reuses(&user), [("failed".to_owned(), Value::Null)]);
}

#[test]
fn a_browser_clears_what_it_has_stored_at_sign_out() {
    let user = User::new("patient");
    let other = user.sign_in();
    for response in [other.logout().ok(204), user.logout_all().ok(204)] {
        assert_eq!(response.header("clear-site-data"), "\"cache\", \"storage\"");
    }
}

#[test]
fn a_session_ends_by_age() {
    let user = User::new("patient");
    let (pk, sk) = session_of(&user.access);
    let ended = jiff::Timestamp::now().as_second() - 1;
    aws::update_item(&pk, &sk, "SET #ttl = :ended", json!({":ended": {"N": ended.to_string()}}));
    user.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
}

#[test]
fn deactivation_stops_at_the_next_request() {
    let user = User::new("patient");
    user.me().ok(200);
    user.deactivate();
    user.me().problem(401, "token_not_valid");
    user.list_doctors("").problem(401, "token_not_valid");
    user.list_patient_records("").problem(401, "token_not_valid");
    user.list_notifications("").problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
}

#[test]
fn a_deleted_user_is_nobody() {
    let user = User::new("patient");
    aws::dynamodb(
        "DeleteItem",
        json!({"Key": {"pk": {"S": format!("USER#{}", user.id)}, "sk": {"S": "ACCOUNT"}}}),
    );
    user.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
}

#[test]
fn a_changed_role_stops_the_tokens_of_the_old_one() {
    let user = User::new("patient");
    aws::update_item(
        &format!("USER#{}", user.id),
        "ACCOUNT",
        "SET #role = :role, approval = :approval",
        json!({":role": {"S": "doctor"}, ":approval": {"S": "approved"}}),
    );
    user.list_patient_records("").problem(401, "token_not_valid");
    let (access, _) = tokens(&Anonymous.refresh(&user.refresh).ok(200));
    Client::with_token(&access).list_doctor_records("").ok(200);
    Client::with_token(&access).list_patient_records("").problem(403, "wrong_role");
}

#[test]
fn access_tokens_are_verified_by_the_published_keys() {
    let user = User::new("doctor");
    let keys = Anonymous.jwks().ok(200);
    assert_eq!(keys.header("cache-control"), "public, max-age=300");
    let (header, claims, signed, signature) = parts(&user.access);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let key =
        keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!(
        key.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["alg", "crv", "kid", "kty", "use", "x"],
        "nothing private"
    );
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    let public = BASE64_URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).unwrap();
    assert_eq!((&claims["sub"], &claims["role"]), (&json!(user.id), &json!("doctor")));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 15 * 60);
    let names: Vec<_> = claims.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["aud", "exp", "iat", "iss", "jti", "nbf", "role", "sid", "sub"],
        "nothing personal"
    );
}
