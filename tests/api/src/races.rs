//! Tests of concurrent requests. In the Django service, races in registration and creation of
//! profiles gave 500.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use serde_json::{Value, json};

use crate::harness::{Anonymous, Doctor, PASSWORD, Patient, Response, User, aws, new_email};

/// Runs `work` for each number below `count` at the same time; returns the responses in this order.
fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let start = |index| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                work(index)
            })
        };
        let threads: Vec<_> = (0..count).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Returns how often each status occurs.
fn statuses(responses: &[Response]) -> BTreeMap<u16, usize> {
    responses.iter().fold(BTreeMap::new(), |mut counts, response| {
        *counts.entry(response.status).or_default() += 1;
        counts
    })
}

#[test]
fn of_eight_identical_registrations_one_succeeds() {
    let email = new_email();
    let (local, domain) = email.split_once('@').unwrap();
    let responses = at_once(8, |index| {
        // The case of an address does not distinguish users.
        let email = if index % 2 == 0 {
            email.clone()
        } else {
            format!("{}@{}", local.to_uppercase(), domain.to_uppercase())
        };
        Anonymous.register(json!({"email": email, "password": PASSWORD, "role": "patient"}))
    });
    assert_eq!(statuses(&responses), BTreeMap::from([(201, 1), (400, 7)]));
    for refused in responses.iter().filter(|response| response.status == 400) {
        assert_eq!(refused["errors"][0]["field"], "email");
    }
    Anonymous.login(&email, PASSWORD).ok(200);
}

#[test]
fn of_eight_profile_creations_one_succeeds() {
    let user = User::new("patient");
    let responses = at_once(8, |index| {
        user.create_profile(json!({"gender": "female", "address": format!("zq7marker {index}")}))
    });
    assert_eq!(statuses(&responses), BTreeMap::from([(201, 1), (403, 7)]));
    let created = responses.iter().find(|response| response.status == 201).unwrap();
    let me = user.me().ok(200);
    assert_eq!(me["profile"], created.body, "the first one stays");
}

#[test]
fn changes_of_different_fields_are_all_kept() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = record.text("id");
    for round in 0..3 {
        let file = json!([{"name": format!("{round}.txt"), "content_type": "text/plain",
            "size_bytes": 1}]);
        let description = format!("round {round} zq7marker");
        let record_type = ["imaging", "procedure", "lab_result"][round];
        let changes = [
            json!({"description": description}),
            json!({"record_type": record_type}),
            json!({"files": file}),
        ];
        let responses =
            at_once(changes.len(), |index| patient.update_record(id, changes[index].clone()));
        assert_eq!(statuses(&responses), BTreeMap::from([(200, 3)]), "lost races are tried again");
        let read = patient.read_patient_record(id).ok(200);
        assert_eq!(
            (&read["description"], &read["record_type"]),
            (&json!(description), &json!(record_type))
        );
        assert_eq!(read["files"].as_array().unwrap().len(), round + 1);
    }
}

#[test]
fn many_changes_without_a_version_lose_nothing() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = record.text("id");
    let responses = at_once(8, |index| {
        patient.update_record(
            id,
            json!({"files": [{"name": format!("{index}.txt"),
            "content_type": "text/plain", "size_bytes": 1}]}),
        )
    });
    // A request that has lost too often says so and has changed nothing.
    assert!(
        responses.iter().all(|response| [200, 409].contains(&response.status)),
        "{:?}",
        statuses(&responses)
    );
    let added = responses
        .iter()
        .enumerate()
        .filter(|(_, response)| response.status == 200)
        .map(|(index, _)| format!("{index}.txt"));
    let added: BTreeSet<String> = added.collect();
    assert!(!added.is_empty());
    let read = patient.read_patient_record(id).ok(200);
    let files = read["files"].as_array().unwrap();
    assert_eq!(
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(),
        added
    );
    assert_eq!(
        (files.len(), read.header("etag")),
        (added.len(), format!("\"{}\"", added.len() + 1))
    );
    let told = doctor.list_notifications("limit=100").ok(200).results().len();
    // The first change notifies the doctor, and further ones do so again once its mail is sent.
    assert!((2..=added.len() + 1).contains(&told), "{told}");
}

#[test]
fn of_those_who_name_one_version_one_succeeds() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let path = format!("/api/records/patient/{}/", record.text("id"));
    let responses = at_once(6, |index| {
        patient
            .request("PATCH", &path)
            .header("if-match", "\"1\"")
            .json(&json!({"description": format!("{index}")}))
            .send()
    });
    assert_eq!(statuses(&responses), BTreeMap::from([(200, 1), (412, 5)]));
    let kept = responses.iter().find(|response| response.status == 200).unwrap();
    assert_eq!(patient.request("GET", &path).send().ok(200).body, kept.body);
}

#[test]
fn a_record_that_is_moved_by_several_at_once_has_one_doctor() {
    let patient = Patient::new();
    let doctors: Vec<Doctor> = (0..4).map(|_| Doctor::new()).collect();
    let record = patient.create_record(json!({"doctor": doctors[0].id})).ok(201);
    let id = record.text("id");
    let responses = at_once(6, |index| {
        let doctor = &doctors[index % 3 + 1];
        patient.update_record(id, json!({"doctor": doctor.id}))
    });
    assert!(
        responses.iter().all(|response| [200, 409].contains(&response.status)),
        "{:?}",
        statuses(&responses)
    );
    let read = patient.read_patient_record(id).ok(200);
    for doctor in &doctors {
        let is_assigned = read["doctor"]["pk"] == doctor.id;
        let listed = doctor.list_doctor_records("").ok(200).results().len();
        assert_eq!(
            (doctor.read_doctor_record(id).status, listed),
            if is_assigned { (200, 1) } else { (404, 0) }
        );
        let assignments = aws::query(&format!("DOCTOR#{}", doctor.id));
        assert_eq!(assignments.len(), usize::from(is_assigned));
    }
    // Each doctor was notified of the assignment and of its end, in turn.
    let told = |doctor: &Doctor, kind: &str| {
        let page = doctor.list_notifications("").ok(200);
        page.results().iter().filter(|it| it["notification_type"] == kind).count()
    };
    for doctor in &doctors {
        let is_assigned = usize::from(read["doctor"]["pk"] == doctor.id);
        assert_eq!(
            told(doctor, "patient_assigned"),
            told(doctor, "assignment_ended") + is_assigned
        );
    }
}

#[test]
fn a_note_and_a_move_that_meet_are_one_before_the_other() {
    let (patient, former, next) = (Patient::new(), Doctor::new(), Doctor::new());
    for _ in 0..3 {
        let record = patient.create_record(json!({"doctor": former.id})).ok(201);
        let id = record.text("id");
        let responses = at_once(4, |index| match index {
            0 => patient.update_record(id, json!({"doctor": next.id})),
            _ => former
                .create_annotation(json!({"record": id, "note": format!("zq7marker {index}")})),
        });
        assert!(responses[0].status == 200, "{}", responses[0]);
        assert!(
            responses[1..].iter().all(|response| [201, 400].contains(&response.status)),
            "{:?}",
            statuses(&responses)
        );
        let written = responses[1..].iter().filter(|response| response.status == 201).count();
        assert_eq!(
            next.read_doctor_record(id).ok(200)["annotations"].as_array().unwrap().len(),
            written
        );
        former.create_annotation(json!({"record": id, "note": "late"})).ok(400);
    }
}

#[test]
fn notes_that_are_written_at_once_are_all_there() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let id = record.text("id");
    let responses = at_once(6, |index| {
        doctor.create_annotation(json!({"record": id, "note": format!("zq7marker {index}")}))
    });
    assert_eq!(statuses(&responses), BTreeMap::from([(201, 6)]));
    let read = patient.read_patient_record(id).ok(200);
    let of = |notes: &[Value]| {
        notes.iter().map(|note| note["id"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let written: Vec<Value> = responses.iter().map(|response| response.body.clone()).collect();
    assert_eq!(of(read["annotations"].as_array().unwrap()), of(&written));
    assert_eq!(patient.list_notifications("").ok(200).results().len(), 6);

    // Of concurrent changes of one note, each succeeds or says that it lost, and the last one is
    // stored.
    let note = written[0]["id"].as_str().unwrap();
    let responses = at_once(4, |index| {
        doctor.update_annotation(note, json!({"note": format!("changed {index}")}))
    });
    assert!(
        responses.iter().all(|response| [200, 409].contains(&response.status)),
        "{:?}",
        statuses(&responses)
    );
    let changed = responses
        .iter()
        .filter(|response| response.status == 200)
        .max_by_key(|response| response.header("etag"));
    let read = patient.read_patient_record(id).ok(200);
    let stored =
        read["annotations"].as_array().unwrap().iter().find(|it| it["id"] == note).unwrap();
    assert_eq!(stored, &changed.unwrap().body);
}

#[test]
fn a_file_is_deleted_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let files: Vec<Value> = (0..2)
        .map(|index| {
            json!({"name": format!("{index}.txt"), "content_type": "text/plain",
            "size_bytes": 1})
        })
        .collect();
    let record = patient.create_record(json!({"doctor": doctor.id, "files": files})).ok(201);
    let (id, file) = (record.text("id"), record["files"][0]["id"].as_str().unwrap());
    let responses = at_once(4, |_| patient.delete_file(file));
    assert_eq!(statuses(&responses), BTreeMap::from([(204, 1), (404, 3)]));
    assert_eq!(patient.read_patient_record(id).ok(200)["files"].as_array().unwrap().len(), 1);
    assert_eq!(doctor.list_notifications("").ok(200).results().len(), 2, "told once");
}
