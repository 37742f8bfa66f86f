//! `PATCH` and `PUT /api/records/doctor/annotations/{id}/`

use axum::extract::State;
use domain::access::Relation;
use domain::audit::Action;
use domain::id::AnnotationId;
use domain::notification::RecordEvent;
use domain::record::Annotation;
use domain::text::Note;
use http_api::caller::Doctor;
use http_api::etag::{ETag, IfMatch};
use http_api::form::Body;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::request;
use http_api::response::{ApiResponse, ok};
use http_api::views::RecordAnnotation;
use runtime::clock;
use store::Lookup;
use store::annotations::UpdateAnnotationError;
use store::retry::CHANGED_SINCE_READ;

use crate::allowance::ONE_CHANGE;
use crate::{App, allowance, chart, notice};

request! {
    pub(crate) struct NoteChange {
        note: Option<Note> = optional,
    }
}

request! {
    pub(crate) struct NoteReplacement {
        note: Note = required,
    }
}

/// Change the note of one of your annotations, while the record is assigned to you.
#[utoipa::path(
    patch, path = "/api/records/doctor/annotations/{id}/", tag = "Health Records",
        request_body = NoteChange,
    responses(
        (status = 200, description = "The annotation after the change.", body = RecordAnnotation,
            headers(("ETag"))),
    )
)]
pub(crate) async fn update_annotation(
    State(app): State<App>,
    doctor: Doctor,
    PathId(id): PathId<AnnotationId>,
    if_match: IfMatch,
    Body(NoteChange { note }): Body<NoteChange>,
) -> Result<ApiResponse, Problem> {
    write(&app, doctor, id, if_match, note).await
}

/// Replace the note of one of your annotations, while the record is assigned to you.
#[utoipa::path(
    put, path = "/api/records/doctor/annotations/{id}/", tag = "Health Records",
        request_body = NoteReplacement,
    responses(
        (status = 200, description = "The annotation after the change.", body = RecordAnnotation,
            headers(("ETag"))),
    )
)]
pub(crate) async fn replace_annotation(
    State(app): State<App>,
    doctor: Doctor,
    PathId(id): PathId<AnnotationId>,
    if_match: IfMatch,
    Body(NoteReplacement { note }): Body<NoteReplacement>,
) -> Result<ApiResponse, Problem> {
    write(&app, doctor, id, if_match, Some(note)).await
}

async fn write(
    app: &App,
    doctor: Doctor,
    id: AnnotationId,
    if_match: IfMatch,
    note: Option<Note>,
) -> Result<ApiResponse, Problem> {
    let (caller, lookup) = doctor.authorize_with(app.store.get_annotation_lookup(id)).await?;
    let doctor = &caller.account;
    let refuse = |at| chart::refuse(app, &caller, Action::UpdateAnnotation, at);
    let Some(lookup) = lookup else { return Err(refuse(None).await) };
    let respond = |annotation: &Annotation| {
        Ok(ok(&RecordAnnotation::new(annotation, Some(doctor)))
            .with_etag(ETag::of(annotation.version)))
    };
    let mut retries = CHANGED_SINCE_READ.start();
    loop {
        let Lookup { patient_id, record_id, .. } = lookup;
        let read = app.store.get_annotation(doctor.id, patient_id, record_id, id);
        let read = read.await?.filter(|(annotation, _)| {
            caller.may(Relation::to_annotation(doctor.id, annotation.author_id))
        });
        let Some((before, record)) = read else { return Err(refuse(Some(lookup)).await) };
        if_match.check(before.version)?;
        let note = note.clone().unwrap_or_else(|| before.note.clone());
        // Nothing changes: nobody is notified.
        if note == before.note {
            return respond(&before);
        }
        let now = clock::now();
        let after = Annotation {
            note,
            updated_at: now,
            version: before.version + 1,
            record_version: Some(record.version),
            ..before.clone()
        };
        let told = RecordEvent::AnnotationChanged { doctor }.notification(
            clock::new_id(),
            patient_id,
            record_id,
            patient_id,
        );
        let last = record.annotation_notification_id;
        let told = notice::superseding(app, told, last).await?;
        let audit = caller.audit(Action::UpdateAnnotation, patient_id, Some(record_id));
        let allowance = allowance::of(app, doctor.id, ONE_CHANGE);
        match app.store.update_annotation(&before, &after, now, &told, &audit, &allowance).await {
            Ok(()) => return respond(&after),
            Err(UpdateAnnotationError::NotAssigned) => return Err(refuse(Some(lookup)).await),
            Err(UpdateAnnotationError::Stale) => {}
            Err(UpdateAnnotationError::LimitReached(locked)) => {
                return Err(allowance::refuse(&allowance, locked));
            }
            Err(UpdateAnnotationError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
}
