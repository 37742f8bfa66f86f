//! The alarms: what they watch, whom they reach, and what operators are told to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::assert_same;
use crate::functions::names;
use crate::template::{Template, id, resource_id, text};
use crate::workspace;

const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Returns namespace, name and dimensions of the metrics of an alarm.
fn metrics(alarm: &Value) -> Vec<&Value> {
    match alarm["Metrics"].as_array() {
        Some(metrics) => metrics
            .iter()
            .map(|metric| &metric["MetricStat"]["Metric"])
            .filter(|metric| !metric.is_null())
            .collect(),
        None => vec![alarm],
    }
}

/// Returns the resources whose metric `name` of `namespace` an alarm watches.
fn watched(template: &Template, namespace: &str, name: &str) -> BTreeSet<String> {
    let alarms = template.all(ALARM).flat_map(|(_, alarm)| metrics(alarm));
    alarms
        .filter(|metric| metric["Namespace"] == namespace && metric["MetricName"] == name)
        .map(|metric| id(&metric["Dimensions"][0]["Value"]))
        .collect()
}

#[test]
fn every_alarm_reaches_the_topic_when_it_begins_and_ends() {
    let template = Template::load();
    let topic = json!([{ "Fn::If":
        ["HasAlarmTopic", { "Ref": "AlarmTopicArn" }, { "Ref": "AlarmTopic" }] }]);
    for (name, alarm) in template.all(ALARM) {
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[actions], topic, "{actions} of {name} in template.yaml");
        }
        assert!(!alarm["TreatMissingData"].is_null(), "{name} must say what missing data means");
    }
    let subscription = template.properties("AlarmSubscription", "AWS::SNS::Subscription");
    assert_eq!(text(&subscription["Endpoint"]), "${AlarmEmail}");
}

#[test]
fn every_alarm_has_a_runbook() {
    let template = Template::load();
    let alarms = template.all(ALARM).map(|(name, _)| name.to_owned());
    let operating = workspace::read("shared/docs/operating.md");
    let headings =
        operating.lines().filter_map(|line| line.strip_prefix("#### `")?.strip_suffix('`'));
    assert_same(
        headings.clone(),
        alarms,
        "shared/docs/operating.md needs a section `#### <alarm>` for each alarm of template.yaml",
    );
    for heading in headings {
        let section = operating.split(&format!("#### `{heading}`\n")).nth(1).unwrap();
        let section = section.split("\n#").next().unwrap();
        for part in ["**Means**", "**Look**", "**Do**", "**Over**"] {
            assert!(section.contains(part), "the section of {heading} must say: {part}");
        }
    }
}

#[test]
fn every_function_queue_and_stream_is_watched() {
    let template = Template::load();
    let functions: BTreeSet<String> =
        names().into_iter().map(|function| resource_id(&function, "Function")).collect();
    for metric in ["Errors", "Throttles", "Duration"] {
        assert_same(
            watched(&template, "AWS/Lambda", metric),
            functions.clone(),
            &format!("an alarm of template.yaml must watch {metric} of every function"),
        );
    }
    let working = template.all("AWS::SQS::Queue").filter(|(_, queue)| {
        !queue["RedrivePolicy"].is_null() // The others are for failures, and should be empty.
    });
    assert_same(
        watched(&template, "AWS/SQS", "ApproximateAgeOfOldestMessage"),
        working.map(|(name, _)| name),
        "an alarm of template.yaml must watch the age of the messages of every working queue",
    );
    let sources = template
        .all("AWS::Lambda::EventSourceMapping")
        .filter(|(_, source)| text(&source["EventSourceArn"]).ends_with(".StreamArn}"));
    let readers: Vec<_> = sources.collect();
    assert_same(
        watched(&template, "AWS/Lambda", "IteratorAge"),
        readers.iter().map(|(_, source)| id(&source["FunctionName"])),
        "an alarm of template.yaml must watch the age of the records of every reader of the stream",
    );
    assert_same(
        watched(&template, "AWS/Lambda", "PolledEventCount"),
        readers.iter().map(|(name, _)| *name),
        "the alarm of a reader must be raised when nobody reads although the table is written",
    );
    for (name, source) in readers {
        assert_eq!(source["MetricsConfig"], json!({ "Metrics": ["EventCount"] }), "{name}");
    }
}

#[test]
fn durations_are_compared_with_the_timeouts() {
    let template = Template::load();
    for name in ["ApiFunctionDurationAlarm", "BackgroundFunctionDurationAlarm"] {
        let alarm = template.properties(name, ALARM);
        let expression = text(&alarm["Metrics"][0]["Expression"]);
        for metric in &alarm["Metrics"].as_array().unwrap()[1..] {
            let function = id(&metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"]);
            let function = template.properties(&function, "AWS::Lambda::Function");
            let timeout = function["Timeout"].as_u64().unwrap() * 1_000;
            let part = format!("{} / {timeout}", text(&metric["Id"]));
            assert!(expression.contains(&part), "{name} must contain {part}: {expression}");
        }
    }
}

/// CloudWatch counts log lines by their texts, which nothing else compares.
#[test]
fn the_lines_that_are_counted_are_written() {
    let template = Template::load();
    let sources = |folders: &[&str]| -> String {
        let files = folders.iter().flat_map(|folder| workspace::rust_files(folder));
        files.map(|file| workspace::read(&file)).collect()
    };
    let mut counted = BTreeSet::new();
    for (name, filter) in template.all("AWS::Logs::MetricFilter") {
        let group = id(&filter["LogGroupName"]);
        let pattern = text(&filter["FilterPattern"]);
        let quoted = pattern.split('"').skip(1).step_by(2);
        for wanted in quoted {
            let written = match group.as_str() {
                // The gateway writes these lines, with the status as a text.
                "HttpApiLogGroup" => "\"401\" \"429\"".to_owned(),
                "AccountsLogGroup" => sources(&["functions/accounts/src"]),
                "MailerLogGroup" => sources(&["functions/mailer/src", "shared/domain/src"]),
                "InspectorLogGroup" => sources(&["functions/inspector/src"]),
                "AdminLogGroup" => sources(&["shared/staff/src"]),
                "ConsoleLogGroup" => sources(&["functions/console/src", "shared/staff/src"]),
                other => panic!("{name} counts lines of {other}, which no test compares"),
            };
            let is_written = wanted == "*" || written.contains(&format!("\"{wanted}\""));
            assert!(is_written, "{name} counts {wanted}, which nothing writes to {group}");
        }
        counted.insert(text(&filter["MetricTransformations"][0]["MetricName"]));
    }
    let own = template
        .all(ALARM)
        .filter(|(_, alarm)| text(&alarm["Namespace"]).starts_with("HealthRecords/"));
    for (name, alarm) in own {
        let metric = text(&alarm["MetricName"]);
        assert!(counted.contains(&metric), "{name} watches {metric}, which nothing counts");
    }
    let dashboard = template.properties("Dashboard", "AWS::CloudWatch::Dashboard");
    // Searches are texts in JSON, with escaped quotation marks.
    let dashboard = text(&dashboard["DashboardBody"]).replace('\\', "");
    for metric in counted {
        let is_shown = dashboard.contains(&format!("\"{metric}\""));
        assert!(is_shown, "the dashboard of template.yaml must show {metric}");
    }
}

#[test]
fn the_dashboard_names_what_exists() {
    let template = Template::load();
    let dashboard = template.properties("Dashboard", "AWS::CloudWatch::Dashboard");
    let body = text(&dashboard["DashboardBody"]);
    let parsed: Value = serde_json::from_str(&body).expect("the dashboard must be JSON");
    assert!(parsed["widgets"].as_array().unwrap().len() >= 12);
    for function in names() {
        let function = format!("${{{}}}", resource_id(&function, "Function"));
        assert!(body.matches(&function).count() >= 3, "the dashboard must show {function}");
    }
}
