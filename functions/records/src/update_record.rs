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
use http_api::form::Form;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::response::{ApiResponse, ok};
use http_api::views;
use http_api::{request, request_schema};
use runtime::clock;
use store::rate::DailyUsage;
use store::records::UpdateRecordError;
use store::retry::CHANGED_SINCE_READ;

use crate::allowance::ONE_CHANGE;
use crate::create_record::NewRecord;
use crate::new_files::UploadLimits;
use crate::response::AccountsById;
use crate::{App, allowance, assignable_doctor, new_files, notice, response};

request! {
    /// The fields of a record that are to change.
    struct RecordChange(limits: UploadLimits = UploadLimits::DEFAULT) {
        doctor: Option<UserId> = optional,
        record_type: Option<RecordType> = optional,
        description: Option<Description> = optional,
        files: Vec<NewFile> = by(|form| new_files::files(form, limits)),
    }
}

/// What replaces the content of a record: the fields of a new one.
enum RecordReplacement {}

request_schema!(RecordReplacement: NewRecord::schema());

impl From<NewRecord> for RecordChange {
    fn from(new: NewRecord) -> Self {
        Self {
            doctor: Some(new.doctor),
            record_type: Some(new.record_type),
            description: Some(new.description),
            files: new.files,
        }
    }
}

/// Change the fields that are present; `files` are added.
#[utoipa::path(
    patch, path = "/api/records/patient/{id}/", tag = "Health Records", request_body = RecordChange,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = views::RecordView, headers(("ETag"))),
    )
)]
pub(crate) async fn update_record(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let change =
        form.parse(|form| RecordChange::from_form(form, UploadLimits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, change).await
}

/// Replace doctor, type and description; the last two get their defaults when absent. `files` are
/// added.
#[utoipa::path(
    put, path = "/api/records/patient/{id}/", tag = "Health Records",
        request_body = RecordReplacement,
    responses(
        (status = 200, description = "The record after the change, with a URL for each new file.",
                                      body = views::RecordView, headers(("ETag"))),
    )
)]
pub(crate) async fn replace_record(
    State(app): State<App>,
    patient: Patient,
    PathId(id): PathId<RecordId>,
    if_match: IfMatch,
    form: Form,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(|form| NewRecord::from_form(form, UploadLimits::of(&app.uploads)))?;
    write(&app, patient, id, if_match, new.into()).await
}

async fn write(
    app: &App,
    patient: Patient,
    id: RecordId,
    if_match: IfMatch,
    change: RecordChange,
) -> Result<ApiResponse, Problem> {
    let owner = patient.id();
    let read = async || {
        let doctor = async {
            match change.doctor {
                Some(doctor) => app.store.get_account(doctor).await,
                None => Ok(None),
            }
        };
        tokio::try_join!(app.store.get_record_detail(owner, id), doctor)
    };
    let (caller, (found, mut stated)) = patient.authorize_with(read()).await?;
    let Some(mut detail) = found else {
        let denied = caller.audit(Action::UpdateRecord, owner, Some(id));
        return Err(caller.refuse(&app.store, denied, Problem::not_found()).await);
    };
    let mut retries = CHANGED_SINCE_READ.start();
    loop {
        if_match.check(detail.record.version)?;
        // A doctor who is not assignable any more keeps the records they have.
        let doctor = match change.doctor {
            Some(id) if id != detail.record.doctor_id => Some(assignable_doctor::require(stated)?),
            _ => None,
        };
        let planned = plan(app, &caller, &detail, &change, doctor.as_ref())?;
        let Some(RecordChangePlan { mut record, files, mut notifications }) = planned else {
            return respond(app, &caller, detail, Vec::new()).await;
        };
        if let [notification] = &mut notifications[..] {
            let last = detail.record.update_notification_id;
            *notification = notice::superseding(app, notification.clone(), last).await?;
            record.update_notification_id = Some(notification.id);
        }
        let audit = caller.audit(Action::UpdateRecord, owner, Some(id));
        let before = &detail.record;
        let new_files = record.file_count.saturating_sub(before.file_count);
        let usage = DailyUsage { files: new_files.into(), ..ONE_CHANGE };
        let allowance = allowance::of(app, owner, usage);
        match app
            .store
            .update_record(before, &record, &files, &notifications, &audit, &allowance)
            .await
        {
            Ok(()) => {
                detail.record = record;
                return respond(app, &caller, detail, files).await;
            }
            // Read again: the requested doctor is compared with the current record.
            Err(UpdateRecordError::Stale) => {
                let found;
                (found, stated) = read().await?;
                detail = found.ok_or_else(Problem::not_found)?;
            }
            Err(UpdateRecordError::LimitReached(locked)) => {
                return Err(allowance::refuse(&allowance, locked));
            }
            Err(UpdateRecordError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
}

struct RecordChangePlan {
    record: Record,
    files: Vec<File>,
    notifications: Vec<Notification>,
}

/// Plans the change; `None` when nothing changes, so that nobody is notified.
fn plan(
    app: &App,
    caller: &Caller,
    detail: &RecordDetail,
    change: &RecordChange,
    doctor: Option<&Account>,
) -> Result<Option<RecordChangePlan>, Problem> {
    let (before, patient) = (&detail.record, &caller.account);
    let most = app.uploads.max_files_per_record;
    if !change.files.is_empty() && detail.files.len() + change.files.len() > most {
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
    let is_as_before = record == Record { doctor_id: record.doctor_id, ..before.clone() };
    let version = before.version + 1;
    let content_version = if is_as_before { before.content_version } else { Some(version) };
    let record = Record { updated_at: clock::now(), version, content_version, ..record };
    Ok(Some(RecordChangePlan { record, files, notifications }))
}

async fn respond(
    app: &App,
    caller: &Caller,
    mut detail: RecordDetail,
    new_files: Vec<File>,
) -> Result<ApiResponse, Problem> {
    let uploads = response::uploads(app, &new_files).await?;
    detail.files.splice(0..0, new_files);
    let mut accounts_by_id = AccountsById::new();
    response::settle_uploads_and_get_accounts(
        app,
        &mut accounts_by_id,
        std::slice::from_mut(&mut detail),
        caller.account.id,
    )
    .await?;
    let body = response::presenter(app, &caller.account, &accounts_by_id).record(&detail, uploads);
    Ok(ok(&body).with_etag(ETag::of(detail.record.version)))
}
