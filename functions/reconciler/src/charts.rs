//! Files and annotations: their lookups, and the objects of files.

use std::collections::HashMap;

use domain::file::{File, FileStatus};
use domain::id::FileId;
use runtime::clock;
use runtime::serve::Error;
use store::staff::lists::{AnnotationEntry, FileEntry};
use uuid::Uuid;

use crate::{Reconciler, RepairCounts};

impl Reconciler {
    /// Reconciles a page of files; returns where the next page begins.
    pub(crate) async fn reconcile_files(
        &self,
        after: Option<Uuid>,
        report: &mut RepairCounts,
    ) -> Result<Option<Uuid>, Error> {
        let (entries, next) = self.page::<FileEntry>(None, after, clock::now()).await?;
        let ids: Vec<_> = entries.iter().map(|it| (it.patient_id, it.record_id, it.id)).collect();
        let files = self.store.get_files(&ids).await?;
        let files: HashMap<FileId, File> = files.into_iter().map(|file| (file.id, file)).collect();
        for entry in &entries {
            match files.get(&entry.id) {
                Some(file) => self.reconcile_object_of(file, report).await?,
                None => {
                    self.store.delete_file_lookup(entry.id).await?;
                    report.lookups_deleted += 1;
                }
            }
        }
        Ok(next)
    }

    /// Compares the status of a file with its object.
    async fn reconcile_object_of(
        &self,
        file: &File,
        report: &mut RepairCounts,
    ) -> Result<(), Error> {
        match (file.status, self.bucket.has_object(file).await?) {
            // The object waits for its inspection, or was rejected by a function that may not
            // delete it.
            (FileStatus::Pending | FileStatus::Rejected, true) => {
                self.order_inspection(file.id).await?;
                report.inspections_ordered += 1;
            }
            (FileStatus::Available, false) => {
                tracing::error!(file_id = %file.id, "the object of an available file is lost");
                self.store.reopen_file(file).await?;
                report.files_reopened += 1;
            }
            (FileStatus::Available, true) | (FileStatus::Pending | FileStatus::Rejected, false) => {
            }
        }
        Ok(())
    }

    /// Reconciles a page of annotations; returns where the next page begins.
    pub(crate) async fn reconcile_annotations(
        &self,
        after: Option<Uuid>,
        report: &mut RepairCounts,
    ) -> Result<Option<Uuid>, Error> {
        let (entries, next) = self.page::<AnnotationEntry>(None, after, clock::now()).await?;
        let ids: Vec<_> = entries.iter().map(|it| (it.patient_id, it.record_id, it.id)).collect();
        let existing = self.store.get_existing_annotations(&ids).await?;
        for entry in entries.iter().filter(|entry| !existing.contains(&entry.id)) {
            self.store.delete_annotation_lookup(entry.id).await?;
            report.lookups_deleted += 1;
        }
        Ok(next)
    }
}
