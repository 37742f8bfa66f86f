//! `GET /admin/annotations/`

use axum::extract::State;
use axum::response::Response;
use domain::audit::Action;
use domain::id::UserId;
use http_api::problem::Problem;
use http_api::query::Query;
use runtime::clock;
use store::staff::lists::AnnotationEntry;

use crate::App;
use crate::records::listing::{Asked, Cell, Field, Listing, Page, find, looks};
use crate::records::people::{BEGINNING, called, short};
use crate::web::frame::{Frame, Staff, render};

/// Annotations, newest first; or those on a patient's records, or one. What they say is behind the
/// glass.
pub(crate) async fn list_annotations(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    query: Query,
) -> Result<Response, Problem> {
    let read = |parameters: &mut _| Asked::read(parameters, &["patient"]);
    let (asked, paging) = query.parse(&app.http, staff.id(), "console-annotations", read)?;
    let (looking, now) = (staff.id(), clock::now());
    let reads = async {
        let whose = asked.whose(&app).await?;
        let (found, grants) = tokio::try_join!(
            find(&app, &asked, &whose, &paging, |_: &AnnotationEntry| true),
            app.store.list_grants(looking, now)
        )?;
        Ok::<_, store::Error>((whose, found, grants))
    };
    let (caller, (whose, (annotations, next), grants)) = staff.authorize_with(reads).await?;
    let event = caller.audit(Action::StaffListAnnotations, whose.concerns(looking), None);
    let mut events =
        vec![whose.name_records(event, annotations.iter().map(|annotation| annotation.record_id))];
    events.extend(looks(
        &caller,
        &grants,
        annotations.iter().map(|annotation| Some(annotation.record_id)),
    ));
    let named: Vec<UserId> =
        annotations.iter().map(|annotation| annotation.author_id).chain(whose.people()).collect();
    let (people, opened, ()) = tokio::try_join!(
        app.store.get_accounts(named),
        app.store.get_granted_annotations(&grants, &annotations),
        app.store.create_events(&events)
    )?;
    let row = |annotation: &AnnotationEntry| {
        let note = opened.get(&annotation.id).map(|it| short(it.note.as_str(), BEGINNING));
        vec![
            Cell::Text(annotation.id.to_string()),
            Cell::record(annotation.record_id),
            Cell::user(annotation.author_id, called(&people, annotation.author_id)),
            Cell::behind_glass(note, Some(annotation.record_id)),
            Cell::Time(annotation.id.created_at()),
        ]
    };
    let listing = Listing {
        title: "Annotations",
        path: "/admin/annotations/",
        help: "A patient is found by email address, by the beginning of the last name, \
            or by id; the annotations on a patient's records are \
               listed by record. What annotations say cannot be searched, nor what a doctor has \
               written: look for the doctor's records.",
        fields: vec![
            Field::typed("patient", "Patient", asked.typed("patient")),
            Field::typed("id", "Annotation", asked.id_text()),
            Field::created(asked.created),
        ],
        columns: &["Annotation", "Record", "Doctor", "Note", "Created"],
        order: whose.order_in_charts(),
        rows: annotations.iter().map(row).collect(),
        ..Listing::of(&asked, &whose, &people, paging.next_url(next.as_ref())?)
    };
    render(&Page { frame, list: listing })
}
