//! What the document says once: about the whole, and what many operations have in common.

use std::collections::BTreeMap;

use domain::access::Audience;
use domain::schema;
use http_api::idempotency::{KEY_PATTERN, MAX_KEY_LENGTH};
use serde_json::{Value, json};

use crate::Scope;

/// The headers of every response.
pub(crate) const EVERYWHERE: [&str; 2] = ["Access-Control-Allow-Origin", "X-Request-Id"];

pub(crate) fn info() -> Value {
    json!({
        "title": "Personal health records",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "Patients keep their health records, choose a doctor for each, and see who has \
         looked.",
        "description": "Patients keep records with files and assign each to a doctor. Doctors read \
         and annotate what is assigned to \
            them, and nothing else. Users are notified of changes.\n\n\
            Paths end in a slash and work without it. Bodies are JSON in UTF-8; unknown fields are \
            ignored. White space \
            around texts is dropped before they are measured, but for passwords. Times are RFC \
            3339 in UTC. Ids are UUIDs, in lower case in paths and responses; in bodies and \
            queries case makes no difference.\n\n\
            Every error of the service is a problem document (RFC 9457) whose `code` is stable and \
            whose `type` leads to a page that \
            says what to do.\n\n\
            Lists are pages: `next` is the address of the next one, null at the end, and so is the \
            header `Link`.\n\n\
            Objects that can change have an `ETag`, which is sent back as `If-Match`. If the \
            object changed in between, the response is 412.",
        "contact": { "name": "The operator of this service" },
        "license": { "name": "MIT", "identifier": "MIT" },
    })
}

pub(crate) fn servers() -> Value {
    json!([{ "url": "/", "description": "The stack that serves this document, be it local, staging \
                                         or production.", "x-internal": false }])
}

pub(crate) fn tags(scope: Scope) -> Value {
    let mut tags = vec![
        ("Accounts", "Registration, signing in, sessions, profiles, the directory of doctors."),
        ("Health Records", "Records, their files and annotations."),
        ("Notifications", "The inbox."),
        ("Administration", "What staff do, signed in with a second factor."),
        ("Service", "About the service itself."),
    ];
    tags.retain(|(name, _)| scope == Scope::All || *name != "Administration");
    tags.into_iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect()
}

pub(crate) fn for_whom(audience: Audience) -> &'static str {
    match audience {
        Audience::Public => "For anyone.",
        Audience::SignedIn => "For every user.",
        Audience::PatientsAndDoctors => "For patients and doctors.",
        Audience::Patients => "For patients.",
        Audience::Readers => {
            "For patients, and for doctors whom staff have approved; for these, where the operator \
             says so, only when signed in with a second factor."
        }
        Audience::Doctors => {
            "For doctors whom staff have approved; where the operator says so, only when signed in \
             with a second factor."
        }
        Audience::Admins => "For admins who have signed in with a second factor.",
    }
}

/// Returns the security requirements of an audience: the roles of which one is needed, unless every
/// role will do (OpenAPI 3.1, section 4.8.30).
pub(crate) fn security(audience: Audience) -> Value {
    let roles: &[&str] = match audience {
        Audience::Public => return json!([]),
        Audience::SignedIn => &[],
        Audience::PatientsAndDoctors | Audience::Readers => {
            return json!([{ "bearer": ["patient"] }, { "bearer": ["doctor"] }]);
        }
        Audience::Patients => &["patient"],
        Audience::Doctors => &["doctor"],
        Audience::Admins => &["admin"],
    };
    json!([{ "bearer": roles }])
}

pub(crate) fn security_schemes() -> BTreeMap<String, Value> {
    let bearer = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of login or refresh: a JWT (RFC 7519) signed with EdDSA, \
            issued and verified as RFC8725 says. \
            It lives for minutes, and ends with its session.",
    });
    BTreeMap::from([("bearer".to_owned(), bearer)])
}

/// Returns the schema of the gateway's own error responses.
pub(crate) fn gateway_error() -> Value {
    json!({
        "type": "object",
        "description": "An error of the gateway in front of the service.",
        "properties": { "message": { "type": "string", "maxLength": 255,
            "examples": ["Too Many Requests"] } },
        "required": ["message"],
    })
}

/// Describes a variable of a path: an id.
pub(crate) fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "description": "The id of the object.",
         "schema": schema::id("An id.") })
}

pub(crate) fn parameters() -> BTreeMap<String, Value> {
    let header = |name: &str, description: &str, example: &str| {
        let schema = json!({ "type": "string", "maxLength": 8192, "examples": [example] });
        json!({ "name": name, "in": "header", "required": false, "description": description,
            "schema": schema })
    };
    let if_match =
        "Do it only if the object still has one of these entity tags (RFC 9110, section 13.1.1).";
    let if_none_match =
        "Send it only if it has none of these entity tags (RFC 9110, section 13.1.2).";
    BTreeMap::from([
        ("IfMatch".to_owned(), header("If-Match", if_match, "*")),
        ("IfNoneMatch".to_owned(), header("If-None-Match", if_none_match, "\"0\"")),
        ("IdempotencyKey".to_owned(), idempotency_key()),
        ("TokenTransport".to_owned(), token_transport()),
    ])
}

fn token_transport() -> Value {
    json!({
        "name": "Token-Transport", "in": "header", "required": false,
        "description": "For pages of this service: refresh token and device token are in the \
         cookies `__Host-refresh_token` and `__Host-device_token` (`HttpOnly`, `SameSite=Strict`, \
         `Secure`) instead of the bodies of requests and responses. `Origin` must be that of the \
         service, and `Sec-Fetch-Site`, where it is sent, `same-origin`. Without this header no \
         cookie is read or set. At `http://localhost` the names have no prefix, and `Secure` is \
         left out.",
        "schema": { "type": "string", "enum": ["cookie"] },
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "description": "Makes it safe to send the request again: the same key and body give the \
         stored response for a day \
            (IETF draft idempotency-key-header).",
        "schema": {
            "type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": KEY_PATTERN,
            "examples": ["\"8e03978e-40d5-43e8-bc93-6894a57f9324\""],
        },
    })
}

pub(crate) fn headers() -> BTreeMap<String, Value> {
    let text = |description: &str, example: &str| {
        json!({ "description": description,
        "schema": { "type": "string", "maxLength": 8192, "examples": [example] } })
    };
    let seconds = json!({ "type": "integer", "format": "int32", "minimum": 0, "maximum": 86_400,
        "examples": [1] });
    let headers = [
        (
            "Access-Control-Allow-Origin",
            text(
                "The origin of the request, where it is one that may read responses.",
                "https://app.example.org",
            ),
        ),
        ("Cache-Control", text("How long the response may be kept (RFC 9111).", "no-cache")),
        ("ETag", text("The version of the object (RFC 9110, section 8.8.3).", "\"1\"")),
        (
            "Idempotent-Replayed",
            json!({
                "description": "There when the response is the stored one of a request that was \
                 sent before.",
                "schema": { "type": "string", "enum": ["true"] },
            }),
        ),
        (
            "Link",
            text(
                "The next page, if there is one, with rel=\"next\" (RFC 8288).",
                "<https://example.org/?cursor=abc>; rel=\"next\"",
            ),
        ),
        ("Location", text("Where the new object is, or what was asked for.", "/api/accounts/me/")),
        (
            "RateLimit",
            text("What is left of the limit (IETF draft ratelimit-headers).", "\"login\";r=0;t=30"),
        ),
        (
            "RateLimit-Policy",
            text("The limit (IETF draft ratelimit-headers).", "\"login\";q=5;w=900"),
        ),
        (
            "Retry-After",
            json!({ "description": "After how many seconds to try again.", "schema": seconds }),
        ),
        (
            "Set-Cookie",
            text(
                "With Token-Transport, the tokens that the body does not contain (RFC 6265).",
                "__Host-refresh_token=AZClwAAAcACAAAAAAAAAAQ; HttpOnly; SameSite=Strict; Secure; \
                 Path=/; Max-Age=604800",
            ),
        ),
        (
            "WWW-Authenticate",
            text("How to authenticate (RFC 6750, section 3).", "Bearer realm=\"api\""),
        ),
        (
            "X-Request-Id",
            text("The id of the request, for questions about it.", "JKJaXmPLvHcESHA="),
        ),
    ];
    headers.into_iter().map(|(name, header)| (name.to_owned(), header)).collect()
}
