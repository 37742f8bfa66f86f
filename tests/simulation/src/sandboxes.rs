//! The functions of production in this process, and their invocations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use archive::vault::Vault;
use archivist::Archivist;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use axum::Router;
use dispatcher::Dispatcher;
use http_api::idempotency::ResponseKeys;
use http_api::state::HttpKeys;
use inspector::Inspector;
use mail_events::MailEvents;
use mailer::Mailer;
use reconciler::Reconciler;
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::credentials::CredentialSealer;
use runtime::passwords::Hasher;
use runtime::{clock, config};
use store::Store;
use store::proof::AuditKey;

use crate::clock::wait;
use crate::network::Connector;
use crate::run::{self, Run, SANDBOX, Sandbox};
use crate::settings::{ARCHIVE, FILES, SETTINGS};

/// The functions.
pub struct Functions {
    /// Reads the stream.
    pub dispatcher: Dispatcher,
    /// Sends mails.
    pub mailer: Mailer,
    /// Checks uploads.
    pub inspector: Inspector,
    /// Notes bounces.
    pub mail_events: MailEvents,
    /// Repairs what was lost.
    pub reconciler: Reconciler,
    /// Archives the audit trail.
    pub archivist: Archivist,
    /// Functions that serve HTTP, by name.
    pub routers: BTreeMap<&'static str, Router>,
    /// What the functions have, for preparations.
    pub store: Store,
    /// The bucket of the archive.
    pub vault: Vault,
}

/// What a mailer needs for one mail: SES is given up after 4 s, and the table may be slow. A second
/// statement of it, so that the simulation notices when the mailer's is changed.
const TIME_FOR_ONE_MAIL: Duration = Duration::from_secs(8);

/// The clock of the current sandbox, for the SDK.
#[derive(Debug)]
struct Clock;

impl TimeSource for Clock {
    fn now(&self) -> std::time::SystemTime {
        clock::now().into()
    }
}

/// Returns the configuration of clients whose calls go through the simulated network.
fn sdk(policy: CallPolicy) -> SdkConfig {
    let connector = SharedHttpConnector::new(Connector);
    let credentials = Credentials::new("test", "test", None, None, "simulation");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .time_source(SharedTimeSource::new(Clock))
        .timeout_config(policy.timeouts())
        .retry_config(policy.retries())
        .build()
}

/// The configuration of a function that serves HTTP.
macro_rules! config {
    ($function:ident) => {
        $function::Config::read(|name| SETTINGS.lookup(name)).unwrap()
    };
}

impl Functions {
    /// Builds the functions.
    pub fn build() -> Self {
        let lookup = |name: &'static str| SETTINGS.lookup(name);
        let (interactive, background) = (sdk(CallPolicy::Interactive), sdk(CallPolicy::Background));
        let name = &SETTINGS.variables["TABLE_NAME"];
        // The SDK limits retries by one quota for the whole process: each run has its own.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let dynamodb = |sdk: &SdkConfig| {
            let config = aws_sdk_dynamodb::config::Builder::from(sdk)
                .retry_partition(RetryPartition::new(format!("table {run}")));
            aws_sdk_dynamodb::Client::from_conf(config.build())
        };
        let s3 = |sdk: &SdkConfig| {
            let config = aws_sdk_s3::config::Builder::from(sdk)
                .retry_partition(RetryPartition::new(format!("bucket {run}")));
            aws_sdk_s3::Client::from_conf(config.build())
        };
        let sqs = |sdk: &SdkConfig| {
            let config = aws_sdk_sqs::config::Builder::from(sdk)
                .retry_partition(RetryPartition::new(format!("queue {run}")));
            aws_sdk_sqs::Client::from_conf(config.build())
        };
        let table = |sdk: &SdkConfig| store::Table::new(dynamodb(sdk), name);
        let store =
            Store::new(table(&interactive), AuditKey::new("the audit key of the simulation"));
        let keys = HttpKeys::fixed("the cursor key of the simulation");
        let responses = ResponseKeys::new("the key of responses of the simulation");
        let bucket = |sdk: &SdkConfig| Bucket::new(s3(sdk), FILES);
        let vault = Vault::new(s3(&background), ARCHIVE);
        let records = records::App::new(
            config!(records),
            store.clone(),
            keys.clone(),
            responses.clone(),
            bucket(&interactive),
        );
        let inbox = notifications::App::new(config!(notifications), store.clone(), keys.clone());
        let secrets = aws::secrets_manager(&interactive);
        let hasher = Hasher::new(CredentialSealer::new("the secret of the simulation"));
        let accounts = accounts::App::new(
            config!(accounts),
            store.clone(),
            keys.clone(),
            responses.clone(),
            secrets,
            hasher,
        );
        let staff = admin::App::new(config!(admin), store.clone(), keys.clone(), responses);
        let routers = [
            ("records", http_api::middleware::service(records::router(), records)),
            ("notifications", http_api::middleware::service(notifications::router(), inbox)),
            ("accounts", http_api::middleware::service(accounts::router(), accounts)),
            ("admin", admin::service(staff)),
        ];
        let background_table = table(&background);
        Self {
            dispatcher: Dispatcher::new(
                config::Dispatch::read(lookup).unwrap(),
                background_table.clone(),
                s3(&background),
                &sqs(&background),
            ),
            mailer: Mailer::new(
                config::Mail::read(lookup).unwrap(),
                background_table.clone(),
                aws::ses(&background),
                &sqs(&background),
            ),
            mail_events: MailEvents::new(background_table.clone()),
            reconciler: Reconciler::new(
                config::Reconcile::read(lookup).unwrap(),
                background_table.clone(),
                s3(&background),
                &sqs(&background),
            ),
            inspector: Inspector::new(background_table.clone(), bucket(&background), false),
            archivist: Archivist::new(background_table, vault.clone()),
            routers: routers.into_iter().collect(),
            store,
            vault,
        }
    }
}

/// How an invocation has ended.
pub enum Ended<T> {
    /// With this result.
    Done(T),
    /// The sandbox has ended in the middle of it.
    Crashed,
    /// It took longer than the function may.
    TimedOut,
}

impl Run {
    /// Returns a sandbox that nobody uses, perhaps a new one.
    fn take_sandbox(&mut self, function: &'static str) -> Arc<Sandbox> {
        let idle = self.idle.entry(function).or_default().len();
        let chosen = self.choices.below(idle as u32 + 1) as usize;
        if chosen < idle {
            return self.idle.get_mut(function).unwrap().remove(chosen);
        }
        self.start_sandbox(function)
    }
}

/// Runs an invocation of a function in one of its sandboxes.
pub async fn invoke<T>(function: &'static str, what: impl Future<Output = T>) -> Ended<T> {
    let sandbox = run::with(|run| {
        run.under_way += 1;
        run.take_sandbox(function)
    });
    let started = run::now();
    let killed = sandbox.killed.notified();
    let ended = tokio::select! {
        biased;
        () = killed => Ended::Crashed,
        done = SANDBOX.scope(Arc::clone(&sandbox), what) => Ended::Done(done),
        () = wait(SETTINGS.timeouts[function]) => Ended::TimedOut,
    };
    run::with(|run| {
        run.under_way -= 1;
        run.has_interruptions |= !matches!(ended, Ended::Done(_));
        match &ended {
            Ended::Done(_) => run.idle.entry(function).or_default().push(Arc::clone(&sandbox)),
            Ended::Crashed => run.note(&format!("{}: ends in the middle", sandbox.name)),
            Ended::TimedOut => {
                run.note(&format!("{}: takes too long and is ended", sandbox.name));
                let began = sandbox.mail_began.lock().unwrap().0;
                let left = (started + SETTINGS.timeouts[function]).saturating_sub(began);
                if function == "mailer" && u128::from(left) < TIME_FOR_ONE_MAIL.as_millis() {
                    let what = format!("no mail is begun too late: {left} ms before the end");
                    run.violations.push(what);
                }
            }
        }
    });
    ended
}
