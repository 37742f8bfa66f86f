//! `POST /api/accounts/register/`.

use serde_json::{Value, json};

use super::USER;
use crate::harness::{Anonymous, Client, PASSWORD, new_email, unique};

/// Returns the body of a registration with one field changed.
fn registration(field: &str, value: Value) -> Value {
    let mut body = json!({"email": new_email(), "password": PASSWORD});
    body[field] = value;
    body
}

// TestRegisterView: test_register_patient_success; TestUserModel: test_create_user_with_email,
// test_user_tokens_property, test_profile_property_none
#[test]
fn a_patient_registers_and_is_signed_in() {
    let email = new_email();
    let response = Anonymous
        .register(json!({
            "email": email, "password": PASSWORD, "first_name": " Jane ",
                "last_name": "Smi\u{301}th", "phone_number": "+49 30 123456",
        }))
        .ok(201);
    assert_eq!(response.keys(), USER);
    assert_eq!(response.text("email"), email);
    assert_eq!(
        (response.text("first_name"), response.text("last_name")),
        ("Jane", "Sm\u{ed}th"),
        "trimmed, composed"
    );
    assert_eq!(
        (response.text("phone_number"), response.text("role")),
        ("+49 30 123456", "patient")
    );
    assert_eq!(response["profile"], Value::Null);
    let id = response.text("pk");
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().hyphenated().to_string(), id, "a lower-case UUID");
    assert_eq!(
        response["tokens"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["access", "refresh"]
    );
    let me = Client::with_token(response["tokens"]["access"].as_str().unwrap())
        .get(&response.header("location"))
        .ok(200);
    assert_eq!(me["pk"], response["pk"]);
}

// TestRegisterView: test_register_doctor_success
#[test]
fn a_doctor_registers() {
    let response = Anonymous.register(registration("role", json!("doctor"))).ok(201);
    assert_eq!(
        (response.text("role"), response.text("first_name"), response.text("phone_number")),
        ("doctor", "", "")
    );
    assert_eq!(response["profile"], Value::Null);
}

// TestRegisterView: test_register_invalid_role; TestUserModel: test_create_superuser
#[test]
fn registration_rejects_the_role_admin() {
    for role in ["admin", "Patient", "", "superuser", " doctor"] {
        Anonymous.register(registration("role", json!(role))).refused("role", "invalid_choice");
    }
    let mut body = registration("role", json!("patient"));
    for field in ["is_staff", "is_superuser", "is_admin", "admin"] {
        body[field] = json!(true);
    }
    for (field, value) in [
        ("pk", json!("00000000-0000-0000-0000-000000000000")),
        ("is_active", json!(false)),
        ("profile", json!({})),
    ] {
        body[field] = value;
    }
    let response = Anonymous.register(body).ok(201);
    assert_eq!(response.keys(), USER, "unknown fields are ignored");
    assert_eq!((response.text("role"), &response["profile"]), ("patient", &Value::Null));
    assert_ne!(response.text("pk"), "00000000-0000-0000-0000-000000000000");
    Client::with_token(response["tokens"]["access"].as_str().unwrap()).me().ok(200);
}

// TestRegisterView: test_register_duplicate_email; TestUserModel: test_email_unique_constraint
#[test]
fn an_email_is_one_whatever_its_case() {
    let name = format!("Zq7Marker.{}", unique());
    let email = format!("{name}@Example.COM");
    let registered =
        Anonymous.register(registration("email", json!(format!("  {email} ")))).ok(201);
    assert_eq!(
        registered.text("email"),
        format!("{name}@example.com"),
        "trimmed, the domain in lower case"
    );
    let spellings =
        [email.clone(), email.to_lowercase(), email.to_uppercase(), format!(" {name}@example.com")];
    for spelling in &spellings {
        Anonymous.register(registration("email", json!(spelling))).refused("email", "taken");
        assert_eq!(Anonymous.login(spelling, PASSWORD).ok(200)["pk"], registered["pk"]);
    }
}

#[test]
fn all_mistakes_of_a_registration_are_told_at_once() {
    assert_eq!(
        Anonymous.register(json!({})).ok(400).errors(),
        ["email required", "password required"]
    );
    let all_null = json!({"email": null, "password": null, "first_name": null, "last_name": null,
        "phone_number": null, "role": null});
    let response = Anonymous.register(all_null).ok(400);
    assert_eq!(
        response.errors(),
        [
            "email null",
            "password null",
            "first_name null",
            "last_name null",
            "phone_number null",
            "role null"
        ]
    );
    let wrong_types = json!({"email": 7, "password": ["x"], "first_name": true, "last_name": {},
        "phone_number": 1.5, "role": 1});
    let response = Anonymous.register(wrong_types).ok(400);
    let refused = ["email", "password", "first_name", "last_name", "phone_number", "role"]
        .map(|field| format!("{field} invalid"));
    assert_eq!(response.errors(), refused);
    let response = Anonymous
        .register(json!({"email": "", "password": "", "phone_number": "1".repeat(33)}))
        .ok(400);
    assert_eq!(response.errors(), ["email blank", "password blank", "phone_number too_long"]);
}

#[test]
fn fields_have_limits() {
    let local = |length: usize| format!("{}{}", unique(), "x".repeat(length - 12));
    let domain = |length: usize| {
        format!(
            "{}.example.com",
            format!("{}.", "d".repeat(49)).repeat(4)[..length - 12].trim_end_matches('.')
        )
    };
    let longest = format!("{}@{}", local(64), domain(189));
    assert_eq!(longest.len(), 254);
    let mut most = registration("email", json!(longest));
    for field in ["first_name", "last_name"] {
        most[field] = json!("\u{e9}".repeat(255));
    }
    most["phone_number"] = json!("1".repeat(32));
    Anonymous.register(most).ok(201);
    let long_email = format!("{}@{}", local(64), domain(190));
    for (field, value) in [
        ("email", long_email),
        ("first_name", "x".repeat(256)),
        ("last_name", "x".repeat(256)),
        ("phone_number", "1".repeat(33)),
    ] {
        Anonymous.register(registration(field, json!(value))).refused(field, "too_long");
    }
    for email in [
        "plain",
        "a@b",
        "@example.com",
        "a b@example.com",
        "a@example..com",
        "Jane <jane@example.com>",
        "j\u{e9}@example.com",
    ] {
        Anonymous.register(registration("email", json!(email))).refused("email", "invalid");
    }
    for text in ["a\0b", "a\nb", "a\u{7f}b", "a\u{85}b"] {
        for field in ["first_name", "last_name", "phone_number"] {
            Anonymous.register(registration(field, json!(text))).refused(field, "invalid");
        }
    }
}

#[test]
fn weak_passwords_are_refused() {
    let email = new_email();
    let attempt = |password: &str, status| {
        let body = json!({"email": email, "password": password, "first_name": "Hildegard",
            "last_name": "Featherstonehaugh"});
        Anonymous.register(body).ok(status)
    };
    for (password, code) in [
        ("short77".to_owned(), "too_short"),
        ("12345678".to_owned(), "too_common"),
        ("PassWord".to_owned(), "too_common"),
        (email.clone(), "too_similar"),
        (email.split('@').next().unwrap().to_uppercase(), "too_similar"),
        ("hildegard1".to_owned(), "too_similar"),
        ("featherstonehaugh".to_owned(), "too_similar"),
        ("x7".repeat(64) + "y", "too_long"),
        ("Passw0rd!".to_owned(), "too_weak"),
        ("Welcome1!".to_owned(), "too_weak"),
        ("Hospital1".to_owned(), "too_weak"),
        ("healthrecords".to_owned(), "too_weak"),
        ("\u{e4}7".repeat(64), "too_weak"),
        ("\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}\u{115f}".to_owned(), "blank"),
    ] {
        attempt(&password, 400).refused("password", code);
    }
    attempt("drei M\u{f6}wen \u{fc}ber dem Deich, \u{1f980} & Tee", 201);
}

#[test]
fn a_refused_registration_leaves_nothing_behind() {
    let email = new_email();
    Anonymous.register(json!({"email": email, "password": PASSWORD, "role": "admin"})).ok(400);
    Anonymous.login(&email, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.register(json!({"email": email, "password": PASSWORD})).ok(201);
}

#[test]
fn passwords_are_taken_as_they_are() {
    let email = new_email();
    let password = format!("  {PASSWORD}\u{301} ");
    Anonymous.register(json!({"email": email, "password": password})).ok(201);
    Anonymous.login(&email, &password).ok(200);
    Anonymous.login(&email, password.trim()).problem(401, "invalid_credentials");
}
