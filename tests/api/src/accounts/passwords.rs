//! Tests of passwords: changed with the current one, reset by mail, and upgraded after an import.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use ring::digest::{SHA256, digest};
use ring::pbkdf2;
use serde_json::{Value, json};

use crate::harness::keys::{counter, credentials_of};
use crate::harness::{
    Anonymous, Client, FunctionSettings, MARKER, PASSWORD, User, account_mail, account_mails_to,
    aws, eventually, new_email,
};

const NEW: &str = "  another harbour, a louder one ";

pub(crate) fn stored_hash(email: &str) -> String {
    aws::get_item(&credentials_of(email), "CREDENTIALS").unwrap()["password_hash"]["S"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Opens the stored hash of a user.
pub(crate) fn opened_hash(user: &User) -> String {
    aws::opened("password hash 1", &user.id, &stored_hash(&user.email))
}

pub(crate) fn set_hash(email: &str, hash: &str) {
    let values = json!({":hash": {"S": hash}});
    aws::update_item(&credentials_of(email), "CREDENTIALS", "SET password_hash = :hash", values);
}

/// Returns the key of the item of a token from a mail.
pub(crate) fn key_of(token: &str) -> String {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).unwrap();
    assert_eq!(bytes.len(), 32);
    format!("TOKEN#{}", BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &bytes)))
}

/// Makes the last mail that sets the password of an address older than the interval between two.
pub(crate) fn let_reset_interval_pass(email: &str) {
    let key = counter("password_reset", &[&email.to_lowercase()]);
    aws::update_item(&key, "LAST", "SET #ttl = :past", json!({":past": {"N": "1"}}));
}

/// Requests a mail that resets the password, and returns its token.
fn reset_token(user: &User, before: usize) -> String {
    if before > 0 {
        let_reset_interval_pass(&user.email);
    }
    Anonymous.request_password_reset(&user.email).ok(202);
    account_mail(&user.email, "Set Your Password", before).token()
}

/// Counts an action with an outcome in the audit trail of a user.
fn count_events(user: &User, action: &str, outcome: &str) -> usize {
    let events = aws::query(&format!("AUDIT#{}", user.id));
    events
        .iter()
        .filter(|event| event["action"]["S"] == action && event["outcome"]["S"] == outcome)
        .count()
}

#[test]
fn the_current_password_is_needed_to_change_it() {
    let user = User::new("patient");
    let other = user.sign_in();
    let response = user.change_password(PASSWORD, NEW).ok(200);
    assert_eq!(response.keys(), ["access", "refresh"]);
    for ended in [&user.access, other.access.as_ref().unwrap()] {
        Client::with_token(ended).me().problem(401, "token_not_valid");
    }
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    let client = Client::with_token(response.text("access"));
    client.me().ok(200);
    assert_eq!(client.list_sessions("").ok(200).results().len(), 1);
    Anonymous.refresh(response.text("refresh")).ok(200);
    Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.login(&user.email, NEW.trim()).problem(401, "invalid_credentials");
    Anonymous.login(&user.email, NEW).ok(200);
    account_mail(&user.email, "Password Changed", 0);
    assert_eq!(count_events(&user, "change_password", "success"), 1);
}

#[test]
fn a_wrong_current_password_changes_nothing() {
    let user = User::new("patient");
    user.change_password("not-the-password-at-all", NEW).refused("current_password", "incorrect");
    assert_eq!(count_events(&user, "change_password", "failed"), 1);
    user.change_password(PASSWORD, "12345678").refused("new_password", "too_common");
    user.change_password(PASSWORD, &user.email).refused("new_password", "too_similar");
    let empty = user.post("/api/accounts/password-change/", &json!({}));
    assert_eq!(empty.ok(400).errors(), ["current_password required", "new_password required"]);
    user.me().ok(200);
    Anonymous.login(&user.email, PASSWORD).ok(200);
    Anonymous.change_password(PASSWORD, NEW).problem(401, "not_authenticated");
}

#[test]
fn of_eight_equal_changes_one_succeeds() {
    let user = User::new("patient");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let changes: Vec<_> = (0..8)
            .map(|number| {
                let (user, new) = (&user, format!("{NEW}{number}"));
                scope.spawn(move || user.change_password(PASSWORD, &new).status)
            })
            .collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 400, 401, 409, 429].contains(status)),
        "{statuses:?}"
    );
    assert_eq!(count_events(&user, "change_password", "success"), 1);
}

#[test]
fn a_reset_sets_a_password_and_confirms_the_address() {
    let user = User::new("patient");
    let token = reset_token(&user, 0);
    let before = aws::get_item(&key_of(&token), "TOKEN").unwrap();
    assert_eq!(before["kind"]["S"], "reset_password");
    Anonymous.reset_password(&token, "12345678").refused("password", "too_common");
    Anonymous.reset_password(&token, &user.email).refused("password", "too_similar");
    let response = Anonymous.reset_password(&token, NEW).ok(200);
    assert_eq!(response.keys(), ["detail"], "and no tokens: who resets must sign in");
    user.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.login(&user.email, NEW).ok(200);
    Anonymous.reset_password(&token, "a third password, never set").refused("token", "invalid");
    assert!(aws::get_item(&key_of(&token), "TOKEN").is_none());
    account_mail(&user.email, "Password Changed", 0);
    assert_eq!(count_events(&user, "reset_password", "success"), 1);
    let account = aws::get_item(&format!("USER#{}", user.id), "ACCOUNT").unwrap();
    assert_eq!(account["email_verified"]["BOOL"], true, "who has the mail has the address");
}

#[test]
fn a_reset_token_expires_and_ends_with_the_use_of_another() {
    let user = User::new("patient");
    let (first, second) = (reset_token(&user, 0), reset_token(&user, 1));
    assert_ne!(first, second);
    Anonymous.reset_password(&second, NEW).ok(200);
    Anonymous.reset_password(&first, "a third password, never set").refused("token", "invalid");

    let late = reset_token(&user, 2);
    let ttl = aws::get_item(&key_of(&late), "TOKEN").unwrap()["ttl"]["N"]
        .as_str()
        .unwrap()
        .parse::<i64>()
        .unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now + 1_700..=now + 1_800).contains(&ttl), "{}", ttl - now);
    aws::dynamodb(
        "UpdateItem",
        json!({
            "Key": {"pk": {"S": key_of(&late)}, "sk": {"S": "TOKEN"}},
                "UpdateExpression": "SET #ttl = :past",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": {":past": {"N": now.to_string()}},
        }),
    );
    Anonymous.reset_password(&late, "a third password, never set").refused("token", "invalid");
    Anonymous.login(&user.email, NEW).ok(200);
}

#[test]
fn of_eight_uses_of_a_token_one_succeeds() {
    let user = User::new("patient");
    let token = reset_token(&user, 0);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let uses: Vec<_> = (0..8)
            .map(|number| {
                let (token, new) = (&token, format!("{NEW}{number}"));
                scope.spawn(move || Anonymous.reset_password(token, &new).status)
            })
            .collect();
        uses.into_iter().map(|each| each.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 400, 409, 429].contains(status)), "{statuses:?}");
}

#[test]
fn a_reset_does_not_reveal_accounts() {
    let (user, inactive) = (User::new("patient"), User::new("patient"));
    inactive.deactivate();
    let unknown = new_email();
    let responses: Vec<_> = [&user.email, &inactive.email, &unknown, &user.email.to_uppercase()]
        .map(|email| Anonymous.request_password_reset(email).ok(202))
        .into();
    for response in &responses {
        assert_eq!(response.bytes, responses[0].bytes);
        let mut names: Vec<&str> = response.headers.keys().map(|name| name.as_str()).collect();
        let mut expected: Vec<&str> =
            responses[0].headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
    eventually("the mail to the user", || (account_mails_to(&user.email).len() >= 2).then_some(()));
    assert!(account_mails_to(&unknown).is_empty());
    assert!(
        account_mails_to(&inactive.email)
            .iter()
            .all(|mail| !mail.subject.ends_with("Set Your Password"))
    );
    Anonymous.request_password_reset("no address").refused("email", "invalid");
}

#[test]
fn a_token_is_nowhere_but_in_its_mail() {
    let user = User::new("patient");
    let token = reset_token(&user, 0);
    let mail = account_mail(&user.email, "Set Your Password", 0);
    assert!(mail.html.contains(&token));
    for body in [&mail.text, &mail.html, &mail.subject] {
        assert!(!body.contains(MARKER) && !body.contains(&user.id), "{body}");
    }
    let mut start = Value::Null;
    loop {
        let mut scan = json!({});
        if !start.is_null() {
            scan["ExclusiveStartKey"] = start;
        }
        let page = aws::dynamodb("Scan", scan);
        assert!(!String::from_utf8_lossy(&page.bytes).contains(&token));
        start = page["LastEvaluatedKey"].clone();
        if start.is_null() {
            break;
        }
    }
}

#[test]
fn invalid_mail_tokens_are_rejected() {
    let user = User::new("patient");
    let of_another_kind = account_mail(&user.email, "Confirm Your Email Address", 0).token();
    let unknown = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    for token in
        ["", "x", &unknown, &user.access, &user.refresh, &"a".repeat(4096), &of_another_kind]
    {
        Anonymous.reset_password(token, NEW).refused("token", "invalid");
        Anonymous.change_email(token).refused("token", "invalid");
        if token != of_another_kind {
            Anonymous.verify_email(token).refused("token", "invalid");
        }
    }
    Anonymous.reset_password(&"a".repeat(4097), NEW).refused("token", "too_long");
    user.verify_email(&of_another_kind).ok(200);
}

/// Returns the Django hash of the usual password.
pub(crate) fn hash_of_django() -> String {
    django_hash_of(PASSWORD)
}

fn django_hash_of(password: &str) -> String {
    let mut hash = [0; 32];
    let iterations = std::num::NonZeroU32::new(20_000).unwrap();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        b"saltfromdjango",
        password.as_bytes(),
        &mut hash,
    );
    format!("pbkdf2_sha256$20000$saltfromdjango${}", BASE64_STANDARD.encode(hash))
}

#[test]
fn a_password_typed_on_a_mac_and_on_windows_is_one_password() {
    let (on_windows, on_mac) = ("un caf\u{e9}, tr\u{e8}s noir", "un cafe\u{301}, tre\u{300}s noir");
    for (first, then) in [(on_windows, on_mac), (on_mac, on_windows)] {
        let user = User::new("patient");
        user.change_password(PASSWORD, first).ok(200);
        Anonymous.login(&user.email, then).ok(200);
        Anonymous.login(&user.email, "un cafe, tres noir").problem(401, "invalid_credentials");
        // Imported as it was typed first, and from then on the same on both.
        set_hash(&user.email, &django_hash_of(first));
        Anonymous.login(&user.email, first).ok(200);
        Anonymous.login(&user.email, then).ok(200);
    }
}

#[test]
fn a_deployment_may_require_longer_passwords() {
    let accounts = FunctionSettings::of("accounts").with("MIN_PASSWORD_LENGTH", "15").start();
    let (short, long) = ("lamp-canoe-9q", "lamp-canoe-9q-whistle");
    let register = |password: &str| {
        let body = json!({"email": new_email(), "password": password});
        accounts.send(&Anonymous, "POST", "/api/accounts/register/", &body)
    };
    register(short).refused("password", "too_short");
    register(long).ok(201);
    let user = User::new("patient");
    let change = |password: &str| {
        let body = json!({"current_password": PASSWORD, "new_password": password});
        accounts.send(&user, "POST", "/api/accounts/password-change/", &body)
    };
    change(short).refused("new_password", "too_short");
    let token = reset_token(&user, 0);
    let reset = |password: &str| {
        let body = json!({"token": token, "password": password});
        accounts.send(&Anonymous, "POST", "/api/accounts/password-reset/confirm/", &body)
    };
    reset(short).refused("password", "too_short");
    reset(long).ok(200);
    Anonymous.login(&user.email, long).ok(200);
}

#[test]
fn a_django_hash_is_upgraded_at_the_first_sign_in() {
    let user = User::new("patient");
    let imported = hash_of_django();
    set_hash(&user.email, &imported);
    let accounts = FunctionSettings::of("accounts").start();
    let login = |password: &str| {
        let body = json!({"email": user.email, "password": password});
        accounts.send(&Anonymous, "POST", "/api/accounts/login/", &body)
    };
    login(NEW).problem(401, "invalid_credentials");
    assert_eq!(stored_hash(&user.email), imported);
    login(PASSWORD).ok(200);
    let upgraded = stored_hash(&user.email);
    let hash = opened_hash(&user);
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    login(PASSWORD).ok(200);
    assert_eq!(stored_hash(&user.email), upgraded);

    for absurd in [
        imported.replace("$20000$", "$1$"),
        imported.replace("$20000$", "$4000000000$"),
        "pbkdf2_sha256$".to_owned(),
    ] {
        set_hash(&user.email, &absurd);
        Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
    }
}

/// Sets the version of the password in the account. A different one is what a sign-in finds when
/// the password changes after it has read the credentials.
pub(crate) fn set_password_version(user: &User, version: u64) {
    let values = json!({":version": {"N": version.to_string()}});
    aws::update_item(
        &format!("USER#{}", user.id),
        "ACCOUNT",
        "SET password_version = :version",
        values,
    );
}

#[test]
fn a_slow_sign_in_with_the_old_password_opens_no_session() {
    let user = User::new("patient");
    let late = Anonymous.login(&user.email, PASSWORD).ok(200);
    set_password_version(&user, 1);
    Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
    let reasons: Vec<Value> = aws::query(&format!("AUDIT#{}", user.id))
        .iter()
        .map(|event| event["reason"]["S"].clone())
        .collect();
    assert!(reasons.contains(&json!("password_changed")), "{reasons:?}");
    Client::with_token(late["tokens"]["access"].as_str().unwrap())
        .me()
        .problem(401, "token_not_valid");
    Anonymous.refresh(late["tokens"]["refresh"].as_str().unwrap()).problem(401, "token_not_valid");
}
