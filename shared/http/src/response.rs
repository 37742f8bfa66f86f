//! Use [`ok`], [`created`] and the like for successful responses.

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode, response};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::etag::ETag;
use crate::problem::Problem;

/// A successful response. `Cache-Control: no-store` unless the handler sets it.
pub struct ApiResponse(Response<Bytes>);

/// Returns 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> ApiResponse {
    json(StatusCode::OK, body)
}

/// Returns 200 without a body.
pub fn empty() -> ApiResponse {
    ApiResponse::new(StatusCode::OK, Bytes::new())
}

/// Returns 201 with a JSON body, for a new object at the path `location`.
pub fn created(location: &str, body: &impl Serialize) -> ApiResponse {
    match HeaderValue::from_str(location) {
        Ok(location) => json(StatusCode::CREATED, body).with_header(header::LOCATION, location),
        Err(error) => Problem::internal(error).into(),
    }
}

/// Returns 202 with a JSON body: the outcome is not known yet, or not revealed.
pub fn accepted(body: &impl Serialize) -> ApiResponse {
    json(StatusCode::ACCEPTED, body)
}

/// Returns 303 to another address.
pub fn see_other(location: &str) -> ApiResponse {
    match HeaderValue::from_str(location) {
        Ok(location) => ApiResponse::new(StatusCode::SEE_OTHER, Bytes::new())
            .with_header(header::LOCATION, location),
        Err(error) => Problem::internal(error).into(),
    }
}

/// Returns 204.
pub fn no_content() -> ApiResponse {
    ApiResponse::new(StatusCode::NO_CONTENT, Bytes::new())
}

/// Returns 204 and lets the browser clear its storage for this origin. Cookies are not cleared: a
/// browser would also clear those of other services on the same domain.
pub fn signed_out() -> ApiResponse {
    no_content().with_header(CLEAR_SITE_DATA.0, CLEAR_SITE_DATA.1)
}

/// The header of responses that sign out.
/// <https://www.w3.org/TR/clear-site-data/>
pub const CLEAR_SITE_DATA: (HeaderName, HeaderValue) = (
    HeaderName::from_static("clear-site-data"),
    HeaderValue::from_static("\"cache\", \"storage\""),
);

fn json(status: StatusCode, body: &impl Serialize) -> ApiResponse {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    match serde_json::to_vec(body) {
        Ok(body) => ApiResponse::new(status, body.into()).with_header(header::CONTENT_TYPE, JSON),
        Err(error) => Problem::internal(error).into(),
    }
}

impl ApiResponse {
    fn new(status: StatusCode, body: Bytes) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Self(response)
    }

    /// Adds the entity tag of the object.
    #[must_use]
    pub fn with_etag(self, etag: ETag) -> Self {
        self.with_header(header::ETAG, etag.value())
    }

    /// Sets a header, replacing one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// Adds a header beside those of the same name.
    #[must_use]
    pub fn with_another_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().append(name, value);
        self
    }

    /// Replaces the body by JSON.
    #[must_use]
    pub fn with_json(self, body: &Value) -> Self {
        Self(self.0.map(|_| body.to_string().into()))
    }

    /// Returns the JSON of the body, null for anything else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.0.body()).unwrap_or_default()
    }

    /// Replaces values in the JSON of the body, in the order in which they occur there.
    #[must_use]
    pub fn replacing(self, values: &[(Value, Value)]) -> Self {
        Self(self.0.map(|body| {
            let mut text = String::from_utf8_lossy(&body).into_owned();
            let mut behind = 0;
            for (old, new) in values {
                let (old, new) = (old.to_string(), new.to_string());
                let Some(at) = text.get(behind..).and_then(|rest| rest.find(&old)) else { break };
                text.replace_range(behind + at..behind + at + old.len(), &new);
                behind += at + new.len();
            }
            text.into()
        }))
    }

    /// Serializes the response: status and headers as JSON in one line, then the body.
    ///
    /// # Errors
    /// 500 when a header is not text.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Problem> {
        let text =
            |value: &HeaderValue| value.to_str().map(str::to_owned).map_err(Problem::internal);
        let headers =
            self.0.headers().iter().map(|(name, value)| Ok((name.as_str(), text(value)?)));
        let headers = headers.collect::<Result<Vec<_>, Problem>>()?;
        let head =
            serde_json::to_vec(&(self.0.status().as_u16(), headers)).map_err(Problem::internal)?;
        Ok([head.as_slice(), b"\n", self.0.body()].concat())
    }

    /// Reads what [`ApiResponse::to_bytes`] has written.
    ///
    /// # Errors
    /// 500 for anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Problem> {
        let (head, body) =
            bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
        let (status, headers): (u16, Vec<(String, String)>) =
            serde_json::from_slice(head).map_err(Problem::internal)?;
        let builder = response::Builder::new().status(status);
        let builder =
            headers.iter().fold(builder, |builder, (name, value)| builder.header(name, value));
        let body = Bytes::copy_from_slice(body.get(1..).unwrap_or_default());
        builder.body(body).map(Self).map_err(Problem::internal)
    }
}

impl From<Problem> for ApiResponse {
    fn from(problem: Problem) -> Self {
        Self(problem.into_response().map(|_| Bytes::new()))
    }
}

impl IntoResponse for ApiResponse {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_replaced_behind_each_other() {
        let body = json!([{"a": "1", "b": "x\"y"}, {"a": "1", "b": "x\"y"}, "1"]);
        let replaced = ok(&body).replacing(&[
            (json!("x\"y"), json!("1 and longer")),
            (json!("1"), json!("2")),
            (json!("x\"y"), json!("")),
            (json!("is not there"), json!("3")),
            (json!("1"), json!("3")),
        ]);
        let expected = json!([{"a": "1", "b": "1 and longer"}, {"a": "2", "b": ""}, "1"]);
        assert_eq!(replaced.json(), expected);
        assert_eq!(empty().json(), Value::Null);
    }
}
