//! Tests of profiles: created once, changed by their owners.

use serde_json::{Value, json};

use crate::harness::{Anonymous, Doctor, MARKER, Patient, Response, User};

const YEARS_MAX: u64 = 2_147_483_647;

fn doctor_profile(field: &str, value: Value) -> Value {
    let mut profile = json!({"specialization": "Cardiology", "license_number": "MD-1"});
    profile[field] = value;
    profile
}

// TestProfileCreateView: test_create_patient_profile_success; TestPatientProfile:
// test_create_patient_profile, test_patient_profile_str
#[test]
fn a_patient_creates_a_profile() {
    let patient = User::new("patient");
    let address = format!("{MARKER} Street 1\n12345 Town");
    let response = patient
        .create_profile(
            json!({"date_of_birth": "1985-04-12", "gender": "female", "address": address}),
        )
        .ok(201);
    assert_eq!(
        response.body,
        json!({"role": "patient", "date_of_birth": "1985-04-12", "gender": "female",
            "address": address})
    );
    let me = patient.get(&response.header("location")).ok(200);
    assert_eq!((&me["profile"], me.header("etag")), (&response.body, response.header("etag")));
    assert_eq!(me.text("last_name"), patient.last_name);
}

#[test]
fn everything_in_a_patients_profile_has_a_default() {
    let expected =
        json!({"role": "patient", "date_of_birth": null, "gender": "other", "address": null});
    let patient = User::new("patient");
    assert_eq!(patient.create_profile(json!({})).ok(201).body, expected);
    let patient = User::new("patient");
    let body = json!({"date_of_birth": null, "address": null, "specialization": "Cardiology",
        "user": "x", "pk": 1});
    assert_eq!(
        patient.create_profile(body).ok(201).body,
        expected,
        "null is absent; what is no field of a patient is ignored"
    );
    assert_eq!(
        User::new("patient").request("POST", "/api/accounts/profile-create/").send().ok(201).body,
        expected,
        "no body"
    );
}

// TestProfileCreateView: test_create_doctor_profile_success; TestDoctorProfile:
// test_create_doctor_profile, test_doctor_profile_str
#[test]
fn a_doctor_creates_a_profile() {
    let doctor = User::new("doctor");
    let body = json!({"specialization": " Family  Medicine ", "license_number": "MD-1",
        "years_of_experience": YEARS_MAX});
    let response = doctor.create_profile(body).ok(201);
    assert_eq!(
        response.body,
        json!({"role": "doctor", "specialization": "Family  Medicine", "license_number": "MD-1",
            "years_of_experience": YEARS_MAX})
    );
    assert_eq!(doctor.me().ok(200)["profile"], response.body);
    let least =
        User::new("doctor").create_profile(doctor_profile("address", json!("ignored"))).ok(201);
    assert_eq!(
        least.body,
        json!({"role": "doctor", "specialization": "Cardiology", "license_number": "MD-1",
            "years_of_experience": 0})
    );
}

// TestPatientProfile: test_patient_profile_requires_patient_role; TestDoctorProfile:
// test_doctor_profile_requires_doctor_role (there the storage took the other role's profile, here
// the role decides)
#[test]
fn a_profile_belongs_to_the_role() {
    let refused = User::new("doctor")
        .create_profile(json!({"date_of_birth": "1985-04-12", "gender": "male"}))
        .ok(400);
    assert_eq!(refused.errors(), ["specialization required", "license_number required"]);
    let patient = User::new("patient")
        .create_profile(doctor_profile("years_of_experience", json!(-1)))
        .ok(201);
    assert_eq!(patient.keys(), ["address", "date_of_birth", "gender", "role"]);
}

// TestProfileCreateView: test_create_profile_already_exists; TestPatientProfile:
// test_patient_profile_one_to_one; TestDoctorProfile: test_doctor_profile_one_to_one
#[test]
fn a_second_profile_is_forbidden() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let before = doctor.me();
    for body in [
        json!({}),
        json!({"gender": "male"}),
        json!({"gender": 7}),
        doctor_profile("license_number", json!("MD-2")),
    ] {
        patient.create_profile(body.clone()).problem(403, "profile_exists");
        doctor.create_profile(body).problem(403, "profile_exists");
    }
    assert_eq!(doctor.me().body, before.body);
}

// TestProfileCreateView: test_create_profile_unauthenticated
#[test]
fn profiles_need_a_signed_in_user() {
    Anonymous.create_profile(json!({})).problem(401, "not_authenticated");
    Anonymous.update_profile(json!({})).problem(401, "not_authenticated");
    Anonymous.replace_profile(json!({})).problem(401, "not_authenticated");
}

/// Returns what makes the creation, PATCH and PUT of a profile fail: field, value, code.
fn bad_patients() -> Vec<(&'static str, Value, &'static str)> {
    let mut bad = vec![
        ("date_of_birth", json!("2999-01-01"), "future"),
        ("date_of_birth", json!("1899-12-31"), "too_early"),
        ("gender", json!("Male"), "invalid_choice"),
        ("gender", json!(""), "invalid_choice"),
        ("gender", json!(null), "null"),
        ("gender", json!(1), "invalid"),
        ("address", json!("x".repeat(1001)), "too_long"),
        ("address", json!("a\0b"), "invalid"),
        ("address", json!(["x"]), "invalid"),
    ];
    for date in [
        "1990-02-30",
        "1990-13-01",
        "12.04.1985",
        "1985-4-12",
        "1985-04-12T00:00:00Z",
        "",
        "yesterday",
        "-0001-01-01",
    ] {
        bad.push(("date_of_birth", json!(date), "invalid"));
    }
    bad.push(("date_of_birth", json!(19850412), "invalid"));
    bad
}

fn bad_doctors() -> Vec<(&'static str, Value, &'static str)> {
    let mut bad = vec![
        ("years_of_experience", json!(-1), "too_small"),
        ("years_of_experience", json!(YEARS_MAX + 1), "too_large"),
        ("years_of_experience", json!(u64::MAX), "too_large"),
        ("years_of_experience", json!(1.5), "invalid"),
        ("years_of_experience", json!("3"), "invalid"),
        ("years_of_experience", json!(true), "invalid"),
        ("years_of_experience", json!(null), "null"),
    ];
    for field in ["specialization", "license_number"] {
        bad.extend([
            (field, json!(null), "null"),
            (field, json!(""), "blank"),
            (field, json!(" \u{a0} "), "blank"),
            (field, json!("x".repeat(256)), "too_long"),
            (field, json!("a\nb"), "invalid"),
            (field, json!(7), "invalid"),
        ]);
    }
    bad
}

#[test]
fn bad_fields_are_refused_and_nothing_is_written() {
    let refuse = |user: &User,
                  bad: Vec<(&str, Value, &str)>,
                  whole: &dyn Fn(&str, Value) -> Value,
                  good: Value| {
        for (field, value, code) in &bad {
            user.create_profile(whole(field, value.clone())).refused(field, code);
        }
        assert_eq!(user.me().ok(200)["profile"], Value::Null);
        user.create_profile(good).ok(201);
        let before = user.me().ok(200);
        for (field, value, code) in &bad {
            user.update_profile(json!({*field: value})).refused(field, code);
            user.replace_profile(whole(field, value.clone())).refused(field, code);
        }
        let after = user.me().ok(200);
        assert_eq!(
            (after.body.clone(), after.header("etag")),
            (before.body.clone(), before.header("etag"))
        );
    };
    refuse(&User::new("patient"), bad_patients(), &|field, value| json!({field: value}), json!({}));
    refuse(
        &User::new("doctor"),
        bad_doctors(),
        &doctor_profile,
        doctor_profile("years_of_experience", json!(3)),
    );
    let several = Patient::new()
        .update_profile(json!({"date_of_birth": "x", "gender": "x", "address": 1}))
        .ok(400);
    assert_eq!(
        several.errors(),
        ["date_of_birth invalid", "gender invalid_choice", "address invalid"]
    );
}

// TestProfileUpdateView: test_update_patient_profile_success
#[test]
fn a_patient_changes_the_profile() {
    let patient = Patient::new();
    let before = patient.me().ok(200)["profile"].clone();
    let response = patient.update_profile(json!({"gender": "male"})).ok(200);
    assert_eq!(
        response.body,
        json!({"role": "patient", "date_of_birth": before["date_of_birth"], "gender": "male",
            "address": before["address"]})
    );
    let response =
        patient.update_profile(json!({"address": null, "date_of_birth": "1990-01-31"})).ok(200);
    assert_eq!(
        response.body,
        json!({"role": "patient", "date_of_birth": "1990-01-31", "gender": "male",
            "address": null})
    );
    assert_eq!(patient.update_profile(json!({})).ok(200).body, response.body);
    let replaced = patient.replace_profile(json!({"gender": "female"})).ok(200);
    assert_eq!(
        replaced.body,
        json!({"role": "patient", "date_of_birth": null, "gender": "female", "address": null}),
        "PUT leaves nothing"
    );
    assert_eq!(patient.me().ok(200)["profile"], replaced.body);
}

// TestProfileUpdateView: test_update_doctor_profile_success
#[test]
fn a_doctor_changes_the_profile() {
    let doctor = Doctor::new();
    let response = doctor
        .update_profile(json!({"years_of_experience": 13, "role": "admin", "email": "x"}))
        .ok(200);
    assert_eq!(
        (&response["years_of_experience"], &response["specialization"]),
        (&json!(13), &json!("Cardiology"))
    );
    let missing = doctor.replace_profile(json!({"years_of_experience": 1})).ok(400);
    assert_eq!(missing.errors(), ["specialization required", "license_number required"]);
    let replaced =
        doctor.replace_profile(doctor_profile("specialization", json!("Neurology"))).ok(200);
    assert_eq!(
        replaced.body,
        json!({"role": "doctor", "specialization": "Neurology", "license_number": "MD-1",
            "years_of_experience": 0})
    );
    let me = doctor.me().ok(200);
    assert_eq!(
        (&me["profile"], &me["role"], &me["email"]),
        (&replaced.body, &json!("doctor"), &json!(doctor.email))
    );
}

// TestProfileUpdateView: test_update_profile_no_profile
#[test]
fn a_profile_that_is_not_there_cannot_be_changed() {
    for role in ["patient", "doctor"] {
        let user = User::new(role);
        for body in [json!({}), doctor_profile("gender", json!("x"))] {
            user.update_profile(body.clone()).problem(403, "no_profile");
            user.replace_profile(body).problem(403, "no_profile");
        }
        assert_eq!(user.me().ok(200)["profile"], Value::Null);
    }
}

#[test]
fn a_change_can_insist_on_a_version() {
    let patient = Patient::new();
    let change = |method: &str, if_match: &str, gender: &str| -> Response {
        let request =
            patient.request(method, "/api/accounts/profile-update/").header("if-match", if_match);
        request.json(&json!({"gender": gender})).send()
    };
    let seen = patient.me().ok(200).header("etag");
    let changed = change("PATCH", &seen, "male").ok(200);
    assert_ne!(changed.header("etag"), seen);
    for stale in [&seen, &format!("W/{}", changed.header("etag")), "\"x\"", "x", ""] {
        change("PATCH", stale, "female").problem(412, "precondition_failed");
        change("PUT", stale, "female").problem(412, "precondition_failed");
    }
    assert_eq!(patient.me().ok(200)["profile"]["gender"], "male");
    change("PATCH", "*", "female").ok(200);
    let now = patient.me().ok(200).header("etag");
    change("PUT", &format!("\"x\", {now}"), "other").ok(200);
}

#[test]
fn of_several_changes_at_once_none_is_lost() {
    let patient = Patient::new();
    let years: Vec<u16> = std::thread::scope(|scope| {
        let changes: Vec<_> = (0..6)
            .map(|at| {
                scope.spawn({
                    let patient = &patient;
                    move || {
                        patient
                            .update_profile(json!({"date_of_birth": format!("198{at}-01-01")}))
                            .status
                    }
                })
            })
            .collect();
        changes.into_iter().map(|change| change.join().unwrap()).collect()
    });
    assert!(years.iter().all(|status| [200, 409].contains(status)), "{years:?}");
    let done = years.iter().filter(|status| **status == 200).count();
    assert!(done >= 1);
    assert_eq!(
        patient.me().ok(200).header("etag"),
        format!("\"{}\"", 2 + done),
        "every success counts as a version of its own"
    );
}
