//! Use [`service`] or [`public_service`] to build a function's service from its routes.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRef, MatchedPath, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use domain::access::{Audience, Operation};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::{Instrument, Span, field};
use utoipa::openapi::{OpenApi, path};
use utoipa_axum::router::OpenApiRouter;

use crate::caller::{RequestInfo, claims};
use crate::problem::{BodyWritten, Problem};
use crate::state::HttpState;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers of every response, unless the handler has set another value.
/// <https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers>
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000; includeSubDomains"),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Builds the service of a function that authenticates callers: its routes, and around them what
/// all functions do alike.
///
/// Paths are declared with a slash at the end and work without it. Every request has an id, a line
/// in the log, security headers; every error, a panic included, is a problem document. On paths
/// without a public operation, a wrong method is only named to authenticated callers.
pub fn service<S>(routes: OpenApiRouter<S>, state: S) -> Router
where
    S: Clone + Send + Sync + 'static,
    HttpState: FromRef<S>,
{
    let http = HttpState::from_ref(&state);
    let (routes, document) = routes.split_for_parts();
    let operations = Arc::new(OperationsByPath::of(&document));
    let known = Arc::clone(&operations);
    let routes = routes.method_not_allowed_fallback(move |state, path, headers| {
        wrong_method(state, path, headers, Arc::clone(&known))
    });
    let state_of_secrets = http.clone();
    let routes = routes.with_state(state).layer(from_fn(move |request, next: Next| {
        let http = state_of_secrets.clone();
        async move {
            http.renew_secrets().await;
            next.run(request).await
        }
    }));
    layered(routes, operations, &http.allowed_origins)
}

/// Builds the service of a function that authenticates nobody, as [`service`] does.
///
/// # Panics
/// When the table of operations says that one of the operations is not public.
pub fn public_service<S>(routes: OpenApiRouter<S>, state: S, allowed_origins: &[String]) -> Router
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, document) = routes.split_for_parts();
    let operations = Arc::new(OperationsByPath::of(&document));
    let protected = document.paths.paths.keys().find(|path| operations.protecting(path).is_some());
    assert!(protected.is_none(), "{protected:?} is not public");
    let routes = routes.method_not_allowed_fallback(async || Problem::method_not_allowed());
    layered(routes.with_state(state), operations, allowed_origins)
}

fn layered(
    routes: Router,
    operations: Arc<OperationsByPath>,
    allowed_origins: &[String],
) -> Router {
    let routes =
        routes.fallback(async || Problem::not_found()).layer(from_fn(move |request, next| {
            name_operation(request, next, Arc::clone(&operations))
        }));
    let service = ServiceBuilder::new()
        .layer(from_fn(observe))
        .layer(cors(allowed_origins))
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| Problem::crash().into_response()))
        .service(routes);
    // A router's own layers come after routing, too late to change the path.
    Router::new().fallback_service(service)
}

/// The operations of the routes by path and method, without those that are not in the table of
/// [`Operation`]: authentication fails there.
struct OperationsByPath(HashMap<String, HashMap<Method, Operation>>);

impl OperationsByPath {
    fn of(document: &OpenApi) -> Self {
        let by_method = |item: &path::PathItem| {
            let operations = [
                (Method::GET, &item.get),
                (Method::HEAD, &item.head),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            let known = operations.into_iter().filter_map(|(method, operation)| {
                let id = operation.as_ref()?.operation_id.as_ref()?;
                Some((method, id.parse().ok()?))
            });
            known.collect()
        };
        Self(
            document
                .paths
                .paths
                .iter()
                .map(|(path, item)| (path.clone(), by_method(item)))
                .collect(),
        )
    }

    /// Returns the operation of a request. HEAD is GET unless it has an operation of its own.
    fn find(&self, path: &str, method: &Method) -> Option<Operation> {
        let operations = self.0.get(path)?;
        let as_get = || operations.get(&Method::GET).filter(|_| *method == Method::HEAD);
        operations.get(method).or_else(as_get).copied()
    }

    /// Returns one of the operations of a path without public operations.
    fn protecting(&self, path: &str) -> Option<Operation> {
        let operations = self.0.get(path)?;
        let is_public =
            operations.values().any(|operation| operation.audience() == Audience::Public);
        operations.values().next().copied().filter(|_| !is_public)
    }
}

async fn wrong_method(
    State(http): State<HttpState>,
    path: MatchedPath,
    headers: HeaderMap,
    operations: Arc<OperationsByPath>,
) -> Problem {
    if let Some(operation) = operations.protecting(path.as_str())
        && let Err(problem) = claims(&http, &headers, operation).await
    {
        return problem;
    }
    Problem::method_not_allowed()
}

/// Returns the CORS headers for local runs; the gateway responds to preflights itself and replaces
/// them.
fn cors(origins: &[String]) -> CorsLayer {
    const METHODS: [Method; 6] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let allowed = ["authorization", "content-type", "if-match", "if-none-match", "idempotency-key"]
        .map(HeaderName::from_static);
    let exposed = [
        "etag",
        "location",
        "link",
        "x-request-id",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "idempotent-replayed",
    ]
    .map(HeaderName::from_static);
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| origins.contains(origin)))
        .allow_methods(METHODS)
        .allow_headers(allowed)
        .expose_headers(exposed)
}

/// Gives a request its id, log line, security headers and problem document.
async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let info = RequestInfo::of(&request);
    let path = request.uri().path().to_owned();
    let is_head = request.method() == Method::HEAD;
    if let Some(uri) = with_slash(request.uri()) {
        *request.uri_mut() = uri;
    }
    // At error level, so that its fields are logged at every level.
    let span = tracing::error_span!("request", request_id = info.request_id,
        method = %request.method(), operation = field::Empty);
    request.extensions_mut().insert(info.clone());
    async {
        let mut response = next.run(request).await;
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            problem.log();
            if response.extensions_mut().remove::<BodyWritten>().is_none() {
                problem.write(&mut response, &path, &info.request_id);
            }
        }
        if is_head {
            *response.body_mut() = Body::empty();
        }
        for (name, value) in HEADERS {
            response.headers_mut().entry(name).or_insert(value);
        }
        if let Ok(id) = HeaderValue::from_str(&info.request_id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            status = response.status().as_u16(),
            duration_ms,
            problem = problem.map(|problem| problem.code()),
            "request"
        );
        response
    }
    .instrument(span)
    .await
}

/// Returns the URI with a slash at the end of its path, unless it has one or names a file.
fn with_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.is_empty() || last.contains('.') {
        return None;
    }
    let path = match uri.query() {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

/// Puts the operation into the request's extensions, and its route into the log: a path as it was
/// sent may contain personal data.
async fn name_operation(
    mut request: Request,
    next: Next,
    operations: Arc<OperationsByPath>,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    if let Some(path) = path {
        Span::current().record("operation", path.as_str());
        if let Some(operation) = operations.find(path.as_str(), request.method()) {
            request.extensions_mut().insert(operation);
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use axum::http::Request;
    use domain::field::Reason;
    use domain::id::RecordId;
    use lambda_http::request::RequestContext;
    use serde_json::{Value, json};
    use tower::ServiceExt;
    use utoipa_axum::routes;

    use super::*;
    use crate::caller::SignedIn;
    use crate::form::Form;
    use crate::path::PathId;
    use crate::response::{ApiResponse, ok};
    use crate::state::tests::http_state;

    #[derive(Clone)]
    struct App(HttpState);

    impl FromRef<App> for HttpState {
        fn from_ref(app: &App) -> Self {
            app.0.clone()
        }
    }

    // The handlers of the tests have the ids of operations in the table.
    #[utoipa::path(get, path = "/things/{id}/", operation_id = "list_notifications")]
    async fn thing(PathId(id): PathId<RecordId>) -> ApiResponse {
        ok(&json!({"id": id}))
            .with_header(header::CACHE_CONTROL, HeaderValue::from_static("private"))
    }

    #[utoipa::path(patch, path = "/things/{id}/", operation_id = "me")]
    async fn change_thing(_: SignedIn) -> ApiResponse {
        ok(&())
    }

    #[utoipa::path(delete, path = "/things/{id}/")]
    async fn delete_thing(_: SignedIn) -> ApiResponse {
        ok(&())
    }

    #[utoipa::path(post, path = "/things/", operation_id = "register")]
    async fn create_thing(form: Form) -> Result<ApiResponse, Problem> {
        form.parse(|form| {
            form.reject("name", Reason::new("taken", "Is taken."));
            form.required::<RecordId>("id")
        })?;
        Ok(ok(&()))
    }

    #[utoipa::path(get, path = "/panic/")]
    async fn panics() -> ApiResponse {
        panic!("a name in a panic")
    }

    #[utoipa::path(get, path = "/broken/")]
    async fn broken() -> Problem {
        Problem::internal("a name in an error")
    }

    #[utoipa::path(get, path = "/busy/")]
    async fn busy() -> Problem {
        store::Error::Unavailable("the table".to_owned()).into()
    }

    #[utoipa::path(get, path = "/file.json")]
    async fn file() -> ApiResponse {
        ok(&json!({}))
    }

    const ID: &str = "0190a5c0-0000-7000-8000-000000000001";

    async fn send(request: Request<Body>) -> (u16, HeaderMap, Value) {
        let routes = OpenApiRouter::new()
            .routes(routes!(thing, change_thing, delete_thing))
            .routes(routes!(create_thing))
            .routes(routes!(panics))
            .routes(routes!(broken))
            .routes(routes!(busy))
            .routes(routes!(file));
        let response = service(routes, App(http_state())).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 100_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("a name"), "causes are not told");
        let length = parts
            .headers
            .get(header::CONTENT_LENGTH)
            .map(|length| length.to_str().unwrap().parse().unwrap());
        assert!(
            body.is_empty() || length.is_none_or(|length: usize| length == body.len()),
            "{length:?} is not the length of the body"
        );
        for (name, _) in HEADERS {
            assert!(parts.headers.contains_key(&name), "{name} is missing");
        }
        if parts.status.is_client_error() || parts.status.is_server_error() {
            assert_eq!(parts.headers[header::CONTENT_TYPE], "application/problem+json");
        }
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn request(method: &str, uri: &str) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let context = r#"{"http": {"method": "GET", "sourceIp": "192.0.2.1"},
            "requestId": "gateways-id=", "timeEpoch": 0}"#;
        request.extensions_mut().insert(serde_json::from_str::<RequestContext>(context).unwrap());
        request
    }

    #[tokio::test]
    async fn a_path_works_with_and_without_slash() {
        for uri in [
            format!("/things/{ID}/"),
            format!("/things/{ID}"),
            format!("/things/{ID}?a=b"),
            format!("https://host/things/{ID}"),
        ] {
            let (status, headers, body) = send(request("GET", &uri)).await;
            assert_eq!((status, &body["id"]), (200, &json!(ID)), "{uri}");
            assert_eq!(headers[REQUEST_ID], "gateways-id=");
            assert_eq!(headers[header::CACHE_CONTROL], "private", "what a handler says is left");
        }
        assert_eq!(send(request("GET", "/file.json")).await.0, 200);
    }

    #[test]
    fn a_slash_is_added_to_the_path_alone() {
        let with_slash = |uri: &str| with_slash(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(with_slash("/a?b=c/d").as_deref(), Some("/a/?b=c/d"));
        assert_eq!(with_slash("https://host/a").as_deref(), Some("https://host/a/"));
        assert_eq!(with_slash("/a%2F").as_deref(), Some("/a%2F/"));
        for uri in ["/", "/a/", "/a/?b", "/.well-known/jwks.json", "https://host"] {
            assert_eq!(with_slash(uri), None, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_problem_is_a_whole_document() {
        let (status, headers, body) = send(request("GET", "/unknown?a=b")).await;
        let expected = json!({
            "type": "/problems/not_found", "title": "Not found", "status": 404,
                "detail": "Not found.",
            "instance": "/unknown", "code": "not_found", "request_id": "gateways-id=",
        });
        assert_eq!((status, body), (404, expected));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let mut create = request("POST", "/things/");
        *create.body_mut() = Body::from("{}");
        create
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (status, _, body) = send(create).await;
        assert_eq!((status, &body["code"]), (400, &json!("validation_failed")));
        let expected = json!([
            {"field": "name", "code": "taken", "message": "Is taken."},
            {"field": "id", "code": "required", "message": "This field is required."},
        ]);
        assert_eq!(body["errors"], expected);
    }

    #[tokio::test]
    async fn what_is_no_id_is_not_found() {
        for id in ["1", "0190A5C0-0000-7000-8000-000000000001", "%FF", "%00", "..", "a%2Fb"] {
            assert_eq!(send(request("GET", &format!("/things/{id}/"))).await.0, 404, "{id}");
        }
    }

    #[tokio::test]
    async fn a_wrong_method_is_told_the_right_ones() {
        let (status, headers, body) = send(request("DELETE", "/things/")).await;
        assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")));
        assert_eq!(headers[header::ALLOW], "POST");
        let (status, headers, _) = send(request("POST", &format!("/things/{ID}/"))).await;
        assert_eq!(status, 401, "who is calling is asked first");
        assert_eq!(headers[header::WWW_AUTHENTICATE], "Bearer realm=\"api\"");
        let mut signed_in = request("POST", &format!("/things/{ID}/"));
        signed_in.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let (status, headers, _) = send(signed_in).await;
        assert_eq!(status, 401);
        assert_eq!(
            headers[header::WWW_AUTHENTICATE],
            "Bearer realm=\"api\", error=\"invalid_token\""
        );
    }

    #[tokio::test]
    async fn nobody_is_let_in_where_the_route_names_no_operation() {
        let (status, headers, _) = send(request("PATCH", &format!("/things/{ID}/"))).await;
        assert_eq!(
            (status, &headers[header::WWW_AUTHENTICATE]),
            (401, &HeaderValue::from_static("Bearer realm=\"api\""))
        );
        let (status, _, _) = send(request("DELETE", &format!("/things/{ID}/"))).await;
        assert_eq!(status, 500, "its id is not in the table of operations");
    }

    #[tokio::test]
    async fn a_public_service_authenticates_nobody() {
        let routes = OpenApiRouter::new().routes(routes!(create_thing));
        let service = public_service(routes, App(http_state()), &[]);
        let response = service.oneshot(request("DELETE", "/things/")).await.unwrap();
        assert_eq!(response.status(), 405);
    }

    #[test]
    #[should_panic = "is not public"]
    fn a_public_service_with_an_operation_for_users_fails_at_start() {
        let routes = OpenApiRouter::new().routes(routes!(change_thing));
        drop(public_service(routes, App(http_state()), &[]));
    }

    #[tokio::test]
    async fn head_is_get_without_a_body() {
        let (status, headers, body) = send(request("HEAD", &format!("/things/{ID}/"))).await;
        assert_eq!((status, body), (200, Value::Null));
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        let (status, _, body) = send(request("HEAD", "/unknown/")).await;
        assert_eq!((status, body), (404, Value::Null));
    }

    #[tokio::test]
    async fn failures_are_problems_too() {
        for uri in ["/panic/", "/broken/"] {
            let (status, headers, body) = send(request("GET", uri)).await;
            assert_eq!(
                (status, &body["code"], &body["instance"]),
                (500, &json!("internal_error"), &json!(uri))
            );
            assert_eq!(headers[REQUEST_ID], "gateways-id=");
        }
        let (status, headers, body) = send(request("GET", "/busy")).await;
        assert_eq!(
            (status, &body["code"], &body["instance"]),
            (503, &json!("unavailable"), &json!("/busy"))
        );
        assert_eq!(headers[header::RETRY_AFTER], "1");
    }

    #[tokio::test]
    async fn origins_that_are_allowed_may_read_responses() {
        for (uri, status) in [
            (format!("/things/{ID}/"), 200),
            ("/unknown/".to_owned(), 404),
            ("/panic/".to_owned(), 500),
        ] {
            let from = |origin: &'static str| {
                let mut request = request("GET", &uri);
                request.headers_mut().insert(header::ORIGIN, HeaderValue::from_static(origin));
                request
            };
            let (responded, headers, _) = send(from("https://app.example.org")).await;
            assert_eq!(responded, status);
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.org");
            assert!(
                headers[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("etag")
            );
            assert!(headers[header::VARY].to_str().unwrap().contains("origin"));
            let (_, headers, _) = send(from("https://evil.example.org")).await;
            assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
        }
    }

    #[tokio::test]
    async fn a_request_without_a_gateway_has_an_id_too() {
        let (_, headers, body) =
            send(Request::builder().uri("/unknown/").body(Body::empty()).unwrap()).await;
        assert_eq!(headers[REQUEST_ID].to_str().unwrap(), body["request_id"].as_str().unwrap());
        assert_eq!(body["request_id"].as_str().unwrap().len(), 36);
    }
}
