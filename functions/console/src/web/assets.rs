//! Stylesheet and script of the console. Their addresses change with them, so that browsers may
//! keep them for ever.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use crypto::sha256_base64url;
use http_api::problem::Problem;

struct Asset {
    url: String,
    tag: String,
    media_type: HeaderValue,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, media_type: &'static str, text: &'static str) -> Self {
        let hash = sha256_base64url(text.as_bytes());
        Self {
            url: format!("/admin/assets/{name}?v={hash}"),
            tag: format!("\"{hash}\""),
            media_type: HeaderValue::from_static(media_type),
            text,
        }
    }

    fn response(&'static self, headers: &HeaderMap) -> Result<Response, Problem> {
        const FOR_EVER: HeaderValue =
            HeaderValue::from_static("public, max-age=31536000, immutable");
        let tag = HeaderValue::from_str(&self.tag).map_err(Problem::internal)?;
        let is_known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known == tag);
        let headers = [(header::CACHE_CONTROL, FOR_EVER), (header::ETAG, tag)];
        Ok(match is_known {
            true => (StatusCode::NOT_MODIFIED, headers).into_response(),
            false => (headers, [(header::CONTENT_TYPE, self.media_type.clone())], self.text)
                .into_response(),
        })
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console.css", "text/css; charset=utf-8", include_str!("../../assets/console.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "console.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/console.js"),
    )
});

pub(crate) fn style_url() -> &'static str {
    &STYLE.url
}

pub(crate) fn script_url() -> &'static str {
    &SCRIPT.url
}

/// Serves the stylesheet.
pub(crate) async fn style(headers: HeaderMap) -> Result<Response, Problem> {
    STYLE.response(&headers)
}

/// Serves the script.
pub(crate) async fn script(headers: HeaderMap) -> Result<Response, Problem> {
    SCRIPT.response(&headers)
}
