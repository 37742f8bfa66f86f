//! Nothing that a queue or the stream delivers is lost, or stops what is behind it.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::EventRecord;
use domain::mail::{Delivery, MailState};
use serde_json::{Value, json};
use store::stream::Change;

use crate::assert_same;
use crate::template::{Template, id, number, text, texts};
use crate::workspace;

const QUEUE: &str = "AWS::SQS::Queue";
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// The two weeks that SQS keeps messages at most, in seconds.
const LONGEST: u64 = 14 * 24 * 60 * 60;

/// The event sources of queues: function, queue and settings.
fn queue_sources(template: &Template) -> Vec<(String, String, &Value)> {
    let sources = template
        .all(MAPPING)
        .map(|(_, source)| (id(&source["FunctionName"]), id(&source["EventSourceArn"]), source));
    sources.filter(|(_, source, _)| template.resource(source)["Type"] == QUEUE).collect()
}

/// The event sources of the table's stream, by function.
fn stream_sources(template: &Template) -> BTreeMap<String, &Value> {
    let sources = template
        .all(MAPPING)
        .filter(|(_, source)| text(&source["EventSourceArn"]) == "${Table.StreamArn}");
    sources.map(|(_, source)| (id(&source["FunctionName"]), source)).collect()
}

/// That of the dispatcher.
fn stream_source(template: &Template) -> &Value {
    stream_sources(template)
        .remove("DispatcherFunction")
        .expect("the dispatcher must read the table's stream")
}

/// The patterns of which one must match.
fn patterns(source: &Value) -> Vec<Value> {
    let filters = source["FilterCriteria"]["Filters"].as_array().unwrap();
    filters.iter().map(|filter| serde_json::from_str(&text(&filter["Pattern"])).unwrap()).collect()
}

#[test]
fn the_expected_functions_are_behind_queues_and_stream() {
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
            "MailQueue to MailerFunction",
            "UploadQueue to InspectorFunction",
            "stream to ArchivistFunction",
            "stream to DispatcherFunction",
        ],
        "correct the event sources of template.yaml",
    );
    assert_eq!(template.all(MAPPING).count(), 4);
}

#[test]
fn a_message_is_delivered_again_and_in_the_end_set_aside() {
    let template = Template::load();
    for (function, name, source) in queue_sources(&template) {
        let queue = template.properties(&name, QUEUE);
        let timeout =
            number(&template.properties(&function, "AWS::Lambda::Function")["Timeout"], "Timeout");
        let visibility = number(&queue["VisibilityTimeout"], "VisibilityTimeout");
        // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        assert!(
            visibility >= 6 * timeout,
            "{name} must hide messages for six times the timeout of {function}, {} s or more",
            6 * timeout
        );
        let redrive = &queue["RedrivePolicy"];
        let tries = number(&redrive["maxReceiveCount"], "maxReceiveCount");
        assert!(
            (3..=10).contains(&tries),
            "{name}: a message must be tried again, but not for ever"
        );
        if function == "MailerFunction" {
            let function = template.properties(&function, "AWS::Lambda::Function");
            let told = &function["Environment"]["Variables"]["MAIL_DELIVERIES"];
            assert_eq!(
                text(told),
                tries.to_string(),
                "the mailer must know how often {name} delivers"
            );
            let under_way = Delivery::SENDING_TIMEOUT.unsigned_abs().as_secs();
            assert!(
                under_way > visibility * tries,
                "a mail must not count as interrupted while {name} delivers it"
            );
        }
        let dead = template.properties(&id(&redrive["deadLetterTargetArn"]), QUEUE);
        assert_eq!(
            number(&dead["MessageRetentionPeriod"], "MessageRetentionPeriod"),
            LONGEST,
            "the dead letters of {name} must be kept as long as possible"
        );
        assert_eq!(
            texts(&source["FunctionResponseTypes"]),
            ["ReportBatchItemFailures"],
            "{function} answers which messages failed"
        );
        let concurrency =
            number(&source["ScalingConfig"]["MaximumConcurrency"], "MaximumConcurrency");
        assert!(
            (2..=100).contains(&concurrency),
            "{name} must not take the whole account's concurrency"
        );
    }
}

#[test]
fn a_poison_record_does_not_block_the_stream() {
    let template = Template::load();
    let source = stream_source(&template);
    assert_eq!(
        source["StartingPosition"], "TRIM_HORIZON",
        "what happens while the stack is updated must be told too"
    );
    assert_eq!(source["BisectBatchOnFunctionError"], true);
    assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
    let retries = number(&source["MaximumRetryAttempts"], "MaximumRetryAttempts");
    assert!((1..=10).contains(&retries), "a shard waits for {retries} retries");
    let age = number(&source["MaximumRecordAgeInSeconds"], "MaximumRecordAgeInSeconds");
    assert!(
        (3600..24 * 3600).contains(&age),
        "a stream forgets after 24 hours: a record must be set aside before"
    );
    let failures =
        template.properties(&id(&source["DestinationConfig"]["OnFailure"]["Destination"]), QUEUE);
    assert_eq!(number(&failures["MessageRetentionPeriod"], "MessageRetentionPeriod"), LONGEST);
}

#[test]
fn queues_are_encrypted_and_failures_are_seen() {
    let template = Template::load();
    let mut failures =
        vec![id(&stream_source(&template)["DestinationConfig"]["OnFailure"]["Destination"])];
    for (name, queue) in template.all(QUEUE) {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name} must be encrypted");
        if !queue["RedrivePolicy"].is_null() {
            failures.push(id(&queue["RedrivePolicy"]["deadLetterTargetArn"]));
        }
    }
    let watched = template.all("AWS::CloudWatch::Alarm").filter(|(_, alarm)| {
        alarm["Namespace"] == "AWS/SQS"
            && alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
            && alarm["ComparisonOperator"] == "GreaterThanThreshold"
            && alarm["Threshold"] == 0
    });
    assert_same(
        watched.map(|(_, alarm)| id(&alarm["Dimensions"][0]["Value"])),
        failures,
        "each queue of failures, and no other, needs an alarm in template.yaml that sees its first \
         message",
    );
}

/// The names of the entities, as the store writes them into the attribute `entity`.
fn entities() -> BTreeSet<String> {
    let source = workspace::read("shared/store/src/item.rs");
    let declared = source
        .split("\nstored! {")
        .nth(1)
        .and_then(|rest| rest.split("\n}").next())
        .unwrap_or_default();
    let entities: BTreeSet<_> =
        declared.lines().filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect();
    assert!(
        entities.len() > 10,
        "the entities in shared/store/src/item.rs cannot be read: adapt this function to how they \
         are declared"
    );
    entities
}

/// Whether a record passes a filter: every name of the pattern is there, with one of its values.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax>
fn passes(pattern: &Value, record: &Value) -> bool {
    match pattern {
        Value::Object(names) => names.iter().all(|(name, pattern)| passes(pattern, &record[name])),
        Value::Array(values) => {
            assert!(
                values.iter().all(Value::is_string),
                "{pattern}: teach `passes` what this means"
            );
            values.contains(record)
        }
        other => panic!("{other} is no filter pattern"),
    }
}

#[test]
fn the_stream_tells_what_the_store_makes_something_of() {
    let template = Template::load();
    let patterns = patterns(stream_source(&template));
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
                // The image has hardly more than its entity: what the store wants to read is an
                // error, the rest is nothing to it.
                let read = Change::from_images(event, Some(old), Some(new))
                    .map_or(true, |changes| !changes.is_empty());
                assert_eq!(
                    passed,
                    read,
                    "{event} of {entity}, \
                        {before:?} to {after:?}: the filters of the dispatcher in template.yaml {} \
                        it, and \
                     shared/store/src/stream.rs {} of it",
                    if passed { "pass" } else { "drop" },
                    if read { "makes something" } else { "makes nothing" },
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
        "the filters of the dispatcher in template.yaml name {unknown:?}, which the store does not \
         know"
    );
}

#[test]
fn every_new_event_of_the_trail_goes_to_the_archive() {
    let template = Template::load();
    let source = stream_sources(&template)["ArchivistFunction"];
    let expected = json!({ "eventName": ["INSERT"],
        "dynamodb": { "NewImage": { "entity": { "S": ["audit_event"] } } } });
    assert_eq!(patterns(source), [expected]);
    assert!(entities().contains("audit_event"));
    assert_eq!(
        source["StartingPosition"], "TRIM_HORIZON",
        "what happens while the stack is updated must be archived too"
    );
    assert_eq!(texts(&source["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
    // An event that is left out looks as if somebody had removed it: the archivist tries for as
    // long as the stream remembers.
    for limit in [
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "BisectBatchOnFunctionError",
        "DestinationConfig",
    ] {
        assert_eq!(source[limit], Value::Null, "{limit} would set events aside");
    }
    let alarm = template.properties("ArchiveDelayAlarm", "AWS::CloudWatch::Alarm");
    assert_eq!(
        (&alarm["MetricName"], text(&alarm["Dimensions"][0]["Value"]).as_str()),
        (&json!("IteratorAge"), "${ArchivistFunction}")
    );
    // A day is what the stream remembers, in milliseconds.
    assert!(number(&alarm["Threshold"], "Threshold") < 24 * 3_600_000 / 4);
}
