//! Test data: users with their records, files and annotations.

use domain::account::{
    Account, Approval, Credentials, DateOfBirth, DoctorProfile, Gender, PatientProfile, Profile,
    Role, Years,
};
use domain::audit::{Action, AuditEvent, Outcome};
use domain::email::Email;
use domain::field::FieldValue;
use domain::file::{ContentType, File, FileName, NewFile, Sha256};
use domain::id::{RecordId, UserId};
use domain::notification::{Notification, RecordEvent};
use domain::record::{Annotation, Record, RecordType};
use domain::session::Session;
use domain::text::{Address, Description, LicenseNumber, Name, Note, PhoneNumber, Specialization};
use jiff::Timestamp;
use serde_json::json;
use store::rate::{DailyAllowance, DailyUsage};
use uuid::Uuid;

use crate::table::TestTable;

pub(crate) fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

/// Makes the id of something created at a time.
pub(crate) fn id_at<T: From<Uuid>>(at: &str) -> T {
    let at: Timestamp = at.parse().unwrap();
    let millisecond = u64::try_from(at.as_millisecond()).unwrap();
    let random = *Uuid::now_v7().as_bytes();
    uuid::Builder::from_unix_timestamp_millis(millisecond, &random[6..].try_into().unwrap())
        .into_uuid()
        .into()
}

/// Returns an allowance that is never used up.
pub(crate) fn unlimited() -> DailyAllowance {
    let usage = DailyUsage { records: 0, files: 0, changes: 1 };
    let most = DailyUsage { records: 1_000_000, files: 1_000_000, changes: 1_000_000 };
    DailyAllowance { user: id(), usage, most, now: at(0) }
}

/// Returns a fixed time, `minute` minutes past the hour.
pub(crate) fn at(minute: i8) -> Timestamp {
    format!("2026-03-01T12:{minute:02}:00.5Z").parse().unwrap()
}

pub(crate) fn user(role: Role, first: &str, last: &str) -> Account {
    let id: UserId = id();
    let email = Email::parse(&format!("{}.{id}@example.com", role.as_str())).unwrap();
    Account {
        first_name: Name::parse(first).unwrap(),
        last_name: Name::parse(last).unwrap(),
        phone_number: PhoneNumber::parse("+4930123456").unwrap(),
        email_verified: true,
        approval: (role == Role::Doctor).then_some(Approval::Approved),
        ..Account::new(id, email, role)
    }
}

pub(crate) fn patient() -> Account {
    let profile = PatientProfile {
        date_of_birth: Some(DateOfBirth::from_json(&"1990-02-28".into()).unwrap()),
        gender: Gender::Female,
        address: Address::parse("1 High Street").ok(),
    };
    Account { profile: Some(Profile::Patient(profile)), ..user(Role::Patient, "Jane", "Doe") }
}

pub(crate) fn doctor() -> Account {
    doctor_named("John", "Smith", "Cardiology")
}

pub(crate) fn doctor_named(first: &str, last: &str, specialization: &str) -> Account {
    Account { profile: Some(doctor_profile(specialization)), ..user(Role::Doctor, first, last) }
}

pub(crate) fn doctor_profile(specialization: &str) -> Profile {
    Profile::Doctor(DoctorProfile {
        specialization: Specialization::parse(specialization).unwrap(),
        license_number: LicenseNumber::parse("LIC-123456").unwrap(),
        years_of_experience: Years::from_json(&json!(12)).unwrap(),
    })
}

pub(crate) fn credentials(account: &Account) -> Credentials {
    let password_hash =
        format!("$argon2id$v=19$m=19456,t=2,p=1${}${}", "A".repeat(22), "B".repeat(43));
    Credentials::new(account.id, password_hash)
}

pub(crate) fn session(account: &Account) -> Session {
    Session {
        id: id(),
        user_id: account.id,
        token_hash: format!("{}-{:010}", "h".repeat(32), 1),
        previous: None,
        last_used_at: at(0),
        second_factor: false,
        password_version: 0,
        device: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        ttl: 1_900_000_000,
    }
}

pub(crate) fn event(
    actor: &Account,
    subject_id: UserId,
    action: Action,
    record_id: Option<RecordId>,
) -> AuditEvent {
    AuditEvent {
        id: id(),
        subject_id,
        actor_id: actor.id,
        actor_role: Some(actor.role),
        actor_name: actor.full_name(),
        session_id: Some(id()),
        action,
        outcome: Outcome::Success,
        record_id,
        record_ids: Vec::new(),
        file_id: None,
        reason: None,
        before: None,
        after: None,
        request_id: "JKJaXmPLvHcESHA=".to_owned(),
        source_ip: "203.0.113.7".to_owned(),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
            .to_owned(),
    }
}

pub(crate) fn record(patient: &Account, doctor: &Account) -> Record {
    Record {
        id: id(),
        patient_id: patient.id,
        doctor_id: doctor.id,
        record_type: RecordType::LabResult,
        description: Description::parse(
            "Blood count and metabolic panel after eight weeks on the new dose of ramipril.",
        )
        .unwrap(),
        file_count: 0,
        annotation_count: 0,
        updated_at: at(0),
        version: 1,
        content_version: Some(1),
        update_notification_id: None,
        annotation_notification_id: None,
    }
}

pub(crate) fn file(record: &Record) -> File {
    let declared = NewFile {
        name: FileName::from_json(&json!("blood-count.pdf")).unwrap(),
        content_type: ContentType::Pdf,
        size_bytes: 482_113,
        sha256: None,
    };
    declared.into_file(id(), record.patient_id, record.id)
}

pub(crate) fn hashed_file(record: &Record) -> File {
    File { sha256: Some(Sha256::from_json(&json!("0f".repeat(32))).unwrap()), ..file(record) }
}

pub(crate) fn annotation(record: &Record) -> Annotation {
    Annotation {
        id: id(),
        patient_id: record.patient_id,
        record_id: record.id,
        author_id: record.doctor_id,
        note: Note::parse("Potassium is a little high: please repeat the panel in two weeks.")
            .unwrap(),
        updated_at: at(0),
        version: 1,
        record_version: Some(record.version),
    }
}

/// Makes the notification to the doctor about a patient's change.
pub(crate) fn notification_to_doctor(patient: &Account, record: &Record) -> Notification {
    RecordEvent::Updated { patient }.notification(
        id(),
        record.doctor_id,
        record.id,
        record.patient_id,
    )
}

/// Makes the notification to the patient about a doctor's note.
pub(crate) fn notification_to_patient(doctor: &Account, record: &Record) -> Notification {
    RecordEvent::Annotated { doctor }.notification(
        id(),
        record.patient_id,
        record.id,
        record.patient_id,
    )
}

impl TestTable {
    /// Registers a user and returns the session that this begins.
    pub(crate) async fn register(&self, account: &Account) -> Session {
        let session = session(account);
        let event = event(account, account.id, Action::Register, None);
        self.store.register(account, &credentials(account), &session, &event, None).await.unwrap();
        session
    }

    /// Stores a record with files.
    pub(crate) async fn create(&self, patient: &Account, record: &Record, files: &[File]) {
        let event = event(patient, patient.id, Action::CreateRecord, Some(record.id));
        self.store
            .create_record(
                record,
                files,
                &notification_to_doctor(patient, record),
                &event,
                None,
                &unlimited(),
            )
            .await
            .unwrap();
    }

    /// Stores an annotation.
    pub(crate) async fn annotate(
        &self,
        doctor: &Account,
        record: &Record,
        annotation: &Annotation,
    ) {
        let event = event(doctor, record.patient_id, Action::CreateAnnotation, Some(record.id));
        self.store
            .create_annotation(
                annotation,
                at(1),
                &notification_to_patient(doctor, record),
                &event,
                None,
                &unlimited(),
            )
            .await
            .unwrap();
    }

    /// Stores a patient, a doctor, and a record with these files that is assigned to the doctor.
    pub(crate) async fn record_with_files(
        &self,
        number: u32,
    ) -> (Account, Account, Record, Vec<File>) {
        let (patient, doctor) = (patient(), doctor());
        let record = Record { file_count: number, ..record(&patient, &doctor) };
        let files: Vec<File> = (0..number).map(|_| file(&record)).collect();
        self.create(&patient, &record, &files).await;
        (patient, doctor, record, files)
    }
}
