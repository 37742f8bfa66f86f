//! What all HTTP functions share: problems, extractors, callers, pages, middleware.
//!
//! A request that gets through the extractors is well-formed; a handler answers an
//! [`response::ApiResponse`] or a [`problem::Problem`], and [`middleware::service`] does the rest.

pub use utoipa;
pub use utoipa_axum;

pub mod caller;
pub mod etag;
pub mod form;
pub mod idempotency;
pub mod middleware;
pub mod page;
pub mod path;
pub mod problem;
pub mod query;
pub mod response;
pub mod routes;
pub mod state;
pub mod views;
