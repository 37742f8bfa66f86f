//! Use [`Record`] and [`Annotation`] for what patients and doctors write, [`RecordDetail`] for a
//! record with its files and annotations, [`Assignment`] for who may read it, and [`RecordVersion`]
//! and [`AnnotationVersion`] for its history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::string_enum;
use crate::file::{File, FileName};
use crate::id::{AnnotationId, FileId, NotificationId, RecordId, UserId};
use crate::text::{Description, Note};

string_enum! {
    /// The type of a record.
    RecordType {
        /// A consultation.
        Consultation = "consultation",
        /// A laboratory result.
        LabResult = "lab_result",
        /// A prescription.
        Prescription = "prescription",
        /// Imaging.
        Imaging = "imaging",
        /// A procedure.
        Procedure = "procedure",
        /// Anything else.
        General = "general",
    }
}

/// Maximum number of annotations on a record. A record is always read with all of them.
pub const MAX_ANNOTATIONS: u32 = 100;

/// A health record, without its files and annotations.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The record's id.
    pub id: RecordId,
    /// The patient whose record it is. Never changes.
    pub patient_id: UserId,
    /// The doctor it is assigned to.
    pub doctor_id: UserId,
    /// The type.
    pub record_type: RecordType,
    /// The patient's description.
    pub description: Description,
    /// Number of files.
    pub file_count: u32,
    /// Number of annotations.
    pub annotation_count: u32,
    /// When the record, one of its files or one of its annotations last changed.
    pub updated_at: Timestamp,
    /// Number of these changes; the entity tag.
    pub version: u64,
    /// The version at which type, description or files last changed; unknown for records from
    /// before this was stored.
    pub content_version: Option<u64>,
    /// The last notification to a doctor about a change of the record.
    pub update_notification_id: Option<NotificationId>,
    /// The last notification to the patient about a change of an annotation.
    pub annotation_notification_id: Option<NotificationId>,
}

/// A doctor's annotation on a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Annotation {
    /// The annotation's id.
    pub id: AnnotationId,
    /// The patient whose record it is on.
    pub patient_id: UserId,
    /// The record it is on. Never changes.
    pub record_id: RecordId,
    /// The doctor who wrote it, and the only one who may change it.
    pub author_id: UserId,
    /// The text.
    pub note: Note,
    /// When the text last changed.
    pub updated_at: Timestamp,
    /// Number of changes; the entity tag.
    pub version: u64,
    /// The version of the record that the author had read at the last change; unknown for
    /// annotations from before records had a history.
    pub record_version: Option<u64>,
}

/// A change of a record by its patient or by staff: the values before and after it. Never changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecordVersion {
    /// The record.
    pub record_id: RecordId,
    /// The patient whose record it is.
    pub patient_id: UserId,
    /// Who made the change.
    pub author_id: UserId,
    /// When it was made.
    pub written_at: Timestamp,
    /// The version of the record since the change. Annotations count, too, so there are gaps.
    pub version: u64,
    /// The types before and after, if they differ.
    pub record_type: Option<BeforeAfter<RecordType>>,
    /// The descriptions before and after, if they differ.
    pub description: Option<BeforeAfter<Description>>,
    /// The doctors before and after, if the record was assigned to another one.
    pub doctor_id: Option<BeforeAfter<UserId>>,
    /// The new files.
    pub files_added: Vec<NamedFile>,
    /// The files that were deleted.
    pub files_removed: Vec<NamedFile>,
}

/// A value before and after a change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct BeforeAfter<T> {
    /// The value before.
    pub before: T,
    /// The value after.
    pub after: T,
}

impl<T: Clone + PartialEq> BeforeAfter<T> {
    fn between(before: &T, after: &T) -> Option<Self> {
        (before != after).then(|| Self { before: before.clone(), after: after.clone() })
    }
}

/// The part of a file that a history keeps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NamedFile {
    /// The file's id.
    pub id: FileId,
    /// Its name.
    pub name: FileName,
}

impl From<&File> for NamedFile {
    fn from(file: &File) -> Self {
        Self { id: file.id, name: file.name.clone() }
    }
}

impl RecordVersion {
    /// Returns what an author has changed between two versions of a record, files aside.
    pub fn between(before: &Record, after: &Record, author_id: UserId) -> Self {
        // Every field, so that a new one does not compile before the history has it.
        let Record {
            id,
            patient_id,
            doctor_id,
            record_type,
            description,
            file_count: _,
            annotation_count: _,
            updated_at,
            version,
            content_version: _,
            update_notification_id: _,
            annotation_notification_id: _,
        } = after;
        Self {
            record_type: BeforeAfter::between(&before.record_type, record_type),
            description: BeforeAfter::between(&before.description, description),
            doctor_id: BeforeAfter::between(&before.doctor_id, doctor_id),
            ..Self::empty(*patient_id, *id, *version, author_id, *updated_at)
        }
    }

    /// Returns a version in which nothing has changed yet.
    pub fn empty(
        patient_id: UserId,
        record_id: RecordId,
        version: u64,
        author_id: UserId,
        written_at: Timestamp,
    ) -> Self {
        Self {
            record_id,
            patient_id,
            author_id,
            written_at,
            version,
            record_type: None,
            description: None,
            doctor_id: None,
            files_added: Vec::new(),
            files_removed: Vec::new(),
        }
    }

    /// Returns the ids of the users that the version names.
    pub fn user_ids(&self) -> impl Iterator<Item = UserId> {
        let doctors = self.doctor_id.iter().flat_map(|change| [change.before, change.after]);
        std::iter::once(self.author_id).chain(doctors)
    }
}

/// A former or current version of an annotation. Never changes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnnotationVersion {
    /// The annotation.
    pub annotation_id: AnnotationId,
    /// The patient whose record it is on.
    pub patient_id: UserId,
    /// The record it is on.
    pub record_id: RecordId,
    /// The author of this version.
    pub author_id: UserId,
    /// The text.
    pub note: Note,
    /// When this version was written.
    pub written_at: Timestamp,
    /// The version number, from 1.
    pub version: u64,
    /// The version of the record at that time.
    pub record_version: Option<u64>,
}

impl From<&Annotation> for AnnotationVersion {
    fn from(annotation: &Annotation) -> Self {
        Self {
            annotation_id: annotation.id,
            patient_id: annotation.patient_id,
            record_id: annotation.record_id,
            author_id: annotation.author_id,
            note: annotation.note.clone(),
            written_at: annotation.updated_at,
            version: annotation.version,
            record_version: annotation.record_version,
        }
    }
}

/// The right of a doctor to read a record. Exists as long as the doctor has it, and no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// Which record.
    pub record_id: RecordId,
    /// The doctor who may read it.
    pub doctor_id: UserId,
    /// The patient whose record it is.
    pub patient_id: UserId,
    /// What the record is about.
    pub record_type: RecordType,
}

impl From<&Record> for Assignment {
    fn from(record: &Record) -> Self {
        let Record { id, patient_id, doctor_id, record_type, .. } = *record;
        Self { record_id: id, doctor_id, patient_id, record_type }
    }
}

/// A record with its files and annotations.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordDetail {
    /// The record.
    pub record: Record,
    /// Its files, newest first.
    pub files: Vec<File>,
    /// Its annotations, newest first.
    pub annotations: Vec<Annotation>,
}
