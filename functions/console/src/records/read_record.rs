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
use http_api::caller::Admin;
use http_api::path::PathId;
use http_api::problem::Problem;
use http_api::query::QueryParameters;
use jiff::Timestamp;
use runtime::clock;
use store::staff::emergency_access::Grant;
use store::staff::lists::RecordEntry;
use store::staff::outline::{AnnotationOutline, FileOutline, Outline, RecordOutline};

use crate::App;
use crate::records::clinical_reads::clinical_read;
use crate::records::person_search::{EXCERPT, display_name, shorten};
use crate::web::layout::{PAGE_SIZE, PageLayout, render};

/// The size of a page in bytes, which must stay below 100 KB whatever its texts are. Every page has
/// room for one annotation beside the longest description and the most files of a record.
const MAX_PAGE_BYTES: usize = 95_000;
/// Upper bounds for the bytes of the page without texts, of a file's row without the name, and of
/// an annotation's row without author and note.
const FIXED_BYTES: usize = 7_000;
const FILE_ROW_BYTES: usize = 400;
const ANNOTATION_ROW_BYTES: usize = 450;

/// File names that are longer in total are shortened.
const MAX_NAME_BYTES: usize = 20_000;

/// A record with its files and annotations. Clinical text is there during emergency access.
#[derive(Template)]
#[template(path = "records/record.html")]
struct RecordPage<'a> {
    layout: PageLayout,
    record: RecordOutline,
    patient: String,
    doctor: String,
    /// When the emergency access ends.
    access_ends_at: Option<Timestamp>,
    description: Option<&'a str>,
    files: Vec<(FileOutline, Option<String>)>,
    names_are_shortened: bool,
    annotations: Vec<AnnotationRow<'a>>,
    /// The annotation before which the next page begins.
    older: Option<AnnotationId>,
}

struct AnnotationRow<'a> {
    outline: AnnotationOutline,
    author: String,
    note: Option<&'a str>,
}

impl AnnotationRow<'_> {
    fn bytes(&self) -> usize {
        ANNOTATION_ROW_BYTES + escaped_bytes(&self.author) + self.note.map_or(0, escaped_bytes)
    }
}

/// Returns how many bytes a text takes on a page.
fn escaped_bytes(text: &str) -> usize {
    let is_escaped = |byte: &u8| matches!(byte, b'"' | b'&' | b'\'' | b'<' | b'>');
    text.len() + 4 * text.bytes().filter(is_escaped).count()
}

/// Shows a record. It is found by an index, which may lag a moment.
pub(crate) async fn read_record(
    State(app): State<App>,
    layout: PageLayout,
    admin: Admin,
    PathId(id): PathId<RecordId>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    let reader = admin.id();
    let before = query.parse_alone(|parameters| parameters.optional("before"))?;
    let reads = async {
        tokio::try_join!(
            app.store.get_entry::<RecordEntry>(id),
            app.store.get_grant(reader, id, clock::now())
        )
    };
    let (caller, (entry, grant)) = admin.authorize_with(reads).await?;
    let patient = entry.ok_or_else(Problem::not_found)?.patient_id;
    let event = match &grant {
        Some(grant) => clinical_read(&caller, grant),
        None => caller.audit(Action::LookUpRecord, patient, Some(id)),
    };
    let (outline, detail, ()) = tokio::try_join!(
        app.store.get_record_outline(patient, id),
        read_detail(&app, grant.as_ref()),
        app.store.create_events(std::slice::from_ref(&event))
    )?;
    let outline = outline.ok_or_else(Problem::not_found)?;
    let mut named: Vec<UserId> =
        outline.annotations.iter().map(|annotation| annotation.author_id).collect();
    named.extend([outline.record.patient_id, outline.record.doctor_id]);
    let accounts_by_id = app.store.get_accounts(named).await?;
    render(&page(layout, &outline, grant.as_ref(), detail.as_ref(), &accounts_by_id, before))
}

/// Reads the record with its clinical text, if there is a grant.
async fn read_detail(
    app: &App,
    grant: Option<&Grant>,
) -> Result<Option<RecordDetail>, store::Error> {
    match grant {
        Some(grant) => app.store.get_granted_record(grant).await,
        None => Ok(None),
    }
}

fn page<'a>(
    layout: PageLayout,
    outline: &Outline,
    grant: Option<&Grant>,
    detail: Option<&'a RecordDetail>,
    accounts_by_id: &HashMap<UserId, Account>,
    before: Option<AnnotationId>,
) -> RecordPage<'a> {
    let names_are_shortened = detail.is_some_and(|detail| {
        detail.files.iter().map(|file| escaped_bytes(file.name.as_str())).sum::<usize>()
            > MAX_NAME_BYTES
    });
    let max_chars = if names_are_shortened { EXCERPT } else { FileName::MAX };
    let file = |file: &FileOutline| {
        let with_name = detail.and_then(|detail| detail.files.iter().find(|it| it.id == file.id));
        (*file, with_name.map(|file| shorten(file.name.as_str(), max_chars)))
    };
    let files: Vec<_> = outline.files.iter().map(file).collect();
    let description = detail.map(|detail| detail.record.description.as_str());
    let annotation = |annotation: &AnnotationOutline| {
        let with_note =
            detail.and_then(|detail| detail.annotations.iter().find(|it| it.id == annotation.id));
        let (author, note) = (
            display_name(accounts_by_id, annotation.author_id),
            with_note.map(|annotation| annotation.note.as_str()),
        );
        AnnotationRow { outline: *annotation, author, note }
    };
    let mut annotations = outline
        .annotations
        .iter()
        .filter(|it| before.is_none_or(|before| it.id < before))
        .map(annotation)
        .peekable();
    let mut shown: Vec<AnnotationRow<'a>> = Vec::new();
    let mut bytes = FIXED_BYTES + description.map_or(0, escaped_bytes);
    bytes += files
        .iter()
        .map(|(_, name)| FILE_ROW_BYTES + name.as_deref().map_or(0, escaped_bytes))
        .sum::<usize>();
    let fits = |it: &AnnotationRow<'_>, shown: usize, bytes: usize| {
        shown == 0 || (shown < PAGE_SIZE && bytes + it.bytes() <= MAX_PAGE_BYTES)
    };
    while let Some(annotation) = annotations.next_if(|it| fits(it, shown.len(), bytes)) {
        bytes += annotation.bytes();
        shown.push(annotation);
    }
    let more = annotations.peek().is_some();
    RecordPage {
        layout,
        record: outline.record,
        patient: display_name(accounts_by_id, outline.record.patient_id),
        doctor: display_name(accounts_by_id, outline.record.doctor_id),
        access_ends_at: grant.map(Grant::ends_at),
        description,
        files,
        names_are_shortened,
        older: shown.last().filter(|_| more).map(|annotation| annotation.outline.id),
        annotations: shown,
    }
}

#[cfg(test)]
mod tests {
    use domain::account::Role;
    use domain::field::FieldValue;
    use domain::file::{ContentType, File, FileStatus};
    use domain::record::{Annotation, Record, RecordType};
    use domain::text::{Description, Name, Note};

    use super::*;

    /// Returns characters that take five bytes of a page each.
    fn hostile(length: usize) -> String {
        "\"&'<>".chars().cycle().take(length).collect()
    }

    /// Makes a record detail with nothing but the longest texts.
    fn longest_record(files: usize, notes: &[usize]) -> (Outline, RecordDetail, Account) {
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
            rejection: None,
        };
        let annotation = |length: &usize| Annotation {
            id: clock::new_id(),
            patient_id: who,
            record_id: id,
            author_id: who,
            note: Note::parse(&hostile(*length)).unwrap(),
            updated_at: now,
            version: 1,
            record_version: None,
        };
        let mut annotations: Vec<_> = notes.iter().map(annotation).collect();
        annotations.reverse();
        let detail = RecordDetail {
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
                content_version: None,
                update_notification_id: None,
                annotation_notification_id: None,
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
            files: detail
                .files
                .iter()
                .map(|it| FileOutline {
                    id: it.id,
                    content_type: it.content_type,
                    size_bytes: it.size_bytes,
                    status: it.status,
                })
                .collect(),
            annotations: detail
                .annotations
                .iter()
                .map(|it| AnnotationOutline {
                    id: it.id,
                    author_id: it.author_id,
                    updated_at: it.updated_at,
                })
                .collect(),
        };
        (outline, detail, person)
    }

    #[test]
    fn no_page_is_longer_than_100_kb() {
        for files in [0, 1, 20, 40] {
            for notes in [&[][..], &[5_000; 10], &[10; 60], &[1_000; 40]] {
                let (outline, detail, person) = longest_record(files, notes);
                let accounts_by_id = HashMap::from([(person.id, person)]);
                let (mut before, mut shown) = (None, 0);
                loop {
                    let page = page(
                        PageLayout::longest(),
                        &outline,
                        None,
                        Some(&detail),
                        &accounts_by_id,
                        before,
                    );
                    let written = page.render().unwrap();
                    assert!(written.len() < 98_000, "{files} files, {notes:?}: {}", written.len());
                    let counted = FIXED_BYTES
                        + escaped_bytes(&hostile(5_000))
                        + page
                            .files
                            .iter()
                            .map(|(_, name)| {
                                FILE_ROW_BYTES + name.as_deref().map_or(0, escaped_bytes)
                            })
                            .sum::<usize>()
                        + page.annotations.iter().map(AnnotationRow::bytes).sum::<usize>();
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
