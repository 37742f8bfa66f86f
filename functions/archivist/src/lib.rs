//! The function `archivist`: appends the events of the audit trail to the archive.
//!
//! The stream tells of everything at least once, from several shards at a time; each event becomes one link of one chain.
//! What makes it so is that an object is created only if there is none of its key, and that the key says where the chain
//! goes on. First the object is created, then its events are marked as archived, then the table's idea of the archive's end
//! follows. Whoever finds the place taken does the second and the third for the one who came first, perhaps only to be
//! interrupted, and then looks again at what is left to archive.

use archive::chain::{self, Object};
use archive::vault::Vault;
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use domain::id::EventId;
use runtime::aws::{self, Patience};
use runtime::serve::{Error, sentence};
use runtime::{clock, config};
use store::archive::{ArchiveHead, StoredEvent};
use store::{Store, UpdateError};

/// How often others may come first before the batch is left to come again.
const ATTEMPTS: usize = 20;

/// What the function works with.
pub struct Archivist {
    store: Store,
    vault: Vault,
}

impl Archivist {
    /// Reads the configuration and builds the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Archive::from_env()?;
        let sdk = aws::sdk(Patience::Background).await;
        let store = Store::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self { store, vault: Vault::new(aws::s3(&sdk), &config.archive_bucket_name) })
    }

    /// Handles a batch of the stream: all of it is archived, or all of it must come again.
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
        for _ in 0..ATTEMPTS {
            let head = self.store.archive_head().await?;
            let archived = self.store.archived(&ids(&events)).await?;
            events.retain(|event| event.id().is_none_or(|id| !archived.contains(&id)));
            if events.is_empty() {
                return Ok(());
            }
            let (key, Object { text, head: end }) = (chain::key_after(&head), chain::extend(&head, events.iter().cloned())?);
            if self.vault.create(&key, &text).await? {
                self.settle(&head, &events, &end).await?;
                tracing::info!(events = events.len(), sequence = end.sequence, "events are archived");
                return Ok(());
            }
            // Somebody else was there first, or this function before it was interrupted.
            let (others, end) = chain::follow(&head, &self.vault.read(&key, None).await?)?;
            self.settle(&head, &others, &end).await?;
        }
        Err("others extended the archive all the time".into())
    }

    /// Marks what an object holds as archived, and then says that the archive goes so far.
    async fn settle(&self, head: &ArchiveHead, events: &[StoredEvent], end: &ArchiveHead) -> Result<(), Error> {
        self.store.mark_archived(&ids(events), clock::now()).await?;
        match self.store.extend_archive(head, end).await {
            // Somebody else has said it.
            Ok(()) | Err(UpdateError::Stale) => Ok(()),
            Err(UpdateError::Store(error)) => Err(error.into()),
        }
    }
}

fn ids(events: &[StoredEvent]) -> Vec<EventId> {
    events.iter().filter_map(StoredEvent::id).collect()
}
