//! Tests of the approval of doctors by staff: before it, doctors are neither listed nor assignable;
//! suspended doctors can only use their account.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    Admin, Doctor, FaultProxy, FunctionSettings, MARKER, Patient, ProxyFault, User, account_mail,
    aws, eventually,
};

#[track_caller]
fn is_listed(patient: &Patient, doctor: &Doctor) -> bool {
    !patient.list_doctors(&format!("search={}", doctor.last_name)).ok(200).results().is_empty()
}

/// Checks what a doctor may do only while approved.
#[track_caller]
fn is_shut_out(doctor: &Doctor, record: &str, annotation: &str) {
    doctor.list_doctor_records("").problem(403, "not_approved");
    doctor.read_doctor_record(record).problem(403, "not_approved");
    doctor.read_doctor_record("0190a5c0-0000-7000-8000-000000000001").problem(403, "not_approved");
    doctor
        .create_annotation(json!({"record": record, "note": MARKER}))
        .problem(403, "not_approved");
    doctor.update_annotation(annotation, json!({"note": MARKER})).problem(403, "not_approved");
    doctor.replace_annotation(annotation, json!({"note": MARKER})).problem(403, "not_approved");
    for notification in doctor.list_notifications("").ok(200).results() {
        assert_eq!(notification["record"], json!(null), "a record is shown: {notification}");
    }
    doctor.me().ok(200);
    doctor.update_profile(json!({"years_of_experience": 13})).ok(200);
}

#[test]
fn a_doctor_waits_for_the_approval_and_gets_it() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::pending());
    assert!(!is_listed(&patient, &doctor));
    let unknown =
        patient.create_record(json!({"doctor": "0190a5c0-0000-7000-8000-000000000001"})).ok(400);
    let refused = patient.create_record(json!({"doctor": doctor.id})).ok(400);
    assert_eq!(refused["errors"], unknown["errors"], "the response is that for an unknown id");
    doctor.list_doctor_records("").problem(403, "not_approved");

    let entry = eventually("in the work list", || {
        let page = admin.list_doctors_by_approval("approval=pending&limit=100").ok(200);
        page.results().iter().find(|entry| entry["pk"] == doctor.id).cloned()
    });
    assert_eq!(entry["profile"]["license_number"], format!("{MARKER}-1"));
    let approved = admin.approve_doctor(&doctor.id).ok(200);
    assert_eq!(approved.text("approval"), "approved");
    eventually("in the directory", || is_listed(&patient, &doctor).then_some(()));
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    doctor.list_doctor_records("").ok(200);
    let inbox = doctor.list_notifications("").ok(200);
    let told =
        inbox.results().iter().find(|it| it["notification_type"] == "approval_granted").unwrap();
    assert_eq!(
        (&told["message"], &told["record"]),
        (&json!("Your licence to practise has been approved"), &json!(null))
    );
    doctor.read_notification(told["id"].as_str().unwrap()).ok(200);
    admin.approve_doctor(&doctor.id).problem(409, "approval_not_possible");
}

#[test]
fn a_suspended_doctor_keeps_nothing_but_the_account() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor).text("id").to_owned();
    let annotation = doctor.annotate(&record).text("id").to_owned();
    doctor.read_doctor_record(&record).ok(200);
    assert!(
        doctor
            .list_notifications("")
            .ok(200)
            .results()
            .iter()
            .any(|it| it["record"]["id"] == record)
    );
    let reason = format!("complaints {MARKER}");
    let response = admin.suspend_doctor(&doctor.id, json!({"reason": reason})).ok(200);
    assert_eq!(response.text("approval"), "suspended");

    is_shut_out(&doctor, &record, &annotation);
    eventually("out of the directory", || (!is_listed(&patient, &doctor)).then_some(()));
    patient.create_record(json!({"doctor": doctor.id})).ok(400);
    assert_eq!(
        patient.read_patient_record(&record).ok(200)["doctor"]["pk"],
        doctor.id,
        "the chart stays as it was"
    );
    let event = admin.list_events(&format!("subject={}", doctor.id)).ok(200);
    let event = event.results().iter().find(|event| event["action"] == "suspend_doctor").unwrap();
    assert_eq!(
        (&event["reason"], &event["before"], &event["after"]),
        (&json!(reason), &json!("approved"), &json!("suspended"))
    );

    let mail = account_mail(&doctor.email, "Suspended", 0);
    assert!(!mail.text.contains(MARKER) && !mail.html.contains(MARKER), "a mail says no reason");
    admin.approve_doctor(&doctor.id).ok(200);
    doctor.read_doctor_record(&record).ok(200);
    doctor.update_annotation(&annotation, json!({"note": MARKER})).ok(200);
}

#[test]
fn a_refused_doctor_stays_outside() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::pending());
    admin.suspend_doctor(&doctor.id, json!({"reason": "x"})).problem(409, "approval_not_possible");
    admin.refuse_doctor(&doctor.id, json!({"reason": "unreadable"})).ok(200);
    doctor.list_doctor_records("").problem(403, "not_approved");
    assert!(!is_listed(&patient, &doctor));
    let told = doctor.list_notifications("").ok(200);
    assert_eq!(
        told.results()[0]["message"],
        "Your licence to practise has been refused: unreadable"
    );
    admin
        .refuse_doctor(&doctor.id, json!({"reason": "again"}))
        .problem(409, "approval_not_possible");
    eventually("in the list of the refused", || {
        let page = admin.list_doctors_by_approval("approval=refused&limit=100").ok(200);
        page.ids("pk").contains(&doctor.id.as_str()).then_some(())
    });
}

#[test]
fn a_decision_needs_a_doctor_with_a_licence_and_a_reason() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    admin.suspend_doctor(&doctor.id, json!({})).refused("reason", "required");
    admin.suspend_doctor(&doctor.id, json!({"reason": " "})).refused("reason", "blank");
    admin
        .suspend_doctor(&doctor.id, json!({"reason": "x".repeat(1001)}))
        .refused("reason", "too_long");
    admin.refuse_doctor(&doctor.id, json!({"reason": "x"})).problem(409, "approval_not_possible");
    for nobody in
        [patient.id.as_str(), admin.user().id.as_str(), "0190a5c0-0000-7000-8000-000000000001", "x"]
    {
        admin.approve_doctor(nobody).problem(404, "not_found");
        admin.suspend_doctor(nobody, json!({"reason": "x"})).problem(404, "not_found");
    }
    let fresh = User::new("doctor");
    let pending = json!({":pending": {"S": "pending"}});
    aws::update_item(&format!("USER#{}", fresh.id), "ACCOUNT", "SET approval = :pending", pending);
    admin.approve_doctor(&fresh.id).problem(409, "no_profile");
    admin.list_doctors_by_approval("approval=approved").refused("approval", "invalid_choice");
    admin.list_doctors_by_approval("").ok(200);
}

#[test]
fn a_decision_can_name_the_version_it_is_about() {
    let (admin, doctor) = (Admin::new(), Doctor::pending());
    let read = admin.read_user(&doctor.id).ok(200);
    doctor.update_profile(json!({"license_number": "MD-2"})).ok(200);
    let approve = |etag: &str| {
        admin
            .request("POST", &format!("/api/admin/doctors/{}/approve/", doctor.id))
            .header("if-match", etag)
            .send()
    };
    approve(&read.header("etag")).problem(412, "precondition_failed");
    approve(&admin.read_user(&doctor.id).ok(200).header("etag")).ok(200);

    // The audit trail shows which licence the decision was about.
    doctor.update_profile(json!({"license_number": "MD-2", "years_of_experience": 3})).ok(200);
    doctor.update_profile(json!({"license_number": "MD-3"})).ok(200);
    let events = admin.list_events(&format!("subject={}", doctor.id)).ok(200);
    let changes = events.results().iter().filter(|event| event["action"] == "change_licence");
    let told: Vec<_> =
        changes.map(|event| (event["before"].clone(), event["after"].clone())).collect();
    let mut first = told.last().unwrap().0.as_str().unwrap().to_owned();
    first.retain(|letter| letter != ' ');
    assert!(first.starts_with("pending:"), "{told:?}");
    assert_eq!(
        told[0],
        (json!("approved: MD-2"), json!("approved: MD-3")),
        "locally nobody asks for approvals"
    );
    assert_eq!(told.len(), 2, "{told:?}");
}

/// The account changes between the read and the decision: the decision still succeeds, unless the
/// licence has changed.
#[test]
fn a_licence_that_changes_meanwhile_is_not_approved_unseen() {
    let admin = Admin::new();
    for (change, status, approval) in [
        (json!({"years_of_experience": 30}), 200, "approved"),
        (json!({"license_number": "MD-4"}), 409, "pending"),
    ] {
        let doctor = Doctor::pending();
        let (client, is_changed) = (User::clone(&doctor), AtomicBool::new(false));
        let detour = FaultProxy::new(move |operation, _| {
            if operation.ends_with(".TransactWriteItems")
                && !is_changed.swap(true, Ordering::SeqCst)
            {
                client.update_profile(change.clone()).ok(200);
            }
            ProxyFault::Passed
        });
        let function = FunctionSettings::of("admin").with("AWS_ENDPOINT_URL", &detour.url).start();
        let response = function
            .send(
                &admin,
                "POST",
                &format!("/api/admin/doctors/{}/approve/", doctor.id),
                &Value::Null,
            )
            .ok(status);
        assert_eq!(admin.read_user(&doctor.id).ok(200)["approval"], approval);
        if status == 409 {
            response.problem(409, "changed_meanwhile");
        }
    }
}
