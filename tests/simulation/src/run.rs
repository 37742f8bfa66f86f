//! The state of a run, which belongs to its thread: time, choices, history and the services.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use runtime::clock;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::buckets::Buckets;
use crate::choices::Choices;
use crate::clock::beginning;
use crate::exchange::Exchange;
use crate::faults::Network;
use crate::mails::Mails;
use crate::queues::SimulatedQueues;
use crate::table::SimulatedTable;

thread_local! {
    static RUN: RefCell<Option<Run>> = const { RefCell::new(None) };
}

tokio::task_local! {
    /// The sandbox in which the current task runs.
    pub static SANDBOX: Arc<Sandbox>;
}

/// A run.
pub struct Run {
    /// Decide everything.
    pub choices: Choices,
    /// What has happened, a line each.
    pub history: Vec<String>,
    /// What must never happen and has, seen while it happened.
    pub violations: Vec<String>,
    /// The table with its stream.
    pub table: SimulatedTable,
    /// The queues.
    pub queues: SimulatedQueues,
    /// The buckets.
    pub buckets: Buckets,
    /// SES.
    pub mails: Mails,
    /// What goes wrong on the way to them.
    pub network: Network,
    /// How many invocations and deliveries are under way.
    pub under_way: u32,
    /// Random bits of ids; no choices, because no behaviour depends on them.
    ids: fastrand::Rng,
    started: Instant,
    sandboxes: u32,
    /// Sandboxes that wait for an invocation, by function.
    pub(crate) idle: BTreeMap<&'static str, Vec<Arc<Sandbox>>>,
    /// How far the stream is read, by function and shard.
    pub(crate) read: BTreeMap<(&'static str, usize), usize>,
    /// Items of changes that were given up.
    pub given_up: Vec<String>,
    /// When all faults had ended.
    pub healed_at: u64,
    /// Ids of items that cannot be read.
    pub poison: Vec<String>,
    /// Whether nothing goes wrong that would leave something for the reconciler.
    pub is_calm: bool,
    /// Whether a sandbox has ended in the middle of an invocation.
    pub has_interruptions: bool,
    /// Updates whose response was lost.
    pub(crate) lost_updates: BTreeSet<Vec<u8>>,
    /// Whether the clock of a sandbox is or was wrong.
    pub has_wrong_clocks: bool,
    /// When people looked at what is left.
    pub probed_at: u64,
    /// All requests of people.
    pub exchanges: Vec<Exchange>,
}

/// The environment of a function: one process with its clock.
#[derive(Debug)]
pub struct Sandbox {
    /// Its name in the history.
    pub name: String,
    /// How far its clock is ahead, in ms, and until when.
    skew: (i64, u64),
    /// The time of its last id, and a counter.
    last_id: Mutex<(u64, u16)>,
    /// The item of the mail that it has claimed last.
    pub claimed: Mutex<Option<String>>,
    /// When it began with its last mail, and whether the next read begins another.
    pub mail_began: Mutex<(u64, bool)>,
    /// Ends the invocation.
    pub killed: Notify,
}

impl Sandbox {
    /// Returns the time of its clock in ms since the beginning.
    fn now(&self, now: u64) -> i64 {
        let (ahead, until) = self.skew;
        now.cast_signed() + if now < until { ahead } else { 0 }
    }
}

/// Begins a run on this thread. Within a runtime whose time is paused.
pub fn begin(choices: Choices, seed: u64) {
    clock::set_source(clock::Source { now: source_now, new_id: source_id });
    fastrand::seed(seed);
    let run = Run {
        choices,
        history: Vec::new(),
        violations: Vec::new(),
        table: SimulatedTable::new(),
        queues: SimulatedQueues::default(),
        buckets: Buckets::default(),
        mails: Mails::default(),
        network: Network::default(),
        under_way: 0,
        ids: fastrand::Rng::with_seed(seed),
        started: Instant::now(),
        sandboxes: 0,
        idle: BTreeMap::new(),
        read: BTreeMap::new(),
        given_up: Vec::new(),
        healed_at: 0,
        poison: Vec::new(),
        is_calm: false,
        has_interruptions: false,
        lost_updates: BTreeSet::new(),
        has_wrong_clocks: false,
        probed_at: u64::MAX,
        exchanges: Vec::new(),
    };
    RUN.with(|cell| *cell.borrow_mut() = Some(run));
}

/// Ends the run and returns it.
pub fn end() -> Run {
    RUN.with(|cell| cell.borrow_mut().take()).expect("a run has begun on this thread")
}

/// Gives access to the run of this thread.
pub fn with<T>(what: impl FnOnce(&mut Run) -> T) -> T {
    RUN.with(|cell| what(cell.borrow_mut().as_mut().expect("a run has begun on this thread")))
}

/// Returns the true time in ms since the beginning.
pub fn now() -> u64 {
    with(|run| run.now())
}

/// Adds a line to the history.
pub fn note(what: impl AsRef<str>) {
    with(|run| run.note(what.as_ref()));
}

/// Returns the time of the current sandbox, in ms since the beginning.
fn local_now() -> Option<i64> {
    let now = RUN.with(|cell| cell.borrow().as_ref().map(Run::now))?;
    Some(SANDBOX.try_with(|sandbox| sandbox.now(now)).unwrap_or(now.cast_signed()))
}

fn source_now() -> Option<Timestamp> {
    local_now().map(|ms| beginning() + SignedDuration::from_millis(ms))
}

/// Makes ids as the `uuid` crate does: within a millisecond they count up, and they never go back
/// in a process.
fn source_id() -> Option<Uuid> {
    let now = beginning().as_millisecond() + local_now()?;
    let random = with(|run| run.ids.u64(..)).to_be_bytes();
    let ms = u64::try_from(now).ok()?;
    let (ms, counter) = SANDBOX
        .try_with(|sandbox| {
            let mut last = sandbox.last_id.lock().expect("not poisoned");
            *last = if ms > last.0 { (ms, 0) } else { (last.0, last.1 + 1) };
            *last
        })
        .unwrap_or((ms, 0));
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&counter.to_be_bytes());
    bytes[2..].copy_from_slice(&random);
    Some(uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid())
}

impl Run {
    /// Returns the true time in ms since the beginning.
    pub fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Lets nothing go wrong any more, so that nothing may be left for the reconciler.
    pub fn let_nothing_fail(&mut self) {
        self.network.heal();
        self.is_calm = true;
    }

    /// Adds a line to the history.
    pub fn note(&mut self, what: &str) {
        let ms = self.now();
        let (seconds, ms) = (ms / 1000, ms % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.history.push(format!("{hours:02}:{minutes:02}:{seconds:02}.{ms:03} {what}"));
    }

    /// Starts a sandbox with a clock of its own.
    pub fn start_sandbox(&mut self, function: &str) -> Arc<Sandbox> {
        self.sandboxes += 1;
        let skew = self.network.draw_skew(&mut self.choices);
        let name = format!("{function}-{}", self.sandboxes);
        if skew.0 != 0 {
            self.has_wrong_clocks = true;
            let (minutes, until) = (skew.0 / 60_000, skew.1 / 60_000);
            self.note(&format!("{name} starts, its clock {minutes:+} min until minute {until}"));
        }
        Arc::new(Sandbox {
            name,
            skew,
            last_id: Mutex::default(),
            claimed: Mutex::default(),
            mail_began: Mutex::new((0, true)),
            killed: Notify::new(),
        })
    }
}
