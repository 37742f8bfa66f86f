//! `POST /api/records/patient/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use domain::file::{FileStatus, NewFile};
use domain::id::{FileId, UserId};
use domain::notification::RecordEvent;
use domain::record::{Record, RecordDetail, RecordType};
use domain::text::Description;
use http_api::caller::Patient;
use http_api::etag::ETag;
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, created};
use http_api::views;
use runtime::clock;
use serde_json::Value;
use store::rate::DailyUsage;

use crate::new_files::UploadLimits;
use crate::{App, allowance, assignable_doctor, new_files, response};

request! {
    /// A new record, or what replaces the content of one.
    pub(crate) struct NewRecord(limits: UploadLimits = UploadLimits::DEFAULT) {
        pub(crate) doctor: UserId = required,
        pub(crate) record_type: RecordType = default(RecordType::General),
        pub(crate) description: Description = default(Description::default()),
        pub(crate) files: Vec<NewFile> = by(|form| new_files::files(form, limits)),
    }
}

/// Create a record, assign it to a doctor, and get an upload URL for each file.
#[utoipa::path(
    post, path = "/api/records/patient/", tag = "Health Records", request_body = NewRecord,
    responses(
        (status = 201, description = "The record, with an upload URL for each file.",
            body = views::RecordView, headers(("ETag"))),
    )
)]
pub(crate) async fn create_record(
    State(app): State<App>,
    patient: Patient,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(|form| NewRecord::from_form(form, UploadLimits::of(&app.uploads)))?;
    let idempotent = request.of_user(patient.id());
    idempotent.run(create(&app, patient, &idempotent, new)).await
}

async fn create(
    app: &App,
    patient: Patient,
    idempotent: &IdempotentRequest,
    new: NewRecord,
) -> Result<ApiResponse, Problem> {
    let first = async {
        Ok::<_, Problem>(tokio::join!(idempotent.begin(), app.store.get_account(new.doctor)))
    };
    let (caller, (replay, doctor)) = patient.authorize_with(first).await?;
    if let Some(response) = replay? {
        return with_new_uploads(app, caller.account.id, response).await;
    }
    let doctor = assignable_doctor::require(doctor?)?;
    let patient = &caller.account;

    let (id, now) = (clock::new_id(), clock::now());
    let files = new_files::new_files(new.files, patient.id, id);
    let record = Record {
        id,
        patient_id: patient.id,
        doctor_id: doctor.id,
        record_type: new.record_type,
        description: new.description,
        file_count: u32::try_from(files.len()).unwrap_or(u32::MAX),
        annotation_count: 0,
        updated_at: now,
        version: 1,
        content_version: Some(1),
        update_notification_id: None,
        annotation_notification_id: None,
    };
    let notification =
        RecordEvent::Created { patient }.notification(clock::new_id(), doctor.id, id, patient.id);
    let audit = caller.audit(Action::CreateRecord, patient.id, Some(id));

    let uploads = response::uploads(app, &files).await?;
    let accounts_by_id = HashMap::from([(doctor.id, doctor)]);
    let detail = RecordDetail { record, files, annotations: Vec::new() };
    let body = response::presenter(app, patient, &accounts_by_id).record(&detail, uploads);
    let response = created(&format!("/api/records/patient/{id}/"), &body)
        .with_etag(ETag::of(detail.record.version));
    let stored = idempotent.completed(&response)?;
    let RecordDetail { record, files, .. } = &detail;
    let usage = DailyUsage { records: 1, files: record.file_count.into(), changes: 0 };
    let allowance = allowance::of(app, patient.id, usage);
    app.store
        .create_record(record, files, &notification, &audit, stored.as_ref(), &allowance)
        .await
        .map_err(|error| allowance::refuse(&allowance, error))?;
    Ok(response)
}

/// Signs the uploads in a stored response again: their URLs may have expired. Those of files that
/// have arrived or been deleted since stay as they are.
async fn with_new_uploads(
    app: &App,
    owner: UserId,
    response: ApiResponse,
) -> Result<ApiResponse, Problem> {
    let stored = response.json();
    let of_file = |file: &Value| {
        let id: FileId = file["id"].as_str()?.parse().ok()?;
        Some((id, file.get("upload")?.clone()))
    };
    let old: Vec<(FileId, Value)> =
        stored["files"].as_array().into_iter().flatten().filter_map(of_file).collect();
    let record = stored["id"].as_str().and_then(|id| id.parse().ok());
    let (Some(record), false) = (record, old.is_empty()) else { return Ok(response) };
    let detail = app.store.get_record_detail(owner, record).await?;
    let mut files = detail.map(|detail| detail.files).unwrap_or_default();
    files.retain(|file| file.status == FileStatus::Pending);
    let mut new = response::uploads(app, &files).await?;
    let mut replaced = Vec::new();
    for (id, old) in old {
        let Some(upload) = new.remove(&id) else { continue };
        replaced.push((old["url"].clone(), upload.url.into()));
        replaced.push((old["expires_at"].clone(), upload.expires_at.to_string().into()));
    }
    Ok(response.replacing(&replaced))
}
