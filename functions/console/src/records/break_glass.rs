//! `POST /admin/records/{id}/break-glass/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, AuditEvent};
use domain::id::RecordId;
use domain::notification::RecordEvent;
use domain::text::Justification;
use http_api::path::Id;
use http_api::problem::Problem;
use runtime::clock;
use store::staff::lists::RecordEntry;

use crate::App;
use crate::web::form::Posted;
use crate::web::frame::{Staff, see_other};

/// Open a record for a while, to read what it says. The patient is told.
pub(crate) async fn break_glass(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<RecordId>,
    posted: Posted,
) -> Result<Response, Problem> {
    let (caller, entry) = staff.authorize_with(app.store.get_listed::<RecordEntry>(id)).await?;
    let reason: Justification = posted.form().parse(|form| form.required("reason"))?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let record =
        app.store.get_record_outline(patient, id).await?.ok_or_else(Problem::not_found)?.record;
    let staff = &caller.account;
    let told = RecordEvent::Opened { staff }.notification(clock::new_id(), patient, id, patient);
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        ..caller.audit(Action::BreakGlass, patient, Some(id))
    };
    app.store.break_glass(staff.id, &record, &reason, clock::now(), &told, &event).await?;
    see_other(&format!("/admin/records/{id}/"), Some("opened"))
}
