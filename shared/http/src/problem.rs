//! Use [`Problem`] to refuse a request: errors become problem documents (RFC 9457) here only.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::field::{FieldError, Reason};
use domain::problem::Code;
use domain::rate::{LimitedAction, Lockout};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::rate::LimitError;
use utoipa::ToSchema;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The delay in seconds before a client should try again when a service did not respond.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request was refused or failed. Neither the code nor the texts repeat what the client sent.
///
/// The middleware completes the response: it adds the request's path and id, writes the document
/// and logs the cause.
#[derive(Clone, Debug)]
pub struct Problem(Box<ProblemParts>);

#[derive(Clone, Debug)]
struct ProblemParts {
    status: StatusCode,
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    mfa_token: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// Marks, in the extensions of a response with a problem, that the body is already written, for
/// example as a page.
#[derive(Clone, Copy, Debug)]
pub struct BodyWritten;

/// A limit, as the response describes it when it is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The problem's code.
    pub code: Code,
    /// The limit's name.
    pub name: LimitedAction,
    /// How many requests are allowed in a window.
    pub quota: u64,
    /// The length of a window.
    pub window: SignedDuration,
}

impl Limit {
    /// Returns a limit per day.
    pub fn of_a_day(name: LimitedAction, quota: u64) -> Self {
        Self { code: Code::DailyLimitReached, name, quota, window: SignedDuration::from_hours(24) }
    }

    /// Returns the problem when the limit is reached.
    pub fn refuse(&self, error: LimitError, now: Timestamp) -> Problem {
        match error {
            LimitError::LimitReached(locked) => Problem::too_many_requests(self, locked, now),
            LimitError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    /// Makes a problem; `detail` is a sentence for people.
    pub fn new(status: StatusCode, code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ProblemParts {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            mfa_token: None,
            source: None,
        }))
    }

    /// Adds a header to the response.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Replaces the sentence for people.
    #[must_use]
    pub(crate) fn with_detail(mut self, detail: &'static str) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Adds the token that completes the sign-in together with a code.
    #[must_use]
    pub fn with_mfa_token(mut self, token: String) -> Self {
        self.0.mfa_token = Some(token);
        self
    }

    fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns 400: fields of the body or query parameters are invalid.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let mut problem = Self::new(
            StatusCode::BAD_REQUEST,
            Code::ValidationFailed,
            "The request has invalid fields.",
        );
        problem.0.errors = errors;
        problem
    }

    /// Returns 400: one field is invalid.
    pub fn field(name: impl Into<String>, reason: Reason) -> Self {
        Self::validation(vec![FieldError::new(name, reason)])
    }

    /// Returns 401: the caller is not authenticated.
    pub fn unauthorized(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"api\"");
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
    }

    /// Returns 401: the token is missing.
    pub fn not_authenticated() -> Self {
        Self::unauthorized(Code::NotAuthenticated, "Authentication credentials were not provided.")
    }

    /// Returns 401: the token is not valid (any more). Does not say why.
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

    /// Returns 403: the caller may not use the operation, whatever the object.
    pub fn forbidden(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// Returns 403: the operation is for another role.
    pub fn wrong_role() -> Self {
        Self::forbidden(Code::WrongRole, "You do not have permission to perform this action.")
    }

    /// Returns 403: the caller is a doctor who is not approved, or suspended.
    pub fn not_approved() -> Self {
        Self::forbidden(Code::NotApproved, "Your licence to practise is not approved.")
    }

    /// Returns 403: the caller has signed in without a second factor.
    pub fn second_factor_required() -> Self {
        Self::forbidden(Code::SecondFactorRequired, "Sign in with a second factor to do this.")
    }

    /// Returns 403: admins cannot do this to their own account.
    pub fn own_account() -> Self {
        Self::forbidden(Code::OwnAccount, "Another admin must do this.")
    }

    /// Returns 403: a form comes from another site, or from another session.
    pub fn csrf_failed() -> Self {
        Self::forbidden(
            Code::CsrfFailed,
            "The form was not made for this session; open its page again.",
        )
    }

    /// Returns 404: the object is unknown, or the caller may not see it.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "Not found.")
    }

    /// Returns 405: the path has no such method. The router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::MethodNotAllowed,
            "This method is not allowed here; see the header Allow.",
        )
    }

    /// Returns 409: the request conflicts with the present state.
    pub fn conflict(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Returns 409: the same request is still running.
    pub fn request_in_progress() -> Self {
        let detail =
            "A request with this Idempotency-Key is still running; see the header Retry-After.";
        Self::conflict(Code::IdempotencyRequestInProgress, detail)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    /// Returns 412: the object is in another version than `If-Match` names.
    pub fn precondition_failed() -> Self {
        Self::precondition_failed_because("The object has changed since; read it again.")
    }

    /// Returns 412: what `If-Match` names matches no version.
    pub(crate) fn precondition_failed_because(detail: &'static str) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, Code::PreconditionFailed, detail)
    }

    /// Returns 413: the body is longer than `limit` bytes.
    pub fn payload_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::PayloadTooLarge,
            format!("The body must have at most {limit} bytes."),
        )
    }

    /// Returns 415: the body is not JSON.
    pub fn unsupported_media_type() -> Self {
        let detail =
            "The body must be JSON in UTF-8 with the header Content-Type: application/json.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, detail)
    }

    /// Returns 415: the body is compressed, or encoded in another way (RFC 9110, section 15.5.16).
    pub(crate) fn unsupported_content_coding() -> Self {
        let detail =
            "The body must not be compressed: send it without the header Content-Encoding.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedMediaType, detail)
            .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    }

    /// Returns 429: the limit is reached. The headers `RateLimit` and `RateLimit-Policy` are those
    /// of the IETF draft "RateLimit header fields for HTTP".
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

    /// Returns 503: a service did not respond in time; the request may be sent again.
    pub fn unavailable_because(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "The service is busy or being repaired; try again.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER)
        .caused_by(source)
    }

    /// Returns 500: a fault on our side.
    pub fn internal(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::crash().caused_by(source)
    }

    /// Returns 500: a panic, logged where it happened.
    pub(crate) fn crash() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::InternalError,
            "Something went wrong on our side; it has been logged.",
        )
    }

    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        self.0.code.as_str()
    }

    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Returns the sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns the invalid fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// Returns a header of the response.
    pub fn header(&self, name: &HeaderName) -> Option<HeaderValue> {
        self.0.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Logs the cause of a failure on our side.
    pub(crate) fn log(&self) {
        if let Some(source) = &self.0.source {
            let causes: Vec<String> =
                std::iter::successors(Some(&**source as &dyn Error), |error| (*error).source())
                    .map(ToString::to_string)
                    .collect();
            tracing::error!(problem = self.code(), cause = causes.join(": "), "request failed");
        }
    }

    /// Writes the document into the response.
    pub(crate) fn write(&self, response: &mut Response, instance: &str, request_id: &str) {
        let problem = &*self.0;
        let document = ProblemDocument {
            problem_type: problem.code.page(),
            title: problem.code.title(),
            status: problem.status.as_u16(),
            detail: &problem.detail,
            instance,
            code: problem.code.as_str(),
            request_id,
            mfa_token: problem.mfa_token.as_deref(),
            errors: problem
                .errors
                .iter()
                .map(|error| RefusedField {
                    field: &error.field,
                    code: error.reason.code,
                    message: &error.reason.message,
                })
                .collect(),
        };
        #[expect(clippy::expect_used, reason = "strings, numbers and lists of them become JSON")]
        let document = serde_json::to_vec(&document).expect("a problem document is JSON");
        *response.body_mut() = Body::from(document);
        // The router has counted the empty body.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
    }
}

/// Why a request was refused or failed (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// The page that explains this kind of problem.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", max_length = 255)]
    problem_type: String,
    /// The kind of problem in a few words.
    #[schema(max_length = 255)]
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened, in a sentence.
    #[schema(max_length = 1000)]
    detail: &'a str,
    /// The path of the request.
    #[schema(max_length = 8192)]
    instance: &'a str,
    #[schema(value_type = Code)]
    code: &'static str,
    /// The id of the request, for support.
    #[schema(max_length = 255)]
    request_id: &'a str,
    /// With `mfa_required`: the token that completes the sign-in, together with a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1000, example = "Zm9yIGZpdmUgbWludXRlcw")]
    mfa_token: Option<&'a str>,
    /// Every invalid field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, max_items = 1000)]
    errors: Vec<RefusedField<'a>>,
}

/// Why a field is invalid.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedField)]
struct RefusedField<'a> {
    /// The name of the field in the request, such as `files[2].name`.
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
