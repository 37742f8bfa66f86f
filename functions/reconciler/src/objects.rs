//! Objects of the bucket that belong to no file.

use aws_lambda_events::s3::{S3Event, S3EventRecord};
use domain::file::object_key;
use domain::id::FileId;
use runtime::clock;
use runtime::serve::Error;
use uuid::Uuid;

use crate::{Reconciler, RepairCounts, settled_before};

impl Reconciler {
    /// Reconciles a page of objects; returns where the next page begins.
    pub(crate) async fn reconcile_objects(
        &self,
        after: Option<Uuid>,
        report: &mut RepairCounts,
    ) -> Result<Option<Uuid>, Error> {
        let settled_before = settled_before(clock::now());
        let listing = self.bucket.list(after.map(FileId::from)).await?;
        let last = listing.objects.last().map(|(id, _)| *id);
        let settled = listing.objects.iter().filter(|(_, stored_at)| *stored_at < settled_before);
        let ids: Vec<FileId> = settled.map(|(id, _)| *id).collect();
        let known = self.store.get_existing_file_lookups(&ids).await?;
        for id in ids.iter().filter(|id| !known.contains(id)) {
            self.order_inspection(*id).await?;
            report.inspections_ordered += 1;
        }
        Ok(last.filter(|_| !listing.is_last).map(Uuid::from))
    }

    /// Reports an object to the inspector, as S3 does: it settles a pending file, and deletes the
    /// object of a rejected one, or without a file.
    pub(crate) async fn order_inspection(&self, id: FileId) -> Result<(), Error> {
        let mut record = S3EventRecord::default();
        record.s3.object.key = Some(object_key(id));
        let mut event = S3Event::default();
        event.records.push(record);
        Ok(self.uploads.send(serde_json::to_string(&event)?).await?)
    }
}
