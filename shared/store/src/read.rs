//! Reads: single items, batches with their unprocessed rest, ranges.

use std::collections::HashSet;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::future::try_join_all;

use crate::Store;
use crate::error::{Error, classify};
use crate::item::{Item, Stored, read};
use crate::keys::{Key, Range};
use crate::write::{BATCH_TRIES, back_off, incomplete};

/// How current a read is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Consistency {
    /// Sees every write that was answered before.
    Strong,
    /// May miss the last moments; costs half.
    Eventual,
}

/// The order of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// How many keys one BatchGetItem takes.
const MAX_BATCH_GET: usize = 100;

impl Store {
    /// One item, as what it is.
    pub(crate) async fn get<T: Stored>(
        &self,
        key: Key,
        consistency: Consistency,
    ) -> Result<Option<T>, Error> {
        self.get_item(key, consistency).await?.map(read).transpose()
    }

    /// One item.
    pub(crate) async fn get_item(
        &self,
        key: Key,
        consistency: Consistency,
    ) -> Result<Option<Item>, Error> {
        let strong = consistency == Consistency::Strong;
        let sent = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.into_attributes()))
            .consistent_read(strong)
            .send()
            .await;
        Ok(sent.map_err(|error| classify("GetItem", &error))?.item)
    }

    /// The items among `keys` that exist, in no order; a key named twice counts once.
    pub(crate) async fn get_all(
        &self,
        keys: impl IntoIterator<Item = Key>,
        consistency: Consistency,
    ) -> Result<Vec<Item>, Error> {
        let keys: Vec<Item> = keys
            .into_iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .map(Key::into_attributes)
            .collect();
        let batches = try_join_all(
            keys.chunks(MAX_BATCH_GET).map(|chunk| self.get_batch(chunk.to_vec(), consistency)),
        )
        .await?;
        Ok(batches.into_iter().flatten().collect())
    }

    async fn get_batch(
        &self,
        keys: Vec<Item>,
        consistency: Consistency,
    ) -> Result<Vec<Item>, Error> {
        let mut keys = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(consistency == Consistency::Strong)
            .build()
            .map_err(incomplete)?;
        let mut found = Vec::new();
        for attempt in 0..BATCH_TRIES {
            back_off(attempt).await;
            let sent = self.client.batch_get_item().request_items(&self.table, keys).send().await;
            let response = sent.map_err(|error| classify("BatchGetItem", &error))?;
            found.extend(
                response
                    .responses
                    .and_then(|mut tables| tables.remove(&self.table))
                    .unwrap_or_default(),
            );
            match response.unprocessed_keys.and_then(|mut rest| rest.remove(&self.table)) {
                Some(rest) => keys = rest,
                None => return Ok(found),
            }
        }
        Err(Error::Unavailable("BatchGetItem: keys stay unprocessed".to_owned()))
    }

    /// One Query: at most `limit` items of a range from behind `start`, and where it goes on.
    /// Indexes are always eventually consistent.
    pub(crate) async fn query(
        &self,
        range: &Range,
        order: Order,
        consistency: Consistency,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let sent = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(range.index.name().map(str::to_owned))
            .key_condition_expression(range.index.condition())
            .set_expression_attribute_values(Some(range.values()))
            .scan_index_forward(order == Order::Ascending)
            .consistent_read(consistency == Consistency::Strong)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await;
        let response = sent.map_err(|error| classify("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }
}
