//! Tests of the directory of doctors.

use serde_json::json;

use crate::harness::{Admin, Anonymous, Doctor, MARKER, Patient, User, eventually, unique};

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
    assert_eq!(inactive["errors"], unknown["errors"], "the response for an unknown id");
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

/// Makes a doctor with a name, as staff correct it.
fn named(admin: &Admin, first: &str, last: &str) -> Doctor {
    let doctor = Doctor::new();
    let names = json!({"first_name": first, "last_name": last});
    admin.update_user(&doctor.id, names).ok(200);
    doctor
}

/// Escapes a text for a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn doctors_are_found_by_any_part_of_their_name_in_any_spelling() {
    let (admin, patient, word) = (Admin::new(), Patient::new(), unique());
    // The word ends every part, so that other tests are not in the way.
    let people = [
        ("Łukasz", "Müller"),
        ("Anna", "Weiß"),
        ("Ayşe", "Şahin"),
        ("Bình", "Nguyễn"),
        ("Sinéad", "O’Connor"),
    ];
    let with_word = |text: &str| format!("{text}{word}");
    let doctors: Vec<Doctor> = people
        .iter()
        .map(|(first, last)| named(&admin, &with_word(first), &with_word(last)))
        .collect();
    for (typed, doctor) in [
        ("muller", 0),
        ("MÜLLER", 0),
        ("Mu\u{308}ller", 0),
        ("lukasz", 0),
        ("ŁUKASZ", 0),
        ("weiss", 1),
        ("WEIẞ", 1),
        ("sahin", 2),
        ("ＳＡＨＩＮ", 2),
        ("ayse", 2),
        ("nguyen", 3),
        ("binh", 3),
        ("o'connor", 4),
        ("O’Connor", 4),
        ("oconnor", 4),
        ("connor", 4),
        ("sinead", 4),
    ] {
        let query = format!("search={}", escaped(&with_word(typed)));
        found(&patient, &query, &[&doctors[doctor].id]);
        found(&patient, &format!("{query}&specialization=cardiology"), &[&doctors[doctor].id]);
    }
    for typed in [
        format!("anna{word} we"),
        format!("weiss{word} an"),
        format!("Weiß{word}, Anna{word}"),
        format!("  anna{word}   WEISS{word} "),
    ] {
        found(&patient, &format!("search={}", escaped(&typed)), &[&doctors[1].id]);
    }
    found(&patient, &format!("search={}", escaped(&format!("we anna{word}"))), &[]);
    let maria = named(&admin, &with_word("Maria"), &format!("de{word} la{word} Cruz{word}"));
    for typed in ["cruz", "de", "la", "maria"] {
        found(&patient, &format!("search={}", with_word(typed)), &[&maria.id]);
    }
    for typed in [
        format!("de{word} la"),
        format!("la{word} cr"),
        format!("de{word}-la{word}-cruz{word} ma"),
        format!("maria{word} de{word}"),
        format!("maria{word} cruz{word}"),
        format!("cruz{word} maria"),
    ] {
        found(&patient, &format!("search={}", escaped(&typed)), &[&maria.id]);
    }
    // A text without letters counts as absent.
    let all = patient.list_doctors("limit=1").ok(200);
    for empty in ["'", "-", "%CC%81", "%23", "+"] {
        let page = patient.list_doctors(&format!("limit=1&search={empty}")).ok(200);
        assert_eq!(page.results().len(), all.results().len(), "{empty}");
    }
}

#[test]
fn a_doctor_whose_parts_begin_alike_is_listed_once_over_all_pages() {
    let (admin, patient, word) = (Admin::new(), Patient::new(), unique());
    let name = |part: &str| format!("{word}{part}");
    let doctors: Vec<Doctor> = [("", "n"), ("n", ""), ("nn", "x"), ("a b", "c"), ("", "")]
        .iter()
        .map(|(first, last)| named(&admin, &name(first), &name(last)))
        .collect();
    let mut expected: Vec<&str> = doctors.iter().map(|doctor| doctor.id.as_str()).collect();
    expected.sort_unstable();
    for limit in [1, 2, 4, 5, 100] {
        eventually("each doctor once", || {
            let (mut ids, mut path) =
                (Vec::new(), format!("/api/accounts/doctors/?search={word}&limit={limit}"));
            loop {
                let page = patient.get(&path).ok(200);
                ids.extend(page.ids("pk").into_iter().map(str::to_owned));
                let Some(next) = page["next"].as_str() else { break };
                path = next[next.find("/api/").unwrap()..].to_owned();
            }
            ids.sort_unstable();
            (ids == expected).then_some(())
        });
    }
}

#[test]
fn a_search_follows_the_name_and_the_decisions_of_staff() {
    let (admin, patient, word) = (Admin::new(), Patient::new(), unique());
    let doctor = named(&admin, "Zoë", &format!("Before{word}"));
    let (before, after) = (
        format!("search=before{word}"),
        format!("search={}", escaped(&format!("zoe after{word}"))),
    );
    found(&patient, &before, &[&doctor.id]);
    admin.update_user(&doctor.id, json!({"last_name": format!("Äfter{word}")})).ok(200);
    found(&patient, &before, &[]);
    found(&patient, &after, &[&doctor.id]);
    admin.update_user(&doctor.id, json!({"is_active": false})).ok(200);
    found(&patient, &after, &[]);
    admin.update_user(&doctor.id, json!({"is_active": true})).ok(200);
    found(&patient, &after, &[&doctor.id]);
    let suspend = format!("/api/admin/doctors/{}/suspend/", doctor.id);
    admin.post(&suspend, &json!({"reason": "Complaints"})).ok(200);
    found(&patient, &after, &[]);
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
