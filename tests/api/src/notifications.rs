//! `/api/notifications/`: the inbox.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::files::{PDF, new_file};
use crate::harness::{
    Anonymous, Doctor, FaultProxy, IsolatedSystem, Patient, ProxyFault, Response, UNKNOWN, aws,
    eventually, keys, mails_to,
};

/// Returns a patient, a doctor who was assigned `count` records, and the ids of the notifications
/// about them.
fn doctor_with_notifications(count: usize) -> (Patient, Doctor, Vec<String>) {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    for _ in 0..count {
        patient.create_record(json!({"doctor": doctor.id})).ok(201);
    }
    let ids = ids_on(&doctor.list_notifications("").ok(200));
    assert_eq!(ids.len(), count);
    (patient, doctor, ids)
}

fn ids_on(page: &Response) -> Vec<String> {
    page.results().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}

/// Waits for the count of unread notifications, which is read from an index that lags.
fn unread_becomes(doctor: &Doctor, count: usize) {
    eventually(&format!("{count} are unread"), || {
        (doctor.count_unread().ok(200).body == json!({"unread_count": count})).then_some(())
    });
}

/// Returns the stored items of an inbox without its state.
fn stored(recipient: &str) -> Vec<Value> {
    let items = aws::query(&format!("INBOX#{recipient}"));
    items.into_iter().filter(|item| item["sk"]["S"] != "STATE").collect()
}

/// Covers `test_create_notification` of the Django service.
#[test]
fn a_new_record_notifies_its_doctor() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record =
        patient.create_record(json!({"doctor": doctor.id, "description": "zq7marker"})).ok(201);
    // test_notification_str, test_list_user_notifications
    let page = doctor.list_notifications("").ok(200);
    let [notification] = page.results() else { panic!("{page}") };
    assert_eq!(
        keys(notification),
        ["created_at", "id", "is_read", "message", "notification_type", "read_at", "record"]
    );
    assert_eq!(notification["notification_type"], "patient_assigned");
    assert_eq!(
        notification["message"],
        format!("New health record created by patient {}", patient.full_name())
    );
    assert_eq!((&notification["is_read"], &notification["read_at"]), (&json!(false), &Value::Null));
    time(&notification["created_at"]);
    // The whole record, as the recipient sees it.
    assert_eq!(notification["record"], doctor.read_doctor_record(record.text("id")).ok(200).body);
}

#[test]
fn every_change_notifies_the_other_side() {
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = record.text("id");
    let note = doctor.create_annotation(json!({"record": id, "note": "one zq7marker"})).ok(201);
    doctor.update_annotation(note.text("id"), json!({"note": "two zq7marker"})).ok(200);
    patient.update_record(id, json!({"record_type": "imaging"})).ok(200);
    let file = json!({"name": "zq7marker.pdf", "content_type": "application/pdf", "size_bytes": 9});
    let with_file = patient.update_record(id, json!({"files": [file]})).ok(200);
    patient.delete_file(with_file["files"][0]["id"].as_str().unwrap()).ok(204);
    // Type and doctor are changed at once: each doctor gets one notification, about what matters
    // most.
    patient.update_record(id, json!({"doctor": next.id, "record_type": "general"})).ok(200);

    let messages = |page: Response| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let told = page.results().iter().rev();
        let mut told: Vec<_> =
            told.map(|it| (text(&it["notification_type"]), text(&it["message"]))).collect();
        // Here mails do not wait, and what is mailed takes no more changes in:
        // `changes_that_nobody_has_read_yet_are_one_notification` counts without mails.
        told.dedup();
        told
    };
    let by = &patient.full_name();
    let expected = |list: &[(&str, String)]| {
        list.iter().map(|(kind, text)| ((*kind).to_owned(), text.clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        messages(doctor.list_notifications("").ok(200)),
        expected(&[
            ("patient_assigned", format!("New health record created by patient {by}")),
            ("record_updated", format!("Health record updated by patient {by}")),
            (
                "assignment_ended",
                format!("Health record no longer assigned to you by patient {by}")
            ),
        ])
    );
    assert_eq!(
        messages(next.list_notifications("").ok(200)),
        expected(&[("patient_assigned", format!("Health record assigned to you by patient {by}"))])
    );
    assert_eq!(
        messages(patient.list_notifications("").ok(200)),
        expected(&[
            (
                "record_annotated",
                format!("Dr. {} has annotated health record: {id}", doctor.full_name())
            ),
            (
                "annotation_updated",
                format!(
                    "Dr. {} has changed an annotation on health record: {id}",
                    doctor.full_name()
                )
            ),
        ])
    );
}

/// Covers `test_multiple_notifications_per_record` of the Django service.
#[test]
fn each_annotation_of_a_record_is_a_notification() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = record.text("id");
    for note in ["one", "two"] {
        doctor.create_annotation(json!({"record": id, "note": note})).ok(201);
    }
    let page = patient.list_notifications("").ok(200);
    let records: Vec<&Value> = page.results().iter().map(|it| &it["record"]["id"]).collect();
    assert_eq!(records, [id, id]);
    assert_eq!(page["results"][0]["record"], patient.read_patient_record(id).ok(200).body);
}

/// Covers `test_notification_cascade_delete` of the Django service, where notifications were
/// deleted with their record. Here no record is deleted; a notification whose recipient may no
/// longer read the record is kept, without the record.
#[test]
fn a_notification_stays_without_its_record() {
    let (patient, doctor, ids) = doctor_with_notifications(1);
    let record = doctor.list_doctor_records("").ok(200).ids("id")[0].to_owned();
    patient.update_record(&record, json!({"doctor": Doctor::new().id})).ok(200);
    let page = doctor.list_notifications("").ok(200);
    assert_eq!(page.ids("id")[1], ids[0]);
    assert!(page.results().iter().all(|notification| notification["record"].is_null()), "{page}");
}

/// Covers `test_list_onlyown_notifications` of the Django service.
#[test]
fn an_inbox_shows_only_itsowners_notifications() {
    let (_, doctor, _) = doctor_with_notifications(1);
    let (_, other, _) = doctor_with_notifications(1);
    let (mine, theirs) = (
        ids_on(&doctor.list_notifications("").ok(200)),
        ids_on(&other.list_notifications("").ok(200)),
    );
    assert_eq!((mine.len(), theirs.len()), (1, 1));
    assert_ne!(mine, theirs);
    assert_eq!(
        Patient::new().list_notifications("").ok(200).body,
        json!({"next": null, "results": []})
    );
}

/// Covers `test_notifications_ordered_by_created_at` and `test_notification_ordering` of the Django
/// service.
#[test]
fn an_inbox_shows_the_newest_first() {
    let (_, doctor, _) = doctor_with_notifications(3);
    let page = doctor.list_notifications("").ok(200);
    let times: Vec<Timestamp> = page.results().iter().map(|it| time(&it["created_at"])).collect();
    assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
    let of_records: Vec<&Value> = page.results().iter().map(|it| &it["record"]["id"]).collect();
    let records = doctor.list_doctor_records("").ok(200);
    assert_eq!(of_records, records.results().iter().map(|it| &it["id"]).collect::<Vec<_>>());
}

/// The Django service stored the time of creation as `read_at`. Covers its `test_mark_as_read` and
/// `test_retrieve_and_mark_as_read`.
#[test]
fn reading_a_notification_marks_it_as_read() {
    let (_, doctor, ids) = doctor_with_notifications(1);
    unread_becomes(&doctor, 1);
    let before = Timestamp::now();
    let read = doctor.read_notification(&ids[0]).ok(200);
    assert_eq!(read["is_read"], true);
    let read_at = time(&read["read_at"]);
    assert!(read_at > time(&read["created_at"]));
    assert!(read_at.as_millisecond() >= before.as_millisecond() && read_at <= Timestamp::now());
    assert_eq!(doctor.list_notifications("").ok(200)["results"][0], read.body);
    unread_becomes(&doctor, 0);
    // test_mark_as_read_idempotent, test_retrieve_already_read_notification: the first reading
    // counts.
    assert_eq!(doctor.read_notification(&ids[0]).ok(200).body, read.body);
}

/// In the Django service, HEAD marked a notification as read.
#[test]
fn head_does_not_mark_as_read() {
    let (_, doctor, ids) = doctor_with_notifications(1);
    let head = doctor.peek_notification(&ids[0]).ok(200);
    assert_eq!(head.bytes, b"");
    assert_eq!(head.header("content-type"), "application/json");
    doctor.peek_notification(UNKNOWN).ok(404);
    let listed = doctor.list_notifications("").ok(200);
    assert_eq!(
        (&listed["results"][0]["is_read"], &listed["results"][0]["read_at"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(ids, ids_on(&doctor.list_notifications("is_read=false").ok(200)));
}

/// Covers `test_cannot_retrieve_other_user_notification` of the Django service.
#[test]
fn only_the_recipient_reads_a_notification() {
    let (patient, doctor, ids) = doctor_with_notifications(1);
    let other = Doctor::new();
    // test_retrieve_nonexistent_notification: the same response.
    for id in [ids[0].as_str(), UNKNOWN, "not-an-id", &ids[0].to_uppercase()] {
        for response in [other.read_notification(id), patient.read_notification(id)] {
            assert_eq!(response.ok(404)["detail"], "Not found.");
        }
    }
    assert_eq!(doctor.list_notifications("").ok(200)["results"][0]["is_read"], false);
}

#[test]
fn notifications_are_filtered_by_being_read() {
    let (patient, doctor, all) = doctor_with_notifications(3);
    doctor.read_notification(&all[1]).ok(200);
    let filtered = |query: &str| ids_on(&doctor.list_notifications(query).ok(200));
    assert_eq!(filtered("is_read=false"), [all[0].clone(), all[2].clone()]);
    assert_eq!(filtered("is_read=true"), [all[1].clone()]);
    assert_eq!(filtered("is_read="), all, "an empty filter is none");
    doctor.mark_all_read().ok(200);
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let newest = ids_on(&doctor.list_notifications("limit=1").ok(200));
    assert_eq!(filtered("is_read=false"), newest);
    assert_eq!(filtered("is_read=true"), all);
    for word in ["yes", "on", "2", "null"] {
        doctor.list_notifications(&format!("is_read={word}")).refused("is_read", "invalid_choice");
    }
}

/// Covers `test_mark_all_notifications_as_read` of the Django service.
#[test]
fn all_notifications_are_marked_as_read_at_once() {
    let (patient, doctor, ids) = doctor_with_notifications(3);
    let (_, other, _) = doctor_with_notifications(1);
    // test_mark_all_skips_already_read
    let read_before = doctor.read_notification(&ids[2]).ok(200);
    let marked = doctor.mark_all_read().ok(200);
    assert_eq!(marked.bytes, b"", "an empty body");
    let page = doctor.list_notifications("").ok(200);
    let times: Vec<Timestamp> = page.results().iter().map(|it| time(&it["read_at"])).collect();
    assert_eq!(times[0], times[1], "both were read when all were");
    assert_eq!(times[2], time(&read_before["read_at"]), "this one was read before");
    assert!(times[0] > times[2] && times[0] > time(&page["results"][0]["created_at"]));
    assert_eq!(doctor.list_notifications("is_read=false").ok(200)["results"], json!([]));
    assert_eq!(doctor.count_unread().ok(200)["unread_count"], 0, "at once, however the index lags");
    assert_eq!(doctor.read_notification(&ids[0]).ok(200).body, page["results"][0]);

    // test_mark_all_only_affectsown_notifications
    assert_eq!(other.list_notifications("").ok(200)["results"][0]["is_read"], false);

    // What arrives later is unread.
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let page = doctor.list_notifications("").ok(200);
    let read: Vec<&Value> = page.results().iter().map(|it| &it["is_read"]).collect();
    assert_eq!(read, [false, true, true, true]);
    unread_becomes(&doctor, 1);

    // The dispatcher then stores the same times in each notification and removes them from the
    // index of unread ones.
    eventually("the dispatcher has settled what was read", || {
        stored(&doctor.id)
            .iter()
            .filter(|item| item.get("gsi1pk").is_some())
            .count()
            .eq(&1)
            .then_some(())
    });
    let later = doctor.list_notifications("").ok(200);
    assert_eq!(later["results"], page["results"]);
}

/// Covers `test_mark_all_when_no_unread` of the Django service.
#[test]
fn marking_all_as_read_needs_no_unread_one() {
    let patient = Patient::new();
    patient.mark_all_read().ok(200);
    let (_, doctor, ids) = doctor_with_notifications(1);
    let read = doctor.read_notification(&ids[0]).ok(200);
    doctor.mark_all_read().ok(200);
    doctor.mark_all_read().ok(200);
    assert_eq!(doctor.list_notifications("").ok(200)["results"], json!([read.body]));
}

/// Covers `test_delete_all_notifications` of the Django service.
#[test]
fn all_notifications_are_deleted_at_once() {
    let (patient, doctor, ids) = doctor_with_notifications(3);
    let (_, other, _) = doctor_with_notifications(1);
    // test_delete_all_includes_read_notifications
    doctor.read_notification(&ids[1]).ok(200);
    assert_eq!(doctor.delete_all().ok(204).bytes, b"");
    assert_eq!(
        doctor.list_notifications("").ok(200).body,
        json!({"next": null, "results": []}),
        "at once"
    );
    assert_eq!(doctor.count_unread().ok(200)["unread_count"], 0);
    for id in &ids {
        doctor.read_notification(id).ok(404);
        doctor.peek_notification(id).ok(404);
    }
    // test_delete_all_only_affectsown_notifications
    assert_eq!(other.list_notifications("").ok(200).results().len(), 1);
    // Records are not deleted.
    assert_eq!(doctor.list_doctor_records("").ok(200).results().len(), 3);

    // A later notification is listed.
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let later = ids_on(&doctor.list_notifications("").ok(200));
    assert!(later.len() == 1 && !ids.contains(&later[0]));
    // The dispatcher then deletes the stored notifications.
    eventually("the dispatcher has purged the inbox", || {
        let left: Vec<String> = stored(&doctor.id)
            .iter()
            .map(|item| item["sk"]["S"].as_str().unwrap().to_owned())
            .collect();
        (left == [format!("NOTIFICATION#{}", later[0])]).then_some(())
    });
    assert_eq!(ids_on(&doctor.list_notifications("").ok(200)), later);
}

/// Covers `test_delete_all_when_no_notifications` of the Django service.
#[test]
fn deleting_all_needs_no_notification() {
    let patient = Patient::new();
    patient.delete_all().ok(204);
    patient.delete_all().ok(204);
    assert_eq!(patient.list_notifications("").ok(200)["results"], json!([]));
}

#[test]
fn bulk_actions_take_turns() {
    let (patient, doctor, _) = doctor_with_notifications(2);
    doctor.mark_all_read().ok(200);
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    doctor.delete_all().ok(204);
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let page = doctor.list_notifications("").ok(200);
    assert_eq!((page.results().len(), &page["results"][0]["is_read"]), (1, &json!(false)));
    doctor.mark_all_read().ok(200);
    assert_eq!(doctor.list_notifications("").ok(200)["results"][0]["is_read"], true);
}

/// Covers `test_unauthenticated_access` of the Django service.
#[test]
fn inboxes_are_not_for_the_unauthenticated() {
    for (method, path) in [
        ("GET", "/api/notifications/".to_owned()),
        ("GET", format!("/api/notifications/{UNKNOWN}/")),
        ("HEAD", format!("/api/notifications/{UNKNOWN}/")),
        ("GET", "/api/notifications/unread-count/".to_owned()),
        ("POST", "/api/notifications/mark-all-read/".to_owned()),
        ("DELETE", "/api/notifications/delete-all/".to_owned()),
    ] {
        Anonymous.request(method, &path).send().ok(401);
    }
}

#[test]
fn a_mail_is_sent_although_its_notification_is_deleted_at_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let notifications = || {
        let inbox = aws::query(&format!("INBOX#{}", doctor.id));
        inbox.iter().filter(|item| item["entity"]["S"] == "notification").count()
    };
    for number in 1..=4 {
        patient.record_for(&doctor);
        doctor.delete_all().ok(204);
        assert!(doctor.list_notifications("").ok(200).results().is_empty());
        unread_becomes(&doctor, 0);
        let subject = "Health Record Notification - Patient Assigned";
        eventually("the mail is sent", || {
            let mails = mails_to(&doctor.email);
            let count = mails.iter().filter(|mail| mail.subject == subject).count();
            assert!(count <= number, "{count} mails");
            (count == number).then_some(())
        });
    }
    eventually("the notifications are removed", || (notifications() == 0).then_some(()));
}

/// Returns the types of the stored notifications of a user, and how long their mails wait at most,
/// in seconds since the id was made.
fn stored_types(user: &str) -> Vec<String> {
    let inbox = aws::query(&format!("INBOX#{user}"));
    let of = |item: &Value| Some(item["notification_type"]["S"].as_str()?.to_owned());
    inbox.iter().filter_map(of).collect()
}

#[test]
fn changes_that_nobody_has_read_yet_are_one_notification() {
    // Without a mailer: the mails wait.
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files = json!([new_file("a.pdf", "application/pdf", PDF)]);
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    let id = record.text("id").to_owned();
    let note = doctor.create_annotation(json!({"record": id, "note": "0"})).ok(201);
    let change = |text: &str| patient.update_record(&id, json!({"description": text})).ok(200);
    change("1");
    let first = doctor.list_notifications("").ok(200).results()[0].clone();
    change("2");
    patient.delete_file(record["files"][0]["id"].as_str().unwrap()).ok(204);
    assert_eq!(stored_types(&doctor.id), ["patient_assigned", "record_updated"]);
    let last = doctor.list_notifications("").ok(200).results()[0].clone();
    assert!(last["created_at"].as_str() > first["created_at"].as_str(), "its time moves forward");
    unread_becomes(&doctor, 2);
    for text in ["1", "2", "3"] {
        doctor.update_annotation(note.text("id"), json!({"note": text})).ok(200);
    }
    assert_eq!(stored_types(&patient.id), ["record_annotated", "annotation_updated"]);

    // One that was read, deleted or mailed stays.
    doctor.read_notification(last["id"].as_str().unwrap()).ok(200);
    change("3");
    assert_eq!(stored_types(&doctor.id).len(), 3);
    doctor.delete_all().ok(204);
    change("4");
    assert_eq!(doctor.list_notifications("").ok(200).results().len(), 1);
    let unmailed = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let order = [json!({"recipient_id": doctor.id, "notification_id": unmailed})];
    assert_eq!(own.deliver(&order, Duration::from_secs(60)), 0);
    change("5");
    change("6");
    let shown = doctor.list_notifications("").ok(200);
    assert_eq!(shown.results().len(), 2);
    assert_eq!(shown.ids("id")[1], unmailed);
    // The order of one whose place was taken sends nothing.
    let gone = [json!({"recipient_id": doctor.id, "notification_id": first["id"]})];
    assert_eq!(own.deliver(&gone, Duration::from_secs(60)), 0);
    assert_eq!(own.mails_to(&doctor.email).len(), 1);
}

#[test]
fn another_record_or_doctor_has_a_notification_of_itsown() {
    let _own = IsolatedSystem::start();
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let records = [patient.record_for(&doctor), patient.record_for(&doctor)];
    for record in &records {
        let change = json!({"record_type": "imaging"});
        patient.update_record(record.text("id"), change).ok(200);
    }
    let updates = |doctor: &Doctor| {
        stored_types(&doctor.id).iter().filter(|it| *it == "record_updated").count()
    };
    assert_eq!(updates(&doctor), 2);
    let id = records[0].text("id");
    patient.update_record(id, json!({"doctor": next.id})).ok(200);
    patient.update_record(id, json!({"record_type": "general"})).ok(200);
    assert_eq!((updates(&doctor), updates(&next)), (2, 1));
}

/// It may be the address of somebody else.
#[test]
fn an_unconfirmed_address_gets_few_mails_about_notifications_a_day() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    for _ in 0..7 {
        patient.record_for(&doctor);
    }
    let state = |wanted: &str| {
        let inbox = aws::query(&format!("INBOX#{}", doctor.id));
        inbox.iter().filter(|item| item["mail_state"]["S"] == wanted).count()
    };
    eventually("all orders are handled", || (state("sent") + state("failed") == 7).then_some(()));
    assert_eq!((state("sent"), state("failed")), (5, 2));
    let inbox = aws::query(&format!("INBOX#{}", doctor.id));
    let failed: Vec<_> = inbox.iter().filter(|item| item["mail_state"]["S"] == "failed").collect();
    assert!(failed.iter().all(|item| item["mail_failure"]["S"] == "address_unconfirmed"));
    let subject = "Health Record Notification - Patient Assigned";
    let mails = mails_to(&doctor.email);
    assert_eq!(mails.iter().filter(|mail| mail.subject == subject).count(), 5);
}

#[test]
fn a_mail_that_cannot_be_counted_is_given_up_at_the_last_delivery() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let order = json!({"recipient_id": doctor.id, "notification_id": id});
    let detour = FaultProxy::new(|_, body| {
        if body.contains("ADD mail_count") { ProxyFault::Failed } else { ProxyFault::Passed }
    });
    own.deliver_last(&order, &detour.url);
    let key = (format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{id}"));
    let item = aws::get_item(&key.0, &key.1).unwrap();
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (text("mail_state"), text("mail_failure")),
        ("failed".into(), "not_prepared".into())
    );
}

#[test]
fn an_order_waits_longer_while_a_quota_is_used_up() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let order = json!({"recipient_id": doctor.id, "notification_id": id});
    own.exhaust_the_quota();
    assert_eq!(own.deliver(&[order, json!("no order")], Duration::from_secs(60)), 2);
    assert_eq!(own.hidden(), [("0".to_owned(), 3600), ("1".to_owned(), 0)]);
    let key = (format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{id}"));
    let item = aws::get_item(&key.0, &key.1).unwrap();
    assert_eq!(
        (&item["mail_failure"]["S"], &item["mail_state"]),
        (&json!("quota_exceeded"), &Value::Null)
    );
}

/// A mail that Lambda interrupts would be in doubt.
#[test]
fn a_mailer_begins_no_mail_that_it_may_not_finish() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let order = [json!({"recipient_id": doctor.id, "notification_id": id})];
    let key = (format!("INBOX#{}", doctor.id), format!("NOTIFICATION#{id}"));
    let state = || aws::get_item(&key.0, &key.1).unwrap()["mail_state"]["S"].clone();
    for seconds in [0, 7] {
        assert_eq!(own.deliver(&order, Duration::from_secs(seconds)), 1);
        assert_eq!(state(), Value::Null);
    }
    assert_eq!(own.deliver(&order, Duration::from_secs(30)), 0);
    assert_eq!(state(), "sent");
}
