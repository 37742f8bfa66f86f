//! `simulate [--seeds N] [--first SEED] [--seed SEED] [--no-shrink]` runs seeds and prints the
//! history of the first that breaks a promise. Every minute it says how far it is.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use simulation_tests::scenarios::SCENARIOS;
use simulation_tests::{Outcome, shrink, simulate};

/// The stack of a thread, in bytes.
const STACK: usize = 64 << 20;

/// How often it says how far it is.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(run)
        .ok()
        .and_then(|thread| thread.join().ok())
        .unwrap_or(ExitCode::FAILURE)
}

fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(seed) = number("--seed") {
        let outcome = simulate(seed);
        if outcome.violations.is_empty() {
            print(seed, &outcome);
            return ExitCode::SUCCESS;
        }
        report(seed, outcome, has("--no-shrink"));
        return ExitCode::FAILURE;
    }
    let (first, seeds) = (number("--first").unwrap_or(0), number("--seeds").unwrap_or(300));
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let failing: Mutex<Option<(u64, Outcome)>> = Mutex::new(None);
    let reported_at = Mutex::new(Instant::now());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, |number| number.get()) {
            // Unoptimized futures of the store need more stack than a thread gets.
            let thread = thread::Builder::new().stack_size(STACK);
            let started = thread.spawn_scoped(scope, || {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    report_progress(seed - first, seeds, &reported_at);
                    let outcome = simulate(seed);
                    if !outcome.violations.is_empty() {
                        failed.store(true, Ordering::Relaxed);
                        if let Ok(mut failing) = failing.lock() {
                            failing.get_or_insert((seed, outcome));
                        }
                    }
                }
            });
            if let Err(error) = started {
                eprintln!("a thread cannot be started: {error}");
            }
        }
    });
    match failing.into_inner() {
        Ok(None) => {
            println!("{seeds} seeds of {} scenarios keep all promises", SCENARIOS.len());
            ExitCode::SUCCESS
        }
        Ok(Some((seed, outcome))) => {
            report(seed, outcome, has("--no-shrink"));
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says how many seeds have been run, if that was not said for a while.
fn report_progress(done: u64, seeds: u64, reported_at: &Mutex<Instant>) {
    let Ok(mut reported_at) = reported_at.lock() else { return };
    if reported_at.elapsed() >= REPORT_INTERVAL {
        *reported_at = Instant::now();
        eprintln!("{done} of {seeds} seeds");
    }
}

/// Prints a failing run, as short as it can be made.
fn report(seed: u64, outcome: Outcome, as_it_is: bool) {
    let shortest = if as_it_is { outcome.clone() } else { shrink::shrink(seed, outcome.clone()) };
    print(seed, &shortest);
    eprintln!("\nseed {seed} ({}) breaks:", outcome.scenario);
    for violation in &shortest.violations {
        eprintln!("  {violation}");
    }
    eprintln!("run it again: make simulate SEED={seed}");
}

fn print(seed: u64, outcome: &Outcome) {
    println!("seed {seed}: {}", outcome.scenario);
    for line in &outcome.history {
        println!("  {line}");
    }
}
