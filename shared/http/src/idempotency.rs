//! Use [`Idempotent`] for operations with the header `Idempotency-Key` (IETF
//! draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The same key and body give the stored response. The key with another body is refused, and so is
//! a repetition while the first request is running. Only successful responses are stored: after a
//! failure the request can be sent again with its key. Requests without the header store nothing.
//!
//! A response contains personal data and tokens. It is sealed with a key derived from ours and the
//! client's, and can only be opened with the body of the request: neither access to the table nor
//! somebody else's key is enough.

use std::sync::OnceLock;

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use crypto::{KeyRing, RotatingSecret, SealingKey};
use domain::access::Operation;
use domain::email::Email;
use domain::id::UserId;
use domain::problem::Code;
use runtime::clock;
use store::Store;
use store::idempotency::{Lease, LeaseOutcome, StoredResponse};

use crate::form::Form;
use crate::problem::Problem;
use crate::response::ApiResponse;
use crate::state::HttpState;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of a repeated response.
const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));

/// The greatest length of the header's value, its quotes counted.
pub const MAX_KEY_LENGTH: usize = 255;

/// The values of the header that [`Idempotent`] accepts, as a regular expression (ECMA-262): a
/// string of a structured field, or without the quotes.
pub const KEY_PATTERN: &str = r#"^("([ !#-\[\]-~]|\\["\\])+"|[!#-+\-.\/0-:<-\[\]-~]+)$"#;

/// Finds and seals stored responses. Functions with idempotent operations have it in their state.
#[derive(Clone, Debug)]
pub struct ResponseKeys(KeyRing);

impl ResponseKeys {
    /// Makes the keys from a secret that serves no other purpose.
    pub fn new(secret: impl Into<RotatingSecret>) -> Self {
        Self(KeyRing::new(secret))
    }
}

/// The key and the body of a request. The operation must be [idempotent](Operation::is_idempotent).
///
/// The extractor refuses a malformed key with 400.
pub struct Idempotent(pub IdempotencyContext, pub Form);

/// The key and the fingerprint of a request, before its sender is known.
pub struct IdempotencyContext {
    store: Store,
    keys: ResponseKeys,
    key: Option<IdempotencyKey>,
}

struct IdempotencyKey {
    operation: Operation,
    key: String,
    fingerprint: String,
}

impl<S: Send + Sync> FromRequest<S> for Idempotent
where
    HttpState: FromRef<S>,
    ResponseKeys: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let operation = request.extensions().get().copied().ok_or_else(|| {
            Problem::internal("the route names no operation: register it with http_api::routes!")
        })?;
        let key = key(request.headers())?;
        let form = Form::from_request(request, state).await?;
        let key = key.map(|key| IdempotencyKey { operation, key, fingerprint: form.fingerprint() });
        let (store, keys) = (HttpState::from_ref(state).store, ResponseKeys::from_ref(state));
        Ok(Self(IdempotencyContext { store, keys, key }, form))
    }
}

/// Returns the key of a request, `None` without one.
///
/// # Errors
/// 400 when there are several keys or a malformed one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let detail = "The header Idempotency-Key must hold one string of printable ASCII characters in \
                  double quotes, with these at most 255.";
    let invalid = || Problem::new(StatusCode::BAD_REQUEST, Code::IdempotencyKeyInvalid, detail);
    let mut lines = headers.get_all(KEY).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            let line = line
                .to_str()
                .ok()
                .map(|line| line.trim_matches([' ', '\t']))
                .filter(|line| line.len() <= MAX_KEY_LENGTH);
            let key = line.and_then(parse).filter(|key| !key.is_empty());
            key.map(Some).ok_or_else(invalid)
        }
        (Some(_), Some(_)) => Err(invalid()),
    }
}

/// Reads a string of a structured field (RFC 9651, section 3.3.3), as the draft has it, or without
/// the quotes, as many clients send it.
fn parse(line: &str) -> Option<String> {
    if !line.starts_with('"') {
        return line
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte))
            .then(|| line.to_owned());
    }
    let item: sfv::Item = sfv::Parser::new(line).parse().ok()?;
    item.bare_item.as_string().filter(|_| item.params.is_empty()).map(|key| key.as_str().to_owned())
}

impl IdempotencyContext {
    /// Returns the request as one of a user.
    pub fn of_user(self, user: UserId) -> IdempotentRequest {
        let name = user.to_string();
        self.of(Some(user), &name)
    }

    /// Returns the request as one of somebody who registers with this address.
    ///
    /// The same key and body count as the same sender, because the body contains the password.
    pub fn of_stranger(self, email: &Email) -> IdempotentRequest {
        self.of(None, &email.normalized())
    }

    fn of(self, user: Option<UserId>, name: &str) -> IdempotentRequest {
        let Self { store, keys, key } = self;
        let place = key.map(|IdempotencyKey { operation, key, fingerprint }| {
            let sealing_key =
                keys.0.sealing_key(&["idempotency", &operation.to_string(), name, &key]);
            ResponseLocation { user, sealing_key, fingerprint }
        });
        IdempotentRequest { store, place, lease: OnceLock::new() }
    }
}

/// Where the response of a request is stored.
struct ResponseLocation {
    user: Option<UserId>,
    sealing_key: SealingKey,
    fingerprint: String,
}

/// A request that can be repeated.
pub struct IdempotentRequest {
    store: Store,
    place: Option<ResponseLocation>,
    lease: OnceLock<Lease>,
}

impl IdempotentRequest {
    /// Acquires the lease, or returns the stored response. Run it concurrently with the first read.
    ///
    /// # Errors
    /// 409 while the same request is running, 422 when the key was used with another body.
    pub async fn begin(&self) -> Result<Option<ApiResponse>, Problem> {
        let Some(place) = &self.place else { return Ok(None) };
        match self.store.acquire_lease(place.user, place.sealing_key.label(), clock::now()).await? {
            LeaseOutcome::Acquired(lease) => {
                self.lease.get_or_init(|| lease);
                Ok(None)
            }
            LeaseOutcome::InProgress => Err(Problem::request_in_progress()),
            LeaseOutcome::Completed(sealed) => {
                let opened = place.sealing_key.open(place.fingerprint.as_bytes(), &sealed);
                let response = opened.ok_or_else(|| {
                    let detail = "This Idempotency-Key was used with another body; a new request \
                                  needs a new key.";
                    Problem::new(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        Code::IdempotencyKeyReused,
                        detail,
                    )
                })?;
                let (name, value) = REPLAYED;
                Ok(Some(ApiResponse::from_bytes(&response)?.with_header(name, value)))
            }
        }
    }

    /// Seals the response that the operation is to store with what it changes; `None` for a request
    /// without a key.
    ///
    /// # Errors
    /// 500 when the response cannot be stored.
    pub fn completed(&self, response: &ApiResponse) -> Result<Option<StoredResponse>, Problem> {
        let (Some(place), Some(lease)) = (&self.place, self.lease.get()) else {
            return Ok(None);
        };
        let sealed = place.sealing_key.seal(place.fingerprint.as_bytes(), &response.to_bytes()?);
        Ok(Some(lease.response(sealed, clock::now())))
    }

    /// Runs the request and releases the lease if it fails, so that it can be sent again.
    ///
    /// # Errors
    /// Those of the request.
    pub async fn run(
        &self,
        what: impl Future<Output = Result<ApiResponse, Problem>>,
    ) -> Result<ApiResponse, Problem> {
        let done = what.await;
        if done.is_err()
            && let Some(lease) = self.lease.get()
            && let Err(error) = self.store.release_lease(lease).await
        {
            tracing::warn!(%error, "the lease of a failed request was not released");
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;
    use crate::response::created;

    fn of(lines: &[&[u8]]) -> Result<Option<String>, &'static str> {
        let headers =
            lines.iter().map(|line| (KEY, HeaderValue::from_bytes(line).unwrap())).collect();
        key(&headers).map_err(|problem| {
            assert_eq!(problem.status(), 400);
            problem.code()
        })
    }

    #[test]
    fn keys_are_strings() {
        let is = |line: &str, expected: &str| {
            assert_eq!(of(&[line.as_bytes()]), Ok(Some(expected.to_owned())), "{line}")
        };
        is(r#""8e03978e-40d5-43e8-bc93-6894a57f9324""#, "8e03978e-40d5-43e8-bc93-6894a57f9324");
        is(r#"  "a \"b\" \\ c"  "#, r#"a "b" \ c"#);
        is("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324");
        is(&"x".repeat(255), &"x".repeat(255));
        is(&format!("\"{}\"", "x".repeat(253)), &"x".repeat(253));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let (long, long_quoted) = ("x".repeat(256), format!("\"{}\"", "x".repeat(254)));
        for line in [
            "",
            " ",
            "\"\"",
            "\"",
            "\"a",
            "a\"",
            "\"a\"b\"",
            r#""\a""#,
            r#""a\""#,
            "\"a\";b=c",
            "a b",
            "a,b",
            "\"a\", \"b\"",
            "\"\t\"",
            &long,
            &long_quoted,
        ] {
            assert_eq!(of(&[line.as_bytes()]), Err("idempotency_key_invalid"), "{line}");
        }
        assert_eq!(of(&[b"\"\xc3\xa9\""]), Err("idempotency_key_invalid"));
        assert_eq!(of(&[b"\"a\"", b"\"a\""]), Err("idempotency_key_invalid"));
    }

    #[tokio::test]
    async fn a_response_is_read_as_it_was_stored() {
        let before = created("/things/1/", &json!({"text": "line\nline", "n": 1}))
            .with_header(HeaderName::from_static("etag"), HeaderValue::from_static("\"1\""));
        let after = ApiResponse::from_bytes(&before.to_bytes().unwrap()).unwrap();
        let (before, after) = (before.into_response(), after.into_response());
        assert_eq!((before.status(), before.headers()), (after.status(), after.headers()));
        let (before, after) = (
            to_bytes(before.into_body(), 1000).await.unwrap(),
            to_bytes(after.into_body(), 1000).await.unwrap(),
        );
        assert_eq!(before, after);
        assert!(ApiResponse::from_bytes(b"{}").is_err());
    }
}
