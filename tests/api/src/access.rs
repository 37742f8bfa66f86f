//! Tests of permissions: every operation, called by everyone who may not call it.

use serde_json::{Value, json};

use crate::harness::world::Callers::{Admins, Anyone, Doctors, Patients, Readers, SignedIn};
use crate::harness::world::{Callers, World, caller, operations};
use crate::harness::{Anonymous, Client, Doctor, Patient, Request, Response, User};

/// Returns the path with another value for the object's id.
fn at(path: &str, id: &str) -> String {
    match path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        Some((before, after)) => format!("{before}{id}{after}"),
        None => path.to_owned(),
    }
}

fn for_audiences(audiences: &[Callers]) -> impl Iterator<Item = (&'static str, &'static str)> {
    operations()
        .filter(move |(_, _, audience)| audiences.contains(audience))
        .map(|(method, path, _)| (method, path))
}

/// Checks that the request is refused with this status and code; a response to HEAD has no body
/// with a code.
#[track_caller]
fn refused(response: Response, status: u16, code: &str) -> Response {
    if response.bytes.is_empty() { response.ok(status) } else { response.problem(status, code) }
}

// TestPatientHealthRecordListCreateView: test_unauthenticated_access; TestNotificationListView:
// test_unauthenticated_access
#[test]
fn every_protected_operation_rejects_anonymous_callers() {
    let world = World::get();
    let before = world.state();
    for (method, path) in for_audiences(&[SignedIn, Readers, Patients, Doctors, Admins]) {
        refused(world.call(&Anonymous, method, path), 401, "not_authenticated");
        refused(world.call(&Client::with_token("x"), method, path), 401, "token_not_valid");
        let malformed = Request::new(method, &path.replace(['{', '}'], ""))
            .header("content-type", "text/plain")
            .body("{");
        if method != "HEAD" {
            malformed.send().problem(401, "not_authenticated");
        }
    }
    assert_eq!(world.state(), before);
}

// TestDoctorHealthRecordListView: test_patient_cannot_access
#[test]
fn the_wrong_role_is_forbidden_whatever_the_object() {
    let world = World::get();
    let before = world.state();
    let callers: [(&Client, Callers); 9] = [
        (&world.doctor, Patients),
        (&User::new("doctor"), Patients),
        (&world.admin, Readers),
        (&world.admin, Patients),
        (&world.patient, Doctors),
        (&User::new("patient"), Doctors),
        (&world.admin, Doctors),
        (&world.patient, Admins),
        (&world.doctor, Admins),
    ];
    for (caller, audience) in callers {
        for (method, path) in for_audiences(&[audience]) {
            world.call(caller, method, path).problem(403, "wrong_role");
            let unknown = at(path, "unknown");
            caller
                .request(method, &unknown)
                .header("content-type", "text/plain")
                .body("{")
                .send()
                .problem(403, "wrong_role");
        }
    }
    assert_eq!(world.state(), before);
}

/// Returns the problem without what differs between two requests.
fn without_request_details(response: Response) -> Value {
    let mut body = response.body;
    for field in ["instance", "request_id"] {
        body[field].take();
    }
    body
}

// TestPatientHealthRecordRetrieveUpdateView: test_cannot_update_other_patient_record;
// TestHealthRecordFileDeleteView: test_cannot_delete_other_patient_file;
// TestDoctorHealthRecordDetailView: test_cannot_view_unassigned_record;
// TestDoctorAnnotationUpdateView: test_cannot_update_other_doctor_annotation;
// TestDoctorAnnotationCreateView: test_cannot_annotate_unassigned_record;
// TestNotificationDetailView: test_cannot_retrieve_other_user_notification,
// test_retrieve_nonexistent_notification
#[test]
fn objects_of_others_look_like_objects_that_do_not_exist() {
    let world = World::get();
    let before = world.state();
    let (other_patient, other_doctor) = (Patient::new(), Doctor::new());
    let callers: [(&Client, Callers); 8] = [
        (&other_patient, Patients),
        (&other_doctor, Doctors),
        (&world.former_doctor, Doctors),
        (&other_patient, Readers),
        (&other_doctor, Readers),
        (&world.former_doctor, Readers),
        (&other_patient, SignedIn),
        (&world.doctor, SignedIn),
    ];
    for (caller, audience) in callers {
        for (method, path) in for_audiences(&[audience]).filter(|(_, path)| path.contains('{')) {
            let unknown = at(path, &uuid::Uuid::now_v7().to_string());
            let somebody_elses = refused(world.call(caller, method, path), 404, "not_found");
            assert_eq!(
                without_request_details(somebody_elses),
                without_request_details(world.call_at(caller, method, path, &unknown).ok(404)),
                "{method} {path}"
            );
        }
    }
    for doctor in [&other_doctor, &world.former_doctor] {
        let annotate =
            |record: &str| doctor.create_annotation(json!({"record": record, "note": "hijacked"}));
        let somebody_elses = annotate(&world.record).refused("record", "not_assigned");
        assert_eq!(
            without_request_details(somebody_elses),
            without_request_details(annotate(&uuid::Uuid::now_v7().to_string()).ok(400))
        );
    }
    // The author of the note while assigned: authorship alone and assignment alone are not enough.
    world
        .former_doctor
        .update_annotation(&world.former_annotation, json!({"note": "hijacked"}))
        .problem(404, "not_found");
    world
        .doctor
        .update_annotation(&world.former_annotation, json!({"note": "hijacked"}))
        .problem(404, "not_found");
    world
        .doctor
        .replace_annotation(&world.former_annotation, json!({"note": "hijacked"}))
        .problem(404, "not_found");
    assert_eq!(world.state(), before);
    assert_eq!(other_patient.list_patient_records("").ok(200).results().len(), 0);
    assert_eq!(world.former_doctor.list_doctor_records("").ok(200).results().len(), 0);
}

#[test]
fn malformed_ids_are_not_found() {
    let world = World::get();
    let long = "x".repeat(2000);
    let ids = [
        "1",
        "x",
        "-",
        "%00",
        "%20",
        "%FF",
        "a%2Fb",
        "a%3Fb",
        "a%23b",
        "a%5Cb",
        "00000000-0000-0000-0000-000000000000",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        &world.record.to_uppercase(),
        &world.record.replace('-', ""),
        &format!("%7B{}%7D", world.record),
        &long,
    ];
    for (method, path, audience) in operations().filter(|(_, path, _)| path.contains('{')) {
        for id in ids {
            refused(world.call_at(caller(audience), method, path, &at(path, id)), 404, "not_found");
        }
    }
}

#[test]
fn ids_in_bodies_are_checked_like_all_fields() {
    let world = World::get();
    for (value, code) in [
        (json!("1"), "invalid"),
        (json!(""), "invalid"),
        (json!(world.record.replace('-', "")), "invalid"),
        (json!("a\0b"), "invalid"),
        (json!(7), "invalid"),
        (json!(null), "null"),
    ] {
        world
            .doctor
            .create_annotation(json!({"record": value, "note": "x"}))
            .refused("record", code);
        world.patient.create_record(json!({"doctor": value})).refused("doctor", code);
        world
            .patient
            .update_record(&world.record, json!({"doctor": value}))
            .refused("doctor", code);
        world
            .patient
            .replace_record(&world.record, json!({"doctor": value}))
            .refused("doctor", code);
    }
}

#[test]
fn malformed_bodies_change_nothing() {
    let world = World::get();
    let before = world.state();
    let doctor_before = world.doctor.me().ok(200).body;
    for (method, path, audience) in operations() {
        // Operations for everyone accept a body, too; the table of bodies is about changes.
        let public = audience == Anyone && method == "POST";
        if world.body(method, path).is_none() && !public || path.ends_with("profile-create/") {
            continue;
        }
        let caller = if audience == SignedIn { &world.doctor } else { caller(audience) };
        let send = |content_type: &str, body: &[u8]| {
            caller
                .request(method, &world.path(path))
                .header("content-type", content_type)
                .body(body)
                .send()
        };
        for body in [
            "{",
            "{} {}",
            "{'a': 1}",
            "{\"note\": \"\\ud800\"}",
            "{\"a\": NaN}",
            "{\"a\": 1, \"a\": 1}",
            "{\"a\": \"\u{fffd}\"}",
            &"[".repeat(10_000),
        ] {
            send("application/json", body.as_bytes()).problem(400, "malformed_json");
        }
        for body in ["[]", "null", "\"x\"", "1", "true"] {
            send("application/json", body.as_bytes()).problem(400, "not_an_object");
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
        ] {
            send(content_type, b"{}").problem(415, "unsupported_media_type");
        }
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(128 * 1024));
        send("application/json", long.as_bytes()).problem(413, "payload_too_large");
    }
    assert_eq!(world.state(), before);
    assert_eq!(world.doctor.me().ok(200).body, doctor_before);
}

#[test]
fn the_deactivated_and_the_signed_out_can_do_nothing() {
    let world = World::get();
    let before = world.state();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let record = record.text("id");
    let annotation = doctor.annotate(record);
    let inbox = patient.list_notifications("").ok(200);
    let own = |path: &str| {
        let path = path.replace("{record}", record).replace("{annotation}", annotation.text("id"));
        let path = path.replace("{notification}", inbox.ids("id")[0]);
        if path.contains('{') { at(&path, &uuid::Uuid::now_v7().to_string()) } else { path }
    };
    let signed_out: [(Client, Callers); 2] =
        [(patient.sign_in(), Patients), (doctor.sign_in(), Doctors)];
    signed_out.iter().for_each(|(client, _)| drop(client.logout().ok(204)));
    patient.deactivate();
    doctor.deactivate();
    let deactivated: [(&Client, Callers); 2] = [(&patient, Patients), (&doctor, Doctors)];
    for (caller, audience) in deactivated
        .into_iter()
        .chain(signed_out.iter().map(|(client, audience)| (client, *audience)))
    {
        // Also operations of another role: the ended session is reported first.
        for (method, path) in for_audiences(&[SignedIn, Readers, Patients, Doctors, Admins]) {
            let response = world.call_at(caller, method, path, &own(path));
            assert_eq!(response.status, 401, "{audience:?} {response}");
        }
    }
    assert_eq!(world.state(), before);
}
