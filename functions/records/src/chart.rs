//! Use this module for files and annotations that a path names without their record.

use domain::audit::Action;
use http_api::caller::Caller;
use http_api::problem::Problem;
use store::Lookup;

use crate::App;

/// Returns where an object is in the caller's own chart.
///
/// # Errors
/// 404, with an event, when it does not exist or is in another chart.
pub(crate) async fn in_own_chart(
    app: &App,
    caller: &Caller,
    action: Action,
    found: Option<Lookup>,
) -> Result<Lookup, Problem> {
    match found {
        Some(lookup) if caller.may_on_chart_of(lookup.patient_id) => Ok(lookup),
        other => Err(refuse(app, caller, action, other).await),
    }
}

/// Returns the 404 for an object, after writing the event: in the log of its patient, or of the
/// caller if there is no such object.
pub(crate) async fn refuse(
    app: &App,
    caller: &Caller,
    action: Action,
    at: Option<Lookup>,
) -> Problem {
    let (subject, record) =
        at.map_or((caller.account.id, None), |at| (at.patient_id, Some(at.record_id)));
    caller.refuse(&app.store, caller.audit(action, subject, record), Problem::not_found()).await
}
