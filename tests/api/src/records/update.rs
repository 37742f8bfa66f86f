//! `PATCH` and `PUT` of `/api/records/patient/{record}/`.

use serde_json::{Value, json};

use crate::harness::{Doctor, Patient, UNKNOWN, aws, moment};

/// Covers `test_update_health_record` of the Django service.
#[test]
fn a_patient_changes_a_record() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient
        .create_record(json!({"doctor": doctor.id, "description": "before zq7marker"}))
        .ok(201);
    let id = created.text("id");
    let changed = patient
        .update_record(
            id,
            json!({"description": "after zq7marker", "record_type": "procedure",
            "patient": UNKNOWN}),
        )
        .ok(200);
    assert_eq!(
        (&changed["description"], &changed["record_type"]),
        (&json!("after zq7marker"), &json!("procedure"))
    );
    assert_eq!(changed["patient"]["pk"], patient.id, "`patient` in the body is ignored");
    assert_eq!(changed["created_at"], created["created_at"]);
    assert!(moment(&changed["updated_at"]) > moment(&created["updated_at"]));
    assert_eq!(changed.header("etag"), "\"2\"");
    assert_eq!(patient.read_patient_record(id).ok(200).body, changed.body);

    // Missing fields keep their values with PATCH and get their defaults with PUT.
    let changed = patient.update_record(id, json!({"record_type": "imaging"})).ok(200);
    assert_eq!(
        (&changed["description"], &changed["record_type"]),
        (&json!("after zq7marker"), &json!("imaging"))
    );
    let replaced = patient.replace_record(id, json!({"doctor": doctor.id})).ok(200);
    assert_eq!(
        (&replaced["description"], &replaced["record_type"]),
        (&json!(""), &json!("general"))
    );
    patient.replace_record(id, json!({"record_type": "imaging"})).refused("doctor", "required");
    for (body, error) in [
        (json!({"doctor": null}), "doctor null"),
        (json!({"doctor": UNKNOWN}), "doctor not_assignable"),
        (json!({"doctor": patient.id}), "doctor not_assignable"),
        (json!({"record_type": null}), "record_type null"),
        (json!({"record_type": "x", "description": "not written"}), "record_type invalid_choice"),
    ] {
        assert_eq!(patient.update_record(id, body).ok(400).errors(), [error]);
    }
    assert_eq!(
        patient.read_patient_record(id).ok(200).body,
        replaced.body,
        "nothing is half-written"
    );
}

#[test]
fn a_change_that_changes_nothing_tells_nobody() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body =
        json!({"doctor": doctor.id, "record_type": "imaging", "description": "same zq7marker"});
    let created = patient.create_record(body.clone()).ok(201);
    let id = created.text("id");
    for response in [
        patient.update_record(id, json!({})),
        patient.update_record(id, body.clone()),
        patient.replace_record(id, body),
    ] {
        let response = response.ok(200);
        assert_eq!((&response.body, response.header("etag")), (&created.body, "\"1\"".to_owned()));
    }
    assert_eq!(doctor.list_notifications("").ok(200).results().len(), 1);
}

#[test]
fn if_match_prevents_lost_updates_of_a_record() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let path = format!("/api/records/patient/{}/", created.text("id"));
    let patch = |tag: &str, word: &str| {
        patient
            .request("PATCH", &path)
            .header("if-match", tag)
            .json(&json!({"description": word}))
            .send()
    };
    assert_eq!(patch("\"1\"", "one").ok(200).header("etag"), "\"2\"");
    for stale in ["\"1\"", "W/\"2\"", "2", "nonsense", "\"1\", \"3\""] {
        patch(stale, "lost").problem(412, "precondition_failed");
    }
    assert_eq!(patch("\"1\", \"2\"", "two").ok(200)["description"], "two");
    assert_eq!(patch("*", "three").ok(200)["description"], "three");
    let stale = patient
        .request("PUT", &path)
        .header("if-match", "\"1\"")
        .json(&json!({"doctor": doctor.id}))
        .send();
    stale.problem(412, "precondition_failed");
    let read = patient.request("GET", &path).send().ok(200);
    assert_eq!((read.header("etag"), &read["description"]), ("\"4\"".to_owned(), &json!("three")));
}

/// In the Django service, a PATCH with a file failed with 500 after saving the other fields.
#[test]
fn files_are_added_by_a_change() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let file = |name: &str| json!({"name": name, "content_type": "text/plain", "size_bytes": 3});
    let created = patient
        .create_record(json!({"doctor": doctor.id, "files": [file("first-zq7marker.txt")]}))
        .ok(201);
    let id = created.text("id");
    let changed = patient
        .update_record(
            id,
            json!({"description": "two files zq7marker", "files": [file("second.txt"),
            file("third.txt")]}),
        )
        .ok(200);
    assert_eq!(changed["description"], "two files zq7marker");
    let names: Vec<&str> = changed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["third.txt", "second.txt", "first-zq7marker.txt"], "newest first");
    assert!(
        changed["files"][0]["upload"]["url"].is_string()
            && changed["files"][1]["upload"]["url"].is_string()
    );
    assert!(changed["files"][2].get("upload").is_none(), "an upload is told once");
    let replaced = patient
        .replace_record(id, json!({"doctor": doctor.id, "files": [file("fourth.txt")]}))
        .ok(200);
    assert_eq!(
        replaced["files"].as_array().unwrap().len(),
        4,
        "PUT adds files too, and takes none away"
    );

    let too_many = json!({"description": "not written", "files": vec![file("more.txt"); 17]});
    patient.update_record(id, too_many).refused("files", "too_many");
    let read = patient.read_patient_record(id).ok(200);
    assert_eq!(
        (read["files"].as_array().unwrap().len(), &read["description"]),
        (4, &json!("")),
        "nothing is half-written"
    );
    patient.update_record(id, json!({"files": vec![file("more.txt"); 16]})).ok(200);
    assert_eq!(patient.read_patient_record(id).ok(200)["files"].as_array().unwrap().len(), 20);
    assert_eq!(doctor.read_doctor_record(id).ok(200)["files"].as_array().unwrap().len(), 20);
}

/// In the Django service, a new doctor was not notified and could rewrite the notes of a former
/// one, and a former doctor could still read the record through notifications.
#[test]
fn a_former_doctor_loses_the_record_at_once_everywhere() {
    let (patient, former, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let created =
        patient.create_record(json!({"doctor": former.id, "description": "zq7marker"})).ok(201);
    let id = created.text("id");
    let note = former.create_annotation(json!({"record": id, "note": "Seen zq7marker."})).ok(201);
    let note_id = note.text("id");

    let moved = patient.update_record(id, json!({"doctor": next.id})).ok(200);
    assert_eq!(moved["doctor"]["pk"], next.id);
    assert_eq!(
        moved["annotations"][0]["author"]["pk"], former.id,
        "annotations stay with their record"
    );
    former.read_doctor_record(id).ok(404);
    assert_eq!(former.list_doctor_records("").ok(200)["results"], json!([]));
    former
        .create_annotation(json!({"record": id, "note": "Late."}))
        .refused("record", "not_assigned");
    former.update_annotation(note_id, json!({"note": "Late."})).ok(404);
    let inbox = former.list_notifications("").ok(200);
    let told: Vec<&str> =
        inbox.results().iter().map(|it| it["notification_type"].as_str().unwrap()).collect();
    assert_eq!(told, ["assignment_ended", "patient_assigned"]);
    for notification in inbox.results() {
        assert_eq!(notification["record"], Value::Null);
        assert_eq!(
            former.read_notification(notification["id"].as_str().unwrap()).ok(200)["record"],
            Value::Null
        );
    }
    assert!(!inbox.to_string().contains("Seen"), "{inbox}");

    assert_eq!(next.read_doctor_record(id).ok(200)["annotations"][0]["note"], "Seen zq7marker.");
    assert_eq!(next.list_doctor_records("").ok(200).ids("id"), [id]);
    // The next doctor may not change the note.
    next.update_annotation(note_id, json!({"note": "Rewritten."})).ok(404);
    let told = next.list_notifications("").ok(200);
    assert_eq!(told["results"][0]["notification_type"], "patient_assigned");
    assert_eq!(
        told["results"][0]["message"],
        format!("Health record assigned to you by patient {}", patient.full_name())
    );
    assert_eq!(told["results"][0]["record"]["id"], id);

    // Assigned back, the former doctor may read and change everything again.
    patient.update_record(id, json!({"doctor": former.id})).ok(200);
    former.update_annotation(note_id, json!({"note": "Seen twice zq7marker."})).ok(200);
    next.read_doctor_record(id).ok(404);
}

/// In the Django service, inactive doctors could be assigned, and deleting a doctor deleted the
/// records of patients.
#[test]
fn records_outlive_their_doctor() {
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = created.text("id");
    let note = doctor.create_annotation(json!({"record": id, "note": "Seen zq7marker."})).ok(201);
    doctor.deactivate();
    // A doctor who has become unavailable keeps the assigned records and gets no others.
    let kept = patient
        .update_record(id, json!({"doctor": doctor.id, "description": "later zq7marker"}))
        .ok(200);
    assert_eq!(kept["doctor"]["pk"], doctor.id);
    patient.create_record(json!({"doctor": doctor.id})).refused("doctor", "not_assignable");

    aws::dynamodb(
        "DeleteItem",
        json!({"Key": {"pk": {"S": format!("USER#{}", doctor.id)}, "sk": {"S": "ACCOUNT"}}}),
    );
    let read = patient.read_patient_record(id).ok(200);
    assert_eq!((&read["doctor"], &read["description"]), (&Value::Null, &json!("later zq7marker")));
    assert_eq!(
        (&read["annotations"][0]["note"], &read["annotations"][0]["author"]),
        (&note["note"], &Value::Null)
    );
    assert_eq!(patient.list_patient_records("").ok(200).ids("id"), [id]);
    assert_eq!(patient.list_notifications("").ok(200)["results"][0]["record"]["id"], id);
    patient.update_record(id, json!({"doctor": next.id})).ok(200);
    next.read_doctor_record(id).ok(200);
}
