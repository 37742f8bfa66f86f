//! `GET /api/schema/`

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use domain::field::Reason;
use http_api::problem::Problem;
use web::{Caching, StaticBody};

use crate::App;

/// Includes a file that `build.rs` has packed.
macro_rules! packed {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"))
    };
}

/// The documents in both formats.
pub(crate) struct Schema {
    all: Formats,
    public: Formats,
}

struct Formats {
    json: StaticBody,
    yaml: StaticBody,
}

impl Schema {
    pub(crate) fn new() -> Self {
        Self {
            all: Formats::new(packed!("openapi.json"), packed!("openapi.yaml")),
            public: Formats::new(packed!("openapi-public.json"), packed!("openapi-public.yaml")),
        }
    }

    fn response(&self, query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
        let query = query.unwrap_or_default();
        let formats = if wants_all(query)? { &self.all } else { &self.public };
        let content = if wants_yaml(query, headers)? { &formats.yaml } else { &formats.json };
        content.response(headers, Caching::Revalidated)
    }
}

impl Formats {
    fn new(json: &'static [u8], yaml: &'static [u8]) -> Self {
        Self {
            json: StaticBody::packed("application/vnd.oai.openapi+json;version=3.1", json),
            yaml: StaticBody::packed("application/yaml", yaml),
        }
    }
}

/// Returns the document for the path with a slash, which the gateway routes to another function.
///
/// # Errors
/// 400 for a format or operations that are not known.
pub fn schema_with_slash(query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);
    SCHEMA.response(query, headers)
}

/// Read the API's document: OpenAPI 3.1, as JSON unless YAML is asked for, and without the
/// operations of staff unless all are asked for.
#[utoipa::path(
    get, path = "/api/schema/", tag = "Service",
    params(("format" = inline(Option<DocumentFormat>), Query, description = "Which form is wanted, \
         whatever the header Accept says."),
        ("operations" = inline(Option<OperationScope>), Query, description = "Which operations are \
         wanted. The default is public.")),
    responses(
        (status = 200, description = "The document.", headers(("ETag"), ("Cache-Control")), content(
            (Object = "application/vnd.oai.openapi+json;version=3.1"),
            (Object = "application/yaml"),
        )),
        (status = 304, description = "It is what If-None-Match names."),
    )
)]
pub(crate) async fn read_schema(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    app.published()?.schema.response(query.as_deref(), &headers)
}

/// The formats of the document.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents the values of the parameter")]
enum DocumentFormat {
    Json,
    Yaml,
}

/// The operations that are described.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents the values of the parameter")]
enum OperationScope {
    Public,
    All,
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
}

fn wants_all(query: &str) -> Result<bool, Problem> {
    match parameter(query, "operations").as_deref() {
        Some("all") => Ok(true),
        Some("public" | "") | None => Ok(false),
        Some(_) => Err(Problem::field(
            "operations",
            Reason::new("invalid_choice", "Must be one of: public all."),
        )),
    }
}

fn wants_yaml(query: &str, headers: &HeaderMap) -> Result<bool, Problem> {
    match parameter(query, "format").as_deref() {
        Some("yaml") => Ok(true),
        Some("json") => Ok(false),
        Some("") | None => {
            let accept = headers
                .get(header::ACCEPT)
                .and_then(|accept| accept.to_str().ok())
                .unwrap_or_default();
            Ok(accept.contains("yaml") && !accept.contains("json"))
        }
        Some(_) => Err(Problem::field(
            "format",
            Reason::new("invalid_choice", "Must be one of: json yaml."),
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_format_is_the_requested_one() {
        let wants = |query, accept| {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            wants_yaml(query, &headers).map_err(|problem| problem.code())
        };
        for (query, accept, expected) in [
            ("", "*/*", Ok(false)),
            ("", "application/yaml", Ok(true)),
            ("", "application/json, application/yaml;q=0.5", Ok(false)),
            ("format=yaml", "application/json", Ok(true)),
            ("format=json", "application/yaml", Ok(false)),
            ("format=xml", "*/*", Err("validation_failed")),
        ] {
            assert_eq!(wants(query, accept), expected, "{query} {accept}");
        }
    }
}
