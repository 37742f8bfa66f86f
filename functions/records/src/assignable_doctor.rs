//! Use this module for the doctor in requests that create or change a record.

use domain::account::Account;
use domain::field::Reason;
use http_api::problem::Problem;

/// Returns the doctor if records can be assigned to them.
///
/// # Errors
/// 400 on the field `doctor` if not, whether the user exists or not.
pub(crate) fn require(doctor: Option<Account>) -> Result<Account, Problem> {
    let refused = || {
        Problem::field(
            "doctor",
            Reason::new("not_assignable", "Must be the id of a doctor from the directory."),
        )
    };
    doctor.filter(|doctor| doctor.assignable_doctor().is_some()).ok_or_else(refused)
}
