//! A deterministic simulation of the whole system.
//!
//! The functions run as they are, in one thread, on a table of dynoxide and small models of SQS,
//! S3, SES and Lambda's event sources. Time is virtual. A seed decides everything: the order of all
//! steps, the clocks of sandboxes, faults, outages, repetitions. After each run, [`promises`] are
//! checked; a run that breaks one is made as short as possible, and its history printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail loudly")]

pub mod buckets;
pub mod choices;
pub mod clock;
pub mod exchange;
pub mod faults;
pub mod mails;
pub mod names;
pub mod network;
pub mod people;
pub mod promises;
pub mod queues;
pub mod run;
pub mod sandboxes;
pub mod scenarios;
pub mod settings;
pub mod shrink;
pub mod sources;
pub mod staff;
pub mod table;

use std::sync::Arc;
use std::time::Duration;

use reconciler::RepairCounts;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::choices::Choices;
use crate::clock::wait;
use crate::faults::{CallFault, Outage, Service};
use crate::names::Names;
use crate::people::People;
use crate::promises::{Facts, PROMISES};
use crate::run::Run;
use crate::sandboxes::{Ended, Functions, invoke};
use crate::scenarios::{SCENARIOS, ScenarioWorld};
use crate::settings::SETTINGS;
use crate::staff::Staff;

/// The longest that deliveries may take after the last fault, in ms.
const LONGEST_END: u64 = 48 * 3_600_000;

/// When the reconciler runs after the last fault, in ms: it leaves the last hour alone, and clocks
/// were wrong by as much.
const RECONCILED_AFTER: u64 = 3 * 3_600_000;

/// One of so many seeds has no faults but those of its scenario; then nothing may be left for the
/// reconciler, which would repair what a function forgets.
const CALM_SEEDS: u64 = 5;

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The name of the scenario.
    pub scenario: &'static str,
    /// What has happened, a line each.
    pub history: Vec<String>,
    /// The broken promises.
    pub violations: Vec<String>,
    /// What was drawn.
    pub drawn: Vec<u32>,
}

/// Runs the scenario of a seed, with the numbers of the seed.
pub fn simulate(seed: u64) -> Outcome {
    simulate_with(seed, Choices::of_seed(seed))
}

/// Runs the scenario of a seed with other numbers.
pub fn simulate_with(seed: u64, choices: Choices) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (scenario, act) = SCENARIOS[(seed % SCENARIOS.len() as u64) as usize];
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        run::begin(choices, seed);
        create_queues();
        let functions = Arc::new(Functions::build());
        let people = People::register(&functions).await;
        sources::start(&functions);
        run::with(|run| {
            draw_faults(run);
            if seed.is_multiple_of(CALM_SEEDS) {
                run.let_nothing_fail();
            }
        });
        let named: Vec<_> = people.all().map(|person| (person.id, person.name)).into();
        let staff = Staff::new(&functions);
        act(ScenarioWorld { functions: Arc::clone(&functions), people: people.clone(), staff })
            .await;
        let mut is_over = settle().await;
        reconcile(&functions).await;
        is_over &= settle().await;
        probe(&people).await;
        is_over &= settle().await;
        let mut run = run::end();
        if !is_over {
            run.violations.push("the deliveries do not end".to_owned());
        }
        let items = run.table.items();
        let mut violations = std::mem::take(&mut run.violations);
        let facts = Facts { run: &run, items };
        for (name, promise) in PROMISES {
            let mut broken = Vec::new();
            promise(&facts, &mut broken);
            violations.extend(broken.into_iter().map(|what| format!("{name}: {what}")));
        }
        let drawn = run.choices.drawn().to_vec();
        let mut names = Names::default();
        for (id, name) in named {
            names.add(&id.to_string(), name);
        }
        let history = run.history.iter().map(|line| names.shorten(line)).collect();
        let violations = violations.iter().map(|line| names.shorten(line)).collect();
        Outcome { scenario, history, violations, drawn }
    }))
}

fn create_queues() {
    run::with(|run| {
        for queue in &SETTINGS.queues {
            let redrive = queue.redrive.as_ref().map(|(name, count)| (name.as_str(), *count));
            run.queues.create(&queue.name, queue.visibility, redrive);
        }
    });
}

/// Draws what goes wrong in the run: in some runs nothing, in others a lot.
fn draw_faults(run: &mut Run) {
    const SHORT: &[u64] = &[1, 2, 5, 10, 30];
    const LONG: &[u64] = &[1, 5, 20, 100, 300, 700, 2_000, 6_000];
    let now = run.now();
    let (choices, network) = (&mut run.choices, &mut run.network);
    network.faults = choices.one_of(&[0, 0, 10, 60]);
    network.crashes = choices.one_of(&[0, 0, 10, 40]);
    network.doubled = choices.one_of(&[0, 30, 150]);
    network.skewed = choices.one_of(&[0, 0, 400]);
    // Two clocks differ by an hour at most: decision 0091.
    network.skew = choices.one_of(&[(0, 60), (-60, 0), (-30, 30)]);
    network.refused_mails = choices.one_of(&[0, 100, 400]);
    network.lost_events = choices.one_of(&[0, 0, 100]);
    network.waits = choices.one_of(&[SHORT, LONG]);
    for _ in 0..choices.below(3) {
        let service =
            choices.one_of(&[Service::Mail, Service::Queue, Service::Table, Service::Bucket]);
        let fault = choices.one_of(&[CallFault::Refused, CallFault::Ignored, CallFault::Failed]);
        let from = now + choices.wait(&[0, 1_000, 10_000, 60_000, 600_000]);
        let to = from + choices.wait(&[10_000, 60_000, 600_000, 3_600_000, 25_200_000]);
        network.outages.push(Outage { service, from, to, fault });
    }
}

/// Lets doctors look at what they had and have, and get one more notification.
async fn probe(people: &People) {
    run::with(|run| run.probed_at = run.now());
    people.other_patient.create_record(&people.doctor, json!({})).await;
    let moved = run::with(|run| {
        let log = run.table.log.iter();
        let ended = log.filter(|change| {
            change.event() == "REMOVE" && table::text(change.old_image(), "entity") == "assignment"
        });
        let records = ended.map(|change| {
            let record = table::text(change.old_image(), "sk");
            record.trim_start_matches("RECORD#").to_owned()
        });
        records.collect::<std::collections::BTreeSet<String>>()
    });
    for record in moved {
        for doctor in [&people.doctor, &people.other_doctor] {
            doctor.send("GET", &format!("/api/records/doctor/{record}/"), None, &[]).await;
        }
    }
    for person in people.all() {
        person.send("GET", "/api/notifications/", None, &[]).await;
    }
}

/// Lets the reconciler repair what outages have left inconsistent, if there were any. It leaves the
/// last hour alone.
async fn reconcile(functions: &Functions) {
    wait(RECONCILED_AFTER).await;
    for _ in 0..2 {
        let deadline = Instant::now() + Duration::from_millis(SETTINGS.timeouts["reconciler"]);
        match invoke("reconciler", functions.reconciler.handle(deadline)).await {
            Ended::Done(Ok(report)) => {
                run::note(format!("reconciler: {report:?}"));
                if run::with(|run| run.is_calm)
                    && report != (RepairCounts { is_complete: true, ..RepairCounts::default() })
                {
                    let what = format!("nothing has failed, and the reconciler repairs {report:?}");
                    run::with(|run| run.violations.push(what));
                }
            }
            Ended::Done(Err(error)) => {
                run::with(|run| run.violations.push(format!("the reconciler fails: {error}")));
            }
            Ended::Crashed | Ended::TimedOut => {}
        }
    }
}

/// Ends all outages and faults, and waits until everything is delivered. Returns whether it was.
async fn settle() -> bool {
    let last = run::with(|run| {
        let ends = run.network.outages.iter().map(|outage| outage.to);
        ends.max().unwrap_or_default().saturating_sub(run.now())
    });
    wait(last).await;
    run::with(|run| {
        run.network.heal();
        if run.healed_at == 0 {
            run.healed_at = run.now();
        }
        run.note("all faults have ended");
    });
    let started = run::now();
    let mut idle = 0;
    while run::now() < started + LONGEST_END {
        wait(10_000).await;
        idle = if run::with(|run| run.is_idle()) { idle + 1 } else { 0 };
        if idle == 3 {
            return true;
        }
    }
    false
}

impl Run {
    /// Returns whether everything is delivered.
    fn is_idle(&self) -> bool {
        let changes = self.table.log.len();
        let sources = table::SHARDS * 2;
        self.under_way == 0
            && (changes == 0 || self.read.len() == sources)
            && self.read.values().all(|read| *read == changes)
            && self.buckets.events.is_empty()
            && self.mails.bounces.is_empty()
            && SETTINGS
                .queue_sources
                .iter()
                .all(|source| self.queues.get(&source.queue).messages.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_has_the_same_history() {
        for seed in 0..2 * SCENARIOS.len() as u64 {
            let (first, second) = (simulate(seed), simulate(seed));
            assert_eq!(first.history, second.history, "seed {seed}");
        }
    }
}
