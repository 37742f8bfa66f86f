//! The decisions at the edges in `shared/docs/api.md`: races, pages by size, repeated requests,
//! changes that change nothing, ids and addresses in several spellings.

use std::sync::{Barrier, Mutex};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    Admin, Anonymous, Client, Doctor, FaultProxy, FunctionSettings, IsolatedSystem, MARKER,
    PASSWORD, Patient, ProxyFault, Request, Response, path_of, unique,
};

/// Runs two requests at the same time.
fn at_once<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            barrier.wait();
            one()
        });
        barrier.wait();
        let other = other();
        (one.join().unwrap(), other)
    })
}

/// Returns the length of a response as it leaves a function: a string within JSON.
fn leaving(response: &Response) -> usize {
    serde_json::to_string(std::str::from_utf8(&response.bytes).unwrap()).unwrap().len()
}

/// Returns the ids of a whole list; no page is larger than Lambda's limit or empty.
fn walk(client: &Client, path: &str) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut path) = (Vec::new(), 0, path.to_owned());
    loop {
        let page = client.get(&path).ok(200);
        assert!(leaving(&page) <= 5_500_000, "{}", leaving(&page));
        assert!(!page.results().is_empty(), "an empty page");
        all.extend(page.ids("id").into_iter().map(str::to_owned));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => path = path_of(next).to_owned(),
            None => return (all, pages),
        }
    }
}

#[test]
fn of_a_change_and_a_deletion_that_name_one_version_one_succeeds() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let file = json!({"name": "a.txt", "content_type": "text/plain", "size_bytes": 1});
    for round in 0..20 {
        let record = patient.create_record(json!({"doctor": doctor.id, "files": [file]})).ok(201);
        let path = format!("/api/records/patient/{}/", record.text("id"));
        let file = format!("/api/records/files/{}/", record["files"][0]["id"].as_str().unwrap());
        let with_tag = |method: &str, path: &str| {
            patient.request(method, path).header("if-match", &record.header("etag"))
        };
        let (changed, deleted) = at_once(
            || with_tag("PATCH", &path).json(&json!({"description": "changed"})).send(),
            || with_tag("DELETE", &file).send(),
        );
        let statuses = (changed.status, deleted.status);
        assert!([(200, 412), (412, 204)].contains(&statuses), "{round}: {statuses:?}");
        let read = patient.get(&path).ok(200);
        assert_eq!(read.header("etag"), "\"2\"");
        assert_eq!(read["files"].as_array().unwrap().is_empty(), deleted.status == 204);
    }
}

#[test]
fn a_stated_doctor_is_not_dropped_in_a_lost_race() {
    let (patient, jane, bob) = (Patient::new(), Doctor::new(), Doctor::new());
    for _ in 0..20 {
        let record = patient.create_record(json!({"doctor": jane.id})).ok(201);
        let id = record.text("id");
        let (moved, replaced) = at_once(
            || patient.update_record(id, json!({"doctor": bob.id})),
            || patient.replace_record(id, json!({"doctor": jane.id, "description": "replaced"})),
        );
        assert_eq!((moved.status, replaced.status), (200, 200));
        assert_eq!(moved["doctor"]["pk"], bob.id);
        assert_eq!(replaced["doctor"]["pk"], jane.id);
        let read = patient.read_patient_record(id).ok(200);
        let (doctor, other) =
            if read["doctor"]["pk"] == jane.id { (&jane, &bob) } else { (&bob, &jane) };
        doctor.read_doctor_record(id).ok(200);
        other.read_doctor_record(id).ok(404);
    }
}

#[test]
fn a_stated_doctor_is_checked_again_after_a_lost_race() {
    let (patient, jane) = (Patient::new(), Doctor::new());
    for is_assigned_meanwhile in [false, true] {
        let bob = Doctor::new();
        let record = patient.create_record(json!({"doctor": jane.id})).ok(201);
        let id = record.text("id").to_owned();
        let meanwhile = {
            let (patient, bob, id) = (patient.clone(), bob.clone(), id.clone());
            move || {
                let change = if is_assigned_meanwhile {
                    json!({"doctor": bob.id})
                } else {
                    json!({"description": "changed"})
                };
                patient.update_record(&id, change).ok(200);
                bob.deactivate();
            }
        };
        // The first time that the request writes, it has read the record and the doctor. If the
        // client of the table tries again meanwhile, that waits, too.
        let (is_first, written) = (Mutex::new(true), id.clone());
        let detour = FaultProxy::new(move |operation, body| {
            if operation.ends_with(".TransactWriteItems") && body.contains(&written) {
                let mut is_first = is_first.lock().unwrap();
                if std::mem::take(&mut *is_first) {
                    meanwhile();
                }
            }
            ProxyFault::Passed
        });
        let records = FunctionSettings::of("records").with("AWS_ENDPOINT_URL", &detour.url).start();
        let path = format!("/api/records/patient/{id}/");
        let moved = records.send(&patient, "PATCH", &path, &json!({"doctor": bob.id}));
        let read = patient.read_patient_record(&id).ok(200);
        assert_eq!(read.header("etag"), "\"2\"", "the other change alone");
        if is_assigned_meanwhile {
            assert_eq!(moved.ok(200)["doctor"]["pk"], bob.id, "the record has this doctor");
        } else {
            moved.refused("doctor", "not_assignable");
            assert_eq!(read["doctor"]["pk"], jane.id);
        }
    }
}

#[test]
fn a_change_that_changes_nothing_does_nothing() {
    let (patient, doctor, admin) = (Patient::new(), Doctor::new(), Admin::new());
    let record = patient.record_for(&doctor);
    let note = doctor.annotate(record.text("id"));
    let profile = "/api/accounts/profile-update/".to_owned();
    let state = || {
        let events = [&patient.id, &doctor.id].map(|id| {
            let page = admin.list_events(&format!("subject={id}&limit=100")).ok(200);
            let is_change =
                |event: &&Value| event["action"].as_str().unwrap().starts_with("update");
            page.results().iter().filter(is_change).count()
        });
        let told = [&patient.id, &doctor.id].map(|id| {
            let inbox = if *id == patient.id { &**patient } else { &**doctor };
            inbox.list_notifications("").ok(200).results().len()
        });
        let versions = [
            patient.me().ok(200).header("etag"),
            doctor.me().ok(200).header("etag"),
            patient.read_patient_record(record.text("id")).ok(200).header("etag"),
        ];
        (events, told, versions)
    };
    let before = state();
    let profile_of = |client: &Client| client.me().ok(200)["profile"].clone();
    let same_profile = json!({"gender": profile_of(&patient)["gender"]});
    let path = format!("/api/records/patient/{}/", record.text("id"));
    let same_record = json!({"doctor": doctor.id, "record_type": record["record_type"],
        "description": record["description"]});
    let annotation = format!("/api/records/doctor/annotations/{}/", note.text("id"));
    let changes: [(&str, &Client, String, Value); 12] = [
        ("PATCH", &patient, profile.clone(), json!({})),
        ("PATCH", &patient, profile.clone(), same_profile),
        ("PUT", &patient, profile.clone(), profile_of(&patient)),
        ("PATCH", &doctor, profile.clone(), json!({})),
        ("PUT", &doctor, profile, profile_of(&doctor)),
        ("PATCH", &patient, path.clone(), json!({})),
        ("PATCH", &patient, path.clone(), json!({"files": []})),
        ("PUT", &patient, path, same_record),
        ("PATCH", &doctor, annotation.clone(), json!({})),
        ("PUT", &doctor, annotation, json!({"note": note["note"]})),
        ("PATCH", &admin, format!("/api/admin/users/{}/", patient.id), json!({})),
        ("PATCH", &admin, format!("/api/admin/users/{}/", doctor.id), json!({"is_active": true})),
    ];
    for (method, client, path, body) in changes {
        let send = || client.request(method, &path).json(&body).send().ok(200);
        let tag = send().header("etag");
        assert_eq!(send().header("etag"), tag, "{method} {path}");
    }
    assert_eq!(state(), before);
}

#[test]
fn if_match_says_why_a_tag_can_never_match() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let path = format!("/api/records/patient/{}/", record.text("id"));
    let detail = |tag: &str| {
        let request = patient.request("PATCH", &path).header("if-match", tag);
        let refused = request.json(&json!({})).send().problem(412, "precondition_failed");
        refused.text("detail").to_owned()
    };
    assert!(detail("W/\"1\"").contains("strong"));
    assert!(detail("1").contains("in double quotes"));
    assert!(detail("\"7\"").contains("has changed since"));
}

/// Sets the notes of a record to notes of 5,000 characters.
fn annotated(patient: &Patient, doctor: &Doctor, notes: usize, note: &str) -> String {
    let record = patient.record_for(doctor).text("id").to_owned();
    for _ in 0..notes {
        doctor.create_annotation(json!({"record": record, "note": note})).ok(201);
    }
    record
}

#[test]
fn a_page_of_notifications_is_closed_by_its_size() {
    let _own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    annotated(&patient, &doctor, 60, &"\u{e9}".repeat(5_000));
    let (ids, pages) = walk(&patient, "/api/notifications/?limit=60");
    assert_eq!(ids.len(), 60, "nothing is skipped");
    assert!(pages > 5, "{pages}: each notification has a record of 600 kB");
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), 60, "and nothing is there twice");
    let unread = walk(&patient, "/api/notifications/?limit=60&is_read=false").0;
    assert_eq!(unread, ids);
}

#[test]
fn pages_of_records_are_closed_by_their_size() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    // Twice as long in JSON, and four times in the event that contains it.
    let record = annotated(&patient, &doctor, 4, &"\"".repeat(5_000));
    let read = patient.read_patient_record(&record).ok(200);
    let notes: Vec<&str> = read["annotations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note["id"].as_str().unwrap())
        .collect();
    let copies: Vec<Vec<(String, String)>> = (0..99)
        .map(|_| {
            let ids = notes.iter().copied().chain([record.as_str()]);
            ids.map(|id| (id.to_owned(), Uuid::now_v7().to_string())).collect()
        })
        .collect();
    own.multiply(&format!("PATIENT#{}", patient.id), "RECORD#", 99, |copy| copies[copy].clone());
    own.multiply(&format!("DOCTOR#{}", doctor.id), "RECORD#", 99, |copy| copies[copy].clone());
    let (ids, pages) = walk(&patient, "/api/records/patient/?limit=100");
    assert_eq!((ids.len(), pages), (100, 2));
    let (listed, pages) = walk(&doctor, "/api/records/doctor/?limit=100");
    assert_eq!((&listed, pages), (&ids, 2));
}

#[test]
fn a_filtered_list_does_not_end_in_an_empty_page() {
    let _own = IsolatedSystem::start();
    let (patient, doctor, other) = (Patient::new(), Doctor::new(), Doctor::new());
    let new = |kind: &str, doctor: &Doctor| {
        patient.create_record(json!({"doctor": doctor.id, "record_type": kind})).ok(201);
    };
    for _ in 0..3 {
        new("general", &doctor);
    }
    for kind in ["imaging", "general", "imaging"] {
        new(kind, &other);
    }
    let count = |client: &Client, path: &str| walk(client, path).0.len();
    for limit in 1..=3 {
        let records = format!("/api/records/patient/?limit={limit}");
        assert_eq!(count(&patient, &format!("{records}&record_type=imaging")), 2);
        assert_eq!(count(&patient, &format!("{records}&doctor={}", other.id)), 3);
        assert_eq!(count(&patient, &format!("{records}&record_type=general")), 4);
        let listed = format!("/api/records/doctor/?limit={limit}&record_type=imaging");
        assert_eq!(count(&other, &listed), 2);
    }
    // The newest notification is read, the two others are not.
    let told = doctor.list_notifications("").ok(200);
    doctor.read_notification(told.ids("id")[0]).ok(200);
    for (is_read, expected) in [("true", 1), ("True", 1), ("1", 1), ("false", 2), ("0", 2)] {
        let path = format!("/api/notifications/?limit=1&is_read={is_read}");
        assert_eq!(count(&doctor, &path), expected, "{is_read}");
    }
    // Admins are the newest or among many others.
    let admin = Admin::new();
    for _ in 0..20 {
        Patient::new();
    }
    for query in ["role=admin", "role=admin&search=j", "role=doctor", "is_active=True&role=doctor"]
    {
        let (mut found, mut path) = (0, format!("/api/admin/users/?{query}&limit=1"));
        loop {
            let page = admin.get(&path).ok(200);
            assert!(found == 0 || !page.results().is_empty(), "{query}: an empty page");
            found += page.results().len();
            let Some(next) = page["next"].as_str() else { break };
            path = path_of(next).to_owned();
        }
    }
}

#[test]
fn a_repeated_creation_signs_its_uploads_anew() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let file = |name: &str| json!({"name": name, "content_type": "text/plain", "size_bytes": 3});
    let body = json!({"doctor": doctor.id, "files": [file("a.txt"), file("b.txt")]});
    let send = || {
        let request = patient.request("POST", "/api/records/patient/");
        request.header("idempotency-key", "\"upload\"").json(&body).send().ok(201)
    };
    let first = send();
    let gone = first["files"][1]["id"].as_str().unwrap();
    patient.delete_file(gone).ok(204);
    let second = send();
    assert_eq!(second.header("idempotent-replayed"), "true");
    let upload = |response: &Response, index: usize| response["files"][index]["upload"].clone();
    let time = |upload: &Value| -> jiff::Timestamp {
        upload["expires_at"].as_str().unwrap().parse().unwrap()
    };
    assert!(time(&upload(&second, 0)) > time(&upload(&first, 0)));
    assert_eq!(upload(&second, 0)["headers"], upload(&first, 0)["headers"]);
    assert!(upload(&second, 0)["url"].as_str().unwrap().contains("X-Amz-Signature"));
    assert_eq!(upload(&second, 1), upload(&first, 1), "there is nothing to upload any more");
    // Everything else is the first response.
    let without = |response: &Response| {
        let mut body = response.body.clone();
        for file in body["files"].as_array_mut().unwrap() {
            file["upload"] = Value::Null;
        }
        (body, response.header("etag"), response.header("location"))
    };
    assert_eq!(without(&second), without(&first));
}

/// Sends a sign-in with a body as it is.
fn sign_in(body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Response {
    let request =
        Request::new("POST", "/api/accounts/login/").header("content-type", "application/json");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.body(body).send()
}

#[test]
fn bodies_are_taken_in_one_way_alone() {
    let user = Patient::new();
    let body = json!({"email": user.email, "password": PASSWORD}).to_string();
    sign_in(format!("\u{feff}{body}"), &[]).ok(200);
    sign_in(body.clone(), &[("content-encoding", "identity")]).ok(200);
    let refused = sign_in(body.clone(), &[("content-encoding", "gzip")]);
    assert_eq!(
        refused.problem(415, "unsupported_media_type").header("accept-encoding"),
        "identity"
    );
    let packed =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00";
    sign_in(packed.to_vec(), &[("content-encoding", "gzip")])
        .problem(415, "unsupported_media_type");
    let latin_1 = b"{\"email\": \"a@example.com\", \"password\": \"caf\xe9-caf\xe9\"}";
    for body in [latin_1.to_vec(), String::from_utf8_lossy(latin_1).into_owned().into_bytes()] {
        let refused = sign_in(body, &[]).problem(400, "malformed_json");
        assert!(refused.text("detail").contains("UTF-8"), "{refused}");
    }
    let twice = body.replacen('{', "{\"password\": \"other\", ", 1);
    let refused = sign_in(twice, &[]).problem(400, "malformed_json");
    assert!(refused.text("detail").contains("twice"), "{refused}");
    let doubled = Anonymous.request("GET", "/api/accounts/me/");
    let doubled = doubled.header("authorization", "Bearer Bearer x").send();
    let doubled = doubled.problem(401, "token_not_valid");
    assert!(doubled.text("detail").contains("Bearer twice"), "{doubled}");
}

#[test]
fn ids_may_be_in_upper_case_except_in_paths() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let upper = doctor.id.to_uppercase();
    assert_ne!(upper, doctor.id);
    let record = patient.create_record(json!({"doctor": upper})).ok(201);
    assert_eq!(record["doctor"]["pk"], doctor.id, "it is written in lower case");
    let id = record.text("id").to_uppercase();
    let note = doctor.annotate(&id);
    assert_eq!(note["record"], record["id"]);
    let moved = patient.update_record(record.text("id"), json!({"doctor": upper})).ok(200);
    assert_eq!(
        moved.header("etag"),
        "\"2\"",
        "only the note has changed it: it is the same doctor"
    );
    let listed = patient.list_patient_records(&format!("doctor={upper}")).ok(200);
    assert_eq!(listed.ids("id"), [record.text("id")]);
    patient.read_patient_record(&id).ok(404);
    for malformed in [doctor.id.replace('-', ""), format!("{{{}}}", doctor.id)] {
        patient.create_record(json!({"doctor": malformed})).refused("doctor", "invalid");
    }
}

#[test]
fn both_forms_of_a_domain_are_one_address() {
    for typed_first in [true, false] {
        let name = format!("{MARKER}.{}", unique());
        let (typed, ascii) =
            (format!("{name}@m\u{fc}nchen.example"), format!("{name}@xn--mnchen-3ya.example"));
        let (first, second) = if typed_first { (&typed, &ascii) } else { (&ascii, &typed) };
        let register = |email: &str| {
            let body = json!({"email": email, "password": PASSWORD, "role": "patient"});
            Anonymous.register(body)
        };
        let registered = register(first).ok(201);
        assert_eq!(registered.text("email"), ascii);
        register(second).refused("email", "taken");
        for email in [&typed, &ascii, &typed.to_uppercase()] {
            assert_eq!(Anonymous.login(email, PASSWORD).ok(200)["pk"], registered["pk"]);
        }
    }
}

#[test]
fn bounds_of_times_are_inclusive_below_and_exclusive_above() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let at = record.text("created_at");
    let count = |query: &str| patient.list_patient_records(query).ok(200).results().len();
    assert_eq!(count(&format!("created_after={at}")), 1, "{at}");
    assert_eq!(count(&format!("created_before={at}")), 0, "{at}");
    assert_eq!(count("created_before=9999-12-31"), 1);
    assert_eq!(count("created_after=9999-12-31"), 0);
    assert_eq!(count("created_after=9999-12-31T23:59:59Z"), 0);
    assert_eq!(count("created_after=&created_before="), 1);
    patient.list_patient_records("created_before=%FC").refused("created_before", "invalid");
}
