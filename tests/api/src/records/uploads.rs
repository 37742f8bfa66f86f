//! What becomes of uploaded files, with objects in a bucket of this process; `tests/system` uploads
//! to S3.

use serde_json::{Value, json};

use crate::harness::files::{PDF, download_url, new_file};
use crate::harness::{Doctor, FunctionSettings, IsolatedSystem, Patient, Response, VERSION};

/// A system of its own, in which a record has one file.
struct UploadCase {
    own: IsolatedSystem,
    patient: Patient,
    doctor: Doctor,
    record: Response,
    content_type: &'static str,
}

impl UploadCase {
    fn declare(name: &str, content_type: &'static str, content: &[u8]) -> Self {
        let own = IsolatedSystem::start();
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let files = [new_file(name, content_type, content)];
        let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
        Self { own, patient, doctor, record, content_type }
    }

    /// Declares a file and uploads it.
    fn of(name: &str, content_type: &'static str, content: &[u8]) -> Self {
        let upload = Self::declare(name, content_type, content);
        upload.own.put_object(&upload.key(), content_type, content);
        upload
    }

    /// Returns the key of the file's object.
    fn key(&self) -> String {
        format!("files/{}", self.record["files"][0]["id"].as_str().unwrap())
    }

    /// Reads the file as its patient sees it.
    fn read(&self) -> Value {
        self.patient.read_patient_record(self.record.text("id")).ok(200)["files"][0].clone()
    }

    /// Reads the file as its doctor sees it.
    fn read_by_doctor(&self) -> Value {
        self.doctor.read_doctor_record(self.record.text("id")).ok(200)["files"][0].clone()
    }

    /// Returns what S3 says of a new object: the sample of the inspector, with another key.
    fn created(&self) -> Value {
        let sample: Value =
            serde_json::from_str(include_str!("../../../../events/inspector.json")).unwrap();
        let body = sample["Records"][0]["body"].as_str().unwrap();
        let mut event: Value = serde_json::from_str(body).unwrap();
        event["Records"][0]["s3"]["object"]["key"] = json!(self.key());
        event
    }

    /// Returns what GuardDuty says of an object that it has scanned: the sample of its user guide.
    fn scanned(&self, status: &str, result: &str, version: &str) -> Value {
        json!({
            "version": "0",
            "id": "72c7d362-737a-6dce-fc78-9e27a0171419",
            "detail-type": "GuardDuty Malware Protection Object Scan Result",
            "source": "aws.guardduty",
            "account": "111122223333",
            "time": "2026-11-28T01:01:01Z",
            "region": "eu-central-1",
            "resources": ["arn:aws:guardduty:eu-central-1:111122223333:malware-protection-plan/b4"],
            "detail": {
                "schemaVersion": "1.0",
                "scanStatus": status,
                "resourceType": "S3_OBJECT",
                "s3ObjectDetails": {
                    "bucketName": "files",
                    "objectKey": self.key(),
                    "eTag": "ASIAI44QH8DHBEXAMPLE",
                    "versionId": version,
                    "s3Throttled": false,
                },
                "scanResultDetails": {"scanResultStatus": result, "threats": null},
            },
        })
    }
}

/// Returns a text that is too long to be checked while a record is read.
fn long_text() -> Vec<u8> {
    "Alle Werte sind normal.\n".repeat(5_000).into_bytes()
}

#[test]
fn a_rejected_file_keeps_its_reason_for_its_patient() {
    let program = [&b"MZ"[..], &[0; 126], b"DICM", &[0; 20]].concat();
    for (name, content_type, content, code) in [
        ("scan.exe", "application/dicom", &program[..], "content_mismatch"),
        ("a.json", "application/json", b"{\"a\": \"\xff\"}", "undecodable_text"),
        (
            "a.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            b"PK\x03\x04\x14\0",
            "damaged_file",
        ),
    ] {
        let upload = UploadCase::of(name, content_type, content);
        assert_eq!(upload.record["files"][0]["rejection"], Value::Null);
        for read in [upload.read(), upload.read()] {
            assert_eq!((&read["status"], &read["file"]), (&json!("rejected"), &Value::Null));
            assert_eq!(read["rejection"]["code"], code, "{read}");
            assert!(read["rejection"]["message"].as_str().unwrap().ends_with('.'), "{read}");
        }
        let read = upload.read_by_doctor();
        assert_eq!((&read["status"], &read["rejection"]), (&json!("rejected"), &Value::Null));
        assert!(upload.own.inspect(&upload.created(), false));
        assert!(!upload.own.has_object(&upload.key()), "its object is deleted");
    }
}

#[test]
fn another_object_than_declared_is_rejected() {
    let upload = UploadCase::declare("a.pdf", "application/pdf", PDF);
    upload.own.put_object(&upload.key(), "application/pdf", &[PDF, b" "].concat());
    assert_eq!(upload.read()["rejection"]["code"], "declaration_mismatch");
}

#[test]
fn files_are_downloaded_with_an_extension_of_their_type() {
    for (name, content_type, content, saved) in [
        ("run.bat", "text/plain", &b"@echo off"[..], "run.bat.txt"),
        ("logo.svg", "text/plain", b"<svg/>", "logo.svg.txt"),
        ("x.hta", "text/csv", b"<script>", "x.hta.csv"),
        ("Befund \u{202e}fdp.exe", "application/pdf", PDF, "Befund%20fdp.exe.pdf"),
        ("report.PDF", "application/pdf", PDF, "report.PDF"),
    ] {
        let upload = UploadCase::of(name, content_type, content);
        let (patient, doctor) = (&upload.patient, &upload.doctor);
        for url in
            [download_url(patient, &upload.read()), download_url(doctor, &upload.read_by_doctor())]
        {
            let url = url.replace("%2520", "%20");
            assert!(url.contains(&format!("UTF-8%27%27{saved}&")), "{saved}: {url}");
        }
    }
    let upload = UploadCase::of("Befund \u{202e}fdp.exe", "application/pdf", PDF);
    assert_eq!(upload.read()["name"], "Befund fdp.exe", "the direction cannot be changed");
}

#[test]
fn a_long_text_is_left_to_the_inspector() {
    let text = long_text();
    let upload = UploadCase::of("values.txt", "text/plain", &text);
    assert_eq!(upload.read()["status"], "pending");
    assert!(upload.own.inspect(&upload.created(), false));
    assert_eq!(upload.read()["status"], "available");

    let program = [&text[..], b"\0"].concat();
    let upload = UploadCase::of("values.txt", "text/plain", &program);
    assert_eq!(upload.read()["status"], "pending");
    assert!(upload.own.inspect(&upload.created(), false));
    assert_eq!(upload.read()["rejection"]["code"], "content_mismatch");
    assert!(!upload.own.has_object(&upload.key()));
}

#[test]
fn with_malware_protection_a_file_is_available_after_its_scan() {
    let upload = UploadCase::of("values.txt", "text/plain", &long_text());
    let inspect = |message: &Value| upload.own.inspect(message, true);
    assert!(inspect(&upload.created()));
    assert_eq!(upload.read()["status"], "pending", "the scan is still to come");
    assert!(inspect(&upload.scanned("COMPLETED", "NO_THREATS_FOUND", "another")));
    assert_eq!(upload.read()["status"], "pending", "that version is not there any more");
    for result in ["ACCESS_DENIED", "FAILED"] {
        assert!(!inspect(&upload.scanned("FAILED", result, VERSION)), "staff have to look at it");
        assert_eq!(upload.read()["status"], "pending");
    }
    assert!(inspect(&upload.scanned("COMPLETED", "NO_THREATS_FOUND", VERSION)));
    assert_eq!(upload.read()["status"], "available");
    assert!(inspect(&upload.scanned("COMPLETED", "NO_THREATS_FOUND", VERSION)), "once more");
    assert!(upload.own.has_object(&upload.key()));
}

#[test]
fn a_scanned_file_must_be_as_declared_as_well() {
    let program = [&long_text()[..], b"\0"].concat();
    let upload = UploadCase::of("values.txt", "text/plain", &program);
    assert!(upload.own.inspect(&upload.scanned("COMPLETED", "NO_THREATS_FOUND", VERSION), true));
    assert_eq!(upload.read()["rejection"]["code"], "content_mismatch");
}

#[test]
fn a_file_with_malware_is_rejected_and_deleted() {
    for (status, result, code) in [
        ("COMPLETED", "THREATS_FOUND", "malware_found"),
        ("SKIPPED", "UNSUPPORTED", "not_scannable"),
    ] {
        let upload = UploadCase::of("values.txt", "text/plain", &long_text());
        assert!(upload.own.inspect(&upload.created(), true));
        assert!(upload.own.inspect(&upload.scanned(status, result, VERSION), true));
        assert_eq!(upload.read()["rejection"]["code"], code);
        assert_eq!(upload.read_by_doctor()["rejection"], Value::Null);
        assert!(!upload.own.has_object(&upload.key()));
    }
}

#[test]
fn reading_a_record_does_not_anticipate_the_scan() {
    let read = |content: &[u8]| {
        let upload = UploadCase::declare("a.pdf", "application/pdf", content);
        upload.own.put_object(&upload.key(), upload.content_type, content);
        let records =
            FunctionSettings::of("records").with("MALWARE_PROTECTION", "GUARDDUTY").start();
        let path = format!("/api/records/patient/{}/", upload.record.text("id"));
        records.send(&upload.patient, "GET", &path, &Value::Null).ok(200)["files"][0].clone()
    };
    assert_eq!(read(PDF)["status"], "pending");
    assert_eq!(read(b"MZ")["rejection"]["code"], "content_mismatch", "this needs no scan");
}

#[test]
fn a_type_may_have_another_name_and_is_signed_by_its_own() {
    for (name, declared_type, content_type) in [
        ("a.jpg", "image/jpg", "image/jpeg"),
        ("a.png", "IMAGE/X-PNG", "image/png"),
        ("a.csv", "text/csv; charset=utf-8", "text/csv"),
        ("a.csv", "application/vnd.ms-excel", "text/csv"),
        ("IMG_0001.HEIC", "application/octet-stream", "image/heic"),
        ("IMG_0001.HEIC", "", "image/heic"),
        ("a.dcm", "application/x-dicom", "application/dicom"),
    ] {
        let upload = UploadCase::declare(name, declared_type, b"a;b\n");
        let file = &upload.record["files"][0];
        assert_eq!(file["content_type"], content_type, "{declared_type}");
        assert_eq!(file["upload"]["headers"]["content-type"], content_type, "{declared_type}");
    }
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    for unknown in ["application/octet-stream", ""] {
        let files = [new_file("a.exe", unknown, b"MZ")];
        let refused = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(400);
        assert_eq!(refused.errors(), ["files[0].content_type invalid_choice"]);
    }
    let files = [json!({"name": "report.pdf", "size_bytes": 9})];
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    assert_eq!(record["files"][0]["content_type"], "application/pdf", "by its extension");
    drop(own);
}
