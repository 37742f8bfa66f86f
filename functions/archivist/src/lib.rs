//! The function `archivist`: appends the events of the audit trail to the archive.
//!
//! The stream delivers each event at least once, from several shards in parallel; each event
//! becomes one link of a single hash chain (see [`archive::append`]).

use archive::append::append;
use archive::vault::Vault;
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use runtime::aws::{self, CallPolicy};
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::Table;
use store::proof::StoredEvent;

/// The state of the function: clients and configuration.
pub struct Archivist {
    store: Table,
    vault: Vault,
}

impl Archivist {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Archive::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self::new(store, Vault::new(aws::s3(&sdk), &config.archive_bucket_name)))
    }

    /// Puts the parts together.
    pub fn new(store: Table, vault: Vault) -> Self {
        Self { store, vault }
    }

    /// Archives a batch of the stream. If any event fails, the whole batch is retried.
    pub async fn handle(&self, event: Event) -> DynamoDbEventResponse {
        let mut response = DynamoDbEventResponse::default();
        let first = event.records.first().and_then(|record| record.change.sequence_number.clone());
        if let Err(error) = self.archive(event.records).await {
            tracing::error!(error = sentence(&*error), "events could not be archived");
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = first;
            response.batch_item_failures.push(failure);
        }
        response
    }

    async fn archive(&self, records: Vec<EventRecord>) -> Result<(), Error> {
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            events.extend(StoredEvent::from_image(&record.event_name, record.change.new_image)?);
        }
        let archived = append(&self.store, &self.vault, events, clock::now).await?;
        tracing::info!(events = archived, "events are archived");
        Ok(())
    }
}
