//! Tests of lists in pages: cursors, limits, filters. In the Django service, responses grew without
//! limit.

use serde_json::{Value, json};

use crate::harness::{Anonymous, Doctor, Patient, Response, path_of};

fn ids(page: &Response) -> Vec<String> {
    page.results().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns the path and query of the next page.
fn next(page: &Response) -> Option<String> {
    let url = page["next"].as_str()?;
    assert_eq!(page.header("link"), format!("<{url}>; rel=\"next\""));
    Some(path_of(url).to_owned())
}

/// Follows the links of a list; returns the number of entries on each page, and all entries.
fn walk(first: Response, follow: impl Fn(&str) -> Response) -> (Vec<usize>, Vec<String>) {
    let (mut sizes, mut all, mut page) = (Vec::new(), Vec::new(), first);
    loop {
        let found = ids(&page);
        sizes.push(found.len());
        all.extend(found);
        match next(&page) {
            Some(path) => page = follow(&path).ok(200),
            None => return (sizes, all),
        }
    }
}

/// A patient with records, oldest first, alternately assigned to two doctors and of three types.
struct Many {
    patient: Patient,
    doctors: [Doctor; 2],
    records: Vec<Value>,
}

const TYPES: [&str; 3] = ["imaging", "general", "lab_result"];

impl Many {
    fn new(count: usize) -> Self {
        let (patient, doctors) = (Patient::new(), [Doctor::new(), Doctor::new()]);
        let create = |index: usize| {
            let body = json!({"doctor": doctors[index % 2].id, "record_type": TYPES[index % 3]});
            patient.create_record(body).ok(201).body
        };
        let records = (0..count).map(create).collect();
        Self { patient, doctors, records }
    }

    /// Returns the ids of the records for which `wanted` is true, newest first.
    fn ids(&self, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        self.records
            .iter()
            .rev()
            .filter(|it| wanted(it))
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[test]
fn lists_are_walked_by_their_links() {
    let many = Many::new(23);
    let Many { patient, doctors, .. } = &many;
    let all = many.ids(|_| true);
    let get = |path: &str| patient.get(path);
    let (sizes, walked) = walk(patient.list_patient_records("").ok(200), get);
    assert_eq!((sizes, &walked), (vec![20, 3], &all), "20 when no number is asked for");
    let (sizes, walked) = walk(patient.list_patient_records("limit=10").ok(200), get);
    assert_eq!((sizes, &walked), (vec![10, 10, 3], &all));
    let (sizes, walked) = walk(patient.list_patient_records("limit=23").ok(200), get);
    assert_eq!((sizes, &walked), (vec![23], &all), "a full last page leads nowhere");
    let (_, walked) = walk(patient.list_patient_records("limit=100&ignored=1").ok(200), get);
    assert_eq!(walked, all);

    let doctor = &doctors[0];
    let mine = many.ids(|it| it["doctor"]["pk"] == doctor.id);
    let (sizes, walked) =
        walk(doctor.list_doctor_records("limit=5").ok(200), |path| doctor.get(path));
    assert_eq!((sizes, &walked), (vec![5, 5, 2], &mine));
    let (sizes, walked) =
        walk(doctor.list_notifications("limit=7").ok(200), |path| doctor.get(path));
    assert_eq!((sizes, walked.len()), (vec![7, 5], 12));
    assert_eq!(walked, ids(&doctor.list_notifications("").ok(200)));

    // A record created meanwhile is on the first page and changes no other.
    let first = patient.list_patient_records("limit=10").ok(200);
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let (_, walked) = walk(first, get);
    assert_eq!(walked, all);

    // The path works without its last slash, and the limit may change between pages.
    let first = get("/api/records/patient?limit=4").ok(200);
    let path = next(&first).unwrap();
    assert!(path.starts_with("/api/records/patient/?limit=4&cursor="), "{path}");
    assert_eq!(ids(&get(&path.replace("limit=4", "limit=9")).ok(200)).len(), 9);
}

#[test]
fn lists_are_filtered() {
    let many = Many::new(9);
    let Many { patient, doctors, records } = &many;
    let filtered = |query: &str| ids(&patient.list_patient_records(query).ok(200));
    assert_eq!(filtered("record_type=imaging"), many.ids(|it| it["record_type"] == "imaging"));
    assert_eq!(filtered("record_type=procedure"), Vec::<String>::new());
    assert_eq!(
        filtered(&format!("doctor={}", doctors[1].id)),
        many.ids(|it| it["doctor"]["pk"] == doctors[1].id)
    );
    let both = format!("doctor={}&record_type=general", doctors[1].id);
    assert_eq!(
        filtered(&both),
        many.ids(|it| it["doctor"]["pk"] == doctors[1].id && it["record_type"] == "general")
    );
    assert_eq!(filtered(&format!("doctor={}", patient.id)), Vec::<String>::new(), "nobody's");
    assert_eq!(
        filtered("record_type=&doctor=&created_after=&created_before="),
        many.ids(|_| true),
        "an empty filter is none"
    );

    // A range includes its beginning and not its end: two adjoining ranges contain every record
    // once.
    let created = |it: &Value| it["created_at"].as_str().unwrap().to_owned();
    let moment = created(&records[4]);
    let after = filtered(&format!("created_after={moment}"));
    let before = filtered(&format!("created_before={moment}"));
    let mut together = after.clone();
    together.extend(before.iter().filter(|id| !after.contains(id)).cloned());
    assert_eq!(together, many.ids(|_| true));
    assert!(
        after.contains(&ids_of(&records[5])) && !after.contains(&ids_of(&records[3])),
        "{after:?}"
    );
    assert!(
        before.contains(&ids_of(&records[3])) && !before.contains(&ids_of(&records[5])),
        "{before:?}"
    );
    let range = format!(
        "created_after={}&created_before={}&record_type={}",
        created(&records[2]),
        created(&records[6]),
        TYPES[1]
    );
    let inside = filtered(&range);
    assert!(
        inside.contains(&ids_of(&records[4]))
            && !inside.contains(&ids_of(&records[1]))
            && !inside.contains(&ids_of(&records[7]))
    );
    assert_eq!(filtered("created_after=2020-01-01&created_before=2100-01-01"), many.ids(|_| true));
    assert_eq!(filtered("created_before=2020-01-01"), Vec::<String>::new());
    assert_eq!(filtered("created_after=2100-01-01T00:00:00%2B01:00"), Vec::<String>::new());

    let doctor = &doctors[0];
    let filtered = |query: &str| ids(&doctor.list_doctor_records(query).ok(200));
    let mine = many.ids(|it| it["doctor"]["pk"] == doctor.id);
    assert_eq!(filtered(&format!("patient={}", patient.id)), mine);
    assert_eq!(filtered(&format!("patient={}", doctors[1].id)), Vec::<String>::new());
    let imaging = many.ids(|it| it["doctor"]["pk"] == doctor.id && it["record_type"] == "imaging");
    assert_eq!(filtered("record_type=imaging"), imaging);
    // The type of a record may change; the doctor's list shows the new one.
    patient.update_record(&imaging[0], json!({"record_type": "prescription"})).ok(200);
    assert_eq!(filtered("record_type=imaging"), imaging[1..]);
    assert_eq!(filtered("record_type=prescription"), imaging[..1]);

    // Filters apply to every page.
    let (sizes, walked) =
        walk(patient.list_patient_records("record_type=lab_result&limit=2").ok(200), |path| {
            patient.get(path)
        });
    assert_eq!((sizes, walked), (vec![2, 1], many.ids(|it| it["record_type"] == "lab_result")));
}

fn ids_of(record: &Value) -> String {
    record["id"].as_str().unwrap().to_owned()
}

#[test]
fn parameters_are_checked_all_at_once() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let query =
        "record_type=x&doctor=x&created_after=yesterday&created_before=2026-02-30&limit=0&cursor=x";
    let expected = [
        "record_type invalid_choice",
        "doctor invalid",
        "created_after invalid",
        "created_before invalid",
        "cursor invalid",
        "limit invalid",
    ];
    assert_eq!(patient.list_patient_records(query).ok(400).errors(), expected);
    assert_eq!(
        doctor.list_doctor_records("patient=x&limit=101").ok(400).errors(),
        ["patient invalid", "limit invalid"]
    );
    for limit in ["0", "101", "-1", "1.5", "ten", "99999999999999999999", "%00"] {
        assert_eq!(
            doctor.list_notifications(&format!("limit={limit}")).ok(400).errors(),
            ["limit invalid"],
            "{limit}"
        );
    }
    patient.list_patient_records("limit=1&limit=2").refused("limit", "duplicate");
    assert_eq!(
        patient.list_doctors("limit=101&cursor=%FF").ok(400).errors(),
        ["cursor invalid", "limit invalid"]
    );
}

#[test]
fn a_cursor_is_good_for_its_own_list_only() {
    let (patient, other, doctor) = (Patient::new(), Patient::new(), Doctor::new());
    for _ in 0..2 {
        for patient in [&patient, &other] {
            patient.create_record(json!({"doctor": doctor.id})).ok(201);
        }
    }
    let cursor_of =
        |page: Response| next(&page.ok(200)).unwrap().split_once("cursor=").unwrap().1.to_owned();
    let cursor = cursor_of(patient.list_patient_records("limit=1"));
    for word in [patient.id.as_str(), "PATIENT", "RECORD"] {
        assert!(!cursor.contains(word), "{cursor}");
    }
    assert_eq!(ids(&patient.list_patient_records(&format!("cursor={cursor}")).ok(200)).len(), 1);
    let refused = |response: Response| response.refused("cursor", "invalid");

    refused(other.list_patient_records(&format!("cursor={cursor}")));
    refused(patient.list_patient_records(&format!("record_type=general&cursor={cursor}")));
    refused(patient.list_notifications(&format!("cursor={cursor}")));
    refused(patient.list_doctors(&format!("cursor={cursor}")));
    refused(doctor.list_doctor_records(&format!("cursor={cursor}")));
    let of_doctor = cursor_of(doctor.list_doctor_records("limit=1"));
    refused(patient.list_patient_records(&format!("cursor={of_doctor}")));
    refused(doctor.list_notifications(&format!("cursor={of_doctor}")));
    let unread = cursor_of(doctor.list_notifications("is_read=false&limit=1"));
    refused(doctor.list_notifications(&format!("cursor={unread}")));
    refused(doctor.list_notifications(&format!("is_read=true&cursor={unread}")));

    // Cursors that are invented, shortened, lengthened, or changed anywhere.
    let mut forged = vec![
        "x".to_owned(),
        "0".repeat(cursor.len()),
        cursor[1..].to_owned(),
        cursor[..cursor.len() - 1].to_owned(),
        format!("{cursor}A"),
    ];
    for at in (0..cursor.len()).step_by(7) {
        let letter = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
        forged.push(format!("{}{letter}{}", &cursor[..at], &cursor[at + 1..]));
    }
    for cursor in forged {
        refused(patient.list_patient_records(&format!("cursor={cursor}")));
    }
    // A cursor gives no access: without a token it is refused.
    Anonymous.list_patient_records(&format!("cursor={cursor}")).ok(401);
}
