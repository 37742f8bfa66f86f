//! Reads: single items, batches (with retries of unprocessed keys), and queries of ranges.

use std::collections::HashSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Select};
use futures_util::future::try_join_all;

use crate::attributes::{Item, names};
use crate::error::{Error, classify};
use crate::item::{Stored, from_item};
use crate::keys::{self, ItemKey, Range};
use crate::retry::UNPROCESSED_BATCH;
use crate::table::Table;
use crate::write::incomplete;

/// The consistency of a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Consistency {
    /// Sees every write that succeeded before.
    Strong,
    /// May miss the latest writes; costs half.
    Eventual,
}

/// The order of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// How many items one Query reads of a range that is read to its end: more than a year of counters
/// has, so that one Query shows that they are complete.
const READ_AT_ONCE: usize = 2_000;

/// How many keys one BatchGetItem takes.
const MAX_BATCH_GET: usize = 100;

impl Table {
    /// Reads an item that does not exist, eventually consistent, for half a read unit.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn check(&self) -> Result<(), Error> {
        self.get_item(keys::readiness(), Consistency::Eventual).await.map(drop)
    }

    /// Reads one item as its type.
    pub(crate) async fn get<T: Stored>(
        &self,
        key: ItemKey,
        consistency: Consistency,
    ) -> Result<Option<T>, Error> {
        self.get_item(key, consistency).await?.map(from_item).transpose()
    }

    /// Reads one item.
    pub(crate) async fn get_item(
        &self,
        key: ItemKey,
        consistency: Consistency,
    ) -> Result<Option<Item>, Error> {
        let strong = consistency == Consistency::Strong;
        let sent = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.into_attributes()))
            .consistent_read(strong)
            .send()
            .await;
        Ok(sent.map_err(|error| classify("GetItem", &error))?.item)
    }

    /// Reads the items of `keys` that exist, in no order; duplicate keys are read once.
    pub(crate) async fn get_all(
        &self,
        keys: impl IntoIterator<Item = ItemKey>,
        consistency: Consistency,
    ) -> Result<Vec<Item>, Error> {
        let keys: Vec<Item> = keys
            .into_iter()
            .collect::<HashSet<_>>()
            .into_iter()
            .map(ItemKey::into_attributes)
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
        let mut retries = UNPROCESSED_BATCH.start();
        loop {
            let sent = self.client.batch_get_item().request_items(&self.name, keys).send().await;
            let response = sent.map_err(|error| classify("BatchGetItem", &error))?;
            found.extend(
                response
                    .responses
                    .and_then(|mut tables| tables.remove(&self.name))
                    .unwrap_or_default(),
            );
            match response.unprocessed_keys.and_then(|mut rest| rest.remove(&self.name)) {
                Some(rest) => keys = rest,
                None => return Ok(found),
            }
            if !retries.next().await {
                let unprocessed = "BatchGetItem: keys stay unprocessed";
                return Err(Error::Unavailable(unprocessed.to_owned()));
            }
        }
    }

    /// Reads at most `limit` items of a range after `start` with one Query, and returns where to
    /// continue. Indexes are always eventually consistent.
    pub(crate) async fn query(
        &self,
        range: &Range,
        order: Order,
        consistency: Consistency,
        limit: usize,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        let query = Query { order, consistency, ..Query::of(range, limit) };
        self.send_query(&query, start).await
    }

    /// Reads the first items of a range with one Query, up to `limit` or to the 1 MB at which
    /// DynamoDB ends a response, and returns whether there are more.
    pub(crate) async fn query_first(
        &self,
        range: &Range,
        order: Order,
        consistency: Consistency,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), Error> {
        let (mut items, rest) = self.query(range, order, consistency, limit + 1, None).await?;
        let more = rest.is_some() || items.len() > limit;
        items.truncate(limit);
        Ok((items, more))
    }

    /// Reads all items of a range that has few of them, in ascending order.
    pub(crate) async fn query_all(
        &self,
        range: &Range,
        consistency: Consistency,
    ) -> Result<Vec<Item>, Error> {
        let (mut all, mut start) = (Vec::new(), None);
        loop {
            let (items, rest) =
                self.query(range, Order::Ascending, consistency, READ_AT_ONCE, start).await?;
            all.extend(items);
            start = rest;
            if start.is_none() {
                return Ok(all);
            }
        }
    }

    /// Sends a query that continues after `start`, and returns where to continue.
    pub(crate) async fn send_query(
        &self,
        query: &Query<'_>,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), Error> {
        if query.range.is_empty() {
            return Ok((Vec::new(), None));
        }
        let sent = query.request(self).set_exclusive_start_key(start).send().await;
        let response = sent.map_err(|error| classify("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key))
    }

    /// Counts the items that a query without a filter finds, up to its limit.
    pub(crate) async fn count(&self, query: &Query<'_>) -> Result<usize, Error> {
        if query.range.is_empty() {
            return Ok(0);
        }
        let (mut counted, mut start) = (0, None);
        loop {
            let request = query.request(self).select(Select::Count);
            let sent = request.set_exclusive_start_key(start).send().await;
            let response = sent.map_err(|error| classify("Query", &error))?;
            counted += usize::try_from(response.count)
                .map_err(|_| Error::Rejected("Query: a negative count".to_owned()))?;
            start = response.last_evaluated_key;
            if start.is_none() || counted >= query.limit {
                return Ok(counted.min(query.limit));
            }
        }
    }
}

/// The parameters of a Query.
pub(crate) struct Query<'a> {
    pub(crate) range: &'a Range,
    pub(crate) order: Order,
    pub(crate) consistency: Consistency,
    /// How many items are read, before the filter.
    pub(crate) limit: usize,
    /// The condition for returned items.
    pub(crate) filter: Option<&'static str>,
    /// The attributes that are returned; all by default.
    pub(crate) projection: Option<&'static str>,
}

impl<'a> Query<'a> {
    /// Makes a query of the first items of a range, ascending and eventually consistent.
    pub(crate) fn of(range: &'a Range, limit: usize) -> Self {
        Self {
            range,
            order: Order::Ascending,
            consistency: Consistency::Eventual,
            limit,
            filter: None,
            projection: None,
        }
    }

    fn request(&self, table: &Table) -> QueryFluentBuilder {
        let condition = self.range.index.condition();
        let expressions = [Some(condition), self.filter, self.projection];
        table
            .client
            .query()
            .table_name(&table.name)
            .set_index_name(self.range.index.name().map(str::to_owned))
            .key_condition_expression(condition)
            .set_filter_expression(self.filter.map(str::to_owned))
            .set_projection_expression(self.projection.map(str::to_owned))
            .set_expression_attribute_names(names(expressions.into_iter().flatten()))
            .set_expression_attribute_values(Some(self.range.values()))
            .scan_index_forward(self.order == Order::Ascending)
            .consistent_read(self.consistency == Consistency::Strong)
            .limit(i32::try_from(self.limit).unwrap_or(i32::MAX))
    }
}
