//! Tests of the histories of annotations.

use serde_json::{Value, json};

use crate::harness::{Anonymous, Client, Doctor, MARKER, Patient};

/// Returns the notes of all versions, page by page.
fn notes(read: impl Fn(&str) -> crate::harness::Response) -> Vec<Value> {
    let (mut notes, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = read(&query).ok(200);
        notes.extend(page.results().iter().map(|version| version["note"].clone()));
        match page["next"].as_str() {
            Some(next) => query = next.split_once('?').unwrap().1.to_owned(),
            None => return notes,
        }
    }
}

#[test]
fn every_version_is_kept_with_author_and_time() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let annotation = doctor.annotate(record.text("id"));
    let id = annotation.text("id");
    for number in 2..=4 {
        doctor.update_annotation(id, json!({"note": format!("{MARKER} note {number}")})).ok(200);
    }
    // A request that changes nothing creates no version.
    let last = doctor.update_annotation(id, json!({"note": format!("{MARKER} note 4")})).ok(200);
    let expected = [
        format!("{MARKER} note 4"),
        format!("{MARKER} note 3"),
        format!("{MARKER} note 2"),
        format!("{MARKER} note"),
    ];
    assert_eq!(notes(|query| patient.read_patient_history(id, query)), expected);
    assert_eq!(notes(|query| doctor.read_doctor_history(id, query)), expected);

    let history = patient.read_patient_history(id, "").ok(200);
    let (newest, oldest) = (&history.results()[0], &history.results()[3]);
    let author =
        json!({"pk": doctor.id, "first_name": doctor.first_name, "last_name": doctor.last_name});
    let expected = json!({
        "annotation": id, "record": record["id"], "version": 4, "note": format!("{MARKER} note 4"),
            "author": author,
        "written_at": last["updated_at"],
    });
    assert_eq!(newest, &expected);
    assert_eq!((&oldest["version"], &oldest["written_at"]), (&json!(1), &annotation["updated_at"]));
}

#[test]
fn histories_are_for_the_patient_and_the_assigned_doctor() {
    let (patient, former, doctor) = (Patient::new(), Doctor::new(), Doctor::new());
    let record = patient.record_for(&former);
    let annotation = former.annotate(record.text("id"));
    let id = annotation.text("id");
    patient.update_record(record.text("id"), json!({"doctor": doctor.id})).ok(200);
    former.read_doctor_history(id, "").problem(404, "not_found");
    // The assigned doctor reads what a former one wrote.
    let history = doctor.read_doctor_history(id, "").ok(200);
    assert_eq!(history.results()[0]["author"]["pk"], former.id.as_str());

    Patient::new().read_patient_history(id, "").problem(404, "not_found");
    Doctor::new().read_doctor_history(id, "").problem(404, "not_found");
    let unknown = "01936f2a-0000-7000-8000-00000000ffff";
    patient.read_patient_history(unknown, "").problem(404, "not_found");
    doctor.read_doctor_history(unknown, "").problem(404, "not_found");
    doctor.read_patient_history(id, "").problem(403, "wrong_role");
    patient.read_doctor_history(id, "").problem(403, "wrong_role");
    for read in [Client::read_patient_history, Client::read_doctor_history] {
        read(&Anonymous, id, "").problem(401, "not_authenticated");
    }
}
