//! Access tokens made by tests: a key of their own, published in the table like a real one, signs
//! whatever they need.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::Timestamp;
use ring::digest;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::{Anonymous, aws, unique};

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Returns header and claims of a token.
pub fn parts(access: &str) -> (Value, Value) {
    let parts: Vec<&str> = access.split('.').collect();
    (decode(parts[0]), decode(parts[1]))
}

/// Returns the object with one member changed, or removed when the value is null.
pub fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut object = object.clone();
    match value {
        Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
        value => object[name] = value,
    }
    object
}

/// A key that the functions accept once it is published.
pub struct TestSigningKey {
    pub pair: Ed25519KeyPair,
    pub kid: String,
}

impl TestSigningKey {
    pub fn new() -> Self {
        let seed = digest::digest(&digest::SHA256, unique().as_bytes());
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).unwrap(),
            kid: format!("test-{}", unique()),
        }
    }

    pub fn publish() -> Self {
        let key = Self::new();
        key.put(None);
        key
    }

    /// Writes the key to the table, to be retired at a time.
    pub fn put(&self, retire_after: Option<Timestamp>) {
        let x = encode(self.pair.public_key());
        let mut item = json!({
            "pk": {"S": "JWKS"}, "sk": {"S": self.sk()}, "entity": {"S": "signing_key"},
                "kid": {"S": self.kid}, "x": {"S": x},
            "created_at": {"S": Timestamp::now().to_string()},
        });
        if let Some(end) = retire_after {
            item["retire_after"] = json!({"S": end.to_string()});
        }
        aws::dynamodb("PutItem", json!({"Item": item}));
    }

    fn sk(&self) -> String {
        format!("KEY#{}", self.kid)
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }
}

impl Drop for TestSigningKey {
    fn drop(&mut self) {
        aws::dynamodb("DeleteItem", json!({"Key": {"pk": {"S": "JWKS"}, "sk": {"S": self.sk()}}}));
    }
}

/// Returns the id of the key of an access token.
pub fn kid_of(access: &str) -> String {
    parts(access).0["kid"].as_str().unwrap().to_owned()
}

/// Returns the ids of the published keys.
#[track_caller]
pub fn published() -> BTreeSet<String> {
    let keys = Anonymous.jwks().ok(200);
    keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}
