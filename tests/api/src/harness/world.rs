//! Every operation, as `access.md` lists them, and a client that may call it.

use std::sync::OnceLock;

use serde_json::{Value, json};

use self::Callers::{Admins, Anyone, Doctors, Patients, Readers, SignedIn};
use super::files::make_available;
use super::{Admin, Client, Doctor, MARKER, PASSWORD, Patient, Response, UNKNOWN, new_email};

/// Reads the rows of the table that follows a heading: their cells, the column names first.
pub fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let text = include_str!("../../access.md");
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    let cells = |row: &'static str| {
        row.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>()
    };
    rows.map(cells)
        .filter(|cells| !cells.iter().all(|cell| cell.chars().all(|c| c == '-')))
        .collect()
}

/// Who may call an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callers {
    Anyone,
    /// Some of these are of no use to staff.
    SignedIn,
    /// Patients and doctors who may read the record in the path.
    Readers,
    Patients,
    Doctors,
    Admins,
}

/// Reads every operation: method, path and audience. Braces in a path contain the kind of object
/// that it names. The rows are those of `access.md`; the audience follows from the responses to
/// anonymous callers, the owner and the assigned doctor.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str, Callers)> {
    let mut rows = table("Operations");
    let columns = rows.remove(0);
    let column = move |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let [anonymous, patient, doctor, unapproved] =
        ["anonymous", "owner", "assigned doctor", "unapproved doctor"].map(column);
    rows.into_iter().map(move |row| {
        let (method, path) = row[1].split_once(' ').unwrap();
        let forbidden = |column: usize| row[column] == "403 wrong_role";
        let audience =
            match (row[anonymous].starts_with("401"), forbidden(patient), forbidden(doctor)) {
                (false, ..) => Anyone,
                (true, false, false) if row[unapproved] == "403 not_approved" => Readers,
                (true, false, false) => SignedIn,
                (true, false, true) => Patients,
                (true, true, false) => Doctors,
                (true, true, true) => Admins,
            };
        (method, path, audience)
    })
}

/// A record of a patient, assigned to a doctor, with a file and an annotation. Tests read it and
/// try to change it.
pub struct World {
    pub patient: Patient,
    pub doctor: Doctor,
    pub admin: Admin,
    pub former_doctor: Doctor,
    pub session: String,
    pub record: String,
    pub file: String,
    pub annotation: String,
    pub former_annotation: String,
    pub notification: String,
}

impl World {
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let (patient, doctor, former_doctor) = (Patient::new(), Doctor::new(), Doctor::new());
            let file = json!({"name": format!("{MARKER}.pdf"), "content_type": "application/pdf",
                "size_bytes": 9});
            let body = json!({"doctor": former_doctor.id, "description": MARKER, "files": [file]});
            let created = patient.create_record(body).ok(201);
            let record = created.text("id").to_owned();
            let former_annotation = former_doctor.annotate(&record);
            patient.update_record(&record, json!({"doctor": doctor.id})).ok(200);
            let annotation = doctor.annotate(&record);
            let file = created["files"][0]["id"].as_str().unwrap();
            make_available(&patient.id, &record, file);
            let inbox = patient.list_notifications("").ok(200);
            let sessions = patient.list_sessions("").ok(200);
            Self {
                admin: Admin::new(),
                session: sessions.ids("id")[0].to_owned(),
                file: file.to_owned(),
                annotation: annotation.text("id").to_owned(),
                former_annotation: former_annotation.text("id").to_owned(),
                notification: inbox.ids("id")[0].to_owned(),
                patient,
                doctor,
                former_doctor,
                record,
            }
        })
    }

    /// Returns the path with the ids of this world.
    pub fn path(&self, path: &str) -> String {
        let path = path.replace("{record}", &self.record).replace("{file}", &self.file);
        let path = path
            .replace("{annotation}", &self.annotation)
            .replace("{notification}", &self.notification);
        path.replace("{session}", &self.session)
            .replace("{user}", &self.patient.id)
            .replace("{doctor}", &self.doctor.id)
    }

    /// Returns a body that the operation accepts from callers who may call it.
    pub fn body(&self, method: &str, path: &str) -> Option<Value> {
        Some(match (method, path) {
            ("POST", "/api/accounts/profile-create/") => {
                json!({"specialization": "Cardiology", "license_number": "MD-1"})
            }
            (_, "/api/accounts/profile-update/") => {
                json!({"specialization": "Cardiology", "license_number": "MD-1"})
            }
            ("POST", "/api/records/patient/") => {
                json!({"doctor": self.doctor.id, "description": MARKER})
            }
            ("PATCH" | "PUT", "/api/records/patient/{record}/") => {
                json!({"doctor": self.former_doctor.id, "description": "hijacked"})
            }
            ("POST", "/api/records/doctor/annotations/") => {
                json!({"record": self.record, "note": "hijacked"})
            }
            ("PATCH", "/api/admin/users/{user}/") => json!({"is_active": true}),
            (
                "POST",
                "/api/admin/doctors/{doctor}/refuse/" | "/api/admin/doctors/{doctor}/suspend/",
            ) => json!({"reason": MARKER}),
            ("POST", "/api/accounts/password-change/") => {
                json!({"current_password": PASSWORD, "new_password": "another harbour, a louder \
                     one"})
            }
            ("POST", "/api/accounts/email-change/") => {
                json!({"email": new_email(), "password": PASSWORD})
            }
            ("POST", "/api/admin/users/{user}/email-change/") => {
                json!({"email": new_email(), "reason": MARKER})
            }
            ("POST", "/api/admin/users/{user}/second-factor-removal/") => {
                json!({"reason": MARKER})
            }
            (
                "POST",
                "/api/admin/users/{user}/recovery/approve/"
                | "/api/admin/users/{user}/recovery/cancel/",
            ) => json!({"recovery": UNKNOWN}),
            ("POST", "/api/accounts/second-factor/setup/") => json!({"password": PASSWORD}),
            ("POST", "/api/accounts/second-factor/confirm/") => json!({"code": "123456"}),
            ("POST", "/api/accounts/second-factor/disable/") => {
                json!({"password": PASSWORD, "code": "123456"})
            }
            ("PATCH" | "PUT", _) => json!({"note": "hijacked"}),
            _ => return None,
        })
    }

    /// Makes the request of this caller, with a valid body.
    pub fn call(&self, caller: &Client, method: &str, path: &str) -> Response {
        self.call_at(caller, method, path, &self.path(path))
    }

    pub fn call_at(&self, caller: &Client, method: &str, path: &str, address: &str) -> Response {
        let request = caller.request(method, address);
        match self.body(method, path) {
            Some(body) => request.json(&body).send(),
            None => request.send(),
        }
    }

    /// Returns what the owner and the doctor see, for comparisons.
    pub fn state(&self) -> [Value; 3] {
        let chart = self.patient.read_patient_record(&self.record).ok(200).body;
        let unread = self.patient.count_unread().ok(200).body;
        [chart, unread, self.patient.me().ok(200).body]
    }
}

/// Returns a client that may call operations of an audience.
pub fn caller(audience: Callers) -> &'static Client {
    let world = World::get();
    match audience {
        Doctors => &world.doctor,
        Admins => &world.admin,
        Anyone | SignedIn | Readers | Patients => &world.patient,
    }
}
