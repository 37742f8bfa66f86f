//! Registration and sign-in.

use serde_json::json;

use crate::harness::{Anonymous, Doctor, PASSWORD, Patient, aws, eventually, mails_to};

#[test]
fn smoke() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let record = patient.record_for(&doctor);
    doctor.annotate(record.text("id"));
    doctor.read_doctor_record(record.text("id")).ok(200);
    Anonymous.login(&patient.email, PASSWORD).ok(200);
    let mails = eventually("a mail", || Some(mails_to(&doctor.email)).filter(|mails| !mails.is_empty()));
    println!("{mails:?}");
    assert!(aws::get_item(&format!("USER#{}", doctor.id), "ACCOUNT").is_some());
    assert!(!aws::query(&format!("USER#{}", doctor.id)).is_empty());
    println!("{:?}", aws::object_versions(""));
    println!("{}", aws::sqs("GetQueueAttributes", "mail", json!({"AttributeNames": ["All"]})));
    println!("{}", aws::invoke("mailer", &json!({"Records": []})));
    patient.deactivate();
    patient.me().problem(401, "token_not_valid");
}
