//! Tests of invalid access tokens: the response is the same, whatever is wrong with them.
//!
//! A key of the tests, published in the table like a real one, signs tokens with a single fault
//! each.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
use ring::hmac;
use ring::signature::{EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::harness::tokens::{TestSigningKey, encode, parts, with};
use crate::harness::{
    Anonymous, Client, Doctor, FunctionSettings, Patient, Request, User, eventually,
};

#[track_caller]
pub(crate) fn refuse(token: &str) {
    let response = Client::with_token(token).me().problem(401, "token_not_valid");
    assert_eq!(
        response.header("www-authenticate"),
        "Bearer realm=\"api\", error=\"invalid_token\""
    );
    assert!(
        !response["detail"].to_string().contains("key"),
        "says nothing of what is wrong: {response}"
    );
}

#[test]
fn no_token_is_no_caller() {
    let user = User::new("patient");
    let response = Anonymous.me().problem(401, "not_authenticated");
    assert_eq!(response.header("www-authenticate"), "Bearer realm=\"api\"");
    let with_line =
        |line: &str| Request::new("GET", "/api/accounts/me/").header("authorization", line).send();
    let (access, basic) = (&user.access, "Basic amFuZTpqYW5l");
    for line in [&format!("Token {access}"), &format!("JWT {access}"), access, basic, "Digest x=y"]
    {
        with_line(line).problem(401, "not_authenticated");
    }
    for line in [
        "Bearer",
        "Bearer x",
        "Bearer null",
        &format!("Bearer {access} {access}"),
        &format!("Bearer {access}, Bearer {access}"),
    ] {
        with_line(line).problem(401, "token_not_valid");
    }
    for line in
        [format!("Bearer {access}"), format!("bearer {access}"), format!("BEARER  {access}")]
    {
        with_line(&line).ok(200);
    }
    let twice = user.request("GET", "/api/accounts/me/").token(access).send();
    twice.problem(401, "token_not_valid");
    Anonymous
        .get(&format!("/api/accounts/me/?access_token={access}"))
        .problem(401, "not_authenticated");
}

#[test]
fn tampered_tokens_are_refused() {
    let user = Doctor::new();
    let (header, claims) = parts(&user.access);
    let (signed, signature) = user.access.rsplit_once('.').unwrap();
    let payload = signed.split_once('.').unwrap().1;
    let resigned = |header: &Value, claims: &Value| {
        format!("{}.{}.{signature}", encode(header.to_string()), encode(claims.to_string()))
    };

    refuse(&resigned(&header, &with(&claims, "role", json!("admin"))));
    refuse(&resigned(&header, &with(&claims, "role", json!("patient"))));
    refuse(&resigned(&header, &with(&claims, "sub", json!(Patient::new().id))));
    refuse(&resigned(&header, &with(&claims, "exp", json!(4_000_000_000_u32))));
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let header = encode(with(&header, "alg", json!(algorithm)).to_string());
        refuse(&format!("{header}.{payload}."));
        refuse(&format!("{header}.{payload}.{signature}"));
    }
    // The public key used as the secret of an HMAC.
    let keys = Anonymous.jwks().ok(200);
    let key =
        keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let raw = BASE64_URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    for secret in
        [raw, key["x"].as_str().unwrap().as_bytes().to_vec(), key.to_string().into_bytes()]
    {
        let signed =
            format!("{}.{payload}", encode(with(&header, "alg", json!("HS256")).to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        refuse(&format!("{signed}.{}", encode(tag)));
    }
    let mut other = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    other[0] ^= 1;
    refuse(&format!("{signed}.{}", encode(&other)));
    refuse(&format!("{signed}.{}", encode(&other[..63])));
    refuse(&format!("{signed}.{signature}=="));
    refuse(&format!("{signed}.{signature}."));
    refuse(&format!("{signed}."));
    refuse(signed);
    refuse(&format!(".{}", user.access));
    refuse(&user.refresh);
    for token in ["x", ".", "..", "...", "e30.e30.", "e30.e30.e30", "{}", &"x".repeat(8000)] {
        refuse(token);
    }
    user.me().ok(200);
}

#[test]
fn signed_tokens_that_are_wrong_in_one_thing_are_refused() {
    let (user, other, key) = (User::new("doctor"), User::new("doctor"), TestSigningKey::publish());
    let (header, claims) = parts(&user.access);
    let header = with(&header, "kid", json!(key.kid));
    let good = key.sign(&header, &claims);
    let accepted = || (Client::with_token(&good).me().status == 200).then_some(());
    // Unknown keys are looked up every ten seconds only.
    eventually("a published key is believed", accepted);

    let now = Timestamp::now().as_second();
    for (name, value) in [
        ("iss", json!("somebody-else")),
        ("iss", json!(null)),
        ("aud", json!("another-api")),
        ("aud", json!(null)),
        ("exp", json!(now)),
        ("exp", json!(now - 3600)),
        ("exp", json!(null)),
        ("exp", json!("4000000000")),
        ("nbf", json!(now + 3600)),
        ("nbf", json!(null)),
        ("iat", json!(now + 3600)),
        ("iat", json!(null)),
        ("sub", json!(null)),
        ("sub", json!("1")),
        ("sub", json!(user.id.to_uppercase())),
        ("sub", json!(other.id)),
        ("sid", json!(null)),
        ("sid", json!("x")),
        ("sid", json!(user.id)),
        ("sid", parts(&other.access).1["sid"].clone()),
        ("role", json!("patient")),
        ("role", json!("admin")),
        ("role", json!("root")),
        ("role", json!(null)),
        ("jti", json!(null)),
    ] {
        refuse(&key.sign(&header, &with(&claims, name, value)));
    }
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.pair.public_key())});
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("Ed25519ph")),
        ("alg", json!("Ed448")),
        ("alg", json!("ES256")),
        ("alg", json!("ES256K")),
        ("alg", json!("ES384")),
        ("alg", json!("RS256")),
        ("alg", json!(["EdDSA"])),
        ("alg", json!("HS256")),
        ("alg", json!(null)),
        ("typ", json!("JWT")),
        ("typ", json!("refresh+jwt")),
        ("typ", json!(null)),
        ("crit", json!(["exp"])),
        ("crit", json!(["x-unknown"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("kid", json!(null)),
        ("kid", json!("")),
        ("kid", json!("unknown")),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("x' UNION SELECT 'x")),
        ("kid", json!("x".repeat(3000))),
        ("kid", json!(7)),
    ] {
        refuse(&key.sign(&with(&header, name, value), &claims));
    }
    // A key in the token's header is not used.
    let unknown = with(&header, "kid", json!("brought-along"));
    refuse(&key.sign(&with(&unknown, "jwk", jwk), &claims));
    for name in ["jku", "x5u"] {
        refuse(
            &key.sign(
                &with(&unknown, name, json!("https://attacker.example.org/jwks.json")),
                &claims,
            ),
        );
    }
    // A foreign key is not accepted under the id of ours.
    let stranger = TestSigningKey::new();
    let strangers = json!({"kty": "OKP", "crv": "Ed25519", "kid": key.kid,
        "x": encode(stranger.pair.public_key())});
    refuse(&stranger.sign(&with(&header, "jwk", strangers.clone()), &claims));
    refuse(&key.sign(&with(&header, "jwk", strangers), &claims));
    for (name, value) in [
        ("jku", "https://attacker.example.org/"),
        ("x5u", "https://attacker.example.org/"),
        ("x5c", "MIIB"),
        ("zip", "DEF"),
    ] {
        refuse(&key.sign(&with(&header, name, json!([value])), &claims));
        refuse(&stranger.sign(&with(&header, name, json!(value)), &claims));
    }
    refuse(&key.sign(&with(&with(&header, "b64", json!(false)), "crit", json!(["b64"])), &claims));
    // Another curve, under the name of our key and algorithm, and under its own.
    let rng = ring::rand::SystemRandom::new();
    let curve = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(curve, &rng).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, document.as_ref(), &rng).unwrap();
    for algorithm in ["EdDSA", "ES256"] {
        let signed = format!(
            "{}.{}",
            encode(with(&header, "alg", json!(algorithm)).to_string()),
            encode(claims.to_string())
        );
        let signature = pair.sign(&rng, signed.as_bytes()).unwrap();
        refuse(&format!("{signed}.{}", encode(signature)));
    }
    // Every part twice.
    for name in ["alg", "kid", "typ"] {
        let twice = header.to_string().replacen('{', &format!("{{\"{name}\":{},", header[name]), 1);
        refuse(&key.sign_text(&twice, &claims.to_string()));
    }
    for name in ["sub", "role", "exp", "sid"] {
        let twice = claims.to_string().replacen('{', &format!("{{\"{name}\":{},", claims[name]), 1);
        refuse(&key.sign_text(&header.to_string(), &twice));
    }
    let twice = claims.to_string().replacen('{', &format!("{{\"sub\":\"{}\",", other.id), 1);
    refuse(&key.sign_text(&header.to_string(), &twice));
    refuse(&key.sign_text(&header.to_string(), "[]"));
    refuse(&key.sign_text("null", &claims.to_string()));
    refuse(&stranger.sign(&header, &claims));
    refuse(&stranger.sign(&with(&header, "kid", json!(stranger.kid)), &claims));
    // Other encodings of the same: padded, with line ends, as JSON (RFC 7515, section 7.2).
    let [protected, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    refuse(&format!("{protected}=.{payload}.{signature}"));
    refuse(&format!("{protected}.{payload}=.{signature}"));
    refuse(&format!("{protected}.{payload}.{signature}="));
    refuse(
        &json!({"protected": protected, "payload": payload, "signature": signature}).to_string(),
    );
    refuse(
        &json!({"payload": payload, "signatures": [{"protected": protected,
        "signature": signature}]})
        .to_string(),
    );
    // About one signature of twenty has none of the characters in which the alphabets differ.
    let differing = std::iter::repeat_with(|| {
        key.sign(&header, &with(&claims, "jti", json!(uuid::Uuid::now_v7())))
    })
    .find(|token| token.contains(['-', '_']))
    .unwrap();
    refuse(&differing.replace('-', "+").replace('_', "/"));
    assert!(accepted().is_some(), "the key is good all the time");
}

/// Sends the function what a gateway would refuse, as it would arrive without one.
#[test]
fn tokens_of_any_length_are_refused() {
    let (user, key) = (User::new("patient"), TestSigningKey::publish());
    let (header, claims) = parts(&user.access);
    let header = with(&header, "kid", json!(key.kid));
    let accounts = FunctionSettings::of("accounts").start();
    let send = |token: &str| {
        accounts.send(&Client::with_token(token), "GET", "/api/accounts/me/", &Value::Null)
    };
    send(&key.sign(&header, &claims)).ok(200);
    for length in [10_000, 100_000, 1_000_000] {
        let long = "x".repeat(length);
        send(&long).problem(401, "token_not_valid");
        send(&format!("{long}.{long}.{long}")).problem(401, "token_not_valid");
        send(&key.sign(&with(&header, "kid", json!(long)), &claims))
            .problem(401, "token_not_valid");
        send(&key.sign(&with(&header, "kid", json!("../".repeat(length / 3))), &claims))
            .problem(401, "token_not_valid");
        send(&key.sign(&header, &with(&claims, "ignored", json!(long))))
            .problem(401, "token_not_valid");
    }
    send(&key.sign(&header, &claims)).ok(200);
}
