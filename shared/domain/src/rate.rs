//! Rate limiting: failed sign-ins with exponential lockout, and daily quotas.

use std::collections::BTreeMap;
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
        /// Requests for a mail with a link that makes a device known.
        SignInLink = "sign_in_link",
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

/// Maximum of notification mails per day to an unconfirmed address: it may be somebody else's.
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

/// The longest lockout.
pub const MAX_LOCKOUT: SignedDuration = SignedDuration::from_mins(15);

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
/// so that concurrent attempts cannot exceed the limit. A success forgets them.
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

/// Number of failed codes in a row, from all networks together, after which the user gets a mail.
pub const CODE_FAILURES_BEFORE_MAIL: u64 = 5;

/// Number of failed codes in a row, from all networks together, after which codes are not checked
/// any more. Three of a million codes are right at any time.
pub const MAX_CODE_FAILURES: u64 = 20;

/// How long failures in a row are remembered after the last one.
const FAILURES_REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The greatest number of networks whose failures at one account are remembered.
const MAX_NETWORKS: usize = 100;

/// The failed attempts at one account from unknown devices.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountFailures {
    /// The failures since the last success, from all networks.
    pub in_a_row: u64,
    /// The failures of the last minutes by network.
    pub networks: BTreeMap<String, FailureCount>,
    /// When the failures are forgotten, in seconds since 1970; the table's TTL attribute.
    pub ttl: i64,
}

/// Why an attempt is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptRefusal {
    /// The account is locked for the network.
    Locked(Lockout),
    /// Too many attempts in a row have failed.
    TooManyInARow,
}

impl AccountFailures {
    /// Returns the failures with an attempt that starts now, at an account that allows `most` in a
    /// row and `free` from one network.
    ///
    /// # Errors
    /// [`AttemptRefusal`] when no attempt is allowed.
    pub fn next(
        before: Option<&Self>,
        network: &ClientNetwork,
        free: u32,
        most: u64,
        now: Timestamp,
    ) -> Result<Self, AttemptRefusal> {
        // DynamoDB deletes expired items late.
        let before = before.filter(|before| before.ttl > now.as_second());
        let in_a_row = before.map_or(0, |before| before.in_a_row);
        if in_a_row >= most {
            return Err(AttemptRefusal::TooManyInARow);
        }
        let mut networks = before.map(|before| before.networks.clone()).unwrap_or_default();
        networks.retain(|_, count| count.ttl > now.as_second());
        let count = FailureCount::next(networks.get(network.as_str()), free, now)
            .map_err(AttemptRefusal::Locked)?;
        networks.insert(network.as_str().to_owned(), count);
        while networks.len() > MAX_NETWORKS {
            let others = networks.iter().filter(|(name, _)| *name != network.as_str());
            let oldest = others.min_by_key(|(_, count)| count.ttl).map(|(name, _)| name.clone());
            oldest.and_then(|oldest| networks.remove(&oldest));
        }
        let ttl = now.saturating_add(FAILURES_REMEMBERED).unwrap_or(now).as_second();
        Ok(Self { in_a_row: in_a_row + 1, networks, ttl })
    }

    /// Returns whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.in_a_row == 0 && self.networks.is_empty()
    }
}

/// Minimum interval between two password-reset or sign-in-link mails to an address: a request in
/// between sends none, because the token of the previous mail is still valid.
pub const TOKEN_MAIL_INTERVAL: SignedDuration = SignedDuration::from_mins(5);

/// Limits within a [`FAILURE_WINDOW`], in addition to those of one account from one network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailureLimits {
    /// Failures of one network at all accounts together. At the limit, the network is refused until
    /// the next window; a shared network has one free failure at each account instead.
    pub network: u64,
    /// Failures in a row at one account from all networks together. At the limit, nothing is
    /// checked any more until the owner has followed a mailed link. Known devices are exempt.
    pub in_a_row: u64,
    /// Whether the network is shared by an organization: one machine must not lock out all others.
    pub is_shared: bool,
}

impl FailureLimits {
    /// Returns how many failures the network has before a lockout at an account, with its failures
    /// at all accounts.
    pub fn free_failures(self, network_failures: u64) -> u32 {
        if network_failures < self.network { FREE_FAILURES } else { 1 }
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
    fn an_account_has_so_many_failures_in_a_row_whatever_the_networks() {
        let next = |before: Option<&AccountFailures>, number: usize, now| {
            let network = ClientNetwork::of(&format!("203.0.{number}.7"));
            AccountFailures::next(before, &network, FREE_FAILURES, 120, now)
        };
        let mut failures = None;
        for number in 0..120 {
            failures = Some(next(failures.as_ref(), number, at(0)).unwrap());
        }
        let failures = failures.unwrap();
        assert_eq!((failures.in_a_row, failures.networks.len()), (120, MAX_NETWORKS));
        assert_eq!(next(Some(&failures), 200, at(0)), Err(AttemptRefusal::TooManyInARow));
        let day = 24 * 3_600_000;
        assert_eq!(next(Some(&failures), 200, at(29 * day)), Err(AttemptRefusal::TooManyInARow));
        let forgotten = next(Some(&failures), 200, at(30 * day)).unwrap();
        assert_eq!((forgotten.in_a_row, forgotten.networks.len()), (1, 1));
    }

    #[test]
    fn a_network_is_locked_at_an_account_and_others_are_not() {
        let [here, elsewhere] = ["203.0.113.7", "198.51.100.7"].map(ClientNetwork::of);
        let next = |before: Option<&AccountFailures>, network| {
            AccountFailures::next(before, network, 1, 100, at(0))
        };
        let failures = next(None, &here).unwrap();
        let locked = Lockout { until: at(1000) };
        assert_eq!(next(Some(&failures), &here), Err(AttemptRefusal::Locked(locked)));
        assert_eq!(next(Some(&failures), &elsewhere).unwrap().in_a_row, 2);
    }

    #[test]
    fn a_shared_network_at_its_limit_has_one_free_failure_at_each_account() {
        let own = FailureLimits { network: 100, in_a_row: 100, is_shared: false };
        let shared = FailureLimits { is_shared: true, ..own };
        assert!(!own.refuses_network(99) && own.refuses_network(100));
        assert!(!shared.refuses_network(100));
        assert_eq!((shared.free_failures(99), shared.free_failures(100)), (5, 1));
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
