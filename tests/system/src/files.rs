//! Tests of files: declared in a record, uploaded to S3 by presigned URL, inspected, downloaded,
//! deleted.
//!
//! In the Django service, uploaded files were public at URLs that could be guessed, stayed after
//! their deletion, and were served inline.

use std::time::Duration;

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use domain::file::ContentType;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use api_tests::harness::files::{PDF, PNG, compound, download, new_file, office, transfer, upload};
use api_tests::harness::{
    Client, Doctor, Patient, Response, Stack, UNKNOWN, aws, eventually, keys, moment, unique,
};

/// Makes a URL like those of the API that takes an upload, signed at some time and valid for a
/// minute. Signed by the account's root: how long it is valid must not depend on who signs.
fn presigned_put(key: &str, at: Timestamp) -> String {
    let stack = Stack::get();
    let url = format!("{}/{}/{key}", stack.endpoint_url, stack.bucket);
    let identity = aws::root().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&stack.region)
        .name("s3")
        .time(at.into())
        .settings(settings);
    let signable =
        SignableRequest::new("PUT", &url, std::iter::empty(), SignableBody::UnsignedPayload)
            .unwrap();
    let (instructions, _) =
        sign(signable, &parameters.build().unwrap().into()).unwrap().into_parts();
    let parameters = instructions
        .params()
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('/', "%2F")))
        .collect::<Vec<_>>();
    format!("{url}?{}", parameters.join("&"))
}

type Headers = Vec<(String, String)>;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A patient, an assigned doctor, and a record with one file that has no content yet.
struct Waiting {
    patient: Patient,
    doctor: Doctor,
    record: Response,
}

impl Waiting {
    fn new(file: Value) -> Self {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let record = patient.create_record(json!({"doctor": doctor.id, "files": [file]})).ok(201);
        Self { patient, doctor, record }
    }

    fn id(&self) -> &str {
        self.record.text("id")
    }

    /// Returns the file as it was declared, with its upload.
    fn file(&self) -> &Value {
        &self.record["files"][0]
    }

    fn file_id(&self) -> &str {
        self.file()["id"].as_str().unwrap()
    }

    /// Reads the file as the patient sees it now.
    fn read(&self) -> Value {
        self.patient.read_patient_record(self.id()).ok(200)["files"][0].clone()
    }

    /// Reads the status from the table, without a request that might inspect the file.
    fn stored_status(&self) -> Value {
        let key = format!("RECORD#{}#FILE#{}", self.id(), self.file_id());
        aws::get_item(&format!("PATIENT#{}", self.patient.id), &key)
            .map_or(Value::Null, |item| item["status"]["S"].clone())
    }

    /// Returns the file as soon as it is available or rejected. On a busy machine, a look at the
    /// object ends before S3 responds; the inspector sees it then.
    fn settled(&self) -> Value {
        eventually("the file is available or rejected", || {
            let file = self.read();
            (file["status"] != "pending").then_some(file)
        })
    }

    fn object_key(&self) -> String {
        format!("files/{}", self.file_id())
    }

    /// Returns how many versions and delete markers S3 has of the file's object.
    fn versions(&self) -> usize {
        aws::object_versions(&self.object_key()).len()
    }
}

/// Covers `test_create_record_with_files` of the Django service.
#[test]
fn files_of_a_new_record_are_uploaded_by_their_urls() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files = [
        new_file("report-zq7marker.pdf", "application/pdf", PDF),
        new_file("scan.png", "image/png", PNG),
    ];
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    let id = record.text("id");
    // Newest first; of two files declared together, the later one counts as newer.
    let [png, pdf] = &record["files"].as_array().unwrap()[..] else { panic!("{record}") };
    // test_create_health_record_file, test_health_record_file_str
    assert_eq!(
        keys(png),
        [
            "content_type",
            "created_at",
            "file",
            "id",
            "name",
            "rejection",
            "size_bytes",
            "status",
            "upload"
        ]
    );
    assert_eq!(keys(&png["upload"]), ["expires_at", "headers", "method", "url"]);
    assert_eq!(
        (&pdf["name"], &pdf["content_type"], &pdf["size_bytes"]),
        (&json!("report-zq7marker.pdf"), &json!("application/pdf"), &json!(PDF.len()))
    );
    assert_eq!(
        (&pdf["status"], &pdf["file"], &pdf["upload"]["method"]),
        (&json!("pending"), &Value::Null, &json!("PUT"))
    );
    let lifetime = pdf["upload"]["expires_at"]
        .as_str()
        .unwrap()
        .parse::<Timestamp>()
        .unwrap()
        .duration_since(Timestamp::now());
    assert!((600..=900).contains(&lifetime.as_secs()), "valid for minutes");

    assert_eq!(upload(pdf, PDF), 200);
    // Each file is available independently of the others. On a busy machine, a look at the object
    // takes too long and is left to the event.
    let read_until_available = |file: usize| {
        eventually("the file is available", || {
            let read = patient.read_patient_record(id).ok(200);
            (read["files"][file]["status"] == "available").then_some(read)
        })
    };
    let read = read_until_available(1);
    assert_eq!(
        (&read["files"][0]["status"], &read["files"][0]["file"]),
        (&json!("pending"), &Value::Null)
    );
    assert!(read["files"][0].get("upload").is_none(), "an upload is told once");
    assert_eq!(upload(png, PNG), 200);
    read_until_available(0);
    let responses: [(&Client, Value); 4] = [
        (&doctor, doctor.read_doctor_record(id).ok(200).body),
        (&doctor, doctor.list_doctor_records("").ok(200)["results"][0].clone()),
        (&patient, patient.list_patient_records("").ok(200)["results"][0].clone()),
        (&doctor, doctor.list_notifications("").ok(200)["results"][0]["record"].clone()),
    ];
    for (reader, seen) in &responses {
        for (file, content) in [(&seen["files"][0], PNG), (&seen["files"][1], PDF)] {
            assert_eq!(file["status"], "available");
            let download = download(reader, file);
            assert_eq!((download.status, &download.bytes[..]), (200, content));
            let name = file["name"].as_str().unwrap();
            assert_eq!(download.header("content-type"), file["content_type"].as_str().unwrap());
            assert_eq!(download.header("cache-control"), "no-store");
            assert_eq!(
                download.header("content-disposition"),
                format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}")
            );
        }
    }
}

#[test]
fn a_file_becomes_available_by_the_event_alone() {
    let waiting = Waiting::new(new_file("scan.png", "image/png", PNG));
    assert_eq!(upload(waiting.file(), PNG), 200);
    eventually("the inspector has seen the object", || {
        (waiting.stored_status() == "available").then_some(())
    });
    assert_eq!(waiting.read()["status"], "available");
}

#[test]
fn nothing_but_the_declared_file_can_be_uploaded() {
    let mut file = new_file("scan.png", "image/png", PNG);
    file["sha256"] = json!(hex(digest(&SHA256, PNG).as_ref()));
    let waiting = Waiting::new(file);
    let given = waiting.file()["upload"].clone();
    let url = given["url"].as_str().unwrap();
    let headers: Headers = given["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap().to_owned()))
        .collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["content-type", "if-none-match", "x-amz-checksum-sha256"],
        "what must be sent is told, and nothing else"
    );

    let refused =
        |what: &str, method: &str, url: &str, change: &dyn Fn(&mut Headers), content: &[u8]| {
            let mut headers = headers.clone();
            change(&mut headers);
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let status = transfer(method, url, &headers, Some(content)).status;
            assert!([400, 403].contains(&status), "{what}: {status}");
            assert_eq!(waiting.versions(), 0, "{what}: an object is there");
        };
    let as_told = |_: &mut Headers| {};
    let set = |name: &'static str, value: &'static str| {
        move |headers: &mut Headers| {
            headers
                .iter_mut()
                .filter(|header| header.0 == name)
                .for_each(|header| header.1 = value.to_owned())
        }
    };
    let without =
        |name: &'static str| move |headers: &mut Headers| headers.retain(|header| header.0 != name);

    let longer = [PNG, b"x"].concat();
    let mut other = PNG.to_vec();
    other[20] ^= 1;
    refused("a longer one", "PUT", url, &as_told, &longer);
    refused("a shorter one", "PUT", url, &as_told, &PNG[1..]);
    refused("an empty one", "PUT", url, &as_told, b"");
    refused("another content", "PUT", url, &as_told, &other);
    refused("another type", "PUT", url, &set("content-type", "text/html"), PNG);
    refused("without a type", "PUT", url, &without("content-type"), PNG);
    refused(
        "another hash",
        "PUT",
        url,
        &set("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        PNG,
    );
    refused("without a hash", "PUT", url, &without("x-amz-checksum-sha256"), &other);
    refused("without the condition", "PUT", url, &without("if-none-match"), PNG);
    refused("another method", "POST", url, &as_told, PNG);
    refused("deleting", "DELETE", url, &as_told, b"");

    let parameter = |name: &str| {
        url.split(['?', '&']).find(|part| part.starts_with(&format!("{name}="))).unwrap().to_owned()
    };
    let tampered =
        |name: &str, value: &str| url.replace(&parameter(name), &format!("{name}={value}"));
    refused("another file", "PUT", &url.replace(waiting.file_id(), UNKNOWN), &as_told, PNG);
    refused("a longer lifetime", "PUT", &tampered("X-Amz-Expires", "86400"), &as_told, PNG);
    refused("expired", "PUT", &tampered("X-Amz-Date", "20200101T000000Z"), &as_told, PNG);
    refused(
        "another signature",
        "PUT",
        &tampered("X-Amz-Signature", &"0".repeat(64)),
        &as_told,
        PNG,
    );
    refused("no signature", "PUT", url.split('?').next().unwrap(), &as_told, PNG);
    refused("fewer signed headers", "PUT", &tampered("X-Amz-SignedHeaders", "host"), &as_told, PNG);

    // After all these attempts the real upload is accepted once.
    assert_eq!(waiting.read()["status"], "pending");
    assert_eq!(upload(waiting.file(), PNG), 200);
    assert_eq!(waiting.settled()["status"], "available");
    assert_eq!(upload(waiting.file(), PNG), 412, "write once");
    assert_eq!(waiting.versions(), 1);
}

#[test]
fn a_url_that_has_expired_is_refused() {
    let key = "files/01936f2a-0000-7000-8000-00000000eeee";
    let url = |at: Timestamp| presigned_put(key, at);
    let now = Timestamp::now();
    let old = transfer("PUT", &url(now - SignedDuration::from_secs(61)), &[], Some(PNG));
    assert_eq!(old.status, 403, "{}", String::from_utf8_lossy(&old.bytes));
    assert_eq!(aws::object_versions(key).len(), 0);
    // The same URL signed at another time works: the refusal was due to its age.
    assert_eq!(transfer("PUT", &url(Timestamp::now()), &[], Some(PNG)).status, 200);
    eventually("an object without a file is deleted", || {
        aws::object_versions(key).is_empty().then_some(())
    });
}

#[test]
fn files_with_other_content_than_declared_are_rejected_and_deleted() {
    // A script of the length that was declared for the picture.
    let script = format!("{:<width$}", "<script>1</script>", width = PNG.len());
    let looked = Waiting::new(new_file("scan.png", "image/png", PNG));
    assert_eq!(upload(looked.file(), script.as_bytes()), 200, "type and length are right");
    let read = looked.settled();
    assert_eq!((&read["status"], &read["file"]), (&json!("rejected"), &Value::Null));
    assert_eq!(read["rejection"]["code"], "content_mismatch");
    eventually("the rejected object is deleted", || (looked.versions() == 0).then_some(()));
    assert_eq!(looked.read()["status"], "rejected");
    assert_eq!(
        looked.doctor.read_doctor_record(looked.id()).ok(200)["files"][0]["file"],
        Value::Null
    );

    let unseen = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    assert_eq!(upload(unseen.file(), &[b"%PDX", &PDF[4..]].concat()), 200);
    eventually("the inspector has rejected the object", || {
        (unseen.stored_status() == "rejected").then_some(())
    });
    eventually("the inspector has deleted the object", || (unseen.versions() == 0).then_some(()));
    assert_eq!(unseen.read()["status"], "rejected");
}

#[test]
fn each_type_is_taken_and_recognised() {
    let dicom = [&[0; 128][..], b"DICM"].concat();
    let (doc, docx) = (compound("WordDocument"), office("word/document.xml"));
    let (xls, xlsx) = (compound("Workbook"), office("xl/workbook.xml"));
    let types: [(&str, &[u8]); 17] = [
        ("application/pdf", PDF),
        ("image/png", PNG),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
        ("image/gif", b"GIF89a\x01\0\x01\0"),
        ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
        ("image/tiff", b"II*\0\x08\0\0\0"),
        ("image/heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("image/heif", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"),
        ("image/avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"),
        ("application/dicom", &dicom),
        ("text/plain", "plain t\u{e9}xt zq7marker".as_bytes()),
        ("text/csv", b"a,b\n1,2\n"),
        ("application/json", b"{\"resourceType\": \"Bundle\"}"),
        ("application/msword", &doc),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &docx),
        ("application/vnd.ms-excel", &xls),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &xlsx),
    ];
    let accepted: Vec<&str> = ContentType::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(types.map(|(content_type, _)| content_type), accepted[..], "these are all");
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files: Vec<Value> = types
        .iter()
        .map(|(content_type, content)| new_file("file", content_type, content))
        .collect();
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    for (file, (content_type, content)) in
        record["files"].as_array().unwrap().iter().rev().zip(types)
    {
        assert_eq!(upload(file, content), 200, "{content_type}");
    }
    // A reader looks at new files for a moment only.
    eventually("all files are available", || {
        let read = patient.read_patient_record(record.text("id")).ok(200);
        let files = read["files"].as_array().unwrap();
        files.iter().all(|file| file["status"] == "available").then_some(())
    });
    for content_type in ["text/html", "image/svg+xml", "application/octet-stream", ""] {
        let body = json!({"doctor": doctor.id, "files": [new_file("file", content_type, PDF)]});
        patient.create_record(body).refused("files[0].content_type", "invalid_choice");
    }
}

#[test]
fn a_long_text_is_read_to_its_end() {
    let text = "Alle Werte sind normal.\n".repeat(200_000).into_bytes();
    let program = [&text[..], b"\0"].concat();
    for (content, status) in [(text, "available"), (program, "rejected")] {
        let waiting = Waiting::new(new_file("values.txt", "text/plain", &content));
        assert_eq!(upload(waiting.file(), &content), 200);
        eventually("the inspector has read the text", || {
            (waiting.stored_status() == status).then_some(())
        });
    }
}

#[test]
fn a_file_is_saved_with_an_extension_of_its_type() {
    let content = b"@echo off";
    let waiting = Waiting::new(new_file("run.bat", "text/plain", content));
    assert_eq!(upload(waiting.file(), content), 200);
    let file = waiting.settled();
    assert_eq!(file["name"], "run.bat");
    assert_eq!(
        download(&waiting.patient, &file).header("content-disposition"),
        "attachment; filename=\"run.bat.txt\"; filename*=UTF-8''run.bat.txt"
    );
}

#[test]
fn sizes_have_limits_and_empty_files_are_refused() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let declare = |size: Value| {
        let file = json!({"name": "a.pdf", "content_type": "application/pdf", "size_bytes": size});
        patient.create_record(json!({"doctor": doctor.id, "files": [file]}))
    };
    for (size, code) in [
        (json!(0), "empty_file"),
        (json!(26_214_401), "too_large"),
        (json!(u64::MAX), "too_large"),
        (json!(-1), "invalid"),
        (json!(1.5), "invalid"),
        (json!("15"), "invalid"),
        (json!(true), "invalid"),
        (json!(null), "null"),
    ] {
        declare(size).refused("files[0].size_bytes", code);
    }
    declare(json!(26_214_400)).ok(201);
}

#[test]
fn names_lose_their_path_and_keep_the_rest() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let named = |name: &str| {
        patient.create_record(
            json!({"doctor": doctor.id, "files": [new_file(name, "application/pdf", PDF)]}),
        )
    };
    for (name, kept) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\knee.pdf", "knee.pdf"),
        (" a.pdf ", "a.pdf"),
        ("/tmp/", "tmp"),
    ] {
        assert_eq!(named(name).ok(201)["files"][0]["name"], kept);
    }
    for (name, code) in [
        ("", "blank"),
        ("/", "blank"),
        (".", "invalid"),
        ("..", "invalid"),
        ("a\r\nb.pdf", "invalid"),
        (&"x".repeat(256), "too_long"),
    ] {
        named(name).refused("files[0].name", code);
    }
    // Characters that could end the header are escaped, and the real name is preserved.
    let record = named("Befund \"M\u{fc}ller\"; 100%.pdf").ok(201);
    assert_eq!(upload(&record["files"][0], PDF), 200);
    let file = eventually("the file is available", || {
        let read = patient.read_patient_record(record.text("id")).ok(200);
        let file = &read["files"][0];
        (file["status"] == "available").then(|| file.clone())
    });
    let download = download(&patient, &file);
    assert_eq!(
        download.header("content-disposition"),
        "attachment; filename=\"Befund _M_ller__ 100_.pdf\"; \
         filename*=UTF-8''Befund%20%22M%C3%BCller%22%3B%20100%25.pdf"
    );
}

#[test]
fn objects_are_private_and_download_urls_work_for_a_minute() {
    let waiting = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    assert_eq!(upload(waiting.file(), PDF), 200);
    waiting.settled();
    let given = waiting.patient.download_file(waiting.file_id()).ok(200);
    let url = given.text("url");
    assert!(url.contains("X-Amz-Expires=60&"), "{url}");
    assert!(!url.contains(&waiting.patient.id), "nothing in a URL says whose it is");
    let status = |url: &str| transfer("GET", url, &[], None).status;
    assert_eq!(status(url), 200);
    assert_eq!(status(&url.replace("X-Amz-Expires=60&", "X-Amz-Expires=3000&")), 403);
    assert_eq!(status(&url.replace("attachment", "inline")), 403, "it cannot be shown inline");
    assert_eq!(
        status(&url.replace("response-content-type=application", "response-content-type=text")),
        403
    );
    assert_eq!(status(url.split('?').next().unwrap()), 403, "without a signature");
    let stack = Stack::get();
    assert_eq!(
        status(&format!("{}/{}?list-type=2", stack.endpoint_url, stack.bucket)),
        403,
        "nobody lists the bucket"
    );
    assert_eq!(transfer("PUT", url, &[("content-type", "application/pdf")], Some(PDF)).status, 403);
    assert_eq!(transfer("DELETE", url, &[], None).status, 403);
}

/// Covers `test_delete_file` of the Django service.
#[test]
fn a_deleted_file_is_gone_with_its_object() {
    let waiting = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    let Waiting { patient, doctor, .. } = &waiting;
    assert_eq!(upload(waiting.file(), PDF), 200);
    waiting.settled();
    let url = patient.download_file(waiting.file_id()).ok(200).text("url").to_owned();
    assert_eq!(waiting.versions(), 1);

    let deleted = patient.delete_file(waiting.file_id()).ok(204);
    assert!(deleted.bytes.is_empty());
    let read = patient.read_patient_record(waiting.id()).ok(200);
    assert_eq!((&read["files"], read.header("etag")), (&json!([]), "\"2\"".to_owned()));
    assert!(moment(&read["updated_at"]) > moment(&waiting.record["updated_at"]));
    assert_eq!(doctor.read_doctor_record(waiting.id()).ok(200)["files"], json!([]));
    assert_eq!(
        doctor.list_notifications("").ok(200)["results"][0]["notification_type"],
        "record_updated"
    );
    // All versions are deleted, so that nothing can be restored.
    eventually("the object is deleted with all its versions", || {
        (waiting.versions() == 0).then_some(())
    });
    assert_eq!(transfer("GET", &url, &[], None).status, 404);
    patient.delete_file(waiting.file_id()).ok(404);
    let told = doctor.list_notifications("").ok(200).results().len();
    assert_eq!(told, 2, "who deletes what is gone tells nobody");
}

/// Covers `test_cannot_delete_other_patient_file` of the Django service.
#[test]
fn only_the_owner_deletes_a_file() {
    let waiting = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    let other = Patient::new();
    for id in [waiting.file_id(), waiting.id(), UNKNOWN, "not-an-id"] {
        assert_eq!(other.delete_file(id).ok(404)["detail"], "Not found.");
    }
    let path = format!("/api/records/files/{}/", waiting.file_id());
    waiting.doctor.request("DELETE", &path).send().ok(403);
    waiting.patient.request("GET", &path).send().ok(405);
    assert_eq!(waiting.read()["status"], "pending");
}

#[test]
fn a_file_is_deleted_from_the_version_that_is_meant() {
    let waiting = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    let path = format!("/api/records/files/{}/", waiting.file_id());
    waiting
        .patient
        .request("DELETE", &path)
        .header("if-match", "\"7\"")
        .send()
        .problem(412, "precondition_failed");
    waiting.patient.request("DELETE", &path).header("if-match", "\"1\"").send().ok(204);
}

#[test]
fn uploads_after_the_deletion_are_removed() {
    let waiting = Waiting::new(new_file("report.pdf", "application/pdf", PDF));
    waiting.patient.delete_file(waiting.file_id()).ok(204);
    assert_eq!(upload(waiting.file(), PDF), 200, "the URL is still valid");
    eventually("the object without a file is deleted", || (waiting.versions() == 0).then_some(()));
    assert_eq!(waiting.patient.read_patient_record(waiting.id()).ok(200)["files"], json!([]));
}

#[test]
fn uploads_work_with_the_response_that_was_given_again() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "files": [new_file("a.pdf", "application/pdf", PDF)]});
    let key = format!("\"{}\"", unique());
    let create = || {
        let request = patient.request("POST", "/api/records/patient/");
        request.header("idempotency-key", &key).json(&body).send().ok(201)
    };
    let (first, again) = (create(), create());
    assert_eq!(again.header("idempotent-replayed"), "true");
    // The uploads are signed anew.
    let but_for_the_uploads = |response: &Response| {
        let mut body = response.body.clone();
        body["files"][0]["upload"].take();
        body
    };
    assert_eq!(but_for_the_uploads(&again), but_for_the_uploads(&first));
    assert_eq!(upload(&again["files"][0], PDF), 200);
    eventually("the file is available", || {
        let read = patient.read_patient_record(again.text("id")).ok(200);
        (read["files"][0]["status"] == "available").then_some(())
    });
}

#[test]
fn a_file_is_uploaded_by_its_new_url() {
    let waiting = Waiting::new(new_file("a.pdf", "application/pdf", PDF));
    let renewed = waiting.patient.renew_upload(waiting.file_id()).ok(200);
    assert_eq!(upload(&renewed.body, PDF), 200);
    eventually("the file is available", || (waiting.stored_status() == "available").then_some(()));
    waiting.patient.renew_upload(waiting.file_id()).problem(409, "file_not_pending");
}
