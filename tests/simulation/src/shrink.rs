//! Makes a failing run shorter: numbers of its choices become zero, the plain case, as long as it
//! still breaks a promise (as Hypothesis does, <https://doi.org/10.4230/LIPIcs.ECOOP.2020.13>).

use crate::choices::Choices;
use crate::{Outcome, simulate_with};

/// How many runs a failing one may cost.
const MOST_RUNS: usize = 600;

/// Returns the smallest failing run that was found. Promises are compared by name: another one that
/// breaks meanwhile does not count.
pub fn shrink(seed: u64, failing: Outcome) -> Outcome {
    let promise = |outcome: &Outcome| {
        outcome
            .violations
            .first()
            .map(|first| first.split(':').next().unwrap_or_default().to_owned())
    };
    let broken = promise(&failing);
    let mut best = failing;
    let mut runs = 0;
    let mut is_kept = |best: &mut Outcome, script: Vec<u32>| {
        runs += 1;
        let outcome = simulate_with(seed, Choices::of_script(script));
        let is_better = promise(&outcome) == broken;
        if is_better {
            *best = outcome;
        }
        (is_better, runs < MOST_RUNS)
    };
    // The end first: zeros from some number on.
    let mut size = best.drawn.len() / 2;
    while size > 0 {
        let keep = last_choice(&best.drawn).saturating_sub(size);
        let script = best.drawn[..keep].to_vec();
        let (is_better, may_go_on) = is_kept(&mut best, script);
        if !may_go_on {
            return best;
        }
        if !is_better || keep == 0 {
            size /= 2;
        }
    }
    // Then blocks, from large to single numbers.
    let mut size = 64;
    while size > 0 {
        let mut at = 0;
        while at < last_choice(&best.drawn) {
            let mut script = best.drawn[..last_choice(&best.drawn)].to_vec();
            let end = script.len().min(at + size);
            if script[at..end].iter().any(|number| *number > 0) {
                script[at..end].fill(0);
                if !is_kept(&mut best, script).1 {
                    return best;
                }
            }
            at += size;
        }
        size /= 4;
    }
    best
}

/// Returns how many numbers there are up to the last that is not zero.
fn last_choice(drawn: &[u32]) -> usize {
    drawn.iter().rposition(|number| *number > 0).map_or(0, |at| at + 1)
}
