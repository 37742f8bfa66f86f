//! What `template.yaml` says about queues, event sources and timeouts, so that the simulation
//! follows it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use api_tests::harness::local::variables;
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The bucket of files.
pub const FILES: &str = "files";
/// The bucket of the archive.
pub const ARCHIVE: &str = "archive";

/// How many changes a user may make in a day: more than a flood has, and few enough to be reached.
pub const CHANGES_PER_DAY: u64 = 70;

/// The settings.
pub static SETTINGS: LazyLock<TemplateSettings> = LazyLock::new(TemplateSettings::read);

/// Settings of the whole system.
pub struct TemplateSettings {
    /// The variables of all functions.
    pub variables: BTreeMap<String, String>,
    /// The queues.
    pub queues: Vec<QueueSettings>,
    /// The queues that invoke functions.
    pub queue_sources: Vec<QueueSource>,
    /// How the dispatcher is invoked.
    pub dispatcher: StreamSource,
    /// How the archivist is invoked.
    pub archivist: StreamSource,
    /// Timeouts of functions in ms.
    pub timeouts: BTreeMap<&'static str, u64>,
}

/// A queue.
pub struct QueueSettings {
    /// The last part of its URL.
    pub name: String,
    /// How long a received message is hidden, in ms.
    pub visibility: u64,
    /// The queue of dead letters, and the number of deliveries before.
    pub redrive: Option<(String, u32)>,
}

/// A queue that invokes a function.
pub struct QueueSource {
    /// The queue.
    pub queue: String,
    /// The function.
    pub function: &'static str,
    /// The greatest number of messages at once.
    pub batch: usize,
    /// The greatest number of invocations at once.
    pub concurrency: usize,
}

/// A stream that invokes a function.
pub struct StreamSource {
    /// The function.
    pub function: &'static str,
    /// The greatest number of changes at once.
    pub batch: usize,
    /// Whether a batch is halved after an invocation that has not ended well.
    pub bisects: bool,
    /// How long it gathers changes for a batch, in ms.
    pub window: u64,
    /// How often a batch is retried; none for as long as the stream has it.
    pub retries: Option<u32>,
    /// Patterns of the changes that are delivered.
    pub patterns: Vec<Value>,
}

/// Returns the text of a resource.
fn section(name: &str) -> &'static str {
    let start = TEMPLATE.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("no {name}"));
    let rest = &TEMPLATE[start + 1..];
    rest.find("\n\n").map_or(rest, |end| &rest[..end])
}

fn value<'a>(section: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = section.split_once(&format!("{name}: "))?;
    rest.split(['\n', ',', '}']).next().map(|value| value.trim().trim_matches('"'))
}

fn number(section: &str, name: &str) -> Option<i64> {
    value(section, name)?.parse().ok()
}

impl TemplateSettings {
    fn read() -> Self {
        let mut variables = variables();
        variables.insert("MAX_CHANGES_PER_DAY".to_owned(), CHANGES_PER_DAY.to_string());
        // The variable of a queue's URL is that of its resource.
        let queue_name = |resource: &str| {
            let line = format!("_URL: !Ref {resource}\n");
            let name = TEMPLATE.find(&line).and_then(|end| {
                let variable = TEMPLATE[..end].rsplit([' ', '\n']).next()?;
                variables[&format!("{variable}_URL")].rsplit('/').next()
            });
            name.unwrap_or(resource).to_owned()
        };
        let resources: Vec<&str> = TEMPLATE
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
            .filter(|name| name.ends_with("Queue") && !name.starts_with(' '))
            .collect();
        let queues = resources.iter().map(|resource| {
            let text = section(resource);
            let letters = value(text, "deadLetterTargetArn")
                .and_then(|arn| arn.strip_prefix("!GetAtt ")?.strip_suffix(".Arn"));
            let count = number(text, "maxReceiveCount").map(|count| count as u32);
            QueueSettings {
                name: queue_name(resource),
                visibility: number(text, "VisibilityTimeout").unwrap_or(30) as u64 * 1000,
                redrive: letters.map(queue_name).zip(count),
            }
        });
        let mut queue_sources = Vec::new();
        for (function, resource) in [
            ("mailer", "MailerFunction"),
            ("mail-events", "MailEventsFunction"),
            ("inspector", "InspectorFunction"),
        ] {
            for source in section(resource).split("Type: SQS").skip(1) {
                let queue = value(source, "Queue").unwrap();
                let queue = queue.strip_prefix("!GetAtt ").unwrap().strip_suffix(".Arn").unwrap();
                queue_sources.push(QueueSource {
                    queue: queue_name(queue),
                    function,
                    batch: number(source, "BatchSize").unwrap_or(10) as usize,
                    concurrency: number(source, "MaximumConcurrency").unwrap_or(2).min(2) as usize,
                });
            }
        }
        let stream = |function, resource| {
            let text = section(resource);
            let patterns = text.lines().filter_map(|line| {
                let pattern = line.trim().strip_prefix("- Pattern: '")?.strip_suffix('\'')?;
                Some(serde_json::from_str(pattern).unwrap())
            });
            StreamSource {
                function,
                batch: number(text, "BatchSize").unwrap_or(100) as usize,
                bisects: value(text, "BisectBatchOnFunctionError") == Some("true"),
                window: number(text, "MaximumBatchingWindowInSeconds").unwrap_or(0) as u64 * 1000,
                retries: number(text, "MaximumRetryAttempts")
                    .and_then(|retries| u32::try_from(retries).ok()),
                patterns: patterns.collect(),
            }
        };
        let timeout = |(function, resource)| {
            (function, number(section(resource), "Timeout").unwrap() as u64 * 1000)
        };
        let functions = [
            ("records", "RecordsFunction"),
            ("notifications", "NotificationsFunction"),
            ("accounts", "AccountsFunction"),
            ("admin", "AdminFunction"),
            ("console", "ConsoleFunction"),
            ("dispatcher", "DispatcherFunction"),
            ("mailer", "MailerFunction"),
            ("mail-events", "MailEventsFunction"),
            ("inspector", "InspectorFunction"),
            ("archivist", "ArchivistFunction"),
            ("reconciler", "ReconcilerFunction"),
        ];
        Self {
            queues: queues.collect(),
            queue_sources,
            dispatcher: stream("dispatcher", "DispatcherFunction"),
            archivist: stream("archivist", "ArchivistFunction"),
            timeouts: functions.map(timeout).into_iter().collect(),
            variables,
        }
    }

    /// Returns the variable with this name.
    pub fn lookup(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}
