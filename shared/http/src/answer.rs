//! Successful answers.

use axum::Json;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::etag::ETag;
use crate::problem::Problem;

/// A successful answer. `Cache-Control: no-store` unless the handler says otherwise.
pub struct Answer(Response);

/// 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> Answer {
    Answer((StatusCode::OK, Json(body)).into_response())
}

/// 200 without a body.
pub fn empty() -> Answer {
    Answer(StatusCode::OK.into_response())
}

/// 201 with a JSON body, for an object that is now at the path `location`.
pub fn created(location: &str, body: &impl Serialize) -> Answer {
    match HeaderValue::from_str(location) {
        Ok(location) => Answer((StatusCode::CREATED, Json(body)).into_response()).with_header(header::LOCATION, location),
        Err(error) => Answer(Problem::internal(error).into_response()),
    }
}

/// 202 with a JSON body: what was asked for happens later, or not, which the answer does not tell.
pub fn accepted(body: &impl Serialize) -> Answer {
    Answer((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// 204.
pub fn no_content() -> Answer {
    Answer(StatusCode::NO_CONTENT.into_response())
}

impl Answer {
    /// The answer with the entity tag of the object in it.
    #[must_use]
    pub fn with_etag(self, etag: ETag) -> Self {
        self.with_header(header::ETAG, etag.value())
    }

    /// The answer with a header, replacing one of the same name.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        self.0
    }
}
