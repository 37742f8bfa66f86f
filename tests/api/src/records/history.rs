//! Tests of the histories of records and annotations.

use serde_json::{Value, json};

use crate::harness::files::{PDF, new_file};
use crate::harness::{Admin, Anonymous, Client, Doctor, MARKER, Patient, UNKNOWN};

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
        "record_version": 4,
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

#[test]
fn a_change_after_the_doctors_note_is_seen_by_both() {
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let record = patient
        .create_record(json!({"doctor": doctor.id, "record_type": "prescription",
            "description": format!("{MARKER} 5 mg")}))
        .ok(201);
    let id = record.text("id");
    assert_eq!(record["version"], 1);
    assert_eq!(patient.read_patient_record_history(id, "").ok(200)["results"], json!([]));
    let note = doctor.annotate(id);
    assert_eq!(note["record_version"], 1);
    let changed = patient
        .update_record(
            id,
            json!({"description": format!("{MARKER} 50 mg"),
            "files": [new_file("dose.pdf", "application/pdf", PDF)]}),
        )
        .ok(200);
    assert_eq!(changed["version"], 3, "the note was the second change");
    // A request that changes nothing is no version.
    patient.update_record(id, json!({"description": format!("{MARKER} 50 mg")})).ok(200);
    let file = changed["files"][0]["id"].as_str().unwrap();
    let named = json!([{"id": file, "name": "dose.pdf"}]);
    let person = |id: &str, first: &str, last: &str| -> Value {
        json!({"pk": id, "first_name": first, "last_name": last})
    };
    let author = person(&patient.id, &patient.first_name, &patient.last_name);
    let expected = json!({
        "record": id, "version": 3, "author": author, "written_at": changed["updated_at"],
        "record_type": null,
        "description": {"before": format!("{MARKER} 5 mg"), "after": format!("{MARKER} 50 mg")},
        "doctor": null, "files_added": named, "files_removed": [],
    });
    for history in [
        patient.read_patient_record_history(id, "").ok(200),
        doctor.read_doctor_record_history(id, "").ok(200),
    ] {
        assert_eq!(history["results"], json!([expected]));
    }
    // The note says that it is older than the change, until the doctor writes it again.
    let seen = doctor.read_doctor_record(id).ok(200);
    assert_eq!(
        (&seen["version"], &seen["content_version"], &seen["annotations"][0]["record_version"]),
        (&json!(3), &json!(3), &json!(1))
    );
    let again =
        doctor.update_annotation(note.text("id"), json!({"note": format!("{MARKER} stop")}));
    assert_eq!(again.ok(200)["record_version"], 3);

    patient.delete_file(file).ok(204);
    assert_eq!(patient.read_patient_record(id).ok(200)["content_version"], 5);
    patient.update_record(id, json!({"doctor": next.id, "record_type": "general"})).ok(200);
    let history = next.read_doctor_record_history(id, "").ok(200);
    let [moved, deleted, first] = history.results() else { panic!("{history}") };
    assert_eq!(first, &expected, "the new doctor sees what was before");
    assert_eq!((&deleted["version"], &deleted["files_removed"]), (&json!(5), &named));
    assert_eq!(
        moved["doctor"],
        json!({"before": person(&doctor.id, &doctor.first_name, &doctor.last_name),
            "after": person(&next.id, &next.first_name, &next.last_name)})
    );
    assert_eq!(moved["record_type"], json!({"before": "prescription", "after": "general"}));
    let page = patient.read_patient_record_history(id, "limit=2").ok(200);
    assert_eq!(page.results().len(), 2);
    let rest = page.text("next").split_once('?').unwrap().1.to_owned();
    assert_eq!(
        patient.read_patient_record_history(id, &rest).ok(200)["results"],
        json!([expected])
    );
    // Another doctor does not make notes older than what they are about.
    let moved = patient.update_record(id, json!({"doctor": doctor.id})).ok(200);
    assert_eq!((&moved["version"], &moved["content_version"]), (&json!(7), &json!(6)));
}

#[test]
fn the_history_of_a_record_is_for_the_patient_and_the_assigned_doctor() {
    let (patient, former, doctor) = (Patient::new(), Doctor::new(), Doctor::new());
    let (other, admin) = (Patient::new(), Admin::new());
    let record = patient.record_for(&former);
    let id = record.text("id");
    patient.update_record(id, json!({"doctor": doctor.id})).ok(200);
    patient.read_patient_record_history(id, "").ok(200);
    doctor.read_doctor_record_history(id, "").ok(200);
    former.read_doctor_record_history(id, "").problem(404, "not_found");
    other.read_patient_record_history(id, "").problem(404, "not_found");
    patient.read_patient_record_history(UNKNOWN, "").problem(404, "not_found");
    doctor.read_patient_record_history(id, "").problem(403, "wrong_role");
    admin.read_doctor_record_history(id, "").problem(403, "wrong_role");
    Anonymous.read_patient_record_history(id, "").problem(401, "not_authenticated");
    let log = patient.read_access_log(id, "").ok(200);
    let reads = log.results().iter().filter(|entry| entry["action"] == "read_history");
    assert_eq!(reads.count(), 2);
}
