//! A day of a patient: everything together, in the order in which people do it.

use serde_json::{Value, json};

use api_tests::harness::files::{PDF, PNG, download, new_file, upload};
use api_tests::harness::{Doctor, Patient, aws, eventually, mails_to};

#[test]
fn the_patients_day() {
    // A doctor, another doctor and a patient register and create their profiles.
    let (patient, doctor, second) = (Patient::new(), Doctor::new(), Doctor::new());

    // The patient finds the doctor in the directory.
    let found = patient.list_doctors(&format!("search={}", doctor.last_name)).ok(200);
    let entry = found.results().iter().find(|entry| entry["pk"] == doctor.id);
    let entry = entry.unwrap_or_else(|| panic!("the doctor is not in the directory: {found}"));

    // The patient creates a record with two files, uploads both, sees them.
    let files = [
        new_file("report-zq7marker.pdf", "application/pdf", PDF),
        new_file("scan-zq7marker.png", "image/png", PNG),
    ];
    let record = patient
        .create_record(json!({"doctor": entry["pk"], "record_type": "lab_result",
            "description": "Blood test zq7marker", "files": files}))
        .ok(201);
    let id = record.text("id");
    for file in record["files"].as_array().unwrap() {
        let content = if file["content_type"] == "image/png" { PNG } else { PDF };
        assert_eq!(upload(file, content), 200);
    }
    eventually("both files are available", || {
        let seen = patient.read_patient_record(id).ok(200);
        let mut files = seen["files"].as_array().unwrap().iter();
        files.all(|file| file["status"] == "available" && file["file"].is_string()).then_some(())
    });

    // The doctor sees the assigned record, downloads a file, annotates, edits the annotation.
    let assigned = doctor.list_doctor_records("").ok(200);
    assert_eq!(assigned["results"][0]["id"], id);
    let seen = doctor.read_doctor_record(id).ok(200);
    let pdf = seen["files"]
        .as_array()
        .unwrap()
        .iter()
        .find(|file| file["content_type"] == "application/pdf")
        .unwrap();
    let download = download(&doctor, pdf);
    assert_eq!((download.status, &download.bytes[..]), (200, PDF));
    let note = doctor
        .create_annotation(json!({"record": id, "note": "All values are normal. zq7marker"}))
        .ok(201);
    let edited = doctor
        .update_annotation(note.text("id"), json!({"note": "Normal. See you in a year. zq7marker"}))
        .ok(200);

    // The patient is notified, reads, marks all read, deletes all.
    let inbox = patient.list_notifications("").ok(200);
    let kinds: Vec<&Value> = inbox.results().iter().map(|it| &it["notification_type"]).collect();
    assert_eq!(kinds, ["annotation_updated", "record_annotated"]);
    let read = patient.read_notification(inbox["results"][0]["id"].as_str().unwrap()).ok(200);
    assert_eq!(
        (&read["is_read"], &read["record"]["annotations"][0]["note"]),
        (&json!(true), &edited["note"])
    );
    patient.mark_all_read().ok(200);
    assert_eq!(patient.list_notifications("is_read=false").ok(200)["results"], json!([]));
    eventually("both were mailed", || (mails_to(&patient.email).len() == 2).then_some(()));
    patient.delete_all().ok(204);
    assert_eq!(patient.list_notifications("").ok(200)["results"], json!([]));

    // The patient reassigns the record: the first doctor loses access everywhere at once, the
    // second is notified.
    patient.update_record(id, json!({"doctor": second.id})).ok(200);
    doctor.read_doctor_record(id).ok(404);
    assert_eq!(doctor.list_doctor_records("").ok(200)["results"], json!([]));
    assert!(
        doctor.list_notifications("").ok(200).results().iter().all(|it| it["record"].is_null())
    );
    let told = second.list_notifications("is_read=false").ok(200);
    assert_eq!(
        (&told["results"][0]["notification_type"], &told["results"][0]["record"]["id"]),
        (&json!("patient_assigned"), &json!(id))
    );

    // The patient deletes a file and its object is gone from S3.
    let file = record["files"][0]["id"].as_str().unwrap();
    patient.delete_file(file).ok(204);
    assert_eq!(second.read_doctor_record(id).ok(200)["files"].as_array().unwrap().len(), 1);
    eventually("the object is gone", || {
        (aws::object_versions(&format!("files/{file}")).is_empty()).then_some(())
    });

    // Each notification also arrives as a mail, once.
    for (email, count) in [(&doctor.email, 2), (&second.email, 2), (&patient.email, 2)] {
        eventually("each notification is a mail", || {
            (mails_to(email).len() >= count).then_some(())
        });
        assert_eq!(mails_to(email).len(), count);
    }
}
