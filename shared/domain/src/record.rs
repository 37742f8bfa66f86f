//! Health records and doctors' annotations on them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::field::string_enum;
use crate::file::File;
use crate::id::{AnnotationId, NotificationId, RecordId, UserId};
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

/// That a doctor may read a record: exists while, and only while, the doctor may.
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
