//! The function `reconciler`: finds what was lost between table, bucket and queues, and repairs it.
//! It runs daily, and by hand with `make reconcile`.
//!
//! * A mail that waits for more than an hour is ordered again; one whose mailer was interrupted is
//!   marked as in doubt.
//! * A notification that a bulk action covers, and a deleted one whose mail has ended, is changed
//!   or removed as that action asks.
//! * A pending file whose object was stored, and an object without a file, is reported to the
//!   inspector again. An available file whose object is lost waits for its upload again.
//! * A lookup of a file or an annotation that does not exist is deleted.
//!
//! An invocation ends before Lambda would end it, and the next one continues there. Every repair
//! can be repeated. Things of the last hour are left alone: they may be under way.

mod charts;
mod notifications;
mod objects;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::config;
use runtime::queue::{MailQueues, Queue};
use runtime::serve::Error;
use serde::Serialize;
use store::reconcile::{Progress, ReconciliationStep};
use store::staff::lists::ListEntry;
use store::{Span, Table};
use tokio::time::Instant;
use uuid::Uuid;

/// Time that must be left to begin a page.
const TIME_FOR_ONE_PAGE: Duration = Duration::from_secs(60);

/// How many entries of a list are read at once.
const PAGE: usize = 100;

/// Everything newer may still be under way.
const UNDER_WAY: SignedDuration = SignedDuration::from_hours(1);

/// The state of the function: clients and configuration.
pub struct Reconciler {
    store: Table,
    bucket: Bucket,
    mails: MailQueues,
    uploads: Queue,
}

/// What an invocation has repaired, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RepairCounts {
    /// Mails that waited and were ordered again.
    pub mails_ordered: u64,
    /// Mails that are in doubt, because their mailer was interrupted.
    pub mails_in_doubt: u64,
    /// Notifications that were removed or marked as read, as a bulk action asks.
    pub notifications_settled: u64,
    /// Objects that the inspector is asked to look at.
    pub inspections_ordered: u64,
    /// Available files without an object, which wait for their upload again.
    pub files_reopened: u64,
    /// Lookups that led to nothing.
    pub lookups_deleted: u64,
    /// Whether everything was compared; otherwise the next invocation continues.
    pub is_complete: bool,
}

impl Reconciler {
    /// Reads the configuration and creates the clients.
    ///
    /// # Errors
    /// When the configuration is incomplete.
    pub async fn start() -> Result<Self, config::ConfigError> {
        let config = config::Reconcile::from_env()?;
        let sdk = aws::sdk(CallPolicy::Background).await;
        let store = Table::new(aws::dynamodb(&sdk), &config.table_name);
        Ok(Self::new(config, store, aws::s3(&sdk), &aws::sqs(&sdk)))
    }

    /// Puts the parts together.
    pub fn new(
        config: config::Reconcile,
        store: Table,
        s3: aws_sdk_s3::Client,
        sqs: &aws_sdk_sqs::Client,
    ) -> Self {
        let bucket = Bucket::new(s3, config.bucket_name);
        let mails = MailQueues::new(sqs, config.mail_queue_url, config.account_mail_queue_url);
        let uploads = Queue::new(sqs.clone(), config.upload_queue_url);
        Self { store, bucket, mails, uploads }
    }

    /// Continues where the last invocation stopped, until everything is compared or too little time
    /// is left before `deadline`, at which Lambda ends the invocation.
    ///
    /// # Errors
    /// When the table, the bucket or a queue fails. The next invocation repeats the last page.
    pub async fn handle(&self, deadline: Instant) -> Result<RepairCounts, Error> {
        let mut progress = self.store.get_reconciliation().await?;
        let mut report = RepairCounts::default();
        while deadline.saturating_duration_since(Instant::now()) > TIME_FOR_ONE_PAGE {
            let next = self.reconcile(progress, &mut report).await?;
            report.is_complete = next.is_none();
            progress = next.unwrap_or_default();
            self.store.put_reconciliation(&progress).await?;
            if report.is_complete {
                break;
            }
        }
        tracing::info!(report = serde_json::to_string(&report)?, "reconciled");
        Ok(report)
    }

    /// Reconciles one page; returns where to continue, or `None` at the end.
    async fn reconcile(
        &self,
        progress: Progress,
        report: &mut RepairCounts,
    ) -> Result<Option<Progress>, Error> {
        let Progress { step, after } = progress;
        let next: Option<Uuid> = match step {
            ReconciliationStep::Notifications => {
                self.reconcile_notifications(after, report).await?
            }
            ReconciliationStep::Mails => self.reconcile_mails(after, report).await?,
            ReconciliationStep::Files => self.reconcile_files(after, report).await?,
            ReconciliationStep::Annotations => self.reconcile_annotations(after, report).await?,
            ReconciliationStep::Objects => self.reconcile_objects(after, report).await?,
        };
        if next.is_some() {
            return Ok(Some(Progress { step, after: next }));
        }
        let following = match step {
            ReconciliationStep::Notifications => ReconciliationStep::Mails,
            ReconciliationStep::Mails => ReconciliationStep::Files,
            ReconciliationStep::Files => ReconciliationStep::Annotations,
            ReconciliationStep::Annotations => ReconciliationStep::Objects,
            ReconciliationStep::Objects => return Ok(None),
        };
        Ok(Some(Progress { step: following, after: None }))
    }
}

impl Reconciler {
    /// Reads a page of a list: what was created at `created_after` or later and is not under way
    /// any more. Returns where the next page begins.
    async fn page<T: ListEntry>(
        &self,
        created_after: Option<Timestamp>,
        after: Option<Uuid>,
        now: Timestamp,
    ) -> Result<(Vec<T>, Option<Uuid>), Error> {
        let span = Span { created_after, created_before: Some(settled_before(now)) };
        let after = after.map(Into::into);
        let page = self.store.list_entries::<T>(now, span, PAGE, after, |_| true).await?;
        Ok((page.items, page.next.map(Into::into)))
    }
}

/// Returns the time before which things are not under way any more.
fn settled_before(now: Timestamp) -> Timestamp {
    now.checked_sub(UNDER_WAY).unwrap_or(Timestamp::UNIX_EPOCH)
}
