//! `POST /admin/records/{id}/break-glass/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::{Action, AuditEvent};
use domain::id::RecordId;
use domain::notification::RecordEvent;
use domain::text::Justification;
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use runtime::clock;
use store::staff::lists::RecordEntry;

use crate::App;
use crate::web::form::FormBody;
use crate::web::layout::see_other;

/// Grants the admin emergency access to a record and notifies the patient.
pub(crate) async fn break_glass(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<RecordId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let (caller, entry) = admin.authorize_with(app.store.get_entry::<RecordEntry>(id)).await?;
    let reason: Justification = body.form().parse(|form| form.required("reason"))?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let record =
        app.store.get_record_outline(patient, id).await?.ok_or_else(Problem::not_found)?.record;
    let staff = &caller.account;
    let notification =
        RecordEvent::Opened { staff }.notification(clock::new_id(), patient, id, patient);
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        ..caller.audit(Action::BreakGlass, patient, Some(id))
    };
    app.store.break_glass(staff.id, &record, &reason, clock::now(), &notification, &event).await?;
    // An alarm counts these lines.
    tracing::warn!("an admin has emergency access");
    see_other(&format!("/admin/records/{id}/"), Some("opened"))
}
