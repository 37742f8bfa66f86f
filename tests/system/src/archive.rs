//! Tests of the archive of the audit trail: every event is archived once, and removed, changed and
//! invented ones are found.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::proof::{AuditKey, StoredEvent};

use api_tests::harness::{Doctor, Patient, Response, Stack, aws, eventually};

/// Held by every test that reads the whole chain: one of them breaks it for a while.
static CHAIN: Mutex<()> = Mutex::new(());

/// The report of `audit-verify`, and its exit code.
struct VerifyOutput {
    code: i32,
    text: String,
}

impl VerifyOutput {
    fn says(&self, what: &str) -> bool {
        self.text.contains(what)
    }

    /// Returns a number of the report, by the words before it.
    #[track_caller]
    fn number(&self, before: &str) -> u64 {
        let rest = self.text.split_once(before).unwrap_or_else(|| panic!("{}", self.text)).1;
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }
}

/// Runs the program that was built into the same folder, as `make audit-verify` does.
#[track_caller]
fn verify() -> VerifyOutput {
    verify_with(&[])
}

#[track_caller]
fn verify_with(arguments: &[&str]) -> VerifyOutput {
    let program: PathBuf =
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("audit-verify");
    assert!(
        program.exists(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        program.display()
    );
    let variables = aws::environment_of("accounts");
    let stack = Stack::get();
    let Output { status, stdout, stderr } = Command::new(program)
        .args(arguments)
        .env("AUDIT_SECRET_ARN", variables["AUDIT_SECRET_ARN"].as_str().unwrap())
        .env("TABLE_NAME", &stack.table)
        .env("ARCHIVE_BUCKET_NAME", &stack.archive_bucket)
        .env("AWS_ENDPOINT_URL", &stack.endpoint_url)
        .env("AWS_REGION", &stack.region)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!stderr.is_empty(), "it says nothing of its progress");
    assert!(stderr.lines().all(|line| line.starts_with("comparing: ")), "{stderr}");
    VerifyOutput { code: status.code().unwrap(), text }
}

fn object(method: &str, key: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
    aws::send(
        aws::root(),
        "s3",
        method,
        &format!("/{}/{key}", Stack::get().archive_bucket),
        headers,
        body,
    )
}

/// Returns the values of an element of an XML document.
fn elements(response: &Response, name: &str) -> Vec<String> {
    let text = String::from_utf8(response.bytes.clone()).unwrap();
    text.split(&format!("<{name}>"))
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect()
}

fn keys() -> Vec<String> {
    elements(&object("GET", "?list-type=2&prefix=audit%2F", &[], Vec::new()).ok(200), "Key")
}

/// Returns the object that contains an event, and its lines.
fn archived(event: &str) -> Option<(String, String)> {
    keys().into_iter().rev().find_map(|key| {
        let text = String::from_utf8(object("GET", &key, &[], Vec::new()).ok(200).bytes).unwrap();
        text.contains(event).then_some((key, text))
    })
}

fn head() -> Value {
    aws::get_item("ARCHIVE", "HEAD").unwrap_or_default()
}

/// Returns the record of the stream about an event.
fn stream_event(item: &Value) -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../../events/archivist.json")).unwrap();
    event["Records"][0]["dynamodb"]["NewImage"] = item.clone();
    event
}

fn put(item: &Value) {
    aws::dynamodb("PutItem", json!({"Item": item}));
}

fn delete(item: &Value) {
    aws::dynamodb("DeleteItem", json!({"Key": {"pk": item["pk"], "sk": item["sk"]}}));
}

/// Waits until the last event of a new chart is archived, and returns it.
fn archived_event() -> (Value, String, String) {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let item = aws::query(&format!("AUDIT#{}", patient.id)).pop().unwrap();
    let id = item["sk"]["S"].as_str().unwrap().to_owned();
    let (key, text) = eventually("an event in the archive", || archived(&id));
    (item, key, text)
}

/// One test, because all of this is about one chain.
#[test]
fn removed_altered_and_forged_events_are_found() {
    let _alone = CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
    let (item, key, text) = archived_event();
    let id = item["sk"]["S"].as_str().unwrap();
    let line: Value = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["event"]["sk"] == id)
        .unwrap();
    assert_eq!(
        (&line["event"]["action"], &line["event"]["proof"]),
        (&json!("create_record"), &item["proof"]["S"])
    );

    // Table and archive agree, whatever else is running.
    let verdict = verify();
    assert_eq!(verdict.code, 0, "{}", verdict.text);
    assert!(
        verdict.number("events in the table: ") >= 3
            && verdict.number("links in the archive: ") >= 3,
        "{}",
        verdict.text
    );

    // A change that the stream delivers again is not archived again, alone or with others.
    for _ in 0..2 {
        assert_eq!(
            aws::invoke("archivist", &stream_event(&item)).body,
            json!({"batchItemFailures": []})
        );
    }
    let again = verify();
    assert!(again.code == 0 && again.says(" objects, of which 0 are repeated"), "{}", again.text);

    // In the table: removed, changed, invented.
    delete(&item);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("event {id}: removed from the table")),
        "{}",
        verdict.text
    );
    let mut altered = item.clone();
    altered["action"] = json!({"S": "read_record"});
    put(&altered);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("event {id}: altered in the table")),
        "{}",
        verdict.text
    );
    put(&item);

    // In the archive nothing can be deleted or overwritten: the first version stays.
    let tampered = text.replace("create_record", "read_record");
    object("PUT", &key, &[], tampered).ok(200);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("{key}: was overwritten or deleted")),
        "{}",
        verdict.text
    );
    assert!(!verdict.says(&format!("event {id}")), "the first version counts: {}", verdict.text);
    let version_of = |newest: bool| {
        let versions = object(
            "GET",
            &format!("?versions&prefix={}", key.replace('/', "%2F")),
            &[],
            Vec::new(),
        )
        .ok(200);
        let ids = elements(&versions, "VersionId");
        if newest { ids.first().unwrap().clone() } else { ids.last().unwrap().clone() }
    };
    let delete_version = |version: &str, headers: &[(&str, &str)]| {
        object("DELETE", &format!("{key}?versionId={version}"), headers, Vec::new())
    };
    assert_eq!(delete_version(&version_of(false), &[]).status, 403, "the lock keeps it");

    // An identity that may bypass the lock is detected, too.
    let bypass = [("x-amz-bypass-governance-retention", "true")];
    delete_version(&version_of(true), &bypass).ok(204);
    assert_eq!(verify().code, 0);
    delete_version(&version_of(true), &bypass).ok(204);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says("an object is missing or was added"),
        "{}",
        verdict.text
    );
    let tampered = text.replacen("\"create_record\"", "\"read_record\"", 1);
    object("PUT", &key, &[], tampered.clone()).ok(200);
    let verdict = verify();
    assert!(
        verdict.code == 1 && tampered != text && verdict.says("in the archive"),
        "{}",
        verdict.text
    );
    delete_version(&version_of(true), &bypass).ok(204);
    object("PUT", &key, &[], text.clone()).ok(200);
    let verdict = verify();
    assert_eq!(verdict.code, 0, "all is as it was: {}", verdict.text);

    // An object that contains no events of the chain.
    let invented = "audit/999999999999.jsonl";
    object("PUT", invented, &[], text).ok(200);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("{invented}: does not continue the chain")),
        "{}",
        verdict.text
    );
    let versions = object("GET", "?versions&prefix=audit%2F999999999999", &[], Vec::new()).ok(200);
    object(
        "DELETE",
        &format!("{invented}?versionId={}", elements(&versions, "VersionId")[0]),
        &bypass,
        Vec::new(),
    )
    .ok(204);
    assert_eq!(verify().code, 0);

    // Invented in the table: the stream delivers it to the archive like any other, and its proof is
    // wrong. This cannot be undone, so it comes last.
    let mut invented = item.clone();
    let fresh = uuid::Uuid::now_v7().to_string();
    invented["sk"] = json!({"S": fresh});
    invented["gsi2sk"] = json!({"S": fresh});
    put(&invented);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("event {fresh}: forged in the table")),
        "{}",
        verdict.text
    );
    eventually("the invented event in the archive", || archived(&fresh));
    let verdict = verify();
    assert!(verdict.says(&format!("event {fresh}: forged in the archive")), "{}", verdict.text);
    // After it is removed from the table it is still found.
    delete(&invented);
    let verdict = verify();
    assert!(
        verdict.code == 1 && verdict.says(&format!("event {fresh}: forged in the archive")),
        "{}",
        verdict.text
    );
    assert_eq!(verdict.number("findings: "), 1, "{}", verdict.text);
}

#[test]
fn a_chain_does_not_fork() {
    let _alone = CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
    // Many events at a time, from many requests: each becomes one link, and the head follows.
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (doctor, id) = (doctor.clone(), record.text("id").to_owned());
            std::thread::spawn(move || {
                (0..5).for_each(|_| drop(doctor.read_doctor_record(&id).ok(200)))
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let items = aws::query(&format!("AUDIT#{}", patient.id));
    assert!(items.len() >= 41);
    // The same batch, delivered to several functions concurrently, while the stream delivers it,
    // too.
    let mut event = stream_event(&items[0]);
    let model = event["Records"][0].clone();
    event["Records"] = items
        .iter()
        .map(|item| {
            let mut record = model.clone();
            record["dynamodb"]["NewImage"] = item.clone();
            record
        })
        .collect();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let event = event.clone();
            std::thread::spawn(move || aws::invoke("archivist", &event).body)
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), json!({"batchItemFailures": []}));
    }
    let last = items.last().unwrap()["sk"]["S"].as_str().unwrap();
    eventually("the last event in the archive", || archived(last));
    let links: Vec<Value> = keys()
        .iter()
        .flat_map(|key| {
            let text =
                String::from_utf8(object("GET", key, &[], Vec::new()).ok(200).bytes).unwrap();
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    for item in &items {
        let number = links.iter().filter(|link| link["event"]["sk"] == item["sk"]["S"]).count();
        assert_eq!(number, 1, "{item}");
    }
    eventually("the head follows", || {
        let sequence = head()["sequence"]["N"].as_str()?.parse::<usize>().ok()?;
        (sequence >= links.len()).then_some(())
    });
}

/// An archivist that fails for longer than the stream retains changes leaves events out.
#[test]
fn repair_archives_events_that_the_stream_no_longer_has() {
    let _alone = CHAIN.lock().unwrap_or_else(PoisonError::into_inner);
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    // An event of an hour ago with a valid proof, which is marked as archived.
    let long_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let seconds = u64::try_from(long_ago.as_second()).unwrap();
    let id =
        uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)).to_string();
    let mut event = aws::query(&format!("AUDIT#{}", patient.id)).pop().unwrap();
    event.as_object_mut().unwrap().remove("proof");
    event["sk"] = json!({"S": id});
    event["gsi2sk"] = json!({"S": id});
    let text = |value: &Value| value["S"].clone();
    let attributes: serde_json::Map<String, Value> = event
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let stored: StoredEvent = serde_json::from_value(attributes.into()).unwrap();
    let secret = aws::secret_of("accounts", "AUDIT_SECRET_ARN");
    event["proof"] = json!({"S": AuditKey::new(secret.as_str()).prove(&stored)});
    let mark = json!({"pk": {"S": format!("ARCHIVED#{id}")}, "sk": {"S": "ARCHIVED"},
        "entity": {"S": "archived"}});
    put(&mark);
    put(&event);
    assert_eq!(
        aws::invoke("archivist", &stream_event(&event)).body,
        json!({"batchItemFailures": []})
    );
    // The next event is archived: the stream will not deliver the missing one again.
    archived_event();
    delete(&mark);

    let missing = format!("event {id}: not in the archive");
    let verdict = verify();
    assert!(verdict.code == 1 && verdict.says(&missing), "{}", verdict.text);
    assert!(archived(&id).is_none());
    let verdict = verify_with(&["--repair"]);
    assert!(verdict.code == 1 && verdict.says(&missing), "it says what it found: {}", verdict.text);
    assert_eq!(verdict.number("archived: "), 1, "{}", verdict.text);
    let verdict = verify_with(&["--repair"]);
    assert!(!verdict.says(&id), "{}", verdict.text);
    assert_eq!(verdict.number("archived: "), 0, "{}", verdict.text);
    assert!(archived(&id).is_some());
}

#[test]
fn only_the_archivist_writes_to_the_archive_and_nobody_deletes() {
    let configuration = object("GET", "?object-lock", &[], Vec::new()).ok(200);
    assert_eq!(elements(&configuration, "Mode"), ["GOVERNANCE"]);
    assert_eq!(elements(&configuration, "Days"), ["2192"]);
    for function in Stack::get().functions.keys() {
        let role = aws::role_of(function);
        let path = format!("/{}/audit/000000000001.jsonl", Stack::get().archive_bucket);
        let methods: &[&str] =
            if function == "archivist" { &["DELETE"] } else { &["GET", "PUT", "DELETE"] };
        for method in methods {
            assert_eq!(
                aws::send(role.clone(), "s3", method, &path, &[], Vec::new()).status,
                403,
                "{function} {method}"
            );
        }
    }
}
