//! Tests of the console: who gets in, what a browser may do there, and what its pages contain.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::{SignedDuration, Timestamp};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, App, Client, Doctor, MARKER, PASSWORD, Patient, Request, Response, Settings,
    User, account_mail, aws, cookie_name, eventually, new_email, report, report_about,
};

/// Every page and form for staff. Braces in a path contain the kind of object that it names.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/admin/"),
    ("GET", "/admin/users/"),
    ("POST", "/admin/users/"),
    ("GET", "/admin/users/new/"),
    ("GET", "/admin/users/{id}/"),
    ("POST", "/admin/users/{id}/"),
    ("GET", "/admin/users/{id}/edit/"),
    ("POST", "/admin/users/{id}/edit/"),
    ("POST", "/admin/users/{id}/email-change/"),
    ("POST", "/admin/users/{id}/end-sessions/"),
    ("POST", "/admin/users/{id}/password-reset/"),
    ("POST", "/admin/users/{id}/second-factor-removal/"),
    ("POST", "/admin/users/{id}/recovery/approve/"),
    ("POST", "/admin/users/{id}/recovery/cancel/"),
    ("GET", "/admin/recoveries/"),
    ("GET", "/admin/doctors/"),
    ("POST", "/admin/doctors/{id}/approve/"),
    ("POST", "/admin/doctors/{id}/refuse/"),
    ("POST", "/admin/doctors/{id}/suspend/"),
    ("GET", "/admin/doctor-profiles/"),
    ("GET", "/admin/patient-profiles/"),
    ("GET", "/admin/audit/"),
    ("GET", "/admin/records/"),
    ("GET", "/admin/records/{id}/"),
    ("POST", "/admin/records/{id}/break-glass/"),
    ("POST", "/admin/records/{id}/assignment/"),
    ("GET", "/admin/files/"),
    ("GET", "/admin/annotations/"),
    ("GET", "/admin/notifications/"),
    ("GET", "/admin/export.json"),
    ("GET", "/admin/mail/"),
    ("GET", "/admin/mail/users/{id}/"),
    ("POST", "/admin/mail/redrive/"),
    ("POST", "/admin/mail/resend/"),
    ("POST", "/admin/search/"),
    ("POST", "/admin/sign-out/"),
    ("POST", "/admin/session/"),
];

const SIGN_IN: &str = "/admin/sign-in/";

/// A browser with or without a cookie of the console.
struct Browser {
    cookie: Option<String>,
}

impl Browser {
    /// Makes one in which the client has signed in.
    #[track_caller]
    fn of(client: &Client) -> Self {
        let response = open(client);
        assert_eq!(response.status, 204, "{response}");
        Self { cookie: Some(pair(&response)) }
    }

    fn with(cookie: impl Into<String>) -> Self {
        Self { cookie: Some(cookie.into()) }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, path);
        match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        }
    }

    /// Reads a page with any status.
    #[track_caller]
    fn get(&self, path: &str) -> Response {
        let response = self.request("GET", path).send_unchecked();
        check(&response);
        response
    }

    /// Reads a page with status 200.
    #[track_caller]
    fn page(&self, path: &str) -> String {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{response}");
        text(&response)
    }

    /// Searches a list, and returns the page to which the search leads.
    #[track_caller]
    fn search(&self, list: &str, fields: &[(&str, &str)]) -> String {
        let response = self.post("/admin/search/", &[&[("list", list)], fields].concat());
        assert_eq!(response.status, 303, "{response}");
        let location = response.header("location");
        assert!(location.starts_with(list), "{location}");
        assert!(!location.contains('@') && !location.contains("%40"), "{location}");
        self.page(&location)
    }

    /// Returns the token in the forms of this browser's pages.
    #[track_caller]
    fn csrf(&self) -> String {
        hidden(&self.page("/admin/users/new/"), "csrf")
    }

    /// Sends a form as its page would.
    #[track_caller]
    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.csrf();
        self.post_raw(
            path,
            &[&[("csrf", csrf.as_str())], fields].concat(),
            &[("sec-fetch-site", "same-origin")],
        )
    }

    #[track_caller]
    fn post_raw(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Response {
        let request =
            self.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.body(encoded(fields)).send_unchecked();
        check(&response);
        response
    }
}

/// Encodes fields as a browser does.
fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Signs in to the console with an access token.
fn open(client: &Client) -> Response {
    client.request("POST", "/admin/session/").send_unchecked()
}

/// Returns the cookie of a response, as a browser sends it back.
fn pair(response: &Response) -> String {
    response.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn text(response: &Response) -> String {
    String::from_utf8(response.bytes.clone()).unwrap()
}

/// Returns the value of the first hidden field with a name.
#[track_caller]
fn hidden(page: &str, name: &str) -> String {
    let beginning = format!("name=\"{name}\" value=\"");
    let rest = page.split(&beginning).nth(1).unwrap_or_else(|| panic!("no field {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Checks what holds for every response to a browser.
#[track_caller]
fn check(response: &Response) {
    assert!(response.status < 500, "{response}");
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        ("content-security-policy", policy),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ] {
        assert_eq!(response.header(name), value, "{name}: {response}");
    }
    assert!(!response.header("x-request-id").is_empty(), "{response}");
    assert!(response.bytes.len() < 100_000, "{} bytes", response.bytes.len());
    if response.bytes.is_empty() {
        assert_eq!(response.status, 303, "{response}");
        return;
    }
    // The export is for programs.
    if response.header("content-type") == "application/json" {
        assert!(response.body.is_object(), "{response}");
        return;
    }
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8", "{response}");
    let page = text(response);
    for part in ["<!doctype html>", "<html lang=\"en\">", "<main id=\"main\"", "<h1>", "<title>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for inline in [" style=", "<style", "<script>", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}: {page}");
    }
}

/// Checks that the response redirects to the sign-in page, removes the cookie, and contains nothing
/// else.
#[track_caller]
fn assert_sent_away(response: &Response) {
    assert_eq!(
        (response.status, response.header("location").as_str()),
        (303, SIGN_IN),
        "{response}"
    );
    assert!(
        response.header("set-cookie").starts_with(&format!("{}=; ", cookie_name("console")))
            && response.header("set-cookie").ends_with("; Max-Age=0"),
        "{response}"
    );
    assert!(response.bytes.is_empty(), "{response}");
}

/// Returns the session of an access token.
fn session_of(client: &Client) -> String {
    let token = client.access.as_deref().unwrap().split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// Derives a key of the console from the function's secret.
fn console_key(purpose: &[u8]) -> [u8; 32] {
    let secret = aws::secret_of("console", "CONSOLE_SECRET_ARN");
    let mut key = [0; 32];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.as_bytes());
    prk.expand(&[purpose], hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    key
}

/// Returns the token of the forms of a session, as the function makes it.
fn form_token(session: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &console_key(b"prove 1"));
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, session.as_bytes()))
}

/// Seals a cookie as the function does: for a user and a session, begun and last used at these
/// times.
fn sealed(user: &str, session: &str, began: Timestamp, used: Timestamp) -> String {
    let mut plain = json!({"user": user, "session": session, "began": began, "used": used})
        .to_string()
        .into_bytes();
    let key =
        LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &console_key(b"seal 1")).unwrap());
    let nonce = [7; 12];
    key.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(b"console"),
        &mut plain,
    )
    .unwrap();
    let value = BASE64_URL_SAFE_NO_PAD.encode([&[1], &nonce[..], &plain].concat());
    format!("{}={value}", cookie_name("console"))
}

#[test]
fn a_token_of_staff_becomes_a_cookie() {
    let admin = Admin::new();
    let response = open(&admin);
    assert_eq!((response.status, response.bytes.len()), (204, 0), "{response}");
    let cookie = response.header("set-cookie");
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    let name = cookie_name("console");
    assert!(parts.remove(0).starts_with(&format!("{name}=")), "{cookie}");
    parts.retain(|part| *part != "Secure");
    parts.sort_unstable();
    assert_eq!(parts, ["HttpOnly", "Max-Age=900", "Path=/", "SameSite=Strict"]);
    assert_eq!(cookie.contains("; Secure;"), name != "console", "{cookie}");
    assert!(!cookie.contains(&admin.user().id), "what it says is sealed");
    let browser = Browser::with(pair(&response));
    let home = browser.get("/admin");
    assert!(home.status == 200 || home.header("location").starts_with("/admin/"), "{home}");
    let slash = browser.request("GET", "/admin/").send_unchecked();
    assert!(slash.status == 200 || slash.header("location").starts_with("/admin"), "{slash}");
    let page = browser.get("/admin/users/");
    assert_eq!(page.status, 200, "{page}");
    assert_ne!(pair(&page), browser.cookie.unwrap(), "it is made anew when it is used");
    assert!(page.header("set-cookie").ends_with("Max-Age=900"), "{page}");
}

#[test]
fn on_this_machine_without_tls_the_cookie_has_no_prefix() {
    let console = Settings::of("console").with("PUBLIC_URL", "http://localhost:8000").start();
    let admin = Admin::new();
    let response = console.send(&admin, "POST", "/admin/session/", &Value::Null).ok(204);
    let cookie = response.header("set-cookie");
    assert!(cookie.starts_with("console="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=900"), "{cookie}");
    let headers = [("cookie", pair(&response)), ("sec-fetch-mode", "navigate".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let page = console.send_with(&Anonymous, "GET", "/admin/users/", &headers, &Value::Null);
    assert_eq!(page.status, 200, "{page}");
}

#[test]
fn others_get_no_cookie() {
    let admin = Admin::new();
    for (client, status, code) in [
        (&*User::new("patient"), 403, "wrong_role"),
        (&*Doctor::new(), 403, "wrong_role"),
        (&admin.user().sign_in(), 403, "second_factor_required"),
        (&Client::with_token("x"), 401, "token_not_valid"),
        (&Anonymous, 401, "not_authenticated"),
    ] {
        let response = open(client).problem(status, code);
        assert_eq!(response.header("set-cookie"), "", "{response}");
    }
    let cookie = Browser::of(&admin).cookie.unwrap();
    let response =
        Request::new("POST", "/admin/session/").header("cookie", &cookie).send_unchecked();
    response.problem(401, "not_authenticated");
}

/// Returns fields for any form of the console, with its token.
fn any_form<'a>(
    csrf: &'a str,
    version: &'a str,
    new_email: &'a str,
    doctor: &'a Doctor,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("csrf", csrf),
        ("version", version),
        ("reason", "none"),
        ("email", new_email),
        ("first_name", "Changed"),
        ("role", "doctor"),
        ("is_active", "false"),
        ("doctor", &doctor.id),
        ("mail", &doctor.id),
        ("recovery", &doctor.id),
    ]
}

#[test]
fn every_page_is_for_staff_alone() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let half = admin.user().sign_in();
    let gone = Admin::new();
    let now = Timestamp::now();
    let with = |user: &str, client: &Client| {
        let session = session_of(client);
        (Browser::with(sealed(user, &session, now, now)), form_token(&session))
    };
    let anonymous = Browser { cookie: None };
    let others = [
        ("a patient", with(&patient.id, &patient), 303),
        ("a doctor", with(&doctor.id, &doctor), 303),
        ("an admin with a password alone", with(&admin.user().id, &half), 403),
        ("an admin with somebody else's session", with(&admin.user().id, &patient), 303),
        ("a deactivated admin", with(&gone.user().id, &gone), 303),
        ("nobody", with("0190a5c0-0000-7000-8000-000000000001", &admin), 303),
    ];
    gone.user().deactivate();
    let staff = Browser::of(&admin);
    assert_eq!(
        staff.csrf(),
        form_token(&session_of(&admin)),
        "the forms of the others are as good"
    );
    let (version, email) = (hidden_version(&admin, &patient.id), new_email());
    let record = patient.record_for(&doctor);
    let filled = |path: &str| match path {
        // A path with a slash at its end is redirected.
        "/admin/" => "/admin".to_owned(),
        path => path.replace(
            "{id}",
            if path.starts_with("/admin/records/") { record.text("id") } else { &patient.id },
        ),
    };
    for (method, path) in ROUTES.iter().filter(|(_, path)| *path != "/admin/session/") {
        let path = filled(path);
        if *method == "GET" {
            assert_sent_away(&anonymous.get(&path));
            assert_sent_away(&{
                let response = admin.request("GET", &path).send_unchecked();
                check(&response);
                response
            });
        }
        for (who, (browser, csrf), status) in &others {
            let response = match *method {
                "GET" => browser.get(&path),
                _ => browser.post_raw(&path, &any_form(csrf, &version, &email, &doctor), &[]),
            };
            assert_eq!(response.status, *status, "{who} at {path}: {response}");
            if response.status == 303 {
                assert_sent_away(&response);
            }
            for secret in [&patient.email, &patient.last_name, &doctor.email] {
                assert!(
                    !text(&response).contains(secret),
                    "{who} at {path} learns something: {response}"
                );
            }
        }
    }
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method == "GET") {
        let response = staff.get(&filled(path));
        assert!(response.status == 200 || *path == "/admin/", "{method} {path}: {response}");
    }
}

#[test]
fn a_script_on_the_same_origin_cannot_use_the_cookie() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let page = |mode: &str| {
        browser.request("GET", "/admin/users/").header("sec-fetch-mode", mode).send_unchecked()
    };
    assert_eq!(page("navigate").status, 200);
    for mode in ["cors", "no-cors", "same-origin", "websocket"] {
        let response = page(mode);
        assert_eq!(
            (response.status, response.header("location").as_str()),
            (303, SIGN_IN),
            "{response}"
        );
        assert_eq!(response.header("set-cookie"), "", "and it does not sign anybody out");
    }
    assert_eq!(page("navigate").status, 200);
}

#[test]
fn a_cookie_ends_with_disuse_and_with_time() {
    let admin = Admin::new();
    let (id, session, now) = (&admin.user().id, session_of(&admin), Timestamp::now());
    let ago = |minutes| now - SignedDuration::from_mins(minutes);
    let at = |began, used| Browser::with(sealed(id, &session, began, used)).get("/admin/users/");
    assert_eq!(at(ago(14), ago(14)).status, 200);
    assert_eq!(at(ago(470), ago(1)).status, 200);
    assert_sent_away(&at(ago(16), ago(16)));
    assert_sent_away(&at(ago(481), ago(1)));
}

#[test]
fn another_cookie_is_none() {
    let admin = Admin::new();
    let cookie = Browser::of(&admin).cookie.unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let (head, tail) = value.split_at(value.len() / 2);
    let flipped = if tail.starts_with('A') { "B" } else { "A" };
    for wrong in [
        format!("{name}="),
        format!("{name}=x"),
        format!("other={value}"),
        format!("{name}={head}"),
        format!("{name}={head}{flipped}{}", &tail[1..]),
        format!("{name}={}", admin.access.as_deref().unwrap()),
    ] {
        assert_sent_away(&Browser::with(&wrong).get("/admin/users/"));
    }
}

#[test]
fn a_deactivated_admin_is_out_at_the_next_request() {
    let (admin, other) = (Admin::new(), Admin::new());
    let browser = Browser::of(&other);
    browser.page("/admin/users/");
    admin.update_user(&other.user().id, json!({"is_active": false})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
    admin.update_user(&other.user().id, json!({"is_active": true})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
}

#[test]
fn another_role_is_out_too() {
    let (admin, other) = (Admin::new(), Admin::new());
    let browser = Browser::of(&other);
    admin.update_user(&other.user().id, json!({"role": "patient"})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
}

#[test]
fn signing_out_ends_the_session_everywhere() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let response = browser.post("/admin/sign-out/", &[]);
    assert_sent_away(&response);
    assert_eq!(response.header("clear-site-data"), "\"cache\", \"storage\"");
    assert_sent_away(&browser.get("/admin/users/"));
    admin.me().problem(401, "token_not_valid");
}

/// The token of a form proves that it comes from a page of the session, not that the session is
/// still live.
#[test]
fn a_form_does_nothing_once_the_session_is_over() {
    let (admin, patient, doctor, other) =
        (Admin::new(), Patient::new(), Doctor::new(), Doctor::new());
    let record = patient.record_for(&doctor).text("id").to_owned();
    let ended: Vec<(&str, Admin, Browser, String)> =
        ["deactivated", "made a patient", "signed out by somebody else"]
            .map(|how| {
                let former = Admin::new();
                let browser = Browser::of(&former);
                let csrf = browser.csrf();
                let id = &former.user().id;
                match how {
                    "deactivated" => admin.update_user(id, json!({"is_active": false})).ok(200),
                    "made a patient" => admin.update_user(id, json!({"role": "patient"})).ok(200),
                    _ => admin.end_sessions(id).ok(204),
                };
                (how, former, browser, csrf)
            })
            .into();
    let state = || {
        let versions = [&patient.id, &doctor.id].map(|id| hidden_version(&admin, id));
        let record = patient.read_patient_record(&record).ok(200);
        (
            versions,
            record.header("etag"),
            record["doctor"].clone(),
            admin.list_users(&format!("id={}", doctor.id)).ok(200).body.clone(),
        )
    };
    let before = state();
    let email = new_email();
    for (_, path) in
        ROUTES.iter().filter(|(method, path)| *method == "POST" && *path != "/admin/session/")
    {
        let (id, version) = match *path {
            path if path.starts_with("/admin/records/") => (&record, before.1.trim_matches('"')),
            path if path.starts_with("/admin/doctors/") => (&doctor.id, before.0[1].as_str()),
            _ => (&patient.id, before.0[0].as_str()),
        };
        let path = path.replace("{id}", id);
        for (how, _, browser, csrf) in &ended {
            let response = browser.post_raw(
                &path,
                &any_form(csrf, version, &email, &other),
                &[("sec-fetch-site", "same-origin")],
            );
            assert_eq!(response.header("location"), SIGN_IN, "{how}, at {path}: {response}");
            assert_sent_away(&response);
        }
    }
    assert_eq!(state(), before);
    patient.me().ok(200);
    for subject in [&patient.id, &doctor.id] {
        let events = admin.list_events(&format!("subject={subject}&limit=100")).ok(200);
        for (how, former, ..) in &ended {
            assert!(
                events
                    .results()
                    .iter()
                    .all(|event| event["actor"]["pk"] != former.user().id.as_str()),
                "{how}: {events}"
            );
        }
    }
    assert!(admin.search_users(&email).ok(200).results().is_empty());
}

#[test]
fn a_form_comes_from_a_page_of_the_session() {
    let (admin, other, user) = (Admin::new(), Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let (own, others) = (browser.csrf(), Browser::of(&other).csrf());
    assert_ne!(own, others);
    let path = format!("/admin/users/{}/end-sessions/", user.id);
    for fields in [vec![], vec![("csrf", "")], vec![("csrf", "x")], vec![("csrf", others.as_str())]]
    {
        let response = browser.post_raw(&path, &fields, &[("sec-fetch-site", "same-origin")]);
        assert_eq!(response.status, 403, "{response}");
    }
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let response = browser.post_raw(&path, &[("csrf", own.as_str())], &[header]);
        assert_eq!(response.status, 403, "{response}");
    }
    assert_sent_away(&Browser { cookie: None }.post_raw(&path, &[("csrf", own.as_str())], &[]));
    user.me().ok(200);
    let done =
        browser.post_raw(&path, &[("csrf", own.as_str())], &[("sec-fetch-site", "same-origin")]);
    assert_eq!(
        done.header("location"),
        format!("/admin/users/{}/?done=sessions-ended", user.id),
        "{done}"
    );
    user.me().problem(401, "token_not_valid");
}

#[test]
fn forms_are_taken_in_one_way_alone() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let path = format!("/admin/users/{}/edit/", user.id);
    let (csrf, version) = (browser.csrf(), hidden(&browser.page(&path), "version"));
    let send = |fields: &str| {
        let request = browser.request("POST", &path).header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = format!("csrf={csrf}&version={version}&last_name=Doe&{fields}");
        let response = request.body(form).send_unchecked();
        check(&response);
        response
    };
    for (fields, expected) in [
        ("first_name=Jan%E9", "Must be in UTF-8."),
        ("first_name=Jan\u{fffd}", "Must be in UTF-8."),
        ("first_n%E4me=Jane", "Must be in UTF-8."),
        ("first_name=Jane&first_name=Joan", "Must contain each field only once."),
        ("first_name=Jane&first_name=", "Must contain each field only once."),
        (&format!("first_name=Jane&csrf={csrf}"), "Must contain each field only once."),
        (&format!("{0}=1&{0}=2", "x".repeat(30_000)), "Must contain each field only once."),
    ] {
        let refused = send(fields);
        assert_eq!(refused.status, 400, "{refused}");
        assert!(text(&refused).contains(expected), "{refused}");
    }
    assert_eq!(user.me().ok(200)["last_name"], user.last_name, "nothing has changed");
    let done = send("first_name=Ren%C3%A9e&reason=");
    assert_eq!(done.status, 303, "{done}");
    assert_eq!(user.me().ok(200)["first_name"], "Ren\u{e9}e");
}

#[test]
fn text_of_users_is_escaped_in_pages() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let hostile = format!("{MARKER}<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>");
    let email = new_email();
    let response = browser.post(
        "/admin/users/",
        &[
            ("email", &email),
            ("first_name", &hostile),
            ("last_name", &hostile),
            ("role", "patient"),
        ],
    );
    assert_eq!(response.status, 303, "{response}");
    let location = response.header("location");
    let page = browser.page(&location);
    assert!(page.contains("The user was created"), "{page}");
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"), "{page}");
    for raw in ["<img src=x", "onerror=alert(1)>\"", "<script>alert"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    let id = location.trim_start_matches("/admin/users/").split('/').next().unwrap();
    let list = browser.page(&format!("/admin/users/?id={id}&done=%3Cscript%3E"));
    assert!(!list.contains("<img src=x") && !list.contains("%3Cscript"), "{list}");
    let searched = browser.page(&format!(
        "/admin/users/?search={}",
        encoded(&[("", "\"><script>alert(1)</script>")]).replacen('=', "", 1)
    ));
    assert!(!searched.contains("<script>"), "{searched}");
}

#[test]
fn staff_create_a_user_or_learn_what_is_wrong() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let refused = browser.post(
        "/admin/users/",
        &[("email", "nobody"), ("first_name", &"x".repeat(300)), ("role", "patient")],
    );
    assert_eq!(refused.status, 400, "{refused}");
    let page = text(&refused);
    for part in [
        "id=\"email-error\"",
        "aria-describedby=\"email-error\"",
        "id=\"first_name-error\"",
        "value=\"nobody\"",
        "role=\"alert\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let email = new_email();
    assert_eq!(browser.post("/admin/users/", &[("email", &email), ("role", "doctor")]).status, 303);
    account_mail(&email, "Set Your Password", 0);
    let taken = browser.post("/admin/users/", &[("email", &email), ("role", "doctor")]);
    assert_eq!(taken.status, 400, "{taken}");
    assert!(text(&taken).contains("already exists"), "{taken}");
}

#[test]
fn staff_change_a_user() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let path = format!("/admin/users/{}/", user.id);
    let version = hidden(&browser.page(&path), "version");
    let done = browser
        .post(&path, &[("version", &version), ("is_active", "false"), ("reason", "left us")]);
    assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
    user.me().problem(401, "token_not_valid");
    let page = browser.page(&done.header("location"));
    for part in ["The change was saved.", "role=\"status\"", ">Activate<", "left us", "deactivate"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(
        browser.post(&path, &[("version", &version), ("is_active", "true")]).status,
        412,
        "somebody else was first"
    );
    let version = hidden(&page, "version");
    assert_eq!(browser.post(&path, &[("version", &version), ("is_active", "true")]).status, 303);
    let version = hidden(&browser.page(&path), "version");
    assert_eq!(browser.post(&path, &[("version", &version), ("role", "doctor")]).status, 303);
    assert_eq!(admin.read_user(&user.id).ok(200)["role"], "doctor");
    assert_eq!(browser.post(&format!("{path}password-reset/"), &[]).status, 303);
    account_mail(&user.email, "Set Your Password", 0);
    let own = format!("/admin/users/{}/", admin.user().id);
    assert!(!browser.page(&own).contains("Change the role"), "nobody deposes themself");
    assert_eq!(
        browser
            .post(
                &own,
                &[("version", &hidden_version(&admin, &admin.user().id)), ("is_active", "false")]
            )
            .status,
        403
    );
}

#[test]
fn staff_see_that_an_address_bounced_and_have_mails_sent_to_it_again() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let (path, mails) =
        (format!("/admin/users/{}/", user.id), format!("/admin/mail/users/{}/", user.id));
    account_mail(&user.email, "Confirm Your Email Address", 0);
    eventually("the mail can be sent again", || {
        browser.page(&mails).contains(">Send again<").then_some(())
    });
    assert!(!browser.page(&path).contains("Mail to the address"));
    for (kind, problem, failure) in [
        ("Permanent", "a mail bounced", "<code>bounced</code>"),
        ("Complaint", "a mail was reported as spam", "<code>bounced</code>"),
    ] {
        let order = json!({"mail_id": user.id});
        assert!(report(&report_about(&order, &user.id, &user.email, kind)));
        let page = browser.page(&path);
        for part in ["None is sent since", problem, ">Send mails to the address again<"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let page = browser.page(&mails);
        assert!(page.contains(failure) && page.contains("No mail is sent to the user"), "{page}");
        assert!(!page.contains(">Send again<"), "the mailer would drop it: {page}");
        let version = hidden(&browser.page(&path), "version");
        let fields =
            [("version", version.as_str()), ("email_bounced", "false"), ("reason", "works")];
        let done = browser.post(&path, &fields);
        assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
        let page = browser.page(&path);
        assert!(!page.contains("None is sent since") && page.contains("email_bounced: false"));
        assert_eq!(user.me().ok(200)["email_bounced"], false);
        assert!(browser.page(&mails).contains(">Send again<"));
    }
}

#[test]
fn staff_edit_a_user_or_learn_what_is_wrong() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let (path, edit) =
        (format!("/admin/users/{}/", user.id), format!("/admin/users/{}/edit/", user.id));
    assert!(browser.page(&path).contains(&format!("href=\"{edit}\"")));
    let page = browser.page(&edit);
    assert!(page.contains(&format!("value=\"{}\"", user.last_name)), "{page}");
    let version = hidden(&page, "version");
    let refused = browser.post(
        &edit,
        &[("version", &version), ("first_name", &"x".repeat(300)), ("last_name", "Typed")],
    );
    assert_eq!(refused.status, 400, "{refused}");
    for part in [
        "id=\"first_name-error\"",
        "aria-describedby=\"first_name-error\"",
        "value=\"Typed\"",
        "role=\"alert\"",
    ] {
        assert!(text(&refused).contains(part), "{part}: {refused}");
    }
    let done = browser.post(
        &edit,
        &[("version", &version), ("first_name", "Ann"), ("last_name", "Lee"), ("reason", "a typo")],
    );
    assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
    let read = admin.read_user(&user.id).ok(200);
    assert_eq!(
        (read.text("first_name"), read.text("last_name"), read.text("phone_number")),
        ("Ann", "Lee", "")
    );
    let page = browser.page(&done.header("location"));
    for part in ["update_user", "a typo", "first_name: Ann; last_name: Lee"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(
        browser.post(&edit, &[("version", &version), ("first_name", "Eve")]).status,
        412,
        "somebody else was first"
    );

    let change = format!("{path}email-change/");
    for (email, complaint) in [
        ("nobody", "email-error"),
        (&user.email, "present address"),
        (&User::new("patient").email, "already exists"),
    ] {
        let refused = browser.post(&change, &[("email", email), ("reason", "Lost.")]);
        assert!(
            refused.status == 400 && text(&refused).contains(complaint),
            "{complaint}: {refused}"
        );
    }
    let email = new_email();
    let refused = browser.post(&change, &[("email", &email)]);
    assert!(text(&refused).contains("email-reason-error"), "{refused}");
    assert_eq!(
        browser.post(&change, &[("email", &email), ("reason", "Lost.")]).header("location"),
        format!("{path}?done=email-change-started")
    );
    account_mail(&email, "Confirm the New Email Address", 0);
}

/// Returns the row of a user in the list of recoveries; empty when there is none.
#[track_caller]
fn recovery_of(browser: &Browser, user: &str) -> String {
    let mut path = "/admin/recoveries/".to_owned();
    loop {
        let page = browser.page(&path);
        let mut rows = page.split("<tr>");
        if let Some(row) = rows.find(|row| row.contains(&format!("/admin/users/{user}/"))) {
            return row.split("</tr>").next().unwrap().to_owned();
        }
        match page.split_once("href=\"/admin/recoveries/?cursor=") {
            Some((_, rest)) => {
                let cursor = rest.split('"').next().unwrap();
                path = format!("/admin/recoveries/?cursor={cursor}");
            }
            None => return String::new(),
        }
    }
}

#[test]
fn what_an_admin_starts_for_a_user_is_approved_by_another_or_cancelled() {
    let (admin, second, user) = (Admin::new(), Admin::new(), User::new("doctor"));
    let [browser, other] = [&admin, &second].map(|admin| Browser::of(admin));
    let path = format!("/admin/users/{}/", user.id);
    let removal = format!("{path}second-factor-removal/");
    assert!(!browser.page(&path).contains(&removal), "there is no second factor");
    assert_eq!(browser.post(&removal, &[("reason", "Lost.")]).status, 409);
    user.confirm_address();
    let app = App::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    user.confirm_second_factor(&app.code(0)).ok(200);
    assert!(browser.page(&path).contains(&removal));
    assert_eq!(browser.post(&removal, &[]).status, 400, "without a reason");
    assert_eq!(
        browser.post(&removal, &[("reason", "Telephone lost.")]).header("location"),
        format!("{path}?done=removal-started")
    );

    let approve = format!("{path}recovery/approve/");
    let row = recovery_of(&browser, &user.id);
    assert!(row.contains("Telephone lost.") && !row.contains(&approve), "{row}");
    let recovery = hidden(&row, "recovery");
    assert_eq!(browser.post(&approve, &[("recovery", &recovery)]).status, 403);
    let row = recovery_of(&other, &user.id);
    assert!(row.contains(&approve), "{row}");
    assert_eq!(
        other.post(&approve, &[("recovery", &recovery)]).header("location"),
        "/admin/recoveries/?done=recovery-approved"
    );
    let row = recovery_of(&other, &user.id);
    assert!(row.contains(&second.user().full_name()) && !row.contains(&approve), "{row}");
    assert_eq!(
        other
            .post(&format!("{path}recovery/cancel/"), &[("recovery", &recovery)])
            .header("location"),
        "/admin/recoveries/?done=recovery-cancelled"
    );
    assert_eq!(recovery_of(&other, &user.id), "");
    let own = format!("/admin/users/{}/edit/", admin.user().id);
    assert!(!browser.page(&own).contains("email-change"), "for others only");
}

/// Each form is independent: an error in one leaves the other as it was, and does not allow
/// overwriting later changes.
#[test]
fn a_refused_form_keeps_the_other_and_its_own_version() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let edit = format!("/admin/users/{}/edit/", user.id);
    let refused =
        browser.post(&format!("/admin/users/{}/email-change/", user.id), &[("email", "nobody")]);
    assert!(refused.status == 400 && text(&refused).contains("email-error"), "{refused}");
    for part in [
        format!("value=\"{}\"", user.first_name),
        format!("value=\"{}\"", user.last_name),
        "value=\"nobody\"".to_owned(),
    ] {
        assert!(text(&refused).contains(&part), "{part}: {refused}");
    }

    let version = hidden(&browser.page(&edit), "version");
    admin.update_user(&user.id, json!({"last_name": "Meanwhile"})).ok(200);
    let long = "x".repeat(300);
    let refused = browser.post(
        &edit,
        &[
            ("version", &version),
            ("first_name", &long),
            ("last_name", "Typed"),
            ("reason", "a typo"),
        ],
    );
    assert_eq!(refused.status, 400, "{refused}");
    let page = text(&refused);
    for part in ["value=\"Typed\"", "value=\"a typo\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let again = browser.post(
        &edit,
        &[("version", &hidden(&page, "version")), ("first_name", "Ann"), ("last_name", "Typed")],
    );
    assert_eq!(again.status, 412, "somebody else was first: {again}");
    assert_eq!(admin.read_user(&user.id).ok(200).text("last_name"), "Meanwhile");
}

/// Returns the version of an account, as in its entity tag.
fn hidden_version(admin: &Admin, id: &str) -> String {
    admin.read_user(id).ok(200).header("etag").trim_matches('"').to_owned()
}

#[test]
fn users_are_found_and_filtered() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = Browser::of(&admin);
    let found = |query: &str| browser.page(&format!("/admin/users/?{query}")).contains(&user.email);
    assert!(found(&format!("id={}", user.id)));
    assert!(!found(&format!("id={}&role=doctor", user.id)));
    assert!(!found(&format!("id={}&is_active=false", user.id)));
    assert!(!found(&format!("id={}&created_before=2026-01-02", user.id)));
    let by_address =
        |email: &str| browser.search("/admin/users/", &[("email", email)]).contains(&user.email);
    eventually("by address", || by_address(&user.email.to_uppercase()).then_some(()));
    assert!(!by_address(&new_email()));
    let filtered = [("email", user.email.as_str()), ("role", "doctor")];
    assert!(!browser.search("/admin/users/", &filtered).contains(&user.email));
    eventually("by name", || found(&format!("search={}", user.last_name)).then_some(()));
    // A new user each time: other tests register users, too.
    eventually("among the newest", || {
        let newest = User::new("patient");
        browser.page("/admin/users/?role=patient").contains(&newest.email).then_some(())
    });
    assert_eq!(browser.post("/admin/search/", &[("list", "/elsewhere/")]).status, 404);
    assert_eq!(browser.get("/admin/users/?cursor=x").status, 400);
    let (older, newer) = (Patient::new(), Doctor::new());
    eventually("profiles", || {
        let patients = browser.search("/admin/patient-profiles/", &[("email", &older.email)]);
        let doctors = browser.search(
            "/admin/doctor-profiles/",
            &[("email", &newer.email), ("specialization", "cardiology")],
        );
        (patients.contains(&older.email)
            && patients.contains("1985-04-12")
            && doctors.contains(&newer.email))
        .then_some(())
    });
    assert!(
        !browser
            .search("/admin/doctor-profiles/", &[("email", &older.email)])
            .contains(&format!("{}/", older.id))
    );
}

#[test]
fn a_list_goes_on_page_by_page() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let name = format!("{MARKER}{}", crate::harness::unique());
    for _ in 0..26 {
        admin
            .create_user(json!({"email": new_email(), "role": "patient", "last_name": name}))
            .ok(201);
    }
    let first = eventually("26 in the index", || {
        Some(browser.page(&format!("/admin/users/?search={name}")))
            .filter(|page| page.contains("rel=\"next\""))
    });
    assert_eq!(first.matches("<th scope=\"row\">").count(), 25);
    let next = first
        .split("rel=\"next\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let second = browser.page(&next);
    assert_eq!(second.matches("<th scope=\"row\">").count(), 1);
    assert!(!second.contains("rel=\"next\""));
    assert_eq!(
        Browser::of(&Admin::new()).get(&next).status,
        400,
        "somebody else's place in the list"
    );
}

#[test]
fn a_rare_specialization_is_found_among_many_doctors() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let (name, rare) = (
        format!("{MARKER}{}", crate::harness::unique()),
        format!("{MARKER}{}", crate::harness::unique()),
    );
    let doctors: Vec<Doctor> = (0..3).map(|_| Doctor::of(&rare)).collect();
    for doctor in &doctors {
        admin.update_user(&doctor.id, json!({"last_name": format!("{name}Z")})).ok(200);
    }
    for _ in 0..30 {
        admin
            .create_user(
                json!({"email": new_email(), "role": "doctor", "last_name": format!("{name}A")}),
            )
            .ok(201);
    }
    for search in [format!("search={name}&"), String::new()] {
        let path =
            format!("/admin/doctor-profiles/?{search}specialization={}", rare.to_uppercase());
        let page = eventually(&path, || {
            let found = |page: &String| {
                doctors.iter().all(|doctor| page.contains(&format!("/admin/users/{}/", doctor.id)))
            };
            Some(browser.page(&path)).filter(found)
        });
        assert_eq!(page.matches("<th scope=\"row\">").count(), 3, "{page}");
        assert!(page.contains("A specialization must match as a whole"), "{page}");
        assert!(search.is_empty() || !page.contains("rel=\"next\""), "{page}");
    }
}

/// Text in which every character takes five bytes of a page. [`check`] checks the length of pages.
fn hostile(length: usize) -> String {
    "\"&'<>".chars().cycle().take(length).collect()
}

#[test]
fn pages_stay_small_whatever_people_write() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    let name = format!("{MARKER}{}", crate::harness::unique());
    let hostile_names =
        json!({"first_name": hostile(255), "last_name": format!("{name}{}", hostile(200))});
    let mut users = Vec::new();
    for _ in 0..25 {
        let mut body = hostile_names.clone();
        body["email"] = json!(new_email());
        body["role"] = json!("doctor");
        users.push(admin.create_user(body).ok(201).text("pk").to_owned());
    }
    let list = format!("/admin/users/?search={name}");
    eventually(&list, || {
        (browser.page(&list).matches("<th scope=\"row\">").count() == 25).then_some(())
    });

    admin.update_user(&admin.user().id, hostile_names).ok(200);
    for number in 0..51 {
        let (first_name, last_name) = (hostile(250 + number % 2), hostile(250 - number % 2));
        admin
            .update_user(
                &users[0],
                json!({"first_name": first_name, "last_name": last_name, "reason": hostile(1_000)}),
            )
            .ok(200);
    }
    let mut path = format!("/admin/audit/?user={}&action=update_user", users[0]);
    let mut rows = 0;
    loop {
        let page = browser.page(&path);
        rows += page.matches("<th scope=\"row\">").count();
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = rest.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(rows, 51, "none is left out");
    browser.page(&format!("/admin/users/{}/", users[0]));

    let long = "\"".repeat(20_000);
    for path in [format!("/admin/users/{}/edit/", users[0]), "/admin/users/".to_owned()] {
        let refused = browser.post(
            &path,
            &[("version", "1"), ("first_name", &long), ("email", &long), ("role", "doctor")],
        );
        assert_eq!(refused.status, 400, "{refused}");
    }
}

#[test]
fn staff_decide_about_doctors_and_read_the_trail() {
    let (admin, doctor) = (Admin::new(), Doctor::pending());
    let browser = Browser::of(&admin);
    eventually("on the work list", || {
        browser.page("/admin/doctors/").contains(&doctor.email).then_some(())
    });
    let path = format!("/admin/users/{}/", doctor.id);
    let version = hidden(&browser.page(&path), "version");
    let refuse = format!("/admin/doctors/{}/refuse/", doctor.id);
    assert_eq!(browser.post(&refuse, &[("version", &version)]).status, 400, "a reason is needed");
    let approve = format!("/admin/doctors/{}/approve/", doctor.id);
    let done = browser.post(&approve, &[("version", &version)]);
    assert_eq!(done.header("location"), format!("{path}?done=decided"), "{done}");
    doctor.list_doctor_records("").ok(200);
    let suspend = format!("/admin/doctors/{}/suspend/", doctor.id);
    let version = hidden(&browser.page(&path), "version");
    assert_eq!(
        browser.post(&suspend, &[("version", &version), ("reason", "for the test")]).status,
        303
    );
    doctor.list_doctor_records("").problem(403, "not_approved");

    let trail = browser.page(&format!("/admin/audit/?user={}&side=subject", doctor.id));
    for part in [
        "approve_doctor",
        "suspend_doctor",
        "for the test",
        "before: <bdi>approved</bdi>",
        "after: <bdi>suspended</bdi>",
    ] {
        assert!(trail.contains(part), "{part}: {trail}");
    }
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let narrowed = browser.page(&format!(
        "/admin/audit/?user={}&side=subject&action=suspend_doctor&outcome=success",
        doctor.id
    ));
    assert_eq!(rows(&narrowed), 1, "{narrowed}");
    let by_mail =
        browser.search("/admin/audit/", &[("user", &doctor.email), ("action", "approve_doctor")]);
    assert_eq!(rows(&by_mail), 1, "{by_mail}");
    eventually("what the admin did", || {
        let page = browser.page(&format!(
            "/admin/audit/?user={}&side=actor&action=suspend_doctor",
            admin.user().id
        ));
        (rows(&page) == 1).then_some(())
    });
    assert_eq!(rows(&browser.page("/admin/audit/")), 0, "nobody was asked for");
    assert_eq!(browser.get("/admin/audit/?user=nobody").status, 400);
    assert_eq!(browser.get(&format!("/admin/audit/?user={}", doctor.email)).status, 400);
    assert_eq!(rows(&browser.search("/admin/audit/", &[("user", &new_email())])), 0);
}

#[test]
fn errors_are_pages() {
    let admin = Admin::new();
    let browser = Browser::of(&admin);
    for (path, status) in [
        ("/admin/nothing/", 404),
        ("/admin/users/nobody/", 404),
        ("/admin/users/0190a5c0-0000-7000-8000-000000000001/", 404),
    ] {
        let response = browser.get(path);
        assert_eq!(response.status, status, "{response}");
        assert!(text(&response).contains(&response.header("x-request-id")), "{response}");
    }
    let wrong = browser.request("DELETE", "/admin/users/").send_unchecked();
    check(&wrong);
    assert_eq!(wrong.status, 405, "{wrong}");
    let long = browser.post_raw("/admin/users/", &[("email", &"x".repeat(200_000))], &[]);
    assert_eq!(long.status, 413, "{long}");
}

#[test]
fn anyone_may_see_the_sign_in_page_and_what_it_needs() {
    let page = Browser { cookie: None }.page(SIGN_IN);
    for asset in ["console.css", "console.js"] {
        let url = page
            .split('"')
            .find(|part| part.starts_with(&format!("/admin/assets/{asset}?v=")))
            .unwrap()
            .to_owned();
        let response = Request::new("GET", &url).send_unchecked();
        assert_eq!(response.status, 200, "{response}");
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert!(response.header("content-type").starts_with("text/"), "{response}");
        let again = Request::new("GET", &url)
            .header("if-none-match", &response.header("etag"))
            .send_unchecked();
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{again}");
    }
}
