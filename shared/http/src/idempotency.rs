//! Requests that may be sent again: the header `Idempotency-Key` (IETF
//! draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The same key and body give the stored answer, another body is refused, and so is one that comes
//! while the first is running. A request that was refused or has failed may be sent again with its
//! key: only what has changed something is kept. Without the header nothing is kept, and nothing
//! costs more.
//!
//! An answer holds personal data, and tokens. It is sealed under a key derived from ours and the
//! client's, and the body that it answers is needed to open it: who reads the table, or guesses
//! another's key, has nothing.

use std::sync::OnceLock;

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use crypto::SealingKey;
use domain::access::Operation;
use domain::email::Email;
use domain::id::UserId;
use runtime::clock;
use store::Store;
use store::idempotency::{Lease, LeaseOutcome, StoredResponse};

use crate::form::Form;
use crate::problem::Problem;
use crate::response::ApiResponse;
use crate::state::HttpState;
use domain::problem::Code;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// On an answer that was given before.
const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));

/// The greatest length of the header's value, its quotes counted.
pub const MAX_KEY_LENGTH: usize = 255;

/// The values of the header that [`Once`] takes, as a regular expression (ECMA-262): a string of a
/// structured field, or without the quotes.
pub const KEY_PATTERN: &str = r#"^("([ !#-\[\]-~]|\\["\\])+"|[!#-+\-.\/0-:<-\[\]-~]+)$"#;

/// The body of a request that creates something, and what makes it possible to send it again. The
/// operation must be [idempotent](Operation::is_idempotent).
///
/// As an extractor it refuses with 400 a header that holds no key.
pub struct Idempotent(pub IdempotencyContext, pub Form);

/// What makes a request the same as one before, but for who sends it.
pub struct IdempotencyContext {
    kit: HttpState,
    key: Option<Key>,
}

struct Key {
    operation: Operation,
    key: String,
    fingerprint: String,
}

impl<S: Send + Sync> FromRequest<S> for Idempotent
where
    HttpState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let operation = request.extensions().get().copied().ok_or_else(|| {
            Problem::internal("the route names no operation: register it with http_api::routes!")
        })?;
        let key = key(request.headers())?;
        let form = Form::from_request(request, state).await?;
        let key = key.map(|key| Key { operation, key, fingerprint: form.fingerprint() });
        Ok(Self(IdempotencyContext { kit: HttpState::from_ref(state), key }, form))
    }
}

/// The key of a request, `None` when it has none.
///
/// # Errors
/// 400 when it has several, or one that cannot be.
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
    let Some(quoted) = line.strip_prefix('"') else {
        return line
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte))
            .then(|| line.to_owned());
    };
    let mut key = String::new();
    let mut characters = quoted.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            ' '..='~' if character != '"' => character,
            _ => return None,
        });
    }
    Some(key)
}

impl IdempotencyContext {
    /// The request as one of a user's.
    pub fn of_user(self, user: UserId) -> IdempotentRequest {
        let name = user.to_string();
        self.of(Some(user), &name)
    }

    /// The request as one of somebody who has no account yet, but will have it with this address.
    ///
    /// Whoever sends the same body with the same key is taken for the same one: the body holds the
    /// password.
    pub fn of_stranger(self, email: &Email) -> IdempotentRequest {
        self.of(None, &email.normalized())
    }

    fn of(self, user: Option<UserId>, name: &str) -> IdempotentRequest {
        let Self { kit, key } = self;
        let place = key.map(|Key { operation, key, fingerprint }| {
            let drawer = kit.safe.sealing_key(&["idempotency", &operation.to_string(), name, &key]);
            Place { user, drawer, fingerprint }
        });
        IdempotentRequest { store: kit.store, place, hold: OnceLock::new() }
    }
}

/// Where the answer to a request is.
struct Place {
    user: Option<UserId>,
    drawer: SealingKey,
    fingerprint: String,
}

/// An attempt to do a request, the first one or another.
pub struct IdempotentRequest {
    store: Store,
    place: Option<Place>,
    hold: OnceLock<Lease>,
}

impl IdempotentRequest {
    /// Begins, beside the first read of the operation; the answer when it was given before.
    ///
    /// # Errors
    /// 409 while the same request is running, 422 when the key was used with another body.
    pub async fn begin(&self) -> Result<Option<ApiResponse>, Problem> {
        let Some(place) = &self.place else { return Ok(None) };
        match self.store.acquire_lease(place.user, place.drawer.label(), clock::now()).await? {
            LeaseOutcome::Acquired(hold) => {
                self.hold.get_or_init(|| hold);
                Ok(None)
            }
            LeaseOutcome::InProgress => Err(Problem::request_in_progress()),
            LeaseOutcome::Completed(sealed) => {
                let opened = place.drawer.open(place.fingerprint.as_bytes(), &sealed);
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
        let (Some(place), Some(lease)) = (&self.place, self.hold.get()) else {
            return Ok(None);
        };
        let sealed = place.drawer.seal(place.fingerprint.as_bytes(), &response.to_bytes()?);
        Ok(Some(lease.response(sealed, clock::now())))
    }

    /// Does the request, which begins in `what`. When it is refused or fails it is forgotten, so
    /// that it can be sent again.
    ///
    /// # Errors
    /// Those of `what`.
    pub async fn run(
        &self,
        what: impl Future<Output = Result<ApiResponse, Problem>>,
    ) -> Result<ApiResponse, Problem> {
        let done = what.await;
        if done.is_err()
            && let Some(hold) = self.hold.get()
            && let Err(error) = self.store.release_lease(hold).await
        {
            tracing::warn!(%error, "a request that failed still holds its place");
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
    async fn an_answer_is_read_as_it_was_kept() {
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
