//! Clients of the API: one method for each endpoint, named as the operation.

use std::ops::Deref;

use serde_json::{Value, json};

use super::{MARKER, Request, Response, aws, unique};

/// The password of every user.
pub const PASSWORD: &str = "quiet-harbour-lantern-58";

/// Returns an address that no user has.
pub fn new_email() -> String {
    format!("{MARKER}.{}@example.com", unique())
}

/// A client of the API, with or without an access token.
#[derive(Clone)]
pub struct Client {
    pub access: Option<String>,
}

/// A client without an account.
#[expect(non_upper_case_globals, reason = "reads as the actor that it is")]
pub const Anonymous: Client = Client { access: None };

/// Returns `"?"` and the query, or nothing.
fn with_query(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// One method for each endpoint. Pass a `query` without its question mark.
impl Client {
    /// Returns the client with this access token.
    pub fn with_token(access: &str) -> Self {
        Self { access: Some(access.to_owned()) }
    }

    /// Makes a request of this client, to be completed and sent.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = Request::new(method, path);
        match &self.access {
            Some(access) => request.token(access),
            None => request,
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path).json(body).send()
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.request("PUT", path).json(body).send()
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Response {
        self.request("PATCH", path).json(body).send()
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Response {
        self.request("DELETE", path).send()
    }

    #[track_caller]
    pub fn register(&self, body: Value) -> Response {
        self.post("/api/accounts/register/", &body)
    }

    #[track_caller]
    pub fn login(&self, email: &str, password: &str) -> Response {
        self.post("/api/accounts/login/", &json!({"email": email, "password": password}))
    }

    #[track_caller]
    pub fn refresh(&self, refresh: &str) -> Response {
        self.post("/api/accounts/token/refresh/", &json!({"refresh": refresh}))
    }

    #[track_caller]
    pub fn revoke(&self, refresh: &str) -> Response {
        self.post("/api/accounts/token/revoke/", &json!({"refresh": refresh}))
    }

    #[track_caller]
    pub fn logout(&self) -> Response {
        self.request("POST", "/api/accounts/logout/").send()
    }

    #[track_caller]
    pub fn list_sessions(&self, query: &str) -> Response {
        self.get(&with_query("/api/accounts/sessions/", query))
    }

    #[track_caller]
    pub fn end_session(&self, id: &str) -> Response {
        self.delete(&format!("/api/accounts/sessions/{id}/"))
    }

    #[track_caller]
    pub fn logout_all(&self) -> Response {
        self.request("POST", "/api/accounts/logout-all/").send()
    }

    #[track_caller]
    pub fn change_password(&self, current: &str, new: &str) -> Response {
        self.post(
            "/api/accounts/password-change/",
            &json!({"current_password": current, "new_password": new}),
        )
    }

    #[track_caller]
    pub fn request_password_reset(&self, email: &str) -> Response {
        self.post("/api/accounts/password-reset/", &json!({"email": email}))
    }

    #[track_caller]
    pub fn reset_password(&self, token: &str, password: &str) -> Response {
        self.post(
            "/api/accounts/password-reset/confirm/",
            &json!({"token": token, "password": password}),
        )
    }

    #[track_caller]
    pub fn verify_email(&self, token: &str) -> Response {
        self.post("/api/accounts/verify-email/", &json!({"token": token}))
    }

    /// Confirms an address that somebody else may have registered, with a new password.
    #[track_caller]
    pub fn verify_email_and_set_password(&self, token: &str, password: &str) -> Response {
        let body = json!({"token": token, "password": password});
        self.post("/api/accounts/verify-email/", &body)
    }

    #[track_caller]
    pub fn request_sign_in_link(&self, email: &str) -> Response {
        self.post("/api/accounts/login/link/", &json!({"email": email}))
    }

    #[track_caller]
    pub fn confirm_device(&self, token: &str) -> Response {
        self.post("/api/accounts/login/link/confirm/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn read_registration(&self, token: &str) -> Response {
        self.post("/api/accounts/registration/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn discard_registration(&self, token: &str) -> Response {
        self.post("/api/accounts/registration/discard/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn resend_verification(&self) -> Response {
        self.request("POST", "/api/accounts/verify-email/resend/").send()
    }

    #[track_caller]
    pub fn request_email_change(&self, email: &str, password: &str) -> Response {
        self.post("/api/accounts/email-change/", &json!({"email": email, "password": password}))
    }

    #[track_caller]
    pub fn change_email(&self, token: &str) -> Response {
        self.post("/api/accounts/email-change/confirm/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn confirm_recovery(&self, token: &str) -> Response {
        self.post("/api/accounts/recovery/confirm/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn cancel_recovery(&self, token: &str) -> Response {
        self.post("/api/accounts/recovery/cancel/", &json!({"token": token}))
    }

    #[track_caller]
    pub fn login_with_second_factor(&self, body: Value) -> Response {
        self.post("/api/accounts/login/second-factor/", &body)
    }

    #[track_caller]
    pub fn set_up_second_factor(&self, password: &str) -> Response {
        self.post("/api/accounts/second-factor/setup/", &json!({"password": password}))
    }

    #[track_caller]
    pub fn confirm_second_factor(&self, code: &str) -> Response {
        self.post("/api/accounts/second-factor/confirm/", &json!({"code": code}))
    }

    #[track_caller]
    pub fn disable_second_factor(&self, body: Value) -> Response {
        self.post("/api/accounts/second-factor/disable/", &body)
    }

    #[track_caller]
    pub fn me(&self) -> Response {
        self.get("/api/accounts/me/")
    }

    #[track_caller]
    pub fn create_profile(&self, body: Value) -> Response {
        self.post("/api/accounts/profile-create/", &body)
    }

    #[track_caller]
    pub fn update_profile(&self, body: Value) -> Response {
        self.patch("/api/accounts/profile-update/", &body)
    }

    #[track_caller]
    pub fn replace_profile(&self, body: Value) -> Response {
        self.put("/api/accounts/profile-update/", &body)
    }

    #[track_caller]
    pub fn list_doctors(&self, query: &str) -> Response {
        self.get(&with_query("/api/accounts/doctors/", query))
    }

    #[track_caller]
    pub fn jwks(&self) -> Response {
        self.get("/.well-known/jwks.json")
    }

    #[track_caller]
    pub fn list_patient_records(&self, query: &str) -> Response {
        self.get(&with_query("/api/records/patient/", query))
    }

    #[track_caller]
    pub fn create_record(&self, body: Value) -> Response {
        self.post("/api/records/patient/", &body)
    }

    #[track_caller]
    pub fn read_patient_record(&self, id: &str) -> Response {
        self.get(&format!("/api/records/patient/{id}/"))
    }

    #[track_caller]
    pub fn update_record(&self, id: &str, body: Value) -> Response {
        self.patch(&format!("/api/records/patient/{id}/"), &body)
    }

    #[track_caller]
    pub fn replace_record(&self, id: &str, body: Value) -> Response {
        self.put(&format!("/api/records/patient/{id}/"), &body)
    }

    #[track_caller]
    pub fn delete_file(&self, id: &str) -> Response {
        self.delete(&format!("/api/records/files/{id}/"))
    }

    /// Asks for the URL of a file's content.
    #[track_caller]
    pub fn download_file(&self, id: &str) -> Response {
        let request = self.request("GET", &format!("/api/records/files/{id}/download/"));
        request.header("accept", "application/json").send()
    }

    #[track_caller]
    pub fn renew_upload(&self, file: &str) -> Response {
        self.request("POST", &format!("/api/records/files/{file}/upload-url/")).send()
    }

    #[track_caller]
    pub fn list_doctor_records(&self, query: &str) -> Response {
        self.get(&with_query("/api/records/doctor/", query))
    }

    #[track_caller]
    pub fn read_doctor_record(&self, id: &str) -> Response {
        self.get(&format!("/api/records/doctor/{id}/"))
    }

    #[track_caller]
    pub fn create_annotation(&self, body: Value) -> Response {
        self.post("/api/records/doctor/annotations/", &body)
    }

    #[track_caller]
    pub fn update_annotation(&self, id: &str, body: Value) -> Response {
        self.patch(&format!("/api/records/doctor/annotations/{id}/"), &body)
    }

    #[track_caller]
    pub fn replace_annotation(&self, id: &str, body: Value) -> Response {
        self.put(&format!("/api/records/doctor/annotations/{id}/"), &body)
    }

    #[track_caller]
    pub fn access_log(&self, query: &str) -> Response {
        self.get(&with_query("/api/accounts/access-log/", query))
    }

    #[track_caller]
    pub fn read_access_log(&self, record: &str, query: &str) -> Response {
        self.get(&with_query(&format!("/api/records/patient/{record}/access-log/"), query))
    }

    #[track_caller]
    pub fn read_patient_record_history(&self, record: &str, query: &str) -> Response {
        self.get(&with_query(&format!("/api/records/patient/{record}/history/"), query))
    }

    #[track_caller]
    pub fn read_doctor_record_history(&self, record: &str, query: &str) -> Response {
        self.get(&with_query(&format!("/api/records/doctor/{record}/history/"), query))
    }

    #[track_caller]
    pub fn read_patient_history(&self, annotation: &str, query: &str) -> Response {
        self.get(&with_query(
            &format!("/api/records/patient/annotations/{annotation}/history/"),
            query,
        ))
    }

    #[track_caller]
    pub fn read_doctor_history(&self, annotation: &str, query: &str) -> Response {
        self.get(&with_query(
            &format!("/api/records/doctor/annotations/{annotation}/history/"),
            query,
        ))
    }

    #[track_caller]
    pub fn list_notifications(&self, query: &str) -> Response {
        self.get(&with_query("/api/notifications/", query))
    }

    #[track_caller]
    pub fn read_notification(&self, id: &str) -> Response {
        self.get(&format!("/api/notifications/{id}/"))
    }

    #[track_caller]
    pub fn peek_notification(&self, id: &str) -> Response {
        self.request("HEAD", &format!("/api/notifications/{id}/")).send()
    }

    #[track_caller]
    pub fn count_unread(&self) -> Response {
        self.get("/api/notifications/unread-count/")
    }

    #[track_caller]
    pub fn mark_all_read(&self) -> Response {
        self.request("POST", "/api/notifications/mark-all-read/").send()
    }

    #[track_caller]
    pub fn delete_all(&self) -> Response {
        self.delete("/api/notifications/delete-all/")
    }
}

/// One method for each endpoint for staff.
impl Client {
    #[track_caller]
    pub fn list_users(&self, query: &str) -> Response {
        self.get(&with_query("/api/admin/users/", query))
    }

    #[track_caller]
    pub fn search_users(&self, email: &str) -> Response {
        self.post("/api/admin/users/search/", &json!({"email": email}))
    }

    #[track_caller]
    pub fn create_user(&self, body: Value) -> Response {
        self.post("/api/admin/users/", &body)
    }

    #[track_caller]
    pub fn read_user(&self, id: &str) -> Response {
        self.get(&format!("/api/admin/users/{id}/"))
    }

    #[track_caller]
    pub fn update_user(&self, id: &str, body: Value) -> Response {
        self.patch(&format!("/api/admin/users/{id}/"), &body)
    }

    #[track_caller]
    pub fn end_sessions(&self, id: &str) -> Response {
        self.request("POST", &format!("/api/admin/users/{id}/end-sessions/")).send()
    }

    #[track_caller]
    pub fn start_password_reset(&self, id: &str) -> Response {
        self.request("POST", &format!("/api/admin/users/{id}/password-reset/")).send()
    }

    #[track_caller]
    pub fn start_email_change(&self, id: &str, email: &str) -> Response {
        let body = json!({"email": email, "reason": "The mailbox is lost."});
        self.post(&format!("/api/admin/users/{id}/email-change/"), &body)
    }

    #[track_caller]
    pub fn start_second_factor_removal(&self, id: &str) -> Response {
        let body = json!({"reason": "The telephone is lost."});
        self.post(&format!("/api/admin/users/{id}/second-factor-removal/"), &body)
    }

    #[track_caller]
    pub fn list_recoveries(&self, query: &str) -> Response {
        self.get(&with_query("/api/admin/recoveries/", query))
    }

    #[track_caller]
    pub fn approve_recovery(&self, id: &str, recovery: &str) -> Response {
        let body = json!({"recovery": recovery});
        self.post(&format!("/api/admin/users/{id}/recovery/approve/"), &body)
    }

    #[track_caller]
    pub fn staff_cancel_recovery(&self, id: &str, recovery: &str) -> Response {
        let body = json!({"recovery": recovery});
        self.post(&format!("/api/admin/users/{id}/recovery/cancel/"), &body)
    }

    #[track_caller]
    pub fn list_doctors_by_approval(&self, query: &str) -> Response {
        self.get(&with_query("/api/admin/doctors/", query))
    }

    #[track_caller]
    pub fn approve_doctor(&self, id: &str) -> Response {
        self.request("POST", &format!("/api/admin/doctors/{id}/approve/")).send()
    }

    #[track_caller]
    pub fn refuse_doctor(&self, id: &str, body: Value) -> Response {
        self.post(&format!("/api/admin/doctors/{id}/refuse/"), &body)
    }

    #[track_caller]
    pub fn suspend_doctor(&self, id: &str, body: Value) -> Response {
        self.post(&format!("/api/admin/doctors/{id}/suspend/"), &body)
    }

    #[track_caller]
    pub fn list_events(&self, query: &str) -> Response {
        self.get(&with_query("/api/admin/audit/", query))
    }
}

/// A registered user, with the access token of the first session.
#[derive(Clone)]
pub struct User {
    client: Client,
    pub id: String,
    pub email: String,
    pub first_name: String,
    /// Unique, so that a search in the directory finds this user alone.
    pub last_name: String,
    pub access: String,
    pub refresh: String,
}

impl User {
    /// Registers a user without a profile.
    #[track_caller]
    pub fn new(role: &str) -> Self {
        let (email, first_name, last_name) =
            (new_email(), "Jane".to_owned(), format!("{MARKER}{}", unique()));
        let response = Anonymous
            .register(json!({
                "email": email, "password": PASSWORD, "role": role, "first_name": first_name,
                    "last_name": last_name,
                "phone_number": format!("{MARKER} 12345"),
            }))
            .ok(201);
        let token = |name: &str| response["tokens"][name].as_str().unwrap().to_owned();
        Self {
            client: Client::with_token(&token("access")),
            id: response.text("pk").to_owned(),
            email,
            first_name,
            last_name,
            access: token("access"),
            refresh: token("refresh"),
        }
    }

    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }

    /// Signs in once more; the returned client has a session of its own.
    #[track_caller]
    pub fn sign_in(&self) -> Client {
        let response = Anonymous.login(&self.email, PASSWORD).ok(200);
        Client::with_token(response["tokens"]["access"].as_str().unwrap())
    }

    /// Makes the address a confirmed one, as a token from a mail does.
    #[track_caller]
    pub fn confirm_address(&self) {
        aws::update_item(
            &format!("USER#{}", self.id),
            "ACCOUNT",
            "SET email_verified = :yes",
            json!({":yes": {"BOOL": true}}),
        );
    }

    /// Deactivates the account as staff do: it leaves the directory, too.
    #[track_caller]
    pub fn deactivate(&self) {
        aws::update_item(
            &format!("USER#{}", self.id),
            "ACCOUNT",
            "SET is_active = :no REMOVE gsi1pk, gsi1sk, gsi2pk, gsi2sk",
            json!({":no": {"BOOL": false}}),
        );
        self.leave_the_search();
    }
}

impl User {
    /// Takes the entries of the search by name out of the directory.
    fn leave_the_search(&self) {
        let names = format!("NAMES#{}", self.id);
        for item in aws::query(&names) {
            let sk = item["sk"]["S"].as_str().unwrap();
            let expression = "REMOVE gsi1pk, gsi1sk, gsi2pk, gsi2sk";
            aws::update_item(&names, sk, expression, Value::Null);
        }
    }
}

impl Deref for User {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// An admin, signed in with a second factor.
#[derive(Clone)]
pub struct Admin {
    user: User,
    client: Client,
}

impl Admin {
    /// Makes an admin in the table, because the first one can be created only once, and signs in.
    #[track_caller]
    pub fn new() -> Self {
        let user = User::new("patient");
        let account = format!("USER#{}", user.id);
        let promotion = "SET #role = :admin, role_changed_at = :long_ago, version = \
                         version + :one";
        aws::update_item(
            &account,
            "ACCOUNT",
            promotion,
            json!({":admin": {"S": "admin"}, ":one": {"N": "1"},
                ":long_ago": {"S": "2026-01-01T00:00:00Z"}}),
        );
        let count = "SET entity = :entity ADD working_admins :one";
        aws::update_item(
            "ADMINS",
            "STATE",
            count,
            json!({":entity": {"S": "admins"}, ":one": {"N": "1"}}),
        );
        let client = user.sign_in();
        for item in aws::query(&account).iter().filter(|item| item["entity"]["S"] == "session") {
            let key = item["sk"]["S"].as_str().unwrap();
            aws::update_item(
                &account,
                key,
                "SET second_factor = :yes",
                json!({":yes": {"BOOL": true}}),
            );
        }
        Self { user, client }
    }

    /// Returns the account.
    pub fn user(&self) -> &User {
        &self.user
    }
}

impl Deref for Admin {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A patient with a profile.
#[derive(Clone)]
pub struct Patient(User);

impl Patient {
    /// Registers a patient and creates the profile.
    #[track_caller]
    pub fn new() -> Self {
        let patient = User::new("patient");
        patient
            .create_profile(
                json!({"date_of_birth": "1985-04-12", "address": format!("{MARKER} Street 1")}),
            )
            .ok(201);
        Self(patient)
    }

    /// Creates a record assigned to a doctor.
    #[track_caller]
    pub fn record_for(&self, doctor: &Doctor) -> Response {
        self.create_record(
            json!({"doctor": doctor.id, "description": format!("{MARKER} description")}),
        )
        .ok(201)
    }
}

impl Deref for Patient {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

/// A doctor with a profile, listed in the directory.
#[derive(Clone)]
pub struct Doctor(User);

impl Doctor {
    /// Registers a doctor and creates the profile.
    #[track_caller]
    pub fn new() -> Self {
        Self::of("Cardiology")
    }

    /// Registers a doctor with a specialization.
    #[track_caller]
    pub fn of(specialization: &str) -> Self {
        let doctor = User::new("doctor");
        doctor
            .create_profile(json!({"specialization": specialization,
                "license_number": format!("{MARKER}-1"), "years_of_experience": 12}))
            .ok(201);
        Self(doctor)
    }

    /// Registers a doctor whose licence waits for a decision, as where approval is required.
    #[track_caller]
    pub fn pending() -> Self {
        let doctor = Self::new();
        let expression = "SET approval = :pending, gsi2pk = :waiting, gsi2sk = :id, version = \
                          version + :one REMOVE gsi1pk, gsi1sk";
        let values = json!({
            ":pending": {"S": "pending"}, ":waiting": {"S": "APPROVAL#pending"},
                ":id": {"S": doctor.id}, ":one": {"N": "1"},
        });
        aws::update_item(&format!("USER#{}", doctor.id), "ACCOUNT", expression, values);
        doctor.leave_the_search();
        doctor
    }

    /// Adds a note of this doctor to a record.
    #[track_caller]
    pub fn annotate(&self, record: &str) -> Response {
        self.create_annotation(json!({"record": record, "note": format!("{MARKER} note")})).ok(201)
    }
}

impl Deref for Doctor {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}
