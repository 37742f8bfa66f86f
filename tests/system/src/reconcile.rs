//! Tests of the reconciler: what was lost is found and repaired.
//!
//! Objects without a file are missing here, because the emulated bucket cannot be told when an
//! object was stored: `tests/simulation` has them.

use std::sync::{Mutex, PoisonError};

use api_tests::harness::files::{PDF, new_file};
use api_tests::harness::{
    Doctor, PASSWORD, Patient, account_mail, account_mails_to, aws, eventually,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::{Builder, Uuid};

use crate::mail_queue::mails;

fn two_hours_ago() -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(2)
}

/// Returns an id that was made two hours ago.
fn old_id() -> String {
    let then = two_hours_ago();
    let milliseconds = u64::try_from(then.as_millisecond()).unwrap();
    let random = Uuid::now_v7().as_bytes()[6..].try_into().unwrap();
    Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid().to_string()
}

/// Stores a copy of an item under other ids, which are two hours old, without a change that the
/// dispatcher sees.
fn copy(item: &Value, ids: &[(&str, &str)]) {
    let text = ids.iter().fold(item.to_string(), |text, (old, new)| text.replace(old, new));
    // Lists are divided by months (UTC).
    let month = |at: Timestamp| at.strftime("%Y%m#").to_string();
    let text = text.replace(&month(Timestamp::now()), &month(two_hours_ago()));
    let mut copy: Value = serde_json::from_str(&text).unwrap();
    let entity = copy.as_object_mut().unwrap().remove("entity").unwrap();
    for state in ["mail_state", "mail_sent_at"] {
        copy.as_object_mut().unwrap().remove(state);
    }
    aws::dynamodb("PutItem", json!({ "Item": copy }));
    let (pk, sk) = (copy["pk"]["S"].as_str().unwrap(), copy["sk"]["S"].as_str().unwrap());
    aws::update_item(pk, sk, "SET entity = :entity", json!({ ":entity": entity }));
}

/// The function continues where its last invocation stopped: two at once would share the work, and
/// neither would have compared everything.
static INVOCATION: Mutex<()> = Mutex::new(());

fn reconcile() -> Value {
    let _alone = INVOCATION.lock().unwrap_or_else(PoisonError::into_inner);
    let report = aws::invoke("reconciler", &json!({})).body;
    assert_eq!(report["is_complete"], true, "{report}");
    report
}

#[test]
fn a_mail_whose_order_was_lost_is_sent_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let address = doctor.email.clone();
    mails(&address, 1);
    let inbox = format!("INBOX#{}", doctor.id);
    let notification =
        aws::query(&inbox).into_iter().find(|item| item["record_id"]["S"] == record["id"]).unwrap();
    let known = notification["gsi3sk"]["S"].as_str().unwrap().to_owned();
    let lost = old_id();
    copy(&notification, &[(&known, &lost)]);
    for _ in 0..2 {
        reconcile();
        assert_eq!(mails(&address, 2).len(), 2);
    }
    let item = aws::get_item(&inbox, &format!("NOTIFICATION#{lost}")).unwrap();
    assert!(item["mail_ordered_at"]["S"].is_string(), "{item}");
}

#[test]
fn an_account_mail_whose_order_was_lost_is_sent_once() {
    let user = Patient::new();
    user.change_password(PASSWORD, "another harbour, a louder one").ok(200);
    account_mail(&user.email, "Password Changed", 0);
    let mails = aws::dynamodb(
        "Query",
        json!({"IndexName": "gsi2", "KeyConditionExpression": "gsi2pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("MAILED#{}", user.id)}}}),
    );
    let mails = mails["Items"].as_array().unwrap().iter();
    let mut mail = mails
        .map(|entry| aws::get_item(entry["pk"]["S"].as_str().unwrap(), "MAIL").unwrap())
        .find(|mail| mail["kind"]["S"] == "password_changed")
        .unwrap();
    // Its end says when it was requested.
    let ttl: i64 = mail["ttl"]["N"].as_str().unwrap().parse().unwrap();
    mail["ttl"]["N"] = json!((ttl - 2 * 3600).to_string());
    let known = mail["pk"]["S"].as_str().unwrap().trim_start_matches("MAIL#").to_owned();
    let lost = old_id();
    copy(&mail, &[(&known, &lost)]);
    reconcile();
    account_mail(&user.email, "Password Changed", 1);
    reconcile();
    let mails = account_mails_to(&user.email);
    assert_eq!(mails.iter().filter(|mail| mail.subject.ends_with("Password Changed")).count(), 2);
    let item = aws::get_item(&format!("MAIL#{lost}"), "MAIL").unwrap();
    assert!(item["mail_ordered_at"]["S"].is_string(), "{item}");
}

#[test]
fn files_agree_with_their_objects_and_lookups_again() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files = json!([new_file("report.pdf", "application/pdf", PDF)]);
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    let known = record["files"][0]["id"].as_str().unwrap();
    let chart = format!("PATIENT#{}", patient.id);
    let in_record = |id: &str| {
        let key = format!("RECORD#{}#FILE#{id}", record["id"].as_str().unwrap());
        aws::get_item(&chart, &key).unwrap()
    };
    let lookup = aws::get_item(&format!("FILE#{known}"), "LOOKUP").unwrap();
    let [waiting, lost, gone] = [old_id(), old_id(), old_id()];
    for id in [&waiting, &lost, &gone] {
        copy(&lookup, &[(known, id)]);
    }
    for (id, status) in [(&waiting, "pending"), (&lost, "available")] {
        let mut file = in_record(known);
        file["status"] = json!({ "S": status });
        copy(&file, &[(known, id)]);
    }
    reconcile();
    let status = |id: &str| in_record(id)["status"]["S"].as_str().unwrap().to_owned();
    assert_eq!((status(&waiting).as_str(), status(&lost).as_str()), ("pending", "pending"));
    assert_eq!(aws::get_item(&format!("FILE#{gone}"), "LOOKUP"), None);
    assert!(aws::get_item(&format!("FILE#{lost}"), "LOOKUP").is_some());
    eventually("nothing is left to repair", || {
        let report = reconcile();
        (report["lookups_deleted"] == 0 && report["files_reopened"] == 0).then_some(())
    });
}
