//! Tests of addresses that bounced, or whose owners complained: they get no mails any more, and
//! their owners and staff are told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, Doctor, IsolatedSystem, PASSWORD, Patient, UNKNOWN, User, account_mail,
    account_mails_to, aws, eventually, mails_to, new_email, report, report_about,
};

/// Returns the order for the mail of a doctor's newest notification, once it is sent or dropped.
fn newest_order(doctor: &Doctor) -> Value {
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let order = json!({"recipient_id": doctor.id, "notification_id": id});
    eventually("the mail is sent or dropped", || {
        ["sent", "failed"].contains(&delivery(&order).0.as_str()?).then_some(())
    });
    order
}

/// Returns the state of a mail, and its failure.
fn delivery(order: &Value) -> (Value, Value) {
    let text = |name: &str| order[name].as_str().unwrap();
    let item = match order.get("mail_id") {
        Some(_) => aws::get_item(&format!("MAIL#{}", text("mail_id")), "MAIL"),
        None => {
            let sk = format!("NOTIFICATION#{}", text("notification_id"));
            aws::get_item(&format!("INBOX#{}", text("recipient_id")), &sk)
        }
    };
    let item = item.unwrap();
    (item["mail_state"]["S"].clone(), item["mail_failure"]["S"].clone())
}

/// Returns the order for the mail that asks a new user to confirm the address: its id is that of
/// the user.
fn confirmation(user: &User) -> Value {
    account_mail(&user.email, "Confirm Your Email Address", 0);
    let order = json!({"mail_id": user.id});
    eventually("the mail is noted as sent", || (delivery(&order).0 == "sent").then_some(()));
    order
}

fn has_bounced(user: &User) -> bool {
    user.me().ok(200)["email_bounced"].as_bool().unwrap()
}

#[test]
fn an_address_that_bounced_gets_no_mails_and_its_owner_sees_it() {
    for (kind, failure, dropped) in [
        ("Permanent", "bounced", "address_bounced"),
        ("Complaint", "complained", "address_complained"),
    ] {
        let (patient, doctor) = (Patient::new(), Doctor::new());
        patient.record_for(&doctor);
        let order = newest_order(&doctor);
        assert_eq!(mails_to(&doctor.email).len(), 1);
        let before = doctor.me().ok(200);
        assert_eq!(before["email_bounced"], false);

        let reported = report_about(&order, &doctor.id, &doctor.email, kind);
        assert!(report(&reported));
        assert_eq!(delivery(&order), (json!("sent"), json!(failure)));
        let me = doctor.me().ok(200);
        assert_eq!(me["email_bounced"], true);
        assert_ne!(me.header("etag"), before.header("etag"));
        assert!(report(&reported), "SES may report it twice");
        assert_eq!(doctor.me().ok(200).header("etag"), me.header("etag"));

        let record = patient.record_for(&doctor);
        assert_eq!(delivery(&newest_order(&doctor)), (json!("failed"), json!(dropped)));
        Anonymous.request_password_reset(&doctor.email).ok(202);
        patient.record_for(&doctor);
        newest_order(&doctor);
        assert_eq!(mails_to(&doctor.email).len(), 1);
        let subjects = account_mails_to(&doctor.email).into_iter().map(|mail| mail.subject);
        assert_eq!(subjects.filter(|subject| subject.ends_with("Set Your Password")).count(), 0);

        let seen = patient.read_patient_record(record.text("id")).ok(200);
        assert_eq!(seen["doctor"]["pk"], doctor.id.as_str());
        assert_eq!(seen["doctor"].get("email_bounced"), None, "it is nobody else's business");
    }
}

#[test]
fn a_mail_that_was_not_taken_in_time_is_no_reason_to_send_no_others() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let order = newest_order(&doctor);
    assert!(report(&report_about(&order, &doctor.id, &doctor.email, "Transient")));
    assert_eq!(delivery(&order), (json!("sent"), json!("not_delivered")));
    assert_eq!(doctor.me().ok(200)["email_bounced"], false);
    patient.record_for(&doctor);
    assert_eq!(delivery(&newest_order(&doctor)), (json!("sent"), Value::Null));
}

#[test]
fn another_address_begins_without_a_problem() {
    let user = User::new("patient");
    let (order, old, new) = (confirmation(&user), user.email.clone(), new_email());
    let reported = report_about(&order, &user.id, &old, "Permanent");
    assert!(report(&reported) && has_bounced(&user));
    user.request_email_change(&new, PASSWORD).ok(202);
    let token = account_mail(&new, "Confirm Your New Email Address", 0).token();
    assert!(has_bounced(&user), "nothing has changed yet");
    Anonymous.change_email(&token).ok(200);
    assert!(!has_bounced(&user));
    assert!(report(&report_about(&order, &user.id, &old, "Permanent")));
    assert!(!has_bounced(&user), "a report about the former address");
    Anonymous.request_password_reset(&new).ok(202);
    account_mail(&new, "Set Your Password", 0);
}

#[test]
fn an_address_that_is_confirmed_has_no_problem_any_more() {
    let user = User::new("patient");
    let order = confirmation(&user);
    let token = account_mail(&user.email, "Confirm Your Email Address", 0).token();
    let reported = report_about(&order, &user.id, &user.email, "Permanent");
    assert!(report(&reported) && has_bounced(&user));
    user.verify_email(&token).ok(200);
    assert!(!has_bounced(&user));
    assert!(report(&reported));
    assert!(!has_bounced(&user), "the report is older than the confirmation");
    assert!(report(&report_about(&order, &user.id, &user.email, "Complaint")));
    assert!(has_bounced(&user));
}

#[test]
fn staff_have_mails_sent_again_to_an_address_that_bounced() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let order = confirmation(&user);
    let reported = report_about(&order, &user.id, &user.email, "Permanent");
    assert!(report(&reported));
    assert_eq!(admin.read_user(&user.id).ok(200)["email_bounced"], true);
    admin
        .update_user(&user.id, json!({"email_bounced": true}))
        .refused("email_bounced", "invalid_choice");
    let change = json!({"email_bounced": false, "reason": "the mailbox was repaired"});
    assert_eq!(admin.update_user(&user.id, change).ok(200)["email_bounced"], false);
    assert!(!has_bounced(&user));
    let event = admin.list_events(&format!("subject={}", user.id)).ok(200).results()[0].clone();
    assert_eq!(
        (&event["action"], &event["reason"]),
        (&json!("update_user"), &json!("the mailbox was repaired"))
    );
    let (before, after) = (json!("email_bounced: true"), json!("email_bounced: false"));
    assert_eq!((&event["before"], &event["after"]), (&before, &after));
    assert!(report(&reported));
    assert!(!has_bounced(&user), "the report is older than the decision");
    let etag = admin.read_user(&user.id).ok(200).header("etag");
    let same = admin.update_user(&user.id, json!({"email_bounced": false})).ok(200);
    assert_eq!(same.header("etag"), etag, "nothing is changed for nothing");
    user.resend_verification().ok(202);
    account_mail(&user.email, "Confirm Your Email Address", 1);
}

#[test]
fn reports_about_nobody_are_dropped_and_others_are_retried() {
    let mail = json!({"mail_id": UNKNOWN});
    let reported = report_about(&mail, UNKNOWN, &new_email(), "Permanent");
    assert!(report(&reported));
    assert_eq!(aws::get_item(&format!("USER#{UNKNOWN}"), "ACCOUNT"), None);
    assert_eq!(aws::get_item(&format!("MAIL#{UNKNOWN}"), "MAIL"), None);
    let mut foreign = reported.clone();
    foreign["tags"] = json!({"ses:configuration-set": ["mails"]});
    assert!(report(&foreign), "a mail that was sent before mails had tags");
    for (name, value) in
        [("event_type", json!("Delivery")), ("sent_at", json!("now")), ("tags", json!(7))]
    {
        let mut poison = reported.clone();
        poison[name] = value;
        assert!(!report(&poison), "{name}");
    }
    let mut poison = reported;
    poison["tags"]["mail_id"] = json!(["7"]);
    assert!(!report(&poison));
}

#[test]
fn mails_carry_tags_by_which_reports_find_them() {
    let own = IsolatedSystem::start();
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.record_for(&doctor);
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    let notification = json!({"recipient_id": doctor.id, "notification_id": id});
    Anonymous.request_password_reset(&doctor.email).ok(202);
    let mails = aws::dynamodb(
        "Query",
        json!({"IndexName": "gsi2", "KeyConditionExpression": "gsi2pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("MAILED#{}", doctor.id)}}}),
    );
    let mail = mails["Items"][0]["pk"]["S"].as_str().unwrap().trim_start_matches("MAIL#");
    for (number, order) in [notification, json!({"mail_id": mail})].into_iter().enumerate() {
        assert_eq!(own.deliver(std::slice::from_ref(&order), Duration::from_secs(30)), 0);
        let expected = report_about(&order, &doctor.id, &doctor.email, "Permanent");
        let sent = own.delivered_to(&doctor.email)[number].clone();
        let tags = sent.tags.into_iter().map(|(name, value)| (name, json!([value])));
        assert_eq!(Value::Object(tags.collect()), expected["tags"]);
        assert!(!expected.to_string().contains('@'), "no address: {expected}");
    }
}
