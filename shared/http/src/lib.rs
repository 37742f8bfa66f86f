//! Use this crate for what all HTTP functions share: routes, extractors, authentication, request
//! bodies, responses, problems, middleware.
//!
//! Extractors refuse malformed requests. A handler returns a [`response::ApiResponse`] or a
//! [`problem::Problem`], and [`middleware::service`] does the rest.

pub use utoipa;
pub use utoipa_axum;

pub mod caller;
pub mod cookie;
pub mod etag;
pub mod form;
pub mod idempotency;
pub mod middleware;
pub mod origin;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod request;
pub mod response;
pub mod routes;
pub mod state;
pub mod views;
