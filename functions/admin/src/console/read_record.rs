//! `GET /admin/records/{id}/`

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::audit::Action;
use domain::file::FileName;
use domain::id::{AnnotationId, RecordId, UserId};
use domain::record::Chart;
use http_kit::path::Id;
use http_kit::problem::Problem;
use http_kit::query::Query;
use jiff::Timestamp;
use runtime::clock;
use store::glass::{AnnotationOutline, FileOutline, Grant, Outline, RecordOutline};
use store::lists::RecordEntry;

use crate::App;
use crate::console::frame::{Frame, Staff, render};
use crate::console::listing::{PAGE, look};
use crate::console::people::{BEGINNING, called, short};

/// How long a page may become, in bytes: it must stay below 100 KB whatever people have written. One annotation finds room on
/// every page, beside the longest description and as many files as a record takes.
const MOST_BYTES: usize = 95_000;
/// At most so much of it is there whatever the record says, around a file's name, and around an annotation.
const AROUND: usize = 7_000;
const AROUND_NAME: usize = 400;
const AROUND_NOTE: usize = 450;

/// Names of files that are longer together are cut.
const MOST_OF_NAMES: usize = 20_000;

/// A record: with whom it is and what belongs to it; and what it says, while the glass is broken.
#[derive(Template)]
#[template(path = "record.html")]
struct Page<'a> {
    frame: Frame,
    record: RecordOutline,
    patient: String,
    doctor: String,
    /// Until when the glass is broken.
    ends_at: Option<Timestamp>,
    description: Option<&'a str>,
    files: Vec<(FileOutline, Option<String>)>,
    /// Whether the names of files are cut.
    names_are_cut: bool,
    annotations: Vec<Annotation<'a>>,
    /// Where the older annotations are.
    older: Option<AnnotationId>,
}

struct Annotation<'a> {
    outline: AnnotationOutline,
    author: String,
    note: Option<&'a str>,
}

impl Annotation<'_> {
    fn bytes(&self) -> usize {
        AROUND_NOTE + escaped(&self.author) + self.note.map_or(0, escaped)
    }
}

/// How many bytes a text takes on a page.
fn escaped(text: &str) -> usize {
    let is_escaped = |byte: &u8| matches!(byte, b'"' | b'&' | b'\'' | b'<' | b'>');
    text.len() + 4 * text.bytes().filter(is_escaped).count()
}

/// One record, found by its id. Lists may lag a moment, and so may this.
pub(crate) async fn read_record(
    State(app): State<App>,
    frame: Frame,
    staff: Staff,
    Id(id): Id<RecordId>,
    query: Query,
) -> Result<Response, Problem> {
    let looking = staff.id();
    let before = query.parse_alone(|parameters| parameters.optional("before"))?;
    let reads = async { tokio::try_join!(app.store.listed::<RecordEntry>(id), app.store.grant(looking, id, clock::now())) };
    let (caller, (entry, grant)) = staff.beside(reads).await?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let event = match &grant {
        Some(grant) => look(&caller, grant),
        None => caller.audit(Action::LookUpRecord, patient, Some(id)),
    };
    let (outline, chart, ()) =
        tokio::try_join!(app.store.outline(patient, id), opened(&app, grant.as_ref()), app.store.audit(std::slice::from_ref(&event)))?;
    let outline = outline.ok_or_else(Problem::not_found)?;
    let mut named: Vec<UserId> = outline.annotations.iter().map(|annotation| annotation.author_id).collect();
    named.extend([outline.record.patient_id, outline.record.doctor_id]);
    let people = app.store.people(named).await?;
    render(&page(frame, &outline, grant.as_ref(), chart.as_ref(), &people, before))
}

async fn opened(app: &App, grant: Option<&Grant>) -> Result<Option<Chart>, store::Error> {
    match grant {
        Some(grant) => app.store.opened_chart(grant).await,
        None => Ok(None),
    }
}

fn page<'a>(
    frame: Frame,
    outline: &Outline,
    grant: Option<&Grant>,
    chart: Option<&'a Chart>,
    people: &HashMap<UserId, Account>,
    before: Option<AnnotationId>,
) -> Page<'a> {
    let names_are_cut =
        chart.is_some_and(|chart| chart.files.iter().map(|file| escaped(file.name.as_str())).sum::<usize>() > MOST_OF_NAMES);
    let most = if names_are_cut { BEGINNING } else { FileName::MAX };
    let file = |file: &FileOutline| {
        let opened = chart.and_then(|chart| chart.files.iter().find(|it| it.id == file.id));
        (*file, opened.map(|file| short(file.name.as_str(), most)))
    };
    let files: Vec<_> = outline.files.iter().map(file).collect();
    let description = chart.map(|chart| chart.record.description.as_str());
    let annotation = |annotation: &AnnotationOutline| {
        let opened = chart.and_then(|chart| chart.annotations.iter().find(|it| it.id == annotation.id));
        let (author, note) = (called(people, annotation.author_id), opened.map(|annotation| annotation.note.as_str()));
        Annotation { outline: *annotation, author, note }
    };
    let mut annotations = outline.annotations.iter().filter(|it| before.is_none_or(|before| it.id < before)).map(annotation).peekable();
    let mut shown: Vec<Annotation<'a>> = Vec::new();
    let mut bytes = AROUND + description.map_or(0, escaped);
    bytes += files.iter().map(|(_, name)| AROUND_NAME + name.as_deref().map_or(0, escaped)).sum::<usize>();
    let fits = |it: &Annotation<'_>, shown: usize, bytes: usize| shown == 0 || (shown < PAGE && bytes + it.bytes() <= MOST_BYTES);
    while let Some(annotation) = annotations.next_if(|it| fits(it, shown.len(), bytes)) {
        bytes += annotation.bytes();
        shown.push(annotation);
    }
    let more = annotations.peek().is_some();
    Page {
        frame,
        record: outline.record,
        patient: called(people, outline.record.patient_id),
        doctor: called(people, outline.record.doctor_id),
        ends_at: grant.map(Grant::ends_at),
        description,
        files,
        names_are_cut,
        older: shown.last().filter(|_| more).map(|annotation| annotation.outline.id),
        annotations: shown,
    }
}
