//! `GET /.well-known/jwks.json`

use axum::extract::State;
use axum::http::{HeaderValue, header};
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use runtime::clock;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// A public key (RFC 8037).
#[derive(Serialize, ToSchema)]
struct Jwk {
    #[schema(max_length = 16, example = "OKP")]
    kty: &'static str,
    #[schema(max_length = 16, example = "Ed25519")]
    crv: &'static str,
    #[schema(max_length = 16, example = "EdDSA")]
    alg: &'static str,
    #[serde(rename = "use")]
    #[schema(max_length = 16, example = "sig")]
    public_key_use: &'static str,
    #[schema(max_length = 64)]
    kid: String,
    /// The key, in base64url.
    #[schema(max_length = 64, example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    x: String,
}

/// Public keys.
#[derive(Serialize, ToSchema)]
struct JwkSet {
    #[schema(max_items = 100)]
    keys: Vec<Jwk>,
}

/// List the public keys that verify access tokens (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Service",
    responses(
        (status = 200, description = "The keys.", body = JwkSet, headers(("Cache-Control"))),
    )
)]
pub(crate) async fn jwks(State(app): State<App>) -> Result<ApiResponse, Problem> {
    // Without a token issued yet there would be no key: verifiers may ask before the first login.
    app.tokens.signer().await?;
    let now = clock::now();
    let keys = app.store.list_signing_keys().await?.into_iter().filter(|key| !key.is_retired(now));
    let keys = keys.map(|key| Jwk {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        public_key_use: "sig",
        kid: key.kid,
        x: key.x,
    });
    let cached = HeaderValue::from_static("public, max-age=300");
    Ok(ok(&JwkSet { keys: keys.collect() }).with_header(header::CACHE_CONTROL, cached))
}
