//! Tests of the OpenAPI document, Swagger UI, the pages of problems, and health.

use serde_json::{Value, json};

use crate::harness::{Anonymous, FunctionSettings, Request, get};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
                      data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

#[test]
fn the_documents_are_the_committed_ones() {
    let public = include_str!("../../../functions/docs/openapi-public.json");
    let all = include_str!("../../../functions/docs/openapi.json");
    for (path, committed) in [
        ("/api/schema", public),
        ("/api/schema?format=json", public),
        ("/api/schema?operations=public", public),
        ("/api/schema?operations=all", all),
    ] {
        let committed: Value = serde_json::from_str(committed).unwrap();
        let response = get(path, &[]).ok(200);
        assert!(response.body == committed, "{path}");
        assert_eq!(response.header("content-type"), "application/vnd.oai.openapi+json;version=3.1");
        assert!(!response.header("x-request-id").is_empty());
    }
    assert_eq!(get("/api/schema?operations=some", &[]).errors(), ["operations invalid_choice"]);
}

#[test]
fn the_document_is_yaml_for_those_who_ask() {
    for path in ["/api/schema?", "/api/schema?operations=all&"] {
        let json = get(path, &[]).ok(200);
        let by_header = get(path, &[("accept", "application/yaml")]).ok(200);
        let by_parameter = get(&format!("{path}format=yaml"), &[]).ok(200);
        for response in [&by_header, &by_parameter] {
            assert_eq!(response.header("content-type"), "application/yaml");
            assert!(response.body.is_null(), "not JSON: {response}");
            let document: Value = serde_saphyr::from_str(response.body_text()).unwrap();
            assert!(document["openapi"] == "3.1.1" && document == json.body);
            assert!(response.body_text().starts_with("openapi:"), "in the order of the document");
        }
    }
    assert_eq!(get("/api/schema?format=xml", &[]).errors(), ["format invalid_choice"]);
}

#[test]
fn it_is_packed_and_not_sent_twice() {
    let plain = get("/api/schema", &[("accept-encoding", "identity")]).ok(200);
    let tag = plain.header("etag");
    assert_eq!(
        (plain.header("cache-control").as_str(), plain.header("content-encoding").as_str()),
        ("no-cache", "")
    );
    let packed = get("/api/schema", &[("accept-encoding", "gzip")]).ok(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(packed.bytes[..2], [0x1f, 0x8b], "gzip arrives as it was sent");
    assert!(packed.bytes.len() * 4 < plain.bytes.len());
    let again =
        get("/api/schema", &[("accept-encoding", "identity"), ("if-none-match", &tag)]).ok(304);
    assert!(again.bytes.is_empty() && again.header("etag") == tag);
}

#[test]
fn swagger_ui_loads_nothing_from_elsewhere() {
    let page = get("/api/schema/swagger-ui/", &[]).ok(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("content-security-policy"), POLICY);
    assert_eq!(
        get("/api/schema/swagger-ui", &[]).ok(200).bytes,
        page.bytes,
        "works without the slash"
    );
    let loaded: Vec<&str> = page
        .body_text()
        .split(['"', '>'])
        .filter(|part| part.contains(".js") || part.contains(".css"))
        .collect();
    assert_eq!(loaded.len(), 3, "{loaded:?}");
    for name in loaded {
        let asset = get(name, &[]).ok(200);
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable", "{name}");
        assert!(!asset.bytes.is_empty());
        let unversioned = get(name.split('?').next().unwrap(), &[]).ok(200);
        assert_eq!(unversioned.header("cache-control"), "no-cache", "{name}");
        assert_eq!(unversioned.bytes, asset.bytes);
    }
    Anonymous.get("/api/schema/swagger-ui/other.js").problem(404, "not_found");
}

#[test]
fn the_type_of_a_problem_is_a_page_about_it() {
    let problem = Anonymous.get("/api/accounts/me/").problem(401, "not_authenticated");
    let page = get(problem.text("type"), &[]).ok(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body_text().contains("<h1>Not authenticated</h1>"), "{page}");
    Anonymous.get("/problems/no_such_problem/").problem(404, "not_found");
}

#[test]
fn an_operator_may_keep_the_document_to_themself() {
    let docs = FunctionSettings::of("docs").with("PUBLISH_DOCS", "false").start();
    let ask = |path: &str| docs.send(&Anonymous, "GET", path, &Value::Null);
    let assets = ["", "start.js", "swagger-ui.css", "swagger-ui-bundle.js"]
        .map(|name| format!("/api/schema/swagger-ui/{name}"));
    for path in ["/api/schema", "/api/schema?format=yaml"]
        .into_iter()
        .chain(assets.iter().map(String::as_str))
    {
        let response = ask(path).problem(404, "not_found");
        ask(response.text("type")).ok(200);
    }
    assert_eq!(ask("/api/health/ready/").ok(200).body, json!({"status": "ready"}));
    let default = FunctionSettings::of("notifications").with("PUBLISH_DOCS", "false").start();
    default.send(&Anonymous, "GET", "/api/schema/", &Value::Null).problem(404, "not_found");
}

#[test]
fn first_pages_are_the_same_with_and_without_slash() {
    for (with, without) in [
        ("/api/schema/", "/api/schema"),
        ("/api/schema/?format=yaml", "/api/schema?format=yaml"),
        ("/api/health/", "/api/health"),
    ] {
        let (with, without) = (get(with, &[]).ok(200), get(without, &[]).ok(200));
        assert!(!with.bytes.is_empty());
        assert_eq!(with.bytes, without.bytes);
        for header in ["content-type", "etag", "cache-control", "vary"] {
            assert_eq!(with.header(header), without.header(header), "{header}");
        }
        assert!(!with.header("x-request-id").is_empty());
    }
    let tag = get("/api/schema", &[]).ok(200).header("etag");
    get("/api/schema/", &[("if-none-match", &tag)]).ok(304);
    get("/api/schema/?format=xml", &[]).problem(400, "validation_failed");
    Request::new("POST", "/api/health/").send_unchecked().ok(405);
    Request::new("HEAD", "/api/health/").send_unchecked().ok(200);
}

#[test]
fn health_is_for_anyone() {
    assert_eq!(Anonymous.get("/api/health").ok(200).body, json!({"status": "ok"}));
    assert_eq!(Anonymous.get("/api/health/ready/").ok(200).body, json!({"status": "ready"}));
    Request::new("POST", "/api/health").send().problem(405, "method_not_allowed");
}

#[test]
fn without_its_table_the_service_is_not_ready() {
    let docs = FunctionSettings::of("docs").with("TABLE_NAME", "no-such-table").start();
    assert_eq!(
        docs.send(&Anonymous, "GET", "/api/health", &Value::Null).ok(200).body,
        json!({"status": "ok"})
    );
    let response = docs
        .send(&Anonymous, "GET", "/api/health/ready/", &Value::Null)
        .problem(503, "unavailable");
    assert_eq!(response.header("retry-after"), "1");
}
