//! Tests of the header `Idempotency-Key`: a request that creates something can be sent again and is
//! carried out once.

use std::thread;

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{
    Admin, Anonymous, Client, Doctor, MARKER, PASSWORD, Patient, Request, Response, User, aws,
    new_email, unique,
};

/// Returns an unused key, quoted as in the draft of the standard.
fn new_key() -> String {
    format!("\"{}\"", Uuid::now_v7())
}

fn post(client: &Client, path: &str, key: &str, body: &Value) -> Response {
    prepared(client, path, key, body).send()
}

fn prepared(client: &Client, path: &str, key: &str, body: &Value) -> Request {
    client.request("POST", path).header("idempotency-key", key).json(body)
}

const RECORDS: &str = "/api/records/patient/";
const ANNOTATIONS: &str = "/api/records/doctor/annotations/";
const REGISTER: &str = "/api/accounts/register/";
const PROFILE: &str = "/api/accounts/profile-create/";
const USERS: &str = "/api/admin/users/";

/// Sends a request twice: the responses are equal, and the second one says that it is a repetition.
#[track_caller]
fn twice(client: &Client, path: &str, body: &Value) -> Response {
    let key = new_key();
    let first = post(client, path, &key, body).ok(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let second = post(client, path, &key, body).ok(201);
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(second.bytes, first.bytes);
    for header in ["etag", "location", "content-type", "cache-control"] {
        assert_eq!(second.header(header), first.header(header), "{header}");
    }
    assert_ne!(
        second.header("x-request-id"),
        first.header("x-request-id"),
        "it is another request"
    );
    first
}

/// Returns the items that store the requests of a user.
fn stored_responses(user: &str) -> Vec<Value> {
    let filter = json!({
        "FilterExpression": "begins_with(pk, :pk)",
        "ExpressionAttributeValues": {":pk": {"S": format!("IDEMPOTENCY#{user}#")}},
        "ConsistentRead": true,
    });
    let (mut items, mut scan) = (Vec::new(), filter.clone());
    loop {
        let page = aws::dynamodb("Scan", scan);
        items.extend(page["Items"].as_array().unwrap().clone());
        if page["LastEvaluatedKey"].is_null() {
            return items;
        }
        scan = filter.clone();
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
    }
}

fn update_stored_response(user: &str, expression: &str, values: Value) {
    let [item] = &stored_responses(user)[..] else { panic!("one response is stored") };
    aws::update_item(item["pk"]["S"].as_str().unwrap(), "IDEMPOTENCY", expression, values);
}

#[test]
fn a_record_is_created_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id, "description": format!("{MARKER} once")});
    let record = twice(&patient, RECORDS, &body);
    assert_eq!(patient.list_patient_records("").ok(200).ids("id"), [record.text("id")]);
    let notifications = || doctor.list_notifications("").ok(200);
    assert_eq!(notifications().results().len(), 1, "the doctor is told once");
    let created = |event: &&Value| event["action"] == "create_record";
    assert_eq!(patient.access_log("").ok(200).results().iter().filter(created).count(), 1);
}

#[test]
fn an_annotation_is_created_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let note = twice(
        &doctor,
        ANNOTATIONS,
        &json!({"record": record.text("id"), "note": format!("{MARKER} once")}),
    );
    let read = patient.read_patient_record(record.text("id")).ok(200);
    assert_eq!(read["annotations"].as_array().unwrap().len(), 1);
    assert_eq!(read["annotations"][0]["id"], note["id"]);
}

#[test]
fn a_profile_is_created_once() {
    let doctor = User::new("doctor");
    let body = json!({"specialization": "Cardiology", "license_number": MARKER});
    twice(&doctor, PROFILE, &body);
    post(&doctor, PROFILE, &new_key(), &body).problem(403, "profile_exists");
}

#[test]
fn a_user_is_registered_once() {
    let body = json!({"email": new_email(), "password": PASSWORD, "last_name": MARKER});
    let registered = twice(&Anonymous, REGISTER, &body);
    // A client that has lost the first response signs in with the second: its tokens are those of
    // the only session.
    let user = Client::with_token(registered["tokens"]["access"].as_str().unwrap());
    assert_eq!(user.list_sessions("").ok(200).results().len(), 1);
    Anonymous.refresh(registered["tokens"]["refresh"].as_str().unwrap()).ok(200);
}

#[test]
fn a_user_is_created_by_staff_once() {
    let admin = Admin::new();
    let email = new_email();
    let created =
        twice(&admin, USERS, &json!({"email": email, "role": "doctor", "last_name": MARKER}));
    assert_eq!(admin.search_users(&email).ok(200).ids("pk"), [created.text("pk")]);
}

#[test]
fn the_same_body_is_one_in_another_order_and_layout() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let send = |body: String| {
        let request = patient
            .request("POST", RECORDS)
            .header("idempotency-key", "\"one\"")
            .header("content-type", "application/json");
        request.body(body).send().ok(201)
    };
    let first = send(format!("{{\"doctor\":\"{}\",\"record_type\":\"imaging\"}}", doctor.id));
    let second =
        send(format!("{{ \"record_type\": \"\\u0069maging\", \"doctor\": \"{}\" }}", doctor.id));
    assert_eq!(
        (second.header("idempotent-replayed").as_str(), &second["id"]),
        ("true", &first["id"])
    );
}

#[test]
fn a_key_is_good_for_one_body() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    let body = |text: &str| json!({"doctor": doctor.id, "description": format!("{MARKER} {text}")});
    post(&patient, RECORDS, &key, &body("one")).ok(201);
    post(&patient, RECORDS, &key, &body("two")).problem(422, "idempotency_key_reused");
    post(&patient, RECORDS, &key, &body("one")).ok(201);
    assert_eq!(patient.list_patient_records("").ok(200).results().len(), 1);
    // A different key, or the same key of another user, is a different request.
    post(&patient, RECORDS, &new_key(), &body("one")).ok(201);
    let other = Patient::new();
    let created = post(&other, RECORDS, &key, &body("one")).ok(201);
    assert_eq!(
        (created.header("idempotent-replayed").as_str(), &created["patient"]["pk"]),
        ("", &json!(other.id))
    );
}

#[test]
fn an_idempotency_key_is_bound_to_the_body_of_a_registration() {
    let (email, key) = (new_email(), new_key());
    let body = |password: &str| json!({"email": email, "password": password, "last_name": MARKER});
    post(&Anonymous, REGISTER, &key, &body(PASSWORD)).ok(201);
    // The tokens require the password; with another address it is a different request.
    post(&Anonymous, REGISTER, &key, &body("another-harbour-lantern-59"))
        .problem(422, "idempotency_key_reused");
    let other = json!({"email": new_email(), "password": PASSWORD, "last_name": MARKER});
    assert_eq!(post(&Anonymous, REGISTER, &key, &other).ok(201).header("idempotent-replayed"), "");
}

#[test]
fn a_key_is_a_string() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id});
    let long = "x".repeat(256);
    for key in ["", "\"\"", "\"open", "a b", "\"a\", \"b\"", "\"a\";b=1", &long] {
        post(&patient, RECORDS, key, &body).problem(400, "idempotency_key_invalid");
    }
    prepared(&patient, RECORDS, "\"a\"", &body)
        .header("idempotency-key", "\"a\"")
        .send()
        .problem(400, "idempotency_key_invalid");
    assert_eq!(patient.list_patient_records("").ok(200).results(), [Value::Null; 0]);
    // Many clients send the string without quotes.
    let word = unique();
    let first = post(&patient, RECORDS, &word, &body).ok(201);
    let second = post(&patient, RECORDS, &format!("\"{word}\""), &body).ok(201);
    assert_eq!(second["id"], first["id"]);
}

#[test]
fn idempotency_keys_reveal_nothing_to_unauthorized_callers() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let body = json!({"doctor": doctor.id});
    post(&Anonymous, RECORDS, "", &body).problem(401, "not_authenticated");
    post(&doctor, RECORDS, "", &body).problem(403, "wrong_role");
    let key = new_key();
    post(&patient, RECORDS, &key, &body).ok(201);
    patient.logout().ok(204);
    post(&patient, RECORDS, &key, &body).problem(401, "token_not_valid");
}

#[test]
fn a_former_doctor_is_not_told_again() {
    let (patient, doctor, successor) = (Patient::new(), Doctor::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let (key, body) =
        (new_key(), json!({"record": record.text("id"), "note": format!("{MARKER} note")}));
    post(&doctor, ANNOTATIONS, &key, &body).ok(201);
    patient.update_record(record.text("id"), json!({"doctor": successor.id})).ok(200);
    post(&doctor, ANNOTATIONS, &key, &body).refused("record", "not_assigned");
}

#[test]
fn a_rejected_request_may_be_repeated_with_its_key() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    doctor.deactivate();
    let body = json!({"doctor": doctor.id});
    for _ in 0..2 {
        post(&patient, RECORDS, &key, &body).refused("doctor", "not_assignable");
        assert_eq!(stored_responses(&patient.id), [Value::Null; 0]);
    }
    let other = Doctor::new();
    post(&patient, RECORDS, &key, &json!({"doctor": other.id})).ok(201);
}

#[test]
fn one_that_is_running_is_waited_for() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    let body = json!({"doctor": doctor.id});
    post(&patient, RECORDS, &key, &body).ok(201);
    // The item while the request is running.
    let held = json!({":somebody": {"S": "somebody"}, ":end": {"N": (now() + 3600).to_string()}});
    update_stored_response(&patient.id, "SET held_by = :somebody, #ttl = :end REMOVE answer", held);
    let waiting =
        post(&patient, RECORDS, &key, &body).problem(409, "idempotency_request_in_progress");
    assert_eq!(waiting.header("retry-after"), "1");
    assert_eq!(stored_responses(&patient.id).len(), 1, "who is told to wait forgets nothing of it");
    // The item after a crash.
    update_stored_response(
        &patient.id,
        "SET #ttl = :past",
        json!({":past": {"N": (now() - 1).to_string()}}),
    );
    assert_eq!(post(&patient, RECORDS, &key, &body).ok(201).header("idempotent-replayed"), "");
    assert_eq!(patient.list_patient_records("").ok(200).results().len(), 2);
}

#[test]
fn a_response_is_forgotten_after_a_day() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    let body = json!({"doctor": doctor.id});
    let first = post(&patient, RECORDS, &key, &body).ok(201);
    let [item] = &stored_responses(&patient.id)[..] else { panic!("one response is stored") };
    let ttl: i64 = item["ttl"]["N"].as_str().unwrap().parse().unwrap();
    assert!((now() + 86_000..=now() + 86_400).contains(&ttl), "{ttl}");
    // The table deletes it some time after its end.
    update_stored_response(
        &patient.id,
        "SET #ttl = :past",
        json!({":past": {"N": (now() - 1).to_string()}}),
    );
    assert_ne!(post(&patient, RECORDS, &key, &body).ok(201)["id"], first["id"]);
}

#[test]
fn of_eight_at_once_one_is_done() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    let request = prepared(&patient, RECORDS, &key, &json!({"doctor": doctor.id}));
    let sending: Vec<_> =
        (0..8).map(|_| request.clone()).map(|request| thread::spawn(|| request.send())).collect();
    let responses: Vec<Response> =
        sending.into_iter().map(|thread| thread.join().unwrap()).collect();
    let records = patient.list_patient_records("").ok(200);
    let [record] = records.ids("id")[..] else { panic!("{records}") };
    for response in &responses {
        match response.status {
            201 => assert_eq!(response["id"], record),
            _ => assert_eq!(
                (response.status, response["code"].as_str()),
                (409, Some("idempotency_request_in_progress")),
                "{response}"
            ),
        }
    }
    let is_first = |response: &&Response| {
        response.status == 201 && response.header("idempotent-replayed").is_empty()
    };
    assert_eq!(responses.iter().filter(is_first).count(), 1);
}

#[test]
fn stored_responses_are_sealed() {
    let (patient, doctor, key) = (Patient::new(), Doctor::new(), new_key());
    post(
        &patient,
        RECORDS,
        &key,
        &json!({"doctor": doctor.id, "description": format!("{MARKER} secret")}),
    )
    .ok(201);
    let [item] = &stored_responses(&patient.id)[..] else { panic!("one response is stored") };
    let label = item["pk"]["S"].as_str().unwrap().rsplit('#').next().unwrap();
    let plain = key.trim_matches('"');
    assert!(!item.to_string().contains(plain));
    assert_ne!(
        label,
        base64::Engine::encode(
            &base64::prelude::BASE64_URL_SAFE_NO_PAD,
            digest(&SHA256, plain.as_bytes())
        )
    );
    let response = item["answer"]["B"].as_str().unwrap();
    let response = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, response).unwrap();
    for secret in [MARKER, &patient.email, &doctor.id] {
        assert!(!response.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
