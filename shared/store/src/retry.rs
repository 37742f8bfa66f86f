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

/// How often something is tried in all, and how long apart.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    max_tries: u32,
    /// The bounds of a random pause before the second try, in ms.
    pause: (u64, u64),
    /// Whether the upper bound doubles from try to try.
    doubles: bool,
}

/// A write meets a transaction on the same item, which takes a few milliseconds.
pub const WRITE_CONFLICT: RetryPolicy =
    RetryPolicy { max_tries: 3, pause: (20, 100), doubles: false };

/// A batch leaves keys or items unprocessed.
pub const UNPROCESSED_BATCH: RetryPolicy =
    RetryPolicy { max_tries: 5, pause: (5, 25), doubles: true };

/// An item has changed since it was read: read it again and decide again.
pub const CHANGED_SINCE_READ: RetryPolicy = RetryPolicy::without_pause(4);

/// Some of what a transaction counts has been counted meanwhile.
pub const COUNTER_CONFLICT: RetryPolicy = RetryPolicy::without_pause(3);

/// Other sign-ins at the same account from the same network are counted first.
pub const SIGN_IN_COUNT: RetryPolicy = RetryPolicy::without_pause(20);

/// Another archivist has extended the archive first. The pause lets it mark its events: those who
/// come second would write the same marks again.
pub const ARCHIVE_RACE: RetryPolicy =
    RetryPolicy { max_tries: 20, pause: (50, 200), doubles: false };

/// Another request with the same refresh token was first: the second try finds its successor.
pub const TOKEN_ROTATION: RetryPolicy = RetryPolicy::without_pause(2);

/// An address was taken or given up while a registration looked.
pub const REGISTRATION: RetryPolicy = RetryPolicy::without_pause(2);

impl RetryPolicy {
    const fn without_pause(max_tries: u32) -> Self {
        Self { max_tries, pause: (0, 0), doubles: false }
    }

    /// Begins the first try.
    pub fn start(self) -> Retries {
        Retries { policy: self, tries: 1 }
    }
}

/// The tries of one operation.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    tries: u32,
}

impl Retries {
    /// Waits until the next try may begin; returns `false` at once when the last one was made.
    pub async fn next(&mut self) -> bool {
        let RetryPolicy { max_tries, pause: (least, most), doubles } = self.policy;
        if self.tries >= max_tries {
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
}
