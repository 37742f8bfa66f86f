//! Where a file or an annotation is stored, by its id alone.

use domain::file::File;
use domain::id::{AnnotationId, FileId, RecordId, UserId};
use domain::record::Annotation;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::item::{Stored, to_item_at};
use crate::keys;
use crate::read::Consistency;
use crate::table::Table;
use crate::write::Step;

/// Where a file or an annotation is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lookup {
    /// The patient whose chart it is in.
    pub patient_id: UserId,
    /// The record it belongs to.
    pub record_id: RecordId,
    /// The author, where it is an annotation.
    pub author_id: Option<UserId>,
}

impl Stored for Lookup {
    const ENTITY: &'static str = "lookup";
    const IN_KEY: &'static [&'static str] = &[];
}

impl Table {
    /// Reads where a file is stored, strongly consistent.
    pub async fn get_file_lookup(&self, id: FileId) -> Result<Option<Lookup>, Error> {
        self.get(keys::file_lookup(id), Consistency::Strong).await
    }

    /// Reads where an annotation is stored, strongly consistent.
    pub async fn get_annotation_lookup(&self, id: AnnotationId) -> Result<Option<Lookup>, Error> {
        self.get(keys::annotation_lookup(id), Consistency::Strong).await
    }
}

pub(crate) fn put_file_lookup<E>(file: &File) -> Result<Step<E>, Error> {
    let lookup = Lookup { patient_id: file.patient_id, record_id: file.record_id, author_id: None };
    let (key, indexes) = (keys::file_lookup(file.id), keys::file_lookup_indexes(file.id));
    to_item_at(&lookup, key, indexes).map(Step::put_item)
}

pub(crate) fn put_annotation_lookup<E>(annotation: &Annotation) -> Result<Step<E>, Error> {
    let Annotation { id, patient_id, record_id, author_id, .. } = *annotation;
    let lookup = Lookup { patient_id, record_id, author_id: Some(author_id) };
    let (key, indexes) = (keys::annotation_lookup(id), keys::annotation_lookup_indexes(id));
    to_item_at(&lookup, key, indexes).map(Step::put_item)
}
