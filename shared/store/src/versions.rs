//! The history of records and annotations: lists of versions, newest first.

use domain::id::{RecordId, UserId};
use domain::record::RecordVersion;

use crate::error::Error;
use crate::item::{Keyed, Stored, from_item};
use crate::keys::{self, ItemKey, Range};
use crate::page::Page;
use crate::read::{Consistency, Order};
use crate::table::Table;

impl Stored for RecordVersion {
    const ENTITY: &'static str = "record_version";
    const IN_KEY: &'static [&'static str] = &["patient_id", "record_id"];
}

impl Keyed for RecordVersion {
    fn key(&self) -> ItemKey {
        keys::record_version(self.patient_id, self.record_id, self.version)
    }
}

/// The greatest version that a key can hold.
const MAX_VERSION: u64 = 9_999_999_999;

/// Returns the newest version of the page after one, or of the first page.
pub(crate) fn newest(after: Option<u64>) -> u64 {
    after.map_or(MAX_VERSION, |after| after.min(MAX_VERSION).saturating_sub(1))
}

impl Table {
    /// Lists the changes of a record, newest first; strongly consistent. `after` is the last
    /// version of the previous page.
    pub async fn list_record_versions(
        &self,
        patient: UserId,
        record: RecordId,
        limit: usize,
        after: Option<u64>,
    ) -> Result<Page<RecordVersion, u64>, Error> {
        let range = keys::record_versions(patient, record, newest(after));
        self.list_versions(&range, limit, |version: &RecordVersion| version.version).await
    }

    pub(crate) async fn list_versions<T: Stored>(
        &self,
        range: &Range,
        limit: usize,
        number: impl Fn(&T) -> u64,
    ) -> Result<Page<T, u64>, Error> {
        let (items, more) =
            self.query_first(range, Order::Descending, Consistency::Strong, limit).await?;
        let items = items.into_iter().map(from_item).collect::<Result<Vec<T>, _>>()?;
        let next = items.last().filter(|_| more).map(number);
        Ok(Page { items, next })
    }
}
