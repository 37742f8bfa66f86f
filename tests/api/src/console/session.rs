//! `/admin/session/` and `/admin/sign-out/`: who gets a cookie, and when it ends.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jiff::{SignedDuration, Timestamp};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use serde_json::{Value, json};

use crate::harness::console::{ConsoleBrowser, cookie_of, sign_in};
use crate::harness::{
    Admin, Anonymous, Client, Doctor, FunctionSettings, Request, Response, User, aws, cookie_name,
};

/// The page that asks for a password.
pub(super) const SIGN_IN: &str = "/admin/sign-in/";

/// Checks that the response redirects to the sign-in page, removes the cookie, and contains nothing
/// else.
#[track_caller]
pub(super) fn assert_sent_away(response: &Response) {
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
pub(super) fn session_of(client: &Client) -> String {
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
pub(super) fn form_token(session: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &console_key(b"prove 1"));
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, session.as_bytes()))
}

/// Seals a cookie as the function does: for a user and a session, begun and last used at these
/// times.
pub(super) fn sealed(user: &str, session: &str, began: Timestamp, used: Timestamp) -> String {
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
    let response = sign_in(&admin);
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
    let browser = ConsoleBrowser::with(cookie_of(&response));
    let home = browser.get("/admin");
    assert!(home.status == 200 || home.header("location").starts_with("/admin/"), "{home}");
    let slash = browser.request("GET", "/admin/").send_unchecked();
    assert!(slash.status == 200 || slash.header("location").starts_with("/admin"), "{slash}");
    let page = browser.get("/admin/users/");
    assert_eq!(page.status, 200, "{page}");
    assert_ne!(cookie_of(&page), browser.cookie.unwrap(), "it is made anew when it is used");
    assert!(page.header("set-cookie").ends_with("Max-Age=900"), "{page}");
}

#[test]
fn on_this_machine_without_tls_the_cookie_has_no_prefix() {
    let console =
        FunctionSettings::of("console").with("PUBLIC_URL", "http://localhost:8000").start();
    let admin = Admin::new();
    let response = console.send(&admin, "POST", "/admin/session/", &Value::Null).ok(204);
    let cookie = response.header("set-cookie");
    assert!(cookie.starts_with("console="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Max-Age=900"), "{cookie}");
    let headers = [("cookie", cookie_of(&response)), ("sec-fetch-mode", "navigate".to_owned())];
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
        let response = sign_in(client).problem(status, code);
        assert_eq!(response.header("set-cookie"), "", "{response}");
    }
    let cookie = ConsoleBrowser::of(&admin).cookie.unwrap();
    let response =
        Request::new("POST", "/admin/session/").header("cookie", &cookie).send_unchecked();
    response.problem(401, "not_authenticated");
}

#[test]
fn a_script_on_the_same_origin_cannot_use_the_cookie() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
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
    let at =
        |began, used| ConsoleBrowser::with(sealed(id, &session, began, used)).get("/admin/users/");
    assert_eq!(at(ago(14), ago(14)).status, 200);
    assert_eq!(at(ago(470), ago(1)).status, 200);
    assert_sent_away(&at(ago(16), ago(16)));
    assert_sent_away(&at(ago(481), ago(1)));
}

#[test]
fn another_cookie_is_none() {
    let admin = Admin::new();
    let cookie = ConsoleBrowser::of(&admin).cookie.unwrap();
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
        assert_sent_away(&ConsoleBrowser::with(&wrong).get("/admin/users/"));
    }
}

#[test]
fn a_deactivated_admin_is_out_at_the_next_request() {
    let (admin, other) = (Admin::new(), Admin::new());
    let browser = ConsoleBrowser::of(&other);
    browser.page("/admin/users/");
    admin.update_user(&other.user().id, json!({"is_active": false})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
    admin.update_user(&other.user().id, json!({"is_active": true})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
}

#[test]
fn another_role_is_out_too() {
    let (admin, other) = (Admin::new(), Admin::new());
    let browser = ConsoleBrowser::of(&other);
    admin.update_user(&other.user().id, json!({"role": "patient"})).ok(200);
    assert_sent_away(&browser.get("/admin/users/"));
}

#[test]
fn signing_out_ends_the_session_everywhere() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let response = browser.post("/admin/sign-out/", &[]);
    assert_sent_away(&response);
    assert_eq!(response.header("clear-site-data"), "\"cache\", \"storage\"");
    assert_sent_away(&browser.get("/admin/users/"));
    admin.me().problem(401, "token_not_valid");
}
