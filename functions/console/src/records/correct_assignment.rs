//! `POST /admin/records/{id}/assignment/`

use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::audit::{Action, AuditEvent};
use domain::field::Reason;
use domain::id::RecordId;
use domain::notification::RecordEvent;
use domain::text::Justification;
use http_api::caller::Caller;
use http_api::path::Id;
use http_api::problem::Problem;
use runtime::clock;
use store::UpdateError;
use store::staff::lists::RecordEntry;
use store::staff::outline::RecordOutline;

use crate::App;
use crate::records::people::Person;
use crate::users::pages::version;
use crate::web::form::Posted;
use crate::web::frame::{Staff, see_other};

/// Assign a record to another doctor. The former one loses access at once; both and the patient are
/// told.
pub(crate) async fn correct_assignment(
    State(app): State<App>,
    staff: Staff,
    Id(id): Id<RecordId>,
    posted: Posted,
) -> Result<Response, Problem> {
    let (caller, entry) = staff.authorize_with(app.store.get_listed::<RecordEntry>(id)).await?;
    let (if_match, typed, reason) = posted.form().parse(|form| {
        let if_match = version(form);
        let doctor = form.required::<String>("doctor");
        let reason = form.required::<Justification>("reason");
        Some((if_match?, doctor?, reason?))
    })?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let doctor = find(&app, &typed).await?;
    let before =
        app.store.get_record_outline(patient, id).await?.ok_or_else(Problem::not_found)?.record;
    // The patient may have chosen somebody else since the page was made.
    if_match.check(before.version)?;
    if before.doctor_id == doctor.id {
        return Err(Problem::field(
            "doctor",
            Reason::new("unchanged", "The record is assigned to this doctor already."),
        ));
    }
    match move_to(&app, &caller, &before, &doctor, &reason).await {
        Ok(()) => see_other(&format!("/admin/records/{id}/"), Some("reassigned")),
        Err(UpdateError::Stale) => Err(if_match.lost_race()),
        Err(UpdateError::Store(error)) => Err(error.into()),
    }
}

/// The one doctor who is meant, to whom records may be assigned.
async fn find(app: &App, typed: &str) -> Result<Account, Problem> {
    let refused = |code, message| Problem::field("doctor", Reason::new(code, message));
    let found = match Person::typed(typed) {
        Some(person) => person.find(app).await?,
        None => Vec::new(),
    };
    let doctor = match found[..] {
        [one] => app.store.get_account(one).await?,
        [] => None,
        _ => {
            return Err(refused(
                "ambiguous",
                "Several people may be meant: give the email address or the id.",
            ));
        }
    };
    let doctor = doctor.filter(|account| account.assignable_doctor().is_some());
    doctor.ok_or_else(|| refused("invalid", "Must be an approved, active doctor with a profile."))
}

async fn move_to(
    app: &App,
    caller: &Caller,
    before: &RecordOutline,
    doctor: &Account,
    reason: &Justification,
) -> Result<(), UpdateError> {
    let (staff, RecordOutline { id, patient_id, doctor_id: former, .. }) =
        (&caller.account, *before);
    let tell = |event: RecordEvent, recipient| {
        event.notification(clock::new_id(), recipient, id, patient_id)
    };
    let told = [
        tell(RecordEvent::AssignedByStaff { staff }, doctor.id),
        tell(RecordEvent::UnassignedByStaff { staff }, former),
        tell(RecordEvent::ReassignedByStaff { staff }, patient_id),
    ];
    let event = AuditEvent {
        reason: Some(reason.as_str().to_owned()),
        before: Some(former.to_string()),
        after: Some(doctor.id.to_string()),
        ..caller.audit(Action::CorrectAssignment, patient_id, Some(id))
    };
    app.store.correct_assignment(before, doctor.id, clock::now(), &told, &event).await
}
