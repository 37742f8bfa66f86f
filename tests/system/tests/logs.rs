//! Tests of the logs, after everything else: cargo runs this after the tests of the library, on the
//! same stack.
//!
//! All test data is marked (see `harness::MARKER`), so that one search shows whether any of it was
//! logged. The search covers the logs of the functions. The emulator's own log contains the
//! recipient of each mail; it stands for SES, which must know.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use api_tests::harness::{
    Anonymous, Doctor, MARKER, PASSWORD, Patient, Stack, aws, cookie_name, eventually,
};
use serde_json::{Value, json};

/// The page size of CloudWatch Logs.
const MOST: usize = 10_000;

/// Reads everything that a function has logged.
fn lines_of(function: &str) -> Vec<String> {
    let group = format!("/aws/lambda/{}", Stack::get().functions[function]);
    let (mut lines, mut from) = (Vec::new(), 0);
    loop {
        let query = json!({"logGroupName": group, "limit": MOST, "startTime": from});
        let page =
            aws::operation(aws::root(), "logs", "Logs_20140328.FilterLogEvents", &query).ok(200);
        let events = page["events"].as_array().unwrap();
        let time = |event: &Value| event["timestamp"].as_i64().unwrap();
        // The emulated cloud returns no token for the next page: continue from the last time
        // returned.
        let next =
            if events.len() < MOST { i64::MAX } else { events.last().map_or(i64::MAX, time) };
        let told = events.iter().filter(|event| time(event) < next);
        lines.extend(told.map(|event| event["message"].as_str().unwrap().to_owned()));
        if next == i64::MAX {
            return lines;
        }
        assert!(next > from, "more than {MOST} events at one moment");
        from = next;
    }
}

/// Returns the lines that are JSON objects; the others are the platform's.
fn objects(lines: &[String]) -> impl Iterator<Item = Value> {
    lines
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(Value::is_object)
}

/// Sends data that must not be logged, also in invalid requests; returns the request ids.
fn talk() -> Vec<String> {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let responses = [
        doctor.annotate(record.text("id")),
        patient
            .create_record(
                json!({"doctor": MARKER, "record_type": MARKER, "description": {"note": MARKER}}),
            )
            .ok(400),
        patient
            .request("POST", "/api/records/patient/")
            .header("content-type", "application/json")
            .body(format!("{{\"{MARKER}"))
            .send()
            .ok(400),
        patient.get(&format!("/api/records/patient/{MARKER}/")).ok(404),
        patient.get(&format!("/api/{MARKER}/?{MARKER}={MARKER}")).ok(404),
        patient.list_patient_records(&format!("cursor={MARKER}&doctor={MARKER}")).ok(400),
        patient.list_notifications(&format!("is_read={MARKER}")).ok(400),
        Anonymous.login(&patient.email, &format!("{PASSWORD}{MARKER}")).ok(401),
        Anonymous.login(&patient.email, PASSWORD).ok(200),
        Anonymous.refresh(&patient.refresh).ok(200),
        Anonymous.refresh(MARKER).ok(401),
        Anonymous.get(&format!("/api/admin/users/?search={MARKER}")).ok(401),
        Anonymous
            .request("GET", &format!("/admin/users/?search={MARKER}"))
            .header("cookie", &format!("{}={MARKER}", cookie_name("console")))
            .send_unchecked(),
        Anonymous
            .request("GET", "/api/accounts/me/")
            .token(MARKER)
            .header("user-agent", MARKER)
            .header("referer", MARKER)
            .send()
            .ok(401),
    ];
    responses.iter().map(|response| response.header("x-request-id")).collect()
}

#[test]
fn logs_contain_no_personal_data() {
    let ids = talk();
    let http = || {
        ["accounts", "records", "notifications", "admin", "console"]
            .iter()
            .flat_map(|function| lines_of(function))
            .collect::<Vec<_>>()
    };
    eventually("the requests are logged", || {
        let lines = http();
        ids.iter().all(|id| lines.iter().any(|line| line.contains(id.as_str()))).then_some(())
    });
    // Names, notes and addresses; passwords and their hashes; access tokens (JWT) and refresh
    // tokens; presigned URLs.
    let forbidden = [
        MARKER,
        "@example",
        PASSWORD,
        "argon2",
        "eyJ",
        "Bearer ",
        "X-Amz-Signature",
        "John",
        "Jane",
        "correct horse",
    ];
    for function in Stack::get().functions.keys() {
        for line in lines_of(function) {
            for word in forbidden {
                assert!(!line.contains(word), "{function} has logged {word:?}: {line}");
            }
        }
    }
}

#[test]
fn every_request_is_logged_and_none_has_failed() {
    let ids = talk();
    for function in ["accounts", "records", "notifications", "admin", "console"] {
        // Other tests may be in the middle of a request.
        let lines = eventually("each request that was served is logged", || {
            let lines = lines_of(function);
            let is_there = ids.iter().any(|id| lines.iter().any(|line| line.contains(id.as_str())));
            let served = lines.iter().filter(|line| line.starts_with("START RequestId: ")).count();
            let logged = objects(&lines).filter(|line| line["message"] == "request").count();
            (is_there && logged == served).then_some(lines)
        });
        for line in objects(&lines) {
            assert_ne!(line["level"], "ERROR", "{function}: {line}");
            if line["message"] != "request" {
                continue;
            }
            for (field, is_there) in [
                ("request_id", line["request_id"].is_string()),
                ("method", line["method"].is_string()),
                ("status", line["status"].is_u64()),
                ("duration_ms", line["duration_ms"].is_u64()),
                // An unknown path may contain anything, and names no operation.
                ("operation", line["operation"].is_string() || line["status"] == 404),
                (
                    "problem",
                    line["problem"].is_string() == (line["status"].as_u64().unwrap() >= 400),
                ),
            ] {
                assert!(is_there, "{function}: {field}: {line}");
            }
            assert!(line["status"].as_u64().unwrap() < 500, "{function}: {line}");
        }
    }
}

/// Messages in these queues need a person; one test poisons the mailer on purpose.
#[test]
fn no_message_was_given_up() {
    for queue in ["stream_failure", "upload_dlq", "mail_dlq"] {
        let response = aws::sqs(
            "ReceiveMessage",
            queue,
            json!({"MaxNumberOfMessages": 10, "VisibilityTimeout": 0}),
        );
        for message in response["Messages"].as_array().into_iter().flatten() {
            let is_poison =
                queue == "mail_dlq" && message["Body"].as_str().unwrap().contains(MARKER);
            assert!(is_poison, "{queue}: {message}");
        }
    }
}

#[test]
fn no_function_panicked() {
    for function in Stack::get().functions.keys() {
        for line in lines_of(function) {
            assert!(!line.contains("panicked"), "{function}: {line}");
        }
    }
    // Nor before it could log, as far as the emulator shows.
    let stack: Value =
        serde_json::from_slice(&std::fs::read(std::env::var("STACK_FILE").unwrap()).unwrap())
            .unwrap();
    let log = stack["emulator_log"].as_str().unwrap();
    assert!(!std::fs::read_to_string(log).unwrap().contains("panicked"), "see {log}");
}
