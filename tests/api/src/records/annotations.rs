//! `/api/records/doctor/annotations/`: notes of doctors on the records assigned to them.

use serde_json::{Value, json};

use crate::harness::{Doctor, Patient, Response, UNKNOWN, aws, keys, moment};

/// A patient with a record that is assigned to a doctor.
struct Assigned {
    patient: Patient,
    doctor: Doctor,
    record: String,
}

impl Assigned {
    fn new() -> Self {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let record = patient.create_record(json!({"doctor": doctor.id})).ok(201)["id"]
            .as_str()
            .unwrap()
            .to_owned();
        Self { patient, doctor, record }
    }

    fn annotate(&self, note: &str) -> Response {
        self.doctor.create_annotation(json!({"record": self.record, "note": note}))
    }
}

/// Covers `test_create_annotation` of the Django service.
#[test]
fn the_assigned_doctor_annotates_a_record() {
    let assigned = Assigned::new();
    let Assigned { patient, doctor, record } = &assigned;
    let created = assigned.annotate(" All values are normal. zq7marker\n").ok(201);
    // test_annotation_str
    assert_eq!(
        keys(&created.body),
        ["author", "created_at", "id", "note", "record", "record_version", "updated_at"]
    );
    assert_eq!(created["record_version"], 1);
    assert_eq!(
        (&created["record"], &created["note"]),
        (&json!(record), &json!("All values are normal. zq7marker"))
    );
    assert_eq!(keys(&created["author"]), ["first_name", "last_name", "pk"]);
    assert_eq!(created["author"]["pk"], doctor.id);
    assert_eq!(created.header("location"), format!("/api/records/doctor/{record}/"));
    assert_eq!(created.header("etag"), "\"1\"");
    let seen = patient.read_patient_record(record).ok(200);
    assert_eq!(seen["annotations"], json!([created.body]));
    assert_eq!(seen.header("etag"), "\"2\"", "an annotation is part of its record");
    assert!(moment(&seen["updated_at"]) > moment(&seen["created_at"]));
    assert_eq!(doctor.read_doctor_record(record).ok(200)["annotations"], json!([created.body]));
}

/// Covers `test_multiple_annotations_per_record` of the Django service.
#[test]
fn a_record_has_several_annotations() {
    let assigned = Assigned::new();
    for note in ["one zq7marker", "two", "three"] {
        assigned.annotate(note).ok(201);
    }
    let record = assigned.patient.read_patient_record(&assigned.record).ok(200);
    let notes: Vec<&str> = record["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["note"].as_str().unwrap())
        .collect();
    assert_eq!(notes, ["three", "two", "one zq7marker"], "newest first");
    assert_eq!(assigned.patient.list_patient_records("").ok(200)["results"][0], record.body);
}

/// Covers `test_cannot_annotate_unassigned_record` of the Django service.
#[test]
fn only_the_assigned_doctor_annotates_a_record() {
    let assigned = Assigned::new();
    let other = Doctor::new();
    for record in [assigned.record.as_str(), UNKNOWN] {
        other
            .create_annotation(json!({"record": record, "note": "Mine now."}))
            .refused("record", "not_assigned");
    }
    assert_eq!(
        assigned.patient.read_patient_record(&assigned.record).ok(200)["annotations"],
        json!([])
    );
    assert_eq!(assigned.patient.list_notifications("").ok(200)["results"], json!([]));
    let refused = assigned.patient.post(
        "/api/records/doctor/annotations/",
        &json!({"record": assigned.record, "note": "I am fine."}),
    );
    refused.problem(403, "wrong_role");
}

#[test]
fn a_note_must_say_something_and_not_too_much() {
    let assigned = Assigned::new();
    let refused = |body: Value| assigned.doctor.create_annotation(body).ok(400).errors();
    assert_eq!(refused(json!({})), ["record required", "note required"]);
    assert_eq!(refused(json!({"record": null, "note": null})), ["record null", "note null"]);
    assert_eq!(refused(json!({"record": "x", "note": 1})), ["record invalid", "note invalid"]);
    let with = |note: Value| refused(json!({"record": assigned.record, "note": note}));
    assert_eq!(with(json!("")), ["note blank"]);
    assert_eq!(with(json!(" \n\t ")), ["note blank"]);
    assert_eq!(with(json!("a\u{0}b")), ["note invalid"]);
    assert_eq!(with(json!("x".repeat(5001))), ["note too_long"]);
    assert_eq!(
        assigned.patient.read_patient_record(&assigned.record).ok(200)["annotations"],
        json!([]),
        "nothing is half-written"
    );
    assigned.annotate(&"é".repeat(5000)).ok(201);
}

/// Covers `test_update_annotation` of the Django service.
#[test]
fn a_doctor_changes_a_note_of_their_own() {
    let assigned = Assigned::new();
    let created = assigned.annotate("before zq7marker").ok(201);
    let id = created.text("id");
    let changed = assigned.doctor.update_annotation(id, json!({"note": "after zq7marker"})).ok(200);
    assert_eq!(
        (&changed["note"], changed.header("etag")),
        (&json!("after zq7marker"), "\"2\"".to_owned())
    );
    assert_eq!(
        (&changed["id"], &changed["created_at"], &changed["author"]),
        (&created["id"], &created["created_at"], &created["author"])
    );
    assert!(moment(&changed["updated_at"]) > moment(&created["updated_at"]));
    assert_eq!(
        assigned.patient.read_patient_record(&assigned.record).ok(200)["annotations"],
        json!([changed.body])
    );

    let replaced = assigned.doctor.replace_annotation(id, json!({"note": "replaced"})).ok(200);
    assert_eq!(replaced["note"], "replaced");
    assigned.doctor.replace_annotation(id, json!({})).refused("note", "required");
    for (note, code) in [(json!(null), "null"), (json!("  "), "blank"), (json!([]), "invalid")] {
        assigned.doctor.update_annotation(id, json!({"note": note})).refused("note", code);
    }

    // An unchanged note notifies nobody.
    let told = || assigned.patient.list_notifications("").ok(200).results().len();
    let before = told();
    for body in [json!({}), json!({"note": "replaced"})] {
        assert_eq!(assigned.doctor.update_annotation(id, body).ok(200).body, replaced.body);
    }
    assert_eq!(told(), before);
}

/// In the Django service, a note could be moved to another patient's record.
#[test]
fn a_note_stays_with_its_record() {
    let assigned = Assigned::new();
    let other = Patient::new();
    let elsewhere = other.create_record(json!({"doctor": assigned.doctor.id})).ok(201);
    let created = assigned.annotate("zq7marker").ok(201);
    let id = created.text("id");
    for change in [
        json!({"record": elsewhere["id"], "note": "moved?"}),
        json!({"record": "nonsense", "note": "moved?"}),
    ] {
        let changed = assigned.doctor.update_annotation(id, change.clone()).ok(200);
        assert_eq!(
            (&changed["record"], &changed["note"]),
            (&json!(assigned.record), &json!("moved?"))
        );
        assert_eq!(
            assigned.doctor.replace_annotation(id, change).ok(200)["record"],
            assigned.record
        );
    }
    assert_eq!(other.read_patient_record(elsewhere.text("id")).ok(200)["annotations"], json!([]));
}

/// In the Django service, a later doctor could rewrite a former doctor's note. Covers its
/// `test_cannot_update_other_doctor_annotation`.
#[test]
fn a_later_doctor_cannot_change_a_former_ones_note() {
    let assigned = Assigned::new();
    let created = assigned.annotate("zq7marker").ok(201);
    let id = created.text("id");
    let stranger = Doctor::new();
    let next = Doctor::new();
    assigned.patient.update_record(&assigned.record, json!({"doctor": next.id})).ok(200);
    for doctor in [&stranger, &next, &assigned.doctor] {
        for id in [id, UNKNOWN, "not-an-id"] {
            assert_eq!(
                doctor.update_annotation(id, json!({"note": "Rewritten."})).ok(404)["detail"],
                "Not found."
            );
            doctor.replace_annotation(id, json!({"note": "Rewritten."})).ok(404);
        }
    }
    let path = format!("/api/records/doctor/annotations/{id}/");
    assigned.patient.request("PATCH", &path).json(&json!({"note": "Rewritten."})).send().ok(403);
    assert_eq!(
        assigned.patient.read_patient_record(&assigned.record).ok(200)["annotations"][0]["note"],
        "zq7marker"
    );
    // The next doctor adds a note of their own.
    let own = next
        .create_annotation(json!({"record": assigned.record, "note": "My own. zq7marker"}))
        .ok(201);
    let record = next.read_doctor_record(&assigned.record).ok(200);
    let authors: Vec<&Value> =
        record["annotations"].as_array().unwrap().iter().map(|it| &it["author"]["pk"]).collect();
    assert_eq!(authors, [&own["author"]["pk"], &created["author"]["pk"]]);
}

#[test]
fn if_match_prevents_lost_updates_of_a_note() {
    let assigned = Assigned::new();
    let created = assigned.annotate("one").ok(201);
    let path = format!("/api/records/doctor/annotations/{}/", created.text("id"));
    let patch = |tag: &str, note: &str| {
        assigned
            .doctor
            .request("PATCH", &path)
            .header("if-match", tag)
            .json(&json!({"note": note}))
            .send()
    };
    patch("\"1\"", "two").ok(200);
    patch("\"1\"", "lost").problem(412, "precondition_failed");
    assert_eq!(patch("\"2\"", "three").ok(200)["note"], "three");
}

#[test]
fn a_record_takes_a_hundred_notes() {
    let assigned = Assigned::new();
    let (pk, sk) =
        (format!("PATIENT#{}", assigned.patient.id), format!("RECORD#{}", assigned.record));
    aws::update_item(&pk, &sk, "SET annotation_count = :count", json!({":count": {"N": "99"}}));
    assigned.annotate("the last one").ok(201);
    assigned.annotate("one too many").refused("record", "too_many_annotations");
    assert_eq!(
        assigned.patient.read_patient_record(&assigned.record).ok(200)["annotations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
