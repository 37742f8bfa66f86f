//! `/api/records/files/`: what can be shown without objects; `tests/system` uploads.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::files::{PDF, make_available, new_file};
use crate::harness::{
    Admin, Anonymous, Client, Doctor, Patient, Response, UNKNOWN, aws, keys, moment,
};

/// A patient, an assigned doctor, and a record with an available file.
struct FileCase {
    patient: Patient,
    doctor: Doctor,
    record: String,
    file: String,
}

impl FileCase {
    fn new() -> Self {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let files = [new_file("a.pdf", "application/pdf", PDF)];
        let created = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
        let record = created.text("id").to_owned();
        let file = created["files"][0]["id"].as_str().unwrap().to_owned();
        make_available(&patient.id, &record, &file);
        Self { patient, doctor, record, file }
    }

    fn path(&self) -> String {
        format!("/api/records/files/{}/download/", self.file)
    }

    /// Returns who downloaded or tried to, with outcome and file, newest first.
    fn downloads(&self) -> Vec<String> {
        let log = self.patient.read_access_log(&self.record, "").ok(200);
        let entries = log.results().iter().filter(|entry| entry["action"] == "download_file");
        entries
            .map(|entry| {
                assert_eq!(entry["record"], self.record);
                let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
                let parts = [&entry["actor"]["pk"], &entry["outcome"], &entry["file"]].map(text);
                parts.join(" ")
            })
            .collect()
    }
}

#[test]
fn every_response_has_the_address_of_the_download_instead_of_a_signed_url() {
    let case = FileCase::new();
    let responses = [
        case.patient.read_patient_record(&case.record).ok(200).body,
        case.patient.list_patient_records("").ok(200)["results"][0].clone(),
        case.doctor.read_doctor_record(&case.record).ok(200).body,
        case.doctor.list_doctor_records("").ok(200)["results"][0].clone(),
        case.doctor.list_notifications("").ok(200)["results"][0]["record"].clone(),
        case.patient.update_record(&case.record, json!({"record_type": "imaging"})).ok(200).body,
    ];
    for response in responses {
        let url = response["files"][0]["file"].as_str().unwrap().to_owned();
        assert!(url.starts_with("http") && url.ends_with(&case.path()), "{url}");
        assert!(!response.to_string().contains("X-Amz-"), "{response}");
    }
}

#[test]
fn a_download_leads_to_a_url_for_a_minute() {
    let case = FileCase::new();
    let is_signed = |url: &str| {
        assert!(url.contains("X-Amz-Expires=60&"), "{url}");
        assert!(url.contains(&format!("files/{}?", case.file)), "{url}");
        assert!(!url.contains(&case.patient.id), "nothing in a URL says whose it is");
    };
    let readers: [&Client; 2] = [&case.patient, &case.doctor];
    for reader in readers {
        let accepting = |accept: Option<&str>| -> Response {
            let request = reader.request("GET", &case.path());
            match accept {
                Some(accept) => request.header("accept", accept).send(),
                None => request.send(),
            }
        };
        for accept in [None, Some("*/*"), Some("text/html,application/xhtml+xml,*/*;q=0.8")] {
            let redirect = accepting(accept).ok(303);
            assert!(redirect.bytes.is_empty());
            assert_eq!(redirect.header("cache-control"), "no-store");
            is_signed(&redirect.header("location"));
        }
        for accept in
            ["application/json", "application/json, text/plain, */*", "Application/JSON;q=1"]
        {
            let given = accepting(Some(accept)).ok(200);
            assert_eq!(given.header("cache-control"), "no-store");
            is_signed(given.text("url"));
            let left = moment(&given["expires_at"]).duration_since(Timestamp::now());
            assert!(SignedDuration::from_secs(30) < left && left <= SignedDuration::from_secs(60));
        }
    }
}

#[test]
fn a_download_is_authorized_as_the_record_and_leaves_a_trace() {
    let case = FileCase::new();
    let FileCase { patient, doctor, file, record, .. } = &case;
    let (other, stranger, admin) = (Patient::new(), Doctor::new(), Admin::new());
    let next = Doctor::new();
    patient.download_file(file).ok(200);
    doctor.download_file(file).ok(200);
    other.download_file(file).problem(404, "not_found");
    stranger.download_file(file).problem(404, "not_found");
    admin.download_file(file).problem(403, "wrong_role");
    Anonymous.download_file(file).problem(401, "not_authenticated");
    patient.download_file(UNKNOWN).problem(404, "not_found");
    patient.update_record(record, json!({"doctor": next.id})).ok(200);
    doctor.download_file(file).problem(404, "not_found");
    next.download_file(file).ok(200);
    let by = |who: &str, outcome: &str, file: &str| format!("{who} {outcome} {file}");
    let expected = [
        by(&next.id, "success", file),
        by(&doctor.id, "denied", "none"),
        by(&stranger.id, "denied", "none"),
        by(&other.id, "denied", "none"),
        by(&doctor.id, "success", file),
        by(&patient.id, "success", file),
    ];
    assert_eq!(case.downloads(), expected);
    let own = patient.access_log("").ok(200);
    assert!(own.results().iter().any(|entry| entry["action"] == "download_file"));
}

#[test]
fn only_an_available_file_is_downloaded() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "files": [new_file("a.pdf", "application/pdf", PDF)]});
    let record = patient.create_record(body).ok(201);
    assert_eq!(record["files"][0]["file"], Value::Null);
    let file = record["files"][0]["id"].as_str().unwrap();
    patient.download_file(file).problem(409, "file_not_available");
    doctor.download_file(file).problem(409, "file_not_available");
    make_available(&patient.id, record.text("id"), file);
    patient.download_file(file).ok(200);
    patient.delete_file(file).ok(204);
    patient.download_file(file).problem(404, "not_found");
}

#[test]
fn a_pending_file_gets_a_new_upload_url() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "files": [new_file("a.pdf", "application/pdf", PDF)]});
    let create = || {
        let request = patient.request("POST", "/api/records/patient/").json(&body);
        request.header("idempotency-key", &format!("\"{}\"", patient.id)).send().ok(201)
    };
    let record = create();
    let first = &record["files"][0];
    // A repetition does so, too.
    let repeated = create()["files"][0].clone();
    assert!(moment(&repeated["upload"]["expires_at"]) > moment(&first["upload"]["expires_at"]));
    let file = first["id"].as_str().unwrap();
    let renewed = patient.renew_upload(file).ok(200);
    assert_eq!(keys(&renewed.body), keys(first));
    for field in ["id", "name", "content_type", "size_bytes", "status", "file", "created_at"] {
        assert_eq!(renewed[field], first[field], "{field}");
    }
    let (before, after) = (&first["upload"], &renewed["upload"]);
    assert_eq!((&after["method"], &after["headers"]), (&before["method"], &before["headers"]));
    assert!(moment(&after["expires_at"]) > moment(&before["expires_at"]));
    let object =
        |url: &serde_json::Value| url.as_str().unwrap().split('?').next().unwrap().to_owned();
    assert_eq!(object(&after["url"]), object(&before["url"]));

    patient.renew_upload(UNKNOWN).problem(404, "not_found");
    Patient::new().renew_upload(file).problem(404, "not_found");
    doctor.renew_upload(file).problem(403, "wrong_role");
    Anonymous.renew_upload(file).problem(401, "not_authenticated");
    for status in ["available", "rejected"] {
        let chart = format!("PATIENT#{}", patient.id);
        let items = aws::query(&chart);
        let item = items.iter().find(|item| item["entity"]["S"] == "file").unwrap();
        aws::update_item(
            &chart,
            item["sk"]["S"].as_str().unwrap(),
            "SET #status = :status",
            json!({":status": {"S": status}}),
        );
        patient.renew_upload(file).problem(409, "file_not_pending");
    }
    patient.delete_file(file).ok(204);
    patient.renew_upload(file).problem(404, "not_found");
}
