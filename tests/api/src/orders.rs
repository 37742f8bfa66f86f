//! Tests of what becomes of orders of mails: the mailer in this process, without the dispatcher.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, Doctor, FaultProxy, IsolatedSystem, PASSWORD, Patient, ProxyFault, UNKNOWN,
    aws, new_email,
};

/// Returns the order for the mail of a doctor's newest notification.
fn newest_order(doctor: &Doctor) -> Value {
    let id = doctor.list_notifications("").ok(200).ids("id")[0].to_owned();
    json!({"recipient_id": doctor.id, "notification_id": id})
}

/// Returns the order for the newest account mail of a kind to a user.
fn newest_account_order(user: &str, kind: &str) -> Value {
    let mails = aws::dynamodb(
        "Query",
        json!({"IndexName": "gsi2", "KeyConditionExpression": "gsi2pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("MAILED#{user}")}},
            "ScanIndexForward": false}),
    );
    let keys = mails["Items"].as_array().unwrap().iter().map(|item| item["pk"]["S"].clone());
    let mut ids = keys.map(|pk| pk.as_str().unwrap().trim_start_matches("MAIL#").to_owned());
    let is_wanted = |id: &String| item(&json!({"mail_id": id}))["kind"]["S"] == kind;
    json!({"mail_id": ids.find(is_wanted).unwrap()})
}

fn key(order: &Value) -> (String, String) {
    let text = |name: &str| order[name].as_str().unwrap();
    if order.get("mail_id").is_some() {
        return (format!("MAIL#{}", text("mail_id")), "MAIL".to_owned());
    }
    let sk = format!("NOTIFICATION#{}", text("notification_id"));
    (format!("INBOX#{}", text("recipient_id")), sk)
}

fn item(order: &Value) -> Value {
    let (pk, sk) = key(order);
    aws::get_item(&pk, &sk).unwrap()
}

/// Returns the state of a mail, and its failure.
fn delivery(order: &Value) -> (Value, Value) {
    let item = item(order);
    (item["mail_state"]["S"].clone(), item["mail_failure"]["S"].clone())
}

/// Delivers an order; returns whether it is done.
fn is_done(own: &IsolatedSystem, order: &Value) -> bool {
    own.deliver(std::slice::from_ref(order), Duration::from_secs(60)) == 0
}

/// Returns the orders for a mail about a notification and for an account mail to a doctor.
fn both_orders(doctor: &Doctor) -> [Value; 2] {
    Patient::new().record_for(doctor);
    Anonymous.request_password_reset(&doctor.email).ok(202);
    [newest_order(doctor), newest_account_order(&doctor.id, "reset_password")]
}

#[test]
fn a_mail_to_an_inactive_user_is_dropped_with_a_reason() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    let orders = both_orders(&doctor);
    doctor.deactivate();
    for order in orders {
        assert!(is_done(&own, &order));
        assert_eq!(delivery(&order), (json!("failed"), json!("recipient_inactive")));
    }
    assert!(own.mails_to(&doctor.email).is_empty());
}

#[test]
fn a_mail_to_an_address_that_bounced_is_dropped_with_a_reason() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    let orders = both_orders(&doctor);
    let bounced = json!({":bounced": {"S": "bounced"}});
    let account = format!("USER#{}", doctor.id);
    let note = "SET email_problem = :bounced";
    aws::update_item(&account, "ACCOUNT", note, bounced);
    for order in orders {
        assert!(is_done(&own, &order));
        assert_eq!(delivery(&order), (json!("failed"), json!("address_bounced")));
    }
    assert!(own.mails_to(&doctor.email).is_empty());
}

#[test]
fn a_mail_about_a_change_that_is_void_is_dropped_with_a_reason() {
    let (own, patient, new) = (IsolatedSystem::start(), Patient::new(), new_email());
    patient.request_email_change(&new, PASSWORD).ok(202);
    let order = newest_account_order(&patient.id, "confirm_email_change");
    patient.change_password(PASSWORD, "amber-kettle-northbound-73");
    assert!(is_done(&own, &order));
    assert_eq!(delivery(&order), (json!("failed"), json!("not_needed")));
    assert!(own.mails_to(&new).is_empty());
}

#[test]
fn an_order_that_comes_again_or_of_a_mail_that_is_gone_sends_nothing() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    let orders = both_orders(&doctor);
    for order in orders {
        for _ in 0..2 {
            assert!(is_done(&own, &order));
            assert_eq!(delivery(&order), (json!("sent"), Value::Null));
        }
    }
    assert_eq!(own.mails_to(&doctor.email).len(), 2);
    assert!(is_done(&own, &json!({"mail_id": UNKNOWN})));
}

/// Staff decide about it: its message goes to the dead-letter queue.
#[test]
fn an_order_of_a_mail_that_may_have_been_sent_is_given_back() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    for order in both_orders(&doctor) {
        let (pk, sk) = key(&order);
        let state = json!({":state": {"S": "in_doubt"}});
        aws::update_item(&pk, &sk, "SET mail_state = :state", state);
        assert!(!is_done(&own, &order));
        assert_eq!(delivery(&order).0, "in_doubt");
    }
    assert!(own.mails_to(&doctor.email).is_empty());
}

#[test]
fn a_mail_whose_mailer_was_interrupted_is_in_doubt_at_the_last_delivery() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    Patient::new().record_for(&doctor);
    let order = newest_order(&doctor);
    let (pk, sk) = key(&order);
    let claim = "SET mail_state = :state, mail_operation = :operation, mail_claimed_at = :at";
    let values = json!({":state": {"S": "sending"}, ":operation": {"S": "earlier"},
        ":at": {"S": "2026-01-01T00:00:00Z"}});
    aws::update_item(&pk, &sk, claim, values);
    assert!(!is_done(&own, &order));
    assert_eq!(delivery(&order), (json!("sending"), Value::Null));
    let proxy = FaultProxy::new(|_, _| ProxyFault::Passed);
    own.deliver_last(&order, &proxy.url);
    assert_eq!(delivery(&order), (json!("in_doubt"), json!("interrupted")));
    assert!(own.mails_to(&doctor.email).is_empty());
}

#[test]
fn a_decoy_is_never_sent() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    Anonymous.request_password_reset(&doctor.email).ok(202);
    let order = newest_account_order(&doctor.id, "reset_password");
    let (pk, sk) = key(&order);
    aws::update_item(&pk, &sk, "SET kind = :kind", json!({":kind": {"S": "nobody"}}));
    assert!(is_done(&own, &order));
    assert_eq!(delivery(&order), (Value::Null, Value::Null));
    assert!(own.mails_to(&doctor.email).is_empty());
}

#[test]
fn tries_of_one_mail_count_once_against_an_unconfirmed_address() {
    let (own, doctor) = (IsolatedSystem::start(), Doctor::new());
    Patient::new().record_for(&doctor);
    let order = newest_order(&doctor);
    own.exhaust_the_quota();
    for _ in 0..7 {
        assert!(!is_done(&own, &order));
        assert_eq!(delivery(&order), (Value::Null, json!("quota_exceeded")));
    }
}

/// SQS may deliver a message again after the mail was given up.
#[test]
fn an_order_that_comes_again_is_refused_again_for_an_unconfirmed_address() {
    let (own, doctor, patient) = (IsolatedSystem::start(), Doctor::new(), Patient::new());
    for _ in 0..6 {
        patient.record_for(&doctor);
        assert!(is_done(&own, &newest_order(&doctor)));
    }
    let order = newest_order(&doctor);
    for _ in 0..2 {
        assert_eq!(delivery(&order), (json!("failed"), json!("address_unconfirmed")));
        assert!(is_done(&own, &order));
    }
    assert_eq!(own.mails_to(&doctor.email).len(), 5);
}

#[test]
fn a_confirmed_address_gets_all_mails_about_notifications() {
    let (own, doctor, patient) = (IsolatedSystem::start(), Doctor::new(), Patient::new());
    doctor.confirm_address();
    for _ in 0..7 {
        patient.record_for(&doctor);
        assert!(is_done(&own, &newest_order(&doctor)));
    }
    assert_eq!(own.mails_to(&doctor.email).len(), 7);
}

#[test]
fn only_mails_to_who_may_have_registered_an_address_of_others_offer_to_discard_the_account() {
    let own = IsolatedSystem::start();
    let offers = |user: &str, kind: &str, address: &str| {
        assert!(is_done(&own, &newest_account_order(user, kind)));
        let mails = own.mails_to(address);
        mails.last().unwrap().text.contains("/discard-account#token=")
    };
    let (patient, confirmed, admin) = (Patient::new(), Patient::new(), Admin::new());
    confirmed.confirm_address();
    for (user, offered) in [(&*patient, true), (&*confirmed, false)] {
        Anonymous.request_password_reset(&user.email).ok(202);
        assert_eq!(offers(&user.id, "reset_password", &user.email), offered);
    }
    let of_staff = admin.user();
    Anonymous.request_password_reset(&of_staff.email).ok(202);
    assert!(!offers(&of_staff.id, "reset_password", &of_staff.email));
    let new = new_email();
    patient.request_email_change(&new, PASSWORD).ok(202);
    assert!(!offers(&patient.id, "confirm_email_change", &new));
}
