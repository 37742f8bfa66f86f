//! `/api/records/doctor/`: what doctors see of the records assigned to them.

use serde_json::json;

use crate::harness::{Doctor, Patient, UNKNOWN, keys};

/// Covers `test_list_assigned_records` of the Django service.
#[test]
fn a_doctor_lists_the_assigned_records() {
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
    assert_eq!(keys(&shown["patient"]["profile"]), ["date_of_birth", "gender", "role"]);
    assert_eq!(keys(&first["patient"]["profile"]), ["address", "date_of_birth", "gender", "role"]);
    assert_eq!(shown["description"], "zq7marker");
}

/// Covers `test_list_only_assigned_records` of the Django service.
#[test]
fn a_doctor_lists_no_records_of_others() {
    let (patient, doctor, other) = (Patient::new(), Doctor::new(), Doctor::new());
    let own = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    patient.create_record(json!({"doctor": other.id})).ok(201);
    assert_eq!(doctor.list_doctor_records("").ok(200).ids("id"), [own.text("id")]);
}

/// Covers `test_patient_cannot_access` of the Django service.
#[test]
fn the_doctors_lists_are_not_for_patients() {
    let patient = Patient::new();
    for path in [
        "/api/records/doctor/",
        &format!("/api/records/doctor/{UNKNOWN}/"),
        "/api/records/doctor/not-an-id/",
    ] {
        patient.request("GET", path).send().problem(403, "wrong_role");
    }
}

/// Covers `test_view_assigned_record` of the Django service.
#[test]
fn a_doctor_reads_an_assigned_record() {
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

/// Covers `test_cannot_view_unassigned_record` of the Django service.
#[test]
fn a_record_of_another_doctor_is_not_found() {
    let (patient, doctor, other) = (Patient::new(), Doctor::new(), Doctor::new());
    let created = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    for id in [created.text("id"), UNKNOWN, "not-an-id"] {
        assert_eq!(other.read_doctor_record(id).ok(404)["detail"], "Not found.");
    }
}
