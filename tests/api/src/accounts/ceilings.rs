//! Tests of the ceilings of guessing: codes and passwords are checked so often and no more, from
//! however many networks, and known devices of the owner are not concerned.

use serde_json::{Value, json};

use crate::accounts::second_factor::{Guarded, wrong_code};
use crate::accounts::stuffing::in_parallel;
use crate::accounts::throttling::{
    FAILURES_PER_ACCOUNT, FAILURES_PER_NETWORK, MINUTES_15, set_counter, telltale,
};
use crate::harness::keys::set_attempts;
use crate::harness::{
    Anonymous, Host, PASSWORD, Response, User, account_mail, account_mails_to, aws, new_email,
    origin,
};

const WRONG: &str = "not the password of anybody";
const NEW: &str = "another harbour, a louder one";
const PAST: &str = "2026-01-01T00:00:00Z";

/// Shows a code, or a recovery code, from a network of its own.
fn show(mfa_token: &str, kind: &str, code: &str) -> Response {
    let mut body = json!({"mfa_token": mfa_token});
    body[kind] = json!(code);
    Host::somewhere().post("/api/accounts/login/second-factor/", &body)
}

fn device_of(response: &Response) -> String {
    response.text("device_token").to_owned()
}

/// Lets so many sign-ins fail in a row, all but the last at once.
#[track_caller]
fn exhaust(email: &str) {
    set_attempts("login", &email.to_lowercase(), FAILURES_PER_ACCOUNT - 1, "203.0.113.0/24", PAST);
    Host::somewhere().login(email, WRONG).problem(401, "invalid_credentials");
}

#[test]
fn twenty_codes_in_a_row_are_checked_whatever_the_networks() {
    let guarded = Guarded::new();
    let token = guarded.mfa_token();
    let wrong = wrong_code(&guarded.app);
    for number in 1..=20 {
        show(&token, "code", &wrong).problem(401, "invalid_code");
        if number == 5 {
            account_mail(&guarded.user.email, "Wrong Codes", 0);
        }
    }
    show(&token, "code", &wrong).problem(401, "second_factor_locked");
    show(&token, "code", &guarded.app.code(0)).problem(401, "second_factor_locked");
    let body = json!({"password": PASSWORD, "code": guarded.app.code(0)});
    guarded.user.disable_second_factor(body).problem(403, "second_factor_locked");
    // A recovery code goes on, and a success lets codes be checked again.
    show(&token, "recovery_code", "aaaa-aaaa-aaaa-aaaa").problem(401, "invalid_code");
    show(&token, "recovery_code", &guarded.recovery_codes[0]).ok(200);
    guarded.later();
    show(&guarded.mfa_token(), "code", &guarded.app.code(0)).ok(200);
    let told = account_mails_to(&guarded.user.email);
    let told = told.iter().filter(|mail| mail.subject.ends_with("Wrong Codes"));
    assert_eq!(told.count(), 1);
}

#[test]
fn of_10000_guesses_of_a_code_from_10000_networks_20_are_checked() {
    let guarded = Guarded::new();
    let (token, wrong) = (guarded.mfa_token(), wrong_code(&guarded.app));
    let responses = in_parallel(16, 10_000, |_| {
        let response = show(&token, "code", &wrong);
        (response.status, response.text("code").to_owned())
    });
    let count = |status: u16, code: &str| {
        responses.iter().filter(|response| **response == (status, code.to_owned())).count()
    };
    let (checked, locked) = (count(401, "invalid_code"), count(401, "second_factor_locked"));
    assert_eq!(checked, 20);
    assert_eq!(checked + locked + count(429, "too_many_attempts"), 10_000);
    show(&token, "code", &guarded.app.code(0)).problem(401, "second_factor_locked");
}

#[test]
fn a_mailed_link_lets_codes_be_checked_again() {
    let guarded = Guarded::new();
    set_attempts("second_factor", &guarded.user.id, 20, "203.0.113.0/24", PAST);
    let token = guarded.mfa_token();
    show(&token, "code", &guarded.app.code(0)).problem(401, "second_factor_locked");
    Anonymous.request_sign_in_link(&guarded.user.email).ok(202);
    let link = account_mail(&guarded.user.email, "Sign In From This Device", 0).token();
    let confirmed = Anonymous.confirm_device(&link).ok(200);
    assert_eq!(confirmed.keys(), ["device_token"]);
    Anonymous.confirm_device(&link).refused("token", "invalid");
    show(&token, "code", &wrong_code(&guarded.app)).problem(401, "invalid_code");
    let signed_in = show(&token, "code", &guarded.app.code(0)).ok(200);
    let known = device_of(&signed_in);
    let half = Host::somewhere().login_with_device(&guarded.user.email, PASSWORD, &known);
    half.problem(401, "mfa_required");
    let events = aws::query(&format!("AUDIT#{}", guarded.user.id));
    assert!(events.iter().any(|event| event["action"]["S"] == "confirm_device"));
}

#[test]
fn after_a_hundred_failures_an_unknown_device_needs_a_link_and_a_known_one_does_not() {
    let (user, unknown) = (User::new("patient"), new_email());
    let known = device_of(&Anonymous.login(&user.email, PASSWORD).ok(200));
    let refused: Vec<_> = [&user.email, &unknown]
        .into_iter()
        .flat_map(|email| {
            exhaust(email);
            [WRONG, PASSWORD].map(|password| {
                let refused = Host::somewhere().login(email, password);
                telltale(&refused.problem(401, "sign_in_link_required"))
            })
        })
        .collect();
    assert!(refused.iter().all(|each| *each == refused[0]), "whether there is an account or not");
    // The owner notices nothing, here and in what is done when signed in.
    let known =
        device_of(&Host::somewhere().login_with_device(&user.email, PASSWORD, &known).ok(200));
    user.request_email_change(&new_email(), PASSWORD).ok(202);

    let told = [&user.email, &unknown].map(|email| Anonymous.request_sign_in_link(email).ok(202));
    assert_eq!(told[0].bytes, told[1].bytes);
    let link = account_mail(&user.email, "Sign In From This Device", 0);
    assert!(link.text.contains(&format!("{}/sign-in-link#token=", origin())), "{}", link.text);
    let another = Anonymous.confirm_device(&link.token()).ok(200);
    let host = Host::somewhere();
    host.login_with_device(&user.email, WRONG, another.text("device_token"))
        .problem(401, "invalid_credentials");
    host.login_with_device(&user.email, PASSWORD, another.text("device_token")).ok(200);
    host.login_with_device(&user.email, PASSWORD, &known).ok(200);
    // The link has shown who the owner is: there are as many attempts as before.
    host.login(&user.email, PASSWORD).ok(200);
}

#[test]
fn a_new_password_from_a_mail_opens_the_account_again() {
    let user = User::new("patient");
    exhaust(&user.email);
    Anonymous.request_password_reset(&user.email).ok(202);
    let token = account_mail(&user.email, "Set Your Password", 0).token();
    Anonymous.reset_password(&token, NEW).ok(200);
    Host::somewhere().login(&user.email, NEW).ok(200);
}

#[test]
fn a_device_token_is_of_one_account_one_sign_in_and_one_password() {
    let (user, other) = (User::new("patient"), User::new("patient"));
    let sign_in = |user: &User, device: &str| {
        Host::somewhere().login_with_device(&user.email, PASSWORD, device)
    };
    let of_other = device_of(&Anonymous.login(&other.email, PASSWORD).ok(200));
    let first = device_of(&Anonymous.login(&user.email, PASSWORD).ok(200));
    let second = device_of(&sign_in(&user, &first).ok(200));
    assert_ne!(first, second);
    let stored = format!("{:?}", aws::query(&format!("FACTOR#{}", user.id)));
    assert!(stored.contains("secret_hash") && !stored.contains(&second[40..]), "{stored}");
    exhaust(&user.email);
    for unknown in [&first, &of_other, "", "made-up", &user.refresh] {
        sign_in(&user, unknown).problem(401, "sign_in_link_required");
    }
    let third = device_of(&sign_in(&user, &second).ok(200));
    user.change_password(PASSWORD, NEW).ok(200);
    Host::somewhere()
        .login_with_device(&user.email, NEW, &third)
        .problem(401, "sign_in_link_required");
    let body = json!({"email": user.email, "password": PASSWORD, "device_token": 7});
    Anonymous.post("/api/accounts/login/", &body).refused("device_token", "invalid");
}

#[test]
fn a_device_that_fails_too_often_is_unknown() {
    let user = User::new("patient");
    let known = device_of(&Anonymous.login(&user.email, PASSWORD).ok(200));
    exhaust(&user.email);
    let sign_in =
        |password: &str| Host::somewhere().login_with_device(&user.email, password, &known);
    for _ in 0..5 {
        sign_in(WRONG).problem(401, "invalid_credentials");
    }
    sign_in(PASSWORD).problem(401, "sign_in_link_required");
}

#[test]
fn a_colleague_behind_a_flooding_address_signs_in_refreshes_and_resets() {
    let (user, address) = (User::new("patient"), Host::somewhere());
    let known = device_of(&address.login(&user.email, PASSWORD).ok(200));
    let flood = |kind: &str, path: &str, junk: &Value| {
        let subject = ["network", &address.network()];
        set_counter(kind, &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
        address.post(path, junk).ok(429);
    };
    let junk = json!({"token": "x", "password": NEW, "refresh": "x", "email": new_email()});
    for (kind, path) in [
        ("login", "/api/accounts/login/"),
        ("refresh", "/api/accounts/token/refresh/"),
        ("mail_token", "/api/accounts/password-reset/confirm/"),
        ("password_reset", "/api/accounts/password-reset/"),
    ] {
        flood(kind, path, &junk);
    }
    let signed_in = address.login_with_device(&user.email, PASSWORD, &known).ok(200);
    let refresh = json!({"refresh": signed_in["tokens"]["refresh"]});
    address.post("/api/accounts/token/refresh/", &refresh).ok(200);
    let reset = json!({"email": user.email, "device_token": signed_in["device_token"]});
    address.post("/api/accounts/password-reset/", &reset).ok(202);
    let token = account_mail(&user.email, "Set Your Password", 0).token();
    let new = json!({"token": token, "password": NEW});
    address.post("/api/accounts/password-reset/confirm/", &new).ok(200);
    // A device that is not known waits, as before.
    let reset = json!({"email": user.email, "device_token": known});
    address.post("/api/accounts/password-reset/", &reset).problem(429, "too_many_attempts");
}

#[test]
fn a_colleague_with_a_second_factor_behind_a_flooding_address_works() {
    let (guarded, address) = (Guarded::new(), Host::somewhere());
    let email = &guarded.user.email;
    let known = device_of(&show(&guarded.mfa_token(), "code", &guarded.app.code(0)).ok(200));
    for kind in ["second_factor", "sign_in_link"] {
        let subject = ["network", &address.network()];
        set_counter(kind, &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
    }
    address
        .post("/api/accounts/login/second-factor/", &json!({}))
        .problem(429, "too_many_attempts");
    let link = json!({"email": email});
    address.post("/api/accounts/login/link/", &link).problem(429, "too_many_attempts");
    // A known device asks for a link, and a user who has entered the password signs in.
    let link = json!({"email": email, "device_token": known});
    address.post("/api/accounts/login/link/", &link).ok(202);
    guarded.later();
    let token = address.login_with_device(email, PASSWORD, &known).problem(401, "mfa_required");
    let body = json!({"mfa_token": token["mfa_token"], "code": guarded.app.code(0)});
    address.post("/api/accounts/login/second-factor/", &body).ok(200);
}
