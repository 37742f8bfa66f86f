//! `GET /api/schema/`

use std::sync::LazyLock;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use domain::field::Reason;
use http_api::problem::Problem;

use crate::App;
use crate::content::{Caching, StaticBody};

/// The document, written by `make openapi`.
const JSON: &str = include_str!("../openapi.json");

/// The same document as YAML, written together with it.
const YAML: &str = include_str!("../openapi.yaml");

/// The document in both formats.
pub(crate) struct Schema {
    json: StaticBody,
    yaml: StaticBody,
}

impl Schema {
    pub(crate) fn new() -> Self {
        Self {
            json: StaticBody::text("application/vnd.oai.openapi+json;version=3.1", JSON),
            yaml: StaticBody::text("application/yaml", YAML),
        }
    }

    fn response(&self, query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
        let wants_yaml = wants_yaml(query.unwrap_or_default(), headers)?;
        let content = if wants_yaml { &self.yaml } else { &self.json };
        content.response(headers, Caching::Revalidated)
    }
}

/// Returns the document for the path with a slash, which the gateway routes to another function.
///
/// # Errors
/// 400 for a format that is not known.
pub fn schema_with_slash(query: Option<&str>, headers: &HeaderMap) -> Result<Response, Problem> {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::new);
    SCHEMA.response(query, headers)
}

/// Read the API's document: OpenAPI 3.1, as JSON unless YAML is asked for.
#[utoipa::path(
    get, path = "/api/schema/", tag = "Service",
    params(("format" = inline(Option<Format>), Query, description = "Which form is wanted, \
         whatever the header Accept says.")),
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
enum Format {
    Json,
    Yaml,
}

fn wants_yaml(query: &str, headers: &HeaderMap) -> Result<bool, Problem> {
    let format = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "format")
        .map(|(_, value)| value);
    match format.as_deref() {
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

    #[test]
    fn the_document_is_json() {
        let document: serde_json::Value = serde_json::from_str(JSON).unwrap();
        assert_eq!(document["openapi"], "3.1.1");
    }
}
