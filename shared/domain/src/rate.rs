//! Rate limiting: failed sign-ins with exponential lockout, and daily quotas.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::field::string_enum;

string_enum! {
    /// An action that is rate-limited.
    LimitedAction {
        /// Sign-ins and other checks of a password.
        Login = "login",
        /// Checks of a TOTP code or a recovery code.
        SecondFactor = "second_factor",
        /// Registrations.
        Register = "register",
        /// Requests for a password-reset mail.
        PasswordReset = "password_reset",
        /// Uses of a token from a mail.
        MailToken = "mail_token",
        /// Uses of a refresh token.
        Refresh = "refresh",
        /// Records and files that a patient creates.
        Records = "records",
        /// Mails to one address.
        Mails = "mails",
        /// Mails about notifications to a user whose address is not confirmed.
        UnconfirmedMails = "unconfirmed_mails",
    }
}

/// How many mails about notifications a user gets per day whose address is not confirmed: it may be
/// somebody else's.
pub const MAX_UNCONFIRMED_MAILS: u64 = 5;

/// The network of a client: the /24 of an IPv4 address or the /64 of an IPv6 address, which usually
/// belong to one party.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientNetwork(String);

impl ClientNetwork {
    /// Returns the network of an IP address. Everything that does not parse is the network
    /// `unknown`.
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

    /// Returns the network in CIDR notation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Number of failures within [`FAILURE_WINDOW`] before the first lockout.
pub const FREE_FAILURES: u32 = 5;

/// Period for which failures are counted.
pub const FAILURE_WINDOW: SignedDuration = SignedDuration::from_mins(15);

const INITIAL_LOCKOUT: SignedDuration = SignedDuration::from_secs(1);

const MAX_LOCKOUT: SignedDuration = SignedDuration::from_mins(15);

/// Minimum time from a request to the response that refuses its credentials. Longer than any of the
/// checks takes, so that the response time does not reveal which one failed.
pub const MIN_REFUSAL_DURATION: SignedDuration = SignedDuration::from_millis(500);

/// The action is refused until a point in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("locked until {until}")]
pub struct Lockout {
    /// When the action is allowed again.
    pub until: Timestamp,
}

impl Lockout {
    /// Returns the remaining time in whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(self, now: Timestamp) -> i64 {
        let milliseconds = self.until.as_millisecond().saturating_sub(now.as_millisecond());
        milliseconds.saturating_add(999).div_euclid(1000).max(1)
    }
}

/// The failed attempts at one account from one network. An attempt counts as failed from its start,
/// so that concurrent attempts cannot exceed the limit. A success deletes the count.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FailureCount {
    /// Number of failures.
    pub failures: u32,
    /// Attempts are refused before this time.
    pub locked_until: Timestamp,
    /// When the count expires, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

impl FailureCount {
    /// Returns the count with an attempt that starts now. The attempt number `free` and each one
    /// after it lock the account for this network: for one second, then twice as long each time,
    /// up to 15 minutes.
    ///
    /// # Errors
    /// [`Lockout`] when no attempt is allowed yet.
    pub fn next(before: Option<&Self>, free: u32, now: Timestamp) -> Result<Self, Lockout> {
        // DynamoDB deletes expired items late.
        let before = before.filter(|before| before.ttl > now.as_second());
        if let Some(until) = before.map(|before| before.locked_until).filter(|until| *until > now) {
            return Err(Lockout { until });
        }
        let failures = before.map_or(0, |before| before.failures).saturating_add(1);
        let locked_until = match failures.checked_sub(free) {
            // Not `now`: the clock of the next sandbox may be slightly behind.
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

    /// Returns whether the last free attempt started less than [`MIN_REFUSAL_DURATION`] ago and so
    /// cannot have been refused yet. If it succeeds, the count is deleted; a concurrent attempt
    /// should therefore wait for it instead of being locked out.
    pub fn last_free_attempt_is_pending(&self, free: u32, now: Timestamp) -> bool {
        let begun = self.locked_until.saturating_sub(INITIAL_LOCKOUT).unwrap_or(self.locked_until);
        self.failures == free && now.duration_since(begun) < MIN_REFUSAL_DURATION
    }
}

/// How far apart two mails that set the password of one address are: a request in between sends
/// none, because the token of the mail before is still valid.
pub const PASSWORD_RESET_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// Limits within a [`FAILURE_WINDOW`], in addition to those of one account from one network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureLimits {
    /// Failures of one network at all accounts together. At the limit, the network is refused until
    /// the next window; one that is shared has one free failure at each account instead.
    pub network: u64,
    /// Failures at one account from all networks together. At the limit, each network has one free
    /// failure: this slows an attack down without locking the owner out.
    pub account: u64,
    /// Whether the network is that of an organization, where one machine must not lock out all.
    pub is_shared: bool,
}

impl FailureLimits {
    /// Returns how many failures the network has before a lockout at an account, with the failures
    /// of the network at all accounts, and of the account from all networks.
    pub fn free_failures(self, network_failures: u64, account_failures: u64) -> u32 {
        let few = network_failures < self.network && account_failures < self.account;
        if few { FREE_FAILURES } else { 1 }
    }

    /// Returns whether a network with so many failures is refused.
    pub fn refuses_network(self, network_failures: u64) -> bool {
        !self.is_shared && network_failures >= self.network
    }
}

/// A window of a fixed-window counter. Windows are consecutive and numbered since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedWindow {
    /// Its number since 1970.
    pub number: i64,
    /// When the next window starts.
    pub end: Timestamp,
}

impl FixedWindow {
    /// Returns the current window for counting failures, of length [`FAILURE_WINDOW`].
    pub fn for_failures(now: Timestamp) -> Self {
        Self::at(now, FAILURE_WINDOW)
    }

    /// Returns the current day in UTC.
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
    fn addresses_of_one_subnet_are_one_network() {
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
    fn lockouts_start_at_the_fifth_failure_and_double() {
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
    fn the_last_free_attempt_is_pending_until_it_can_have_been_refused() {
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
    fn failures_expire_after_the_window() {
        let mut attempts = None;
        for _ in 0..4 {
            attempts = Some(FailureCount::next(attempts.as_ref(), FREE_FAILURES, at(0)).unwrap());
            assert!(
                FailureCount::next(attempts.as_ref(), FREE_FAILURES, at(-20)).is_ok(),
                "a clock that is behind must not cause a lockout"
            );
        }
        let failures =
            |now| FailureCount::next(attempts.as_ref(), FREE_FAILURES, now).unwrap().failures;
        assert_eq!(failures(at(899_000)), 5);
        assert_eq!(failures(at(901_000)), 1, "expired items count no longer, deleted or not");
    }

    #[test]
    fn an_account_under_attack_has_one_free_failure_for_each_network() {
        let limits = FailureLimits { network: 100, account: 100, is_shared: false };
        assert_eq!((limits.free_failures(0, 99), limits.free_failures(0, 100)), (5, 1));
        let first = FailureCount::next(None, limits.free_failures(0, 100), at(0)).unwrap();
        assert_eq!(first.locked_until, at(1000));
    }

    #[test]
    fn a_shared_network_at_its_limit_has_one_free_failure_at_each_account() {
        let own = FailureLimits { network: 100, account: 100, is_shared: false };
        let shared = FailureLimits { is_shared: true, ..own };
        assert!(!own.refuses_network(99) && own.refuses_network(100));
        assert!(!shared.refuses_network(100));
        assert_eq!((shared.free_failures(99, 0), shared.free_failures(100, 0)), (5, 1));
    }

    #[test]
    fn windows_are_consecutive() {
        let window = FixedWindow::for_failures(at(0));
        assert!(window.end > at(0) && window.end.duration_since(at(0)) <= FAILURE_WINDOW);
        let next = FixedWindow::for_failures(window.end);
        assert_eq!((next.number, next.end), (window.number + 1, window.end + FAILURE_WINDOW));
        let day = FixedWindow::for_day("2026-03-01T23:59:59.999Z".parse().unwrap());
        assert_eq!(day.end, "2026-03-02T00:00:00Z".parse().unwrap());
    }
}
