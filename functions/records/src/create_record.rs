//! `POST /api/records/patient/`

use std::collections::HashMap;

use axum::extract::State;
use domain::audit::Action;
use domain::file::DeclaredFile;
use domain::id::UserId;
use domain::notification::Event;
use domain::record::{Chart, Record, RecordType};
use domain::text::Description;
use http_kit::answer::{Answer, created};
use http_kit::caller::Patient;
use http_kit::etag::ETag;
use http_kit::form::{Form, describe};
use http_kit::idempotency::{Attempt, Once};
use http_kit::problem::Problem;
use http_kit::shapes;
use http_kit::taken;
use runtime::clock;

use crate::declared::Limits;
use crate::{App, answer, declared};

struct NewRecord {
    doctor: UserId,
    record_type: RecordType,
    description: Description,
    files: Vec<DeclaredFile>,
}

impl NewRecord {
    fn from_form(form: &mut Form, limits: Limits) -> Option<Self> {
        let doctor = form.required("doctor");
        let record_type = form.or_default("record_type", RecordType::General);
        let description = form.or_default("description", Description::default());
        let files = declared::files(form, limits);
        Some(Self {
            doctor: doctor?,
            record_type: record_type?,
            description: description?,
            files: files?,
        })
    }
}

taken!(NewRecord: describe(|form| NewRecord::from_form(form, Limits::USUAL)));

/// Create a record, assign it to a doctor, and get a URL for each file to upload.
#[utoipa::path(
    post, path = "/api/records/patient/", tag = "Health Records", request_body = NewRecord,
    responses(
        (status = 201, description = "The record, with a URL for each file to upload.",
            body = shapes::Record, headers(("ETag"))),
        (status = 429, description = "daily_limit_reached"),
    )
)]
pub(crate) async fn create_record(
    State(app): State<App>,
    patient: Patient,
    Once(request, form): Once,
) -> Result<Answer, Problem> {
    let new = form.parse(|form| NewRecord::from_form(form, Limits::of(&app.uploads)))?;
    let attempt = request.of_user(patient.id());
    attempt.run(create(&app, patient, &attempt, new)).await
}

async fn create(
    app: &App,
    patient: Patient,
    attempt: &Attempt,
    new: NewRecord,
) -> Result<Answer, Problem> {
    // Beside the first read, so that it takes no time: what is refused further down has been taken,
    // too.
    let taken = declared::take(app, patient.id(), 1, new.files.len());
    let first = async {
        Ok::<_, Problem>(tokio::join!(attempt.begin(), taken, app.store.account(new.doctor)))
    };
    let (caller, (replay, taken, doctor)) = patient.beside(first).await?;
    // Also when nothing more may be created today: this was.
    if let Some(answer) = replay? {
        return Ok(answer);
    }
    taken?;
    let doctor = declared::assignable(doctor?)?;
    let patient = &caller.account;

    let (id, now) = (clock::new_id(), clock::now());
    let files = declared::new_files(new.files, patient.id, id);
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
    };
    let notification =
        Event::Created { patient }.notify(clock::new_id(), doctor.id, id, patient.id);
    let audit = caller.audit(Action::CreateRecord, patient.id, Some(id));

    let uploads = answer::uploads(app, &files).await?;
    let people = HashMap::from([(doctor.id, doctor)]);
    let chart = Chart { record, files, annotations: Vec::new() };
    let body = answer::record(app, patient, &people, &chart, uploads).await?;
    let answer = created(&format!("/api/records/patient/{id}/"), &body)
        .with_etag(ETag::of(chart.record.version));
    attempt
        .keeping(&answer)?
        .create_record(&chart.record, &chart.files, &notification, &audit)
        .await?;
    Ok(answer)
}
