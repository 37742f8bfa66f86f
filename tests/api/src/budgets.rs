//! Measures what requests cost the table: round trips and capacity units, as the table counts them,
//! with items of usual size.
//!
//! Always in this process: each test has a system of its own, so that its lists are short. The keys
//! of access tokens were read before, as in a warm sandbox.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store_tests::meter::Cost;
use uuid::{NoContext, Uuid};

use crate::harness::files::{PDF, make_available, new_file};
use crate::harness::{
    Admin, Anonymous, AuthenticatorApp, Client, Doctor, IsolatedSystem, MARKER, PASSWORD, Patient,
    Request, Response, new_email,
};

/// Read units for reading the caller: account and session, strongly consistent.
const CALLER: f64 = 2.0;

/// Write units of the event about a read, for each patient whose chart was read.
const READ: f64 = 1.0;
/// Write units of the event about a read of twenty records of one patient.
const LONG_READ: f64 = 2.0;

/// The cost of throttling (decisions 0017, 0035, 0116): read units of the counter of the network.
const NETWORK: f64 = 0.5;
/// Write units of that counter after a failure.
const FAILURE: f64 = 1.0;
/// Write units of a known device, which is stored again at each sign-in.
const DEVICE: f64 = 1.0;
/// Write units of the allowance of the day, taken in the transaction of the change.
const DAY: f64 = 2.0;
/// Write units of the entries of a name of two parts in the search (decision 0138), stored with the
/// account; and of as many of them in an index.
const NAME: f64 = 8.0;
const NAME_IN_INDEX: f64 = 4.0;
/// Write units of the version of a record, kept in the transaction of the change.
const VERSION: f64 = 2.0;

/// Makes a cost from round trips, calls, read units, write units and write units of indexes.
const fn cost(round_trips: usize, calls: usize, read: f64, write: f64, index: f64) -> Cost {
    Cost { round_trips, calls, read, write, index }
}

/// The measurements that differ from the expected cost.
#[derive(Default)]
struct Deviations(Vec<String>);

impl Deviations {
    /// Sends a request and compares its cost with the expected one.
    #[track_caller]
    fn row(&mut self, name: &str, request: Request, status: u16, expected: Cost) -> Response {
        let (response, measured) = request.measure();
        println!("{name:42} {measured:?}");
        if measured != expected {
            self.0.push(format!("{name}: measured {measured:?}, expected {expected:?}"));
        }
        response.ok(status)
    }

    fn check(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

fn get(client: &Client, path: &str) -> Request {
    client.request("GET", path)
}

fn post(client: &Client, path: &str, body: Value) -> Request {
    client.request("POST", path).json(&body)
}

fn login(email: &str, password: &str) -> Request {
    post(&Anonymous, "/api/accounts/login/", json!({"email": email, "password": password}))
}

/// Measures what a user does with an account, with throttling and events.
#[test]
fn every_operation_on_an_account_keeps_its_budget() {
    let _own = IsolatedSystem::start();
    let mut report = Deviations::default();
    let user = Patient::new();
    user.me().ok(200);

    // A failed sign-in costs the same whether the account exists or not.
    report.row(
        "login, failed",
        login(&user.email, "not the password"),
        401,
        cost(2, 6, 2.0 + NETWORK, 2.0 + FAILURE, 1.0),
    );
    // A decoy is in no index.
    let unknown = new_email();
    report.row(
        "login, failed, unknown",
        login(&unknown, PASSWORD),
        401,
        cost(2, 6, 2.0 + NETWORK, 2.0 + FAILURE, 0.0),
    );
    let throttled = (0..20).find(|_| Anonymous.login(&unknown, PASSWORD).status == 429).map(|_| ());
    assert_eq!(throttled, Some(()));
    report.row(
        "login, too often",
        login(&unknown, PASSWORD),
        429,
        cost(1, 3, 1.0 + NETWORK, 0.0, 0.0),
    );

    // Sessions.
    let refresh =
        |token: &str| post(&Anonymous, "/api/accounts/token/refresh/", json!({"refresh": token}));
    report.row("refresh", refresh(&user.refresh), 200, cost(2, 2, CALLER, 1.0, 0.0));
    report.row(
        "sessions",
        get(&user, "/api/accounts/sessions/"),
        200,
        cost(2, 2, CALLER + 1.0, 0.0, 0.0),
    );
    user.sign_in();
    let sessions = user.list_sessions("").ok(200);
    let spare = sessions
        .results()
        .iter()
        .find(|session| session["current"] == false)
        .unwrap_or_else(|| panic!("{sessions}"))["id"]
        .as_str()
        .unwrap();
    report.row(
        "end a session",
        user.request("DELETE", &format!("/api/accounts/sessions/{spare}/")),
        204,
        cost(2, 2, CALLER, 4.0, 1.0),
    );
    let stolen = Anonymous.login(&user.email, PASSWORD).ok(200);
    let stolen = stolen["tokens"]["refresh"].as_str().unwrap();
    let newer = Anonymous.refresh(stolen).ok(200);
    Anonymous.refresh(newer.text("refresh")).ok(200);
    report.row("refresh, reused", refresh(stolen), 401, cost(4, 4, CALLER + NETWORK, 7.0, 3.0));
    let another = Anonymous.login(&user.email, PASSWORD).ok(200);
    report.row(
        "revoke a refresh token",
        post(
            &Anonymous,
            "/api/accounts/token/revoke/",
            json!({"refresh": another["tokens"]["refresh"]}),
        ),
        204,
        cost(2, 2, CALLER, 4.0, 1.0),
    );
    report.row(
        "logout everywhere",
        user.request("POST", "/api/accounts/logout-all/"),
        204,
        cost(2, 3, CALLER + 1.0, 4.0, 1.0),
    );
    report.check();
}

/// Measures second factors, passwords and the access log.
#[test]
fn every_operation_on_credentials_keeps_its_budget() {
    let _own = IsolatedSystem::start();
    let mut report = Deviations::default();
    let user = Patient::new();
    user.confirm_address();
    let app = AuthenticatorApp::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    user.confirm_second_factor(&app.code(0)).ok(200);
    let asked = report.row(
        "login, before the code",
        login(&user.email, PASSWORD),
        401,
        cost(2, 6, 2.0 + NETWORK, 1.0 + 2.0, 1.0),
    );
    report.row(
        "login, second factor",
        post(
            &Anonymous,
            "/api/accounts/login/second-factor/",
            json!({"mfa_token": asked["mfa_token"], "code": app.code(1)}),
        ),
        200,
        cost(2, 6, 2.0 + NETWORK, 1.0 + 8.0 + DEVICE, 1.0),
    );
    // With a second factor, its code is checked before.
    let plain = Patient::new();
    report.row(
        "change the password",
        post(
            &plain,
            "/api/accounts/password-change/",
            json!({"current_password": PASSWORD, "new_password": format!("{PASSWORD}-2")}),
        ),
        200,
        cost(3, 7, CALLER + 2.0 + NETWORK, 12.0, 3.0),
    );
    // It takes as much for an address that nobody has.
    for email in [user.email.clone(), new_email()] {
        report.row(
            "ask for a reset",
            post(&Anonymous, "/api/accounts/password-reset/", json!({"email": email})),
            202,
            cost(2, 4, 1.0 + NETWORK, 4.0 + 1.0, 2.0),
        );
    }
    let reader = Patient::new();
    let log = report.row(
        "access log",
        get(&reader, "/api/accounts/access-log/"),
        200,
        cost(2, 3, CALLER + 1.0, READ, 1.0),
    );
    assert!(!log.results().is_empty());
    report.check();
}

/// Measures what staff do.
#[test]
fn every_operation_of_staff_keeps_its_budget() {
    let _own = IsolatedSystem::start();
    let mut report = Deviations::default();
    let admin = Admin::new();
    let doctors: Vec<Doctor> = (0..21).map(|_| Doctor::pending()).collect();
    admin.list_events(&format!("subject={}", doctors[0].id)).ok(200);
    let waiting = report.row(
        "doctors who wait, 20",
        get(&admin, "/api/admin/doctors/?approval=pending"),
        200,
        cost(2, 4, CALLER + 1.0 + 10.0, READ, 1.0),
    );
    assert_eq!(waiting.results().len(), 20);
    // Eight shards are queried concurrently; in a month with few users so far, the months before it
    // are queried, too.
    let newest = report.row(
        "newest users, 20",
        get(&admin, "/api/admin/users/"),
        200,
        cost(2, 11, CALLER + 4.0 + 10.0, READ, 1.0),
    );
    assert_eq!(newest.results().len(), 20);
    report.row(
        "approve a doctor",
        admin.request("POST", &format!("/api/admin/doctors/{}/approve/", doctors[0].id)),
        200,
        cost(2, 3, CALLER + 1.0, 8.0 + NAME, 8.0 + 2.0 * NAME_IN_INDEX),
    );
    report.check();
}

/// Makes an id of two hours ago.
fn old_id() -> String {
    let at = Timestamp::now() - SignedDuration::from_hours(2);
    let seconds = u64::try_from(at.as_second()).unwrap();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, 0)).to_string()
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// Creates a record with two files and two annotations.
fn record_of(patient: &Patient, doctor: &Doctor) -> Response {
    let files = [new_file("a.pdf", "application/pdf", PDF), new_file("b.png", "image/png", PDF)];
    let body = json!({"doctor": doctor.id, "description": format!("{MARKER} description"),
        "files": files});
    let record = patient.create_record(body).ok(201);
    for _ in 0..2 {
        doctor.annotate(record.text("id"));
    }
    record
}

#[test]
fn a_page_costs_the_same_in_a_short_and_in_a_long_chart() {
    let own = IsolatedSystem::start();
    let doctors: Vec<Doctor> = (0..20).map(|_| Doctor::new()).collect();
    let mut costs = Vec::new();
    for number in [25, 10_000] {
        let patient = Patient::new();
        let model = record_of(&patient, &doctors[0]);
        let read = patient.read_patient_record(model.text("id")).ok(200);
        let below = |name: &str| {
            let entries = read[name].as_array().unwrap().iter();
            entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let below = [below("files"), below("annotations")].concat();
        assert_eq!(below.len(), 4);
        own.multiply(&format!("PATIENT#{}", patient.id), "RECORD#", number, |copy| {
            let doctor = &doctors[copy % doctors.len()];
            let mut ids = vec![
                (model.text("id").to_owned(), new_id()),
                (doctors[0].id.clone(), doctor.id.clone()),
            ];
            ids.extend(below.iter().map(|id| (id.clone(), new_id())));
            ids
        });
        let (page, cost) = get(&patient, "/api/records/patient/").measure();
        let page = page.ok(200);
        assert_eq!(page.results().len(), 20);
        for record in page.results() {
            assert_eq!(record["files"].as_array().unwrap().len(), 2);
            assert_eq!(record["annotations"].as_array().unwrap().len(), 2);
        }
        costs.push(cost);
    }
    assert_eq!(costs, [cost(2, 4, CALLER + 7.0 + 10.0, LONG_READ, 1.0); 2]);
}

#[test]
fn a_search_of_the_directory_costs_as_much_as_the_directory() {
    let _own = IsolatedSystem::start();
    let patient = Patient::new();
    for _ in 0..25 {
        Doctor::new();
    }
    let (all, cost) = get(&patient, "/api/accounts/doctors/").measure();
    assert_eq!(all.ok(200).results().len(), 20);
    assert_eq!((cost.round_trips, cost.calls), (1, 2));
    for query in [
        format!("search={MARKER}"),
        "search=jan".to_owned(),
        format!("search=jane+{MARKER}"),
        format!("search={MARKER}&specialization=cardiology"),
        format!("search=jane+{MARKER}&specialization=cardiology"),
    ] {
        let (found, searched) = get(&patient, &format!("/api/accounts/doctors/?{query}")).measure();
        println!("{query:42} {searched:?}");
        assert_eq!(found.ok(200).results().len(), 20, "{query}");
        assert_eq!(searched, cost, "{query}");
    }
}

#[test]
fn every_operation_on_records_keeps_its_budget() {
    let own = IsolatedSystem::start();
    let mut report = Deviations::default();
    let doctors: Vec<Doctor> = (0..2).map(|_| Doctor::new()).collect();
    let warm = Patient::new();
    warm.record_for(&doctors[0]);
    doctors[0].list_notifications("").ok(200);

    // The counter of the network is read before the password is hashed, the transaction is written
    // after it.
    report.row(
        "register",
        post(
            &Anonymous,
            "/api/accounts/register/",
            json!({"email": new_email(), "password": PASSWORD, "first_name": "Jane",
                "last_name": "Doe", "phone_number": "+4930123456"}),
        ),
        201,
        cost(2, 2, NETWORK, 8.0 + NAME, 3.0 + NAME_IN_INDEX),
    );
    let patient = Patient::new();
    report.row(
        "login",
        login(&patient.email, PASSWORD),
        200,
        cost(2, 8, 2.0 + NETWORK, 2.0 + 2.0 + DEVICE, 1.0),
    );
    // From a known device: its attempts are counted in its own item.
    let known = Anonymous.login(&patient.email, PASSWORD).ok(200);
    report.row(
        "login, known device",
        post(
            &Anonymous,
            "/api/accounts/login/",
            json!({"email": patient.email, "password": PASSWORD,
                "device_token": known["device_token"]}),
        ),
        200,
        cost(2, 6, 2.0, 1.0 + 2.0 + DEVICE, 1.0),
    );
    report.row("me", get(&patient, "/api/accounts/me/"), 200, cost(1, 1, CALLER, 0.0, 0.0));

    // Create a record: read the doctor, then one transaction.
    let body = json!({"doctor": doctors[0].id, "description": format!("{MARKER} description"),
        "files": [new_file("a.pdf", "application/pdf", PDF), new_file("b.png", "image/png", PDF)]});
    let created = report.row(
        "create record with 2 files",
        post(&patient, "/api/records/patient/", body.clone()),
        201,
        cost(2, 3, CALLER + 1.0, 16.0 + DAY, 6.0),
    );
    let record = created.text("id");
    // The same with an Idempotency-Key and a response to store: one write concurrent with the first
    // read, and twice the size of the response in the transaction.
    report.row(
        "create record, to be repeated",
        post(&patient, "/api/records/patient/", body)
            .header("idempotency-key", &format!("\"{}\"", new_id())),
        201,
        cost(2, 4, CALLER + 1.0, 16.0 + DAY + 1.0 + 6.0, 6.0),
    );

    // Annotate: read the assignment, the record, then one transaction.
    for _ in 0..2 {
        report.row(
            "annotate",
            post(
                &doctors[0],
                "/api/records/doctor/annotations/",
                json!({"record": record, "note": format!("{MARKER} note")}),
            ),
            201,
            cost(3, 4, CALLER + 2.0, 14.0 + DAY, 4.0),
        );
    }

    // One record, read by a patient and by a doctor.
    report.row(
        "one record, patient",
        get(&patient, &format!("/api/records/patient/{record}/")),
        200,
        cost(2, 4, CALLER + 0.5 + 1.0, READ, 1.0),
    );
    report.row(
        "one record, doctor",
        get(&doctors[0], &format!("/api/records/doctor/{record}/")),
        200,
        cost(2, 5, CALLER + 1.5 + 1.0, READ, 1.0),
    );

    // Reassign: read the record and the new doctor concurrently, one transaction, and the people of
    // the response.
    report.row(
        "reassign",
        patient
            .request("PATCH", &format!("/api/records/patient/{record}/"))
            .json(&json!({"doctor": doctors[1].id})),
        200,
        cost(3, 5, CALLER + 3.0, 12.0 + VERSION + DAY, 6.0),
    );

    // A doctor's page of 20 records of 20 patients.
    let busy = Doctor::new();
    let records: Vec<(Patient, Response)> = (0..25)
        .map(|_| {
            let patient = Patient::new();
            let record = record_of(&patient, &busy);
            (patient, record)
        })
        .collect();
    let page = report.row(
        "doctor's records, 20",
        get(&busy, "/api/records/doctor/"),
        200,
        cost(2, 43, CALLER + 1.0 + 20.0 + 10.0, 20.0 * READ, 20.0),
    );
    assert_eq!(page.results().len(), 20);

    // Notifications, 20, with their records: the chart contains the assigned doctor, so that no
    // assignment has to be read.
    let page = report.row(
        "notifications, 20",
        get(&busy, "/api/notifications/"),
        200,
        cost(2, 44, CALLER + 2.0 + 20.0 + 10.0, 20.0 * READ, 20.0),
    );
    assert_eq!(page.results().len(), 20);

    // Bulk actions, on a short and on a long inbox, each with one notification that is so new that
    // it costs a write of its own.
    for number in [9, 999] {
        let doctor = Doctor::new();
        let told = Patient::new().record_for(&doctor);
        let notification = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
        own.multiply(&format!("INBOX#{}", doctor.id), "NOTIFICATION#", number, |_| {
            vec![(notification.clone(), old_id()), (told.text("id").to_owned(), new_id())]
        });
        report.row(
            &format!("mark all read, {}", number + 1),
            doctor.request("POST", "/api/notifications/mark-all-read/"),
            200,
            cost(2, 4, CALLER + 1.0, 2.0, 2.0),
        );
        report.row(
            &format!("delete all, {}", number + 1),
            doctor.request("DELETE", "/api/notifications/delete-all/"),
            204,
            cost(4, 5, CALLER + 1.0, 3.0, 0.0),
        );
    }

    report.row(
        "directory, 20",
        get(&patient, "/api/accounts/doctors/"),
        200,
        cost(1, 2, CALLER + 0.5, 0.0, 0.0),
    );
    report.row(
        "directory, searched",
        get(&patient, "/api/accounts/doctors/?search=jane"),
        200,
        cost(1, 2, CALLER + 0.5, 0.0, 0.0),
    );
    report.row(
        "unread count, 25",
        get(&busy, "/api/notifications/unread-count/"),
        200,
        cost(2, 3, CALLER + 1.5, 0.0, 0.0),
    );
    let (owner, model) = &records[0];
    let file = model["files"][0]["id"].as_str().unwrap();
    make_available(&owner.id, model.text("id"), file);
    report.row(
        "download a file",
        get(&busy, &format!("/api/records/files/{file}/download/")),
        303,
        cost(3, 5, CALLER + 3.0, READ, 1.0),
    );
    report.row(
        "delete a file",
        owner.request("DELETE", &format!("/api/records/files/{file}/")),
        204,
        cost(3, 4, CALLER + 2.0, 10.0 + VERSION + DAY, 4.0),
    );

    // A change reads the last notification about the record, and takes its place.
    report.row(
        "change a record again",
        owner
            .request("PATCH", &format!("/api/records/patient/{}/", model.text("id")))
            .json(&json!({"record_type": "imaging"})),
        200,
        cost(4, 5, CALLER + 2.5, 10.0 + VERSION + DAY, 6.0),
    );

    // The console. Eight shards of a list, at most a unit each; the outline of a record consumes as
    // much as the record, although fewer attributes are sent.
    let admin = Admin::new();
    let opened = admin.request("POST", "/admin/session/").send_unchecked().ok(204);
    let cookie = opened.header("set-cookie").split(';').next().unwrap().to_owned();
    let browse = |path: &str| Request::new("GET", path).header("cookie", &cookie);
    let page = format!("/admin/records/{}/", records[1].1.text("id"));
    let shown = || String::from_utf8(browse(&page).send_unchecked().ok(200).bytes).unwrap();
    let hidden = |page: &str, name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let submit = |form: &str, fields: &str| {
        let csrf = hidden(&shown(), "csrf");
        Request::new("POST", &format!("{page}{form}/"))
            .header("cookie", &cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("csrf={csrf}&reason=The+patient+asks+on+the+telephone{fields}"))
    };
    report.row(
        "console: newest records, 25",
        browse("/admin/records/"),
        200,
        cost(2, 11, CALLER + 18.0, READ, 1.0),
    );
    report.row(
        "console: outline of a record",
        browse(&page),
        200,
        cost(3, 6, CALLER + 3.5, READ, 1.0),
    );
    report.row(
        "console: break glass",
        submit("break-glass", ""),
        303,
        cost(3, 4, CALLER + 1.5, 6.0, 3.0),
    );
    report.row(
        "console: correct an assignment",
        submit(
            "assignment",
            &format!("&version={}&doctor={}", hidden(&shown(), "version"), doctors[0].id),
        ),
        303,
        cost(4, 5, CALLER + 2.5, 14.0 + VERSION, 8.0),
    );
    report.check();
}
