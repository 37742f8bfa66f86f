//! Tests of the settings of registration: it can hide who has an account, and licences can wait for
//! approval.

use serde_json::{Value, json};

use crate::harness::keys::credentials_of;
use crate::harness::{
    Admin, Anonymous, Client, FunctionSettings, MARKER, PASSWORD, Patient, Response, Sandbox, User,
    account_mail, account_mails_to, aws, eventually, new_email, unique, wait_until_idle,
};

#[track_caller]
fn register(accounts: &Sandbox, email: &str, role: &str) -> Response {
    let last_name = format!("{MARKER}{}", unique());
    let body = json!({"email": email, "password": PASSWORD, "role": role, "first_name": "Jane",
        "last_name": last_name});
    accounts.send(&Anonymous, "POST", "/api/accounts/register/", &body)
}

#[test]
fn registering_tells_nobody_who_has_an_account() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let owner = User::new("patient");
    let before = Anonymous.login(&owner.email, PASSWORD).ok(200);
    let free = new_email();
    let (of_free, of_taken) = (
        register(&accounts, &free, "patient").ok(202),
        register(&accounts, &owner.email, "doctor").ok(202),
    );
    let respelt = register(&accounts, &owner.email.to_uppercase(), "patient").ok(202);
    let again = register(&accounts, &owner.email, "patient").ok(202);
    for other in [&of_taken, &respelt, &again] {
        assert_eq!(other.bytes, of_free.bytes);
        let names = |response: &Response| {
            response.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(other), names(&of_free));
    }
    assert_eq!(of_free.keys(), ["detail"], "no tokens, no id");
    // Invalid fields are reported for both.
    for email in [&free, &owner.email, &new_email()] {
        let body = json!({"email": email, "password": "12345678"});
        accounts
            .send(&Anonymous, "POST", "/api/accounts/register/", &body)
            .refused("password", "too_common");
    }

    // Only the mails differ.
    account_mail(&free, "Confirm Your Email Address", 0);
    account_mail(&owner.email, "You Have an Account Already", 2);
    assert!(
        !account_mails_to(&owner.email).iter().any(|mail| mail.text.contains(MARKER)),
        "what somebody typed is in no mail"
    );
    Anonymous.login(&free, PASSWORD).problem(401, "invalid_credentials");
    let confirmation = account_mail(&free, "Confirm Your Email Address", 0).token();
    Anonymous.verify_email_and_set_password(&confirmation, PASSWORD).ok(200);
    Anonymous.login(&free, PASSWORD).ok(200);
    let after = Anonymous.login(&owner.email, PASSWORD).ok(200);
    assert_eq!(
        (&after["pk"], &after["role"], &after["last_name"]),
        (&before["pk"], &before["role"], &before["last_name"])
    );
    let events = aws::query(&format!("AUDIT#{}", owner.id));
    let tries = events
        .iter()
        .filter(|event| event["action"]["S"] == "register" && event["outcome"]["S"] == "failed");
    assert_eq!(tries.count(), 3);
}

#[test]
fn a_password_reset_confirms_a_silent_registration() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let email = new_email();
    register(&accounts, &email, "patient").ok(202);
    // The same response as for an address without an account, or a wrong password.
    let wrong =
        Anonymous.login(&email, "not-the-password-at-all").problem(401, "invalid_credentials");
    let unconfirmed = Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    assert_eq!((unconfirmed.keys(), &unconfirmed["detail"]), (wrong.keys(), &wrong["detail"]));
    Anonymous.request_password_reset(&email).ok(202);
    let token = account_mail(&email, "Set Your Password", 0).token();
    Anonymous.reset_password(&token, "three lamps in the window").ok(200);
    let user = Anonymous.login(&email, "three lamps in the window").ok(200);
    let events = aws::query(&format!("AUDIT#{}", user.text("pk")));
    assert!(
        events.iter().any(|event| event["reason"]["S"] == "email_not_confirmed"
            && event["outcome"]["S"] == "denied")
    );
}

#[test]
fn nobody_finds_a_registration_that_was_replaced() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let email = new_email();
    let registered = || {
        register(&accounts, &email, "patient").ok(202);
        let credentials = aws::get_item(&credentials_of(&email), "CREDENTIALS").unwrap();
        format!("NAMES#{}", credentials["user_id"]["S"].as_str().unwrap())
    };
    let first = registered();
    assert_eq!(aws::query(&first).len(), 4);
    let second = registered();
    eventually("the entries of the first are deleted", || {
        aws::query(&first).is_empty().then_some(())
    });
    assert_eq!(aws::query(&second).len(), 4);
}

#[test]
fn nobody_is_flooded_with_mails_about_an_account() {
    let accounts = FunctionSettings::of("accounts")
        .with("REVEAL_REGISTERED_EMAIL", "false")
        .with("MAX_MAILS_PER_DAY", "3")
        .start();
    let (owner, free) = (User::new("patient"), new_email());
    let register_often = |email: &str| -> Vec<Response> {
        (0..5).map(|_| register(&accounts, email, "patient").ok(202)).collect()
    };
    let (of_taken, of_free) = (register_often(&owner.email), register_often(&free));
    assert!(of_taken.iter().chain(&of_free).all(|each| each.bytes == of_taken[0].bytes));
    let events = aws::query(&format!("AUDIT#{}", owner.id));
    assert_eq!(
        events
            .iter()
            .filter(|event| event["action"]["S"] == "register" && event["outcome"]["S"] == "failed")
            .count(),
        3
    );

    // A repetition gets the response, as below the limit.
    let key = format!("\"{}\"", unique());
    let again = || {
        let body = json!({"email": owner.email, "password": PASSWORD});
        let headers = [("idempotency-key", key.as_str())];
        accounts.send_with(&Anonymous, "POST", "/api/accounts/register/", &headers, &body).ok(202)
    };
    let (first, second) = (again(), again());
    assert_eq!(
        (first.bytes, &*second.header("idempotent-replayed")),
        (second.bytes.clone(), "true")
    );
    wait_until_idle();
    assert_eq!(account_mails_to(&owner.email).len(), 3 + 1, "and the one to confirm the address");
}

#[test]
fn strangers_do_not_use_up_what_the_owner_of_an_address_may() {
    let accounts = FunctionSettings::of("accounts")
        .with("REVEAL_REGISTERED_EMAIL", "false")
        .with("MAX_MAILS_PER_DAY", "3")
        .start();
    let (stranger, owner, wanted) = (User::new("patient"), User::new("patient"), new_email());
    let claim = |claimant: &User, email: &str| {
        let body = json!({"email": email, "password": PASSWORD});
        accounts.send(claimant, "POST", "/api/accounts/email-change/", &body)
    };
    for _ in 0..3 {
        claim(&stranger, &wanted).ok(202);
        register(&accounts, &owner.email, "patient").ok(202);
    }
    claim(&stranger, &new_email()).problem(429, "daily_limit_reached");
    claim(&owner, &wanted).ok(202);
    accounts.send(&owner, "POST", "/api/accounts/verify-email/resend/", &json!({})).ok(202);
    accounts
        .send(&Anonymous, "POST", "/api/accounts/password-reset/", &json!({"email": owner.email}))
        .ok(202);
}

#[test]
fn a_silent_registration_that_is_sent_again_happens_once() {
    let accounts =
        FunctionSettings::of("accounts").with("REVEAL_REGISTERED_EMAIL", "false").start();
    let owner = User::new("patient");
    for (email, subject, before) in [
        (new_email(), "Confirm Your Email Address", 0),
        (owner.email.clone(), "You Have an Account Already", 0),
    ] {
        let key = format!("\"{}\"", unique());
        let body = json!({"email": email, "password": PASSWORD});
        let register = |body: &Value| {
            accounts.send_with(
                &Anonymous,
                "POST",
                "/api/accounts/register/",
                &[("idempotency-key", &key)],
                body,
            )
        };
        let (first, second) = (register(&body).ok(202), register(&body).ok(202));
        assert_eq!(
            (first.header("idempotent-replayed"), second.header("idempotent-replayed")),
            ("".into(), "true".into())
        );
        assert_eq!(first.bytes, second.bytes);
        register(&json!({"email": email, "password": "three lamps in the window"}))
            .problem(422, "idempotency_key_reused");
        account_mail(&email, subject, before);
        // A later mail arrives, so a second one would have arrived, too.
        Anonymous.request_password_reset(&email).ok(202);
        account_mail(&email, "Set Your Password", 0);
        assert_eq!(
            account_mails_to(&email).iter().filter(|mail| mail.subject.ends_with(subject)).count(),
            1
        );
        if email != owner.email {
            assert!(account_mails_to(&email).iter().all(|mail| !mail.subject.ends_with("Already")));
        }
    }
}

#[test]
fn a_new_doctor_waits_where_the_operator_says_so() {
    let accounts = FunctionSettings::of("accounts").with("REQUIRE_DOCTOR_APPROVAL", "true").start();
    let (admin, patient, email) = (Admin::new(), Patient::new(), new_email());
    let registered = register(&accounts, &email, "doctor").ok(201);
    let doctor = Client::with_token(registered["tokens"]["access"].as_str().unwrap());
    let (id, name) = (registered.text("pk"), registered.text("last_name"));
    let profile =
        |license: &str| json!({"specialization": "Cardiology", "license_number": license});
    accounts.send(&doctor, "POST", "/api/accounts/profile-create/", &profile("MD-1")).ok(201);
    let is_listed =
        || !patient.list_doctors(&format!("search={name}")).ok(200).results().is_empty();
    let assign = || patient.create_record(json!({"doctor": id}));
    let unknown =
        patient.create_record(json!({"doctor": "0190a5c0-0000-7000-8000-000000000001"})).ok(400);
    let shut_out = || {
        assert!(!is_listed());
        assert_eq!(
            assign().ok(400)["errors"],
            unknown["errors"],
            "the response is that for an unknown id"
        );
        doctor.list_doctor_records("").problem(403, "not_approved");
    };
    shut_out();
    admin.approve_doctor(id).ok(200);
    assert!(is_listed());
    assign().ok(201);
    doctor.list_doctor_records("").ok(200);
    account_mail(&email, "Licence Approved", 0);
    // Another licence needs another decision; the same one does not.
    accounts.send(&doctor, "PUT", "/api/accounts/profile-update/", &profile("MD-1")).ok(200);
    assert!(is_listed());
    accounts
        .send(&doctor, "PATCH", "/api/accounts/profile-update/", &json!({"license_number": "MD-2"}))
        .ok(200);
    shut_out();
    let patient = register(&accounts, &new_email(), "patient").ok(201);
    let patient = Client::with_token(patient["tokens"]["access"].as_str().unwrap());
    accounts.send(&patient, "GET", "/api/accounts/me/", &Value::Null).ok(200);
}
