//! Tests of second factors: set up, used, and removed.

use std::collections::BTreeSet;
use std::thread;

use jiff::{SignedDuration, Timestamp};
use runtime::tokens::{MfaToken, Signer};
use serde_json::{Value, json};

use crate::accounts::passwords::{hash_of_django, opened_hash, set_hash, set_password_version};
use crate::harness::{
    Anonymous, AuthenticatorApp, Client, Doctor, FunctionSettings, PASSWORD, Patient, Response,
    User, account_mail, aws, new_email,
};

/// A user who signs in with a code.
pub(super) struct Guarded {
    pub(super) user: User,
    pub(super) app: AuthenticatorApp,
    pub(super) recovery_codes: Vec<String>,
}

impl Guarded {
    #[track_caller]
    pub(super) fn new() -> Self {
        Self::of(User::new("patient"))
    }

    #[track_caller]
    pub(super) fn of(user: User) -> Self {
        user.confirm_address();
        let app = AuthenticatorApp::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
        let confirmed = user.confirm_second_factor(&app.code(0)).ok(200);
        let codes = confirmed["recovery_codes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap().to_owned());
        let guarded = Self { app, recovery_codes: codes.collect(), user };
        guarded.later();
        guarded
    }

    /// Lets used codes work again, as half a minute later.
    #[track_caller]
    pub(super) fn later(&self) {
        let key = format!("FACTOR#{}", self.user.id);
        aws::update_item(
            &key,
            "SECOND_FACTOR",
            "SET last_step = :none",
            json!({":none": {"N": "0"}}),
        );
    }

    /// Signs in with the password; returns the token for the second step.
    #[track_caller]
    pub(super) fn mfa_token(&self) -> String {
        Anonymous
            .login(&self.user.email, PASSWORD)
            .problem(401, "mfa_required")
            .text("mfa_token")
            .to_owned()
    }

    /// Signs in with a new token and the current code.
    #[track_caller]
    fn sign_in(&self) -> Client {
        self.later();
        signed_in(show(&self.mfa_token(), &self.app.code(0)))
    }

    /// Counts an action with an outcome and a reason in the audit trail.
    fn count_events(&self, action: &str, outcome: &str, reason: Option<&str>) -> usize {
        let events = aws::query(&format!("AUDIT#{}", self.user.id));
        let is = |event: &Value| {
            event["action"]["S"] == action
                && event["outcome"]["S"] == outcome
                && event["reason"]["S"].as_str() == reason
        };
        events.iter().filter(|event| is(event)).count()
    }
}

fn show(mfa_token: &str, code: &str) -> Response {
    Anonymous.login_with_second_factor(json!({"mfa_token": mfa_token, "code": code}))
}

fn show_recovery(mfa_token: &str, code: &str) -> Response {
    Anonymous.login_with_second_factor(json!({"mfa_token": mfa_token, "recovery_code": code}))
}

#[track_caller]
fn signed_in(response: Response) -> Client {
    Client::with_token(response.ok(200)["tokens"]["access"].as_str().unwrap())
}

/// Returns six digits that are neither the current code nor one next to it.
pub(super) fn wrong_code(app: &AuthenticatorApp) -> String {
    let codes: Vec<String> = (-3..4).map(|steps| app.code(steps)).collect();
    ["000000", "000001", "000002", "000003", "000004", "000005", "000006", "000007"]
        .into_iter()
        .find(|code| !codes.iter().any(|real| real == code))
        .unwrap()
        .to_owned()
}

#[test]
fn a_second_factor_counts_once_a_code_of_it_is_confirmed() {
    let (user, bystander) = (User::new("patient"), User::new("patient"));
    let other_session = user.sign_in();
    user.set_up_second_factor(PASSWORD).problem(403, "email_not_confirmed");
    user.confirm_address();
    user.confirm_second_factor("123456").problem(409, "second_factor_not_set_up");
    user.set_up_second_factor("not the password, surely").refused("password", "incorrect");
    user.post("/api/accounts/second-factor/setup/", &json!({})).refused("password", "required");
    let first = user.set_up_second_factor(PASSWORD).ok(200);
    let response = user.set_up_second_factor(PASSWORD).ok(200);
    assert_eq!(response.keys(), ["otpauth_url", "secret"]);
    assert_ne!(first["secret"], response["secret"]);
    let url = response.text("otpauth_url");
    assert!(
        url.starts_with("otpauth://totp/Health%20Records:")
            && url.contains(&user.email.replace('@', "%40")),
        "{url}"
    );
    assert!(
        url.contains(&format!("secret={}&issuer=Health%20Records", response.text("secret"))),
        "{url}"
    );

    let app = AuthenticatorApp::new(response.text("secret"));
    for code in ["12345", "1234567", "12345x", ""] {
        user.confirm_second_factor(code).refused("code", "invalid");
    }
    user.confirm_second_factor(&wrong_code(&app)).refused("code", "incorrect");
    user.confirm_second_factor(&AuthenticatorApp::new(first.text("secret")).code(0))
        .refused("code", "incorrect");
    Anonymous.login(&user.email, PASSWORD).ok(200);
    let confirmed = user.confirm_second_factor(&app.code(0)).ok(200);
    assert_eq!(confirmed.keys(), ["recovery_codes"]);
    let codes: BTreeSet<&str> = confirmed["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    assert_eq!(codes.len(), 10);
    let groups = |code: &str| {
        code.split('-').all(|group| {
            [2, 4].contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    assert!(codes.iter().all(|code| code.len() == 32 && groups(code)), "{codes:?}");
    user.confirm_second_factor(&app.code(1)).problem(409, "second_factor_exists");
    user.set_up_second_factor(PASSWORD).problem(409, "second_factor_exists");
    account_mail(&user.email, "Second Factor Set Up", 0);
    // Existing sessions stay, and other users are not asked for a code.
    user.me().ok(200);
    other_session.me().ok(200);
    Anonymous.login(&bystander.email, PASSWORD).ok(200);

    let guarded = Guarded { user, app, recovery_codes: Vec::new() };
    assert_eq!(guarded.count_events("enable_second_factor", "failed", None), 1, "the password");
    assert_eq!(
        guarded.count_events("enable_second_factor", "failed", Some("second_factor")),
        2,
        "the codes"
    );
    assert_eq!(guarded.count_events("enable_second_factor", "success", None), 1);
    let stored =
        aws::get_item(&format!("FACTOR#{}", guarded.user.id), "SECOND_FACTOR").unwrap().to_string();
    assert!(
        codes.iter().all(|code| !stored.contains(code) && !stored.contains(&code.replace('-', ""))),
        "the codes are stored hashed"
    );
}

#[test]
fn the_password_alone_opens_nothing() {
    let guarded = Guarded::new();
    let sessions = guarded.user.list_sessions("").ok(200).results().len();
    Anonymous
        .login(&guarded.user.email, "not the password, surely")
        .problem(401, "invalid_credentials");
    let response = Anonymous.login(&guarded.user.email, PASSWORD).problem(401, "mfa_required");
    assert_eq!(
        response.keys(),
        ["code", "detail", "instance", "mfa_token", "request_id", "status", "title", "type"]
    );
    assert_eq!(guarded.user.list_sessions("").ok(200).results().len(), sessions);
    assert_eq!(guarded.count_events("login", "success", None), 0);
    assert_eq!(
        guarded.count_events("login", "denied", Some("second_factor_required")),
        1,
        "that somebody knows the password is told"
    );

    let token = response.text("mfa_token");
    for (body, field) in [
        (json!({"code": "123456"}), "mfa_token required"),
        (json!({"mfa_token": token}), "code required"),
        (json!({"mfa_token": token, "code": "1"}), "code invalid"),
        (json!({"mfa_token": token, "code": 123_456}), "code invalid"),
        (json!({"mfa_token": token, "recovery_code": "1"}), "recovery_code invalid"),
        (
            json!({"mfa_token": token, "code": "123456",
                "recovery_code": guarded.recovery_codes[0]}),
            "recovery_code exclusive",
        ),
    ] {
        assert_eq!(Anonymous.login_with_second_factor(body).ok(400).errors(), [field]);
    }
    show(token, &wrong_code(&guarded.app)).problem(401, "invalid_code");
    assert_eq!(guarded.count_events("login", "failed", Some("second_factor")), 1);
    let response = show(token, &guarded.app.code(0)).ok(200);
    assert_eq!(response.keys(), super::SIGNED_IN, "as without a second factor");
    let client = Client::with_token(response["tokens"]["access"].as_str().unwrap());
    client.me().ok(200);
    let renewed = Anonymous.refresh(response["tokens"]["refresh"].as_str().unwrap()).ok(200);
    Client::with_token(renewed.text("access")).me().ok(200);
    assert_eq!(guarded.count_events("login", "success", None), 1);
    assert_eq!(guarded.user.list_sessions("").ok(200).results().len(), sessions + 1);
}

#[test]
fn a_code_works_once() {
    let guarded = Guarded::new();
    let token = guarded.mfa_token();
    // The next code, as of a clock that is ahead: it stays acceptable for more than 30 seconds.
    let (earlier, code) = (guarded.app.code(0), guarded.app.code(1));
    show(&token, &format!(" {} {} ", &code[..3], &code[3..])).ok(200);
    show(&token, &code).problem(401, "mfa_token_not_valid");
    let token = guarded.mfa_token();
    for used in [&code, &earlier] {
        for _ in 0..8 {
            show(&token, used).problem(401, "code_already_used");
        }
    }
    for steps in [-5, 5] {
        show(&token, &guarded.app.code(steps)).problem(401, "invalid_code");
    }
    // Of many concurrent sign-ins with the same code, one succeeds.
    let other = Guarded::new();
    let (token, code) = (other.mfa_token(), other.app.code(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (token, code) = (token.clone(), code.clone());
            thread::spawn(move || show(&token, &code).status)
        })
        .collect();
    let statuses: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    assert_eq!(other.count_events("login", "success", None), 1);
}

#[test]
fn a_recovery_code_works_once() {
    let guarded = Guarded::new();
    let [first, second, third] = &guarded.recovery_codes[..3] else { panic!() };
    let token = guarded.mfa_token();
    signed_in(show_recovery(&token, first)).me().ok(200);
    show_recovery(&guarded.mfa_token(), first).problem(401, "invalid_code");
    account_mail(&guarded.user.email, "Recovery Code Used", 0);
    assert_eq!(guarded.count_events("login", "success", Some("recovery_code")), 1);
    signed_in(show_recovery(&guarded.mfa_token(), &second.to_uppercase().replace('-', " ")));
    show_recovery(&guarded.mfa_token(), "aaaa-aaaa-aaaa-aaaa").problem(401, "invalid_code");
    show_recovery(&guarded.mfa_token(), &Guarded::new().recovery_codes[0])
        .problem(401, "invalid_code");
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (token, code) = (guarded.mfa_token(), third.clone());
            thread::spawn(move || show_recovery(&token, &code).status)
        })
        .collect();
    let mut statuses: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    signed_in(show(&guarded.mfa_token(), &guarded.app.code(0)));
}

#[test]
fn the_token_between_the_halves_opens_one_session() {
    let guarded = Guarded::new();
    let (token, earlier) = (guarded.mfa_token(), guarded.mfa_token());
    show(&token, &wrong_code(&guarded.app)).problem(401, "invalid_code");
    signed_in(show_recovery(&token, &guarded.recovery_codes[0])).me().ok(200);
    show_recovery(&token, &guarded.recovery_codes[1]).problem(401, "mfa_token_not_valid");
    show(&token, &guarded.app.code(0)).problem(401, "mfa_token_not_valid");
    // Neither used up the code, nor another sign-in that is under way.
    signed_in(show_recovery(&earlier, &guarded.recovery_codes[1])).me().ok(200);
}

#[test]
fn the_token_between_the_halves_is_good_for_one_thing() {
    let (guarded, other) = (Guarded::new(), Guarded::new());
    let (token, code) = (guarded.mfa_token(), guarded.app.code(0));
    Client::with_token(&token).me().problem(401, "token_not_valid");
    Anonymous.refresh(&token).problem(401, "token_not_valid");
    let over = |token: &str| show(token, &code).problem(401, "mfa_token_not_valid");
    over("");
    over("made-up");
    over(&guarded.user.access);
    over(&guarded.user.refresh);
    over(&format!("{token}="));
    over(&token[..token.len() - 4]);
    for at in [0, 5, token.len() / 2, token.len() - 2] {
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        over(&format!("{}{other}{}", &token[..at], &token[at + 1..]));
    }
    // The token of another user accepts that user's codes alone.
    show(&other.mfa_token(), &code).problem(401, "invalid_code");

    // Sealed with the right key long ago, or with a wrong key now.
    let issuer = aws::environment_of("accounts")["TOKEN_ISSUER"].as_str().unwrap().to_owned();
    let sealed = |secret: &str, at: Timestamp, user: &str| {
        let account = aws::get_item(&format!("USER#{user}"), "ACCOUNT").unwrap();
        assert_eq!(account["sessions_ended_through"], Value::Null);
        MfaToken::new(user.parse().unwrap(), None, 0, at)
            .seal(Signer::new(secret, &issuer).sealer())
    };
    let (secret, now) = (aws::secret_of("accounts", "SIGNING_SECRET_ARN"), Timestamp::now());
    over(&sealed(&secret, now - SignedDuration::from_secs(301), &guarded.user.id));
    over(&sealed("another secret", now, &guarded.user.id));
    over(&sealed(&secret, now, &User::new("patient").id));
    show(&sealed(&secret, Timestamp::now(), &guarded.user.id), &guarded.app.code(0)).ok(200);
}

#[test]
fn a_sign_in_is_over_when_the_account_changes_meanwhile() {
    let begun = || {
        let guarded = Guarded::new();
        let token = guarded.mfa_token();
        (guarded, token)
    };
    let over = |guarded: &Guarded, token: &str| {
        show(token, &guarded.app.code(0)).problem(401, "mfa_token_not_valid");
    };
    let (guarded, token) = begun();
    let body = json!({"current_password": PASSWORD,
        "new_password": "another harbour, a louder one",
        "recovery_code": guarded.recovery_codes[0]});
    guarded.user.post("/api/accounts/password-change/", &body).ok(200);
    over(&guarded, &token);

    let (guarded, token) = begun();
    let body = json!({"recovery_code": guarded.recovery_codes[0]});
    guarded.user.post("/api/accounts/logout-all/", &body).ok(204);
    over(&guarded, &token);
    guarded.sign_in().me().ok(200);

    let (guarded, token) = begun();
    guarded.user.deactivate();
    over(&guarded, &token);
    Anonymous.login(&guarded.user.email, PASSWORD).problem(401, "invalid_credentials");

    let (guarded, token) = begun();
    guarded
        .user
        .disable_second_factor(json!({"password": PASSWORD, "code": guarded.app.code(0)}))
        .ok(204);
    over(&guarded, &token);

    let (guarded, token) = begun();
    set_password_version(&guarded.user, 1);
    over(&guarded, &token);

    // A password set by mail does not remove the factor.
    let guarded = Guarded::new();
    Anonymous.request_password_reset(&guarded.user.email).ok(202);
    let reset = account_mail(&guarded.user.email, "Set Your Password", 0).token();
    Anonymous.reset_password(&reset, "another harbour, a louder one").ok(200);
    guarded.later();
    let half = Anonymous
        .login(&guarded.user.email, "another harbour, a louder one")
        .problem(401, "mfa_required");
    let client = signed_in(show(half.text("mfa_token"), &guarded.app.code(0)));
    client.me().ok(200);
    set_password_version(&guarded.user, 2);
    client.me().problem(401, "token_not_valid");
}

#[test]
fn a_hash_from_elsewhere_is_upgraded_before_the_code_is_shown() {
    let guarded = Guarded::new();
    let imported = hash_of_django();
    set_hash(&guarded.user.email, &imported);
    guarded.mfa_token();
    let upgraded = opened_hash(&guarded.user);
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    guarded.sign_in().me().ok(200);
}

#[test]
fn taking_it_away_needs_the_password_and_a_code() {
    let guarded = Guarded::new();
    let (user, other_session) = (&guarded.user, guarded.sign_in());
    guarded.later();
    let code = guarded.app.code(0);
    Anonymous
        .disable_second_factor(json!({"password": PASSWORD, "code": code}))
        .problem(401, "not_authenticated");
    assert_eq!(
        user.disable_second_factor(json!({})).ok(400).errors(),
        ["password required", "code required"]
    );
    user.disable_second_factor(json!({"password": "not the password, surely", "code": code}))
        .refused("password", "incorrect");
    user.disable_second_factor(json!({"password": PASSWORD, "code": wrong_code(&guarded.app)}))
        .refused("code", "incorrect");
    let both =
        json!({"password": PASSWORD, "code": code, "recovery_code": guarded.recovery_codes[0]});
    user.disable_second_factor(both).refused("recovery_code", "exclusive");
    guarded.mfa_token();
    let (token, code) = (guarded.mfa_token(), guarded.app.code(0));
    show(&token, &code).ok(200);
    user.disable_second_factor(json!({"password": PASSWORD, "code": code}))
        .refused("code", "already_used");
    user.disable_second_factor(
        json!({"password": PASSWORD, "recovery_code": guarded.recovery_codes[0]}),
    )
    .ok(204);
    account_mail(&user.email, "Second Factor Removed", 0);
    assert_eq!(guarded.count_events("disable_second_factor", "success", None), 1);
    assert_eq!(guarded.count_events("disable_second_factor", "failed", Some("second_factor")), 1);
    Anonymous.login(&user.email, PASSWORD).ok(200);
    user.me().ok(200);
    other_session.me().ok(200);
    user.disable_second_factor(json!({"password": PASSWORD, "code": code}))
        .problem(409, "second_factor_not_set_up");
    assert_eq!(aws::get_item(&format!("FACTOR#{}", user.id), "SECOND_FACTOR"), None);
    // Another factor can be set up.
    let again = AuthenticatorApp::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    user.confirm_second_factor(&again.code(0)).ok(200);
}

#[test]
fn staff_without_one_can_do_nothing_but_set_one_up() {
    let user = User::new("patient");
    let promotion = "SET #role = :admin, version = version + :one";
    aws::update_item(
        &format!("USER#{}", user.id),
        "ACCOUNT",
        promotion,
        json!({":admin": {"S": "admin"}, ":one": {"N": "1"}}),
    );
    user.confirm_address();
    let staff = user.sign_in();
    staff.list_users("").problem(403, "second_factor_required");
    staff.me().ok(200);
    let app = AuthenticatorApp::new(staff.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    staff.list_users("").problem(403, "second_factor_required");
    let confirmed = staff.confirm_second_factor(&app.code(0)).ok(200);
    staff.list_users("").ok(200);
    let codes = confirmed["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    let guarded = Guarded { user, app, recovery_codes: codes };
    let second = guarded.sign_in();
    second.list_users("").ok(200);
    // An admin with a new phone sets up another factor, and has no admin rights until then.
    staff
        .disable_second_factor(
            json!({"password": PASSWORD, "recovery_code": guarded.recovery_codes[0]}),
        )
        .ok(204);
    staff.list_users("").problem(403, "second_factor_required");
    guarded.user.sign_in().list_users("").problem(403, "second_factor_required");
    second.list_users("").ok(200);
    let app = AuthenticatorApp::new(staff.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    staff.confirm_second_factor(&app.code(0)).ok(200);
    staff.list_users("").ok(200);
}

#[test]
fn doctors_need_one_where_the_operator_says_so() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let path = format!("/api/records/doctor/{}/", record.text("id"));
    let strict =
        FunctionSettings::of("records").with("REQUIRE_DOCTOR_SECOND_FACTOR", "true").start();
    doctor.get(&path).ok(200);
    strict.send(&doctor, "GET", &path, &Value::Null).problem(403, "second_factor_required");
    strict.send(&patient, "GET", "/api/records/patient/", &Value::Null).ok(200);
    let guarded = Guarded::of((*doctor).clone());
    strict.send(&doctor, "GET", &path, &Value::Null).ok(200);
    strict.send(&guarded.sign_in(), "GET", &path, &Value::Null).ok(200);
}

#[test]
fn codes_cannot_be_guessed() {
    let guarded = Guarded::new();
    let token = guarded.mfa_token();
    let wrong = || show(&token, &wrong_code(&guarded.app));
    let failures = (0..).take_while(|_| wrong().status == 401).count();
    // Waits get longer: one is met sooner or later on a slow machine, too.
    assert!(failures >= 5, "{failures} are free");
    assert!(failures < 15, "{failures} were possible");
    // A wrong password does not count for codes, nor a wrong code for passwords.
    guarded.mfa_token();
    guarded.user.me().ok(200);
}

#[test]
fn changes_of_address_and_password_need_a_code_too() {
    let guarded = Guarded::new();
    let email = new_email();
    let change_email = |proof: Value| {
        let mut body = json!({"email": email, "password": PASSWORD});
        body.as_object_mut().unwrap().extend(proof.as_object().unwrap().clone());
        guarded.user.post("/api/accounts/email-change/", &body)
    };
    change_email(json!({})).refused("code", "required");
    let code = guarded.app.code(0);
    change_email(json!({"code": code, "recovery_code": guarded.recovery_codes[0]}))
        .refused("recovery_code", "exclusive");
    change_email(json!({"code": code})).ok(202);
    change_email(json!({"code": code})).refused("code", "already_used");
    account_mail(&email, "Confirm Your New Email Address", 0);

    let next = "another harbour, a louder one";
    guarded.user.change_password(PASSWORD, next).refused("code", "required");
    let change_password = |client: &Client, (current, new): (&str, &str), code: &str| {
        let body = json!({"current_password": current, "new_password": new, "recovery_code": code});
        client.post("/api/accounts/password-change/", &body)
    };
    let first = &guarded.recovery_codes[0];
    change_password(&guarded.user, ("not-the-password-at-all", next), first)
        .refused("current_password", "incorrect");
    let changed = change_password(&guarded.user, (PASSWORD, next), first).ok(200);
    let client = Client::with_token(changed.text("access"));
    change_password(&client, (next, PASSWORD), first).refused("code", "incorrect");
}

#[test]
fn ending_other_sessions_needs_a_code_too() {
    let guarded = Guarded::new();
    let (user, other, own) = (&guarded.user, guarded.sign_in(), guarded.sign_in());
    let id_of = |client: &Client| {
        let sessions = client.list_sessions("").ok(200);
        let current = sessions.results().iter().find(|each| each["current"] == true).unwrap();
        current["id"].as_str().unwrap().to_owned()
    };
    let end = |id: &str, proof: Value| {
        user.request("DELETE", &format!("/api/accounts/sessions/{id}/")).json(&proof).send()
    };
    let id = id_of(&other);
    user.end_session(&id).refused("code", "required");
    end(&id, json!({"code": wrong_code(&guarded.app)})).refused("code", "incorrect");
    other.me().ok(200);
    assert_eq!(guarded.count_events("end_session", "failed", Some("second_factor")), 1);
    guarded.later();
    end(&id, json!({"code": guarded.app.code(0)})).ok(204);
    other.me().problem(401, "token_not_valid");
    own.end_session(&id_of(&own)).ok(204);

    let end_all = |proof: Value| user.post("/api/accounts/logout-all/", &proof);
    user.logout_all().refused("code", "required");
    end_all(json!({"code": guarded.app.code(0)})).refused("code", "already_used");
    end_all(json!({"recovery_code": "aaaa-aaaa-aaaa-aaaa"})).refused("code", "incorrect");
    user.me().ok(200);
    end_all(json!({"recovery_code": guarded.recovery_codes[0]})).ok(204);
    user.me().problem(401, "token_not_valid");
}
