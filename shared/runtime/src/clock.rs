//! The one place that reads the clock and makes ids.

use jiff::{Timestamp, Unit};
use uuid::Uuid;

/// The present, in whole milliseconds: the precision of stored and answered times.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    // Rounding fails only at the ends of jiff's calendar, in the year 9999.
    now.round(jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Trunc)).unwrap_or(now)
}

/// A new id: UUID version 7 (RFC 9562), greater than every id this process has made before.
pub fn new_id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

#[cfg(test)]
mod tests {
    use domain::id::RecordId;

    use super::*;

    #[test]
    fn times_are_whole_milliseconds() {
        assert_eq!(now().subsec_nanosecond() % 1_000_000, 0);
    }

    #[test]
    fn ids_grow() {
        let ids: Vec<RecordId> = (0..10_000).map(|_| new_id()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn ids_say_when_they_were_made() {
        let before = now();
        let id: RecordId = new_id();
        assert!(before <= id.created_at() && id.created_at() <= now());
    }
}
