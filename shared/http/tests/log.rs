//! What is logged of a request. A process of its own: tests that log at the same time would be in
//! its way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::FromRef;
use axum::http::Request;
use http_api::middleware::service;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, no_content};
use http_api::state::{HttpKeys, HttpState};
use runtime::config;
use serde_json::{Value, json};
use store::proof::AuditKey;
use store::{Store, Table};
use tower::ServiceExt;
use tracing::Level;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(Clone)]
struct App(HttpState);

impl FromRef<App> for HttpState {
    fn from_ref(app: &App) -> Self {
        app.0.clone()
    }
}

#[utoipa::path(get, path = "/things/{id}/")]
async fn thing() -> ApiResponse {
    no_content()
}

#[utoipa::path(get, path = "/broken/")]
async fn broken() -> Problem {
    Problem::internal("the cause")
}

#[utoipa::path(get, path = "/panic/")]
async fn panics() -> ApiResponse {
    panic!("jane panicked")
}

fn app() -> App {
    let behavior = aws_sdk_dynamodb::config::BehaviorVersion::latest();
    let client = aws_sdk_dynamodb::Client::from_conf(
        aws_sdk_dynamodb::Config::builder().behavior_version(behavior).build(),
    );
    let config = config::Http {
        table_name: "table".to_owned(),
        public_url: String::new(),
        allowed_origins: vec![],
        page_size: 20,
        cursor_secret_arn: String::new(),
        audit_secret_arn: String::new(),
        token_issuer: "issuer".to_owned(),
        doctors_need_second_factor: false,
    };
    let audit_key = AuditKey::new("a secret for tests");
    let store = Store::new(Table::new(client, "table"), audit_key);
    App(HttpState::new(config, store, HttpKeys::fixed("a secret for tests")))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_request_has_one_line_that_says_nothing_personal() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .with_max_level(Level::INFO)
        .init();
    let routes =
        OpenApiRouter::new().routes(routes!(thing)).routes(routes!(broken)).routes(routes!(panics));
    let service = service(routes, app());
    let logged =
        async |uri: &str| -> Vec<Value> {
            let request = Request::builder()
                .uri(uri)
                .header("authorization", "Bearer jane")
                .body(Body::empty())
                .unwrap();
            let response = service.clone().oneshot(request).await.unwrap();
            let lines = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
            assert!(!lines.contains("jane"), "{lines}");
            let lines: Vec<Value> =
                lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let request_id = response.headers()["x-request-id"].to_str().unwrap();
            assert!(
                lines.iter().all(|line| line["span"]["request_id"] == request_id
                    && line["span"]["method"] == "GET"),
                "{lines:?}"
            );
            lines
        };

    let lines = logged("/things/jane?name=jane").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&line["level"], &line["span"]["operation"]),
        (&json!("INFO"), &json!("/things/{id}/"))
    );
    assert_eq!(
        (&line["fields"]["status"], &line["fields"]["problem"]),
        (&json!(204), &Value::Null)
    );
    assert!(line["fields"]["duration_ms"].is_u64());

    let lines = logged("/jane/").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&line["fields"]["status"], &line["fields"]["problem"]),
        (&json!(404), &json!("not_found"))
    );

    let lines = logged("/broken/").await;
    let [cause, line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&cause["level"], &cause["fields"]["cause"]),
        (&json!("ERROR"), &json!("the cause"))
    );
    assert_eq!(
        (&cause["span"]["operation"], &line["fields"]["status"]),
        (&json!("/broken/"), &json!(500))
    );

    let lines = logged("/panic/").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(
        (&line["fields"]["status"], &line["span"]["operation"]),
        (&json!(500), &json!("/panic/"))
    );
}
