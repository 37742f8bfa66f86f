//! Tests of the directory of doctors.

use serde_json::json;

use crate::harness::{Anonymous, Doctor, MARKER, Patient, User, eventually, unique};

/// Waits until a query finds these doctors and no others: the index may lag.
fn found(patient: &Patient, query: &str, ids: &[&str]) -> Vec<serde_json::Value> {
    eventually("the directory", || {
        let response = patient.list_doctors(query).ok(200);
        (response.ids("pk") == ids).then(|| response.results().to_vec())
    })
}

// TestDoctorListView: test_list_doctors_as_patient
#[test]
fn a_patient_finds_a_doctor() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let entries = found(&patient, &format!("search={}", doctor.last_name), &[&doctor.id]);
    let profile = json!({"role": "doctor", "specialization": "Cardiology",
        "license_number": format!("{MARKER}-1"), "years_of_experience": 12});
    let expected = json!({
        "pk": doctor.id, "first_name": doctor.first_name, "last_name": doctor.last_name,
            "role": "doctor", "profile": profile,
    });
    assert_eq!(entries[0], expected, "without an email address");
    let page = patient.list_doctors("limit=1").ok(200);
    assert_eq!(page.keys(), ["next", "results"]);
    assert_eq!(page.results().len(), 1);
}

// TestDoctorListView: test_list_doctors_excludes_without_profile
#[test]
fn a_doctor_without_a_profile_is_not_listed() {
    let (patient, doctor) = (Patient::new(), User::new("doctor"));
    let query = format!("search={}", doctor.last_name);
    found(&patient, &query, &[]);
    doctor
        .create_profile(json!({"specialization": "Cardiology", "license_number": "MD-1"}))
        .ok(201);
    found(&patient, &query, &[&doctor.id]);
}

#[test]
fn an_inactive_doctor_is_neither_listed_nor_assigned() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let query = format!("search={}", doctor.last_name);
    found(&patient, &query, &[&doctor.id]);
    doctor.deactivate();
    found(&patient, &query, &[]);
    let unknown = patient.create_record(json!({"doctor": patient.id})).ok(400);
    let inactive = patient.create_record(json!({"doctor": doctor.id})).ok(400);
    assert_eq!(inactive["errors"], unknown["errors"], "the answer of an unknown id");
}

// TestDoctorListView: test_list_doctors_as_doctor_forbidden
#[test]
fn the_directory_is_for_patients() {
    Doctor::new().list_doctors("").problem(403, "wrong_role");
    User::new("doctor").list_doctors("limit=x").problem(403, "wrong_role");
}

// TestDoctorListView: test_list_doctors_unauthenticated
#[test]
fn the_directory_is_not_public() {
    Anonymous.list_doctors("").problem(401, "not_authenticated");
}

#[test]
fn doctors_are_listed_by_last_name_and_specialization() {
    let (patient, word) = (Patient::new(), unique());
    let specialization = format!("{MARKER} {word} Medicine");
    let mut doctors: Vec<Doctor> = (0..3).map(|_| Doctor::of(&specialization)).collect();
    doctors.sort_by(|a, b| a.last_name.cmp(&b.last_name));
    let ids: Vec<&str> = doctors.iter().map(|doctor| doctor.id.as_str()).collect();
    for spelling in [&specialization, &format!("{MARKER}-{word}--MEDICINE")] {
        found(&patient, &format!("specialization={}", spelling.replace(' ', "+")), &ids);
    }
    found(&patient, &format!("specialization={MARKER}"), &[]);
    let query = format!("specialization={MARKER}+{word}+medicine");
    found(&patient, &format!("{query}&search={}", doctors[1].last_name.to_uppercase()), &[ids[1]]);
    found(&patient, &format!("{query}&search=x{}", doctors[1].last_name), &[]);

    let first = patient.list_doctors(&format!("{query}&limit=2")).ok(200);
    assert_eq!(first.ids("pk"), ids[..2]);
    assert_eq!(first.header("link"), format!("<{}>; rel=\"next\"", first.text("next")));
    let next = first.text("next");
    assert!(!next.contains(&doctors[1].last_name), "no name in a cursor");
    let second = patient.get(&next[next.find("/api/").unwrap()..]).ok(200);
    assert_eq!(
        (second.ids("pk"), &second["next"], second.header("link")),
        (ids[2..].to_vec(), &json!(null), String::new())
    );

    doctors[0].update_profile(json!({"specialization": "Neurology"})).ok(200);
    found(&patient, &query, &ids[1..]);
}

#[test]
fn a_search_is_any_text() {
    let patient = Patient::new();
    for search in ["%25", "%23", "%F0%9F%A9%BA", "~", "zzzzzzzzzz", "+", "a%22b", &"x".repeat(255)]
    {
        patient.list_doctors(&format!("search={search}")).ok(200);
    }
    patient.list_doctors(&format!("search={}", "x".repeat(256))).refused("search", "too_long");
    patient.list_doctors("search=a%00").refused("search", "invalid");
    patient.list_doctors("search=a&search=b").refused("search", "duplicate");
    patient.list_doctors("specialization=a%00").refused("specialization", "invalid");
    patient
        .list_doctors(&format!("specialization={}", "x".repeat(256)))
        .refused("specialization", "too_long");
    patient.list_doctors("limit=0&cursor=x&unknown=1").ok(400);
    assert_eq!(
        patient.list_doctors("limit=0&cursor=x&unknown=1").errors(),
        ["cursor invalid", "limit invalid"]
    );
}
