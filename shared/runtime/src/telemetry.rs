//! Logging: JSON lines on the standard output, where Lambda collects them.
//!
//! A line is one flat object: `timestamp`, `level`, `message`, the event's fields and those of the
//! spans around it, so that one query finds all lines of a request by its id. Only our own crates
//! log below `warn`, because the details of the SDK and the HTTP client repeat requests and
//! responses.

use serde_json::{Map, Value};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::{clock, config};

/// The crates of the folder `shared`.
const SHARED_CRATES: [&str; 9] =
    ["archive", "crypto", "domain", "http_api", "openapi", "runtime", "staff", "store", "web"];

/// The target of the span in which `lambda_runtime` runs a handler. The span has the ids of the
/// invocation and the trace.
const INVOCATION: &str = "lambda_runtime::layers::trace";

/// Initializes logging for the process: events of `level` and above, and the locations of panics.
pub fn init(level: Level) {
    // Fails only when a test has installed another one.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stdout));
    std::panic::set_hook(Box::new(|panic| {
        // Without the payload, which may repeat anything, for example a field of a request.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panicked");
    }));
}

fn subscriber<W: for<'a> MakeWriter<'a> + Send + Sync + 'static>(
    level: Level,
    writer: W,
) -> impl Subscriber + Send + Sync {
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(FlatJson)
        .with_writer(writer);
    // Spans are recorded at every level, so that an error has the id of its request.
    let most_verbose = LevelFilter::from_level(level.max(Level::INFO));
    let filter =
        filter_fn(move |metadata| is_logged(metadata, level)).with_max_level_hint(most_verbose);
    tracing_subscriber::registry().with(layer.with_filter(filter))
}

fn is_logged(metadata: &Metadata<'_>, level: Level) -> bool {
    let target = metadata.target();
    let krate = target.split("::").next().unwrap_or(target);
    let is_function = |(function, _): &(&str, _)| function.replace('-', "_") == krate;
    let ours = SHARED_CRATES.contains(&krate) || config::FUNCTIONS.iter().any(is_function);
    if metadata.is_span() {
        ours || target == INVOCATION
    } else {
        *metadata.level() <= if ours { level } else { level.min(Level::WARN) }
    }
}

/// Formats an event with the fields of the spans around it as one flat object. The JSON format of
/// `tracing_subscriber` nests the fields of spans in a list, in which CloudWatch finds them only by
/// position.
struct FlatJson;

impl<S, N> FormatEvent<S, N> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Map::new();
        let mut add = |fields: &str| -> std::fmt::Result {
            let fields: Map<String, Value> =
                serde_json::from_str(fields).map_err(|_| std::fmt::Error)?;
            line.extend(fields);
            Ok(())
        };
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                add(&fields.fields)?;
            }
        }
        let mut fields = String::new();
        context.format_fields(Writer::new(&mut fields), event)?;
        add(&fields)?;
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("timestamp".to_owned(), clock::now().to_string().into());
        writeln!(writer, "{}", Value::Object(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, work: impl FnOnce()) -> Vec<Value> {
        let output = Output::default();
        let writer = output.clone();
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), work);
        let bytes = output.0.lock().unwrap();
        String::from_utf8(bytes.clone())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_shared_crate_is_one_of_ours() {
        let mut names = Vec::new();
        for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap() {
            let Ok(manifest) = std::fs::read_to_string(folder.unwrap().path().join("Cargo.toml"))
            else {
                continue;
            };
            let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap();
            names.push(name.trim_matches('"').replace('-', "_"));
        }
        names.sort();
        assert_eq!(names, SHARED_CRATES);
    }

    #[test]
    fn a_line_is_a_flat_object() {
        let lines = logged(Level::INFO, || {
            let _outer =
                tracing::info_span!("request", request_id = "r1", status = tracing::field::Empty)
                    .entered();
            tracing::Span::current().record("status", 404);
            let _inner = tracing::info_span!("step", request_id = "r2", step = 1).entered();
            tracing::info!(duration_ms = 1.5, step = 2, "a \"quoted\"\nmessage");
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let mut line = line.clone();
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        let expected = serde_json::json!({
            "level": "INFO", "message": "a \"quoted\"\nmessage", "duration_ms": 1.5, "status": 404,
                "request_id": "r2", "step": 2
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn other_crates_log_warnings_and_errors_only() {
        let lines = logged(Level::DEBUG, || {
            tracing::debug!("ours");
            tracing::info!(target: "accounts::login", "a function's");
            tracing::info!(target: "bootstrap_admin", "one with a dash in its name");
            tracing::debug!(target: "aws_smithy_runtime::client", "the SDK's");
            tracing::info!(target: "hyper", "the HTTP client's");
            tracing::info!(target: "storefront", "not the store's");
            tracing::warn!(target: "hyper", "a warning");
        });
        let messages: Vec<&str> =
            lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(messages, ["ours", "a function's", "one with a dash in its name", "a warning"]);
    }

    #[test]
    fn an_error_has_the_id_of_its_request_at_every_level() {
        let lines = logged(Level::ERROR, || {
            let _foreign =
                tracing::error_span!(target: "aws_sdk_dynamodb", "call", key = "USER#1").entered();
            let _invocation =
                tracing::info_span!(target: "lambda_runtime::layers::trace", "invoke",
                requestId = "i1")
                .entered();
            let _request = tracing::info_span!("request", request_id = "r1").entered();
            tracing::warn!("not logged");
            tracing::warn!(target: "hyper", "not logged");
            tracing::error!("logged");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["request_id"], &lines[0]["requestId"], &lines[0]["key"]),
            (&"r1".into(), &"i1".into(), &Value::Null)
        );
    }
}
