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
use store::annotations::UpdateAnnotationError;
use store::retry::CHANGED_SINCE_READ;

use crate::{App, chart};

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
        let before =
            app.store.get_annotation(doctor.id, lookup.patient_id, lookup.record_id, id).await?;
        let before = before.filter(|annotation| {
            caller.may(Relation::to_annotation(doctor.id, annotation.author_id))
        });
        let Some(before) = before else { return Err(refuse(Some(lookup)).await) };
        if_match.check(before.version)?;
        let note = note.clone().unwrap_or_else(|| before.note.clone());
        // Nothing changes: nobody is notified.
        if note == before.note {
            return respond(&before);
        }
        let now = clock::now();
        let after =
            Annotation { note, updated_at: now, version: before.version + 1, ..before.clone() };
        let notification = RecordEvent::AnnotationChanged { doctor }.notification(
            clock::new_id(),
            before.patient_id,
            before.record_id,
            before.patient_id,
        );
        let audit =
            caller.audit(Action::UpdateAnnotation, before.patient_id, Some(before.record_id));
        match app.store.update_annotation(&before, &after, now, &notification, &audit).await {
            Ok(()) => return respond(&after),
            Err(UpdateAnnotationError::NotAssigned) => return Err(refuse(Some(lookup)).await),
            Err(UpdateAnnotationError::Stale) => {}
            Err(UpdateAnnotationError::Store(error)) => return Err(error.into()),
        }
        if !retries.next().await {
            return Err(if_match.lost_race());
        }
    }
}
