//! The current time and new ids. No other code reads the clock.

use std::sync::OnceLock;

use crypto::random;
use jiff::{Timestamp, Unit};
use uuid::Uuid;

/// Where time and ids come from instead of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Returns the time; `None` for that of this machine.
    pub now: fn() -> Option<Timestamp>,
    /// Returns a new UUID of version 7; `None` for one of this machine.
    pub new_id: fn() -> Option<Uuid>,
}

/// Set by the simulation only (`tests/simulation`).
static SOURCE: OnceLock<Source> = OnceLock::new();

/// Replaces the clock of this process; the first call counts.
pub fn set_source(source: Source) {
    SOURCE.get_or_init(|| source);
}

/// Returns the current time in whole milliseconds, the precision of stored times and responses.
pub fn now() -> Timestamp {
    let now = SOURCE.get().and_then(|source| (source.now)()).unwrap_or_else(Timestamp::now);
    // Rounding fails only at the ends of jiff's calendar, in the year 9999.
    now.round(jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Trunc))
        .unwrap_or(now)
}

/// Creates an id: a UUID version 7 (RFC 9562), greater than all that this process has created.
pub fn new_id<T: From<Uuid>>() -> T {
    SOURCE.get().and_then(|source| (source.new_id)()).unwrap_or_else(Uuid::now_v7).into()
}

/// Creates an id that is also greater than `other`, created at `made_at` by another process whose
/// clock may be ahead of ours.
pub fn new_id_above<T: From<Uuid> + Ord>(other: T, made_at: Timestamp) -> T {
    let id = new_id();
    if id > other {
        return id;
    }
    let millisecond = made_at.as_millisecond().max(0).cast_unsigned() + 1;
    uuid::Builder::from_unix_timestamp_millis(millisecond, &random()).into_uuid().into()
}

#[cfg(test)]
mod tests {
    use domain::id::{RecordId, SessionId};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn times_are_whole_milliseconds() {
        assert_eq!(now().subsec_nanosecond() % 1_000_000, 0);
    }

    #[test]
    fn each_id_is_greater_than_the_one_before() {
        let ids: Vec<RecordId> = (0..10_000).map(|_| new_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn an_id_can_be_greater_than_one_of_another_process() {
        for ahead in [-1_000, 0, 1, 60_000] {
            let other = SessionId::last_at(now() + SignedDuration::from_millis(ahead));
            let id = new_id_above(other, other.created_at());
            assert!(id > other, "{ahead} ms");
            assert!(
                id.created_at() <= now().max(other.created_at() + SignedDuration::from_millis(1)),
                "and not further ahead"
            );
            assert_ne!(id, new_id_above(other, other.created_at()));
        }
    }

    #[test]
    fn an_id_contains_its_time_of_creation() {
        let before = now();
        let id: RecordId = new_id();
        assert!(before <= id.created_at() && id.created_at() <= now());
    }
}
