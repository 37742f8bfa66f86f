//! Outlines: what staff see of records, charts and inboxes without emergency access, nothing of it
//! written by people.

use domain::file::{ContentType, File, FileStatus};
use domain::id::{AnnotationId, FileId, RecordId, UserId};
use domain::record::{Annotation, Record, RecordType};
use jiff::Timestamp;
use serde::Deserialize;

use crate::attributes::{Item, entity};
use crate::error::Error;
use crate::item::{Stored, read_part};
use crate::keys::{self, Range};
use crate::page::FURTHER_ITEMS;
use crate::read::{Consistency, Order, Query};
use crate::table::Table;

/// A record, without what people have written.
#[derive(Clone, PartialEq, Debug)]
pub struct Outline {
    /// The record.
    pub record: RecordOutline,
    /// Its files, newest first.
    pub files: Vec<FileOutline>,
    /// Its annotations, newest first.
    pub annotations: Vec<AnnotationOutline>,
}

/// The outline's part about the record itself.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct RecordOutline {
    /// Which.
    pub id: RecordId,
    /// Whose it is.
    pub patient_id: UserId,
    /// The doctor it is assigned to.
    pub doctor_id: UserId,
    /// What it is about.
    pub record_type: RecordType,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// Counts those changes.
    pub version: u64,
}

/// A file, without its name.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct FileOutline {
    /// Which.
    pub id: FileId,
    /// Its declared type.
    pub content_type: ContentType,
    /// Its declared length.
    pub size_bytes: u64,
    /// Whether its content was uploaded.
    pub status: FileStatus,
}

/// An annotation, without what it says.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
pub struct AnnotationOutline {
    /// Which.
    pub id: AnnotationId,
    /// The doctor who wrote it.
    pub author_id: UserId,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The attributes of charts and inboxes that staff see without emergency access: nothing that
/// people have written, nor what can be derived from it.
const OUTLINE: &str = "pk, sk, entity, doctor_id, record_type, version, updated_at, author_id, \
                       content_type, size_bytes, #status, notification_type, record_id, \
                       patient_id, read_at";

impl Table {
    /// Reads the outline of one record, strongly consistent.
    pub async fn get_record_outline(
        &self,
        patient: UserId,
        record: RecordId,
    ) -> Result<Option<Outline>, Error> {
        let range = keys::records(patient, record, record);
        let (mut files, mut annotations, mut start) = (Vec::new(), Vec::new(), None);
        loop {
            let (items, rest) = self.query_outline(&range, FURTHER_ITEMS, start).await?;
            for item in items {
                match entity(&item) {
                    File::ENTITY => files.push(outlined::<File, _>(item)?),
                    Annotation::ENTITY => annotations.push(outlined::<Annotation, _>(item)?),
                    _ => {
                        return Ok(Some(Outline {
                            record: outlined::<Record, _>(item)?,
                            files,
                            annotations,
                        }));
                    }
                }
            }
            start = rest;
            if start.is_none() {
                return Ok(None);
            }
        }
    }

    /// Reads at most `limit` outlines of a range after `start`, in descending order and strongly
    /// consistent, and returns where to continue. The table does not send the other attributes.
    pub(crate) async fn query_outline(
        &self,
        range: &Range,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let query = Query {
            order: Order::Descending,
            consistency: Consistency::Strong,
            projection: Some(OUTLINE),
            ..Query::of(range, limit)
        };
        self.send_query(&query, start).await
    }
}

fn outlined<T: Stored, O: serde::de::DeserializeOwned>(item: Item) -> Result<O, Error> {
    read_part(item, T::ENTITY, T::IN_KEY)
}
