//! Tests of permissions, cell by cell: `access.md` against the deployed system.
//!
//! Each row of its first table is an operation, each column a caller. A cell contains the status,
//! and either the code of the problem or the name of the response; the second table lists the keys
//! of each response. The contract tests check that every operation of all routers has a row.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::harness::files::make_available;
use crate::harness::world::table;
use crate::harness::{
    Admin, Anonymous, AuthenticatorApp, Client, Doctor, MARKER, PASSWORD, Patient, Request,
    Response, UNKNOWN, User, aws, new_email,
};

/// The password after the initial one.
const NEXT_PASSWORD: &str = "amber-kettle-northbound-73";

/// Merges the keys of two JSON values.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (name, value) in other {
                let value = match one.remove(&name) {
                    Some(before) => merged(before, value),
                    None => value,
                };
                one.insert(name, value);
            }
            Value::Object(one)
        }
        (Value::Array(mut one), Value::Array(other)) => {
            one.extend(other);
            Value::Array(one)
        }
        (Value::Null, value) | (value, _) => value,
    }
}

/// Returns the keys of a JSON text, sorted, with those of nested objects: `id patient{first_name
/// pk} files[id name]`.
fn keys_of(value: &Value) -> String {
    let below = |value: &Value| match value {
        Value::Object(_) => format!("{{{}}}", keys_of(value)),
        Value::Array(entries) => {
            let entry = entries.iter().cloned().reduce(merged).unwrap_or_default();
            format!("[{}]", keys_of(&entry))
        }
        _ => String::new(),
    };
    let sorted: BTreeMap<&String, &Value> =
        value.as_object().into_iter().flat_map(Map::iter).collect();
    sorted
        .into_iter()
        .map(|(name, value)| format!("{name}{}", below(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the session of an access token.
fn session_of(client: &Client) -> String {
    let sessions = client.get("/api/accounts/sessions/").ok(200);
    let current = sessions.results().iter().find(|session| session["current"] == true).unwrap();
    current["id"].as_str().unwrap().to_owned()
}

fn set_approval(doctor: &User, approval: &str) {
    let expression = "SET approval = :approval REMOVE gsi1pk, gsi1sk, gsi2pk, gsi2sk";
    aws::update_item(
        &format!("USER#{}", doctor.id),
        "ACCOUNT",
        expression,
        json!({":approval": {"S": approval}}),
    );
}

/// The caller of a column.
struct ColumnCaller {
    client: Client,
    /// An anonymous caller has no account.
    user: Option<User>,
    record: String,
    annotation: String,
}

/// The callers of the columns, and the objects in the paths.
struct Columns {
    actors: BTreeMap<&'static str, ColumnCaller>,
    owner: Patient,
    assigned: Doctor,
    /// Waits for its upload.
    file: String,
    available_file: String,
    notification: String,
    session: String,
    applicants: [Doctor; 2],
    subject: User,
    /// A user with a second factor, and the app with its secret.
    guarded: (User, AuthenticatorApp),
}

/// Returns the app with the secret of a user's second factor.
fn app_of(user: &User) -> AuthenticatorApp {
    let factor = aws::get_item(&format!("FACTOR#{}", user.id), "SECOND_FACTOR").unwrap_or_default();
    let secret = factor["secret"]["S"].as_str();
    let opened = secret.map(|stored| aws::opened("TOTP secret 1", &user.id, stored));
    AuthenticatorApp::new(opened.as_deref().unwrap_or("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
}

impl Columns {
    fn new() -> Self {
        let (owner, other, subject) = (Patient::new(), Patient::new(), User::new("patient"));
        let (assigned, former, unassigned, suspended) =
            (Doctor::new(), Doctor::new(), Doctor::new(), Doctor::new());
        let (unapproved, deactivated) = (User::new("doctor"), Patient::new());
        let applicants = [Doctor::new(), Doctor::new()];
        [&unapproved, &applicants[0], &applicants[1]]
            .into_iter()
            .for_each(|doctor| set_approval(doctor, "pending"));
        let (admin, second_admin) = (Admin::new(), Admin::new());
        let guarded = Patient::new();
        let users: [&User; 9] = [
            &owner,
            &other,
            &assigned,
            &former,
            &unassigned,
            &suspended,
            &unapproved,
            admin.user(),
            second_admin.user(),
        ];
        users.into_iter().chain([&*guarded]).for_each(User::confirm_address);
        let app =
            AuthenticatorApp::new(guarded.set_up_second_factor(PASSWORD).ok(200).text("secret"));
        guarded.confirm_second_factor(&app.code(0)).ok(200);
        second_admin.start_second_factor_removal(&guarded.id).ok(204);

        let file = json!({"name": format!("{MARKER}.pdf"), "content_type": "application/pdf",
            "size_bytes": 9});
        let create = |doctor: &Doctor| {
            owner
                .create_record(
                    json!({"doctor": doctor.id, "description": MARKER, "files": [file, file]}),
                )
                .ok(201)
        };
        let created = create(&former);
        let record = created.text("id").to_owned();
        let [file, available_file] =
            [0, 1].map(|at: usize| created["files"][at]["id"].as_str().unwrap().to_owned());
        make_available(&owner.id, &record, &available_file);
        let id_of = |response: Response| response.text("id").to_owned();
        let former_annotation = id_of(former.annotate(&record));
        owner.update_record(&record, json!({"doctor": assigned.id})).ok(200);
        let annotation = id_of(assigned.annotate(&record));
        let suspended_record = id_of(create(&suspended));
        let suspended_annotation = id_of(suspended.annotate(&suspended_record));
        admin.suspend_doctor(&suspended.id, json!({"reason": "For this test."})).ok(200);
        let notification = owner.list_notifications("").ok(200).ids("id")[0].to_owned();
        let session = session_of(&owner.sign_in());
        let (password_only, admin_client) = (second_admin.user().sign_in(), Client::clone(&admin));
        deactivated.deactivate();

        let actor =
            |client: &Client, user: Option<&User>, record: &str, annotation: &str| ColumnCaller {
                client: client.clone(),
                user: user.cloned(),
                record: record.to_owned(),
                annotation: annotation.to_owned(),
            };
        let usual = |user: &User| actor(user, Some(user), &record, &annotation);
        let actors = BTreeMap::from([
            ("anonymous", actor(&Anonymous, None, &record, &annotation)),
            ("owner", usual(&owner)),
            ("other patient", usual(&other)),
            ("assigned doctor", usual(&assigned)),
            ("former doctor", actor(&former, Some(&former), &record, &former_annotation)),
            ("unassigned doctor", usual(&unassigned)),
            ("unapproved doctor", usual(&unapproved)),
            (
                "suspended doctor",
                actor(&suspended, Some(&suspended), &suspended_record, &suspended_annotation),
            ),
            ("admin", actor(&admin_client, Some(admin.user()), &record, &annotation)),
            (
                "admin, password only",
                actor(&password_only, Some(second_admin.user()), &record, &annotation),
            ),
            ("deactivated", usual(&deactivated)),
        ]);
        let guarded = ((*guarded).clone(), app);
        Self {
            actors,
            owner,
            assigned,
            file,
            available_file,
            notification,
            session,
            applicants,
            subject,
            guarded,
        }
    }

    /// Makes a request of an actor that is valid in everything but perhaps the actor.
    fn request(&self, operation: &str, method: &str, path: &str, actor: &ColumnCaller) -> Request {
        let [applicant, other_applicant] = &self.applicants;
        let doctor = if operation == "refuse_doctor" { other_applicant } else { applicant };
        let is_download = operation == "download_file";
        let file = if is_download { &self.available_file } else { &self.file };
        let path = path
            .replace("{record}", &actor.record)
            .replace("{annotation}", &actor.annotation)
            .replace("{file}", file);
        let path =
            path.replace("{notification}", &self.notification).replace("{session}", &self.session);
        let is_about_guarded = matches!(
            operation,
            "start_second_factor_removal" | "approve_recovery" | "staff_cancel_recovery"
        );
        let user = if is_about_guarded { &self.guarded.0 } else { &self.subject };
        let path = path.replace("{user}", &user.id).replace("{doctor}", &doctor.id);
        let path = match operation {
            "list_doctors" => format!("{path}?search={}", self.assigned.last_name),
            "list_users" => format!("{path}?id={}", self.subject.id),
            "list_events" => format!("{path}?subject={}", self.owner.id),
            "list_doctors_by_approval" => format!("{path}?approval=suspended"),
            _ => path,
        };
        let name = format!("{MARKER} name");
        let body = match operation {
            "register" => json!({"email": new_email(), "password": PASSWORD, "first_name": name}),
            "login" => json!({"email": self.owner.email, "password": PASSWORD}),
            "refresh" | "revoke_refresh_token" => {
                json!({"refresh": Anonymous.login(&self.owner.email,
                    PASSWORD).ok(200)["tokens"]["refresh"]})
            }
            "login_with_second_factor" => {
                let (user, app) = &self.guarded;
                let none = json!({":none": {"N": "0"}});
                aws::update_item(
                    &format!("FACTOR#{}", user.id),
                    "SECOND_FACTOR",
                    "SET last_step = :none",
                    none,
                );
                json!({"mfa_token": Anonymous.login(&user.email, PASSWORD).ok(401)["mfa_token"],
                    "code": app.code(0)})
            }
            "set_up_second_factor" => json!({"password": PASSWORD}),
            "confirm_second_factor" => {
                json!({"code": actor.user.as_ref().map(|user| app_of(user).code(0))})
            }
            // A later code than the one used before.
            "disable_second_factor" => {
                json!({"password": PASSWORD,
                    "code": actor.user.as_ref().map(|user| app_of(user).code(1))})
            }
            "request_password_reset" | "request_sign_in_link" => json!({"email": new_email()}),
            "reset_password" => json!({"token": "made-up", "password": NEXT_PASSWORD}),
            "verify_email"
            | "change_email"
            | "read_registration"
            | "discard_registration"
            | "confirm_device"
            | "confirm_recovery"
            | "cancel_recovery" => {
                json!({"token": "made-up"})
            }
            "start_email_change" => json!({"email": new_email(), "reason": "For this test."}),
            "start_second_factor_removal" => json!({"reason": "For this test."}),
            "approve_recovery" | "staff_cancel_recovery" => {
                let waiting = aws::get_item("RECOVERIES", &self.guarded.0.id).unwrap_or_default();
                json!({"recovery": waiting["id"]["S"].as_str().unwrap_or(UNKNOWN)})
            }
            "request_email_change" => json!({"email": new_email(), "password": PASSWORD}),
            "change_password" => {
                json!({"current_password": PASSWORD, "new_password": NEXT_PASSWORD})
            }
            "create_profile" | "update_profile" | "replace_profile" => {
                json!({"specialization": "Cardiology", "license_number": format!("{MARKER}-1"),
                    "gender": "female"})
            }
            "create_record" => json!({"doctor": self.assigned.id, "description": MARKER,
                "files": [{"name": format!("{MARKER}.pdf"), "content_type": "application/pdf",
                    "size_bytes": 9}]}),
            "update_record" => json!({"record_type": "procedure"}),
            "replace_record" => json!({"doctor": self.assigned.id, "description": MARKER}),
            "create_annotation" => json!({"record": actor.record, "note": MARKER}),
            "update_annotation" | "replace_annotation" => {
                json!({"note": format!("{MARKER} {operation}")})
            }
            "create_user" => {
                json!({"email": new_email(), "first_name": name, "last_name": name,
                    "role": "patient"})
            }
            "search_users" => json!({"email": self.subject.email}),
            "update_user" => json!({"is_active": true}),
            "approve_doctor" | "refuse_doctor" | "suspend_doctor" => {
                json!({"reason": "For this test."})
            }
            _ => Value::Null,
        };
        // A session that may be ended.
        let client = match (operation, &actor.user) {
            ("logout", Some(user)) if actor.client.me().status == 200 => user.sign_in(),
            _ => actor.client.clone(),
        };
        let request = client.request(method, &path).header("accept", "application/json");
        if body.is_null() { request } else { request.json(&body) }
    }
}

#[test]
fn every_cell_holds() {
    let mut operations = table("Operations");
    let columns = operations.remove(0);
    let views: BTreeMap<&str, &str> =
        table("Responses").into_iter().skip(1).map(|row| (row[0], row[1])).collect();
    let mut world = Columns::new();
    let (mut wrong, mut cells) = (Vec::new(), 0);
    for row in &operations {
        assert_eq!(row.len(), columns.len(), "{row:?}");
        let (operation, (method, path)) = (row[0], row[1].split_once(' ').unwrap());
        // Permitted callers come last, because they may delete the object.
        let mut order: Vec<usize> = (2..columns.len()).collect();
        order.sort_by_key(|column| row[*column].starts_with('2'));
        for column in order {
            let (name, expected) = (columns[column], row[column]);
            let actor = world.actors.get(name).unwrap_or_else(|| panic!("nobody is called {name}"));
            let response = world.request(operation, method, path, actor).send();
            let what = match response.status {
                200..300 => {
                    let keys = keys_of(&response.body);
                    let named = views
                        .iter()
                        .find(|(name, shape)| **shape == keys && expected.ends_with(*name));
                    match named {
                        Some((name, _)) => format!(" {name}"),
                        None if keys.is_empty() => String::new(),
                        None => format!(" with the keys {keys}"),
                    }
                }
                _ if method == "HEAD" => String::new(),
                _ => format!(" {}", response.text("code")),
            };
            cells += 1;
            let actual = format!("{}{what}", response.status);
            if actual != expected {
                wrong.push(format!("{operation} by {name}: expected {expected}, got {actual}"));
            }
            if operation == "change_password" && response.status == 200 {
                world.actors.get_mut(name).unwrap().client =
                    Client::with_token(response.text("access"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cells} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    let used = |name: &&&str| {
        operations
            .iter()
            .flatten()
            .any(|cell| cell.split_once(' ').is_some_and(|(_, rest)| rest == **name))
    };
    let unused: Vec<_> = views.keys().filter(|name| !used(name)).collect();
    assert!(unused.is_empty(), "no response is {unused:?}");
}
