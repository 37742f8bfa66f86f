//! Patients and doctors, and their requests.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::body::to_bytes;
use crypto::Secret;
use domain::account::{
    Account, Approval, Credentials, DoctorProfile, Gender, PatientProfile, Profile, Role, Years,
};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::field::FieldValue;
use domain::id::{RecordId, UserId};
use domain::session::Session;
use domain::signing_key::SigningKey;
use domain::text::{Address, LicenseNumber, Name, PhoneNumber, Specialization};
use jiff::SignedDuration;
use runtime::clock;
use runtime::tokens::Signer;
use serde_json::{Value, json};
use tower::Service;

use crate::clock::wait;
use crate::exchange::Exchange;
use crate::run;
use crate::sandboxes::{Ended, Functions, invoke};
use crate::settings::SETTINGS;

/// A user with a session.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name in the history.
    pub name: &'static str,
    /// The user's id.
    pub id: UserId,
    token: String,
    functions: Arc<Functions>,
}

impl std::fmt::Debug for Functions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Functions")
    }
}

/// Everybody in a run.
#[derive(Clone, Debug)]
pub struct People {
    /// A patient.
    pub patient: Person,
    /// Another patient.
    pub other_patient: Person,
    /// A doctor.
    pub doctor: Person,
    /// Another doctor.
    pub other_doctor: Person,
}

static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    Signer::new(
        &Secret::new("a secret for the simulation, long enough to be one"),
        &SETTINGS.variables["TOKEN_ISSUER"],
    )
});

/// Returns the audit event of what somebody does outside a request of the API.
pub(crate) fn event(
    actor: &Account,
    action: Action,
    subject_id: UserId,
    record_id: Option<RecordId>,
) -> AuditEvent {
    AuditEvent {
        id: clock::new_id(),
        subject_id,
        actor_id: actor.id,
        actor_role: Some(actor.role),
        actor_name: actor.full_name(),
        session_id: None,
        action,
        outcome: Outcome::Success,
        record_id,
        record_ids: Vec::new(),
        file_id: None,
        reason: None,
        before: None,
        after: None,
        request_id: "simulation".to_owned(),
        source_ip: "203.0.113.7".to_owned(),
        user_agent: "simulation".to_owned(),
    }
}

impl People {
    /// Registers everybody.
    pub async fn register(functions: &Arc<Functions>) -> Self {
        let (kid, x) = (SIGNER.kid().to_owned(), SIGNER.public_key().to_owned());
        let key = SigningKey { kid, x, created_at: clock::now(), retire_after: None };
        functions.store.publish_signing_key(&key, clock::now()).await.unwrap();
        Self {
            patient: Person::register(functions, "patient", Role::Patient).await,
            other_patient: Person::register(functions, "other patient", Role::Patient).await,
            doctor: Person::register(functions, "doctor", Role::Doctor).await,
            other_doctor: Person::register(functions, "other doctor", Role::Doctor).await,
        }
    }

    /// Returns all of them.
    pub fn all(&self) -> [&Person; 4] {
        [&self.patient, &self.other_patient, &self.doctor, &self.other_doctor]
    }
}

impl Person {
    /// Registers somebody whose address is confirmed; a doctor is approved.
    pub async fn register(functions: &Arc<Functions>, name: &'static str, role: Role) -> Self {
        Self::register_with(functions, name, role, true, true).await
    }

    /// Registers somebody whose address is not confirmed; a doctor is approved all the same.
    pub async fn register_unconfirmed(
        functions: &Arc<Functions>,
        name: &'static str,
        role: Role,
    ) -> Self {
        Self::register_with(functions, name, role, false, true).await
    }

    /// Registers somebody whose address is not confirmed; a doctor waits for approval.
    pub async fn register_newcomer(
        functions: &Arc<Functions>,
        name: &'static str,
        role: Role,
    ) -> Self {
        Self::register_with(functions, name, role, false, false).await
    }

    async fn register_with(
        functions: &Arc<Functions>,
        name: &'static str,
        role: Role,
        is_confirmed: bool,
        is_approved: bool,
    ) -> Self {
        let id: UserId = clock::new_id();
        let email = Email::parse(&format!("{id}@example.org")).unwrap();
        let approval = if is_approved { Approval::Approved } else { Approval::Pending };
        let profile = match role {
            Role::Doctor => Profile::Doctor(DoctorProfile {
                specialization: Specialization::parse("Cardiology").unwrap(),
                license_number: LicenseNumber::parse("LIC-123456").unwrap(),
                years_of_experience: Years::from_json(&json!(12)).unwrap(),
            }),
            _ => Profile::Patient(PatientProfile {
                date_of_birth: None,
                gender: Gender::Female,
                address: Address::parse("1 High Street").ok(),
            }),
        };
        let account = Account {
            first_name: Name::parse(name).unwrap(),
            last_name: Name::parse("Doe").unwrap(),
            phone_number: PhoneNumber::parse("+4930123456").unwrap(),
            email_verified: is_confirmed,
            approval: (role == Role::Doctor).then_some(approval),
            profile: (role != Role::Admin).then_some(profile),
            ..Account::new(id, email, role)
        };
        let session = Session {
            id: clock::new_id(),
            user_id: id,
            token_hash: "h".repeat(43),
            previous: None,
            last_used_at: clock::now(),
            second_factor: true,
            password_version: 0,
            device: "simulation".to_owned(),
            ttl: i64::from(u32::MAX),
        };
        let event = AuditEvent {
            session_id: Some(session.id),
            ..event(&account, Action::Register, id, None)
        };
        let credentials = Credentials::new(id, "hash".to_owned());
        functions.store.register(&account, &credentials, &session, &event, None).await.unwrap();
        // Valid for sandboxes whose clock is behind or ahead, too.
        let issued = clock::now() - SignedDuration::from_hours(2);
        let token = SIGNER.sign(id, session.id, role, issued, SignedDuration::from_hours(1000));
        Self { name, id, token, functions: Arc::clone(functions) }
    }

    /// Sends a request and waits for the response.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Exchange {
        let called = path.split('/').nth(2).unwrap();
        let (&function, router) = self.functions.routers.get_key_value(called).unwrap();
        let mut router = router.clone();
        let began = run::now();
        let id = clock::new_id::<uuid::Uuid>().to_string();
        let mut all = json!({"host": "api.example.org", "x-forwarded-proto": "https",
            "user-agent": "simulation", "content-type": "application/json",
            "authorization": format!("Bearer {}", self.token)});
        for (name, value) in headers {
            all[*name] = json!(value);
        }
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": all, "isBase64Encoded": false,
            "body": body.map(|body| body.to_string()),
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "domainName": "api.example.org",
                "domainPrefix": "api", "requestId": id, "routeKey": "$default",
                "stage": "$default", "time": "", "timeEpoch": 0,
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                    "sourceIp": "203.0.113.7", "userAgent": "simulation"},
            },
        });
        let event = serde_json::from_value(event).unwrap();
        let delay = run::with(|run| {
            if run.network.waits.is_empty() { 0 } else { run.choices.wait(run.network.waits) }
        });
        wait(delay).await;
        let handled = async {
            let response = router.call(runtime::serve::request(event)).await.unwrap();
            let (head, body) = response.into_parts();
            let etag = head.headers.get("etag").and_then(|etag| etag.to_str().ok());
            let etag = etag.map(str::to_owned);
            (head.status.as_u16(), to_bytes(body, usize::MAX).await.unwrap(), etag)
        };
        let (status, body, etag) = match invoke(function, handled).await {
            Ended::Done((status, bytes, etag)) => {
                (status, serde_json::from_slice(&bytes).unwrap_or_default(), etag)
            }
            Ended::Crashed => (502, Value::Null, None),
            Ended::TimedOut => {
                let what = format!("{method} {path} took longer than its function may");
                run::with(|run| run.violations.push(what));
                (503, Value::Null, None)
            }
        };
        let request = format!("{method} {path}");
        let code = body["code"].as_str().unwrap_or_default();
        run::note(format!("{}: {request} -> {status} {code}", self.name));
        let ended = run::now();
        let key = headers.iter().find(|(name, _)| *name == "idempotency-key");
        let key = key.map(|(_, key)| (*key).to_owned());
        let exchange = Exchange { who: self.id, request, began, ended, status, body, etag, key };
        run::with(|run| run.exchanges.push(exchange.clone()));
        exchange
    }

    /// Returns the user's address.
    pub fn address(&self) -> String {
        format!("{}@example.org", self.id)
    }

    /// Creates a record for a doctor.
    pub async fn create_record(&self, doctor: &Person, more: Value) -> Exchange {
        let mut body = json!({"doctor": doctor.id, "description": "cough"});
        if let Value::Object(more) = more {
            body.as_object_mut().unwrap().extend(more);
        }
        self.send("POST", "/api/records/patient/", Some(body), &[]).await
    }

    /// Changes a record.
    pub async fn update_record(&self, record: &str, change: Value) -> Exchange {
        self.send("PATCH", &format!("/api/records/patient/{record}/"), Some(change), &[]).await
    }

    /// Annotates a record.
    pub async fn annotate(&self, record: &str) -> Exchange {
        let body = json!({"record": record, "note": "better"});
        self.send("POST", "/api/records/doctor/annotations/", Some(body), &[]).await
    }

    /// Marks all notifications as read.
    pub async fn mark_all_read(&self) -> Exchange {
        self.send("POST", "/api/notifications/mark-all-read/", None, &[]).await
    }

    /// Deletes all notifications.
    pub async fn delete_all(&self) -> Exchange {
        self.send("DELETE", "/api/notifications/delete-all/", None, &[]).await
    }
}

/// The statuses that the OpenAPI document has for an operation.
static DOCUMENTED: LazyLock<BTreeMap<String, Vec<u16>>> = LazyLock::new(|| {
    let document: Value =
        serde_json::from_str(include_str!("../../../functions/docs/openapi.json")).unwrap();
    let mut documented = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else { continue };
            let statuses = responses.keys().filter_map(|status| status.parse().ok()).collect();
            documented.insert(format!("{} {path}", method.to_uppercase()), statuses);
        }
    }
    documented
});

/// Returns whether the document has the status for the request.
pub fn is_documented(exchange: &Exchange) -> bool {
    // The gateway's own responses.
    if [502, 503].contains(&exchange.status) {
        return true;
    }
    let is_id = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
    let fits = |pattern: &str| {
        pattern.split('/').count() == exchange.request.split('/').count()
            && pattern.split('/').zip(exchange.request.split('/')).all(|(expected, part)| {
                expected == part || (expected.starts_with('{') && is_id(part))
            })
    };
    DOCUMENTED
        .iter()
        .any(|(pattern, statuses)| fits(pattern) && statuses.contains(&exchange.status))
}
