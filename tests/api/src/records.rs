//! `/api/records/patient/...` and `/api/records/doctor/...`: creating, reading, changing and moving
//! records.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Anonymous, Doctor, Patient, Response, User, aws, moment};

/// The id of nothing.
pub(crate) const UNKNOWN: &str = "01936f2a-0000-7000-8000-00000000ffff";

/// The names of an object's fields, sorted.
#[track_caller]
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn test_create_health_record() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient
        .create_record(json!({"doctor": doctor.id, "record_type": "lab_result",
            "description": "Blood count zq7marker"}))
        .ok(201);
    let id = created.text("id");
    assert_eq!(created.header("location"), format!("/api/records/patient/{id}/"));
    assert_eq!(created.header("etag"), "\"1\"");
    let expected = [
        "annotations",
        "created_at",
        "description",
        "doctor",
        "files",
        "id",
        "patient",
        "record_type",
        "updated_at",
    ];
    assert_eq!(keys(&created.body), expected);
    assert_eq!(created["record_type"], "lab_result");
    assert_eq!(created["description"], "Blood count zq7marker");
    assert_eq!((&created["files"], &created["annotations"]), (&json!([]), &json!([])));
    assert_eq!(created["patient"]["pk"], patient.id);
    assert_eq!(created["doctor"]["pk"], doctor.id);
    assert_eq!(
        keys(&created["patient"]),
        ["email", "first_name", "last_name", "pk", "profile", "role"]
    );
    assert_eq!(keys(&created["patient"]["profile"]), ["address", "date_of_birth", "gender"]);
    assert_eq!(
        keys(&created["doctor"]["profile"]),
        ["license_number", "specialization", "years_of_experience"]
    );
    for time in ["created_at", "updated_at"] {
        let text = created[time].as_str().unwrap();
        assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
    // test_health_record_str, test_retrieve_health_record: what was created is what is read.
    let read = patient.read_patient_record(id).ok(200);
    assert_eq!(read.body, created.body);
    assert_eq!(read.header("etag"), created.header("etag"));
}

#[test]
fn test_health_record_default_type() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    assert_eq!((&created["record_type"], &created["description"]), (&json!("general"), &json!("")));
    for word in ["consultation", "lab_result", "prescription", "imaging", "procedure", "general"] {
        let created =
            patient.create_record(json!({"doctor": doctor.id, "record_type": word})).ok(201);
        assert_eq!(created["record_type"], word);
    }
}

#[test]
fn test_health_record_patient_must_be_patient_role() {
    let (doctor, other) = (Doctor::new(), Doctor::new());
    let refused = doctor.post("/api/records/patient/", &json!({"doctor": other.id})).ok(403);
    assert_eq!(refused["code"], "wrong_role");
}

#[test]
fn test_create_record_doctor_required() {
    let (patient, other) = (Patient::new(), Patient::new());
    let without_profile = User::new("doctor");
    let inactive = Doctor::new();
    inactive.deactivate();
    let refused = |body: Value, code: &str| {
        patient.create_record(body).refused("doctor", code)["errors"][0]["message"].clone()
    };
    refused(json!({}), "required");
    refused(json!({"doctor": null}), "null");
    refused(json!({"doctor": ""}), "invalid");
    refused(json!({"doctor": 7}), "invalid");
    refused(json!({"doctor": "not-an-id"}), "invalid");
    refused(json!({"doctor": UNKNOWN.to_uppercase()}), "invalid");
    // test_health_record_doctor_must_be_doctor_role. One answer for all, so that nobody is found
    // out by it.
    let unknown = refused(json!({"doctor": UNKNOWN}), "not_assignable");
    for nobody in [&other.id, &patient.id, &without_profile.id, &inactive.id] {
        assert_eq!(refused(json!({"doctor": nobody}), "not_assignable"), unknown);
    }
    assert_eq!(
        patient.list_patient_records("").ok(200)["results"],
        json!([]),
        "nothing is half-written"
    );
}

#[test]
fn every_mistake_in_a_record_is_told_at_once() {
    let patient = Patient::new();
    let body = json!({
        "doctor": "x",
        "record_type": "Imaging",
        "description": "x".repeat(5001),
        "files": [
            {"name": "a.pdf", "content_type": "application/pdf", "size_bytes": 1},
            {"name": "", "content_type": "text/html", "size_bytes": 0},
            {"name": "b.pdf", "content_type": "application/pdf", "size_bytes": 26_214_401,
                "sha256": "x"},
            {},
            "c.pdf",
        ],
    });
    let expected = [
        "doctor invalid",
        "record_type invalid_choice",
        "description too_long",
        "files[1].name blank",
        "files[1].content_type invalid_choice",
        "files[1].size_bytes empty_file",
        "files[2].size_bytes too_large",
        "files[2].sha256 invalid",
        "files[3].name required",
        "files[3].content_type required",
        "files[3].size_bytes required",
        "files[4] invalid",
    ];
    assert_eq!(patient.create_record(body).ok(400).errors(), expected);
    let doctor = Doctor::new();
    for (field, value, code) in [
        ("record_type", json!(null), "null"),
        ("record_type", json!(""), "invalid_choice"),
        ("record_type", json!(["general"]), "invalid"),
        ("description", json!(null), "null"),
        ("description", json!(7), "invalid"),
        ("description", json!("a\u{0}b"), "invalid"),
        ("description", json!("a\u{7}b"), "invalid"),
        ("files", json!(null), "null"),
        ("files", json!({}), "invalid"),
        ("files", json!(vec![json!({}); 21]), "too_many"),
    ] {
        patient.create_record(json!({"doctor": doctor.id, field: value})).refused(field, code);
    }
    assert_eq!(
        patient.list_patient_records("").ok(200)["results"],
        json!([]),
        "nothing is half-written"
    );
    assert_eq!(
        doctor.list_notifications("").ok(200)["results"],
        json!([]),
        "nobody is told of nothing"
    );
}

#[test]
fn text_is_trimmed_and_composed_and_unknown_fields_are_ignored() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    let created = patient
        .create_record(json!({
            "doctor": doctor.id, "description": " Jose\u{301}\r\nzq7marker\t\n ",
            "patient": other.id, "id": UNKNOWN, "is_staff": true, "annotations": [{"note": "mine"}],
                "version": 7,
        }))
        .ok(201);
    assert_eq!(created["description"], "José\r\nzq7marker");
    assert_eq!(created["patient"]["pk"], patient.id);
    assert_ne!(created["id"], UNKNOWN);
    assert_eq!(created["annotations"], json!([]));
    let longest = "é".repeat(5000);
    let created =
        patient.create_record(json!({"doctor": doctor.id, "description": longest})).ok(201);
    assert_eq!(created["description"], longest.as_str(), "lengths are in characters");
}

#[test]
fn test_list_patient_records() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let empty = patient.list_patient_records("").ok(200);
    assert_eq!(empty.body, json!({"next": null, "results": []}));
    let created: Vec<Response> =
        (0..3).map(|_| patient.create_record(json!({"doctor": doctor.id})).ok(201)).collect();
    // test_health_record_ordering: newest first.
    let newest_first: Vec<&Value> = created.iter().rev().map(|response| &response.body).collect();
    let listed = patient.list_patient_records("").ok(200);
    assert_eq!(listed.results().iter().collect::<Vec<_>>(), newest_first, "each as it was created");
}

#[test]
fn test_list_only_own_records() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    let own = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    other.create_record(json!({"doctor": doctor.id})).ok(201);
    assert_eq!(patient.list_patient_records("").ok(200).ids("id"), [own.text("id")]);
}

#[test]
fn test_update_health_record() {
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

    // What is not given stays with PATCH, and gets its default with PUT.
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
fn test_cannot_update_other_patient_record() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = created.text("id");
    for id in [id, UNKNOWN, "not-an-id", &id.to_uppercase()] {
        for response in [
            other.read_patient_record(id),
            other.update_record(id, json!({"description": "stolen"})),
            other.replace_record(id, json!({"doctor": doctor.id})),
        ] {
            assert_eq!(
                response.ok(404)["detail"],
                "Not found.",
                "the same answer for others' and for none"
            );
        }
    }
    assert_eq!(patient.read_patient_record(id).ok(200).body, created.body);
}

/// test_health_record_cascade_delete, test_annotation_cascade_delete: what belongs to a record
/// stays as long as the record, and over HTTP no record is ever deleted.
#[test]
fn a_record_cannot_be_deleted() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let response = patient.delete(&format!("/api/records/patient/{}/", created.text("id"))).ok(405);
    let allow = response.header("allow");
    assert_eq!(
        allow.split(',').map(str::trim).collect::<BTreeSet<_>>(),
        BTreeSet::from(["GET", "HEAD", "PATCH", "PUT"])
    );
}

#[test]
fn a_change_is_made_on_the_version_that_is_meant() {
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

/// Its mistake 1: a PATCH with a file failed with 500 after saving the other fields.
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

#[test]
fn test_unauthenticated_access() {
    Anonymous.list_patient_records("").problem(401, "not_authenticated");
    Anonymous.create_record(json!({})).problem(401, "not_authenticated");
}

#[test]
fn test_list_assigned_records() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    assert_eq!(doctor.list_doctor_records("").ok(200).body, json!({"next": null, "results": []}));
    let first =
        patient.create_record(json!({"doctor": doctor.id, "description": "zq7marker"})).ok(201);
    let second = other.create_record(json!({"doctor": doctor.id})).ok(201);
    let listed = doctor.list_doctor_records("").ok(200);
    assert_eq!(listed.ids("id"), [second.text("id"), first.text("id")], "newest first");
    let shown = &listed["results"][1];
    assert_eq!(shown["patient"]["email"], patient.email);
    // A doctor sees no postal address; the patient does.
    assert_eq!(keys(&shown["patient"]["profile"]), ["date_of_birth", "gender"]);
    assert_eq!(keys(&first["patient"]["profile"]), ["address", "date_of_birth", "gender"]);
    assert_eq!(shown["description"], "zq7marker");
}

#[test]
fn test_list_only_assigned_records() {
    let (patient, doctor, other) = (Patient::new(), Doctor::new(), Doctor::new());
    let own = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    patient.create_record(json!({"doctor": other.id})).ok(201);
    assert_eq!(doctor.list_doctor_records("").ok(200).ids("id"), [own.text("id")]);
}

#[test]
fn test_patient_cannot_access() {
    let patient = Patient::new();
    for path in [
        "/api/records/doctor/",
        &format!("/api/records/doctor/{UNKNOWN}/"),
        "/api/records/doctor/not-an-id/",
    ] {
        patient.request("GET", path).send().problem(403, "wrong_role");
    }
}

#[test]
fn test_view_assigned_record() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created =
        patient.create_record(json!({"doctor": doctor.id, "description": "zq7marker"})).ok(201);
    let seen = doctor.read_doctor_record(created.text("id")).ok(200);
    assert_eq!(
        (&seen["id"], &seen["description"], &seen["doctor"]["pk"]),
        (&created["id"], &json!("zq7marker"), &json!(doctor.id))
    );
    assert_eq!(seen.header("etag"), created.header("etag"));
    assert!(seen["patient"]["profile"].get("address").is_none());
    assert!(!seen.to_string().contains("Street"), "{seen}");
}

#[test]
fn test_cannot_view_unassigned_record() {
    let (patient, doctor, other) = (Patient::new(), Doctor::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    for id in [created.text("id"), UNKNOWN, "not-an-id"] {
        assert_eq!(other.read_doctor_record(id).ok(404)["detail"], "Not found.");
    }
}

/// Its mistakes 5, 6 and 11.
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
    // The note is not the next doctor's to change.
    next.update_annotation(note_id, json!({"note": "Rewritten."})).ok(404);
    let told = next.list_notifications("").ok(200);
    assert_eq!(told["results"][0]["notification_type"], "patient_assigned");
    assert_eq!(
        told["results"][0]["message"],
        format!("Health record assigned to you by patient {}", patient.full_name())
    );
    assert_eq!(told["results"][0]["record"]["id"], id);

    // And back again: what was lost is found.
    patient.update_record(id, json!({"doctor": former.id})).ok(200);
    former.update_annotation(note_id, json!({"note": "Seen twice zq7marker."})).ok(200);
    next.read_doctor_record(id).ok(404);
}

/// Its mistakes 8 and 9.
#[test]
fn records_outlive_their_doctor() {
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = created.text("id");
    let note = doctor.create_annotation(json!({"record": id, "note": "Seen zq7marker."})).ok(201);
    doctor.deactivate();
    // A doctor who has become unavailable stays with the records they have, and gets no others.
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
