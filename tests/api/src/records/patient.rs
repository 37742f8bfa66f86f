//! `/api/records/patient/`: what patients see of their records.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::files::{PDF, new_file};
use crate::harness::{Doctor, IsolatedSystem, Patient, Response, UNKNOWN};

/// Covers `test_list_patient_records` of the Django service.
#[test]
fn a_patient_lists_records_newest_first() {
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

/// Covers `test_list_only_own_records` of the Django service.
#[test]
fn a_patient_lists_no_records_of_others() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    let own = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    other.create_record(json!({"doctor": doctor.id})).ok(201);
    assert_eq!(patient.list_patient_records("").ok(200).ids("id"), [own.text("id")]);
}

/// Covers `test_cannot_update_other_patient_record` of the Django service.
#[test]
fn records_of_others_are_not_found() {
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
                "the same response for others' and for none"
            );
        }
    }
    assert_eq!(patient.read_patient_record(id).ok(200).body, created.body);
}

/// Covers `test_health_record_cascade_delete` and `test_annotation_cascade_delete` of the Django
/// service: what belongs to a record is stored as long as the record, and no request deletes a
/// record.
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

/// A look at pending files is a convenience: their events settle them anyway.
#[test]
fn a_slow_bucket_does_not_hold_up_records() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files: Vec<Value> =
        (0..20).map(|number| new_file(&format!("{number}.pdf"), "application/pdf", PDF)).collect();
    let record = patient
        .create_record(json!({"doctor": doctor.id, "description": "x", "files": files}))
        .ok(201);
    own.slow_the_bucket_down();
    patient.list_patient_records("").ok(200);
    let read = patient.read_patient_record(record.text("id")).ok(200);
    doctor.read_doctor_record(record.text("id")).ok(200);
    assert_eq!(read["files"][0]["status"], "pending");
    assert_eq!(own.slow_responses(), 0, "no request has waited for the bucket");
}
