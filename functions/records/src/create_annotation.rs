//! `POST /api/records/doctor/annotations/`

use axum::extract::State;
use domain::audit::Action;
use domain::field::Reason;
use domain::id::RecordId;
use domain::notification::RecordEvent;
use domain::record::{Annotation, Assignment, MAX_ANNOTATIONS};
use domain::text::Note;
use http_api::caller::Doctor;
use http_api::etag::ETag;
use http_api::form::FromForm;
use http_api::idempotency::{Idempotent, IdempotentRequest};
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, created};
use http_api::views::RecordAnnotation;
use runtime::clock;
use store::annotations::CreateAnnotationError;

use crate::allowance::ONE_CHANGE;
use crate::{App, allowance};

request! {
    pub(crate) struct NewAnnotation {
        record: RecordId = required,
        note: Note = required,
    }
}

/// Annotate a record that is assigned to you.
#[utoipa::path(
    post, path = "/api/records/doctor/annotations/", tag = "Health Records",
        request_body = NewAnnotation,
    responses(
        (status = 201, description = "The annotation.", body = RecordAnnotation, headers(("ETag"))),
    )
)]
pub(crate) async fn create_annotation(
    State(app): State<App>,
    doctor: Doctor,
    Idempotent(request, form): Idempotent,
) -> Result<ApiResponse, Problem> {
    let new = form.parse(NewAnnotation::from_form)?;
    let idempotent = request.of_user(doctor.id());
    idempotent.run(create(&app, doctor, &idempotent, new)).await
}

async fn create(
    app: &App,
    doctor: Doctor,
    idempotent: &IdempotentRequest,
    NewAnnotation { record, note }: NewAnnotation,
) -> Result<ApiResponse, Problem> {
    let not_assigned = || {
        Problem::field(
            "record",
            Reason::new("not_assigned", "Must be a record that is assigned to you."),
        )
    };
    let assignment = app.store.get_assignment(doctor.id(), record);
    let first = async { Ok::<_, Problem>(tokio::join!(idempotent.begin(), assignment)) };
    let (caller, (replay, assignment)) = doctor.authorize_with(first).await?;
    // Check first: a doctor who has lost the record must not get the stored response.
    let Some(Assignment { patient_id, .. }) = assignment? else {
        let denied = caller.audit(Action::CreateAnnotation, caller.account.id, Some(record));
        return Err(caller.refuse(&app.store, denied, not_assigned()).await);
    };
    if let Some(response) = replay? {
        return Ok(response);
    }
    // The doctor cannot have seen a newer version.
    let record_version = app.store.get_record(patient_id, record).await?.map(|it| it.version);
    let (doctor, now) = (&caller.account, clock::now());
    let annotation = Annotation {
        id: clock::new_id(),
        patient_id,
        record_id: record,
        author_id: doctor.id,
        note,
        updated_at: now,
        version: 1,
        record_version,
    };
    let notification = RecordEvent::Annotated { doctor }.notification(
        clock::new_id(),
        patient_id,
        record,
        patient_id,
    );
    let audit = caller.audit(Action::CreateAnnotation, patient_id, Some(record));
    // Annotations are read with their record.
    let body = RecordAnnotation::new(&annotation, Some(doctor));
    let response = created(&format!("/api/records/doctor/{record}/"), &body)
        .with_etag(ETag::of(annotation.version));
    let stored_response = idempotent.completed(&response)?;
    let allowance = allowance::of(app, doctor.id, ONE_CHANGE);
    let stored = stored_response.as_ref();
    match app
        .store
        .create_annotation(&annotation, now, &notification, &audit, stored, &allowance)
        .await
    {
        Ok(()) => Ok(response),
        Err(CreateAnnotationError::NotAssigned) => {
            Err(caller.refuse(&app.store, audit, not_assigned()).await)
        }
        Err(CreateAnnotationError::Full) => {
            let message =
                format!("The record has {MAX_ANNOTATIONS} annotations, as many as a record takes.");
            Err(Problem::field("record", Reason::new("too_many_annotations", message)))
        }
        Err(CreateAnnotationError::LimitReached(locked)) => {
            Err(allowance::refuse(&allowance, locked))
        }
        Err(CreateAnnotationError::Store(error)) => Err(error.into()),
    }
}
