//! The function `inspector`: makes an uploaded file available if it is as declared, and deletes it
//! otherwise.
//!
//! All steps are idempotent. The object itself is inspected; size and hash in the event are not
//! trusted.

use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use domain::file::{FileStatus, file_id_of_object, object_key};
use domain::id::FileId;
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::config;
use runtime::serve::Error;
use store::Table;

/// The state of the function: clients and configuration.
pub struct Inspector {
    store: Table,
    bucket: Bucket,
}

impl Inspector {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Inspect::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self::new(store, Bucket::new(aws::s3(&sdk), &config.bucket_name)))
    }

    /// Puts the parts together.
    pub fn new(store: Table, bucket: Bucket) -> Self {
        Self { store, bucket }
    }

    /// Handles a batch of messages with events of the bucket; returns the messages to be retried.
    pub async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let mut response = SqsBatchResponse::default();
        for message in event.records {
            if let Err(error) = self.inspect(message.body.as_deref().unwrap_or_default()).await {
                tracing::error!(
                    error = runtime::serve::sentence(&*error),
                    "an upload could not be inspected"
                );
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = message.message_id.unwrap_or_default();
                response.batch_item_failures.push(failure);
            }
        }
        response
    }

    async fn inspect(&self, body: &str) -> Result<(), Error> {
        // S3 sends one message without records when notifications are set up (S3 user guide,
        // "s3:TestEvent").
        if serde_json::from_str::<serde_json::Value>(body)?.get("Event").is_some() {
            return Ok(());
        }
        let event: S3Event = serde_json::from_str(body)?;
        for record in event.records {
            if let Some(file) = record.s3.object.key.as_deref().and_then(file_id_of_object) {
                self.update_status(file).await?;
            }
        }
        Ok(())
    }

    /// Inspects the object of a file and updates the file's status. An object without a file is
    /// deleted: the file was deleted during the upload.
    async fn update_status(&self, id: FileId) -> Result<(), Error> {
        let file = match self.store.get_file_lookup(id).await? {
            Some(at) => self.store.get_file(at.patient_id, at.record_id, id).await?,
            None => None,
        };
        let Some(file) = file else {
            tracing::info!(file_id = %id, "an object without a file is deleted");
            return Ok(self.bucket.delete(&object_key(id)).await?);
        };
        let status = match file.status {
            FileStatus::Pending => self.bucket.inspect(&file).await?,
            settled => settled,
        };
        if status != FileStatus::Pending {
            self.store.settle_file(&file, status).await?;
        }
        if status == FileStatus::Rejected {
            tracing::warn!(file_id = %id, "an object that is not as declared is deleted");
            self.bucket.delete(&object_key(id)).await?;
        }
        Ok(())
    }
}
