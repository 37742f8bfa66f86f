//! The function `inspector`: makes an uploaded file available if it is as declared, and deletes it
//! otherwise. If objects are scanned for malware, a file becomes available with the event that
//! says that no threat was found.
//!
//! All steps are idempotent. The object itself is inspected; size and hash in the event are not
//! trusted.

mod scan;

use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use domain::file::{File, FileStatus, Rejection, Verdict, file_id_of_object, object_key};
use domain::id::FileId;
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::config;
use runtime::serve::Error;
use store::Table;

use crate::scan::{Scan, ScanEvent};

/// The state of the function: clients and configuration.
pub struct Inspector {
    store: Table,
    bucket: Bucket,
    scans_for_malware: bool,
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
        let bucket = Bucket::new(aws::s3(&sdk), &config.bucket_name);
        Ok(Self::new(store, bucket, config.scans_for_malware))
    }

    /// Puts the parts together.
    pub fn new(store: Table, bucket: Bucket, scans_for_malware: bool) -> Self {
        Self { store, bucket, scans_for_malware }
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
        if let Some(event) = ScanEvent::read(body)? {
            return match file_id_of_object(&event.object_key) {
                Some(file) => self.update_status(file, Some(event.scan)).await,
                None => Ok(()),
            };
        }
        let event: S3Event = serde_json::from_str(body)?;
        for record in event.records {
            if let Some(file) = record.s3.object.key.as_deref().and_then(file_id_of_object) {
                self.update_status(file, None).await?;
            }
        }
        Ok(())
    }

    /// Inspects the object of a file and updates the file's status. An object without a file is
    /// deleted: the file was deleted during the upload.
    async fn update_status(&self, id: FileId, scan: Option<Scan>) -> Result<(), Error> {
        let file = match self.store.get_file_lookup(id).await? {
            Some(at) => self.store.get_file(at.patient_id, at.record_id, id).await?,
            None => None,
        };
        let Some(file) = file else {
            tracing::info!(file_id = %id, "an object without a file is deleted");
            return Ok(self.bucket.delete(&object_key(id)).await?);
        };
        let status = match file.status {
            FileStatus::Pending => match self.judge(&file, scan).await? {
                Some(verdict) => {
                    self.store.settle_file(&file, verdict).await?;
                    // CloudWatch counts these lines.
                    match verdict.rejection() {
                        Some(reason) => {
                            tracing::warn!(file_id = %id, %reason, "an upload is rejected");
                        }
                        None => tracing::info!(file_id = %id, "an upload is available"),
                    }
                    verdict.status()
                }
                None => FileStatus::Pending,
            },
            settled => settled,
        };
        if status == FileStatus::Rejected {
            self.bucket.delete(&object_key(id)).await?;
        }
        Ok(())
    }

    /// Returns what becomes of a pending file; `None` while it has no object, or the result of its
    /// scan is still to come.
    async fn judge(&self, file: &File, scan: Option<Scan>) -> Result<Option<Verdict>, Error> {
        let (is_clean, version) = match scan {
            Some(Scan::ThreatsFound) => {
                return Ok(Some(Verdict::Rejected(Rejection::MalwareFound)));
            }
            Some(Scan::Unsupported) if self.scans_for_malware => {
                return Ok(Some(Verdict::Rejected(Rejection::NotScannable)));
            }
            Some(Scan::Failed) if self.scans_for_malware => {
                return Err("GuardDuty could not scan an upload".into());
            }
            Some(Scan::NoThreatsFound { version }) => (true, version),
            Some(Scan::Unsupported | Scan::Failed) | None => (false, None),
        };
        let verdict = self.bucket.inspect(file, version.as_deref()).await?;
        let waits = self.scans_for_malware && !is_clean;
        Ok(verdict.filter(|verdict| !(waits && *verdict == Verdict::Available)))
    }
}
