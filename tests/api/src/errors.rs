//! Tests of what all operations have in common: paths, methods, bodies, headers, cross-origin
//! requests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::world::{Callers, World, caller, operations};
use crate::harness::{Anonymous, MARKER, PASSWORD, Patient, Request, User, call, new_email};

/// Returns every path once, with its methods.
fn paths() -> impl Iterator<Item = (&'static str, BTreeSet<&'static str>, Callers)> {
    let paths: BTreeSet<&str> = operations().map(|(_, path, _)| path).collect();
    paths.into_iter().map(|path| {
        let operations = || operations().filter(move |(_, other, _)| *other == path);
        let mut methods: BTreeSet<&str> = operations().map(|(method, ..)| method).collect();
        if methods.contains("GET") {
            methods.insert("HEAD");
        }
        (path, methods, operations().next().unwrap().2)
    })
}

#[test]
fn a_problem_has_every_member() {
    let response =
        Anonymous.register(json!({"email": "x", "first_name": MARKER.repeat(40)})).ok(400);
    let expected = json!({
        "type": "/problems/validation_failed",
        "title": "Validation failed",
        "status": 400,
        "detail": "The request has invalid fields.",
        "instance": "/api/accounts/register/",
        "code": "validation_failed",
        "request_id": response.header("x-request-id"),
        "errors": [
            {"field": "email", "code": "invalid", "message": "Must be an email address."},
            {"field": "password", "code": "required", "message": "This field is required."},
            {"field": "first_name", "code": "too_long", "message": "Must have at most 255 \
                 characters."},
        ],
    });
    assert_eq!(response.body, expected, "and repeats nothing of what was sent");
    let other = Anonymous.get("/api/nothing/?a=b").problem(404, "not_found");
    assert_eq!(
        other.keys(),
        ["code", "detail", "instance", "request_id", "status", "title", "type"]
    );
    assert_eq!(other.text("instance"), "/api/nothing/");
    assert_ne!(other["request_id"], response["request_id"]);
}

#[test]
fn every_path_works_without_its_last_slash() {
    let world = World::get();
    for (method, path, audience) in operations().filter(|(_, path, _)| path.ends_with('/')) {
        let address = world.path(path);
        let bare = address.trim_end_matches('/');
        // Without a token, an unknown path would be 404.
        let expected = match audience {
            Callers::Anyone if method == "GET" => 200,
            Callers::Anyone => 400,
            _ => 401,
        };
        for address in [&*address, bare, &format!("{bare}?a=b"), &format!("{address}?a=b")] {
            Anonymous.request(method, address).send().ok(expected);
        }
        if method == "GET" {
            // Some lists require a parameter.
            let with_slash = caller(audience).get(&address);
            let without = caller(audience).get(&format!("{bare}?limit=20"));
            assert!([200, 303, 400].contains(&with_slash.status), "{with_slash}");
            assert_eq!(
                (with_slash.status, with_slash.keys()),
                (without.status, without.keys()),
                "{address}"
            );
        }
    }
    Anonymous
        .post("/api/accounts/login", &json!({"email": world.patient.email, "password": PASSWORD}))
        .ok(200);
}

#[test]
fn unknown_paths_are_not_found() {
    let paths = [
        "/api",
        "/api/",
        "/api/unknown/",
        "/api/accounts",
        "/api/accounts/",
        "/api/accounts/unknown/",
        "/api/accounts/login/x/",
        "/api/accounts/login//",
        "/api/Accounts/Login/",
        "/api/records",
        "/api/records/",
        "/api/records/patient/a/b/",
        "/api/records/files/",
        "/api/records/unknown/",
        "/api/notifications/a/b/",
        "/api/accounts/%00/",
        "/api/accounts/%FF/",
        "/favicon.ico",
        "/.env",
        "//",
    ];
    let patient = &World::get().patient;
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            Anonymous.request(method, path).send().problem(404, "not_found");
        }
        Anonymous.request("HEAD", path).send().ok(404);
        patient.get(path).problem(404, "not_found");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    for (path, methods, audience) in paths() {
        let address = World::get().path(path);
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            if methods.contains(method) {
                continue;
            }
            let response = caller(audience).request(method, &address).send().ok(405);
            if method != "HEAD" {
                assert_eq!(response.text("code"), "method_not_allowed");
            }
            let allowed = response.header("allow");
            assert_eq!(
                allowed.split(',').map(str::trim).collect::<BTreeSet<_>>(),
                methods,
                "{method} {path}"
            );
            let stranger = if audience == Callers::Anyone { 405 } else { 401 };
            Anonymous.request(method, &address).send().ok(stranger);
        }
    }
}

#[test]
fn head_is_get_without_a_body() {
    for (method, path, audience) in operations() {
        if method != "GET" {
            continue;
        }
        let address = World::get().path(path);
        let get = caller(audience).get(&address);
        let head = caller(audience).request("HEAD", &address).send().ok(get.status);
        assert!([200, 303, 400].contains(&get.status), "{get}");
        for name in ["content-type", "cache-control", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        Anonymous.request("HEAD", &address).send().ok(if audience == Callers::Anyone {
            200
        } else {
            401
        });
    }
}

#[test]
fn bodies_may_be_long_but_not_longer() {
    let limit = 128 * 1024;
    let user = User::new("patient");
    let sign_in = |length: usize| {
        let mut body = json!({"email": user.email, "password": PASSWORD, "ignored": ""});
        body["ignored"] = json!("x".repeat(length - body.to_string().len()));
        assert_eq!(body.to_string().len(), length);
        Anonymous.post("/api/accounts/login/", &body)
    };
    sign_in(limit).ok(200);
    sign_in(limit + 1).problem(413, "payload_too_large");
    // The caller is checked first: anonymous callers get 401, whatever the length.
    let long = Value::from("x".repeat(limit));
    call("POST", "/api/records/patient/", None, &[], Some(long.clone()))
        .problem(401, "not_authenticated");
    call("POST", "/api/records/patient/", Some(&user.access), &[], Some(long))
        .problem(413, "payload_too_large");
}

#[test]
fn json_is_recognised_by_its_content_type() {
    let user = User::new("patient");
    let body = json!({"email": user.email, "password": PASSWORD}).to_string();
    let sign_in = |content_type: &str| {
        Request::new("POST", "/api/accounts/login/")
            .header("content-type", content_type)
            .body(body.clone())
            .send()
    };
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ] {
        sign_in(content_type).ok(200);
    }
    for content_type in
        ["application/json; charset=latin1", "application/jsonp", "text/json", "application", ""]
    {
        sign_in(content_type).problem(415, "unsupported_media_type");
    }
    Request::new("POST", "/api/accounts/login/")
        .body(body.clone())
        .send()
        .problem(415, "unsupported_media_type");
    let empty = Request::new("POST", "/api/accounts/login/").send().ok(400);
    assert_eq!(
        empty.errors(),
        ["email required", "password required"],
        "nothing is an object without fields"
    );
}

#[test]
fn nesting_and_repetition_do_no_harm() {
    let user = User::new("patient");
    let sign_in = |extra: &str| {
        let body =
            format!("{{{extra} \"email\": \"{}\", \"password\": \"{PASSWORD}\"}}", user.email);
        Request::new("POST", "/api/accounts/login/")
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    sign_in(&format!("\"x\": {}{},", "[".repeat(60), "]".repeat(60))).ok(200);
    sign_in(&format!("\"x\": {}{},", "[".repeat(5000), "]".repeat(5000)))
        .problem(400, "malformed_json");
    sign_in("\"email\": 7,").problem(400, "malformed_json");
    sign_in("\"__proto__\": {}, \"\\u0000\": 1, \"x\": 1e308, \"y\": -0,").ok(200);
    sign_in("\"x\": 1e999,").problem(400, "malformed_json");
}

const ORIGIN: &str = "http://localhost:3000";

#[test]
fn a_browser_may_read_every_response() {
    let (world, patient) = (World::get(), Patient::new());
    let from = |request: Request, origin: &str| request.header("origin", origin).send();
    let long = || {
        Request::new("POST", "/api/accounts/login/")
            .header("content-type", "application/json")
            .body("x".repeat(200_000))
    };
    let requests: [(&dyn Fn() -> Request, u16); 9] = [
        (&|| patient.request("GET", "/api/accounts/me/"), 200),
        (
            &|| {
                Request::new("POST", "/api/accounts/register/")
                    .json(&json!({"email": new_email(), "password": PASSWORD}))
            },
            201,
        ),
        (&|| Request::new("POST", "/api/accounts/login/").json(&json!({})), 400),
        (&|| Request::new("GET", "/api/accounts/me/"), 401),
        (&|| patient.request("GET", "/api/records/doctor/"), 403),
        (&|| Request::new("GET", "/api/unknown/"), 404),
        (&|| patient.request("DELETE", "/api/accounts/me/"), 405),
        (&long, 413),
        (
            &|| {
                Request::new("POST", "/api/accounts/login/")
                    .header("content-type", "text/plain")
                    .body("x")
            },
            415,
        ),
    ];
    for (request, status) in requests {
        let response = from(request(), ORIGIN).ok(status);
        assert_eq!(response.header("access-control-allow-origin"), ORIGIN, "{response}");
        let exposed = response.header("access-control-expose-headers").to_ascii_lowercase();
        for name in
            ["etag", "location", "link", "x-request-id", "retry-after", "idempotent-replayed"]
        {
            assert!(exposed.contains(name), "{name} is not exposed: {response}");
        }
        assert!(response.header("vary").to_ascii_lowercase().contains("origin"), "{response}");
        let response = from(request(), "https://evil.example.org").ok(status);
        assert_eq!(response.header("access-control-allow-origin"), "", "{response}");
    }
    from(world.patient.request("HEAD", "/api/accounts/me/"), ORIGIN).ok(200);
}
