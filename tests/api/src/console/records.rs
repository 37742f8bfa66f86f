//! Tests of records, files, annotations and notifications in the console, before and after staff
//! break the glass.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::harness::console::{ConsoleBrowser, hidden_field, hostile};
use crate::harness::{
    Admin, Client, Doctor, MARKER, Patient, Request, Response, aws, cookie_name, eventually,
    mails_to, unique,
};

const LISTS: [&str; 4] =
    ["/admin/records/", "/admin/files/", "/admin/annotations/", "/admin/notifications/"];
const NOBODY: &str = "0190a5c0-0000-7000-8000-000000000001";

/// An admin with a browser in the console.
struct StaffBrowser {
    admin: Admin,
    browser: ConsoleBrowser,
}

impl Deref for StaffBrowser {
    type Target = ConsoleBrowser;

    fn deref(&self) -> &ConsoleBrowser {
        &self.browser
    }
}

impl StaffBrowser {
    fn new() -> Self {
        let admin = Admin::new();
        let browser = ConsoleBrowser::of(&admin);
        Self { admin, browser }
    }

    fn id(&self) -> &str {
        &self.admin.user().id
    }

    #[track_caller]
    fn send(&self, path: &str, csrf: &str, fields: &[(&str, &str)]) -> Response {
        self.post_raw(path, &[&[("csrf", csrf)], fields].concat(), &[])
    }

    /// Sends a form as on the page of the record.
    #[track_caller]
    fn submit(&self, record: &str, form: &str, fields: &[(&str, &str)]) -> Response {
        let page = format!("/admin/records/{record}/");
        self.send(&format!("{page}{form}/"), &self.csrf_on(&page), fields)
    }

    #[track_caller]
    fn break_glass(&self, record: &str, reason: &str) {
        self.submit(record, "break-glass", &[("reason", reason)]).ok(303);
    }

    /// Reads the page of a record, once the list contains it.
    #[track_caller]
    fn record(&self, id: &str) -> String {
        let path = format!("/admin/records/{id}/");
        eventually("the record is listed", || (self.get(&path).status == 200).then_some(()));
        self.page(&path)
    }
}

/// A record with a file and an annotation, in unique words.
struct RecordCase {
    patient: Patient,
    doctor: Doctor,
    id: String,
    file: String,
    annotation: String,
    description: String,
    name: String,
    note: String,
}

impl RecordCase {
    fn new() -> Self {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        let [description, name, note] =
            ["description", "name", "note"].map(|what| format!("{MARKER}-{what}-{}", unique()));
        let file = json!({"name": format!("{name}.pdf"), "content_type": "application/pdf",
            "size_bytes": 9});
        let body = json!({"doctor": doctor.id, "record_type": "imaging", "description": description,
            "files": [file]});
        let record = patient.create_record(body).ok(201);
        let id = record.text("id").to_owned();
        let annotation = doctor
            .create_annotation(json!({"record": id, "note": note}))
            .ok(201)
            .text("id")
            .to_owned();
        let file = record["files"][0]["id"].as_str().unwrap().to_owned();
        Self { patient, doctor, id, file, annotation, description, name, note }
    }

    /// Returns everything that people have written, and the messages of the notifications.
    fn secrets(&self) -> [&str; 4] {
        [&self.description, &self.name, &self.note, "has annotated health record"]
    }

    /// Returns the lists with the filters that show it on their first page.
    fn lists(&self) -> [String; 4] {
        let patient = &self.patient.id;
        [
            format!("/admin/records/?patient={patient}"),
            format!("/admin/files/?patient={patient}"),
            format!("/admin/annotations/?patient={patient}"),
            format!("/admin/notifications/?recipient={patient}"),
        ]
    }

    /// Returns the patient's log of the record, oldest first: who, what and why.
    fn log(&self) -> Vec<(String, String, Value)> {
        let entries = self.patient.read_access_log(&self.id, "limit=100").ok(200);
        let entry = |entry: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&entry["actor"]["pk"]), text(&entry["action"]), entry["reason"].clone())
        };
        entries.results().iter().rev().map(entry).collect()
    }

    /// Returns what staff did, from that log.
    fn log_of(&self, browser: &StaffBrowser) -> Vec<(String, Value)> {
        let own = self.log().into_iter().filter(|(actor, ..)| actor == browser.id());
        own.map(|(_, action, reason)| (action, reason)).collect()
    }
}

#[test]
fn only_staff_can_open_the_console() {
    let (patient, admin) = (Patient::new(), Admin::new());
    let without = admin.user().sign_in();
    let mut paths = LISTS.map(str::to_owned).to_vec();
    paths.push(format!("/admin/records/{NOBODY}/"));
    for path in &paths {
        let plain = Request::new("GET", path);
        for request in [
            plain.clone(),
            plain.clone().token(&patient.access),
            admin.request("GET", path),
            plain.header("cookie", &format!("{}=x", cookie_name("console"))),
        ] {
            let response = request.send_unchecked().ok(303);
            assert_eq!(response.header("location"), "/admin/sign-in/", "{path}");
        }
    }
    for form in ["break-glass", "assignment"] {
        let path = format!("/admin/records/{NOBODY}/{form}/");
        let response = admin.request("POST", &path).body("reason=x").send_unchecked();
        assert!([303, 403].contains(&response.status), "{response}");
    }
    let others: [&Client; 2] = [&patient, &without];
    for client in others {
        let refused = client.request("POST", "/admin/session/").send_unchecked();
        assert!(refused.status == 403 && refused.header("set-cookie").is_empty(), "{refused}");
    }
}

#[test]
fn lists_show_what_there_is_and_nothing_of_what_it_says() {
    let (browser, case) = (StaffBrowser::new(), RecordCase::new());
    let page = browser.record(&case.id);
    for shown in [
        case.id.as_str(),
        &case.patient.full_name(),
        &case.doctor.full_name(),
        "imaging",
        &case.file,
        &case.annotation,
    ] {
        assert!(page.contains(shown), "{shown} is missing: {page}");
    }
    let ids = [&case.id, &case.file, &case.annotation, &case.id];
    for (path, id) in case.lists().iter().zip(ids) {
        let page =
            eventually(path, || Some(browser.page(path)).filter(|page| page.contains(id.as_str())));
        for secret in case.secrets() {
            assert!(!page.contains(secret), "{path} shows {secret}");
        }
        assert!(
            page.contains("<caption>")
                && page.contains("scope=\"col\"")
                && page.contains("scope=\"row\""),
            "{page}"
        );
    }
    for secret in case.secrets() {
        assert!(!page.contains(secret), "the page of the record shows {secret}");
    }
    for (path, id) in LISTS.iter().zip([&case.id, &case.file, &case.annotation]) {
        let page = eventually(path, || {
            Some(browser.page(&format!("{path}?id={id}")))
                .filter(|page| page.contains(&format!(">{id}<")))
        });
        assert!(case.secrets().iter().all(|secret| !page.contains(secret)));
    }
    for path in LISTS {
        let page = browser.page(path);
        assert!(case.secrets().iter().all(|secret| !page.contains(secret)), "{path}");
    }
    // Reads are in the audit trail: of one patient's things in the patient's log, of the newest of
    // all only for staff.
    let log = case.log_of(&browser);
    let actions: Vec<&str> = log.iter().map(|(action, _)| action.as_str()).collect();
    assert!(actions.starts_with(&["look_up_record"]), "{actions:?}");
    for action in ["staff_list_records", "staff_list_files", "staff_list_annotations"] {
        assert!(actions.contains(&action), "{actions:?}");
    }
    assert!(!actions.contains(&"read_record"), "{actions:?}");
    let own = browser.admin.list_events(&format!("subject={}&limit=100", browser.id())).ok(200);
    let own: Vec<&str> =
        own.results().iter().map(|event| event["action"].as_str().unwrap()).collect();
    for action in [
        "staff_list_records",
        "staff_list_files",
        "staff_list_annotations",
        "staff_list_notifications",
    ] {
        assert!(own.contains(&action), "{own:?}");
    }
}

#[test]
fn breaking_the_glass_opens_one_record_and_notifies_the_patient() {
    let (browser, other, case, second) =
        (StaffBrowser::new(), StaffBrowser::new(), RecordCase::new(), RecordCase::new());
    browser.record(&second.id);
    browser.record(&case.id);
    let reason = format!("{MARKER} asked on the telephone {}", unique());
    let response = browser.submit(&case.id, "break-glass", &[("reason", &reason)]).ok(303);
    assert!(
        response.header("location").starts_with(&format!("/admin/records/{}/", case.id)),
        "{response}"
    );

    let page = browser.page(&format!("/admin/records/{}/", case.id));
    for secret in [&case.description, &case.name, &case.note] {
        assert!(page.contains(secret.as_str()), "{secret} is hidden: {page}");
    }
    let shown =
        [None, Some(&case.name), Some(&case.note), Some(&"has annotated health record".to_owned())]
            .map(|it| it.cloned());
    for (path, shown) in case.lists().iter().zip(shown) {
        let page = eventually(path, || {
            Some(browser.page(path))
                .filter(|page| shown.as_ref().is_none_or(|it| page.contains(it)))
        });
        assert!(shown.is_none_or(|shown| page.contains(&shown)), "{path}");
    }
    // No other record, and no other admin.
    let page = browser.page(&format!("/admin/records/{}/", second.id));
    assert!(
        [&second.description, &second.name, &second.note]
            .iter()
            .all(|secret| !page.contains(secret.as_str()))
    );
    for path in case.lists().iter().chain([&format!("/admin/records/{}/", case.id)]) {
        let page = other.page(path);
        assert!(case.secrets().iter().all(|secret| !page.contains(secret)), "{path}");
    }

    // The patient is notified at once, also by mail, without the reason, which the log contains;
    // every read is in the log.
    let told = case.patient.list_notifications("").ok(200);
    let newest = &told.results()[0];
    assert_eq!(
        (&newest["notification_type"], &newest["record"]["id"]),
        (&json!("record_opened_by_staff"), &json!(case.id))
    );
    assert!(!newest["message"].as_str().unwrap().contains(&reason));
    let mail = eventually("the mail", || {
        mails_to(&case.patient.email)
            .into_iter()
            .find(|mail| mail.subject.ends_with("Record Opened by Staff"))
    });
    assert!(!format!("{}{}", mail.text, mail.html).contains(MARKER));
    let log = case.log_of(&browser);
    assert_eq!(
        log.iter().filter(|(action, why)| action == "break_glass" && *why == json!(reason)).count(),
        1,
        "{log:?}"
    );
    let looks =
        log.iter().filter(|(action, why)| action == "read_record" && *why == json!(reason)).count();
    assert!(looks >= 4, "the page and three lists: {log:?}");
    assert!(case.log_of(&other).iter().all(|(action, _)| action != "read_record"));
    let entries = case.patient.read_access_log(&case.id, "limit=100").ok(200);
    let entry = entries.results().iter().find(|entry| entry["action"] == "break_glass").unwrap();
    assert_eq!(
        entry["actor"],
        json!({"pk": browser.id(), "name": browser.admin.user().full_name(), "role": "admin"})
    );
}

#[test]
fn emergency_access_expires() {
    let (browser, case) = (StaffBrowser::new(), RecordCase::new());
    browser.record(&case.id);
    browser.break_glass(&case.id, "A good reason");
    let path = format!("/admin/records/{}/", case.id);
    assert!(browser.page(&path).contains(&case.note));
    let (pk, sk) = (format!("GLASS#{}", browser.id()), format!("RECORD#{}", case.id));
    let access = aws::get_item(&pk, &sk).unwrap();
    let ttl: i64 = access["ttl"]["N"].as_str().unwrap().parse().unwrap();
    let left = ttl - jiff::Timestamp::now().as_second();
    assert!((800..=900).contains(&left), "a quarter of an hour: {left} s");
    // As after the time has passed, before the table deletes the item.
    aws::update_item(
        &pk,
        &sk,
        "SET #ttl = :now",
        json!({":now": {"N": jiff::Timestamp::now().as_second().to_string()}}),
    );
    for path in case.lists().iter().chain([&path]) {
        let page = browser.page(path);
        assert!(case.secrets().iter().all(|secret| !page.contains(secret)), "{path}");
    }
    assert_eq!(case.log_of(&browser).last().unwrap().0, "look_up_record");
}

#[test]
fn emergency_access_needs_a_reason_and_the_form_of_the_page() {
    let (browser, other, case) = (StaffBrowser::new(), StaffBrowser::new(), RecordCase::new());
    browser.record(&case.id);
    let (page, path) = (
        format!("/admin/records/{}/", case.id),
        format!("/admin/records/{}/break-glass/", case.id),
    );
    let csrf = browser.csrf_on(&page);
    for fields in
        [&[][..], &[("reason", "")], &[("reason", "   ")], &[("reason", &"x".repeat(1001))]]
    {
        browser.send(&path, &csrf, fields).ok(400);
    }
    for forged in ["", "x", &other.csrf_on(&page)] {
        browser.send(&path, forged, &[("reason", "A good reason")]).ok(403);
    }
    let unknown = browser.send(
        &format!("/admin/records/{NOBODY}/break-glass/"),
        &csrf,
        &[("reason", "A good reason")],
    );
    assert_eq!(unknown.status, 404, "{unknown}");
    assert_eq!(browser.get(&path).status, 405);
    assert!(!browser.page(&page).contains(&case.note));
    assert!(case.log_of(&browser).iter().all(|(action, _)| action != "break_glass"));
    assert!(
        case.patient
            .list_notifications("")
            .ok(200)
            .results()
            .iter()
            .all(|it| it["notification_type"] != "record_opened_by_staff")
    );
}

#[test]
fn staff_move_a_record_to_another_doctor() {
    let (browser, case, new) = (StaffBrowser::new(), RecordCase::new(), Doctor::new());
    browser.record(&case.id);
    let reason = format!("{MARKER} named the wrong one {}", unique());
    let version =
        || hidden_field(&browser.page(&format!("/admin/records/{}/", case.id)), "version");
    let submit = |doctor: &str| {
        browser.submit(
            &case.id,
            "assignment",
            &[("version", &version()), ("doctor", doctor), ("reason", &reason)],
        )
    };
    for doctor in [
        case.patient.email.as_str(),
        &Doctor::pending().email,
        NOBODY,
        "nobody-at-all",
        &case.doctor.id,
    ] {
        submit(doctor).ok(400);
    }
    browser.submit(&case.id, "assignment", &[("version", &version()), ("doctor", &new.id)]).ok(400);
    browser.submit(&case.id, "assignment", &[("version", &version()), ("reason", &reason)]).ok(400);
    browser.submit(&case.id, "assignment", &[("doctor", &new.id), ("reason", &reason)]).ok(400);
    browser
        .send(
            &format!("/admin/records/{}/assignment/", case.id),
            "x",
            &[("doctor", &new.id), ("reason", &reason)],
        )
        .ok(403);
    case.doctor.read_doctor_record(&case.id).ok(200);

    let response = eventually("the new doctor is found by the address", || {
        Some(submit(&new.email)).filter(|response| response.status != 400)
    });
    response.ok(303);
    case.doctor.read_doctor_record(&case.id).problem(404, "not_found");
    assert_eq!(new.read_doctor_record(&case.id).ok(200).text("description"), case.description);
    let newest = |response: Response| {
        response.ok(200).results()[0]["notification_type"].as_str().unwrap().to_owned()
    };
    assert_eq!(newest(new.list_notifications("")), "patient_assigned");
    assert_eq!(newest(case.doctor.list_notifications("")), "assignment_ended");
    assert_eq!(newest(case.patient.list_notifications("")), "record_reassigned_by_staff");
    let entries = case.patient.read_access_log(&case.id, "limit=100").ok(200);
    let entry =
        entries.results().iter().find(|entry| entry["action"] == "correct_assignment").unwrap();
    let told = (&entry["before"], &entry["after"], &entry["reason"]);
    assert_eq!(told, (&json!(case.doctor.id), &json!(new.id), &json!(reason)));
    let page = browser.page(&format!("/admin/records/{}/", case.id));
    assert!(page.contains(&new.full_name()) && !page.contains(&case.description));
}

#[test]
fn a_correction_does_not_undo_what_the_patient_has_chosen_meanwhile() {
    let (browser, case, chosen, other) =
        (StaffBrowser::new(), RecordCase::new(), Doctor::new(), Doctor::new());
    let version = hidden_field(&browser.record(&case.id), "version");
    case.patient.update_record(&case.id, json!({"doctor": chosen.id})).ok(200);
    browser
        .submit(
            &case.id,
            "assignment",
            &[("version", &version), ("doctor", &other.id), ("reason", "A good reason")],
        )
        .ok(412);
    chosen.read_doctor_record(&case.id).ok(200);
    other.read_doctor_record(&case.id).problem(404, "not_found");
    assert!(case.log_of(&browser).iter().all(|(action, _)| action != "correct_assignment"));
}

#[test]
fn lists_are_searched_and_narrowed() {
    let (browser, case) = (StaffBrowser::new(), RecordCase::new());
    let (id, patient, doctor) = (&case.id, &case.patient, &case.doctor);
    browser.record(id);
    let has = |path: &str| browser.page(path).contains(&format!(">{id}<"));
    for query in [
        format!("patient={}", patient.last_name),
        format!("doctor={}", doctor.last_name),
        format!("doctor={}&record_type=imaging", doctor.id),
        format!("patient={}&record_type=imaging", patient.id),
        format!("id={id}&record_type=imaging"),
    ] {
        let path = format!("/admin/records/?{query}");
        eventually(&path, || has(&path).then_some(()));
    }
    let csrf = browser.csrf_on("/admin/records/");
    for (owner, email) in [("patient", &patient.email.to_uppercase()), ("doctor", &doctor.email)] {
        eventually("by address", || {
            let fields = [("list", "/admin/records/"), (owner, email)];
            let found = browser.send("/admin/search/", &csrf, &fields).header("location");
            assert!(!found.contains('@') && !found.contains("%40"), "{found}");
            has(&found).then_some(())
        });
        let in_url = format!("/admin/records/?{owner}={}", email.replace('@', "%40"));
        assert_eq!(browser.get(&in_url).status, 400);
    }
    for query in [
        format!("patient={}", doctor.id),
        format!("doctor={}", patient.id),
        format!("patient={}&record_type=general", patient.id),
    ] {
        assert!(!has(&format!("/admin/records/?{query}")), "{query}");
    }
    assert!(
        browser
            .page("/admin/records/?patient=nobody-has-this-name-zq")
            .contains("Nobody was found")
    );
    let today = case.patient.read_patient_record(id).ok(200).text("created_at").to_owned();
    for created in [&today[..4], &today[..7], &today[..10]] {
        let page =
            browser.page(&format!("/admin/records/?created={created}&patient={}", patient.id));
        assert!(
            page.contains(&format!(">{id}<"))
                && page.contains(&format!("?patient={}&#38;created=", patient.id)),
            "{created}: {page}"
        );
    }
    assert!(!has(&format!("/admin/records/?created=2026-01&patient={}", patient.id)));
    for wrong in [
        "created=yesterday",
        "created=2026-13",
        "id=x",
        "record_type=x",
        "cursor=x",
        "patient=a&doctor=b",
    ] {
        assert_eq!(browser.get(&format!("/admin/records/?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(browser.get(&format!("/admin/records/{NOBODY}/")).status, 404);
    assert_eq!(browser.get("/admin/records/x/").status, 404);

    let notifications = |query: &str| {
        browser.page(&format!("/admin/notifications/?recipient={}&{query}", patient.id))
    };
    let rows = |page: String| page.matches("scope=\"row\"").count();
    assert_eq!(rows(notifications("notification_type=record_annotated&is_read=false")), 1);
    assert_eq!(rows(notifications("notification_type=patient_assigned")), 0);
    assert_eq!(rows(notifications("is_read=true")), 0);
    assert_eq!(rows(notifications("is_read=false")), 1);
}

#[test]
fn lists_go_on_behind_25() {
    let (browser, patient, doctor) = (StaffBrowser::new(), Patient::new(), Doctor::new());
    let mut ids: Vec<String> =
        (0..27).map(|_| patient.record_for(&doctor).text("id").to_owned()).collect();
    ids.reverse();
    browser.record(&ids[0]);
    for (side, id) in [("patient", &patient.id), ("doctor", &doctor.id)] {
        let first = browser.page(&format!("/admin/records/?{side}={id}"));
        let places: Vec<Option<usize>> =
            ids.iter().map(|id| first.find(&format!(">{id}<"))).collect();
        assert!(
            places[..25].is_sorted()
                && places[..25].iter().all(Option::is_some)
                && places[25..] == [None, None],
            "{places:?}"
        );
        let (_, rest) = first.split_once("rel=\"next\" href=\"").unwrap();
        let next = rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        let second = browser.page(&next);
        assert!(
            ids[25..].iter().all(|id| second.contains(&format!(">{id}<")))
                && !second.contains(&ids[24])
        );
        assert_eq!(
            StaffBrowser::new().get(&next).status,
            400,
            "a cursor is for the one it was made for"
        );
    }
    let first = browser.page("/admin/records/");
    assert_eq!(first.matches("scope=\"row\"").count(), 25);
    assert!(first.contains("rel=\"next\""));
}

#[test]
fn a_long_record_is_shown_in_pages() {
    let (browser, case) = (StaffBrowser::new(), RecordCase::new());
    let long = "\u{1f4a0}".repeat(4_900);
    let notes: Vec<String> = (0..5).map(|number| format!("{MARKER}-{number}-{long}")).collect();
    for note in &notes {
        case.doctor.create_annotation(json!({"record": case.id, "note": note})).ok(201);
    }
    browser.record(&case.id);
    browser.break_glass(&case.id, "A good reason");
    let (mut path, mut seen) = (format!("/admin/records/{}/", case.id), String::new());
    loop {
        let page = browser.page(&path);
        seen.push_str(&page);
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = format!("/admin/records/{}/{}", case.id, rest.split('"').next().unwrap());
    }
    assert!(notes.iter().chain([&case.note]).all(|note| seen.matches(note.as_str()).count() == 1));
}

#[test]
fn a_record_is_shown_in_pages_whatever_people_write() {
    let (browser, patient, doctor) = (StaffBrowser::new(), Patient::new(), Doctor::new());
    for user in [&*patient, &*doctor] {
        browser
            .admin
            .update_user(&user.id, json!({"first_name": hostile(255), "last_name": hostile(255)}))
            .ok(200);
    }
    let file = |number: usize| {
        json!({"name": format!("{}{number:02}", hostile(253)),
        "content_type": "application/pdf", "size_bytes": 9})
    };
    let files: Vec<Value> = (0..20).map(file).collect();
    let record = patient
        .create_record(json!({"doctor": doctor.id, "description": hostile(5_000), "files": files}))
        .ok(201);
    let id = record.text("id");
    let mut annotations = Vec::new();
    for length in [5_000, 5_000, 2_000, 2_000, 1_000] {
        annotations.push(
            doctor
                .create_annotation(json!({"record": id, "note": hostile(length)}))
                .ok(201)
                .text("id")
                .to_owned(),
        );
    }
    browser.record(id);
    browser.break_glass(id, &hostile(1_000));
    let (mut path, mut seen) = (format!("/admin/records/{id}/"), Vec::new());
    loop {
        let page = browser.page(&path);
        assert!(page.contains("were shortened"), "the names of 20 files do not fit: {page}");
        assert_eq!(page.matches("application/pdf").count(), 20, "{page}");
        let shown: Vec<String> =
            annotations.iter().rev().filter(|id| page.contains(id.as_str())).cloned().collect();
        assert!(!shown.is_empty(), "{page}");
        seen.extend(shown);
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = format!("/admin/records/{id}/{}", rest.split('"').next().unwrap());
    }
    annotations.reverse();
    assert_eq!(seen, annotations, "each of them once, the newest first");
}

#[test]
fn lists_stay_small_whatever_people_write() {
    let (browser, patient, doctor) = (StaffBrowser::new(), Patient::new(), Doctor::new());
    let last_name = format!("{}{}", patient.last_name, hostile(220));
    browser
        .admin
        .update_user(&patient.id, json!({"first_name": hostile(255), "last_name": last_name}))
        .ok(200);
    browser
        .admin
        .update_user(&doctor.id, json!({"first_name": hostile(255), "last_name": hostile(255)}))
        .ok(200);
    let file = json!({"name": hostile(255), "content_type": "application/pdf", "size_bytes": 9});
    let body = json!({"doctor": doctor.id, "description": hostile(5_000), "files": vec![file; 1]});
    let records: Vec<String> = (0..26)
        .map(|_| patient.create_record(body.clone()).ok(201).text("id").to_owned())
        .collect();
    for id in &records {
        doctor.create_annotation(json!({"record": id, "note": hostile(5_000)})).ok(201);
    }
    browser.record(&records[25]);
    for id in &records {
        browser.break_glass(id, "A good reason");
    }
    let month = &jiff::Timestamp::now().to_string()[..7];
    // Every link on the page repeats the input.
    let typed: String = last_name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for (list, side) in LISTS.iter().zip(["patient", "patient", "patient", "recipient"]) {
        let path = format!("{list}?{side}={typed}&created={month}");
        let page = eventually(&path, || {
            Some(browser.page(&path)).filter(|page| page.matches("scope=\"row\"").count() == 25)
        });
        assert!(page.contains("…"), "{path}");
        let long = |length: usize| "%22".repeat(length);
        assert!(browser.page(&format!("{list}?{side}={}", long(255))).contains("Nobody was found"));
        browser.get(&format!("{list}?{side}={}", long(256))).ok(400);
    }
}

#[test]
fn lists_of_a_patient_are_ordered_by_record() {
    let (browser, patient, doctor) = (StaffBrowser::new(), Patient::new(), Doctor::new());
    let file =
        |name: &str| json!([{"name": name, "content_type": "application/pdf", "size_bytes": 9}]);
    let records: Vec<String> = ["a.pdf", "b.pdf"]
        .map(|name| {
            patient
                .create_record(json!({"doctor": doctor.id, "files": file(name)}))
                .ok(201)
                .text("id")
                .to_owned()
        })
        .to_vec();
    // The newest annotation is on the older record.
    for id in [&records[1], &records[0]] {
        doctor.annotate(id);
    }
    patient.update_record(&records[0], json!({"files": file("c.pdf")})).ok(200);
    for (list, of_records) in
        [("/admin/files/", [1, 0, 0].as_slice()), ("/admin/annotations/", &[1, 0])]
    {
        let page = browser.page(&format!("{list}?patient={}", patient.id));
        assert!(
            page.contains(", by record, the newest record first, at most 25</caption>")
                && page.contains("listed by record"),
            "{page}"
        );
        let rows: Vec<&str> = page.split("scope=\"row\"").skip(1).collect();
        assert_eq!(rows.len(), of_records.len(), "{page}");
        assert!(
            rows.iter()
                .zip(of_records)
                .all(|(row, of)| row.contains(&format!(">{}<", records[*of]))),
            "{page}"
        );
        assert!(browser.page(list).contains(", newest first, at most 25</caption>"));
    }
    for list in [
        format!("/admin/records/?patient={}", patient.id),
        format!("/admin/notifications/?recipient={}", patient.id),
    ] {
        assert!(browser.page(&list).contains(", newest first, at most 25</caption>"), "{list}");
    }
}

#[test]
fn text_of_users_is_escaped_on_record_pages() {
    let (browser, patient, doctor) = (StaffBrowser::new(), Patient::new(), Doctor::new());
    let hostile = format!("{MARKER}</div><script>alert('x')</script>\"'&");
    let record =
        patient.create_record(json!({"doctor": doctor.id, "description": hostile})).ok(201);
    let id = record.text("id");
    doctor.create_annotation(json!({"record": id, "note": hostile})).ok(201);
    browser.record(id);
    browser.break_glass(id, &hostile);
    for path in
        [format!("/admin/records/{id}/"), format!("/admin/annotations/?patient={}", patient.id)]
    {
        let page = browser.page(&path);
        assert!(
            page.contains(MARKER)
                && !page.contains("<script>alert")
                && !page.contains("</div><script"),
            "{page}"
        );
    }
    let page = browser.page("/admin/records/?patient=%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(!page.contains("<script>alert"), "{page}");
}
