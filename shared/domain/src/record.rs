//! Health records and doctors' annotations on them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::string_enum;
use crate::file::File;
use crate::id::{AnnotationId, RecordId, UserId};
use crate::text::{Description, Note};

string_enum! {
    /// What a record is about.
    RecordType {
        /// A consultation.
        Consultation = "consultation",
        /// A result of a laboratory.
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

/// How many annotations a record takes: it is always read whole, so it must stay readable.
pub const MAX_ANNOTATIONS: u32 = 100;

/// A health record, without its files and annotations.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The record's id.
    pub id: RecordId,
    /// Whose record it is. Never changes.
    pub patient_id: UserId,
    /// The doctor it is assigned to.
    pub doctor_id: UserId,
    /// What it is about.
    pub record_type: RecordType,
    /// The patient's words.
    pub description: Description,
    /// How many files it has.
    pub file_count: u32,
    /// How many annotations it has.
    pub annotation_count: u32,
    /// When the record, a file or an annotation of it last changed.
    pub updated_at: Timestamp,
    /// Counts those changes; the entity tag.
    pub version: u64,
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
    /// The doctor who wrote it, who alone may change it.
    pub author_id: UserId,
    /// The words.
    pub note: Note,
    /// When the words last changed.
    pub updated_at: Timestamp,
    /// Counts changes; the entity tag.
    pub version: u64,
}

/// An annotation as it was from one change to the next. Never changes itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnnotationVersion {
    /// Which annotation.
    pub annotation_id: AnnotationId,
    /// The patient whose record it is on.
    pub patient_id: UserId,
    /// The record it is on.
    pub record_id: RecordId,
    /// Who wrote these words.
    pub author_id: UserId,
    /// The words.
    pub note: Note,
    /// When they were written.
    pub written_at: Timestamp,
    /// The annotation's version, from 1.
    pub version: u64,
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
        }
    }
}

/// A record with everything that belongs to it, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct RecordDetail {
    /// The record.
    pub record: Record,
    /// Its files, newest first.
    pub files: Vec<File>,
    /// Its annotations, newest first.
    pub annotations: Vec<Annotation>,
}
