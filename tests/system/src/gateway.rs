//! Tests of the gateway's own responses.

use std::collections::BTreeSet;

use api_tests::harness::world::{World, operations};
use api_tests::harness::{Anonymous, Request, Response, aws, new_email};
use serde_json::json;

const ORIGIN: &str = "http://localhost:3000";

fn preflight(origin: &str, method: &str, path: &str) -> Response {
    Request::new("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header(
            "access-control-request-headers",
            "authorization,content-type,if-match,if-none-match,idempotency-key",
        )
        .send_unchecked()
}

#[test]
fn preflight_allows_only_the_configured_origin() {
    let world = World::get();
    let list = |text: String| {
        text.split(',').map(|entry| entry.trim().to_ascii_lowercase()).collect::<BTreeSet<_>>()
    };
    for (method, path, _) in operations() {
        let response = preflight(ORIGIN, method, &world.path(path)).ok(204);
        assert_eq!(response.header("access-control-allow-origin"), ORIGIN);
        assert!(
            list(response.header("access-control-allow-methods"))
                .contains(&method.to_ascii_lowercase())
        );
        let headers = list(response.header("access-control-allow-headers"));
        assert!(
            ["authorization", "content-type", "if-match", "if-none-match", "idempotency-key"]
                .iter()
                .all(|name| headers.contains(*name))
        );
        assert_eq!(response.header("access-control-allow-credentials"), "", "no cookies");
    }
    for origin in [
        "https://evil.example.org",
        "http://localhost:3001",
        "null",
        "http://localhost:3000.evil.example.org",
    ] {
        let response = preflight(origin, "GET", "/api/accounts/me/");
        assert_eq!(response.header("access-control-allow-origin"), "", "{origin}");
    }
}

#[test]
fn the_first_admin_is_made_by_a_function_without_a_route() {
    // Another test or a person may have been first; a second one is refused in any case.
    let first = aws::invoke("bootstrap-admin", &json!({"email": new_email()}));
    assert!(first["user_id"].is_string() || first["errorMessage"].is_string(), "{first}");
    let email = new_email();
    let second = aws::invoke("bootstrap-admin", &json!({"email": email}));
    assert!(second["errorMessage"].as_str().unwrap().contains("an admin exists"), "{second}");
    assert!(!String::from_utf8(second.bytes.clone()).unwrap().contains(&email));
    let refused = aws::invoke("bootstrap-admin", &json!({"email": "nobody"}));
    assert!(refused["errorMessage"].as_str().unwrap().contains("email"), "{refused}");
    for path in ["/api/bootstrap-admin/", "/api/admin/bootstrap/", "/bootstrap-admin/"] {
        Anonymous.post(path, &json!({"email": email})).problem(404, "not_found");
    }
}
