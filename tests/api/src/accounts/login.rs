//! `POST /api/accounts/login/`.

use serde_json::{Value, json};

use super::SIGNED_IN;
use crate::harness::{Anonymous, Client, Doctor, MARKER, PASSWORD, User, new_email};

// TestLoginView: test_login_success; TestUserModel: test_profile_property_doctor
#[test]
fn a_user_signs_in() {
    let doctor = Doctor::new();
    let response = Anonymous.login(&doctor.email, PASSWORD).ok(200);
    assert_eq!(response.keys(), SIGNED_IN);
    assert_eq!(response.text("pk"), doctor.id);
    assert_eq!(response["profile"]["specialization"], "Cardiology");
    let again = Client::with_token(response["tokens"]["access"].as_str().unwrap());
    again.me().ok(200);
    doctor.me().ok(200);
}

// TestLoginView: test_login_invalid_credentials
#[test]
fn unknown_wrong_and_inactive_get_one_response() {
    let (user, inactive) = (User::new("patient"), User::new("patient"));
    inactive.deactivate();
    let responses = [
        Anonymous.login(&new_email(), PASSWORD),
        Anonymous.login(&user.email, "not the password"),
        Anonymous.login(&user.email, &PASSWORD.to_uppercase()),
        Anonymous.login(&inactive.email, PASSWORD),
        Anonymous.login(&inactive.email, "not the password"),
    ];
    let told = responses.map(|response| {
        let response = response.problem(401, "invalid_credentials");
        let mut body = response.body.clone();
        body["request_id"].take();
        (body, response.header("www-authenticate"))
    });
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

// TestLoginView: test_login_missing_fields
#[test]
fn a_login_needs_both_fields() {
    let login = |body: Value| Anonymous.post("/api/accounts/login/", &body).ok(400).errors();
    assert_eq!(login(json!({})), ["email required", "password required"]);
    assert_eq!(login(json!({"email": new_email()})), ["password required"]);
    assert_eq!(login(json!({"password": PASSWORD})), ["email required"]);
    assert_eq!(login(json!({"email": " ", "password": ""})), ["email blank", "password blank"]);
    assert_eq!(login(json!({"email": null, "password": null})), ["email null", "password null"]);
    assert_eq!(
        login(json!({"email": "no address", "password": 7})),
        ["email invalid", "password invalid"]
    );
    assert_eq!(
        login(json!({"email": new_email(), "password": "x".repeat(129)})),
        ["password too_long"]
    );
}

// TestUserModel: test_get_full_name, test_user_str_representation
#[test]
fn a_user_without_names_is_called_by_the_address() {
    let doctor = Doctor::new();
    let email = new_email();
    let nameless = Anonymous.register(json!({"email": email, "password": PASSWORD})).ok(201);
    let nameless = Client::with_token(nameless["tokens"]["access"].as_str().unwrap());
    nameless.create_record(json!({"doctor": doctor.id, "description": MARKER})).ok(201);
    let inbox = doctor.list_notifications("").ok(200);
    let local = email.split('@').next().unwrap();
    assert_eq!(
        inbox.results()[0]["message"],
        format!("New health record created by patient {local}")
    );
}
