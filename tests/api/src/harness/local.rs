//! The whole system in this process: the routers of all functions on one table, with dispatcher and
//! mailer.
//!
//! `tests/system` tests what is missing here: the gateway's own responses, objects in the bucket,
//! the archive, rights, the content of queues, logs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::{Argon2, Params};
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use axum::body::to_bytes;
use crypto::RotatingSecret;
use dynoxide::Database;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use http_api::idempotency::ResponseKeys;
use http_api::state::HttpKeys;
use runtime::aws::{self, CallPolicy};
use runtime::bucket::Bucket;
use runtime::credentials::CredentialSealer;
use runtime::passwords::Hasher;
use runtime::{clock, config, secrets};
use serde_json::{Value, json};
use store::Store;
use store::proof::AuditKey;
use store_tests::meter::{Cost, Meter};
use store_tests::table::{self, Item, TestTable, text};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::Service;

use super::gateway::{self, ClientRequest};
use super::services::Services;
use super::{Response, SentMail};

/// The variables of all functions, as on the test stack.
const VARIABLES: [(&str, &str); 47] = [
    ("ACCESS_TOKEN_SECONDS", "900"),
    ("ACCOUNT_MAIL_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/account-mail"),
    ("ALLOWED_ORIGINS", "http://localhost:3000"),
    ("APP_URL", BASE_URL),
    ("AUDIT_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:audit"),
    ("BUCKET_NAME", "files"),
    ("CONSOLE_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:console"),
    (
        "CREDENTIALS_SECRET_ARN",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:credentials",
    ),
    ("CURSOR_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cursors"),
    ("FAILURE_BUCKET_NAME", "failures"),
    (
        "IDEMPOTENCY_SECRET_ARN",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:idempotency",
    ),
    ("LOG_LEVEL", "info"),
    ("MAIL_CONFIGURATION_SET", "mails"),
    ("MAIL_DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/mail-dead"),
    ("MAIL_DELIVERIES", "10"),
    ("MAIL_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/mail"),
    ("MAIL_SENDER", "records@example.org"),
    ("MALWARE_PROTECTION", "NONE"),
    ("MAX_CHANGES_PER_DAY", "500"),
    ("MAX_FAILURES_PER_ACCOUNT", "100"),
    ("MAX_FAILURES_PER_NETWORK", "1000"),
    ("MAX_FILES_PER_DAY", "500"),
    ("MAX_FILES_PER_RECORD", "20"),
    ("MAX_FILE_BYTES", "26214400"),
    ("MAX_MAILS_PER_DAY", "20"),
    ("MAX_RECORDS_PER_DAY", "200"),
    ("MIN_PASSWORD_LENGTH", "8"),
    ("PAGE_SIZE", "20"),
    ("PATIENT_ABSOLUTE_DAYS", "30"),
    ("PATIENT_IDLE_DAYS", "7"),
    ("PORTAL", "true"),
    ("PUBLIC_URL", BASE_URL),
    ("PUBLISH_DOCS", "true"),
    ("REQUIRE_DOCTOR_APPROVAL", "false"),
    ("REQUIRE_DOCTOR_SECOND_FACTOR", "false"),
    ("REVEAL_REGISTERED_EMAIL", "true"),
    ("SHARED_NETWORKS", "192.0.2.1"),
    ("SIGNING_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:signing"),
    ("STAFF_ABSOLUTE_HOURS", "24"),
    ("STAFF_IDLE_HOURS", "12"),
    ("STREAM_FAILURE_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/stream"),
    ("TABLE_NAME", table::NAME),
    ("TOKEN_ISSUER", "records"),
    ("UPLOAD_DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/upload-dead"),
    ("UPLOAD_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/1/upload"),
    ("UPLOAD_URL_SECONDS", "900"),
    ("ARCHIVE_BUCKET_NAME", "archive"),
];

/// The origin of the API in links.
pub(super) const BASE_URL: &str = "https://records.example.org";

/// The origin of presigned URLs.
const BUCKET_ORIGIN: &str = "https://files.s3.eu-central-1.amazonaws.com";

/// The functions that serve HTTP.
const FUNCTIONS: [&str; 7] =
    ["accounts", "records", "notifications", "admin", "console", "docs", "portal"];

/// How long dispatcher and mailer pause when there are no changes.
const REST: Duration = Duration::from_millis(10);

/// The queue from which all orders of mails come here.
const MAIL_QUEUE_ARN: &str = "arn:aws:sqs:eu-central-1:1:mail";

/// How long an invocation of the mailer may take.
const LONG_ENOUGH: Duration = Duration::from_secs(60);

/// How many changes the dispatcher gets per batch.
const BATCH: usize = 100;

/// How many times a batch of changes is delivered to the dispatcher.
const MAX_DELIVERIES: usize = 20;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// How systems in this process hash passwords.
static ARGON2: OnceLock<Argon2<'static>> = OnceLock::new();

/// Returns the quickest parameters: almost every test hashes passwords first.
fn quick_argon2() -> Argon2<'static> {
    let quick = Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None).unwrap();
    Argon2::from(quick)
}

/// Hashes passwords as in AWS from now on. For tests of time, before the first request.
pub fn hash_as_in_production() {
    ARGON2.get_or_init(Argon2::default);
}

/// The system.
pub struct Local {
    /// The runtime of requests.
    requests: Runtime,
    /// The runtime of everything else.
    runtime: Runtime,
    table: TestTable,
    services: Services,
    functions: HashMap<&'static str, Router>,
    /// The function for a path, as `template.yaml` routes it.
    routes: matchit::Router<String>,
    /// Dispatcher and mailer, where they follow the stream.
    background: Option<JoinHandle<()>>,
    /// Whether dispatcher and mailer have handled all changes.
    is_idle: Arc<AtomicBool>,
}

impl Local {
    /// Starts a system with an empty table; requests run on a runtime of their own.
    pub(super) fn start(mut requests: Builder) -> Self {
        let requests = requests.enable_all().build().unwrap();
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let table = runtime.block_on(TestTable::new());
        let services = Services::default();
        let mut local = Self {
            requests,
            runtime,
            table,
            services,
            functions: HashMap::new(),
            routes: routes(),
            background: None,
            is_idle: Arc::default(),
        };
        let variables = variables();
        let argon2 = ARGON2.get_or_init(quick_argon2);
        let function = |name| (name, local.function(name, &variables, argon2.clone()));
        local.functions = FUNCTIONS.into_iter().map(function).collect();
        local
    }

    /// Starts dispatcher and mailer, which follow the changes of the table.
    pub(super) fn following_the_stream(mut self) -> Self {
        self.background = Some(self.runtime.spawn(self.follow_the_stream()));
        self
    }

    /// Copies items: see [`TestTable::multiply`].
    pub(super) fn multiply(
        &self,
        pk: &str,
        sk: &str,
        number: usize,
        ids: impl Fn(usize) -> Vec<(String, String)>,
    ) {
        let is_wanted = |item: &Item| {
            text(item, "pk") == Some(pk) && text(item, "sk").is_some_and(|key| key.starts_with(sk))
        };
        let mut items = self.requests.block_on(self.table.all());
        items.retain(is_wanted);
        self.table.multiply(&items, number, ids);
    }

    /// Returns the address of the table's engine.
    pub(super) fn endpoint_url(&self) -> String {
        format!("http://{}", self.table.address)
    }

    /// Returns the services other than the table.
    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// Lets a mailer handle orders of mails; returns how many of them it gives back.
    pub(super) fn deliver(&self, orders: &[Value], time_left: Duration) -> usize {
        let event = event_of(orders.iter().map(Value::to_string));
        self.requests.block_on(async {
            let mailer = self.mailer(self.store_table());
            let handled = mailer.handle(event, Instant::now() + time_left).await;
            handled.batch_item_failures.len()
        })
    }

    /// Lets a mailer handle the last delivery of an order, with a detour to the table.
    pub(super) fn deliver_last(&self, order: &Value, table_url: &str) {
        let _runtime = self.requests.enter();
        let address = table_url.strip_prefix("http://").unwrap();
        let client = table::client(address, CallPolicy::Background.timeouts(), Meter);
        let mut event = event_of([order.to_string()]);
        let count = variables()["MAIL_DELIVERIES"].clone();
        event.records[0].attributes.insert("ApproximateReceiveCount".to_owned(), count);
        let mailer = self.mailer(store::Table::new(client, table::NAME));
        self.requests.block_on(mailer.handle(event, Instant::now() + LONG_ENOUGH));
    }

    /// Lets the function `mail-events` note a report; returns whether it did.
    pub(super) fn report(&self, report: &Value) -> bool {
        let mail_events = mail_events::MailEvents::new(self.store_table());
        let handled = mail_events.handle(event_of([report.to_string()]));
        self.requests.block_on(handled).batch_item_failures.is_empty()
    }

    /// Lets an inspector handle a message about an object, in a deployment with scans for malware
    /// or without; returns whether it did.
    pub(super) fn inspect(&self, message: &Value, scans_for_malware: bool) -> bool {
        let bucket = Bucket::new(aws::s3(&self.services.sdk()), &variables()["BUCKET_NAME"]);
        let inspector = inspector::Inspector::new(self.store_table(), bucket, scans_for_malware);
        let handled = inspector.handle(event_of([message.to_string()]));
        self.requests.block_on(handled).batch_item_failures.is_empty()
    }

    /// Lets the function `recovery` handle an event; returns its response, or why it failed.
    pub(super) fn recover(&self, event: &Value) -> Result<Value, String> {
        let table = store::Table::new(self.table.client.clone(), table::NAME);
        let secrets = aws::secrets_manager(&self.services.sdk());
        let variables = variables();
        let read = secrets::read(&secrets, &variables["AUDIT_SECRET_ARN"], clock::now());
        let secret = self.requests.block_on(read).unwrap();
        let store = Store::new(table, AuditKey::new(secret));
        let recoverer = recovery::Recoverer::new(store);
        let handled = self.requests.block_on(recoverer.handle(event.clone()));
        handled.map(|response| json!(response)).map_err(|error| error.to_string())
    }

    /// Returns the mails that a mailer has sent to an address in a system without a background.
    pub(super) fn delivered_to(&self, address: &str) -> Vec<SentMail> {
        self.services.mails_to(address)
    }

    fn store_table(&self) -> store::Table {
        store::Table::new(self.table.client.clone(), table::NAME)
    }

    fn mailer(&self, table: store::Table) -> mailer::Mailer {
        let variables = variables();
        let lookup = |variable: &'static str| variables.get(variable).cloned();
        let sdk = self.services.sdk();
        let config = config::Mail::read(lookup).unwrap();
        mailer::Mailer::new(config, table, aws::ses(&sdk), &aws::sqs(&sdk))
    }

    /// Returns whether dispatcher and mailer have handled all changes.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle.load(Ordering::Relaxed)
    }

    /// Returns the mails sent to an address, oldest first.
    #[track_caller]
    pub(super) fn mails_to(&self, address: &str) -> Vec<SentMail> {
        let is_running = self.background.as_ref().is_some_and(|task| !task.is_finished());
        assert!(is_running, "dispatcher and mailer are not running; they may have panicked");
        self.services.mails_to(address)
    }

    /// Starts a function with this configuration, which reads its secrets.
    pub(super) fn function(
        &self,
        name: &str,
        variables: &Variables,
        argon2: Argon2<'static>,
    ) -> Router {
        let lookup = |variable: &'static str| variables.get(variable).cloned();
        let _runtime = self.requests.enter();
        let sdk = self.services.sdk();
        let client = match variables.get("AWS_ENDPOINT_URL") {
            // A detour may be between the function and its table: the timeouts of production apply.
            Some(url) => {
                let address = url.strip_prefix("http://").unwrap();
                table::client(address, CallPolicy::Interactive.timeouts(), Meter)
            }
            None => self.table.client.clone(),
        };
        let table = store::Table::new(client, lookup("TABLE_NAME").unwrap());
        let secrets = aws::secrets_manager(&sdk);
        let http = config::Http::read(lookup).unwrap();
        let read = |own: &str| -> (HttpKeys, Store, RotatingSecret) {
            let own = [variables[own].as_str()];
            let read = self.requests.block_on(HttpKeys::read(&secrets, &http, own));
            let (keys, audit_key, [own]) = read.unwrap();
            (keys, Store::new(table.clone(), audit_key), own)
        };
        let bucket = || Bucket::new(aws::s3(&sdk), lookup("BUCKET_NAME").unwrap());
        match name {
            "accounts" => {
                let config = accounts::Config::read(lookup).unwrap();
                let (keys, store, responses) = read("IDEMPOTENCY_SECRET_ARN");
                let (_, _, credentials) = read("CREDENTIALS_SECRET_ARN");
                let hasher = Hasher::with(argon2, CredentialSealer::new(credentials));
                let responses = ResponseKeys::new(responses);
                let app = accounts::App::new(config, store, keys, responses, secrets, hasher);
                http_api::middleware::service(accounts::router(), app)
            }
            "records" => {
                let config = records::Config::read(lookup).unwrap();
                let (keys, store, responses) = read("IDEMPOTENCY_SECRET_ARN");
                let responses = ResponseKeys::new(responses);
                let app = records::App::new(config, store, keys, responses, bucket());
                http_api::middleware::service(records::router(), app)
            }
            "notifications" => {
                let config = notifications::Config::read(lookup).unwrap();
                let (keys, store, _) = read("CURSOR_SECRET_ARN");
                let app = notifications::App::new(config, store, keys);
                http_api::middleware::service(notifications::router(), app)
            }
            "admin" => {
                let config = admin::Config::read(lookup).unwrap();
                let (keys, store, responses) = read("IDEMPOTENCY_SECRET_ARN");
                let responses = ResponseKeys::new(responses);
                admin::service(admin::App::new(config, store, keys, responses))
            }
            "console" => {
                let config = console::Config::read(lookup).unwrap();
                let (keys, store, secret) = read("CONSOLE_SECRET_ARN");
                console::service(console::App::new(config, store, keys, secret, &aws::sqs(&sdk)))
            }
            "docs" => {
                let app = docs::App::new(config::Docs::read(lookup).unwrap(), table);
                docs::service(app)
            }
            "portal" => {
                let config = config::Portal::read(lookup).unwrap();
                portal::service(portal::App::new(&config, BUCKET_ORIGIN).unwrap())
            }
            _ => panic!("{name} serves no HTTP"),
        }
    }

    /// Sends a request to the function to which the gateway routes it.
    pub(super) fn send(&self, sent: &ClientRequest<'_>) -> (Response, Cost) {
        let path = sent.path.split('?').next().unwrap();
        let function = self.routes.at(path).map_or("notifications", |found| found.value);
        self.send_to(&self.functions[function], sent)
    }

    /// Sends a request to a function.
    pub(super) fn send_to(&self, function: &Router, sent: &ClientRequest<'_>) -> (Response, Cost) {
        let event = serde_json::from_value(gateway::event(sent)).unwrap();
        let mut function = function.clone();
        let responded = async {
            let response = function.call(runtime::serve::request(event)).await.unwrap();
            let (head, body) = response.into_parts();
            (head, to_bytes(body, usize::MAX).await.unwrap())
        };
        let ((head, bytes), cost) = self.requests.block_on(Meter.measure(responded));
        let what = format!("{} {}", sent.method, sent.path.split('?').next().unwrap());
        (Response::new(what, head.status.as_u16(), head.headers, bytes.to_vec()), cost)
    }

    /// Returns all changes that the table's stream has delivered so far, oldest first.
    pub(super) fn changes(&self) -> Vec<Value> {
        let mut stream = Stream::of(self.table.database.clone());
        std::iter::from_fn(|| Some(stream.next()).filter(|changes| !changes.is_empty()))
            .flatten()
            .collect()
    }

    fn follow_the_stream(&self) -> impl Future<Output = ()> + use<> {
        let variables = variables();
        let lookup = |variable: &'static str| variables.get(variable).cloned();
        let _runtime = self.runtime.enter();
        let sdk = self.services.sdk();
        let store = self.store_table();
        let config = config::Dispatch::read(lookup).unwrap();
        let dispatcher = dispatcher::Dispatcher::new(config, store, aws::s3(&sdk), &aws::sqs(&sdk));
        let mailer = self.mailer(self.store_table());
        let (database, services) = (self.table.database.clone(), self.services.clone());
        let is_idle = Arc::clone(&self.is_idle);
        async move {
            let mut stream = Stream::of(database);
            loop {
                let records = stream.next();
                is_idle.store(records.is_empty(), Ordering::Relaxed);
                if records.is_empty() {
                    tokio::time::sleep(REST).await;
                    continue;
                }
                let event = json!({"Records": records}).to_string();
                let batch = || serde_json::from_str(&event).unwrap();
                let mut deliveries = 0;
                // A failed change is delivered again with all after it, as by Lambda.
                while !dispatcher.handle(batch()).await.batch_item_failures.is_empty() {
                    deliveries += 1;
                    assert!(deliveries < MAX_DELIVERIES, "the dispatcher cannot handle {event}");
                    tokio::time::sleep(REST).await;
                }
                for body in services.take_messages() {
                    mailer.handle(event_of([body]), Instant::now() + LONG_ENOUGH).await;
                }
            }
        }
    }
}

/// Returns the event with which SQS delivers messages.
fn event_of(bodies: impl IntoIterator<Item = String>) -> SqsEvent {
    let mut event = SqsEvent::default();
    event.records.extend(bodies.into_iter().enumerate().map(|(index, body)| {
        let mut message = SqsMessage::default();
        message.body = Some(body);
        message.receipt_handle = Some(index.to_string());
        message.event_source_arn = Some(MAIL_QUEUE_ARN.to_owned());
        message
    }));
    event
}

/// Returns the variables that all functions have.
pub fn variables() -> Variables {
    VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Reads the routes of the gateway, which `cargo lambda watch` uses, too.
fn routes() -> matchit::Router<String> {
    let manifest: toml::Table = include_str!("../../../../Cargo.toml").parse().unwrap();
    let routes = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let mut router = matchit::Router::new();
    // The gateway's routes do not end in a slash.
    for (path, function) in
        routes.as_table().unwrap().iter().filter(|(path, _)| *path == "/" || !path.ends_with('/'))
    {
        router.insert(path, function.as_str().unwrap().to_owned()).unwrap();
    }
    router
}

/// Reads the stream of the table. The engine has one shard for it.
struct Stream {
    database: Database,
    iterator: String,
}

impl Stream {
    fn of(database: Database) -> Self {
        let streams = database.list_streams(ListStreamsRequest::default()).unwrap();
        let streams = serde_json::to_value(streams).unwrap();
        let request = GetShardIteratorRequest {
            stream_arn: streams["Streams"][0]["StreamArn"].as_str().unwrap().to_owned(),
            shard_id: dynoxide::streams::shard_id(table::NAME),
            shard_iterator_type: "TRIM_HORIZON".to_owned(),
            sequence_number: None,
        };
        let iterator = database.get_shard_iterator(request).unwrap().shard_iterator.unwrap();
        Self { database, iterator }
    }

    /// Returns the changes since the last call, oldest first.
    fn next(&mut self) -> Vec<Value> {
        let shard_iterator = self.iterator.clone();
        let request = GetRecordsRequest { shard_iterator, limit: Some(BATCH) };
        let response = self.database.get_records(request).unwrap();
        self.iterator = response.next_shard_iterator.unwrap();
        response.records.iter().map(|record| serde_json::to_value(record).unwrap()).collect()
    }
}
