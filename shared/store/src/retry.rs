//! Retry policies: how often something is tried in all, and how long apart. For everything but what
//! the SDK itself repeats.
//!
//! ```
//! # async fn changed() -> bool { false }
//! # async fn update() -> Result<(), &'static str> {
//! let mut retries = store::retry::CHANGED_SINCE_READ.start();
//! while changed().await {
//!     if !retries.next().await {
//!         return Err("changed again and again");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Not `backon`, and no function that takes a closure: the tries carry state from one to the next,
//! and rustc cannot show that the future of an async closure that borrows is `Send`.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

/// How often something is tried in all, and how long apart.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    max_tries: u32,
    /// The bounds of a random pause before the second try, in ms.
    pause: (u64, u64),
    /// Whether the upper bound doubles from try to try.
    doubles: bool,
    /// The time after which no other try begins.
    time: Duration,
}

/// A write meets a transaction on the same item, which takes a few milliseconds.
pub const WRITE_CONFLICT: RetryPolicy =
    RetryPolicy { pause: (20, 100), ..RetryPolicy::without_pause(3) };

/// A batch leaves keys or items unprocessed.
pub const UNPROCESSED_BATCH: RetryPolicy =
    RetryPolicy { pause: (5, 25), doubles: true, ..RetryPolicy::without_pause(5) };

/// An item has changed since it was read: read it again and decide again.
/// Where the table is slow, a request must not wait for all tries: its function has 10 s.
pub const CHANGED_SINCE_READ: RetryPolicy =
    RetryPolicy { time: Duration::from_secs(4), ..RetryPolicy::without_pause(4) };

/// Some of what a transaction counts has been counted meanwhile.
pub const COUNTER_CONFLICT: RetryPolicy = RetryPolicy::without_pause(3);

/// Other sign-ins at the same account from the same network are counted first.
pub const SIGN_IN_COUNT: RetryPolicy = RetryPolicy::without_pause(20);

/// Another archivist has extended the archive first. The pause lets it mark its events: the second
/// archivist would otherwise write the same marks again.
pub const ARCHIVE_RACE: RetryPolicy =
    RetryPolicy { pause: (50, 200), ..RetryPolicy::without_pause(20) };

/// Another request with the same refresh token was first: the second try finds its successor.
pub const TOKEN_ROTATION: RetryPolicy = RetryPolicy::without_pause(2);

/// An address was taken or given up while a registration looked.
pub const REGISTRATION: RetryPolicy = RetryPolicy::without_pause(2);

impl RetryPolicy {
    const fn without_pause(max_tries: u32) -> Self {
        Self { max_tries, pause: (0, 0), doubles: false, time: Duration::MAX }
    }

    /// Begins the first try.
    pub fn start(self) -> Retries {
        Retries { policy: self, tries: 1, started: Instant::now() }
    }
}

/// The tries of one operation.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    tries: u32,
    started: Instant,
}

impl Retries {
    /// Waits until the next try may begin; returns `false` at once when the last one was made, or
    /// the time is over.
    pub async fn next(&mut self) -> bool {
        let RetryPolicy { max_tries, pause: (least, most), doubles, time } = self.policy;
        if self.tries >= max_tries || self.started.elapsed() > time {
            return false;
        }
        if most > 0 {
            pause(least..most << if doubles { self.tries - 1 } else { 0 }).await;
        }
        self.tries += 1;
        true
    }
}

/// Waits for a random time within bounds in ms.
pub(crate) async fn pause(milliseconds: Range<u64>) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(milliseconds))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tries(policy: RetryPolicy) -> u32 {
        let mut retries = policy.start();
        while retries.next().await {}
        retries.tries
    }

    #[tokio::test]
    async fn a_policy_ends_after_its_tries() {
        assert_eq!(tries(WRITE_CONFLICT).await, 3);
        assert_eq!(tries(UNPROCESSED_BATCH).await, 5);
        assert_eq!(tries(TOKEN_ROTATION).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_when_the_time_is_over() {
        let mut retries = CHANGED_SINCE_READ.start();
        assert!(retries.next().await);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!retries.next().await);
    }
}
