//! An empty table for each test, on a real engine inside the test process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region,
    retry::{RetryConfig, RetryPartition},
};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use dynoxide::{Database, ImportOptions};
use store::Store;
use store::proof::AuditKey;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::meter::Meter;

/// Arguments of CreateTable: the table of template.yaml.
const DEFINITION: &str = include_str!("table.json");

/// An item as it is stored.
pub type Item = HashMap<String, AttributeValue>;

/// A table, the store on it, and the meter of its client.
pub struct TestTable {
    /// The store on it.
    pub store: Store,
    /// The client of the store.
    pub client: Client,
    /// Measures what the calls of the client cost.
    pub meter: Meter,
    /// The address on which the engine listens.
    pub address: String,
    /// The engine.
    pub database: Database,
}

impl TestTable {
    /// Creates an empty table, served by the current runtime.
    pub async fn new() -> Self {
        let database = database();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let meter = Meter;
        // Long timeouts: other tests use the processors, too. `faults` makes clients with the
        // timeouts of production.
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build();
        let client = client(&address, timeouts, meter.clone());
        Self { store: store(&client), client, meter, address, database }
    }

    /// Returns an item as it is stored.
    pub async fn item(&self, pk: impl ToString, sk: impl ToString) -> Option<Item> {
        let key = |text: String| AttributeValue::S(text);
        let found = self
            .client
            .get_item()
            .table_name(NAME)
            .key("pk", key(pk.to_string()))
            .key("sk", key(sk.to_string()));
        found.consistent_read(true).send().await.unwrap().item
    }

    /// Deletes an item.
    pub async fn delete(&self, pk: String, sk: String) {
        let deletion = self.client.delete_item().table_name(NAME);
        let deletion = deletion.key("pk", AttributeValue::S(pk)).key("sk", AttributeValue::S(sk));
        deletion.send().await.unwrap();
    }

    /// Returns the entity of every item, sorted. The entries of names are left out here and in
    /// [`Self::count`], because each name has its own number of them.
    pub async fn entities(&self) -> Vec<String> {
        let mut entities: Vec<String> = self
            .all()
            .await
            .iter()
            .filter_map(|item| text(item, "entity"))
            .filter(|entity| *entity != "name")
            .map(str::to_owned)
            .collect();
        entities.sort();
        entities
    }

    /// Returns the number of items.
    pub async fn count(&self) -> usize {
        self.all().await.iter().filter(|item| text(item, "entity") != Some("name")).count()
    }

    /// Stores copies of items under other ids: `ids` returns the pairs of old and new ids for the
    /// n-th copy. The fast way to a long chart or inbox with items as the store writes them.
    pub fn multiply(
        &self,
        items: &[Item],
        number: usize,
        ids: impl Fn(usize) -> Vec<(String, String)>,
    ) {
        let copies = (0..number).flat_map(|copy| {
            let ids = ids(copy);
            items.iter().map(move |item| {
                item.iter().map(|(name, value)| (name.clone(), with_ids(value, &ids))).collect()
            })
        });
        self.database.import_items(NAME, copies.collect(), ImportOptions::default()).unwrap();
    }

    /// Returns all items.
    pub async fn all(&self) -> Vec<Item> {
        let pages =
            self.client.scan().table_name(NAME).consistent_read(true).into_paginator().items();
        pages.send().collect::<Result<_, _>>().await.unwrap()
    }
}

/// Opens a database in memory with an empty table.
pub fn database() -> Database {
    let url = format!("file:{}?mode=memory&cache=shared", Uuid::now_v7());
    let database = Database::new(&url).unwrap();
    // Each write looks for the last sequence number, among all changes of the test process: without
    // an index, tests get slower with each other (dynoxide 3.2.0).
    let index = "CREATE INDEX stream_order ON _stream_records \
                 (table_name, CAST(sequence_number AS INTEGER))";
    rusqlite::Connection::open(&url).unwrap().execute_batch(index).unwrap();
    database.create_table(serde_json::from_str(DEFINITION).unwrap()).unwrap();
    database
}

fn with_ids(value: &AttributeValue, ids: &[(String, String)]) -> dynoxide::AttributeValue {
    match value {
        AttributeValue::S(text) => dynoxide::AttributeValue::S(
            ids.iter().fold(text.clone(), |text, (old, new)| text.replace(old, new)),
        ),
        AttributeValue::N(number) => dynoxide::AttributeValue::N(number.clone()),
        AttributeValue::Bool(flag) => dynoxide::AttributeValue::BOOL(*flag),
        other => panic!("{other:?} is not copied"),
    }
}

/// The name of every table: each has its own engine.
pub const NAME: &str = "records";

/// Returns a store that proves its events with [`audit_key`].
pub fn store(client: &Client) -> Store {
    Store::new(store::Table::new(client.clone(), NAME), audit_key())
}

/// Returns the key with which events are proved.
pub fn audit_key() -> AuditKey {
    AuditKey::new("a secret for tests")
}

static SUPPLIES: AtomicU32 = AtomicU32::new(0);

/// Returns a client of the engine at an address.
pub fn client(address: &str, timeouts: TimeoutConfig, meter: Meter) -> Client {
    let no_tls = TlsContext::builder().with_trust_store(TrustStore::empty()).build().unwrap();
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(no_tls)
        .build_https();
    let retries = RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_millis(250));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{address}"))
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        // The SDK grants retries from one quota for the whole process: tests that cause faults
        // would use up the quota of the others.
        .retry_partition(RetryPartition::new(format!(
            "{address} {}",
            SUPPLIES.fetch_add(1, Ordering::Relaxed)
        )))
        .interceptor(meter)
        .build();
    Client::from_conf(config)
}

/// Returns a text attribute of a stored item.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).map(|value| value.as_s().unwrap().as_str())
}
