//! Tests of throttling: it is the same whether the account exists or not, and never affects others.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use domain::rate::MIN_REFUSAL_DURATION;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::accounts::passwords::let_reset_interval_pass;
use crate::harness::keys::{counter, set_attempts};
use crate::harness::{
    Anonymous, Doctor, Host, PASSWORD, Patient, Response, User, account_mail, account_mails_to,
    aws, new_email,
};

const WRONG: &str = "not the password of anybody";

/// The settings of `make test` and `make run` (tests/stack/stack.py), and the template's defaults.
pub(super) const FAILURES_PER_NETWORK: u64 = 1000;
pub(super) const FAILURES_PER_ACCOUNT: u64 = 100;
const MAILS_PER_DAY: u64 = 20;
const RECORDS_PER_DAY: u64 = 200;
const FILES_PER_DAY: u64 = 500;

pub(super) const MINUTES_15: i64 = 15 * 60;
const DAY: i64 = 24 * 60 * 60;

/// Returns the numbers of the previous, the current and the next window of so many seconds: the
/// next one may begin at any time.
fn windows(seconds: i64) -> [String; 3] {
    let present = Timestamp::now().as_second().div_euclid(seconds);
    [present - 1, present, present + 1].map(|number| number.to_string())
}

/// Sets a counter of the current window and of the next, which may begin meanwhile.
pub(super) fn set_counter(kind: &str, subject: &[&str], seconds: i64, attributes: &[(&str, u64)]) {
    let sets: Vec<String> =
        attributes.iter().map(|(name, _)| format!("{name} = :{name}")).collect();
    let mut values = json!({":ttl": {"N": (Timestamp::now().as_second() + seconds).to_string()}});
    for (name, value) in attributes {
        values[format!(":{name}")] = json!({"N": value.to_string()});
    }
    for window in &windows(seconds)[1..] {
        aws::update_item(
            &counter(kind, subject),
            window,
            &format!("SET {}, #ttl = :ttl", sets.join(", ")),
            values.clone(),
        );
    }
}

fn failures(kind: &str, subject: &[&str]) -> u64 {
    let items = windows(MINUTES_15)
        .into_iter()
        .filter_map(|window| aws::get_item(&counter(kind, subject), &window));
    items.map(|item| item["failures"]["N"].as_str().unwrap().parse().unwrap()).max().unwrap_or(0)
}

/// Checks a counter. An increment is repeated when its response is lost or late, and may then count
/// once more.
#[track_caller]
fn assert_counted(counted: u64, at_least: u64) {
    assert!((at_least..=at_least + 2).contains(&counted), "{counted} instead of {at_least}");
}

/// Returns how many seconds a response says to wait, after checking the whole response.
#[track_caller]
fn retry_after(response: &Response, name: &str, quota: u64, window: i64) -> i64 {
    response
        .clone()
        .problem(429, if window == DAY { "daily_limit_reached" } else { "too_many_attempts" });
    let wait = response.header("retry-after");
    assert_eq!(response.header("ratelimit"), format!("\"{name}\";r=0;t={wait}"), "{response}");
    assert_eq!(
        response.header("ratelimit-policy"),
        format!("\"{name}\";q={quota};w={window}"),
        "{response}"
    );
    let wait = wait.parse().unwrap();
    assert!((1..=window).contains(&wait), "{response}");
    wait
}

#[track_caller]
pub(crate) fn told_by_login(response: &Response) -> i64 {
    retry_after(response, "login", 5, MINUTES_15)
}

pub(super) type Telltale = (u16, BTreeMap<String, String>, Value);

/// Returns everything that distinguishes responses, with every number in the headers as a `#`: a
/// second may pass between two.
pub(super) fn telltale(response: &Response) -> Telltale {
    let mut body = response.body.clone();
    if let Some(body) = body.as_object_mut() {
        body.remove("request_id");
    }
    let headers =
        response.headers.iter().filter(|(name, _)| *name != "x-request-id").map(|(name, value)| {
            let digits = value
                .to_str()
                .unwrap()
                .split(|c: char| c.is_ascii_digit())
                .filter(|part| !part.is_empty());
            (name.to_string(), digits.collect::<Vec<_>>().join("#"))
        });
    (response.status, headers.collect(), body)
}

/// Sends the request until it is not refused any more: a client that waits as told is let in, and
/// one that does not wait loses nothing.
pub(crate) fn when_allowed(send: impl Fn() -> Response, told: i64, since: Instant) -> Response {
    let started = Instant::now();
    loop {
        let sent = started.elapsed();
        let response = send();
        if response.status != 429 {
            let waited = since.elapsed();
            assert!(
                waited.as_secs_f64() >= told as f64 - 1.0,
                "told {told} s, but let in after {waited:?}"
            );
            return response;
        }
        assert!(
            sent.as_secs_f64() < told as f64 + 1.0,
            "told {told} s, and locked out after {sent:?}: {response}"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

/// A client that fails to sign in to an account from a network of its own. However slow the system
/// is, an attempt is free or comes after the wait before it, and waits double.
struct Guesser<'a> {
    host: Host,
    email: &'a str,
    password: &'a str,
    free: u32,
    failures: u32,
    last: Instant,
    /// When the refused request was sent.
    asked: Instant,
    told: BTreeMap<u16, Telltale>,
}

impl<'a> Guesser<'a> {
    fn new(email: &'a str, password: &'a str, free: u32) -> Self {
        Self {
            host: Host::somewhere(),
            email,
            password,
            free,
            failures: 0,
            last: Instant::now(),
            asked: Instant::now(),
            told: BTreeMap::new(),
        }
    }

    fn guess(&mut self) -> Response {
        let response = self.host.login(self.email, self.password);
        let telltale = telltale(&response);
        assert_eq!(*self.told.entry(response.status).or_insert_with(|| telltale.clone()), telltale);
        response
    }

    /// Fails until a response says to wait; returns how long.
    fn until_told(&mut self) -> i64 {
        loop {
            let sent = Instant::now();
            let response = self.guess();
            let pause =
                self.failures.checked_sub(self.free).map(|doublings| f64::from(1_u32 << doublings));
            let passed = self.last.elapsed().as_secs_f64();
            if response.status == 429 {
                let (wait, pause) =
                    (told_by_login(&response) as f64, pause.expect("the first failures are free"));
                assert!(
                    wait <= pause && wait >= pause - passed,
                    "{wait} s after {} failures",
                    self.failures
                );
                self.asked = sent;
                return wait as i64;
            }
            response.problem(401, "invalid_credentials");
            assert!(
                pause.is_none_or(|pause| passed >= pause),
                "let in too soon after {} failures",
                self.failures
            );
            (self.failures, self.last) = (self.failures + 1, sent);
        }
    }

    /// Waits as told, and fails once more.
    fn after(&mut self, wait: i64) {
        let began = Instant::now();
        when_allowed(|| self.host.login(self.email, self.password), wait, self.asked)
            .problem(401, "invalid_credentials");
        (self.failures, self.last) = (self.failures + 1, began);
    }
}

#[test]
fn five_failures_are_free_and_then_the_wait_doubles() {
    let user = User::new("patient");
    let mut guesser = Guesser::new(&user.email, WRONG, 5);
    let mut wait = guesser.until_told();
    Host::somewhere().login(&user.email, PASSWORD).ok(200);
    for _ in 0..2 {
        guesser.after(wait);
        wait = guesser.until_told();
    }
    let host = &guesser.host;
    when_allowed(|| host.login(&user.email, PASSWORD), wait, guesser.asked).ok(200);
    // The success has cleared the failures.
    Guesser { host: host.clone(), ..Guesser::new(&user.email, WRONG, 5) }.until_told();
    // At most 15 minutes.
    set_attempts("login", &user.email.to_lowercase(), 40, &host.network(), "2026-01-01T00:00:00Z");
    host.login(&user.email, WRONG).problem(401, "invalid_credentials");
    let wait = told_by_login(&host.login(&user.email, WRONG));
    assert!((MINUTES_15 - 60..=MINUTES_15).contains(&wait), "{wait}");
    Host::somewhere().login(&user.email, PASSWORD).ok(200);
}

#[test]
fn unknown_accounts_are_throttled_as_known_ones() {
    let (user, inactive) = (User::new("patient"), User::new("patient"));
    inactive.deactivate();
    let unknown = new_email();
    // An account with a wrong password, no account, and an inactive account with the right
    // password.
    let tried = [
        (&user.email, WRONG),
        (&unknown, PASSWORD),
        (&inactive.email, PASSWORD),
        (&inactive.email, WRONG),
    ];
    let told: Vec<BTreeMap<u16, Telltale>> = thread::scope(|scope| {
        let guess = |email, password| {
            let mut guesser = Guesser::new(email, password, 5);
            for _ in 0..2 {
                let wait = guesser.until_told();
                guesser.after(wait);
            }
            guesser.told
        };
        let threads: Vec<_> = tried
            .iter()
            .map(|(email, password)| scope.spawn(move || guess(email, password)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = &told[0];
    for told in &told {
        assert_eq!(told.keys().collect::<Vec<_>>(), [&401, &429]);
        assert_eq!(told, first);
    }
}

/// Extends a lock beyond the duration of a test on a slow machine.
fn prolong(user: &User, network: &str) {
    let account = user.email.to_lowercase();
    let stored = aws::get_item(&counter("login", &[&account]), "ATTEMPTS").unwrap();
    assert_eq!(stored["networks"]["M"][network]["M"]["failures"]["N"], "5");
    set_attempts("login", &account, 5, network, "2099-01-01T00:00:00Z");
}

#[test]
fn neighbours_are_throttled_together() {
    let (user, unique) = (User::new("patient"), Host::somewhere().network());
    let prefix = unique.trim_end_matches("::/64");
    let login = |address: &str| Host::at(address).login(&user.email, WRONG).status;
    for last in 1..=5 {
        assert_eq!(login(&format!("{prefix}:{last}::1")), 401);
    }
    prolong(&user, &unique);
    assert_eq!(login(&format!("{prefix}:ffff:ffff:ffff:ffff")), 429);
    Host::somewhere().login(&user.email, PASSWORD).ok(200);
    // Other tests use other accounts, so that any network will do.
    let user = User::new("patient");
    let login = |address: &str| Host::at(address).login(&user.email, WRONG).status;
    for last in 1..=5 {
        assert_eq!(login(&format!("198.51.100.{last}")), 401);
    }
    prolong(&user, "198.51.100.0/24");
    assert_eq!(
        (login("198.51.100.255"), login("::ffff:198.51.100.7"), login("198.51.101.1")),
        (429, 429, 401)
    );
}

#[test]
fn forwarded_addresses_of_clients_are_ignored() {
    let user = User::new("patient");
    let host = Host::somewhere();
    let body = json!({"email": user.email, "password": WRONG});
    let said = |number: usize| {
        let address = format!("203.0.113.{number}");
        let forwarded = format!("for={address};proto=https");
        [
            "x-forwarded-for",
            "x-real-ip",
            "true-client-ip",
            "cf-connecting-ip",
            "client-ip",
            "x-client-ip",
        ]
        .map(|name| (name, address.clone()))
        .into_iter()
        .chain([("forwarded", forwarded)])
        .collect::<Vec<_>>()
    };
    // After the free failures, one more each time the wait is over: 1 s, 2 s ...
    let attack = |send: &dyn Fn(usize) -> u16| {
        let began = std::time::Instant::now();
        let tried = (0..20).filter(|number| send(*number) == 401).count();
        let further = (1.0 + began.elapsed().as_secs_f64()).log2().floor() as usize;
        assert!((5..=5 + further).contains(&tried), "{tried} in {:?}", began.elapsed());
    };
    attack(&|number| {
        let said = said(number);
        let headers: Vec<(&str, &str)> =
            said.iter().map(|(name, value)| (*name, value.as_str())).collect();
        host.post_with("/api/accounts/login/", &headers, &body).status
    });
    // The same through the gateway.
    let user = User::new("patient");
    attack(&|number| {
        let mut request = Anonymous
            .request("POST", "/api/accounts/login/")
            .json(&json!({"email": user.email, "password": WRONG}));
        for (name, value) in said(number) {
            request = request.header(name, &value);
        }
        request.send().status
    });
}

#[test]
fn an_owner_with_many_devices_signs_in_with_all_at_once() {
    let (user, host) = (User::new("patient"), Host::somewhere());
    // A sign-in that takes longer than the maximum wait of the others may make some of them fail;
    // on a busy machine this happens.
    for _ in 0..20 {
        let began = Instant::now();
        let statuses: Vec<u16> = thread::scope(|scope| {
            let threads: Vec<_> =
                (0..10).map(|_| scope.spawn(|| host.login(&user.email, PASSWORD).status)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        if statuses == [200; 10] {
            return;
        }
        assert!(
            began.elapsed() > MIN_REFUSAL_DURATION.unsigned_abs()
                && statuses.iter().all(|status| [200, 429].contains(status)),
            "{statuses:?}"
        );
        let asked = Instant::now();
        let response = host.login(&user.email, PASSWORD);
        if response.status == 429 {
            when_allowed(|| host.login(&user.email, PASSWORD), told_by_login(&response), asked)
                .ok(200);
        }
    }
    panic!("somebody is always refused");
}

#[test]
fn a_network_that_fails_everywhere_waits_and_others_do_not() {
    let (user, host) = (User::new("patient"), Host::somewhere());
    set_counter(
        "login",
        &["network", &host.network()],
        MINUTES_15,
        &[("failures", FAILURES_PER_NETWORK - 1)],
    );
    host.login(&new_email(), WRONG).problem(401, "invalid_credentials");
    let asked = Instant::now();
    let (known, unknown) = (host.login(&user.email, PASSWORD), host.login(&new_email(), PASSWORD));
    let difference = told_by_login(&known) - told_by_login(&unknown);
    assert!(
        difference >= 0 && difference as f64 <= 1.0 + asked.elapsed().as_secs_f64(),
        "{difference}"
    );
    assert_eq!(telltale(&known), telltale(&unknown));
    Host::somewhere().login(&user.email, PASSWORD).ok(200);
}

/// Tokens of 32 random bytes and registrations count for the network alone.
#[test]
fn networks_that_guess_tokens_or_try_addresses_wait() {
    let user = User::new("patient");
    let token = json!({"token": "x", "password": PASSWORD});
    let refresh = json!({"refresh": "x"});
    let register = json!({"email": user.email, "password": PASSWORD});
    for (kind, path, body, status) in [
        ("register", "/api/accounts/register/", &register, 400),
        ("refresh", "/api/accounts/token/refresh/", &refresh, 401),
        ("mail_token", "/api/accounts/verify-email/", &token, 400),
        ("mail_token", "/api/accounts/password-reset/confirm/", &token, 400),
        ("mail_token", "/api/accounts/email-change/confirm/", &token, 400),
    ] {
        let host = Host::somewhere();
        let network = host.network();
        let subject = ["network", network.as_str()];
        host.post(path, body).ok(status);
        assert_counted(failures(kind, &subject), 1);
        set_counter(kind, &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK - 1)]);
        host.post(path, body).ok(status);
        retry_after(&host.post(path, body), kind, FAILURES_PER_NETWORK, MINUTES_15);
        if kind == "register" {
            host.register(&new_email()).ok(429);
        }
        Host::somewhere().post(path, body).ok(status);
    }
    let (host, first) = (Host::somewhere(), new_email());
    host.register(&first).ok(201);
    Host::somewhere()
        .post("/api/accounts/token/refresh/", &json!({"refresh": user.refresh}))
        .ok(200);
    assert_eq!(
        failures("register", &["network", &host.network()]),
        0,
        "who succeeds has not failed"
    );
}

#[test]
fn valid_tokens_are_accepted_whatever_others_in_the_network_do() {
    let (user, host) = (User::new("patient"), Host::somewhere());
    let confirmation = account_mail(&user.email, "Confirm Your Email Address", 0).token();
    for (kind, path, junk, right) in [
        (
            "refresh",
            "/api/accounts/token/refresh/",
            json!({"refresh": "x"}),
            json!({"refresh": user.refresh}),
        ),
        (
            "mail_token",
            "/api/accounts/verify-email/",
            json!({"token": "x"}),
            json!({"token": confirmation, "password": "another harbour, a louder one"}),
        ),
    ] {
        let subject = ["network", &host.network()];
        set_counter(kind, &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
        host.post(path, &junk).ok(429);
        let counted = failures(kind, &subject);
        host.post(path, &right).ok(200);
        assert_eq!(failures(kind, &subject), counted, "who succeeds has not failed");
    }
}

#[test]
fn malformed_and_empty_sign_ins_count_for_their_network() {
    let (user, host) = (User::new("patient"), Host::somewhere());
    let subject = ["network", &host.network()];
    let bodies = [
        json!({}),
        json!({"email": user.email}),
        json!({"email": user.email, "password": ""}),
        json!({"email": user.email, "password": null}),
        json!({"email": user.email, "password": "x".repeat(129)}),
        json!({"email": "", "password": WRONG}),
        json!({"email": "nobody", "password": WRONG}),
        json!([]),
    ];
    for body in &bodies {
        host.post("/api/accounts/login/", body).ok(400);
    }
    assert_counted(failures("login", &subject), bodies.len() as u64);
    let attempts = counter("login", &[&user.email.to_lowercase()]);
    assert!(aws::get_item(&attempts, "ATTEMPTS").is_none(), "and for no account");
    host.login(&user.email, PASSWORD).ok(200);
    set_counter("login", &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
    for body in &bodies {
        let refused = host.post("/api/accounts/login/", body);
        retry_after(&refused, "login", FAILURES_PER_NETWORK, MINUTES_15);
    }
    host.post("/api/accounts/login/second-factor/", &json!({})).ok(400);
    assert_counted(failures("second_factor", &subject), 1);
}

#[test]
fn an_organization_works_while_one_of_its_machines_misbehaves() {
    let (user, victim) = (User::new("patient"), User::new("patient"));
    let (machine, colleague) = (Host::at("192.0.2.7"), Host::at("192.0.2.8"));
    for kind in ["login", "register", "password_reset"] {
        let subject = ["network", "192.0.2.0/24"];
        set_counter(kind, &subject, MINUTES_15, &[("failures", FAILURES_PER_NETWORK)]);
    }
    colleague.login(&user.email, PASSWORD).ok(200);
    colleague.register(&new_email()).ok(201);
    colleague.request_password_reset(&user.email).ok(202);
    // The machine has one free guess at each account, not five.
    Guesser { host: machine, ..Guesser::new(&victim.email, WRONG, 1) }.until_told();
    colleague.login(&user.email, PASSWORD).ok(200);
    Host::somewhere().login(&victim.email, PASSWORD).ok(200);
}

#[test]
fn strangers_do_not_keep_the_owner_of_an_address_from_a_new_password() {
    let (user, unknown) = (User::new("patient"), new_email());
    let reset_mails = || {
        let mails = account_mails_to(&user.email);
        mails.iter().filter(|mail| mail.subject.ends_with("Set Your Password")).count()
    };
    let mut told = Vec::new();
    for email in [&user.email, &unknown] {
        let address = email.to_lowercase();
        set_counter("mails", &[&address], DAY, &[("mail_count", MAILS_PER_DAY)]);
        for _ in 0..25 {
            told.push(telltale(&Host::somewhere().request_password_reset(email).ok(202)));
        }
        let_reset_interval_pass(email);
        told.push(telltale(&Host::somewhere().request_password_reset(email).ok(202)));
    }
    assert!(told.iter().all(|each| *each == told[0]), "{told:?}");
    let token = account_mail(&user.email, "Set Your Password", 0).token();
    account_mail(&user.email, "Set Your Password", 1);
    assert_eq!(reset_mails(), 2, "one in five minutes");
    Anonymous.reset_password(&token, "another harbour, a louder one").ok(200);
}

#[test]
fn a_network_that_asks_for_everybodys_password_waits() {
    let (user, host) = (User::new("patient"), Host::somewhere());
    set_counter(
        "password_reset",
        &["network", &host.network()],
        MINUTES_15,
        &[("failures", FAILURES_PER_NETWORK - 1)],
    );
    host.request_password_reset(&new_email()).ok(202);
    let refused = [&user.email, &new_email()].map(|email| host.request_password_reset(email));
    for response in &refused {
        retry_after(response, "password_reset", FAILURES_PER_NETWORK, MINUTES_15);
    }
    assert_eq!(telltale(&refused[0]), telltale(&refused[1]));
    Host::somewhere().request_password_reset(&user.email).ok(202);
}

#[test]
fn an_address_gets_so_many_requested_mails_a_day() {
    let (user, unknown) = (User::new("patient"), new_email());
    let address = user.email.to_lowercase();
    set_counter("mails", &[&address], DAY, &[("mail_count", MAILS_PER_DAY - 1)]);
    user.resend_verification().ok(202);
    retry_after(&user.resend_verification(), "mails", MAILS_PER_DAY, DAY);
    // Requests of users who claim addresses are counted separately.
    let other = User::new("patient");
    other.request_email_change(&unknown, PASSWORD).ok(202);
    let claims = format!("claimed by {}", other.id);
    set_counter("mails", &[&claims], DAY, &[("mail_count", MAILS_PER_DAY)]);
    other.request_email_change(&unknown, PASSWORD).problem(429, "daily_limit_reached");
    other.resend_verification().ok(202);
}

#[test]
fn what_is_refused_spends_no_allowance() {
    let (patient, doctor, pending) = (Patient::new(), Doctor::new(), Doctor::pending());
    let signed_out = patient.sign_in();
    signed_out.logout().ok(204);
    signed_out.create_record(json!({"doctor": doctor.id})).problem(401, "token_not_valid");
    patient.create_record(json!({"doctor": pending.id})).ok(400);
    let allowance = || aws::query(&counter("records", &[&patient.id]));
    assert!(allowance().is_empty(), "{:?}", allowance());
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    assert_eq!(allowance().len(), 1, "what was done spends it");
}

#[test]
fn a_patient_creates_so_many_records_and_files_a_day() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let file = json!({"name": "a.txt", "content_type": "text/plain", "size_bytes": 1});
    let record = |files: usize| json!({"doctor": doctor.id, "files": vec![file.clone(); files]});
    let set = |records: u64, files: u64| {
        set_counter(
            "records",
            &[&patient.id],
            DAY,
            &[("record_count", records), ("file_count", files)],
        )
    };
    let first = patient.create_record(record(1)).ok(201);
    set(RECORDS_PER_DAY - 1, 0);
    patient.create_record(record(0)).ok(201);
    retry_after(&patient.create_record(record(0)), "records", RECORDS_PER_DAY, DAY);
    // Files of new records and of changed ones.
    set(0, FILES_PER_DAY - 2);
    patient.create_record(record(3)).problem(429, "daily_limit_reached");
    patient.create_record(record(1)).ok(201);
    patient
        .update_record(first.text("id"), json!({"files": [file, file]}))
        .problem(429, "daily_limit_reached");
    patient.update_record(first.text("id"), json!({"files": [file]})).ok(200);
    patient
        .update_record(first.text("id"), json!({"files": [file]}))
        .problem(429, "daily_limit_reached");
    patient.update_record(first.text("id"), json!({"record_type": "imaging"})).ok(200);
    Patient::new().create_record(record(1)).ok(201);
}
