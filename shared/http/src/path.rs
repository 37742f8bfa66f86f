//! Use [`PathId`] for the id in a path.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::problem::Problem;

/// The id in the path of a route. A malformed id is the same 404 as an unknown one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathId<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        path.and_then(|Path(id)| id.parse().ok()).map(Self).ok_or_else(Problem::not_found)
    }
}
