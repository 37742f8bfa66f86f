//! Queues and stream: retries, dead-letter queues, alarms, and the filters of the stream.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::EventRecord;
use domain::mail::{Delivery, MailState};
use serde_json::{Value, json};
use store::stream::Change;

use crate::assert_same;
use crate::template::{Template, id, number, text, texts};
use crate::workspace;

const QUEUE: &str = "AWS::SQS::Queue";
const BUCKET: &str = "AWS::S3::Bucket";
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// The maximum retention of SQS in seconds: 14 days.
const MAX_RETENTION: u64 = 14 * 24 * 60 * 60;

/// Returns function, queue and settings of each event source that is a queue.
fn queue_sources(template: &Template) -> Vec<(String, String, &Value)> {
    let sources = template
        .all(MAPPING)
        .map(|(_, source)| (id(&source["FunctionName"]), id(&source["EventSourceArn"]), source));
    sources.filter(|(_, source, _)| template.resource(source)["Type"] == QUEUE).collect()
}

/// Returns the event sources of the table's stream, by function.
fn stream_sources(template: &Template) -> BTreeMap<String, &Value> {
    let sources = template
        .all(MAPPING)
        .filter(|(_, source)| text(&source["EventSourceArn"]) == "${Table.StreamArn}");
    sources.map(|(_, source)| (id(&source["FunctionName"]), source)).collect()
}

fn dispatcher_source(template: &Template) -> &Value {
    stream_sources(template)
        .remove("DispatcherFunction")
        .expect("the dispatcher must read the table's stream: add its event source")
}

/// Returns the filter patterns of an event source; a record must match one of them.
fn patterns(source: &Value) -> Vec<Value> {
    let filters = source["FilterCriteria"]["Filters"].as_array().unwrap();
    filters.iter().map(|filter| serde_json::from_str(&text(&filter["Pattern"])).unwrap()).collect()
}

#[test]
fn queues_and_stream_have_the_expected_consumers() {
    let template = Template::load();
    let mut pairs: Vec<_> = queue_sources(&template)
        .into_iter()
        .map(|(function, queue, _)| format!("{queue} to {function}"))
        .collect();
    pairs.extend(
        stream_sources(&template).into_keys().map(|function| format!("stream to {function}")),
    );
    assert_same(
        pairs,
        [
            "AccountMailQueue to MailerFunction",
            "MailEventQueue to MailEventsFunction",
            "MailQueue to MailerFunction",
            "UploadQueue to InspectorFunction",
            "stream to ArchivistFunction",
            "stream to DispatcherFunction",
        ],
        "correct the event sources of template.yaml",
    );
    assert_eq!(template.all(MAPPING).count(), 6);
}

#[test]
fn failed_messages_are_retried_and_then_moved_to_a_dead_letter_queue() {
    let template = Template::load();
    for (function, name, source) in queue_sources(&template) {
        let queue = template.properties(&name, QUEUE);
        let timeout =
            number(&template.properties(&function, "AWS::Lambda::Function")["Timeout"], "Timeout");
        let visibility = number(&queue["VisibilityTimeout"], "VisibilityTimeout");
        // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        assert!(
            visibility >= 6 * timeout,
            "VisibilityTimeout of {name} must be six times the timeout of {function}: {} s or more",
            6 * timeout
        );
        let redrive = &queue["RedrivePolicy"];
        let tries = number(&redrive["maxReceiveCount"], "maxReceiveCount");
        if function == "MailEventsFunction" {
            // The reconciliation finds lost orders and uploads, but no lost report.
            let day = 24 * 3_600;
            assert!(tries * visibility > day, "{name}: reports of SES must be retried for a day");
        } else {
            assert!((3..=10).contains(&tries), "{name}: maxReceiveCount must be between 3 and 10");
        }
        if function == "MailerFunction" {
            let function = template.properties(&function, "AWS::Lambda::Function");
            let deliveries = &function["Environment"]["Variables"]["MAIL_DELIVERIES"];
            assert_eq!(
                text(deliveries),
                tries.to_string(),
                "MAIL_DELIVERIES of the mailer must be maxReceiveCount of {name}"
            );
            let sending_timeout = Delivery::SENDING_TIMEOUT.unsigned_abs().as_secs();
            assert!(
                sending_timeout > visibility * tries,
                "a mail must not count as interrupted while {name} still delivers it: raise \
                 Delivery::SENDING_TIMEOUT in shared/domain/src/mail.rs"
            );
        }
        let dead = template.properties(&id(&redrive["deadLetterTargetArn"]), QUEUE);
        assert_eq!(
            number(&dead["MessageRetentionPeriod"], "MessageRetentionPeriod"),
            MAX_RETENTION,
            "the dead-letter queue of {name} must keep messages as long as possible"
        );
        assert_eq!(
            texts(&source["FunctionResponseTypes"]),
            ["ReportBatchItemFailures"],
            "{function} reports the failed messages of a batch"
        );
        let concurrency =
            number(&source["ScalingConfig"]["MaximumConcurrency"], "MaximumConcurrency");
        assert!(
            (2..=100).contains(&concurrency),
            "{name} must not use the concurrency of the whole account"
        );
    }
}

#[test]
fn a_poison_record_does_not_block_the_stream() {
    let template = Template::load();
    let source = dispatcher_source(&template);
    assert_eq!(
        source["StartingPosition"], "TRIM_HORIZON",
        "changes during an update of the stack must be dispatched too"
    );
    assert_eq!(source["BisectBatchOnFunctionError"], true);
    assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
    // -1 is without end, that is, as long as the stream keeps the record.
    assert_eq!(
        source["MaximumRetryAttempts"], -1,
        "an outage is retried as long as the stream keeps the record"
    );
    let age = number(&source["MaximumRecordAgeInSeconds"], "MaximumRecordAgeInSeconds");
    assert_eq!(age, 24 * 3600, "the stream keeps records for 24 hours");
    let failures = id(&source["DestinationConfig"]["OnFailure"]["Destination"]);
    let bucket = template.properties(&failures, BUCKET);
    assert_eq!(
        bucket["NotificationConfiguration"],
        json!({"EventBridgeConfiguration": {"EventBridgeEnabled": true}}),
        "each failure is reported"
    );
    let rule = template.properties("FailureRule", "AWS::Events::Rule");
    assert_eq!(
        (&rule["EventPattern"]["source"], &rule["EventPattern"]["detail-type"]),
        (&json!(["aws.s3"]), &json!(["Object Created"]))
    );
    let name = &rule["EventPattern"]["detail"]["bucket"]["name"][0];
    assert_eq!(text(name), format!("${{{failures}}}"));
    let queue = template.properties(&id(&rule["Targets"][0]["Arn"]), QUEUE);
    assert_eq!(number(&queue["MessageRetentionPeriod"], "MessageRetentionPeriod"), MAX_RETENTION);
    let function = template.properties("DispatcherFunction", "AWS::Lambda::Function");
    assert_eq!(
        text(&function["Environment"]["Variables"]["FAILURE_BUCKET_NAME"]),
        format!("${{{failures}}}"),
        "the function sets changes aside where its event source does"
    );
    assert_delay_alarm(&template, "DispatchDelayAlarm", "${DispatcherFunction}");
}

/// Checks that an alarm is raised long before the stream forgets what a function has not handled.
fn assert_delay_alarm(template: &Template, alarm: &str, function: &str) {
    let alarm = template.properties(alarm, "AWS::CloudWatch::Alarm");
    let metrics = alarm["Metrics"].as_array().unwrap().iter();
    let metrics: Vec<_> = metrics.map(|metric| &metric["MetricStat"]["Metric"]).collect();
    let age = metrics.iter().find(|metric| metric["MetricName"] == "IteratorAge").unwrap();
    assert_eq!(text(&age["Dimensions"][0]["Value"]), function);
    // Without an age, a stream that nobody reads would look well.
    assert_eq!(alarm["TreatMissingData"], "breaching");
    assert_eq!(
        alarm["Metrics"][0]["Expression"],
        "IF(FILL(written, 0) > 0 AND FILL(polled, 0) == 0, 86400000, FILL(age, 0))"
    );
    // The stream keeps records for one day; the threshold is in milliseconds.
    assert!(number(&alarm["Threshold"], "Threshold") < 24 * 3_600_000 / 4);
}

#[test]
fn queues_are_encrypted_and_failures_raise_an_alarm() {
    let template = Template::load();
    let mut failures = vec!["StreamFailureQueue".to_owned()];
    for (name, queue) in template.all(QUEUE) {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name} must be encrypted");
        if !queue["RedrivePolicy"].is_null() {
            failures.push(id(&queue["RedrivePolicy"]["deadLetterTargetArn"]));
        }
    }
    failures.sort_unstable();
    failures.dedup();
    let watched = template.all("AWS::CloudWatch::Alarm").filter(|(_, alarm)| {
        alarm["Namespace"] == "AWS/SQS"
            && alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["Threshold"] == 0
    });
    assert_same(
        watched.map(|(_, alarm)| id(&alarm["Dimensions"][0]["Value"])),
        failures,
        "each queue for failures, and no other queue, needs an alarm in template.yaml for its \
         first message",
    );
}

/// Returns the values that the store writes into the attribute `entity`.
fn entities() -> BTreeSet<String> {
    let files =
        workspace::list("shared/store/src").into_iter().filter(|file| file.ends_with(".rs"));
    let staff = workspace::list("shared/store/src/staff").into_iter();
    let paths = files.chain(staff.map(|file| format!("staff/{file}")));
    let sources = paths.map(|file| workspace::read(&format!("shared/store/src/{file}")));
    let entities: BTreeSet<_> = sources
        .flat_map(|source| {
            let declared = source.split("const ENTITY: &'static str = \"").skip(1);
            declared
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        entities.len() > 10,
        "cannot parse the entities in shared/store/src: adapt this function to their declaration"
    );
    entities
}

/// Returns whether a record matches a filter pattern: it has each name of the pattern with one of
/// its values.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax>
fn passes(pattern: &Value, record: &Value) -> bool {
    match pattern {
        Value::Object(names) => names.iter().all(|(name, pattern)| passes(pattern, &record[name])),
        Value::Array(values) => {
            assert!(
                values.iter().all(Value::is_string),
                "{pattern}: this kind of pattern is not implemented in `passes`: add it"
            );
            values.contains(record)
        }
        other => panic!("{other} is not a filter pattern"),
    }
}

#[test]
fn the_filters_of_the_dispatcher_pass_exactly_the_changes_that_the_store_recognises() {
    let template = Template::load();
    let patterns = patterns(dispatcher_source(&template));
    let states: Vec<Option<&str>> =
        MailState::ALL.iter().map(|state| Some(state.as_str())).chain([None]).collect();
    for entity in entities() {
        for event in ["INSERT", "MODIFY", "REMOVE"] {
            for (before, after) in
                states.iter().flat_map(|before| states.iter().map(move |after| (*before, *after)))
            {
                let image = |state: Option<&str>| {
                    let mut image = json!({ "entity": { "S": entity } });
                    if let Some(state) = state {
                        image["mail_state"] = json!({ "S": state });
                    }
                    image
                };
                let mut change = json!({ "SizeBytes": 1 });
                if event != "INSERT" {
                    change["OldImage"] = image(before);
                }
                if event != "REMOVE" {
                    change["NewImage"] = image(after);
                }
                let record = json!({ "eventName": event, "eventID": "1",
                    "awsRegion": "eu-central-1", "dynamodb": change });
                let passed = patterns.iter().any(|pattern| passes(pattern, &record));
                let record: EventRecord = serde_json::from_value(record).unwrap();
                let (old, new) = (record.change.old_image, record.change.new_image);
                // The images lack most attributes, so a change that the store recognises may be an
                // error.
                let recognised = Change::from_images(event, Some(old), Some(new))
                    .map_or(true, |changes| !changes.is_empty());
                assert_eq!(
                    passed,
                    recognised,
                    "{event} of {entity}, {before:?} to {after:?}: the filters of the dispatcher \
                     in template.yaml {} it, but shared/store/src/stream.rs {} it: correct one of \
                     them",
                    if passed { "pass" } else { "drop" },
                    if recognised { "recognises" } else { "ignores" },
                );
            }
        }
    }
    let named = patterns.iter().flat_map(|pattern| {
        ["OldImage", "NewImage"].map(|image| texts(&pattern["dynamodb"][image]["entity"]["S"]))
    });
    let unknown: Vec<_> = named.flatten().filter(|entity| !entities().contains(entity)).collect();
    assert!(
        unknown.is_empty(),
        "the filters of the dispatcher in template.yaml name unknown entities: {unknown:?}"
    );
}

#[test]
fn every_audit_event_reaches_the_archivist() {
    let template = Template::load();
    let source = stream_sources(&template)["ArchivistFunction"];
    let expected = json!({ "eventName": ["INSERT"],
        "dynamodb": { "NewImage": { "entity": { "S": ["audit_event"] } } } });
    assert_eq!(patterns(source), [expected]);
    assert!(entities().contains("audit_event"));
    assert_eq!(
        source["StartingPosition"], "TRIM_HORIZON",
        "events during an update of the stack must be archived too"
    );
    assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
    // A skipped event would look like a deleted one, so the archivist retries as long as the stream
    // keeps the record.
    for limit in [
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
    ] {
        assert_eq!(source[limit], Value::Null, "{limit} would skip events: remove it");
    }
    assert_delay_alarm(&template, "ArchiveDelayAlarm", "${ArchivistFunction}");
}
