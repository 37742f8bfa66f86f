//! The table on dynoxide, and its stream as DynamoDB has it: shards in which the changes of an item
//! are in order.

use std::sync::Arc;

use dynoxide::Database;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use serde_json::{Value, json};
use store_tests::table as definition;
use tokio::sync::Notify;

use crate::clock::timestamp;

/// How many shards the stream has.
pub const SHARDS: usize = 2;

/// The table.
pub struct SimulatedTable {
    database: Database,
    iterator: String,
    /// All changes in the order in which they were committed.
    pub log: Vec<CommittedChange>,
    /// Is notified of every change.
    pub changed: Arc<Notify>,
}

/// A change of an item.
#[derive(Clone)]
pub struct CommittedChange {
    /// When it was committed, in ms since the beginning.
    pub at: u64,
    /// Which shard delivers it.
    pub shard: usize,
    /// The record of the stream.
    pub record: Value,
}

impl CommittedChange {
    /// Returns partition and sort key of the item.
    pub fn key(&self) -> String {
        let keys = &self.record["dynamodb"]["Keys"];
        format!("{} {}", keys["pk"]["S"].as_str().unwrap(), keys["sk"]["S"].as_str().unwrap())
    }

    /// Returns the item before.
    pub fn old_image(&self) -> &Value {
        &self.record["dynamodb"]["OldImage"]
    }

    /// Returns the item after.
    pub fn new_image(&self) -> &Value {
        &self.record["dynamodb"]["NewImage"]
    }

    /// Returns `INSERT`, `MODIFY` or `REMOVE`.
    pub fn event(&self) -> &str {
        self.record["eventName"].as_str().unwrap()
    }

    /// Returns its place in the stream.
    pub fn sequence_number(&self) -> &str {
        self.record["dynamodb"]["SequenceNumber"].as_str().unwrap()
    }
}

/// Returns a text attribute of an item, empty if it has none.
pub fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

/// Returns a number of an item, 0 if it has none.
pub fn number(item: &Value, name: &str) -> u64 {
    item[name]["N"].as_str().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Carries out an operation of the API: its request and response are JSON.
macro_rules! operations {
    ($database:expr, $operation:expr, $body:expr, $($name:literal $method:ident),+ $(,)?) => {
        match $operation {
            $($name => {
                let request = serde_json::from_slice($body).unwrap();
                $database.$method(request).map(|response| serde_json::to_string(&response).unwrap())
            })+
            other => panic!("the table has no {other}"),
        }
    };
}

impl SimulatedTable {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        let database = definition::database();
        let streams = database.list_streams(ListStreamsRequest::default()).unwrap();
        let streams = serde_json::to_value(streams).unwrap();
        let request = GetShardIteratorRequest {
            stream_arn: streams["Streams"][0]["StreamArn"].as_str().unwrap().to_owned(),
            shard_id: dynoxide::streams::shard_id(definition::NAME),
            shard_iterator_type: "TRIM_HORIZON".to_owned(),
            sequence_number: None,
        };
        let iterator = database.get_shard_iterator(request).unwrap().shard_iterator.unwrap();
        Self { database, iterator, log: Vec::new(), changed: Arc::default() }
    }

    /// Carries out an operation; returns status and body of the response.
    pub fn act(&mut self, operation: &str, body: &[u8], now: u64) -> (u16, String) {
        let database = &self.database;
        let acted = operations!(
            database, operation, body,
            "PutItem" put_item,
            "GetItem" get_item,
            "DeleteItem" delete_item,
            "UpdateItem" update_item,
            "BatchGetItem" batch_get_item,
            "BatchWriteItem" batch_write_item,
            "Query" query,
            "Scan" scan,
            "TransactWriteItems" transact_write_items,
            "TransactGetItems" transact_get_items,
        );
        if !is_read(operation) {
            self.read_stream(now);
        }
        match acted {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    /// Writes an item past the API, as somebody with access to the table could.
    pub fn write(&mut self, item: &Value, now: u64) {
        let body = json!({"TableName": definition::NAME, "Item": item}).to_string();
        let (status, body) = self.act("PutItem", body.as_bytes(), now);
        assert_eq!(status, 200, "{body}");
    }

    /// Deletes an item past the API.
    pub fn delete(&mut self, item: &Value, now: u64) {
        let key = json!({"pk": item["pk"], "sk": item["sk"]});
        let body = json!({"TableName": definition::NAME, "Key": key}).to_string();
        let (status, body) = self.act("DeleteItem", body.as_bytes(), now);
        assert_eq!(status, 200, "{body}");
    }

    /// Deletes items whose time to live is over, as the table does some time later; returns how
    /// many they were.
    pub fn expire(&mut self, now: u64) -> usize {
        let seconds = u64::try_from(timestamp(now).as_second()).unwrap();
        let expired = self.items().into_iter().filter(|item| {
            let ttl = number(item, "ttl");
            ttl > 0 && ttl < seconds
        });
        let expired: Vec<_> = expired.collect();
        for item in &expired {
            self.delete(item, now);
        }
        expired.len()
    }

    /// Returns all items.
    pub fn items(&mut self) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut request = json!({"TableName": definition::NAME, "ConsistentRead": true});
            if !start.is_null() {
                request["ExclusiveStartKey"] = start;
            }
            let (_, body) = self.act("Scan", request.to_string().as_bytes(), 0);
            let mut page: Value = serde_json::from_str(&body).unwrap();
            items.extend(page["Items"].as_array().unwrap().iter().cloned());
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return items;
            }
        }
    }

    fn read_stream(&mut self, now: u64) {
        loop {
            let request =
                GetRecordsRequest { shard_iterator: self.iterator.clone(), limit: Some(1000) };
            let response = self.database.get_records(request).unwrap();
            self.iterator = response.next_shard_iterator.unwrap();
            let number = response.records.len();
            for record in response.records {
                let mut record = serde_json::to_value(record).unwrap();
                // Those of the engine contain the time of this machine.
                let number = format!("{:021}", self.log.len() + 1);
                record["eventID"] = json!(format!("event-{}", self.log.len() + 1));
                record["dynamodb"]["SequenceNumber"] = json!(number);
                record["dynamodb"]["ApproximateCreationDateTime"] =
                    json!(timestamp(now).as_second());
                let key = record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap();
                let sum: usize = key.bytes().map(usize::from).sum();
                self.log.push(CommittedChange { at: now, shard: sum % SHARDS, record });
            }
            if number > 0 {
                self.changed.notify_waiters();
            }
            if number < 1000 {
                return;
            }
        }
    }
}

/// Returns whether an operation changes nothing.
pub fn is_read(operation: &str) -> bool {
    matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

/// Returns whether a change passes a filter of an event source (Lambda developer guide, "event
/// filtering"): each member of the pattern is there with one of the values.
pub fn matches(pattern: &Value, record: &Value) -> bool {
    match pattern {
        Value::Object(members) => members
            .iter()
            .all(|(name, pattern)| !record[name].is_null() && matches(pattern, &record[name])),
        Value::Array(values) => values.contains(record),
        _ => pattern == record,
    }
}
