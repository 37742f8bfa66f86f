//! `PATCH` and `PUT /api/records/patient/{id}/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::Action;
use domain::field::Reason;
use domain::file::{DeclaredFile, File};
use domain::id::{RecordId, UserId};
use domain::notification::{Event, Notification};
use domain::record::{Chart, Record, RecordType};
use domain::text::Description;
use http_kit::answer::{Answer, ok};
use http_kit::caller::{Caller, Patient};
use http_kit::etag::{ETag, IfMatch};
use http_kit::form::{Form, describe};
use http_kit::path::Id;
use http_kit::problem::Problem;
use http_kit::shapes;
use http_kit::taken;
use runtime::clock;
use store::UpdateError;

use crate::answer::People;
use crate::declared::Limits;
use crate::{ATTEMPTS, App, answer, declared};

/// What is to change; `None` keeps what is there.
struct Change {
    doctor: Option<UserId>,
    record_type: Option<RecordType>,
    description: Option<Description>,
    files: Vec<DeclaredFile>,
}

fn change(form: &mut Form, limits: Limits) -> Option<Change> {
    let doctor = form.optional("doctor");
    let record_type = form.optional("record_type");
    let description = form.optional("description");
    let files = declared::files(form, limits);
    Some(Change {
        doctor: doctor?,
        record_type: record_type?,
        description: description?,
        files: files?,
    })
}

fn replacement(form: &mut Form, limits: Limits) -> Option<Change> {
    let doctor = form.required("doctor");
    let record_type = form.or_default("record_type", RecordType::General);
    let description = form.or_default("description", Description::default());
    let files = declared::files(form, limits);
    Some(Change {
        doctor: Some(doctor?),
        record_type: Some(record_type?),
        description: Some(description?),
        files: files?,
    })
}

/// What [`change`] asks for.
enum RecordChange {}

/// What [`replacement`] asks for.
enum RecordReplacement {}

taken!(RecordChange: describe(|form| change(form, Limits::USUAL)));
taken!(RecordReplacement: describe(|form| replacement(form, Limits::USUAL)));

/// Change the fields that are given; `files` are added.
#[utoipa::path(
    patch, path = "/api/records/patient/{id}/", tag = "Health Records", request_body = RecordChange,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = shapes::Record, headers(("ETag"))),
        (status = 409, description = "changed_meanwhile"),
        (status = 412, description = "precondition_failed"),
        (status = 429, description = "daily_limit_reached"),
    )
)]
pub(crate) async fn update_record(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<Answer, Problem> {
    let change = form.parse(|form| change(form, Limits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, change).await
}

/// Replace doctor, type and description, the last two by their defaults when they are not given;
/// `files` are added.
#[utoipa::path(
    put, path = "/api/records/patient/{id}/", tag = "Health Records",
        request_body = RecordReplacement,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = shapes::Record, headers(("ETag"))),
        (status = 409, description = "changed_meanwhile"),
        (status = 412, description = "precondition_failed"),
        (status = 429, description = "daily_limit_reached"),
    )
)]
pub(crate) async fn replace_record(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<Answer, Problem> {
    let change = form.parse(|form| replacement(form, Limits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, change).await
}

async fn write(
    app: &App,
    patient: Patient,
    id: RecordId,
    if_match: IfMatch,
    change: Change,
) -> Result<Answer, Problem> {
    let owner = patient.id();
    let doctor = async {
        match change.doctor {
            Some(doctor) => app.store.account(doctor).await,
            None => Ok(None),
        }
    };
    let (caller, (found, doctor)) =
        patient.beside(async { tokio::try_join!(app.store.chart(owner, id), doctor) }).await?;
    let Some(mut chart) = found else {
        let attempt = caller.audit(Action::UpdateRecord, owner, Some(id));
        return Err(caller.refuse(&app.store, attempt, Problem::not_found()).await);
    };
    // A doctor who has become unavailable stays with the records they have.
    let doctor = match change.doctor {
        Some(wanted) if wanted != chart.record.doctor_id => Some(declared::assignable(doctor)?),
        _ => None,
    };
    if !change.files.is_empty() {
        declared::take(app, owner, 0, change.files.len()).await?;
    }
    for _ in 0..ATTEMPTS {
        if_match.check(chart.record.version)?;
        let planned = plan(app, &caller, &chart, &change, doctor.as_ref())?;
        let Some(Plan { record, files, notifications }) = planned else {
            return respond(app, &caller, chart, Vec::new()).await;
        };
        let audit = caller.audit(Action::UpdateRecord, owner, Some(id));
        match app.store.update_record(&chart.record, &record, &files, &notifications, &audit).await
        {
            Ok(()) => {
                chart.record = record;
                return respond(app, &caller, chart, files).await;
            }
            Err(UpdateError::Stale) => {
                chart = app.store.chart(owner, id).await?.ok_or_else(Problem::not_found)?
            }
            Err(UpdateError::Store(error)) => return Err(error.into()),
        }
    }
    Err(if_match.lost_race())
}

struct Plan {
    record: Record,
    files: Vec<File>,
    notifications: Vec<Notification>,
}

/// What the change makes of the chart; `None` when nothing changes, so that nobody is told of
/// nothing.
fn plan(
    app: &App,
    caller: &Caller,
    chart: &Chart,
    change: &Change,
    doctor: Option<&Account>,
) -> Result<Option<Plan>, Problem> {
    let (before, patient) = (&chart.record, &caller.account);
    let most = app.uploads.max_files_per_record;
    if !change.files.is_empty() && chart.files.len() + change.files.len() > most {
        let reason = Reason::new("too_many", format!("A record takes at most {most} files."));
        return Err(Problem::field("files", reason));
    }
    let files = declared::new_files(change.files.clone(), before.patient_id, before.id);
    let record = Record {
        doctor_id: doctor.map_or(before.doctor_id, |doctor| doctor.id),
        record_type: change.record_type.unwrap_or(before.record_type),
        description: change.description.clone().unwrap_or_else(|| before.description.clone()),
        file_count: before
            .file_count
            .saturating_add(u32::try_from(files.len()).unwrap_or(u32::MAX)),
        ..before.clone()
    };
    if record == *before {
        return Ok(None);
    }
    let tell = |event: Event, recipient| {
        event.notify(clock::new_id(), recipient, record.id, record.patient_id)
    };
    let notifications = if record.doctor_id == before.doctor_id {
        vec![tell(Event::Updated { patient }, record.doctor_id)]
    } else {
        vec![
            tell(Event::Assigned { patient }, record.doctor_id),
            tell(Event::Unassigned { patient }, before.doctor_id),
        ]
    };
    let record = Record { updated_at: clock::now(), version: before.version + 1, ..record };
    Ok(Some(Plan { record, files, notifications }))
}

async fn respond(
    app: &App,
    caller: &Caller,
    mut chart: Chart,
    new_files: Vec<File>,
) -> Result<Answer, Problem> {
    let uploads = answer::uploads(app, &new_files).await?;
    chart.files.splice(0..0, new_files);
    let people =
        answer::complete(app, People::new(), std::slice::from_mut(&mut chart), caller.account.id)
            .await?;
    let body = answer::record(app, &caller.account, &people, &chart, uploads).await?;
    Ok(ok(&body).with_etag(ETag::of(chart.record.version)))
}
