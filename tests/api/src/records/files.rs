//! `/api/records/files/`: what can be shown without objects; `tests/system` uploads.

use serde_json::json;

use crate::harness::files::{PDF, declared};
use crate::harness::{Anonymous, Doctor, Patient, UNKNOWN, aws, keys, moment};

#[test]
fn a_pending_file_gets_a_new_upload_url() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "files": [declared("a.pdf", "application/pdf", PDF)]});
    let create = || {
        let request = patient.request("POST", "/api/records/patient/").json(&body);
        request.header("idempotency-key", &format!("\"{}\"", patient.id)).send().ok(201)
    };
    let record = create();
    let first = &record["files"][0];
    // The repetition returns the first URL, which may have expired.
    assert_eq!(create()["files"][0]["upload"], first["upload"]);
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
