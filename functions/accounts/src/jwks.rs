//! `GET /.well-known/jwks.json`

use axum::extract::State;
use axum::http::{HeaderValue, header};
use http_kit::answer::{Answer, ok};
use http_kit::problem::Problem;
use runtime::clock;
use serde::Serialize;

use crate::App;

/// A public key (RFC 8037).
#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    public_key_use: &'static str,
    kid: String,
    x: String,
}

#[derive(Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// The public keys that verify access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Accounts")]
pub(crate) async fn jwks(State(app): State<App>) -> Result<Answer, Problem> {
    // Without a token issued yet there would be no key: verifiers may ask before the first login.
    app.tokens.signer().await?;
    let now = clock::now();
    let keys = app.store.signing_keys().await?.into_iter().filter(|key| !key.is_retired(now));
    let keys = keys.map(|key| Jwk { kty: "OKP", crv: "Ed25519", alg: "EdDSA", public_key_use: "sig", kid: key.kid, x: key.x });
    let cached = HeaderValue::from_static("public, max-age=300");
    Ok(ok(&JwkSet { keys: keys.collect() }).with_header(header::CACHE_CONTROL, cached))
}
