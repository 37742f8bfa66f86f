//! Tests of access logs: every read of a chart, every denied request and every login, as the users
//! concerned see them.

use serde_json::{Value, json};

use crate::harness::{
    Anonymous, Client, Doctor, FaultProxy, FunctionSettings, MARKER, PASSWORD, Patient, ProxyFault,
    Request, Response, User, aws,
};

const AGENT: &str = "tests/1.0 (zq7marker)";
const UNKNOWN: &str = "01936f2a-0000-7000-8000-00000000ffff";

/// Returns all entries, page by page, newest first.
#[track_caller]
fn entries(read: impl Fn(&str) -> Response) -> Vec<Value> {
    let (mut entries, mut query) = (Vec::new(), "limit=7".to_owned());
    loop {
        let page = read(&query).ok(200);
        entries.extend(page.results().iter().cloned());
        match page["next"].as_str() {
            Some(next) => query = next.split_once('?').unwrap().1.to_owned(),
            None => return entries,
        }
    }
}

/// Returns who did what with which outcome, oldest first, without reads of the log itself.
#[track_caller]
fn actions(entries: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entries = entries.iter().rev().filter(|entry| entry["action"] != "read_access_log");
    entries
        .map(|entry| {
            format!(
                "{} {} {}",
                text(&entry["actor"]["pk"]),
                text(&entry["action"]),
                text(&entry["outcome"])
            )
        })
        .collect()
}

#[track_caller]
fn of_account(user: &Client) -> Vec<String> {
    actions(&entries(|query| user.access_log(query)))
}

#[track_caller]
fn of_record(patient: &Client, record: &str) -> Vec<String> {
    actions(&entries(|query| patient.read_access_log(record, query)))
}

#[test]
fn a_patient_sees_every_look_at_the_chart() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let record = record.text("id");
    let other = patient.record_for(&Doctor::new());
    let (me, them) = (&patient.id, &doctor.id);

    doctor.list_doctor_records("").ok(200);
    doctor.read_doctor_record(record).ok(200);
    let notifications = doctor.list_notifications("").ok(200);
    assert_eq!(notifications.results()[0]["record"]["id"], record);
    doctor.read_notification(notifications.ids("id")[0]).ok(200);
    let annotation = doctor.annotate(record);
    doctor
        .update_annotation(annotation.text("id"), json!({"note": format!("{MARKER} other")}))
        .ok(200);
    doctor.read_doctor_history(annotation.text("id"), "").ok(200);
    patient.list_patient_records("").ok(200);
    patient.read_patient_record(record).ok(200);
    patient.list_notifications("").ok(200);
    patient.read_patient_history(annotation.text("id"), "").ok(200);
    patient.update_record(record, json!({"record_type": "imaging"})).ok(200);

    let success = |who: &str, action: &str| format!("{who} {action} success");
    let expected = [
        success(me, "create_record"),
        success(them, "list_records"),
        success(them, "read_record"),
        success(them, "read_notifications"),
        success(them, "read_notifications"),
        success(them, "create_annotation"),
        success(them, "update_annotation"),
        success(them, "read_history"),
        success(me, "list_records"),
        success(me, "read_record"),
        success(me, "read_notifications"),
        success(me, "read_history"),
        success(me, "update_record"),
    ];
    assert_eq!(of_record(&patient, record), expected);
    // Of the other record only the events that are about it.
    let of_other = [success(me, "create_record"), success(me, "list_records")];
    assert_eq!(of_record(&patient, other.text("id")), of_other);
    let all = of_account(&patient);
    assert_eq!(all[0], success(me, "register"));
    assert!(expected.iter().all(|entry| all.contains(entry)));
    assert_eq!(all.iter().filter(|entry| **entry == success(me, "create_record")).count(), 2);
    // What was done to the chart is in the chart's log and not in the doctor's.
    assert!(
        of_account(&doctor).iter().all(|entry| !entry.contains("record")),
        "{:?}",
        of_account(&doctor)
    );
}

#[test]
fn an_entry_says_who_and_what_and_nothing_of_other_peoples_places() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let record = record.text("id");
    let read = |client: &Client, path: &str| {
        client.request("GET", path).header("user-agent", AGENT).send().ok(200)
    };
    let theirs = read(&doctor, &format!("/api/records/doctor/{record}/"));
    let mine = read(&patient, "/api/records/patient/");
    let entries = entries(|query| patient.read_access_log(record, query));
    let entry = |actor: &str, action: &str| {
        entries
            .iter()
            .find(|entry| entry["actor"]["pk"] == actor && entry["action"] == action)
            .unwrap()
            .clone()
    };
    let keys =
        |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");

    let look = entry(&doctor.id, "read_record");
    assert_eq!(
        keys(&look),
        "action actor after at before emergency file id outcome reason record records source_ip \
         user_agent"
    );
    assert_eq!(look["emergency"], false);
    assert_eq!(
        look["actor"],
        json!({"pk": doctor.id, "name": doctor.full_name(), "role": "doctor"})
    );
    assert_eq!(
        (&look["record"], &look["records"], &look["reason"]),
        (&json!(record), &json!([]), &Value::Null)
    );
    assert_eq!((&look["source_ip"], &look["user_agent"]), (&Value::Null, &Value::Null));
    // The audit trail contains it nevertheless, with the id of the request.
    let stored =
        aws::get_item(&format!("AUDIT#{}", patient.id), look["id"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&stored["user_agent"]["S"], &stored["request_id"]["S"]),
        (&json!(AGENT), &json!(theirs.header("x-request-id")))
    );
    assert!(
        !stored["source_ip"]["S"].as_str().unwrap().is_empty()
            && !stored["session_id"]["S"].as_str().unwrap().is_empty()
    );

    let own = entry(&patient.id, "list_records");
    assert_eq!(
        (&own["record"], &own["records"], &own["user_agent"]),
        (&Value::Null, &json!([record]), &json!(AGENT))
    );
    assert_eq!(own["source_ip"].as_str().map(str::is_empty), Some(false));
    assert_eq!(mine.results().len(), 1);

    // Names are those of the time of the event: the doctor's account has another one now.
    aws::update_item(
        &format!("USER#{}", doctor.id),
        "ACCOUNT",
        "SET last_name = :name",
        json!({":name": {"S": "Changed"}}),
    );
    doctor.read_doctor_record(record).ok(200);
    let names: Vec<Value> = self::entries(|query| patient.read_access_log(record, query))
        .iter()
        .filter(|entry| entry["action"] == "read_record")
        .map(|entry| entry["actor"]["name"].clone())
        .collect();
    assert_eq!(names, [json!(format!("{} Changed", doctor.first_name)), json!(doctor.full_name())]);
}

#[test]
fn denied_attempts_are_in_the_access_log() {
    let (patient, former, doctor) = (Patient::new(), Doctor::new(), Doctor::new());
    let record = patient
        .create_record(json!({"doctor": former.id, "files": [{"name": "a.pdf",
            "content_type": "application/pdf", "size_bytes": 9}]}))
        .ok(201);
    let (id, file) = (record.text("id"), record["files"][0]["id"].as_str().unwrap());
    let annotation = former.annotate(id);
    let note = annotation.text("id");
    patient.update_record(id, json!({"doctor": doctor.id})).ok(200);
    let before = of_record(&patient, id).len();

    let stranger = Patient::new();
    let denied = |who: &str, action: &str| format!("{who} {action} denied");
    // Where the record is known, the patient sees who tried.
    former.update_annotation(note, json!({"note": "x"})).problem(404, "not_found");
    doctor.update_annotation(note, json!({"note": "x"})).problem(404, "not_found");
    former.read_doctor_history(note, "").problem(404, "not_found");
    stranger.delete_file(file).problem(404, "not_found");
    stranger.read_patient_history(note, "").problem(404, "not_found");
    let expected = [
        denied(&former.id, "update_annotation"),
        denied(&doctor.id, "update_annotation"),
        denied(&former.id, "read_history"),
        denied(&stranger.id, "delete_file"),
        denied(&stranger.id, "read_history"),
    ];
    assert_eq!(of_record(&patient, id)[before..], expected);

    // Where the record or its patient is unknown, the denied request is in the log of the caller.
    let tries: [(&Client, &str, Response); 5] = [
        (&former, "read_record", former.read_doctor_record(id)),
        (
            &former,
            "create_annotation",
            former.create_annotation(json!({"record": id, "note": "x"})),
        ),
        (&stranger, "read_record", stranger.read_patient_record(id)),
        (&stranger, "update_record", stranger.update_record(id, json!({"record_type": "general"}))),
        (&stranger, "read_access_log", stranger.read_access_log(id, "")),
    ];
    for (who, action, response) in tries {
        assert!([400, 404].contains(&response.status), "{response}");
        let last = who.access_log("").ok(200).results().to_vec();
        assert!(
            last.iter().any(|entry| entry["action"] == action
                && entry["outcome"] == "denied"
                && entry["record"] == id),
            "{action}"
        );
    }
    stranger.read_patient_record(UNKNOWN).problem(404, "not_found");
    assert!(
        entries(|query| stranger.access_log(query))
            .iter()
            .any(|entry| entry["record"] == UNKNOWN && entry["outcome"] == "denied")
    );
    // And operations for other roles.
    doctor.list_patient_records("").problem(403, "wrong_role");
    // The event of this read may or may not be stored yet.
    let log = doctor.access_log("").ok(200);
    let forbidden =
        log.results().iter().find(|entry| entry["action"] != "read_access_log").unwrap();
    let told = (&forbidden["action"], &forbidden["outcome"], &forbidden["reason"]);
    assert_eq!(told, (&json!("forbidden_operation"), &json!("denied"), &json!("wrong_role")));
    assert_eq!(forbidden["record"], Value::Null);
    // With the record, if the path names one. An invalid id is not in the trail.
    doctor.read_patient_record(id).problem(403, "wrong_role");
    doctor.update_record(id, json!({})).problem(403, "wrong_role");
    doctor.read_access_log(id, "").problem(403, "wrong_role");
    doctor.delete_file(id).problem(403, "wrong_role");
    doctor.read_patient_record("x").problem(403, "wrong_role");
    let log = doctor.access_log("limit=6").ok(200);
    let refused: Vec<&Value> =
        log.results().iter().filter(|entry| entry["action"] != "read_access_log").collect();
    assert!(refused.iter().all(|entry| entry["action"] == "forbidden_operation"), "{log}");
    let records: Vec<&Value> = refused.iter().map(|entry| &entry["record"]).collect();
    assert_eq!(records, [&Value::Null, &Value::Null, &json!(id), &json!(id), &json!(id)]);
}

/// With a table that refuses events or does not respond, no chart is shown.
#[test]
fn reads_of_a_chart_fail_when_their_event_cannot_be_written() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let (own, assigned) = (
        format!("/api/records/patient/{}/", record.text("id")),
        format!("/api/records/doctor/{}/", record.text("id")),
    );
    let requests: [(&Client, &str); 4] = [
        (&patient, &own),
        (&patient, "/api/records/patient/"),
        (&doctor, &assigned),
        (&doctor, "/api/records/doctor/"),
    ];
    let before = aws::query(&format!("AUDIT#{}", patient.id)).len();
    for fault in [ProxyFault::Failed, ProxyFault::Silence] {
        let detour = FaultProxy::new(move |operation, body| {
            if operation.ends_with(".PutItem") && body.contains("AUDIT#") {
                fault
            } else {
                ProxyFault::Passed
            }
        });
        let records = FunctionSettings::of("records").with("AWS_ENDPOINT_URL", &detour.url).start();
        for (client, path) in requests {
            let response =
                records.send(client, "GET", path, &Value::Null).problem(503, "unavailable");
            assert!(!String::from_utf8_lossy(&response.bytes).contains(MARKER), "{response}");
            assert_eq!(response.header("retry-after"), "1");
        }
        // A response without a chart needs no event.
        records
            .send(&patient, "GET", "/api/records/patient/x/", &Value::Null)
            .problem(404, "not_found");
    }
    assert_eq!(aws::query(&format!("AUDIT#{}", patient.id)).len(), before);
    // The same function with a table that works, and with one that does not respond at all.
    let detour = FaultProxy::new(|_, _| ProxyFault::Passed);
    let records = FunctionSettings::of("records").with("AWS_ENDPOINT_URL", &detour.url).start();
    requests
        .iter()
        .for_each(|(client, path)| drop(records.send(client, "GET", path, &Value::Null).ok(200)));
    let detour = FaultProxy::new(|_, _| ProxyFault::Silence);
    let records = FunctionSettings::of("records").with("AWS_ENDPOINT_URL", &detour.url).start();
    records.send(&patient, "GET", &own, &Value::Null).problem(503, "unavailable");
}

#[test]
fn a_former_doctors_notifications_show_no_record() {
    let (patient, former) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&former);
    patient.update_record(record.text("id"), json!({"doctor": Doctor::new().id})).ok(200);
    let before = of_record(&patient, record.text("id"));
    let page = former.list_notifications("").ok(200);
    assert!(
        page.results().len() == 2 && page.results().iter().all(|entry| entry["record"].is_null())
    );
    assert_eq!(of_record(&patient, record.text("id")), before);
    // The older notification alone does not show that the assignment has ended: the trail is
    // corrected.
    former.read_notification(page.ids("id")[1]).ok(200);
    let after = of_record(&patient, record.text("id"));
    assert_eq!(after.last().unwrap(), &format!("{} read_notifications denied", former.id));
}

#[test]
fn logins_are_told_and_failures_too() {
    let user = User::new("patient");
    let me = &user.id;
    Anonymous.login(&user.email, "wrong password").problem(401, "invalid_credentials");
    let client = user.sign_in();
    let expected =
        ["register success", "login failed", "login success"].map(|what| format!("{me} {what}"));
    assert_eq!(of_account(&client), expected);
    let entries = entries(|query| client.access_log(query));
    let failure = entries.iter().find(|entry| entry["outcome"] == "failed").unwrap();
    assert_eq!(
        failure["actor"],
        json!({"pk": me, "name": null, "role": null}),
        "nobody has proved who it was"
    );
    assert_eq!(failure["source_ip"].as_str().map(str::is_empty), Some(false));

    user.deactivate();
    Anonymous.login(&user.email, PASSWORD).problem(401, "invalid_credentials");
    let trail = aws::query(&format!("AUDIT#{me}"));
    let last = trail.last().unwrap();
    assert_eq!(
        (&last["outcome"]["S"], &last["reason"]["S"]),
        (&json!("denied"), &json!("inactive"))
    );
    // Nothing lasting is stored about addresses without an account.
    Anonymous.login("nobody.zq7marker@example.com", PASSWORD).problem(401, "invalid_credentials");
}

#[test]
fn logs_are_for_those_whom_they_concern() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    let id = record.text("id");
    Patient::new().read_access_log(id, "").problem(404, "not_found");
    patient.read_access_log(UNKNOWN, "").problem(404, "not_found");
    patient.read_access_log("nonsense", "").problem(404, "not_found");
    doctor.read_access_log(id, "").problem(403, "wrong_role");
    Anonymous.read_access_log(id, "").problem(401, "not_authenticated");
    Anonymous.access_log("").problem(401, "not_authenticated");
    patient.access_log("cursor=x").refused("cursor", "invalid");
    // A cursor is valid for the user for whom it was made.
    patient.read_patient_record(id).ok(200);
    let next = patient.access_log("limit=1").ok(200);
    let query = next.text("next").split_once('?').unwrap().1.to_owned();
    patient.access_log(&query).ok(200);
    doctor.access_log(&query).refused("cursor", "invalid");
}

#[test]
fn nobody_changes_the_trail_through_the_api() {
    let patient = Patient::new();
    for path in [
        "/api/accounts/access-log/".to_owned(),
        format!("/api/records/patient/{UNKNOWN}/access-log/"),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            Request::new(method, &path)
                .token(&patient.access)
                .json(&json!({}))
                .send()
                .problem(405, "method_not_allowed");
        }
    }
}
