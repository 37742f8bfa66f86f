//! `GET /admin/records/{id}/`

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::account::Account;
use domain::audit::Action;
use domain::file::FileName;
use domain::id::{AnnotationId, RecordId, UserId};
use domain::record::RecordDetail;
use http_api::path::Id;
use http_api::problem::Problem;
use http_api::query::Query;
use jiff::Timestamp;
use runtime::clock;
use store::staff::emergency_access::Grant;
use store::staff::lists::RecordEntry;
use store::staff::outline::{AnnotationOutline, FileOutline, Outline, RecordOutline};

use crate::App;
use crate::records::listing::{PAGE, look};
use crate::records::people::{BEGINNING, called, short};
use crate::web::frame::{Frame, Staff, render};

/// How long a page may become, in bytes: it must stay below 100 KB whatever people have written.
/// One annotation finds room on every page, beside the longest description and as many files as a
/// record takes.
const MOST_BYTES: usize = 95_000;
/// At most so much of it is there whatever the record says, around a file's name, and around an
/// annotation.
const AROUND: usize = 7_000;
const AROUND_NAME: usize = 400;
const AROUND_NOTE: usize = 450;

/// Names of files that are longer together are cut.
const MOST_OF_NAMES: usize = 20_000;

/// A record: with whom it is and what belongs to it; and what it says, while the glass is broken.
#[derive(Template)]
#[template(path = "records/record.html")]
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
    let reads = async {
        tokio::try_join!(
            app.store.get_listed::<RecordEntry>(id),
            app.store.get_grant(looking, id, clock::now())
        )
    };
    let (caller, (entry, grant)) = staff.authorize_with(reads).await?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let event = match &grant {
        Some(grant) => look(&caller, grant),
        None => caller.audit(Action::LookUpRecord, patient, Some(id)),
    };
    let (outline, chart, ()) = tokio::try_join!(
        app.store.get_record_outline(patient, id),
        opened(&app, grant.as_ref()),
        app.store.create_events(std::slice::from_ref(&event))
    )?;
    let outline = outline.ok_or_else(Problem::not_found)?;
    let mut named: Vec<UserId> =
        outline.annotations.iter().map(|annotation| annotation.author_id).collect();
    named.extend([outline.record.patient_id, outline.record.doctor_id]);
    let people = app.store.get_accounts(named).await?;
    render(&page(frame, &outline, grant.as_ref(), chart.as_ref(), &people, before))
}

async fn opened(app: &App, grant: Option<&Grant>) -> Result<Option<RecordDetail>, store::Error> {
    match grant {
        Some(grant) => app.store.get_granted_record(grant).await,
        None => Ok(None),
    }
}

fn page<'a>(
    frame: Frame,
    outline: &Outline,
    grant: Option<&Grant>,
    chart: Option<&'a RecordDetail>,
    people: &HashMap<UserId, Account>,
    before: Option<AnnotationId>,
) -> Page<'a> {
    let names_are_cut = chart.is_some_and(|chart| {
        chart.files.iter().map(|file| escaped(file.name.as_str())).sum::<usize>() > MOST_OF_NAMES
    });
    let most = if names_are_cut { BEGINNING } else { FileName::MAX };
    let file = |file: &FileOutline| {
        let opened = chart.and_then(|chart| chart.files.iter().find(|it| it.id == file.id));
        (*file, opened.map(|file| short(file.name.as_str(), most)))
    };
    let files: Vec<_> = outline.files.iter().map(file).collect();
    let description = chart.map(|chart| chart.record.description.as_str());
    let annotation = |annotation: &AnnotationOutline| {
        let opened =
            chart.and_then(|chart| chart.annotations.iter().find(|it| it.id == annotation.id));
        let (author, note) = (
            called(people, annotation.author_id),
            opened.map(|annotation| annotation.note.as_str()),
        );
        Annotation { outline: *annotation, author, note }
    };
    let mut annotations = outline
        .annotations
        .iter()
        .filter(|it| before.is_none_or(|before| it.id < before))
        .map(annotation)
        .peekable();
    let mut shown: Vec<Annotation<'a>> = Vec::new();
    let mut bytes = AROUND + description.map_or(0, escaped);
    bytes += files
        .iter()
        .map(|(_, name)| AROUND_NAME + name.as_deref().map_or(0, escaped))
        .sum::<usize>();
    let fits = |it: &Annotation<'_>, shown: usize, bytes: usize| {
        shown == 0 || (shown < PAGE && bytes + it.bytes() <= MOST_BYTES)
    };
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

#[cfg(test)]
mod tests {
    use domain::account::Role;
    use domain::field::FieldValue;
    use domain::file::{ContentType, File, FileStatus};
    use domain::record::{Annotation as Noted, Record, RecordType};
    use domain::text::{Description, Name, Note};

    use super::*;

    /// Every one of these characters takes five bytes of a page.
    fn hostile(length: usize) -> String {
        "\"&'<>".chars().cycle().take(length).collect()
    }

    /// A chart with nothing but the longest texts.
    fn chart(files: usize, notes: &[usize]) -> (Outline, RecordDetail, Account) {
        let now: Timestamp = "2026-11-23T13:44:47.123456789Z".parse().unwrap();
        let person = Account {
            first_name: Name::parse(&hostile(255)).unwrap(),
            ..Account::new(clock::new_id(), "jane@example.com".parse().unwrap(), Role::Doctor)
        };
        let (id, who) = (clock::new_id(), person.id);
        let file = |_| File {
            id: clock::new_id(),
            patient_id: who,
            record_id: id,
            name: FileName::from_json(&hostile(255).into()).unwrap(),
            content_type: ContentType::Docx,
            size_bytes: 9_999_999_999,
            sha256: None,
            status: FileStatus::Available,
        };
        let noted = |length: &usize| Noted {
            id: clock::new_id(),
            patient_id: who,
            record_id: id,
            author_id: who,
            note: Note::parse(&hostile(*length)).unwrap(),
            updated_at: now,
            version: 1,
        };
        let mut annotations: Vec<_> = notes.iter().map(noted).collect();
        annotations.reverse();
        let chart = RecordDetail {
            record: Record {
                id,
                patient_id: who,
                doctor_id: who,
                record_type: RecordType::Imaging,
                description: Description::parse(&hostile(5_000)).unwrap(),
                file_count: 0,
                annotation_count: 0,
                updated_at: now,
                version: u64::MAX,
            },
            files: (0..files).map(file).collect(),
            annotations,
        };
        let outline = Outline {
            record: store::staff::outline::RecordOutline {
                id,
                patient_id: who,
                doctor_id: who,
                record_type: RecordType::Imaging,
                updated_at: now,
                version: u64::MAX,
            },
            files: chart
                .files
                .iter()
                .map(|it| FileOutline {
                    id: it.id,
                    content_type: it.content_type,
                    size_bytes: it.size_bytes,
                    status: it.status,
                })
                .collect(),
            annotations: chart
                .annotations
                .iter()
                .map(|it| AnnotationOutline {
                    id: it.id,
                    author_id: it.author_id,
                    updated_at: it.updated_at,
                })
                .collect(),
        };
        (outline, chart, person)
    }

    #[test]
    fn no_page_is_longer_than_100_kb() {
        for files in [0, 1, 20, 40] {
            for notes in [&[][..], &[5_000; 10], &[10; 60], &[1_000; 40]] {
                let (outline, chart, person) = chart(files, notes);
                let people = HashMap::from([(person.id, person)]);
                let (mut before, mut shown) = (None, 0);
                loop {
                    let page =
                        page(Frame::longest(), &outline, None, Some(&chart), &people, before);
                    let written = page.render().unwrap();
                    assert!(written.len() < 98_000, "{files} files, {notes:?}: {}", written.len());
                    let counted = AROUND
                        + escaped(&hostile(5_000))
                        + page
                            .files
                            .iter()
                            .map(|(_, name)| AROUND_NAME + name.as_deref().map_or(0, escaped))
                            .sum::<usize>()
                        + page.annotations.iter().map(Annotation::bytes).sum::<usize>();
                    assert!(
                        written.len() <= counted,
                        "{files} files, {notes:?}: {} and not {counted}",
                        written.len()
                    );
                    shown += page.annotations.len();
                    before = page.older;
                    if before.is_none() {
                        break;
                    }
                }
                assert_eq!(shown, notes.len());
            }
        }
    }
}
