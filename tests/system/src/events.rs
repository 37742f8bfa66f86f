//! Tests of the samples in `events/`: each is a real event of its function, and can be replayed.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Value, json};
use uuid::Uuid;

use api_tests::harness::{Stack, aws, eventually};

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn there_is_a_sample_for_each_function() {
    for function in Stack::get().functions.keys() {
        assert!(sample(&format!("{function}.json")).is_object());
    }
}

#[test]
fn requests_get_responses() {
    // The first replay registers the user, all others find it.
    let first = aws::invoke("accounts", &sample("accounts.json"));
    assert!([201, 400].contains(&first["statusCode"].as_u64().unwrap()), "{first}");
    let again = aws::invoke("accounts", &sample("accounts.json"));
    assert_eq!(again["statusCode"], 400, "{again}");
    let body: Value = serde_json::from_str(again["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&body["errors"][0]["field"], &body["request_id"]),
        (&json!("email"), &json!("JKJaXmPLvHcESHA="))
    );
    let page = aws::invoke("portal", &sample("portal.json"));
    assert_eq!(page["statusCode"], 200, "{page}");
    assert_eq!(page["headers"]["content-encoding"], "gzip", "{page}");
    // The samples contain no valid token, so that nobody can use them.
    for function in ["records", "notifications"] {
        let response = aws::invoke(function, &sample(&format!("{function}.json")));
        assert_eq!(response["statusCode"], 401, "{response}");
        assert_eq!(response["headers"]["x-request-id"], "JKJaXmPLvHcESHA=");
        assert_eq!(response["headers"]["content-type"], "application/problem+json");
    }
}

#[test]
fn events_of_people_who_are_gone_are_dropped() {
    for function in ["dispatcher", "mailer", "mail-events", "inspector"] {
        for _ in 0..2 {
            let response = aws::invoke(function, &sample(&format!("{function}.json"))).body;
            assert_eq!(response, json!({"batchItemFailures": []}), "{function}");
        }
    }
}

#[test]
fn the_schedule_of_recoveries_gets_numbers() {
    let response = aws::invoke("recovery", &sample("recovery.json")).body;
    for number in ["carried_out", "waiting", "void"] {
        assert!(response[number].is_u64(), "{number}: {response}");
    }
}

#[test]
fn only_unreadable_messages_are_retried() {
    for function in ["mailer", "mail-events"] {
        let mut event = sample(&format!("{function}.json"));
        let mut poison = event["Records"][0].clone();
        poison["messageId"] = json!("poison");
        poison["body"] = json!("{");
        event["Records"].as_array_mut().unwrap().push(poison);
        assert_eq!(
            aws::invoke(function, &event).body,
            json!({"batchItemFailures": [{"itemIdentifier": "poison"}]}),
            "{function}"
        );
    }

    let mut event = sample("inspector.json");
    let mut poison = event["Records"][0].clone();
    poison["messageId"] = json!("poison");
    poison["body"] = json!("{\"Records\": 7}");
    // SQS gets this message from S3 once, when notifications are configured.
    let mut test = event["Records"][0].clone();
    test["body"] =
        json!("{\"Service\": \"Amazon S3\", \"Event\": \"s3:TestEvent\", \"Bucket\": \"b\"}");
    event["Records"].as_array_mut().unwrap().extend([poison, test]);
    assert_eq!(
        aws::invoke("inspector", &event).body,
        json!({"batchItemFailures": [{"itemIdentifier": "poison"}]})
    );
}

#[test]
fn a_change_that_cannot_be_read_is_set_aside_and_reported() {
    let mut event = sample("dispatcher.json");
    let marker = Uuid::now_v7().to_string();
    let mut corrupt = event["Records"][0].clone();
    corrupt["eventID"] = json!(marker);
    corrupt["dynamodb"]["NewImage"]["record_id"] = json!({"S": "no id"});
    let mut unreadable = event["Records"][0].clone();
    unreadable["eventID"] = json!(marker);
    unreadable["dynamodb"]["NewImage"] = json!({"record_id": {"of no type": 1}});
    let records = event["Records"].as_array_mut().unwrap();
    records.splice(0..0, [corrupt.clone(), unreadable.clone()]);
    for _ in 0..2 {
        let response = aws::invoke("dispatcher", &event).body;
        assert_eq!(response, json!({"batchItemFailures": []}));
    }
    let failures = &aws::environment_of("dispatcher")["FAILURE_BUCKET_NAME"];
    let failures = failures.as_str().unwrap();
    let set_aside = Mutex::new(Vec::new());
    eventually("both changes are reported", || {
        let request = json!({"MaxNumberOfMessages": 10, "VisibilityTimeout": 5});
        let response = aws::sqs("ReceiveMessage", "stream_failure", request);
        for message in response["Messages"].as_array().into_iter().flatten() {
            let report: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let key = report["detail"]["object"]["key"].as_str().unwrap();
            let stored = aws::s3_of(failures, "GET", key).ok(200).body;
            if stored["Records"][0]["eventID"] == json!(marker) {
                set_aside.lock().unwrap().push(stored);
                let receipt = json!({"ReceiptHandle": message["ReceiptHandle"]});
                aws::sqs("DeleteMessage", "stream_failure", receipt);
            }
        }
        let set_aside = set_aside.lock().unwrap();
        let expected = [&corrupt, &unreadable].map(|record| json!({"Records": [record]}));
        expected.iter().all(|event| set_aside.contains(event)).then_some(())
    });
}
