//! The only place that turns errors into answers: problem documents (RFC 9457).

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::field::{FieldError, Reason};
use domain::rate::{LimitedAction, Lockout};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::rate::LimitError;
use utoipa::ToSchema;

use domain::problem::Code;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// After how many seconds a client should try again when the table or another service did not
/// answer.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not done. Neither its code nor its texts ever repeat what the client sent.
///
/// As an answer it is incomplete: the middleware adds what a handler does not know (the request's
/// path and id), writes the document and logs the cause.
#[derive(Clone, Debug)]
pub struct Problem(Box<Content>);

#[derive(Clone, Debug)]
struct Content {
    status: StatusCode,
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    mfa_token: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Beside a problem in the extensions of an answer: it has been written already, in another form
/// than a document.
#[derive(Clone, Copy, Debug)]
pub struct Written;

/// A limit, as those who reach it are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The problem's code.
    pub code: Code,
    /// The limit's name.
    pub name: LimitedAction,
    /// So many ...
    pub quota: u64,
    /// ... in so long.
    pub window: SignedDuration,
}

impl Limit {
    /// So many in a day.
    pub fn of_a_day(name: LimitedAction, quota: u64) -> Self {
        Self { code: Code::DailyLimitReached, name, quota, window: SignedDuration::from_hours(24) }
    }

    /// What is said of a refusal to try or to have something.
    pub fn refuse(&self, error: LimitError, now: Timestamp) -> Problem {
        match error {
            LimitError::Locked(locked) => Problem::too_many_requests(self, locked, now),
            LimitError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    /// A problem with a sentence for people.
    pub fn new(status: StatusCode, code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Content {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            mfa_token: None,
            source: None,
        }))
    }

    /// The problem with a header on its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The problem with what goes on with it: a sign-in that needs a code, too.
    #[must_use]
    pub fn with_mfa_token(mut self, token: String) -> Self {
        self.0.mfa_token = Some(token);
        self
    }

    fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// 400: fields of the body or parameters of the query were refused.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            Code::ValidationFailed,
            "The request has invalid fields.",
        );
        problem.0.errors = errors;
        problem
    }

    /// 400: one field was refused.
    pub fn field(name: impl Into<String>, reason: Reason) -> Self {
        Self::validation(vec![FieldError::new(name, reason)])
    }

    /// 401: who is calling is not proved, by whatever means the operation asks for.
    pub fn unauthorized(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"api\"");
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
    }

    /// 401: a token is needed and there is none.
    pub fn not_authenticated() -> Self {
        Self::unauthorized(Code::NotAuthenticated, "Authentication credentials were not provided.")
    }

    /// 401: there is a token, and it is worth nothing (any more). Says no more than that.
    pub fn token_not_valid() -> Self {
        // RFC 6750, section 3.1
        const CHALLENGE: HeaderValue =
            HeaderValue::from_static("Bearer realm=\"api\", error=\"invalid_token\"");
        Self::new(
            StatusCode::UNAUTHORIZED,
            Code::TokenNotValid,
            "The access token is invalid or expired, or its session has ended.",
        )
        .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
    }

    /// 403: the caller may not do this, whatever the object.
    pub fn forbidden(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 403: the operation is for another role.
    pub fn wrong_role() -> Self {
        Self::forbidden(Code::WrongRole, "You do not have permission to perform this action.")
    }

    /// 403: the caller is a doctor whom staff have not approved, or have suspended.
    pub fn not_approved() -> Self {
        Self::forbidden(Code::NotApproved, "Your licence to practise is not approved.")
    }

    /// 403: the caller has signed in with a password alone.
    pub fn second_factor_required() -> Self {
        Self::forbidden(Code::SecondFactorRequired, "Sign in with a second factor to do this.")
    }

    /// 403: nobody does this to themself.
    pub fn own_account() -> Self {
        Self::forbidden(Code::OwnAccount, "You cannot deactivate yourself or change your own role.")
    }

    /// 403: a form was sent by another page than ours, or by one of another session.
    pub fn csrf_failed() -> Self {
        Self::forbidden(
            Code::CsrfFailed,
            "The form was not made for this session; open its page again.",
        )
    }

    /// 404: there is nothing here for the caller, be it unknown or somebody else's.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "Not found.")
    }

    /// 405. The router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::MethodNotAllowed,
            "This method is not allowed here; see the header Allow.",
        )
    }

    /// 409: the request does not fit the present state of things.
    pub fn conflict(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 409: the same request is still running.
    pub fn request_in_progress() -> Self {
        let detail =
            "A request with this Idempotency-Key is still running; see the header Retry-After.";
        Self::conflict(Code::IdempotencyRequestInProgress, detail)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// 412: the object is not (any more) the one that `If-Match` names.
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            Code::PreconditionFailed,
            "The object has changed since; read it again.",
        )
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn payload_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::PayloadTooLarge,
            format!("The body must have at most {limit} bytes."),
        )
    }

    /// 415: the body is no JSON.
    pub fn unsupported_media_type() -> Self {
        let detail =
            "The body must be JSON in UTF-8 with the header Content-Type: application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, detail)
    }

    /// 429: too often. Both headers are of the IETF draft "RateLimit header fields for HTTP".
    pub fn too_many_requests(limit: &Limit, locked: Lockout, now: Timestamp) -> Self {
        let Limit { name, quota, window, .. } = limit;
        let (wait, window) = (locked.retry_after_seconds(now), window.as_secs());
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            limit.code,
            "Too many requests; see the header Retry-After.",
        );
        // Digits and names of ours are always header values.
        let headers = [
            (header::RETRY_AFTER, wait.to_string()),
            (HeaderName::from_static("ratelimit"), format!("\"{name}\";r=0;t={wait}")),
            (
                HeaderName::from_static("ratelimit-policy"),
                format!("\"{name}\";q={quota};w={window}"),
            ),
        ];
        headers.into_iter().fold(problem, |problem, (name, value)| {
            match HeaderValue::from_str(&value) {
                Ok(value) => problem.with_header(name, value),
                Err(_) => problem,
            }
        })
    }

    /// 503: something that the request needs did not answer in time; it may be sent again.
    pub fn unavailable_because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "The service is busy or being repaired; try again.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER)
        .caused_by(source)
    }

    /// 500: a mistake of ours.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::crash().caused_by(source)
    }

    /// 500: a panic, logged where it happened.
    pub(crate) fn crash() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::InternalError,
            "Something went wrong on our side; it has been logged.",
        )
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.0.code.as_str()
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The fields that were refused.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// A header of the answer.
    pub fn header(&self, name: &HeaderName) -> Option<HeaderValue> {
        self.0.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Logs the cause, if there is one: a failure that the client did not cause.
    pub(crate) fn log(&self) {
        if let Some(source) = &self.0.source {
            let causes: Vec<String> =
                std::iter::successors(Some(&**source as &dyn Error), |error| (*error).source())
                    .map(ToString::to_string)
                    .collect();
            tracing::error!(problem = self.code(), cause = causes.join(": "), "request failed");
        }
    }

    /// Writes the document into the answer that the problem has become.
    pub(crate) fn write(&self, response: &mut Response, instance: &str, request_id: &str) {
        let content = &*self.0;
        let document = Document {
            problem_type: content.code.page(),
            title: content.code.title(),
            status: content.status.as_u16(),
            detail: &content.detail,
            instance,
            code: content.code.as_str(),
            request_id,
            mfa_token: content.mfa_token.as_deref(),
            errors: content
                .errors
                .iter()
                .map(|error| Item {
                    field: &error.field,
                    code: error.reason.code,
                    message: &error.reason.message,
                })
                .collect(),
        };
        // Strings, numbers and lists of them always become JSON.
        *response.body_mut() = Body::from(serde_json::to_vec(&document).unwrap_or_default());
        // The router has counted the empty body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
    }
}

/// Why a request was not done (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", max_length = 255)]
    problem_type: String,
    /// The kind of problem in a few words.
    #[schema(max_length = 255)]
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What has happened, in a sentence.
    #[schema(max_length = 1000)]
    detail: &'a str,
    /// The path of the request.
    #[schema(max_length = 8192)]
    instance: &'a str,
    #[schema(value_type = Code)]
    code: &'static str,
    /// The id of the request, for questions about it.
    #[schema(max_length = 255)]
    request_id: &'a str,
    /// With `mfa_required`: what completes the sign-in, together with a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1000, example = "Zm9yIGZpdmUgbWludXRlcw")]
    mfa_token: Option<&'a str>,
    /// Every field that was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 1000)]
    errors: Vec<Item<'a>>,
}

/// Why one field was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedField)]
struct Item<'a> {
    /// The field's name as in the request, `files[2].name` for nested ones.
    #[schema(max_length = 255)]
    field: &'a str,
    /// The kind of mistake. Stable.
    #[schema(max_length = 64)]
    code: &'static str,
    #[schema(max_length = 1000)]
    message: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        for (name, value) in &self.0.headers {
            response.headers_mut().append(name, value.clone());
        }
        (Extension(self), response).into_response()
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(_) => Self::unavailable_because(error),
            store::Error::LeaseLost => Self::request_in_progress(),
            store::Error::Rejected(_) | store::Error::Corrupt { .. } => Self::internal(error),
        }
    }
}
