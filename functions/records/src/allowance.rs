//! Use this module for what a user may create and change in a day.

use domain::id::UserId;
use domain::rate::LimitedAction;
use http_api::problem::{Limit, Problem};
use runtime::clock;
use store::rate::{DailyAllowance, DailyUsage, LimitError};

use crate::App;

/// One change, of a record or an annotation.
pub(crate) const ONE_CHANGE: DailyUsage = DailyUsage { records: 0, files: 0, changes: 1 };

/// Returns what is taken from the user's allowance together with the change.
pub(crate) fn of(app: &App, user: UserId, usage: DailyUsage) -> DailyAllowance {
    DailyAllowance {
        user,
        usage,
        most: DailyUsage {
            records: app.allowance.records_per_day,
            files: app.allowance.files_per_day,
            changes: app.allowance.changes_per_day,
        },
        now: clock::now(),
    }
}

/// Turns a failed allowance check, or a failure of the table, into a problem.
pub(crate) fn refuse(allowance: &DailyAllowance, error: impl Into<LimitError>) -> Problem {
    let DailyAllowance { usage, most, now, .. } = *allowance;
    let quota = match usage {
        DailyUsage { records: 1.., .. } => most.records,
        DailyUsage { files: 1.., .. } => most.files,
        _ => most.changes,
    };
    Limit::of_a_day(LimitedAction::Records, quota).refuse(error.into(), now)
}
