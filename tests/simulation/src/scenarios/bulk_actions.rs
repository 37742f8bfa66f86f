//! Records are created for a doctor beside "mark all read", "delete all" and the purges after them:
//! the order of ids is not that of commits.

use serde_json::json;

use super::{ScenarioWorld, all, below, beside, pause};
use crate::clock::wait;
use crate::run;

const SOON: [u64; 7] = [0, 5, 50, 200, 800, 2_500, 8_000];

const AT_ONCE: &[u64] = &[];
const SLOWLY: &[u64] = &[1, 20, 100, 300];

/// After this time, in ms, a bulk action covers what was there by its bound, not one by one.
const NOT_RECENT: u64 = 4_000_000;

/// Bulk actions of which some delete.
const DELETED_OF: u32 = 2;

pub(super) async fn run(world: ScenarioWorld) {
    let people = world.people;
    let mut has_right_clocks = true;
    run::with(|run| {
        match run.choices.below(4) {
            // Nothing fails: then the reconciler finds what the dispatcher forgets.
            3 => {
                run.let_nothing_fail();
                run.network.waits = run.choices.one_of(&[AT_ONCE, SLOWLY]);
            }
            2 => {
                run.network.heal();
                (run.network.skewed, run.network.skew) = (400, (-60, 0));
                has_right_clocks = false;
            }
            _ => {}
        }
        if run.choices.below(2) == 1 {
            run.network.slow_commits = 400;
            run.network.waits = &[1, 2, 5];
        }
    });
    let create = |doctor| {
        let patients = [people.patient.clone(), people.other_patient.clone()];
        let [patient, other] = patients;
        let patient = if below(2) == 0 { patient } else { other };
        async move { patient.create_record(&doctor, json!({})).await }
    };
    for _ in 0..below(4) {
        create(people.doctor.clone()).await;
        pause(&[40_000, 0, 100, 20_000, 3_600_000]).await;
    }
    // Until then, wrong clocks may be right again.
    if has_right_clocks && (below(2) == 1 || run::with(|run| run.is_calm)) {
        wait(NOT_RECENT).await;
    }
    // In some runs everything is read and nothing deleted, or the other way round.
    let deleted = below(DELETED_OF + 1);
    for _ in 0..=below(3) {
        let mut started = vec![
            beside(&SOON, create(people.doctor.clone())),
            beside(&SOON, create(people.doctor.clone())),
        ];
        for _ in 0..=below(2) {
            let doctor = people.doctor.clone();
            let deletes = below(DELETED_OF) < deleted;
            started.push(beside(&SOON, async move {
                if deletes { doctor.delete_all().await } else { doctor.mark_all_read().await }
            }));
        }
        all(started).await;
        pause(&[40_000, 0, 100, 20_000, 3_600_000]).await;
    }
}
