//! The test vectors of project Wycheproof for JSON Web Signatures, Keys and Crypto, against our
//! verifier.
//!
//! None of them is a token of ours: whatever an algorithm of theirs makes of it, we refuse it. The
//! vectors in the folder `wycheproof` are those of <https://github.com/C2SP/wycheproof>, unchanged,
//! under the Apache License 2.0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::PathBuf;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::Secret;
use domain::account::Role;
use domain::signing_key::SigningKey;
use jiff::{SignedDuration, Timestamp};
use runtime::clock;
use runtime::tokens::{Signer, Verifier};
use serde_json::{Value, json};

const ISSUER: &str = "records-test";

fn groups(file: &str) -> Vec<Value> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wycheproof")).join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["testGroups"].as_array().unwrap().clone()
}

/// Returns the keys of a group, those of key sets too.
fn keys(group: &Value) -> Vec<&Value> {
    let sets = ["public", "private"].into_iter().filter_map(|side| group.get(side));
    sets.flat_map(|key| {
        key["keys"].as_array().map_or_else(|| vec![key], |keys| keys.iter().collect())
    })
    .collect()
}

/// Returns the keys that we would believe if a key of the group were ours: under its id, its own
/// material and our own.
fn published(group: &Value, ours: &Signer) -> Vec<SigningKey> {
    let key = |kid: &str, x: &str| SigningKey {
        kid: kid.to_owned(),
        x: x.to_owned(),
        created_at: clock::now(),
        retire_after: None,
    };
    let mut published = vec![key(ours.kid(), ours.public_key())];
    for jwk in keys(group) {
        let kid = jwk["kid"].as_str().unwrap_or("none");
        published.extend(
            ["x", "n", "k"]
                .into_iter()
                .filter_map(|member| jwk[member].as_str())
                .map(|material| key(kid, material)),
        );
        published.push(key(kid, ours.public_key()));
    }
    published
}

#[test]
fn no_vector_is_a_token() {
    let (signer, verifier) =
        (Signer::new(&Secret::new("a secret for tests"), ISSUER), Verifier::new(ISSUER));
    let now: Timestamp = clock::now();
    let token = signer.sign(
        clock::new_id(),
        clock::new_id(),
        Role::Doctor,
        now,
        SignedDuration::from_mins(15),
    );
    let mut count = 0;
    for file in
        ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"]
    {
        for group in groups(file) {
            let published = published(&group, &signer);
            assert!(
                verifier.verify(&token, &published, now).is_ok(),
                "a token of ours is good beside the keys of others"
            );
            for test in group["tests"].as_array().unwrap() {
                let what = format!("{file} {}: {}", test["tcId"], test["comment"]);
                let vector = ["jws", "jwe"]
                    .into_iter()
                    .find_map(|name| test.get(name))
                    .unwrap_or_else(|| panic!("{what} has no vector"));
                let text = vector.as_str().map_or_else(|| vector.to_string(), str::to_owned);
                // One after the other, as keys of one id are not told apart.
                for key in &published {
                    assert!(
                        verifier.verify(&text, std::slice::from_ref(key), now).is_err(),
                        "{what}"
                    );
                    // The same with a header of ours, so that nothing but the rest of it can be
                    // wrong.
                    let header =
                        json!({"typ": "at+jwt", "alg": "EdDSA", "kid": key.kid}).to_string();
                    if let Some((_, rest)) = text.split_once('.') {
                        let dressed_up =
                            format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header));
                        assert!(
                            verifier.verify(&dressed_up, std::slice::from_ref(key), now).is_err(),
                            "{what}, dressed up"
                        );
                    }
                    // And with the claims of ours, so that only the signature can be.
                    if let [header, _, signature] = text.split('.').collect::<Vec<_>>()[..] {
                        let claims = token.split('.').nth(1).unwrap();
                        assert!(
                            verifier
                                .verify(&format!("{header}.{claims}.{signature}"), &published, now)
                                .is_err(),
                            "{what}, our claims"
                        );
                    }
                }
                count += 1;
            }
        }
    }
    assert!(count >= 500, "only {count} vectors were there");
}
