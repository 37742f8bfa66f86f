//! `PATCH` and `PUT /api/records/patient/{id}/`

use axum::extract::State;
use domain::account::Account;
use domain::audit::Action;
use domain::field::Reason;
use domain::file::{File, NewFile};
use domain::id::{RecordId, UserId};
use domain::notification::{Notification, RecordEvent};
use domain::record::{Record, RecordDetail, RecordType};
use domain::text::Description;
use http_api::caller::{Caller, Patient};
use http_api::etag::{ETag, IfMatch};
use http_api::form::{Form, describe};
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::request_schema;
use http_api::response::{ApiResponse, ok};
use http_api::views;
use runtime::clock;
use store::UpdateError;
use store::retry::CHANGED_SINCE_READ;

use crate::new_files::UploadLimits;
use crate::response::People;
use crate::{App, new_files, response};

/// What is to change; `None` keeps what is there.
struct Change {
    doctor: Option<UserId>,
    record_type: Option<RecordType>,
    description: Option<Description>,
    files: Vec<NewFile>,
}

fn change(form: &mut Form, limits: UploadLimits) -> Option<Change> {
    let doctor = form.optional("doctor");
    let record_type = form.optional("record_type");
    let description = form.optional("description");
    let files = new_files::files(form, limits);
    Some(Change {
        doctor: doctor?,
        record_type: record_type?,
        description: description?,
        files: files?,
    })
}

fn replacement(form: &mut Form, limits: UploadLimits) -> Option<Change> {
    let doctor = form.required("doctor");
    let record_type = form.or_default("record_type", RecordType::General);
    let description = form.or_default("description", Description::default());
    let files = new_files::files(form, limits);
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

request_schema!(RecordChange: describe(|form| change(form, UploadLimits::DEFAULT)));
request_schema!(RecordReplacement: describe(|form| replacement(form, UploadLimits::DEFAULT)));

/// Change the fields that are given; `files` are added.
#[utoipa::path(
    patch, path = "/api/records/patient/{id}/", tag = "Health Records", request_body = RecordChange,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = views::Record, headers(("ETag"))),
    )
)]
pub(crate) async fn update_record(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let change = form.parse(|form| change(form, UploadLimits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, change).await
}

/// Replace doctor, type and description, the last two by their defaults when they are not given;
/// `files` are added.
#[utoipa::path(
    put, path = "/api/records/patient/{id}/", tag = "Health Records",
        request_body = RecordReplacement,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = views::Record, headers(("ETag"))),
    )
)]
pub(crate) async fn replace_record(
    State(app): State<App>,
    patient: Patient,
    Id(id): Id<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let change = form.parse(|form| replacement(form, UploadLimits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, change).await
}

async fn write(
    app: &App,
    patient: Patient,
    id: RecordId,
    if_match: IfMatch,
    change: Change,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let doctor = async {
        match change.doctor {
            Some(doctor) => app.store.get_account(doctor).await,
            None => Ok(None),
        }
    };
    let (caller, (found, doctor)) = patient
        .authorize_with(async { tokio::try_join!(app.store.get_record_detail(owner, id), doctor) })
        .await?;
    let Some(mut chart) = found else {
        let attempt = caller.audit(Action::UpdateRecord, owner, Some(id));
        return Err(caller.refuse(&app.store, attempt, Problem::not_found()).await);
    };
    // A doctor who has become unavailable stays with the records they have.
    let doctor = match change.doctor {
        Some(wanted) if wanted != chart.record.doctor_id => Some(new_files::assignable(doctor)?),
        _ => None,
    };
    if !change.files.is_empty() {
        new_files::take(app, owner, 0, change.files.len()).await?;
    }
    let mut retries = CHANGED_SINCE_READ.start();
    loop {
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
                chart =
                    app.store.get_record_detail(owner, id).await?.ok_or_else(Problem::not_found)?
            }
            Err(UpdateError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
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
    chart: &RecordDetail,
    change: &Change,
    doctor: Option<&Account>,
) -> Result<Option<Plan>, Problem> {
    let (before, patient) = (&chart.record, &caller.account);
    let most = app.uploads.max_files_per_record;
    if !change.files.is_empty() && chart.files.len() + change.files.len() > most {
        let reason = Reason::new("too_many", format!("A record takes at most {most} files."));
        return Err(Problem::field("files", reason));
    }
    let files = new_files::new_files(change.files.clone(), before.patient_id, before.id);
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
    let tell = |event: RecordEvent, recipient| {
        event.notification(clock::new_id(), recipient, record.id, record.patient_id)
    };
    let notifications = if record.doctor_id == before.doctor_id {
        vec![tell(RecordEvent::Updated { patient }, record.doctor_id)]
    } else {
        vec![
            tell(RecordEvent::Assigned { patient }, record.doctor_id),
            tell(RecordEvent::Unassigned { patient }, before.doctor_id),
        ]
    };
    let record = Record { updated_at: clock::now(), version: before.version + 1, ..record };
    Ok(Some(Plan { record, files, notifications }))
}

async fn respond(
    app: &App,
    caller: &Caller,
    mut chart: RecordDetail,
    new_files: Vec<File>,
) -> Result<ApiResponse, Problem> {
    let uploads = response::uploads(app, &new_files).await?;
    chart.files.splice(0..0, new_files);
    let people =
        response::complete(app, People::new(), std::slice::from_mut(&mut chart), caller.account.id)
            .await?;
    let body = response::record(app, &caller.account, &people, &chart, uploads).await?;
    Ok(ok(&body).with_etag(ETag::of(chart.record.version)))
}
