//! The function `portal`: the web client for patients and doctors. It is embedded here and reads
//! nothing; its scripts call the API like any other client.

mod assets;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use http_api::middleware;
use http_api::problem::Problem;
use runtime::serve::Error;
use runtime::{aws, config};
use utoipa_axum::router::OpenApiRouter;
use web::Caching;

use crate::assets::Assets;

/// The headers of pages, beside those of every response.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
             magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
        ),
    ),
];

/// Builds the service of the function.
pub fn service(app: App) -> Router {
    let routes = Router::new()
        .route("/", get(page))
        .route("/assets/{hash}/{*name}", get(asset))
        .route("/{*path}", get(page).fallback(other_method));
    middleware::public_service(OpenApiRouter::from(routes), app, &[])
}

/// Returns the paths of all pages, with `{id}` in place of an id.
pub fn pages() -> &'static [&'static str] {
    pages::PAGES
}

/// The state of the handlers.
#[derive(Clone)]
pub struct App(Option<Arc<Portal>>);

/// The web client, which the operator may choose not to offer.
struct Portal {
    assets: Assets,
    policy: HeaderValue,
}

impl App {
    /// Reads the configuration.
    ///
    /// # Errors
    /// When it is incomplete.
    pub fn start() -> Result<Self, Error> {
        let config = config::Portal::from_env()?;
        let bucket = aws::bucket_origin(&config.bucket_name);
        Self::new(&config, &bucket)
    }

    /// Puts the parts together. `bucket` is the origin of the URLs for uploads and downloads.
    ///
    /// # Errors
    /// When the origin cannot be in a header.
    pub fn new(config: &config::Portal, bucket: &str) -> Result<Self, Error> {
        if !config.is_on {
            return Ok(Self(None));
        }
        let portal =
            Portal { assets: Assets::new(), policy: HeaderValue::try_from(policy(bucket))? };
        Ok(Self(Some(Arc::new(portal))))
    }

    /// Returns the web client.
    ///
    /// # Errors
    /// 404 when the operator has chosen not to offer it.
    fn portal(&self) -> Result<&Portal, Problem> {
        self.0.as_deref().ok_or_else(Problem::not_found)
    }
}

/// Returns the content security policy of the pages: nothing inline, nothing from elsewhere but
/// files of the bucket, and HTML only as lit-html makes it. Files are shown from memory (`blob:`).
fn policy(bucket: &str) -> String {
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        &format!("img-src 'self' blob: data: {bucket}"),
        &format!("connect-src 'self' {bucket}"),
        "frame-src blob:",
        "object-src blob:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types lit-html",
    ]
    .join("; ")
}

/// Shows the page of a path. Browsers get the same document with 404 where there is no page, all
/// others a problem.
async fn page(
    State(app): State<App>,
    uri: Uri,
    mut headers: HeaderMap,
) -> Result<Response, Problem> {
    let Portal { assets, policy } = app.portal()?;
    let is_page = pages::is_page(uri.path());
    if !is_page && !takes_html(&headers) {
        return Err(Problem::not_found());
    }
    if !is_page {
        headers.remove(header::IF_NONE_MATCH);
    }
    let mut response = assets.page.response(&headers, Caching::Revalidated)?;
    if !is_page {
        *response.status_mut() = StatusCode::NOT_FOUND;
        response.headers_mut().remove(header::ETAG);
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    response.headers_mut().extend(HEADERS);
    Ok(response)
}

/// Refuses other methods than GET and HEAD: pages have none, and there is nothing anywhere else.
async fn other_method(uri: Uri) -> Problem {
    if pages::is_page(uri.path()) { Problem::method_not_allowed() } else { Problem::not_found() }
}

/// Returns whether the client is a browser that opens a page.
fn takes_html(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| line.contains("text/html"))
}

/// Serves what pages load. Their addresses contain a hash of all of it.
async fn asset(
    State(app): State<App>,
    Path((hash, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The middleware has added a slash to names without a dot.
    let found = app.portal()?.assets.find(&hash, name.trim_end_matches('/'));
    found.ok_or_else(Problem::not_found)?.response(&headers, Caching::Immutable)
}
