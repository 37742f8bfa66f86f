//! Tests of the header `Token-Transport`: tokens in cookies, for pages of the service alone.

use std::collections::BTreeMap;
use std::thread;

use http::header::SET_COOKIE;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::accounts::SIGNED_IN;
use crate::accounts::second_factor::Guarded;
use crate::accounts::throttling::{FAILURES_PER_NETWORK, MINUTES_15, set_counter};
use crate::harness::keys::set_attempts;
use crate::harness::{
    Anonymous, Client, FunctionSettings, MARKER, PASSWORD, Request, Response, User, account_mail,
    aws, cookie_name, new_email, origin,
};

const LOGIN: &str = "/api/accounts/login/";
const REFRESH: &str = "/api/accounts/token/refresh/";
const REVOKE: &str = "/api/accounts/token/revoke/";
const LOGOUT: &str = "/api/accounts/logout/";

/// Returns every operation that takes the header: path and body.
fn operations() -> Vec<(&'static str, Value)> {
    let credentials = json!({"email": new_email(), "password": PASSWORD});
    vec![
        ("/api/accounts/register/", credentials.clone()),
        (LOGIN, credentials.clone()),
        ("/api/accounts/login/second-factor/", json!({"mfa_token": "x", "code": "123456"})),
        ("/api/accounts/login/link/confirm/", json!({"token": "x"})),
        (REFRESH, json!({})),
        (REVOKE, json!({})),
        (LOGOUT, json!({})),
        ("/api/accounts/logout-all/", json!({})),
        (
            "/api/accounts/password-change/",
            json!({"current_password": PASSWORD, "new_password": "amber-kettle-northbound-73"}),
        ),
        ("/api/accounts/password-reset/", json!({"email": new_email()})),
    ]
}

/// A browser with the web client, which keeps cookies.
#[derive(Clone, Default)]
struct PortalBrowser {
    cookies: BTreeMap<String, String>,
    access: Option<String>,
}

impl PortalBrowser {
    /// Makes a request of the web client.
    fn request(&self, path: &str) -> Request {
        let client = Client { access: self.access.clone() };
        let mut request = client
            .request("POST", path)
            .header("token-transport", "cookie")
            .header("origin", &origin())
            .header("sec-fetch-site", "same-origin");
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            request = request.header("cookie", &pairs.collect::<Vec<_>>().join("; "));
        }
        request
    }

    /// Sends a request and keeps the cookies and the access token of the response.
    #[track_caller]
    fn post(&mut self, path: &str, body: &Value) -> Response {
        let response = self.request(path).json(body).send();
        self.keep(&response);
        response
    }

    #[track_caller]
    fn sign_in(user: &User) -> Self {
        let mut browser = Self::default();
        browser.post(LOGIN, &json!({"email": user.email, "password": PASSWORD})).ok(200);
        browser
    }

    fn keep(&mut self, response: &Response) {
        for cookie in cookies(response) {
            if cookie.lifetime == 0 {
                self.cookies.remove(&cookie.name);
            } else {
                self.cookies.insert(cookie.name, cookie.value);
            }
        }
        let access = response.body.pointer("/tokens/access").or(response.body.get("access"));
        self.access = access.and_then(Value::as_str).map(str::to_owned).or(self.access.take());
    }

    fn cookie(&self, name: &str) -> Option<&String> {
        self.cookies.get(&cookie_name(name))
    }

    #[track_caller]
    fn me(&self) -> Response {
        Client { access: self.access.clone() }.me()
    }
}

/// A cookie that a response sets.
struct SetCookie {
    name: String,
    value: String,
    attributes: String,
    lifetime: i64,
}

fn cookies(response: &Response) -> Vec<SetCookie> {
    let lines = response.headers.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
    lines
        .map(|line| {
            let (pair, attributes) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let (attributes, lifetime) = attributes.split_once("; Max-Age=").unwrap();
            SetCookie {
                name: name.to_owned(),
                value: value.to_owned(),
                attributes: attributes.to_owned(),
                lifetime: lifetime.parse().unwrap(),
            }
        })
        .collect()
}

fn names(response: &Response) -> Vec<String> {
    cookies(response).into_iter().map(|cookie| cookie.name).collect()
}

const DAY: i64 = 24 * 60 * 60;

#[test]
fn a_sign_in_with_cookies_gives_no_token_to_scripts_but_the_access_token() {
    let user = User::new("patient");
    let response = PortalBrowser::default()
        .post(LOGIN, &json!({"email": user.email, "password": PASSWORD}))
        .ok(200);
    let expected: Vec<&str> =
        SIGNED_IN.into_iter().filter(|name| *name != "device_token").collect();
    assert_eq!(response.keys(), expected);
    assert_eq!(response["tokens"].as_object().unwrap().keys().collect::<Vec<_>>(), ["access"]);
    let [refresh, device] = &cookies(&response)[..] else { panic!("{response}") };
    let attributes = if cookie_name("a") == "a" {
        "HttpOnly; SameSite=Strict; Path=/"
    } else {
        "HttpOnly; SameSite=Strict; Secure; Path=/"
    };
    for (cookie, name, days) in [(refresh, "refresh_token", 7), (device, "device_token", 180)] {
        assert_eq!((&cookie.name, &*cookie.attributes), (&cookie_name(name), attributes));
        assert!((days * DAY - 60..=days * DAY).contains(&cookie.lifetime), "{}", cookie.lifetime);
        assert!(!response.body.to_string().contains(&cookie.value));
    }
    Anonymous.refresh(&refresh.value).ok(200);
}

#[test]
fn a_cookie_lives_as_long_as_its_token() {
    let doctor = User::new("doctor");
    let response = PortalBrowser::default()
        .post(LOGIN, &json!({"email": doctor.email, "password": PASSWORD}))
        .ok(200);
    let lifetime = cookies(&response)[0].lifetime;
    assert!((12 * 3600 - 60..=12 * 3600).contains(&lifetime), "a doctor's: {lifetime}");
}

#[test]
fn on_this_machine_without_tls_cookies_have_no_prefix() {
    let accounts =
        FunctionSettings::of("accounts").with("PUBLIC_URL", "http://localhost:8000").start();
    let user = User::new("patient");
    let send = |path: &str, origin: &str, cookies: &str, body: &Value| {
        let headers = [("token-transport", "cookie"), ("origin", origin), ("cookie", cookies)];
        accounts.send_with(&Anonymous, "POST", path, &headers, body)
    };
    let body = json!({"email": user.email, "password": PASSWORD});
    send(LOGIN, "http://localhost:3000", "", &body).problem(403, "not_same_origin");
    let response = send(LOGIN, "http://localhost:8000", "", &body).ok(200);
    let set = cookies(&response);
    assert_eq!(names(&response), ["refresh_token", "device_token"]);
    assert!(set.iter().all(|cookie| cookie.attributes == "HttpOnly; SameSite=Strict; Path=/"));
    let cookie = format!("refresh_token={}", set[0].value);
    let renewed = send(REFRESH, "http://localhost:8000", &cookie, &json!({})).ok(200);
    assert_eq!(
        (renewed.keys(), names(&renewed)),
        (vec!["access"], vec!["refresh_token".to_owned()])
    );
}

#[test]
fn every_operation_with_cookies_is_for_pages_of_the_service_alone() {
    let user = User::new("patient");
    let own = origin();
    for (path, body) in operations() {
        let send = |headers: &[(&str, &str)]| {
            let request = user.request("POST", path).header("token-transport", "cookie");
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            request.json(&body).send()
        };
        let refused = |headers: &[(&str, &str)]| {
            let response = send(headers).problem(403, "not_same_origin");
            assert!(names(&response).is_empty(), "{path}: {response}");
        };
        refused(&[]);
        refused(&[("sec-fetch-site", "same-origin")]);
        for site in ["cross-site", "same-site", "none"] {
            refused(&[("origin", &own), ("sec-fetch-site", site)]);
        }
        for origin in ["null", "https://evil.example.org", "http://localhost:3000"] {
            refused(&[("origin", origin), ("sec-fetch-site", "same-origin")]);
        }
        refused(&[("origin", &format!("{own}.example.org"))]);
    }
    user.me().ok(200);
}

#[test]
fn every_operation_refuses_another_transport() {
    for (path, body) in operations() {
        for transport in ["cookies", "Cookie", "body", ""] {
            let request = User::new("patient").request("POST", path);
            let request = request.header("token-transport", transport).header("origin", &origin());
            request.json(&body).send().refused("Token-Transport", "invalid_choice");
        }
    }
}

#[test]
fn without_the_header_no_cookie_is_read_or_set() {
    let user = User::new("patient");
    let browser = PortalBrowser::sign_in(&user);
    let pairs: Vec<String> =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let plain = |path: &str, body: &Value| {
        let request = Anonymous.request("POST", path).header("cookie", &pairs.join("; "));
        request.header("origin", &origin()).json(body).send()
    };
    plain(REFRESH, &json!({})).refused("refresh", "required");
    plain(REVOKE, &json!({})).refused("refresh", "required");
    let signed_in = plain(LOGIN, &json!({"email": user.email, "password": PASSWORD})).ok(200);
    assert_eq!((signed_in.keys(), names(&signed_in)), (SIGNED_IN.to_vec(), vec![]));
    let tokens = plain(REFRESH, &json!({"refresh": user.refresh})).ok(200);
    assert_eq!((tokens.keys(), names(&tokens)), (vec!["access", "refresh"], vec![]));
    assert!(names(&user.logout().ok(204)).is_empty());
    browser.me().ok(200);
}

#[test]
fn a_refresh_takes_and_gives_the_cookie() {
    let mut browser = PortalBrowser::sign_in(&User::new("patient"));
    let before = browser.clone();
    for body in [Some(json!({})), None, Some(json!({"refresh": "not looked at"}))] {
        let request = browser.request(REFRESH);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().ok(200);
        assert_eq!(response.keys(), ["access"]);
        assert_eq!(names(&response), [cookie_name("refresh_token")]);
        browser.keep(&response);
        browser.me().ok(200);
    }
    assert_ne!(browser.cookie("refresh_token"), before.cookie("refresh_token"));
    assert_eq!(browser.cookie("device_token"), before.cookie("device_token"));
}

#[test]
fn two_tabs_that_refresh_at_once_go_on_with_one_session() {
    let user = User::new("patient");
    let browser = PortalBrowser::sign_in(&user);
    let tabs: Vec<PortalBrowser> = thread::scope(|scope| {
        let tabs: Vec<_> = (0..4)
            .map(|_| {
                let mut tab = browser.clone();
                scope.spawn(move || {
                    tab.post(REFRESH, &json!({})).ok(200);
                    tab
                })
            })
            .collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    for tab in &tabs {
        assert_eq!(tab.cookie("refresh_token"), tabs[0].cookie("refresh_token"));
        tab.me().ok(200);
    }
    // The browser has one cookie for all of them, whichever response came last.
    let mut next = tabs[1].clone();
    next.post(REFRESH, &json!({})).ok(200);
    next.me().ok(200);
    assert_eq!(user.list_sessions("").ok(200).results().len(), 2, "with that of the registration");
}

#[test]
fn a_refused_refresh_deletes_the_cookie() {
    let user = User::new("patient");
    let mut browser = PortalBrowser::sign_in(&user);
    let copied = browser.clone();
    browser.post(REFRESH, &json!({})).ok(200);
    browser.post(REFRESH, &json!({})).ok(200);
    let mut thief = copied;
    let response = thief.post(REFRESH, &json!({})).problem(401, "token_not_valid");
    let [refresh] = &cookies(&response)[..] else { panic!("{response}") };
    assert_eq!((&refresh.name, &*refresh.value), (&cookie_name("refresh_token"), ""));
    assert_eq!((thief.cookie("refresh_token"), thief.cookies.len()), (None, 1), "the device stays");
    browser.me().problem(401, "token_not_valid");
    browser.post(REFRESH, &json!({})).problem(401, "token_not_valid");
    assert_eq!(browser.cookie("refresh_token"), None);
}

#[test]
fn a_browser_loses_a_refused_token_also_where_others_have_failed_too_often() {
    let host = crate::harness::Host::somewhere();
    let network = ["network", &host.network()];
    set_counter("refresh", &network, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
    host.post(REFRESH, &json!({"refresh": "x"})).problem(429, "too_many_attempts");
    let (own, cookie) = (origin(), format!("{}=x", cookie_name("refresh_token")));
    let headers =
        [("token-transport", "cookie"), ("origin", own.as_str()), ("cookie", cookie.as_str())];
    let response = host.post_with(REFRESH, &headers, &json!({})).problem(401, "token_not_valid");
    assert_eq!(names(&response), [cookie_name("refresh_token")]);
}

#[test]
fn a_visitor_without_a_cookie_is_no_failure_of_the_network() {
    let host = crate::harness::Host::somewhere();
    let own = origin();
    let headers = [("token-transport", "cookie"), ("origin", own.as_str())];
    for _ in 0..3 {
        let response =
            host.post_with(REFRESH, &headers, &json!({})).problem(401, "token_not_valid");
        assert!(names(&response).is_empty());
    }
    let counters = aws::query(&format!("RATE#refresh#{}", host.network()));
    assert!(counters.is_empty(), "{counters:?}");
}

#[test]
fn a_sign_out_deletes_the_refresh_token_and_keeps_the_device() {
    let user = User::new("patient");
    for (path, body) in
        [(LOGOUT, json!({})), ("/api/accounts/logout-all/", json!({})), (REVOKE, json!({}))]
    {
        let mut browser = PortalBrowser::sign_in(&user);
        if path == REVOKE {
            // As when the access token has expired.
            browser.access = None;
        }
        let access = PortalBrowser::sign_in(&user).access;
        let refresh = browser.cookie("refresh_token").unwrap().clone();
        let response = browser.post(path, &body).ok(204);
        assert_eq!(names(&response), [cookie_name("refresh_token")]);
        assert_eq!(browser.cookie("refresh_token"), None);
        assert!(browser.cookie("device_token").is_some());
        Anonymous.refresh(&refresh).problem(401, "token_not_valid");
        let other = Client { access }.me().status;
        assert_eq!(other, if path.contains("all") { 401 } else { 200 }, "{path}");
        browser.post(REVOKE, &json!({})).ok(204);
    }
}

#[test]
fn the_cookie_of_the_device_makes_it_known() {
    let user = User::new("patient");
    let mut browser = PortalBrowser::sign_in(&user);
    browser.post(LOGOUT, &json!({})).ok(204);
    set_attempts(
        "login",
        &user.email.to_lowercase(),
        100,
        "203.0.113.0/24",
        "2026-01-01T00:00:00Z",
    );
    let credentials = json!({"email": user.email, "password": PASSWORD});
    PortalBrowser::default().post(LOGIN, &credentials).problem(401, "sign_in_link_required");
    let mut with_body = credentials.clone();
    with_body["device_token"] = json!(browser.cookie("device_token"));
    PortalBrowser::default().post(LOGIN, &with_body).problem(401, "sign_in_link_required");
    let before = browser.cookie("device_token").cloned();
    browser.post(LOGIN, &credentials).ok(200);
    assert_ne!(browser.cookie("device_token"), before.as_ref(), "renewed");

    // A mailed link makes another browser known.
    Anonymous.request_sign_in_link(&user.email).ok(202);
    let link = account_mail(&user.email, "Sign In From This Device", 0).token();
    let mut other = PortalBrowser::default();
    let confirmed =
        other.post("/api/accounts/login/link/confirm/", &json!({"token": link})).ok(200);
    assert_eq!(
        (confirmed.body.clone(), names(&confirmed)),
        (json!({}), vec![cookie_name("device_token")])
    );
    other.post(LOGIN, &credentials).ok(200);
    other.me().ok(200);
}

#[test]
fn a_known_device_asks_for_a_new_password_by_its_cookie() {
    let user = User::new("patient");
    let mut browser = PortalBrowser::sign_in(&user);
    browser.post("/api/accounts/password-reset/", &json!({"email": user.email})).ok(202);
    account_mail(&user.email, "Set Your Password", 0);
}

#[test]
fn a_second_factor_completes_a_sign_in_with_cookies() {
    let guarded = Guarded::new();
    let mut browser = PortalBrowser::default();
    let credentials = json!({"email": guarded.user.email, "password": PASSWORD});
    let half = browser.post(LOGIN, &credentials).problem(401, "mfa_required");
    assert!(names(&half).is_empty());
    let body = json!({"mfa_token": half.text("mfa_token"), "code": guarded.app.code(0)});
    let response = browser.post("/api/accounts/login/second-factor/", &body).ok(200);
    assert_eq!(names(&response), [cookie_name("refresh_token"), cookie_name("device_token")]);
    browser.me().ok(200);
    browser.post(REFRESH, &json!({})).ok(200);
}

#[test]
fn a_registration_and_its_repetition_give_tokens_where_they_are_wanted() {
    let email = new_email();
    let body = json!({"email": email, "password": PASSWORD, "first_name": MARKER});
    let key = format!("\"{email}\"");
    let mut browser = PortalBrowser::default();
    let register = |browser: &PortalBrowser| {
        browser.request("/api/accounts/register/").header("idempotency-key", &key)
    };
    let first = register(&browser).json(&body).send().ok(201);
    assert_eq!(first["tokens"].as_object().unwrap().keys().collect::<Vec<_>>(), ["access"]);
    assert_eq!(names(&first), [cookie_name("refresh_token")]);
    browser.keep(&first);
    let again = register(&PortalBrowser::default()).json(&body).send().ok(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(cookies(&again)[0].value, *browser.cookie("refresh_token").unwrap());
    let plain = Anonymous.request("POST", "/api/accounts/register/");
    let plain = plain.header("idempotency-key", &key).json(&body).send().ok(201);
    assert_eq!(plain["tokens"]["refresh"], *browser.cookie("refresh_token").unwrap());
    assert!(names(&plain).is_empty());
    browser.post(REFRESH, &json!({})).ok(200);
}

#[test]
fn a_new_password_replaces_the_cookie() {
    let user = User::new("patient");
    let mut browser = PortalBrowser::sign_in(&user);
    let body = json!({"current_password": PASSWORD, "new_password": "amber-kettle-northbound-73"});
    let response = browser.post("/api/accounts/password-change/", &body).ok(200);
    assert_eq!(
        (response.keys(), names(&response)),
        (vec!["access"], vec![cookie_name("refresh_token")])
    );
    browser.me().ok(200);
    browser.post(REFRESH, &json!({})).ok(200);
    user.me().problem(401, "token_not_valid");
}

#[test]
fn a_lost_response_can_be_requested_again_with_the_cookie() {
    let user = User::new("patient");
    let browser = PortalBrowser::sign_in(&user);
    let (mut lost, mut again) = (browser.clone(), browser);
    lost.post(REFRESH, &json!({})).ok(200);
    // However slow the system is, the token was replaced a moment ago.
    let used = Timestamp::now() + SignedDuration::from_mins(2);
    for item in aws::query(&format!("USER#{}", user.id)) {
        if item["entity"]["S"] == "session" {
            aws::update_item(
                item["pk"]["S"].as_str().unwrap(),
                item["sk"]["S"].as_str().unwrap(),
                "SET last_used_at = :used",
                json!({":used": {"S": used.to_string()}}),
            );
        }
    }
    again.post(REFRESH, &json!({})).ok(200);
    assert_eq!(lost.cookie("refresh_token"), again.cookie("refresh_token"));
    again.me().ok(200);
}
