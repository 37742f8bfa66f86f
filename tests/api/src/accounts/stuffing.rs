//! Tests of credential stuffing: thousands of attempts with leaked passwords.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::accounts::throttling::{told_by_login, when_allowed};
use crate::harness::{Host, PASSWORD, User};

const ACCOUNTS: usize = 100;
const GUESSES: usize = 100;
const ATTACKERS: usize = 12;
/// How many hashes are computed concurrently: other tests run, too.
const OWNERS: usize = 4;

/// How many attempts were let through, when the first was sent and when the last got its response.
type Seen = (u32, Instant, Instant);

/// 10,000 attempts at 100 accounts get the free failures of each and no more; a user with the
/// password gets in.
#[test]
fn stuffing_gets_the_free_guesses_and_no_more() {
    let owners: Vec<User> = in_parallel(OWNERS, ACCOUNTS, |_| User::new("patient"));
    // Ten networks with ten accounts each, and two of them at the first ten accounts at the same
    // time.
    let networks: Vec<Host> = (0..10).map(|_| Host::somewhere()).collect();
    let network_of =
        |account: usize, guess: usize| account / 10 + usize::from(account < 10 && guess % 2 == 1);
    // By account and network.
    let seen: Mutex<BTreeMap<(usize, usize), Seen>> = Mutex::default();
    let statuses: Vec<u16> = in_parallel(ATTACKERS, ACCOUNTS * GUESSES, |number| {
        // Four accounts at a time, so that the attack on each is short.
        let (account, guess) =
            (number / (4 * GUESSES) * 4 + number % 4, number % (4 * GUESSES) / 4);
        let network = network_of(account, guess);
        let began = Instant::now();
        let response =
            networks[network].login(&owners[account].email, &format!("stuffed password {guess}"));
        let mut seen = seen.lock().unwrap();
        let (tried, first, last) = seen.entry((account, network)).or_insert((0, began, began));
        *tried += u32::from(response.status != 429);
        (*first, *last) = ((*first).min(began), (*last).max(Instant::now()));
        response.status
    });
    assert_eq!(statuses.len(), 10_000);
    assert_eq!(
        statuses.iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([&401, &429]),
        "nobody gets in, nothing fails"
    );
    for ((account, network), (tried, first, last)) in seen.lock().unwrap().iter() {
        // After the free failures, one attempt each time the wait is over: 1 s, 2 s, 4 s ...
        let further = (1.0 + (*last - *first).as_secs_f64()).log2().floor() as u32;
        assert!(
            (5..=5 + further).contains(tried),
            "account {account} from {network}: {tried} guesses in {:?}",
            *last - *first
        );
    }
    // Nobody is locked out: from another network, all get in at once ...
    let elsewhere = in_parallel(OWNERS, ACCOUNTS, |account| {
        Host::somewhere().login(&owners[account].email, PASSWORD).status
    });
    assert!(elsewhere.iter().all(|status| *status == 200), "{elsewhere:?}");
    // ... and from the attackers' network after waiting as told.
    let owner = &owners[ACCOUNTS - 1].email;
    let theirs = &networks[9];
    let asked = Instant::now();
    let response = theirs.login(owner, PASSWORD);
    let wait = if response.status == 429 { told_by_login(&response) } else { 0 };
    when_allowed(|| theirs.login(owner, PASSWORD), wait, asked).ok(200);
}

/// Does the work for each number below `count`, so many concurrently and about in order; returns
/// the results in order.
pub(super) fn in_parallel<T: Send>(
    at_a_time: usize,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let result = work(number);
                    done.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}
