//! How often something may be tried, and how much of something may be had.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::field::string_enum;

string_enum! {
    /// What is counted.
    LimitedAction {
        /// Proofs by a password.
        Login = "login",
        /// Proofs by a code or a recovery code.
        SecondFactor = "second_factor",
        /// Registrations.
        Register = "register",
        /// Requests of a mail that sets a new password.
        PasswordReset = "password_reset",
        /// Requests of another mail that confirms the address.
        Resend = "resend",
        /// Tokens from mails.
        MailToken = "mail_token",
        /// Refresh tokens.
        Refresh = "refresh",
        /// Records and files of a patient.
        Records = "records",
        /// Mails to an address.
        Mails = "mails",
    }
}

/// Where requests come from, as coarse as one party usually holds addresses: /24 of IPv4, /64 of
/// IPv6.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientNetwork(String);

impl ClientNetwork {
    /// The network of an address. What is no address is one network.
    pub fn of(address: &str) -> Self {
        Self(match address.trim().parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            Err(_) => "unknown".to_owned(),
        })
    }

    /// The network as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many failures in [`FAILURE_WINDOW`] are free.
pub const FREE_FAILURES: u32 = 5;

/// How long failures are remembered.
pub const FAILURE_WINDOW: SignedDuration = SignedDuration::from_mins(15);

/// The wait after the first failure that is not free.
const INITIAL_LOCKOUT: SignedDuration = SignedDuration::from_secs(1);

/// The longest wait after a failure.
const MAX_LOCKOUT: SignedDuration = SignedDuration::from_mins(15);

/// A refused proof of identity is answered no sooner than this after its request came, whatever was
/// refused and why: longer than the work behind it takes, so that the time tells nothing.
pub const MIN_REFUSAL_DURATION: SignedDuration = SignedDuration::from_millis(500);

/// Not before then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("locked until {until}")]
pub struct Lockout {
    /// When the next attempt is allowed.
    pub until: Timestamp,
}

impl Lockout {
    /// In how many whole seconds, at least one.
    pub fn retry_after_seconds(self, now: Timestamp) -> i64 {
        let milliseconds = self.until.as_millisecond().saturating_sub(now.as_millisecond());
        milliseconds.saturating_add(999).div_euclid(1000).max(1)
    }
}

/// The attempts at one account from one network. An attempt counts as failed from its beginning, so
/// that attempts at the same moment cannot be more than are free, and all are forgotten once one
/// has succeeded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FailureCount {
    /// How many have failed.
    pub failures: u32,
    /// No attempt is allowed before.
    pub locked_until: Timestamp,
    /// When they are forgotten: seconds since 1970, the table's time to live.
    pub ttl: i64,
}

impl FailureCount {
    /// The attempts with one more, that begins now. From the failure on that uses up the `free`
    /// ones every failure locks: for a second, then twice as long each time, up to 15 minutes.
    ///
    /// # Errors
    /// [`Lockout`] when it is not allowed yet.
    pub fn next(before: Option<&Self>, free: u32, now: Timestamp) -> Result<Self, Lockout> {
        // The table deletes late; the clock decides.
        let before = before.filter(|before| before.ttl > now.as_second());
        if let Some(until) = before.map(|before| before.locked_until).filter(|until| *until > now) {
            return Err(Lockout { until });
        }
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let locked_until = match failures.checked_sub(free) {
            // Not from now on: the clock of whoever comes next may be a little behind.
            None => Timestamp::UNIX_EPOCH,
            Some(doublings) => {
                let pause =
                    SignedDuration::from_secs(INITIAL_LOCKOUT.as_secs() << doublings.min(20))
                        .min(MAX_LOCKOUT);
                now.saturating_add(pause).unwrap_or(now)
            }
        };
        let forgotten = locked_until.max(now).saturating_add(FAILURE_WINDOW).unwrap_or(now);
        Ok(Self { failures, locked_until, ttl: forgotten.as_second().saturating_add(1) })
    }

    /// Whether the last free attempt has begun so recently that it cannot have been refused yet: it
    /// may succeed, and all be forgotten. Who is locked out meanwhile came at the same moment, and
    /// does well to wait for that.
    pub fn last_free_attempt_is_pending(&self, free: u32, now: Timestamp) -> bool {
        let begun = self.locked_until.saturating_sub(INITIAL_LOCKOUT).unwrap_or(self.locked_until);
        self.failures == free && now.duration_since(begun) < MIN_REFUSAL_DURATION
    }
}

/// What is tolerated in a [`FAILURE_WINDOW`] beyond the attempts at one account from one network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureLimits {
    /// So many failures of a network at all accounts together; then it has to wait for the next
    /// window.
    pub network: u64,
    /// So many failures at an account from all networks together; then each network has a single
    /// free one, so that the attack is slow and the owner is never locked out.
    pub account: u64,
}

impl FailureLimits {
    /// How many failures of a network are free at an account that has so many from everywhere.
    pub fn free_failures(self, account_failures: u64) -> u32 {
        if account_failures < self.account { FREE_FAILURES } else { 1 }
    }
}

/// A span of time, one after the other since 1970, in which something is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedWindow {
    /// Its number.
    pub number: i64,
    /// When the next one begins.
    pub end: Timestamp,
}

impl FixedWindow {
    /// The present one of those in which failures are counted.
    pub fn for_failures(now: Timestamp) -> Self {
        Self::at(now, FAILURE_WINDOW)
    }

    /// The present day, in UTC.
    pub fn for_day(now: Timestamp) -> Self {
        Self::at(now, SignedDuration::from_hours(24))
    }

    fn at(now: Timestamp, length: SignedDuration) -> Self {
        let seconds = length.as_secs().max(1);
        let number = now.as_second().div_euclid(seconds);
        let end =
            Timestamp::from_second((number + 1).saturating_mul(seconds)).unwrap_or(Timestamp::MAX);
        Self { number, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
    }

    #[test]
    fn neighbours_are_one_network() {
        let is = |address: &str, network: &str| {
            assert_eq!(ClientNetwork::of(address).as_str(), network, "{address}")
        };
        is("203.0.113.7", "203.0.113.0/24");
        is("203.0.113.255", "203.0.113.0/24");
        is("203.0.114.7", "203.0.114.0/24");
        is("::ffff:203.0.113.7", "203.0.113.0/24");
        is("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        is("2001:db8:1:2:ffff::", "2001:db8:1:2::/64");
        is("2001:db8:1:3::", "2001:db8:1:3::/64");
        is("", "unknown");
        is("203.0.113.7, 198.51.100.1", "unknown");
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles() {
        let (mut attempts, mut now) = (None, at(0));
        let mut pauses = Vec::new();
        for _ in 0..18 {
            let next = FailureCount::next(attempts.as_ref(), FREE_FAILURES, now).unwrap();
            let pause = next.locked_until.duration_since(now).as_secs().max(0);
            if pause > 0 {
                let early = next.locked_until - SignedDuration::from_millis(1);
                let locked = FailureCount::next(Some(&next), FREE_FAILURES, early).unwrap_err();
                assert_eq!(locked, Lockout { until: next.locked_until });
                assert_eq!(locked.retry_after_seconds(early), 1);
                assert_eq!(locked.retry_after_seconds(now), pause);
            }
            now = now.max(next.locked_until);
            pauses.push(pause);
            attempts = Some(next);
        }
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn the_last_free_attempt_may_succeed_until_it_is_refused() {
        let mut attempts = None;
        for failures in 1..=FREE_FAILURES + 1 {
            let begun = at(2000 * i64::from(failures));
            let next = FailureCount::next(attempts.as_ref(), FREE_FAILURES, begun).unwrap();
            let last_free = failures == FREE_FAILURES;
            let waits = |after: SignedDuration| {
                next.last_free_attempt_is_pending(FREE_FAILURES, begun + after)
            };
            assert_eq!(
                (
                    waits(SignedDuration::ZERO),
                    waits(MIN_REFUSAL_DURATION - SignedDuration::from_millis(1))
                ),
                (last_free, last_free),
                "{failures}"
            );
            assert!(!waits(MIN_REFUSAL_DURATION) && !waits(SignedDuration::from_secs(60)));
            attempts = Some(next);
        }
    }

    #[test]
    fn failures_are_forgotten() {
        let mut attempts = None;
        for _ in 0..4 {
            attempts = Some(FailureCount::next(attempts.as_ref(), FREE_FAILURES, at(0)).unwrap());
            assert!(
                FailureCount::next(attempts.as_ref(), FREE_FAILURES, at(-20)).is_ok(),
                "free, for a clock that is behind, too"
            );
        }
        let failures =
            |now| FailureCount::next(attempts.as_ref(), FREE_FAILURES, now).unwrap().failures;
        assert_eq!(failures(at(899_000)), 5);
        assert_eq!(failures(at(901_000)), 1, "though the item may still be there");
    }

    #[test]
    fn an_account_under_attack_has_one_free_failure_for_each_network() {
        let tolerance = FailureLimits { network: 100, account: 100 };
        assert_eq!((tolerance.free_failures(99), tolerance.free_failures(100)), (5, 1));
        let first = FailureCount::next(None, tolerance.free_failures(100), at(0)).unwrap();
        assert_eq!(first.locked_until, at(1000));
    }

    #[test]
    fn windows_follow_each_other() {
        let window = FixedWindow::for_failures(at(0));
        assert!(window.end > at(0) && window.end.duration_since(at(0)) <= FAILURE_WINDOW);
        let next = FixedWindow::for_failures(window.end);
        assert_eq!((next.number, next.end), (window.number + 1, window.end + FAILURE_WINDOW));
        let day = FixedWindow::for_day("2026-03-01T23:59:59.999Z".parse().unwrap());
        assert_eq!(day.end, "2026-03-02T00:00:00Z".parse().unwrap());
    }
}
