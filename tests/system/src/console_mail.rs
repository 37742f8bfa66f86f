//! Tests of the console's dashboard and mail pipeline: dead letters are shown with their reason and
//! put back, mails are resent, and the counts contain no personal data.

use std::cell::Cell;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use api_tests::harness::console::{ConsoleBrowser, hidden_field};
use api_tests::harness::{
    Admin, Anonymous, Doctor, MARKER, PASSWORD, Patient, Request, Response, User, account_mail,
    account_mails_to, aws, eventually, mails_to, new_email,
};

use crate::mail_queue::{
    ShortVisibilityTimeout, change_to, deliver, lock_dead_letters, mails, order, read_dead_letters,
    set_mail_state,
};

/// Gives a user another address, without confirmation.
fn set_address(user: &User, address: &str) {
    aws::update_item(
        &format!("USER#{}", user.id),
        "ACCOUNT",
        "SET email = :address",
        json!({":address": {"S": address}}),
    );
}

fn notification_item(user: &User, id: &Value) -> Value {
    aws::get_item(&format!("INBOX#{}", user.id), &format!("NOTIFICATION#{}", id.as_str().unwrap()))
        .unwrap()
}

/// Returns a user's newest notification.
fn newest(user: &User) -> Value {
    user.list_notifications("").ok(200)["results"][0]["id"].clone()
}

/// Returns the actions on a user in the audit trail, newest first.
fn list_events(admin: &Admin, user: &User) -> Vec<Value> {
    admin.list_events(&format!("subject={}", user.id)).ok(200).results().to_vec()
}

/// Stores a state of a stored mail.
fn set_stored_mail_state(mail: &str, state: &str) {
    let (expression, values) = change_to(state);
    aws::update_item(&format!("MAIL#{mail}"), "MAIL", expression, values);
}

/// Returns the row of a page's tables that contains a text.
fn row(page: &str, text: &str) -> Option<String> {
    page.split("<tr>")
        .find(|row| row.contains(text))
        .map(|row| row.split("</tr>").next().unwrap().to_owned())
}

/// Waits for the row of a dead letter. Another reader at the same moment hides it.
fn dead_letter_row(console: &ConsoleBrowser, user: &User) -> String {
    eventually("the order is listed", || row(&console.page("/admin/mail/"), &user.id))
}

/// Returns the numbers of the dashboard.
#[track_caller]
fn read_export(console: &ConsoleBrowser) -> Response {
    console.get("/admin/export.json").ok(200)
}

#[test]
fn a_mail_that_ses_refuses_is_given_up_shown_with_its_reason_and_put_back() {
    let _alone = lock_dead_letters();
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    let counted = || read_export(&console)["totals"]["mails_failed"].as_u64().unwrap();
    let before = counted();
    eventually("the mail that confirms the address is sent", || {
        (account_mails_to(&doctor.email).len() == 1).then_some(())
    });
    // SES rejects an address without a domain.
    set_address(&doctor, MARKER);
    let short_timeout = ShortVisibilityTimeout::begin();
    patient.record_for(&doctor);
    let id = newest(&doctor);
    let state = |name: &str| notification_item(&doctor, &id)[name]["S"].clone();
    eventually("the mail is given up", || (state("mail_state") == "failed").then_some(()));
    assert_eq!(state("mail_failure"), "address_invalid");
    let row = dead_letter_row(&console, &doctor);
    drop(short_timeout);
    for text in ["patient_assigned", "failed", "address_invalid", "Put back"] {
        assert!(row.contains(text), "{text}: {row}");
    }
    assert!(
        !row.contains(MARKER) && !row.contains(&doctor.last_name),
        "ids and codes are enough: {row}"
    );
    eventually("the failure has been counted", || (counted() > before).then_some(()));
    assert!(mails_to(&doctor.email).is_empty());

    // The cause is gone; of two concurrent requests to put it back, one succeeds.
    set_address(&doctor, &doctor.email);
    let message = hidden_field(&row, "message");
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| console.post("/admin/mail/redrive/", &[("message", &message)]).ok(303));
        }
    });
    mails(&doctor.email, 1);
    eventually("the mail is noted as sent", || (state("mail_state") == "sent").then_some(()));
    assert_eq!(state("mail_failure"), Value::Null);
    assert!(row_is_gone(&console, &doctor));
    let events = list_events(&admin, &doctor);
    let event = events.iter().find(|event| event["action"] == "redrive_mail").unwrap();
    assert_eq!((&event["before"], &event["after"]), (&json!("address_invalid"), &json!("queued")));
    assert_eq!(event["actor"]["pk"], json!(admin.user().id));
    // Put back once more, it is not mailed again.
    aws::sqs("SendMessage", "mail_dlq", json!({"MessageBody": order(&doctor.id, &id)}));
    dead_letter_row(&console, &doctor);
    console.post("/admin/mail/redrive/", &[]).ok(303);
    patient.record_for(&doctor);
    mails(&doctor.email, 2);
    assert_eq!(mails_to(&doctor.email).len(), 2);
}

fn row_is_gone(console: &ConsoleBrowser, user: &User) -> bool {
    row(&console.page("/admin/mail/"), &user.id).is_none()
}

#[test]
fn a_mail_in_doubt_is_not_put_back_but_sent_again_on_ones_word() {
    let _alone = lock_dead_letters();
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    mails(&doctor.email, 1);
    let id = newest(&doctor);
    eventually("the mail is noted as sent", || {
        (notification_item(&doctor, &id)["mail_state"]["S"] == "sent").then_some(())
    });
    // As the mailer leaves it when SES did not respond (mails.rs,
    // a_mail_in_doubt_is_not_sent_again).
    set_mail_state(&doctor.id, &id, Some("in_doubt"));
    aws::sqs("SendMessage", "mail_dlq", json!({"MessageBody": order(&doctor.id, &id)}));
    let row = dead_letter_row(&console, &doctor);
    assert!(
        row.contains("in_doubt")
            && row.contains("interrupted")
            && !row.contains("name=\"message\""),
        "{row}"
    );
    // Putting all back leaves it.
    console.post("/admin/mail/redrive/", &[]).ok(303);
    let row = dead_letter_row(&console, &doctor);
    assert!(row.contains("in_doubt"), "{row}");
    let fields = [
        ("recipient", &*hidden_field(&row, "recipient")),
        ("notification", &*hidden_field(&row, "notification")),
    ];
    console.post("/admin/mail/resend/", &fields).ok(303);
    mails(&doctor.email, 2);
    eventually("the order is not set aside any more", || {
        row_is_gone(&console, &doctor).then_some(())
    });
    let event = list_events(&admin, &doctor)
        .into_iter()
        .find(|event| event["action"] == "resend_mail")
        .unwrap();
    assert_eq!((&event["before"], &event["after"]), (&json!("in_doubt"), &json!("ordered")));
}

/// The mailer died after its last claim: no delivery is left that would note that the mail may have
/// been sent.
#[test]
fn a_mail_that_was_interrupted_is_sent_again_after_a_while() {
    let _alone = lock_dead_letters();
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    mails(&doctor.email, 1);
    let id = newest(&doctor);
    eventually("the mail is noted as sent", || {
        (notification_item(&doctor, &id)["mail_state"]["S"] == "sent").then_some(())
    });
    let begin = |seconds: i64| {
        let at = Timestamp::now() - SignedDuration::from_secs(seconds);
        let values = json!({":sending": {"S": "sending"}, ":at": {"S": at.to_string()},
            ":throttled": {"S": "throttled"}});
        let change = "SET mail_state = :sending, mail_claimed_at = :at, mail_failure = :throttled";
        aws::update_item(
            &format!("INBOX#{}", doctor.id),
            &format!("NOTIFICATION#{}", id.as_str().unwrap()),
            change,
            values,
        );
    };
    let page = || {
        row(
            &console.page(&format!("/admin/mail/users/{}/?about=notifications", doctor.id)),
            "patient_assigned",
        )
        .unwrap()
    };
    let fields = [("recipient", doctor.id.as_str()), ("notification", id.as_str().unwrap())];
    begin(0);
    aws::sqs("SendMessage", "mail_dlq", json!({"MessageBody": order(&doctor.id, &id)}));
    let row = dead_letter_row(&console, &doctor);
    assert!(row.contains("under_way") && !row.contains("<button"), "{row}");
    assert!(!page().contains("<button"));
    console.post("/admin/mail/resend/", &fields).ok(409);

    begin(46 * 60);
    let row = dead_letter_row(&console, &doctor);
    assert!(
        row.contains("interrupted") && row.contains("Send again") && !row.contains("throttled"),
        "{row}"
    );
    assert!(page().contains("interrupted") && page().contains("Send again"));
    console.post("/admin/mail/redrive/", &[]).ok(303);
    dead_letter_row(&console, &doctor);
    console.post("/admin/mail/resend/", &fields).ok(303);
    mails(&doctor.email, 2);
    eventually("the mail is noted as sent", || {
        (notification_item(&doctor, &id)["mail_state"]["S"] == "sent").then_some(())
    });
    assert!(row_is_gone(&console, &doctor));
    let events = list_events(&admin, &doctor);
    let events: Vec<&Value> =
        events.iter().filter(|event| event["action"] == "resend_mail").collect();
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["before"], &events[0]["after"]), (&json!("sending"), &json!("ordered")));
    assert_eq!(events[0]["reason"], "interrupted");
}

/// Stores copies of an item under other ids, older than any that is made now, with some attributes
/// replaced.
fn copy(item: &Value, id: &str, age: char, count: usize, attributes: &Value) {
    let mut item = item.clone();
    let copy = item.as_object_mut().unwrap();
    copy.extend(attributes.as_object().unwrap().clone());
    copy.retain(|name, _| !name.starts_with("gsi1") && !name.starts_with("gsi3"));
    for number in 0..count {
        let other = format!("01936f2{age}-0000-7000-8000-{number:012x}");
        let item: Value = serde_json::from_str(&item.to_string().replace(id, &other)).unwrap();
        aws::dynamodb("PutItem", json!({"Item": item}));
    }
}

/// Its order was lost: nothing in the queue will have it sent.
#[test]
fn a_mail_that_has_waited_for_an_hour_is_sent_again() {
    let _alone = lock_dead_letters();
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    mails(&doctor.email, 1);
    let new = newest(&doctor);
    eventually("the mail is noted as sent", || {
        (notification_item(&doctor, &new)["mail_state"]["S"] == "sent").then_some(())
    });
    // The copy is no notification when the stream delivers it, and so no order of a mail.
    let (new, old) = (new.as_str().unwrap(), json!("01936f2c-0000-7000-8000-000000000000"));
    let item = notification_item(&doctor, &json!(new));
    copy(&item, new, 'c', 1, &json!({"entity": {"S": "not a notification yet"}}));
    aws::update_item(
        &format!("INBOX#{}", doctor.id),
        &format!("NOTIFICATION#{}", old.as_str().unwrap()),
        "SET entity = :notification REMOVE mail_state, mail_sent_at",
        json!({":notification": {"S": "notification"}}),
    );
    let page = console.page(&format!("/admin/mail/users/{}/?about=notifications", doctor.id));
    let waits = row(&page, "waiting").unwrap();
    assert!(waits.contains("Send again"), "{waits}");
    let fields = [("recipient", doctor.id.as_str()), ("notification", old.as_str().unwrap())];
    console.post("/admin/mail/resend/", &fields).ok(303);
    mails(&doctor.email, 2);
    eventually("the mail is noted as sent", || {
        (notification_item(&doctor, &old)["mail_state"]["S"] == "sent").then_some(())
    });
    let events = list_events(&admin, &doctor);
    let event = events.iter().find(|event| event["action"] == "resend_mail").unwrap();
    assert_eq!((&event["before"], &event["after"]), (&json!("waiting"), &json!("ordered")));
}

/// Returns how many rows each page of a list has, and how many mails of a kind can be resent on all
/// of them.
fn walk(console: &ConsoleBrowser, path: &str, kind: &str) -> (Vec<usize>, usize) {
    let (mut rows, mut can_be_sent, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let page = console.page(&path);
        let (_, body) = page.split_once("<tbody>").unwrap();
        rows.push(body.matches("<tr>").count());
        can_be_sent += body.matches(&format!("Send again the mail {kind} of")).count();
        let link = body
            .split_once("rel=\"next\" href=\"")
            .map(|(_, rest)| rest.split('"').next().unwrap());
        next = link.map(|link| link.replace("&#38;", "&").replace("&amp;", "&"));
    }
    (rows, can_be_sent)
}

#[test]
fn all_mails_to_somebody_are_listed_page_by_page() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    let (id, sent) = (newest(&doctor), json!({"mail_state": {"S": "sent"}}));
    let is_sent =
        |item: Option<Value>| item.filter(|item| item["mail_state"] == sent["mail_state"]);
    let item =
        eventually("the mail is noted as sent", || is_sent(Some(notification_item(&doctor, &id))));
    copy(&item, id.as_str().unwrap(), 'a', 27, &sent);
    copy(
        &item,
        id.as_str().unwrap(),
        'b',
        27,
        &json!({"notification_type": {"S": "approval_granted"}}),
    );
    let path = format!("/admin/mail/users/{}/", doctor.id);
    assert_eq!(
        walk(&console, &format!("{path}?about=notifications"), "patient_assigned"),
        (vec![25, 3], 28)
    );

    admin.start_password_reset(&doctor.id).ok(204);
    let mail = eventually("it is listed", || {
        row(&console.page(&path), "reset_password").filter(|row| row.contains("Send again"))
    });
    let mail = hidden_field(&mail, "mail");
    let item = aws::get_item(&format!("MAIL#{mail}"), "MAIL").unwrap();
    copy(&item, &mail, 'a', 27, &sent);
    copy(&item, &mail, 'b', 27, &json!({"kind": {"S": "nobody"}}));
    let (rows, can_be_sent) = walk(&console, &path, "reset_password");
    assert_eq!((rows.len(), rows[0], can_be_sent), (2, 25, 28), "{rows:?}");
    console.get(&format!("{path}?about=records")).ok(400);
    console.get(&format!("{path}?cursor=x")).ok(400);
}

/// Removes the dead letters with a body; returns how many there were.
fn take_out(body: &str) -> usize {
    read_dead_letters(|found| found == body).iter().filter(|found| *found == body).count()
}

/// Dead letters that exist while it lives.
struct Crowd(String);

impl Crowd {
    const SIZE: usize = 40;

    fn of(body: String) -> Self {
        let entry = |id: usize| json!({"Id": id.to_string(), "MessageBody": body});
        for _ in 0..Self::SIZE / 10 {
            aws::sqs(
                "SendMessageBatch",
                "mail_dlq",
                json!({"Entries": (0..10).map(entry).collect::<Vec<_>>()}),
            );
        }
        Self(body)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // The console hides those that it has read for a while. Any that stay would hide all later
        // dead letters from the tests that follow.
        let taken_out = Cell::new(0);
        eventually("the crowd is taken out", || {
            taken_out.set(taken_out.get() + take_out(&self.0));
            (taken_out.get() == Self::SIZE).then_some(())
        });
    }
}

#[test]
fn an_order_is_found_behind_many_others() {
    let _alone = lock_dead_letters();
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    let in_doubt = newest(&doctor);
    patient.record_for(&doctor);
    let id = newest(&doctor);
    let is_sent = |id: &Value| {
        eventually("the mail is noted as sent", || {
            (notification_item(&doctor, id)["mail_state"]["S"] == "sent").then_some(())
        })
    };
    is_sent(&in_doubt);
    is_sent(&id);
    set_mail_state(&doctor.id, &in_doubt, Some("in_doubt"));
    let _crowd = Crowd::of(order(&doctor.id, &in_doubt));
    let set_aside = |state: &str| {
        set_mail_state(&doctor.id, &id, Some(state));
        aws::sqs(
            "SendMessage",
            "mail_dlq",
            json!({"MessageBody": order(&doctor.id,
            &id)}),
        )["MessageId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let done = |response: Response| {
        response.ok(303).header("location").split_once("done=").unwrap().1.to_owned()
    };

    let message = set_aside("failed");
    // The search takes some seconds only, which is not far on a busy machine.
    let done_at_last = |path: &str, fields: &[(&str, &str)], expected: &str| {
        eventually(expected, || (done(console.post(path, fields)) == expected).then_some(()));
    };
    done_at_last("/admin/mail/redrive/", &[("message", &message)], "redriven");
    mails(&doctor.email, 3);
    is_sent(&id);
    set_aside("failed");
    done_at_last("/admin/mail/redrive/", &[], "some-redriven");
    mails(&doctor.email, 4);
    is_sent(&id);
    set_aside("in_doubt");
    let fields = [("recipient", doctor.id.as_str()), ("notification", id.as_str().unwrap())];
    done_at_last("/admin/mail/resend/", &fields, "resent");
    mails(&doctor.email, 5);
    assert_eq!(
        take_out(&order(&doctor.id, &id)),
        0,
        "what was sent again is not set aside any more"
    );
}

#[test]
fn staff_send_a_mail_again() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let console = ConsoleBrowser::of(&admin);
    admin.start_password_reset(&user.id).ok(204);
    let first = account_mail(&user.email, "Set Your Password", 0).token();
    let path = format!("/admin/mail/users/{}/", user.id);
    let row = eventually("it is listed as sent", || {
        row(&console.page(&path), "reset_password").filter(|row| row.contains("Send again"))
    });
    let mail = hidden_field(&row, "mail");
    console.post("/admin/mail/resend/", &[("mail", &mail)]).ok(303);
    let second = account_mail(&user.email, "Set Your Password", 1).token();
    assert_ne!(first, second, "each mail has a token of its own");
    Anonymous.reset_password(&second, "three lamps in the window").ok(200);
    let event = list_events(&admin, &user)
        .into_iter()
        .find(|event| event["action"] == "resend_mail")
        .unwrap();
    assert_eq!((&event["before"], &event["after"]), (&json!("sent"), &json!("ordered")));
    assert_eq!(
        account_mails_to(&user.email)
            .iter()
            .filter(|mail| mail.subject.ends_with("Set Your Password"))
            .count(),
        2
    );

    // Not while it is being sent, not to an inactive user, not for what does not exist.
    set_stored_mail_state(&mail, "sending");
    console.post("/admin/mail/resend/", &[("mail", &mail)]).ok(409);
    set_stored_mail_state(&mail, "sent");
    admin.update_user(&user.id, json!({"is_active": false})).ok(200);
    console.post("/admin/mail/resend/", &[("mail", &mail)]).ok(409);
    console
        .post("/admin/mail/resend/", &[("mail", "01936f2a-0000-7000-8000-00000000ffff")])
        .ok(404);
    for fields in [&[][..], &[("mail", "x")], &[("recipient", user.id.as_str())]] {
        console.post("/admin/mail/resend/", fields).ok(400);
    }
}

fn mail_item(id: &str) -> Value {
    aws::get_item(&format!("MAIL#{id}"), "MAIL").unwrap()
}

#[test]
fn a_mail_that_asks_for_what_was_done_is_not_sent_again() {
    let _alone = lock_dead_letters();
    let (admin, user) = (Admin::new(), User::new("patient"));
    let console = ConsoleBrowser::of(&admin);
    user.verify_email(&account_mail(&user.email, "Confirm Your Email Address", 0).token()).ok(200);
    let mails = account_mails_to(&user.email).len();
    let path = format!("/admin/mail/users/{}/", user.id);
    // The first of these mails has the user's id.
    let row_of =
        |word: &str| row(&console.page(&path), "verify_email").filter(|row| row.contains(word));
    let row = eventually("it is listed as sent", || row_of("sent"));
    assert!(!row.contains("<button"), "{row}");
    let response = console.post("/admin/mail/resend/", &[("mail", &user.id)]).ok(409);
    assert!(String::from_utf8(response.bytes).unwrap().contains("no longer needed"));
    assert_eq!(mail_item(&user.id)["mail_state"]["S"], "sent");
    assert!(!list_events(&admin, &user).iter().any(|event| event["action"] == "resend_mail"));

    // A mail ordered before the change is given up, and the console shows why.
    let set = |state: &str| set_stored_mail_state(&user.id, state);
    let order = json!({"mail_id": user.id}).to_string();
    assert!(deliver(&order));
    assert_eq!(mail_item(&user.id)["mail_state"]["S"], "sent", "what was sent stays so");
    set("ordered");
    assert!(deliver(&order));
    let row = row_of("failed").unwrap();
    assert!(row.contains("not_needed") && !row.contains("<button"), "{row}");

    // The dead letter has no use any more.
    set("in_doubt");
    aws::sqs("SendMessage", "mail_dlq", json!({"MessageBody": order}));
    let row = dead_letter_row(&console, &user);
    assert!(row.contains("not_needed") && row.contains("Discard"), "{row}");
    console.post("/admin/mail/redrive/", &[("message", &hidden_field(&row, "message"))]).ok(303);
    eventually("the order is not set aside any more", || {
        row_is_gone(&console, &user).then_some(())
    });
    assert_eq!(account_mails_to(&user.email).len(), mails);
}

#[test]
fn an_address_change_ends_when_the_password_changes() {
    let (admin, user, new) = (Admin::new(), User::new("patient"), new_email());
    let console = ConsoleBrowser::of(&admin);
    user.request_email_change(&new, PASSWORD).ok(202);
    let token = account_mail(&new, "Confirm Your New Email Address", 0).token();
    let path = format!("/admin/mail/users/{}/", user.id);
    let row_of = || row(&console.page(&path), "confirm_email_change");
    let mail = hidden_field(
        &eventually("it can be sent again", || row_of().filter(|row| row.contains("<button"))),
        "mail",
    );
    user.change_password(PASSWORD, "another harbour, a louder one").ok(200);
    Anonymous.change_email(&token).refused("token", "invalid");

    // An order that has waited meanwhile is not carried out: its token would be of today.
    assert!(!row_of().unwrap().contains("<button"));
    console.post("/admin/mail/resend/", &[("mail", &mail)]).ok(409);
    set_stored_mail_state(&mail, "ordered");
    assert!(deliver(&json!({"mail_id": mail}).to_string()));
    assert_eq!(mail_item(&mail)["mail_failure"]["S"], "not_needed");
    assert_eq!(account_mails_to(&new).len(), 1);
}

#[test]
fn a_mail_to_somebody_who_is_not_active_is_given_up_until_staff_want_it() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    patient.record_for(&doctor);
    mails(&doctor.email, 1);
    let id = newest(&doctor);
    let state = |name: &str| notification_item(&doctor, &id)[name]["S"].clone();
    eventually("the mail is noted as sent", || (state("mail_state") == "sent").then_some(()));
    admin.update_user(&doctor.id, json!({"is_active": false})).ok(200);
    assert!(deliver(&order(&doctor.id, &id)));
    assert_eq!(state("mail_state"), "sent", "what was sent stays so");
    for before in [None, Some("ordered")] {
        set_mail_state(&doctor.id, &id, before);
        assert!(deliver(&order(&doctor.id, &id)));
        assert_eq!(
            (state("mail_state"), state("mail_failure")),
            (json!("failed"), json!("recipient_inactive"))
        );
    }
    let page = || console.page(&format!("/admin/mail/users/{}/?about=notifications", doctor.id));
    assert!(
        row(&page(), "patient_assigned").unwrap().contains("recipient_inactive")
            && !page().contains("Send again")
    );
    let fields = [("recipient", doctor.id.as_str()), ("notification", id.as_str().unwrap())];
    console.post("/admin/mail/resend/", &fields).ok(409);

    admin.update_user(&doctor.id, json!({"is_active": true})).ok(200);
    assert!(page().contains("Send again"));
    let response = console.post("/admin/mail/resend/", &fields).ok(303);
    assert_eq!(
        response.header("location"),
        format!("/admin/mail/users/{}/?about=notifications&done=resent", doctor.id)
    );
    mails(&doctor.email, 2);
}

#[test]
fn an_address_gets_so_many_mails_a_day_and_no_more() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let console = ConsoleBrowser::of(&admin);
    admin.start_password_reset(&user.id).ok(204);
    account_mail(&user.email, "Set Your Password", 0);
    let path = format!("/admin/mail/users/{}/", user.id);
    let row = eventually("it is listed as sent", || {
        row(&console.page(&path), "reset_password").filter(|row| row.contains("Send again"))
    });
    let mail = hidden_field(&row, "mail");
    let again = || {
        set_stored_mail_state(&mail, "failed");
        console.post("/admin/mail/resend/", &[("mail", &mail)])
    };
    let accepted = Cell::new(0);
    let refused = eventually("the address has had enough", || {
        let response = again();
        match response.status {
            303 => accepted.set(accepted.get() + 1),
            // It is being sent at the moment.
            409 => {}
            _ => return Some(response),
        }
        None
    });
    let refused = refused.ok(429);
    assert!(accepted.get() <= 20, "{} of 20", accepted.get());
    assert!(!refused.header("retry-after").is_empty(), "{refused}");
}

#[test]
fn the_export_has_numbers_and_nobody() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let console = ConsoleBrowser::of(&admin);
    let before = read_export(&console)["totals"].clone();
    patient.record_for(&doctor);
    let export = eventually("the record has been counted", || {
        let export = read_export(&console);
        (export["totals"]["records"].as_u64() > before["records"].as_u64()).then_some(export)
    });
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let counts = ["admins", "doctors", "mails_failed", "mails_sent", "patients", "records"];
    assert_eq!(keys(&export.body), ["days", "generated_at", "queues", "totals"]);
    assert_eq!(keys(&export["totals"]), counts);
    let queues = [
        "account_mail",
        "mail",
        "mail_dead_letters",
        "stream_failures",
        "upload",
        "upload_dead_letters",
    ];
    assert_eq!(keys(&export["queues"]), queues);
    for queue in queues {
        assert_eq!(keys(&export["queues"][queue]), ["under_way", "waiting"]);
    }
    let today = &export.text("generated_at")[..10];
    let days = export["days"].as_array().unwrap();
    assert!(days.iter().any(|day| day["day"] == today) || days.len() > 1);
    for day in days {
        let names: Vec<String> = keys(day).into_iter().filter(|name| name != "day").collect();
        assert_eq!(names, counts);
        assert!(counts.iter().all(|name| day[*name].is_u64()));
    }
    assert!(
        list_events(&admin, admin.user()).iter().any(|event| event["action"] == "export_counts")
    );
}

#[test]
fn the_dashboard_draws_what_was_counted() {
    let admin = Admin::new();
    let console = ConsoleBrowser::of(&admin);
    Doctor::pending();
    for (path, spans) in [("/admin", 30), ("/admin?by_month=true", 12)] {
        let page = console.page(path);
        assert_eq!(page.matches("<svg ").count(), 4);
        for plot in ["registrations", "records", "mails-sent", "mails-failed"] {
            assert!(
                page.contains(&format!("<title id=\"{plot}-title\">"))
                    && page.contains(&format!("<desc id=\"{plot}-desc\">")),
                "{page}"
            );
        }
        let table = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
        assert_eq!(table.matches("<tr>").count(), spans, "{table}");
        assert!(!page.contains(MARKER), "{page}");
    }
    console.get("/admin?by_month=year").ok(400);
}

#[test]
fn mail_pages_are_for_staff_and_forms_need_a_token_of_the_page() {
    let admin = Admin::new();
    let console = ConsoleBrowser::of(&admin);
    for path in [
        "/admin",
        "/admin/mail/",
        "/admin/export.json",
        &format!("/admin/mail/users/{}/", admin.user().id),
    ] {
        let response = Request::new("GET", path).send_unchecked().ok(303);
        assert_eq!(response.header("location"), "/admin/sign-in/");
        // A token of the API opens no page.
        admin.request("GET", path).send_unchecked().ok(303);
    }
    for path in ["/admin/mail/redrive/", "/admin/mail/resend/"] {
        Request::new("POST", path).send_unchecked().ok(303);
        let response = console.request("POST", path).body("csrf=x").send_unchecked();
        response.ok(403);
    }
}
