//! `POST /api/records/patient/`.

use serde_json::{Value, json};

use crate::harness::{Anonymous, Doctor, Patient, UNKNOWN, User, keys};

/// Covers `test_create_health_record` of the Django service.
#[test]
fn a_patient_creates_a_record() {
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
        "content_version",
        "created_at",
        "description",
        "doctor",
        "files",
        "id",
        "patient",
        "record_type",
        "updated_at",
        "version",
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
    assert_eq!(
        keys(&created["patient"]["profile"]),
        ["address", "date_of_birth", "gender", "role"]
    );
    assert_eq!(
        keys(&created["doctor"]["profile"]),
        ["license_number", "role", "specialization", "years_of_experience"]
    );
    for time in ["created_at", "updated_at"] {
        let text = created[time].as_str().unwrap();
        assert!(text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{text}");
    }
    // `test_health_record_str`, `test_retrieve_health_record`: reading returns what was created.
    let read = patient.read_patient_record(id).ok(200);
    assert_eq!(read.body, created.body);
    assert_eq!(read.header("etag"), created.header("etag"));
}

/// Covers `test_health_record_default_type` of the Django service.
#[test]
fn a_record_is_general_by_default_and_of_any_known_type() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    assert_eq!((&created["record_type"], &created["description"]), (&json!("general"), &json!("")));
    for word in ["consultation", "lab_result", "prescription", "imaging", "procedure", "general"] {
        let created =
            patient.create_record(json!({"doctor": doctor.id, "record_type": word})).ok(201);
        assert_eq!(created["record_type"], word);
    }
}

/// Covers `test_health_record_patient_must_be_patient_role` of the Django service.
#[test]
fn a_doctor_creates_no_record() {
    let (doctor, other) = (Doctor::new(), Doctor::new());
    let refused = doctor.post("/api/records/patient/", &json!({"doctor": other.id})).ok(403);
    assert_eq!(refused["code"], "wrong_role");
}

/// Covers `test_create_record_doctor_required` of the Django service.
#[test]
fn a_record_needs_a_doctor_who_can_be_assigned() {
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
    refused(json!({"doctor": UNKNOWN.replace('-', "")}), "invalid");
    // `test_health_record_doctor_must_be_doctor_role`. One response for all of them, so that it
    // does not reveal who has an account.
    let unknown = refused(json!({"doctor": UNKNOWN}), "not_assignable");
    assert_eq!(refused(json!({"doctor": UNKNOWN.to_uppercase()}), "not_assignable"), unknown);
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
            {"name": "d.exe", "size_bytes": 1},
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
        "files[3].size_bytes required",
        "files[4] invalid",
        "files[5].content_type required",
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

/// Covers `test_unauthenticated_access` of the Django service.
#[test]
fn records_are_not_for_the_unauthenticated() {
    Anonymous.list_patient_records("").problem(401, "not_authenticated");
    Anonymous.create_record(json!({})).problem(401, "not_authenticated");
}
