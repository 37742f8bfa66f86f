//! `POST /admin/records/{id}/assignment/`

use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::field::Reason;
use domain::id::RecordId;
use domain::notification::RecordEvent;
use domain::text::Justification;
use http_api::caller::{Admin, Caller};
use http_api::path::PathId;
use http_api::problem::Problem;
use runtime::clock;
use store::UpdateError;
use store::staff::lists::RecordEntry;
use store::staff::outline::RecordOutline;

use crate::App;
use crate::records::person_search::PersonSearch;
use crate::web::form::{FormBody, read_version};
use crate::web::layout::see_other;

/// Assigns a record to another doctor and notifies both doctors and the patient. The former doctor
/// loses access at once.
pub(crate) async fn correct_assignment(
    State(app): State<App>,
    admin: Admin,
    PathId(id): PathId<RecordId>,
    body: FormBody,
) -> Result<Response, Problem> {
    let (caller, entry) = admin.authorize_with(app.store.get_entry::<RecordEntry>(id)).await?;
    let (if_match, typed, reason) = body.form().parse(|form| {
        let if_match = read_version(form);
        let doctor = form.required::<String>("doctor");
        let reason = form.required::<Justification>("reason");
        Some((if_match?, doctor?, reason?))
    })?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let doctor = find_doctor(&app, &typed).await?;
    let before =
        app.store.get_record_outline(patient, id).await?.ok_or_else(Problem::not_found)?.record;
    // The patient may have chosen another doctor since the page was shown.
    if_match.check(before.version)?;
    if before.doctor_id == doctor.id {
        return Err(Problem::field(
            "doctor",
            Reason::new("unchanged", "The record is assigned to this doctor already."),
        ));
    }
    match reassign(&app, &caller, &before, &doctor, &reason).await {
        Ok(()) => see_other(&format!("/admin/records/{id}/"), Some("reassigned")),
        Err(UpdateError::Stale) => Err(if_match.lost_race()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}

/// Finds the doctor, to whom records must be assignable.
async fn find_doctor(app: &App, typed: &str) -> Result<Account, Problem> {
    let refused = |code, message| Problem::field("doctor", Reason::new(code, message));
    let users = match PersonSearch::parse(typed) {
        Some(search) => search.find(app).await?,
        None => Vec::new(),
    };
    let doctor = match users[..] {
        [one] => app.store.get_account(one).await?,
        [] => None,
        _ => {
            return Err(refused(
                "ambiguous",
                "Several users match: enter the email address or the id.",
            ));
        }
    };
    let doctor = doctor.filter(|account| account.assignable_doctor().is_some());
    doctor.ok_or_else(|| refused("invalid", "Must be an approved, active doctor with a profile."))
}

/// Stores the assignment, with the notifications and the event.
async fn reassign(
    app: &App,
    caller: &Caller,
    before: &RecordOutline,
    doctor: &Account,
    reason: &Justification,
) -> Result<(), UpdateError> {
    let (admin, RecordOutline { id, patient_id, doctor_id: former, .. }) =
        (&caller.account, *before);
    let notify = |event: RecordEvent, recipient| {
        event.notification(clock::new_id(), recipient, id, patient_id)
    };
    let notifications = [
        notify(RecordEvent::AssignedByStaff { staff: admin }, doctor.id),
        notify(RecordEvent::UnassignedByStaff { staff: admin }, former),
        notify(RecordEvent::ReassignedByStaff { staff: admin }, patient_id),
    ];
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        before: Some(former.to_string()),
        after: Some(doctor.id.to_string()),
        ..caller.audit(Action::CorrectAssignment, patient_id, Some(id))
    };
    app.store.correct_assignment(before, doctor.id, clock::now(), &notifications, &event).await
}
