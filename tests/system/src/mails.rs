//! Tests of mails: each notification is also sent by mail, once, and without clinical data.
//!
//! The Django service queued mails before the transaction of the request had ended. Here the stream
//! of the table carries them: dispatcher, SQS, mailer, SES.

use serde_json::{Value, json};

use api_tests::harness::{Doctor, Patient, Stack, aws, eventually, mails_to, report_about};

use crate::mail_queue::{
    deliver, lock_dead_letters, mails, order, read_dead_letters, set_mail_state,
};

#[test]
fn each_notification_is_one_mail() {
    let (patient, doctor, next) = (Patient::new(), Doctor::new(), Doctor::new());
    let record =
        patient.create_record(json!({"doctor": doctor.id, "description": "zq7marker"})).ok(201);
    let id = record.text("id");
    let note = doctor.create_annotation(json!({"record": id, "note": "one zq7marker"})).ok(201);
    doctor.update_annotation(note.text("id"), json!({"note": "two zq7marker"})).ok(200);
    patient.update_record(id, json!({"record_type": "imaging"})).ok(200);
    patient.update_record(id, json!({"doctor": next.id})).ok(200);

    let subjects = |email: &str, count: usize| {
        let mut subjects: Vec<String> =
            mails(email, count).into_iter().map(|mail| mail.subject).collect();
        subjects.sort_unstable();
        subjects
    };
    assert_eq!(
        subjects(&doctor.email, 3),
        [
            "Health Record Notification - Assignment Ended",
            "Health Record Notification - Patient Assigned",
            "Health Record Notification - Record Updated",
        ]
    );
    assert_eq!(
        subjects(&patient.email, 2),
        [
            "Health Record Notification - Annotation Updated",
            "Health Record Notification - Record Annotated"
        ]
    );
    assert_eq!(subjects(&next.email, 1), ["Health Record Notification - Patient Assigned"]);
    for mail in [&doctor, &next]
        .into_iter()
        .flat_map(|doctor| mails_to(&doctor.email))
        .chain(mails_to(&patient.email))
    {
        assert_eq!(mail.from, "records@example.org");
        for body in [&mail.text, &mail.html] {
            let words = [
                id,
                &patient.id,
                &doctor.id,
                &next.id,
                "zq7marker",
                "imaging",
                &patient.email,
                &doctor.email,
                "/api/",
            ];
            for word in words {
                assert!(!body.contains(word) && !mail.subject.contains(word), "{word} in {body}");
            }
            for name in [&patient.full_name(), &doctor.full_name(), &next.full_name()] {
                assert!(name.split(' ').all(|part| !body.contains(part)), "{name} in {body}");
            }
            assert!(body.contains(&Stack::get().base_url), "where to read it: {body}");
        }
        assert!(mail.html.contains("<html") && !mail.text.contains('<'));
    }
}

#[test]
fn repeated_stream_records_send_one_mail() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let notification = doctor.list_notifications("").ok(200)["results"][0].clone();
    let id = &notification["id"];
    mails(&doctor.email, 1);
    let stored = eventually("the mail is noted as sent", || {
        let key = format!("NOTIFICATION#{}", id.as_str().unwrap());
        aws::get_item(&format!("INBOX#{}", doctor.id), &key)
            .filter(|item| item["mail_state"]["S"] == "sent")
    });

    // SQS delivers the message again, to several sandboxes concurrently.
    let order = order(&doctor.id, id);
    std::thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(|| assert!(deliver(&order))))));
    aws::sqs("SendMessage", "mail", json!({"MessageBody": order}));
    // The stream delivers the change again.
    let event = json!({"Records": [{
        "eventID": "1", "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "eu-central-1",
        "eventSourceARN": "", "dynamodb": {
            "Keys": {"pk": stored["pk"], "sk": stored["sk"]}, "NewImage": stored,
                "SequenceNumber": "1", "SizeBytes": 1,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }]});
    assert_eq!(aws::invoke("dispatcher", &event).body, json!({"batchItemFailures": []}));
    // A later notification is mailed, so the earlier ones have been handled.
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    mails(&doctor.email, 2);
    let subjects: Vec<String> =
        mails_to(&doctor.email).into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["Health Record Notification - Patient Assigned"; 2]);
}

/// While it lives, no changes are read from the stream and no mails from the queue.
struct Outage(Vec<String>);

impl Outage {
    const PATH: &str = "/2015-03-31/event-source-mappings/";

    fn begin() -> Self {
        let sources = ["dispatcher", "mailer"].iter().flat_map(|function| {
            let query =
                format!("{}?FunctionName={}", Self::PATH, Stack::get().functions[*function]);
            let response = aws::send(aws::root(), "lambda", "GET", &query, &[], Vec::new()).ok(200);
            let sources = response["EventSourceMappings"].as_array().unwrap();
            sources
                .iter()
                .map(|source| source["UUID"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        });
        let outage = Self(sources.collect());
        assert_eq!(outage.0.len(), 3);
        outage.enable(false);
        outage
    }

    fn enable(&self, enabled: bool) {
        for source in &self.0 {
            let (path, body) =
                (format!("{}{source}", Self::PATH), json!({"Enabled": enabled}).to_string());
            let response = aws::send(
                aws::root(),
                "lambda",
                "PUT",
                &path,
                &[("content-type", "application/json")],
                body,
            );
            assert!([200, 202].contains(&response.status), "{response}");
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.enable(true);
    }
}

/// In the Django service, creating a record while the broker was down gave 500, and a restart of
/// the broker blocked the API for good.
#[test]
fn the_api_works_while_nothing_is_mailed_and_nothing_is_lost() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let outage = Outage::begin();
    let record = patient.record_for(&doctor);
    doctor.annotate(record.text("id"));
    assert_eq!(
        doctor.list_notifications("").ok(200).results().len(),
        1,
        "what happened is told in the inbox"
    );
    assert_eq!(patient.list_notifications("").ok(200).results().len(), 1);
    assert!(mails_to(&doctor.email).is_empty());
    drop(outage);
    mails(&doctor.email, 1);
    mails(&patient.email, 1);
}

#[test]
fn several_at_once_are_all_mailed() {
    let patient = Patient::new();
    let doctors = [(); 4].map(|()| Doctor::new());
    std::thread::scope(|scope| {
        for doctor in &doctors {
            scope.spawn(|| {
                for _ in 0..3 {
                    patient.record_for(doctor);
                }
            });
        }
    });
    for doctor in &doctors {
        assert_eq!(mails(&doctor.email, 3).len(), 3);
    }
}

#[test]
fn inactive_users_get_no_mail() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    mails(&doctor.email, 1);
    let notification = doctor.list_notifications("").ok(200)["results"][0]["id"].clone();
    let unknown = "01936f2a-0000-7000-8000-00000000ffff";
    assert!(deliver(&order(&doctor.id, &json!(unknown))), "the notification is gone");
    assert!(deliver(&order(unknown, &notification)), "so is the recipient");
    set_mail_state(&doctor.id, &notification, None);
    doctor.deactivate();
    assert!(deliver(&order(&doctor.id, &notification)), "deactivated");
    assert_eq!(mails_to(&doctor.email).len(), 1);
}

/// The mailer died between SES and the table: it is unknown whether the mail was sent, and staff
/// decide.
#[test]
fn a_mail_in_doubt_is_not_sent_again() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    mails(&doctor.email, 1);
    let notification = doctor.list_notifications("").ok(200)["results"][0]["id"].clone();
    set_mail_state(&doctor.id, &notification, Some("sending"));
    assert!(!deliver(&order(&doctor.id, &notification)), "it must reach the dead-letter queue");
    assert_eq!(mails_to(&doctor.email).len(), 1);
}

#[test]
fn poison_ends_in_the_dead_letter_queue_and_blocks_nobody() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    let marker = format!("zq7marker {}", doctor.id);
    let poison =
        [marker.clone(), json!({"recipient_id": marker, "notification_id": 1}).to_string()];
    let _alone = lock_dead_letters();
    for body in &poison {
        assert!(!deliver(body));
        aws::sqs("SendMessage", "mail", json!({"MessageBody": body}));
    }
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    mails(&doctor.email, 1);
    eventually("the poison is in the dead-letter queue", || {
        let dead = read_dead_letters(|_| false);
        poison.iter().all(|body| dead.contains(body)).then_some(())
    });
}

#[test]
fn a_bounce_in_the_queue_is_shown_to_the_owner_of_the_address() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    mails(&doctor.email, 1);
    assert_eq!(doctor.me().ok(200)["email_bounced"], false);
    let id = doctor.list_notifications("").ok(200)["results"][0]["id"].clone();
    let order = json!({"recipient_id": doctor.id, "notification_id": id});
    let report = report_about(&order, &doctor.id, &doctor.email, "Permanent").to_string();
    aws::sqs("SendMessage", "mail_event", json!({"MessageBody": report}));
    eventually("the bounce is noted", || {
        (doctor.me().ok(200)["email_bounced"] == true).then_some(())
    });
    patient.create_record(json!({"doctor": doctor.id})).ok(201);
    let sk = |id: &Value| format!("NOTIFICATION#{}", id.as_str().unwrap());
    let newest = doctor.list_notifications("").ok(200)["results"][0]["id"].clone();
    eventually("the next mail is dropped", || {
        let item = aws::get_item(&format!("INBOX#{}", doctor.id), &sk(&newest))?;
        (item["mail_failure"]["S"] == "address_bounced").then_some(())
    });
    assert_eq!(mails_to(&doctor.email).len(), 1);
}
