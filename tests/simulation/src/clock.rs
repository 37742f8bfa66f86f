//! The time of a run, in ms since its beginning.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// When every run begins.
const BEGINNING: &str = "2026-03-01T12:00:00Z";

/// Returns when every run begins.
pub fn beginning() -> Timestamp {
    BEGINNING.parse().expect("a time")
}

/// Returns the true time as a timestamp.
pub fn timestamp(ms: u64) -> Timestamp {
    beginning() + SignedDuration::from_millis(ms.cast_signed())
}

/// Waits for a time in ms.
pub async fn wait(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
