//! Tests that response times do not reveal who has an account: in a binary of its own, so that
//! nothing else runs meanwhile.
//!
//! Two kinds of requests are sent in random order, 200 of each (50 where all wait equally long),
//! and their times are compared by Welch's t-test. Differences below a quarter of the shortest
//! request do not count: one more call of the table takes longer, and reading an item that is there
//! takes some microseconds more than finding none. Of equal kinds, one comparison in a hundred has
//! p <= 0.01; such a comparison is repeated with new samples and fails if it has p <= 0.01 again.
//! So an equal comparison fails once in 10,000 runs, and a run (of ten) once in about 1,000. A
//! real difference is found again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::f64::consts::FRAC_PI_2;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use api_tests::harness::keys::{credentials_of, set_attempts};
use api_tests::harness::{
    FunctionSettings, Host, PASSWORD, User, aws, hash_as_in_production, new_email, wait_until_idle,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

const WRONG: &str = "not the password of anybody";

/// Samples of each kind.
const SAMPLES: usize = 200;

/// Samples of each kind where a refusal waits until `MIN_REFUSAL_DURATION` has passed: their times
/// vary by a millisecond, so few samples show a difference.
const PADDED_SAMPLES: usize = 50;

/// How many users of each kind take turns.
const USERS: usize = 20;

/// Seconds.
struct Sample(Vec<f64>);

impl Sample {
    fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// Returns the variance of the mean.
    fn uncertainty(&self) -> f64 {
        let (mean, number) = (self.mean(), self.0.len() as f64);
        self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (number - 1.0) / number
    }
}

/// Returns how probable it is that samples with one mean differ as much as these two, or more
/// (Welch's t-test, two-sided).
fn probability(one: &Sample, other: &Sample) -> f64 {
    let (a, b) = (one.uncertainty(), other.uncertainty());
    let t = (one.mean() - other.mean()).abs() / (a + b).sqrt();
    let degrees = (a + b).powi(2)
        / (a.powi(2) / (one.0.len() - 1) as f64 + b.powi(2) / (other.0.len() - 1) as f64);
    tail(t, degrees)
}

/// Returns the probability of more than `t` or less than `-t` in Student's distribution. With t =
/// sqrt(degrees) tan(x) its density is that of cos(x) to the power of degrees - 1, between -pi/2
/// and pi/2.
fn tail(t: f64, degrees: f64) -> f64 {
    let density = |x: f64| x.cos().max(0.0).powf(degrees - 1.0);
    let from = (t / degrees.sqrt()).atan();
    (integral(density, from) / integral(density, 0.0)).min(1.0)
}

/// Integrates from `from` to pi/2 by Simpson's rule.
fn integral(function: impl Fn(f64) -> f64, from: f64) -> f64 {
    const STEPS: usize = 20_000;
    let width = (FRAC_PI_2 - from) / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|step| {
            let weight =
                if step == 0 || step == STEPS { 1.0 } else { 2.0 + 2.0 * (step % 2) as f64 };
            weight * function(from + width * step as f64)
        })
        .sum();
    sum * width / 3.0
}

#[test]
fn the_statistic_is_students() {
    // From tables of the distribution.
    for (t, degrees, expected) in [
        (2.228, 10.0, 0.05),
        (3.169, 10.0, 0.01),
        (2.576, 1e5, 0.01),
        (1.960, 1e5, 0.05),
        (2.601, 200.0, 0.01),
        (0.0, 7.0, 1.0),
    ] {
        assert!(
            (tail(t, degrees) - expected).abs() < 0.0005,
            "{t} with {degrees}: {}",
            tail(t, degrees)
        );
    }
    let one = Sample(vec![
        27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4,
    ]);
    let other = Sample(vec![
        27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4,
    ]);
    // A published example: t = 2.46, 25 degrees of freedom, p = 0.021.
    assert!((probability(&one, &other) - 0.021).abs() < 0.001, "{}", probability(&one, &other));
}

/// Checks that two milliseconds more are found among times that vary like those measured here, and
/// that no difference is found where there is none.
#[test]
fn a_shift_is_found() {
    let random = SystemRandom::new();
    let uniform = || {
        let mut bytes = [0; 8];
        random.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) as f64 / u64::MAX as f64
    };
    // 10 ms, plus 4 ms on average and sometimes much more.
    let time = |shift: f64| 0.010 + shift - 0.004 * (1.0 - uniform()).max(1e-12).ln();
    let sample = |shift: f64| Sample((0..SAMPLES).map(|_| time(shift)).collect());
    let found =
        |shift: f64| (0..200).filter(|_| probability(&sample(0.0), &sample(shift)) <= 0.01).count();
    assert!(found(0.0) <= 12, "false alarms");
    assert!(found(0.002) >= 190, "misses");
}

/// A kind of request, by the number of the sample.
type Probe<'a> = (&'a str, &'a (dyn Fn(usize) + Sync));

/// Returns the seconds that requests take, so many of each kind, sent in random order by so many
/// clients.
fn times(probes: &[Probe<'_>], samples: usize, clients: usize) -> Vec<Sample> {
    let random = SystemRandom::new();
    let mut order: Vec<(u64, usize, usize)> = Vec::new();
    for kind in 0..probes.len() {
        for number in 0..samples {
            let mut key = [0; 8];
            random.fill(&mut key).unwrap();
            order.push((u64::from_le_bytes(key), kind, number));
        }
    }
    order.sort_unstable();
    let (next, taken) = (AtomicUsize::new(0), Mutex::new(vec![Vec::new(); probes.len()]));
    thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                while let Some((_, kind, number)) = order.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let started = Instant::now();
                    probes[*kind].1(*number);
                    let time = started.elapsed().as_secs_f64();
                    taken.lock().unwrap()[*kind].push(time);
                }
            });
        }
    });
    taken.into_inner().unwrap().into_iter().map(Sample).collect()
}

/// Returns the difference that does not count, in seconds: a quarter of a sign-in that is refused
/// after one round trip.
fn negligible() -> f64 {
    static NEGLIGIBLE: OnceLock<f64> = OnceLock::new();
    *NEGLIGIBLE.get_or_init(|| {
        let locked = locked(emails(new_email));
        let shortest: Probe<'_> = ("", &|number| refused_unseen(&locked, number, WRONG));
        times(&[shortest], SAMPLES, 1)[0].mean() / 4.0
    })
}

/// Compares each kind with the first: returns how probable the difference is by chance, 1 for one
/// that does not count.
fn compare(probes: &[Probe<'_>], samples: usize, clients: usize) -> Vec<f64> {
    let negligible = negligible();
    let samples = times(probes, samples, clients);
    let milliseconds = |sample: &Sample| {
        (sample.mean() * 1000.0, (sample.uncertainty() * sample.0.len() as f64).sqrt() * 1000.0)
    };
    let compared = samples.iter().zip(probes).skip(1).map(|(sample, (name, _))| {
        let ((first, first_varies), (mean, varies)) =
            (milliseconds(&samples[0]), milliseconds(sample));
        let p = probability(&samples[0], sample);
        println!(
            "{}: {first:.2} ms ({first_varies:.2}); {name}: {mean:.2} ms ({varies:.2}); p = {p:.4}",
            probes[0].0
        );
        if (samples[0].mean() - sample.mean()).abs() < negligible { 1.0 } else { p }
    });
    compared.collect()
}

#[track_caller]
fn assert_equal_times(probes: &[Probe<'_>], samples: usize, clients: usize) {
    let first = compare(probes, samples, clients);
    if first.iter().all(|p| *p > 0.01) {
        return;
    }
    let second = compare(probes, samples, clients);
    for (((name, _), first), second) in probes.iter().skip(1).zip(first).zip(second) {
        assert!(
            first > 0.01 || second > 0.01,
            "{name} and {} take different times: p = {first:.4}, then {second:.4}",
            probes[0].0
        );
    }
}

/// Waits until no other measurement runs and the system is idle.
fn quiet() -> MutexGuard<'static, ()> {
    static QUIET: Mutex<()> = Mutex::new(());
    let guard = QUIET.lock().unwrap_or_else(PoisonError::into_inner);
    hash_as_in_production();
    wait_until_idle();
    guard
}

fn emails(make: impl Fn() -> String) -> Vec<String> {
    (0..USERS).map(|_| make()).collect()
}

fn known() -> Vec<String> {
    emails(|| User::new("patient").email)
}

fn inactive() -> Vec<String> {
    emails(|| {
        let user = User::new("patient");
        user.deactivate();
        user.email
    })
}

/// Sends a refused sign-in from an unused network.
fn refused(emails: &[String], number: usize, password: &str) {
    Host::somewhere().login(&emails[number % USERS], password).problem(401, "invalid_credentials");
}

#[test]
fn refused_sign_ins_take_equal_time() {
    let _quiet = quiet();
    let (unknown, known, inactive) = (emails(new_email), known(), inactive());
    let probes: [Probe<'_>; 3] = [
        ("unknown", &|number| refused(&unknown, number, WRONG)),
        ("wrong", &|number| refused(&known, number, WRONG)),
        ("inactive, right", &|number| refused(&inactive, number, PASSWORD)),
    ];
    assert_equal_times(&probes, PADDED_SAMPLES, 8);
}

/// How long the verification of an imported hash takes: longer than that of one of our own, so that
/// it would be seen, and short enough to end before the padding on any machine.
const VERIFICATION: Duration = Duration::from_millis(80);

fn derive(iterations: u32) -> [u8; 32] {
    let (salt, password) = (b"salt", PASSWORD.as_bytes());
    let iterations = NonZeroU32::new(iterations).unwrap();
    let mut hash = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password, &mut hash);
    hash
}

/// Makes a password hash as Django does, whose verification takes [`VERIFICATION`] here.
fn hash_of_django() -> String {
    const SAMPLE: u32 = 20_000;
    let started = Instant::now();
    derive(SAMPLE);
    let samples = VERIFICATION.as_secs_f64() / started.elapsed().as_secs_f64();
    // What the service accepts.
    let iterations = ((f64::from(SAMPLE) * samples) as u32).clamp(10_000, 2_000_000);
    format!("pbkdf2_sha256${iterations}$salt${}", BASE64_STANDARD.encode(derive(iterations)))
}

#[test]
fn imported_users_take_equal_time() {
    let _quiet = quiet();
    let imported = hash_of_django();
    let (unknown, known) = (emails(new_email), known());
    for email in &known {
        aws::update_item(
            &credentials_of(email),
            "CREDENTIALS",
            "SET password_hash = :hash",
            json!({":hash": {"S": imported}}),
        );
    }
    let probes: [Probe<'_>; 2] = [
        ("unknown", &|number| refused(&unknown, number, WRONG)),
        ("imported, wrong", &|number| refused(&known, number, WRONG)),
    ];
    assert_equal_times(&probes, PADDED_SAMPLES, 4);
    // Compared with an imported hash twice, because it is not normalized.
    let decomposed = "not the passwo\u{301}rd of anybody";
    let probes: [Probe<'_>; 2] = [
        ("unknown", &|number| refused(&unknown, number, decomposed)),
        ("imported, wrong, decomposed", &|number| refused(&known, number, decomposed)),
    ];
    assert_equal_times(&probes, PADDED_SAMPLES / 2, 4);
}

/// Locks accounts for a long time, each from a network of its own.
fn locked(emails: Vec<String>) -> Vec<(String, Host)> {
    let lock = |email: String| {
        let host = Host::somewhere();
        let until = "2099-01-01T00:00:00Z";
        set_attempts("login", &email.to_lowercase(), 40, &host.network(), until);
        (email, host)
    };
    emails.into_iter().map(lock).collect()
}

fn refused_unseen(locked: &[(String, Host)], number: usize, password: &str) {
    let (email, host) = &locked[number % USERS];
    host.login(email, password).problem(429, "too_many_attempts");
}

#[test]
fn locked_out_sign_ins_take_equal_time() {
    let _quiet = quiet();
    let (unknown, known) = (locked(emails(new_email)), locked(known()));
    let probes: [Probe<'_>; 3] = [
        ("unknown, locked", &|number| refused_unseen(&unknown, number, WRONG)),
        ("known, locked, wrong", &|number| refused_unseen(&known, number, WRONG)),
        ("known, locked, right", &|number| refused_unseen(&known, number, PASSWORD)),
    ];
    assert_equal_times(&probes, SAMPLES, 1);
    // The same with a difference, which is found: or else all this would say nothing. Half of the
    // shortest request, or more where times vary more.
    let fast: Probe<'_> = ("unknown, locked", &|number| refused_unseen(&unknown, number, WRONG));
    let varies: f64 = times(&[fast, fast], SAMPLES, 1).iter().map(Sample::uncertainty).sum();
    let difference = Duration::from_secs_f64((5.0 * varies.sqrt()).max(2.0 * negligible()));
    let slower = |number| {
        thread::sleep(difference);
        refused_unseen(&known, number, WRONG);
    };
    let found = (0..3).any(|_| compare(&[fast, ("slower", &slower)], SAMPLES, 1)[0] <= 0.01);
    assert!(found, "{difference:?} were not found");
}

#[test]
fn sign_ins_that_need_a_link_take_equal_time() {
    let _quiet = quiet();
    let exhausted = |emails: Vec<String>| {
        for email in &emails {
            let (network, past) = ("203.0.113.0/24", "2026-01-01T00:00:00Z");
            set_attempts("login", &email.to_lowercase(), 100, network, past);
        }
        emails
    };
    let (unknown, known) = (exhausted(emails(new_email)), exhausted(known()));
    let refused = |emails: &[String], number: usize, password: &str| {
        Host::somewhere()
            .login(&emails[number % USERS], password)
            .problem(401, "sign_in_link_required");
    };
    let probes: [Probe<'_>; 3] = [
        ("unknown", &|number| refused(&unknown, number, WRONG)),
        ("known, wrong", &|number| refused(&known, number, WRONG)),
        ("known, right", &|number| refused(&known, number, PASSWORD)),
    ];
    assert_equal_times(&probes, SAMPLES, 1);
}

#[test]
fn reset_requests_take_equal_time() {
    let _quiet = quiet();
    let (unknown, known) = (emails(new_email), known());
    let ask = |emails: &[String], number: usize| {
        Host::somewhere().request_password_reset(&emails[number % USERS]).ok(202);
    };
    let probes: [Probe<'_>; 2] =
        [("unknown", &|number| ask(&unknown, number)), ("known", &|number| ask(&known, number))];
    assert_equal_times(&probes, SAMPLES, 1);
}

#[test]
fn registrations_take_equal_time() {
    let _quiet = quiet();
    let accounts = FunctionSettings::of("accounts")
        .with("REVEAL_REGISTERED_EMAIL", "false")
        .with("MAX_MAILS_PER_DAY", "100")
        .start();
    let known = known();
    // A typical name: dynoxide writes the indexes of its entries together with them, which
    // DynamoDB does afterwards. A network may register a thousand accounts.
    let register = |email: &str| {
        let body = json!({"email": email, "password": PASSWORD, "role": "patient",
            "first_name": "Ana", "last_name": "Garcia"});
        accounts.post_from(&Host::somewhere(), "/api/accounts/register/", &body).ok(202);
    };
    // Registered and not confirmed: replaced each time.
    let pending = emails(new_email);
    pending.iter().for_each(|email| register(email));
    let probes: [Probe<'_>; 3] = [
        ("free", &|_| register(&new_email())),
        ("taken", &|number| register(&known[number % USERS])),
        ("registered, not confirmed", &|number| register(&pending[number % USERS])),
    ];
    assert_equal_times(&probes, SAMPLES, 1);
}
