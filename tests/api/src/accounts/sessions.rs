//! Tests of the sessions of a user: listed, and ended one by one or all at once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{
    Anonymous, Client, Doctor, PASSWORD, Patient, Request, User, account_mail, aws, eventually,
};

/// Signs in as a device of this name; returns the access and the refresh token.
fn sign_in_as(user: &User, device: &str) -> (Client, String) {
    let response = Request::new("POST", "/api/accounts/login/")
        .header("user-agent", device)
        .json(&json!({"email": user.email, "password": PASSWORD}))
        .send()
        .ok(200);
    let token = |name: &str| response["tokens"][name].as_str().unwrap().to_owned();
    (Client::with_token(&token("access")), token("refresh"))
}

/// Returns the actions in the audit trail of a user, oldest first, each as `action outcome`.
fn trail(user: &str) -> Vec<String> {
    let text = |event: &Value, name: &str| event[name]["S"].as_str().unwrap_or_default().to_owned();
    aws::query(&format!("AUDIT#{user}"))
        .iter()
        .map(|event| format!("{} {}", text(event, "action"), text(event, "outcome")))
        .collect()
}

/// Makes a session look last used this long ago.
fn age(user: &str, session: &str, hours: i64) {
    let used = Timestamp::now() - SignedDuration::from_hours(hours);
    let values = json!({":used": {"S": used.to_string()}});
    aws::update_item(
        &format!("USER#{user}"),
        &format!("SESSION#{session}"),
        "SET last_used_at = :used",
        values,
    );
}

#[test]
fn devices_are_listed_newest_first() {
    let user = User::new("patient");
    let (phone, _) = sign_in_as(&user, "A phone");
    let (_, refresh) = sign_in_as(&user, "A tablet");
    let before = phone.list_sessions("").ok(200);
    Anonymous.refresh(&refresh).ok(200);
    let page = phone.list_sessions("").ok(200);
    assert_eq!(page["next"], Value::Null);
    let sessions = page.results();
    assert_eq!(sessions.len(), 3, "{page}");
    for session in sessions {
        let keys: Vec<&str> = session.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["created_at", "current", "device", "id", "last_used_at"]);
    }
    assert_eq!(
        (&sessions[0]["device"], &sessions[1]["device"]),
        (&json!("A tablet"), &json!("A phone"))
    );
    let current: Vec<&Value> = sessions.iter().map(|session| &session["current"]).collect();
    assert_eq!(current, [false, true, false]);
    assert_eq!(before.ids("id"), page.ids("id"));
    // Compared as times, because the text omits trailing zeros.
    let used = |session: &Value| {
        session["last_used_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    assert!(used(&sessions[0]) > used(&before.results()[0]), "it was refreshed");

    let first = phone.list_sessions("limit=2").ok(200);
    let rest = phone
        .get(
            first
                .text("next")
                .split_once("/api")
                .map(|(_, path)| format!("/api{path}"))
                .unwrap()
                .as_str(),
        )
        .ok(200);
    assert_eq!([first.ids("id"), rest.ids("id")].concat(), page.ids("id"));
    assert_eq!(rest["next"], Value::Null);
    Anonymous.list_sessions("").problem(401, "not_authenticated");
}

#[test]
fn a_device_is_signed_out_from_another_one() {
    let user = User::new("patient");
    let (lost, refresh) = sign_in_as(&user, "A lost phone");
    let id = user.list_sessions("").ok(200).ids("id")[0].to_owned();
    user.end_session(&id).ok(204);
    lost.me().problem(401, "token_not_valid");
    Anonymous.refresh(&refresh).problem(401, "token_not_valid");
    user.me().ok(200);
    assert_eq!(user.list_sessions("").ok(200).results().len(), 1);

    user.end_session(&id).problem(404, "not_found");
    user.end_session("0190a5c0-0000-7000-8000-000000000001").problem(404, "not_found");
    user.end_session("x").problem(404, "not_found");
    let stranger = User::new("patient");
    let foreign = stranger.list_sessions("").ok(200).ids("id")[0].to_owned();
    user.end_session(&foreign).problem(404, "not_found");
    stranger.me().ok(200);
    Anonymous.end_session(&foreign).problem(401, "not_authenticated");

    let own = user.list_sessions("").ok(200).ids("id")[0].to_owned();
    user.end_session(&own).ok(204);
    user.me().problem(401, "token_not_valid");
    assert_eq!(
        trail(&user.id),
        ["register success", "login success", "end_session success", "end_session success"]
    );
}

#[test]
fn logging_out_everywhere_ends_all_sessions() {
    let user = User::new("patient");
    let devices: Vec<(Client, String)> =
        (0..3).map(|number| sign_in_as(&user, &format!("Device {number}"))).collect();
    devices[0].0.logout_all().ok(204);
    for (client, refresh) in &devices {
        client.me().problem(401, "token_not_valid");
        Anonymous.refresh(refresh).problem(401, "token_not_valid");
    }
    user.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    let (again, refresh) = sign_in_as(&user, "Again");
    assert_eq!(again.list_sessions("").ok(200).results().len(), 1, "ended ones are not listed");
    Anonymous.refresh(&refresh).ok(200);
    assert!(trail(&user.id).contains(&"end_all_sessions success".to_owned()));
    Anonymous.logout_all().problem(401, "not_authenticated");
}

#[test]
fn reuse_of_a_refresh_token_ends_the_session_and_notifies_its_owner() {
    let user = User::new("patient");
    let (client, refresh) = sign_in_as(&user, "Copied");
    let session = client.list_sessions("").ok(200).ids("id")[0].to_owned();
    let stolen = Anonymous.refresh(&refresh).ok(200);
    // As after the seconds in which a lost response is repeated.
    age(&user.id, &session, 1);
    for _ in 0..2 {
        Anonymous.refresh(&refresh).problem(401, "token_not_valid");
    }
    Anonymous.refresh(stolen.text("refresh")).problem(401, "token_not_valid");
    Client::with_token(stolen.text("access")).me().problem(401, "token_not_valid");
    user.me().ok(200);
    let mail = account_mail(&user.email, "A Session Was Ended", 0);
    assert!(!mail.text.contains("#token="), "{}", mail.text);
    assert_eq!(trail(&user.id).iter().filter(|entry| *entry == "reuse_token failed").count(), 1);
}

#[test]
fn sessions_of_staff_end_sooner_than_those_of_patients() {
    let (patient, doctor) = (Patient::new(), Doctor::new());
    for (user, role, survives) in [(&*patient, "patient", true), (&*doctor, "doctor", false)] {
        let (client, refresh) = sign_in_as(user, role);
        let session = client.list_sessions("").ok(200).ids("id")[0].to_owned();
        age(&user.id, &session, 13);
        let listed = eventually("the list", || Some(user.list_sessions("").ok(200)));
        assert_eq!(listed.ids("id").contains(&session.as_str()), survives, "{role}");
        assert_eq!(Anonymous.refresh(&refresh).status == 200, survives, "{role}");
    }
    let (client, refresh) = sign_in_as(&patient, "idle");
    let session = client.list_sessions("").ok(200).ids("id")[0].to_owned();
    age(&patient.id, &session, 7 * 24 + 1);
    Anonymous.refresh(&refresh).problem(401, "token_not_valid");
}
