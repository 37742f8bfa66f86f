//! `GET /api/schema/swagger-ui/` and what the page loads. `assets/README.md` tells where the assets
//! come from.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use http_api::problem::Problem;
use web::{Caching, StaticBody};

use crate::App;

/// The page may load what this function serves, and call this API; nothing else, and no script of
/// its own text.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src \
     'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The page and what it loads.
pub(crate) struct SwaggerUi {
    page: StaticBody,
    bundle: StaticBody,
    style: StaticBody,
    start: StaticBody,
}

impl SwaggerUi {
    pub(crate) fn new() -> Self {
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        let bundle =
            StaticBody::packed(SCRIPT, include_bytes!("../assets/swagger-ui-bundle.js.gz"));
        let style = StaticBody::packed(
            "text/css; charset=utf-8",
            include_bytes!("../assets/swagger-ui.css.gz"),
        );
        let start = StaticBody::text(SCRIPT, include_str!("../assets/start.js"));
        let page = include_str!("../assets/swagger-ui.html");
        let page = [("BUNDLE", &bundle), ("STYLE", &style), ("START", &start)]
            .iter()
            .fold(page.to_owned(), |page, (place, content)| page.replace(place, content.version()));
        Self { page: StaticBody::text("text/html; charset=utf-8", page), bundle, style, start }
    }
}

/// Show Swagger UI, to read the document and try it out.
#[utoipa::path(
    get, path = "/api/schema/swagger-ui/", tag = "Service",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html",
            headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "It is what If-None-Match names."),
    )
)]
pub(crate) async fn swagger_ui(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut response = app.published()?.swagger_ui.page.response(&headers, Caching::Revalidated)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

/// Get the script of Swagger UI.
#[utoipa::path(
    get, path = "/api/schema/swagger-ui/swagger-ui-bundle.js", tag = "Service",
    responses(
        (status = 200, description = "The script.", body = String, content_type = "text/javascript",
            headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "It is what If-None-Match names."),
    )
)]
pub(crate) async fn swagger_ui_bundle(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asset(&app.published()?.swagger_ui.bundle, query, &headers)
}

/// Get the style sheet of Swagger UI.
#[utoipa::path(
    get, path = "/api/schema/swagger-ui/swagger-ui.css", tag = "Service",
    responses(
        (status = 200, description = "The style sheet.", body = String, content_type = "text/css",
            headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "It is what If-None-Match names."),
    )
)]
pub(crate) async fn swagger_ui_style(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asset(&app.published()?.swagger_ui.style, query, &headers)
}

/// Get the script that starts Swagger UI with the document of this API.
#[utoipa::path(
    get, path = "/api/schema/swagger-ui/start.js", tag = "Service",
    responses(
        (status = 200, description = "The script.", body = String, content_type = "text/javascript",
            headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "It is what If-None-Match names."),
    )
)]
pub(crate) async fn swagger_ui_start(
    State(app): State<App>,
    query: RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asset(&app.published()?.swagger_ui.start, query, &headers)
}

/// Returns an asset. A client that asks for the current version may keep it for ever.
fn asset(
    content: &StaticBody,
    RawQuery(query): RawQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let is_versioned = query.as_deref() == Some(content.version());
    content.response(headers, if is_versioned { Caching::Immutable } else { Caching::Revalidated })
}
