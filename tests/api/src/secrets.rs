//! Tests of secrets: what is stored is sealed, and each secret is rotated as
//! `shared/docs/operating.md` says.
//!
//! Always in this process: each test has secrets and functions of its own.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use crypto::{Secret, SecretVersions};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::proof::{AuditKey, StoredEvent};

use crate::accounts::passwords::{set_hash, stored_hash};
use crate::harness::keys::credentials_of;
use crate::harness::tokens::kid_of;
use crate::harness::{
    Admin, Anonymous, AuthenticatorApp, Doctor, FunctionSettings, IsolatedSystem, PASSWORD,
    Patient, Response, Sandbox, User, aws,
};

const SECOND: &str = "the second version of a secret of the tests";

/// A secret that is rotated.
struct Rotated<'a> {
    system: &'a IsolatedSystem,
    arn: String,
    first: String,
}

impl<'a> Rotated<'a> {
    fn of(system: &'a IsolatedSystem, function: &str, variable: &str) -> Self {
        let arn = aws::environment_of(function)[variable].as_str().unwrap().to_owned();
        Self { system, arn, first: aws::secret_of(function, variable) }
    }

    fn write(&self, versions: &Value, ago: SignedDuration) {
        self.system.put_secret(&self.arn, &versions.to_string(), Timestamp::now() - ago);
    }

    /// Adds the second version, which is not in use for ten minutes.
    fn add(&self) {
        self.write(&json!({"1": self.first, "2": SECOND}), SignedDuration::ZERO);
    }

    /// Lets the second version be in use.
    fn settle(&self) {
        self.write(&json!({"1": self.first, "2": SECOND}), SignedDuration::from_mins(10));
    }

    /// Removes the first version.
    fn remove_first(&self) {
        self.write(&json!({"2": SECOND}), SignedDuration::ZERO);
    }
}

/// Starts a cold function, which reads its secrets.
fn cold(function: &str) -> Sandbox {
    FunctionSettings::of(function).start()
}

/// Returns the version of the secret with which a value is sealed.
fn version_of(sealed: &str) -> u16 {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed.trim_start_matches("sealed:")).unwrap();
    assert_eq!(bytes[0], 2, "the format");
    u16::from_be_bytes([bytes[1], bytes[2]])
}

/// Sets up a second factor; returns its app, and its secret in base32.
fn guard(user: &User) -> (AuthenticatorApp, String) {
    user.confirm_address();
    let secret = user.set_up_second_factor(PASSWORD).ok(200).text("secret").to_owned();
    let app = AuthenticatorApp::new(&secret);
    user.confirm_second_factor(&app.code(0)).ok(200);
    (app, secret)
}

fn factor_of(user: &User) -> String {
    let item = aws::get_item(&format!("FACTOR#{}", user.id), "SECOND_FACTOR").unwrap();
    item["secret"]["S"].as_str().unwrap().to_owned()
}

fn login(accounts: &Sandbox, user: &User) -> Response {
    let body = json!({"email": user.email, "password": PASSWORD});
    accounts.send(&Anonymous, "POST", "/api/accounts/login/", &body)
}

fn show_code(accounts: &Sandbox, token: &str, code: &str) -> Response {
    let body = json!({"mfa_token": token, "code": code});
    accounts.send(&Anonymous, "POST", "/api/accounts/login/second-factor/", &body)
}

/// Lets used codes of a user work again, as half a minute later.
fn let_codes_work_again(user: &User) {
    let values = json!({":none": {"N": "0"}});
    let key = format!("FACTOR#{}", user.id);
    aws::update_item(&key, "SECOND_FACTOR", "SET last_step = :none", values);
}

#[test]
fn the_stream_carries_no_password_hash_and_no_totp_secret() {
    let own = IsolatedSystem::start();
    let user = User::new("patient");
    let (app, secret) = guard(&user);
    let asked = Anonymous.login(&user.email, PASSWORD).problem(401, "mfa_required");
    let body = json!({"mfa_token": asked["mfa_token"], "code": app.code(1)});
    Anonymous.request("POST", "/api/accounts/login/second-factor/").json(&body).send().ok(200);
    let next = "another harbour, a louder one";
    let_codes_work_again(&user);
    let body = json!({"current_password": PASSWORD, "new_password": next, "code": app.code(0)});
    user.post("/api/accounts/password-change/", &body).ok(200);

    let changes = Value::from(own.changes()).to_string();
    for written in [credentials_of(&user.email), format!("FACTOR#{}", user.id)] {
        assert!(changes.contains(&written), "the stream does not carry {written}");
    }
    let bits: String = secret
        .bytes()
        .map(|letter| {
            let digit = match letter {
                b'A'..=b'Z' => letter - b'A',
                _ => letter - b'2' + 26,
            };
            format!("{digit:05b}")
        })
        .collect();
    let raw: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|bits| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap())
        .collect();
    assert_eq!(raw.len(), 20);
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    for forbidden in [
        "$argon2",
        "pbkdf2",
        PASSWORD,
        &secret,
        &secret.to_lowercase(),
        &hex,
        BASE64_STANDARD.encode(&raw[..18]).as_str(),
        BASE64_URL_SAFE_NO_PAD.encode(&raw[..18]).as_str(),
    ] {
        assert!(!changes.contains(forbidden), "the stream carries {forbidden}");
    }
}

#[test]
fn a_sealed_hash_is_of_no_use_in_another_account() {
    let _own = IsolatedSystem::start();
    let (user, other) = (User::new("patient"), User::new("patient"));
    let (app, _) = guard(&user);
    guard(&other);
    // Both have the same password.
    set_hash(&other.email, &stored_hash(&user.email));
    Anonymous.login(&other.email, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.login(&user.email, PASSWORD).problem(401, "mfa_required");

    let values = json!({":moved": {"S": factor_of(&user)}});
    let key = format!("FACTOR#{}", other.id);
    aws::update_item(&key, "SECOND_FACTOR", "SET secret = :moved", values);
    let_codes_work_again(&other);
    let accounts = cold("accounts");
    set_hash(&other.email, &crate::accounts::passwords::hash_of_django());
    let token = login(&accounts, &other).problem(401, "mfa_required").text("mfa_token").to_owned();
    show_code(&accounts, &token, &app.code(0)).problem(401, "invalid_code");
}

#[test]
fn what_was_stored_before_it_was_sealed_is_sealed_at_the_next_sign_in() {
    let _own = IsolatedSystem::start();
    let user = User::new("patient");
    let (app, secret) = guard(&user);
    let_codes_work_again(&user);
    let values = json!({":plain": {"S": secret}});
    let key = format!("FACTOR#{}", user.id);
    aws::update_item(&key, "SECOND_FACTOR", "SET secret = :plain", values);
    let plain = {
        use argon2::PasswordHasher;
        argon2::Argon2::default().hash_password(PASSWORD.as_bytes()).unwrap().to_string()
    };
    set_hash(&user.email, &plain);

    let accounts = cold("accounts");
    let token = login(&accounts, &user).problem(401, "mfa_required").text("mfa_token").to_owned();
    assert_eq!(version_of(&stored_hash(&user.email)), 1);
    assert_eq!(factor_of(&user), secret);
    show_code(&accounts, &token, &app.code(0)).ok(200);
    assert_eq!(version_of(&factor_of(&user)), 1);
    let_codes_work_again(&user);
    let token = login(&accounts, &user).problem(401, "mfa_required").text("mfa_token").to_owned();
    show_code(&accounts, &token, &app.code(0)).ok(200);
}

#[test]
fn passwords_and_codes_outlive_the_rotation_of_their_secret() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "accounts", "CREDENTIALS_SECRET_ARN");
    let (user, later) = (User::new("patient"), User::new("patient"));
    let (app, _) = guard(&user);
    let before = cold("accounts");
    let versions = || (version_of(&stored_hash(&user.email)), version_of(&factor_of(&user)));
    let sign_in = |accounts: &Sandbox| {
        let_codes_work_again(&user);
        let asked = login(accounts, &user).problem(401, "mfa_required");
        show_code(accounts, asked.text("mfa_token"), &app.code(0)).ok(200);
    };

    rotated.add();
    let meanwhile = cold("accounts");
    sign_in(&meanwhile);
    assert_eq!(versions(), (1, 1), "other sandboxes could not open the second version yet");
    sign_in(&before);

    rotated.settle();
    let after = cold("accounts");
    sign_in(&after);
    assert_eq!(versions(), (2, 2));
    sign_in(&meanwhile);
    assert_eq!(version_of(&stored_hash(&later.email)), 1);
    sign_in(&after);

    // Those who have not signed in since then lose their password with the first version.
    rotated.remove_first();
    let at_last = cold("accounts");
    sign_in(&at_last);
    login(&at_last, &later).problem(401, "invalid_credentials");
}

#[test]
fn cursors_outlive_the_rotation_of_their_secret() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "accounts", "CURSOR_SECRET_ARN");
    let reader = Patient::new();
    for _ in 0..4 {
        Doctor::new();
    }
    let page = |accounts: &Sandbox, path: &str| {
        let page = accounts.send(&reader, "GET", path, &Value::Null).ok(200);
        let next = page["next"].as_str().unwrap();
        format!("/api{}", next.split_once("/api").unwrap().1)
    };
    let cursor = |path: &str| path.split_once("cursor=").unwrap().1.to_owned();
    let second = page(&cold("accounts"), "/api/accounts/doctors/?limit=1");
    assert_eq!(version_of(&cursor(&second)), 1);
    rotated.settle();
    let third = page(&cold("accounts"), &second);
    assert_eq!(version_of(&cursor(&third)), 2);
    rotated.remove_first();
    let at_last = cold("accounts");
    page(&at_last, &third);
    at_last.send(&reader, "GET", &second, &Value::Null).problem(400, "validation_failed");
}

#[test]
fn requests_are_not_repeated_after_the_rotation_of_the_secret_of_responses() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "records", "IDEMPOTENCY_SECRET_ARN");
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "description": "text"});
    let create = |records: &Sandbox, key: &str| {
        let headers = [("idempotency-key", key)];
        records.send_with(&patient, "POST", "/api/records/patient/", &headers, &body).ok(201)
    };
    let first = create(&cold("records"), "one");
    rotated.settle();
    let after = cold("records");
    let again = create(&after, "one");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bytes, first.bytes);
    let second = create(&after, "two");
    rotated.add();
    let again = create(&cold("records"), "two");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.bytes, second.bytes);
    // The places of responses are derived from the oldest version.
    rotated.remove_first();
    assert_eq!(create(&cold("records"), "two").header("idempotent-replayed"), "");
}

#[test]
fn cookies_outlive_the_rotation_of_the_secret_of_the_console() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "console", "CONSOLE_SECRET_ARN");
    let admin = Admin::new();
    let opened = admin.request("POST", "/admin/session/").send_unchecked().ok(204);
    let cookie =
        |response: &Response| response.header("set-cookie").split(';').next().unwrap().to_owned();
    let version = |cookie: &str| version_of(cookie.split_once('=').unwrap().1);
    let first = cookie(&opened);
    assert_eq!(version(&first), 1);
    let home = |console: &Sandbox, cookie: &str| {
        console.send_with(&Anonymous, "GET", "/admin/", &[("cookie", cookie)], &Value::Null)
    };
    rotated.settle();
    let renewed = cookie(&home(&cold("console"), &first).ok(200));
    assert_eq!(version(&renewed), 2);
    rotated.remove_first();
    let at_last = cold("console");
    home(&at_last, &renewed).ok(200);
    assert_ne!(home(&at_last, &first).status, 200);
}

#[test]
fn tokens_outlive_the_rotation_of_the_signing_secret() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "accounts", "SIGNING_SECRET_ARN");
    let (user, guarded) = (User::new("patient"), User::new("patient"));
    let (app, _) = guard(&guarded);
    let_codes_work_again(&guarded);
    let asked = Anonymous.login(&guarded.email, PASSWORD).problem(401, "mfa_required");
    rotated.settle();
    let after = cold("accounts");
    let signed_in = login(&after, &user).ok(200);
    let access = signed_in["tokens"]["access"].as_str().unwrap();
    assert_ne!(kid_of(access), kid_of(&user.access));
    after.send(&user, "GET", "/api/accounts/me/", &Value::Null).ok(200);
    show_code(&after, asked.text("mfa_token"), &app.code(0)).ok(200);
}

#[test]
fn events_are_proved_after_the_rotation_of_the_audit_secret() {
    let own = IsolatedSystem::start();
    let rotated = Rotated::of(&own, "accounts", "AUDIT_SECRET_ARN");
    let user = User::new("patient");
    rotated.settle();
    login(&cold("accounts"), &user).ok(200);

    let events = aws::query(&format!("AUDIT#{}", user.id));
    let proof = |event: &Value| event["proof"]["S"].as_str().unwrap().to_owned();
    let (new, old): (Vec<Value>, Vec<Value>) =
        events.into_iter().partition(|event| proof(event).starts_with("2."));
    assert!(!new.is_empty() && !old.is_empty());
    let stored = |event: &Value| -> StoredEvent {
        let attributes = event.as_object().unwrap().iter();
        let texts = attributes.map(|(name, value)| (name.clone(), value["S"].clone()));
        serde_json::from_value(texts.collect::<serde_json::Map<_, _>>().into()).unwrap()
    };
    let key = |versions: &[(u16, &str)]| {
        let secrets = versions.iter().map(|(id, secret)| (*id, Secret::new(*secret)));
        AuditKey::new(SecretVersions::new(secrets.collect(), 2).unwrap())
    };
    let (both, second) = (key(&[(1, &rotated.first), (2, SECOND)]), key(&[(2, SECOND)]));
    for event in &new {
        assert!(stored(event).is_proved(&both) && stored(event).is_proved(&second));
    }
    for event in &old {
        assert!(stored(event).is_proved(&both) && !stored(event).is_proved(&second));
    }
}
