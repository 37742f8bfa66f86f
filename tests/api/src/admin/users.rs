//! Tests of what staff do with users, and of who is staff.

use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, Client, Doctor, MARKER, PASSWORD, Patient, Response, UNKNOWN, User,
    account_mail, account_mails_to, eventually, new_email, path_of,
};

/// Returns the actions of a user's audit trail, newest first, as staff see them.
#[track_caller]
fn actions(admin: &Admin, query: &str) -> Vec<String> {
    let response = admin.list_events(query).ok(200);
    response.results().iter().map(|event| event["action"].as_str().unwrap().to_owned()).collect()
}

/// Returns the ids of all pages.
#[track_caller]
fn walk(first: Response, client: &Client, limit: usize) -> Vec<String> {
    let (mut ids, mut page) = (Vec::new(), first);
    loop {
        assert!(page.results().len() <= limit);
        ids.extend(page.results().iter().map(|entry| entry["pk"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => page = client.get(path_of(next)).ok(200),
            None => return ids,
        }
    }
}

/// Returns an operation of every kind, with unknown ids.
fn operations() -> Vec<(&'static str, String)> {
    let id = "0190a5c0-0000-7000-8000-000000000001";
    let mut operations =
        vec![("GET", "/api/admin/users/".to_owned()), ("POST", "/api/admin/users/".to_owned())];
    operations.extend(["GET", "PATCH"].map(|method| (method, format!("/api/admin/users/{id}/"))));
    operations.extend(
        [
            "end-sessions",
            "password-reset",
            "email-change",
            "second-factor-removal",
            "recovery/approve",
            "recovery/cancel",
        ]
        .map(|what| ("POST", format!("/api/admin/users/{id}/{what}/"))),
    );
    operations.push(("GET", "/api/admin/doctors/".to_owned()));
    operations.push(("GET", "/api/admin/recoveries/".to_owned()));
    operations.extend(
        ["approve", "refuse", "suspend"]
            .map(|what| ("POST", format!("/api/admin/doctors/{id}/{what}/"))),
    );
    operations.push(("GET", format!("/api/admin/audit/?subject={id}")));
    operations
}

#[test]
fn only_staff_with_a_second_factor_get_in() {
    let admin = Admin::new();
    let without = admin.user().sign_in();
    let others = [User::new("patient"), User::new("doctor")];
    for (method, path) in operations() {
        let body = json!({"email": new_email(), "role": "patient", "reason": "a good one",
            "recovery": UNKNOWN});
        let call = |client: &Client| client.request(method, &path).json(&body).send();
        call(&Anonymous).problem(401, "not_authenticated");
        for other in &others {
            call(other).problem(403, "wrong_role");
        }
        call(&without).problem(403, "second_factor_required");
    }
    without.me().ok(200);
    without.list_patient_records("").problem(403, "wrong_role");
    without.list_doctor_records("").problem(403, "wrong_role");
}

#[test]
fn staff_read_a_users_account_and_that_is_told() {
    let (admin, patient) = (Admin::new(), Patient::new());
    let response = admin.read_user(&patient.id).ok(200);
    let mut keys = response.keys();
    keys.sort_unstable();
    let expected = [
        "approval",
        "created_at",
        "email",
        "email_bounced",
        "email_verified",
        "first_name",
        "is_active",
        "last_name",
        "phone_number",
        "pk",
        "profile",
        "role",
        "second_factor",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (response.text("email"), response.text("role"), &response["is_active"]),
        (patient.email.as_str(), "patient", &json!(true))
    );
    assert!(!response.header("etag").is_empty());
    assert_eq!(actions(&admin, &format!("subject={}", patient.id))[0], "read_user");
    admin.read_user("0190a5c0-0000-7000-8000-000000000001").problem(404, "not_found");
    admin.read_user("nobody").problem(404, "not_found");
}

#[test]
fn users_are_found_by_id_address_and_last_name() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let entry = admin.list_users(&format!("id={}", user.id)).ok(200);
    assert_eq!(entry.ids("pk"), [user.id.as_str()]);
    let mut keys: Vec<&str> =
        entry.results()[0].as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["approval", "created_at", "email", "first_name", "is_active", "last_name", "pk", "role"]
    );
    let by_name = format!("search={}", user.last_name.to_uppercase());
    let searches: [&dyn Fn() -> Response; 2] =
        [&|| admin.search_users(&user.email.to_uppercase()), &|| admin.list_users(&by_name)];
    for search in searches {
        let found = eventually("the user is found", || {
            Some(search().ok(200)).filter(|found| !found.results().is_empty())
        });
        assert_eq!(found.ids("pk"), [user.id.as_str()]);
    }
    assert!(admin.search_users(&new_email()).ok(200).results().is_empty());
    assert!(
        admin.list_users("id=0190a5c0-0000-7000-8000-000000000001").ok(200).results().is_empty()
    );
    admin.list_users("id=x").refused("id", "invalid");
    admin.search_users("x").refused("email", "invalid");
    admin.list_users(&format!("id={}&search=x", user.id)).refused("id", "not_alone");
    assert_eq!(actions(&admin, &format!("actor={}", admin.user().id))[0], "list_users");
}

#[test]
fn users_with_one_name_are_paged() {
    let admin = Admin::new();
    let name = format!("{MARKER}{}", crate::harness::unique());
    let mut ids: Vec<String> = Vec::new();
    for first_name in ["A", "B", "C"] {
        let body = json!({"email": new_email(), "role": "patient", "first_name": first_name,
            "last_name": name});
        ids.push(admin.create_user(body).ok(201).text("pk").to_owned());
    }
    eventually("three in the index", || {
        (admin.list_users(&format!("search={name}")).ok(200).results().len() == 3).then_some(())
    });
    for limit in [1, 2, 3] {
        assert_eq!(
            walk(admin.list_users(&format!("search={name}&limit={limit}")).ok(200), &admin, limit),
            ids
        );
    }
}

#[test]
fn users_are_found_by_any_part_of_their_name_once() {
    let (admin, word) = (Admin::new(), crate::harness::unique());
    let create = |first: &str, last: &str| {
        let body = json!({"email": new_email(), "role": "patient", "first_name": first,
            "last_name": last});
        admin.create_user(body).ok(201).text("pk").to_owned()
    };
    let id = create(&format!("Łucja{word}"), &format!("García{word}-Márquez{word}"));
    for typed in ["lucja", "garcia", "marquez", "MÁRQUEZ"] {
        eventually(typed, || {
            let found = admin.list_users(&format!("search={typed}{word}")).ok(200);
            (found.ids("pk") == [&id]).then_some(())
        });
    }
    for typed in [
        format!("lucja{word}+gar"),
        format!("garcia{word}-m"),
        format!("marquez{word}+luc"),
        format!("lucja{word}+marquez{word}"),
        format!("garcia{word}%2C+lucja{word}"),
    ] {
        let found = admin.list_users(&format!("search={typed}&role=patient")).ok(200);
        assert_eq!(found.ids("pk"), [&id], "{typed}");
        assert!(
            admin.list_users(&format!("search={typed}&role=admin")).ok(200).results().is_empty()
        );
    }
    // Both parts begin with what is searched for.
    let mut ids: Vec<String> = ["a", "b", "c"]
        .map(|part| create(&format!("{word}{part}"), &format!("{word}{part}")))
        .to_vec();
    ids.push(create(&format!("{word}z"), &format!("{word}a")));
    ids.sort_unstable();
    for limit in [1, 2, 3, 4] {
        eventually("each user once", || {
            let first = admin.list_users(&format!("search={word}&limit={limit}")).ok(200);
            let mut found = walk(first, &admin, limit);
            found.sort_unstable();
            (found == ids).then_some(())
        });
    }
    admin.update_user(&id, json!({"last_name": format!("Ohm{word}")})).ok(200);
    eventually("the former name", || {
        let found = |typed: &str| admin.list_users(&format!("search={typed}{word}")).ok(200);
        (found("ohm").ids("pk") == [&id] && found("marquez").results().is_empty()).then_some(())
    });
    assert_eq!(admin.list_users("search=-&limit=1").ok(200).results().len(), 1, "as without it");
}

#[test]
fn the_newest_users_come_first() {
    let admin = Admin::new();
    // A new user each time: other tests register users, too.
    eventually("both are listed", || {
        let (older, newer) = (User::new("patient"), User::new("doctor"));
        let page = admin.list_users("limit=100").ok(200);
        let ids = page.ids("pk");
        let position = |user: &User| ids.iter().position(|id| *id == user.id);
        assert!(ids.is_sorted_by(|one, other| one > other));
        (position(&newer)? < position(&older)?).then_some(())
    });
    let page = admin.list_users("limit=2").ok(200);
    let next = path_of(page["next"].as_str().unwrap()).to_owned();
    let second = admin.get(&next).ok(200);
    assert!(second.ids("pk")[0] < page.ids("pk")[1]);
    Admin::new().get(&next).refused("cursor", "invalid");
}

#[test]
fn staff_create_users_who_set_their_own_password() {
    let admin = Admin::new();
    let email = new_email();
    let body = json!({"email": email, "role": "admin", "first_name": MARKER, "last_name": MARKER,
        "password": "chosen-by-staff-58"});
    let created = admin.create_user(body.clone()).ok(201);
    let id = created.text("pk").to_owned();
    assert_eq!(created.header("location"), format!("/api/admin/users/{id}/"));
    assert_eq!(
        (created.text("role"), &created["is_active"], &created["email_verified"]),
        ("admin", &json!(true), &json!(false))
    );
    Anonymous.login(&email, "chosen-by-staff-58").problem(401, "invalid_credentials");
    assert_eq!(
        actions(&admin, &format!("subject={id}")),
        ["login", "create_user"],
        "the failed login too"
    );
    let event =
        admin.list_events(&format!("subject={id}")).ok(200).results().last().unwrap().clone();
    assert_eq!(
        (&event["after"], &event["actor"]["pk"]),
        (&json!("admin"), &json!(admin.user().id))
    );

    admin.create_user(body).refused("email", "taken");
    let missing = admin.create_user(json!({})).ok(400);
    assert_eq!(missing.errors(), ["email required", "role required"]);
    admin
        .create_user(json!({"email": new_email(), "role": "root"}))
        .refused("role", "invalid_choice");
}

#[test]
fn a_created_user_gets_one_mail_and_signs_in_with_its_token() {
    let (admin, email) = (Admin::new(), new_email());
    admin.create_user(json!({"email": email, "role": "patient"})).ok(201);
    let token = account_mail(&email, "Set Your Password", 0).token();
    Anonymous
        .post(
            "/api/accounts/password-reset/confirm/",
            &json!({"token": token, "password": PASSWORD}),
        )
        .ok(200);
    let response = Anonymous.login(&email, PASSWORD).ok(200);
    assert_eq!(response["role"], "patient");
    assert_eq!(admin.read_user(response.text("pk")).ok(200)["email_verified"], true);
    let subjects: Vec<String> =
        account_mails_to(&email).into_iter().map(|mail| mail.subject).collect();
    assert!(
        !subjects.iter().any(|subject| subject.ends_with("Confirm Your Email Address")),
        "the address is proved already: {subjects:?}"
    );
}

#[test]
fn a_deactivated_user_is_out_at_the_next_request() {
    let (admin, doctor, patient) = (Admin::new(), Doctor::new(), Patient::new());
    patient.record_for(&doctor);
    let other = doctor.sign_in();
    let response = admin
        .update_user(&doctor.id, json!({"is_active": false, "reason": "left the practice"}))
        .ok(200);
    assert_eq!(response["is_active"], false);
    for client in [&other, &doctor] {
        client.me().problem(401, "token_not_valid");
    }
    Anonymous.refresh(&doctor.refresh).problem(401, "token_not_valid");
    patient.create_record(json!({"doctor": doctor.id})).ok(400);
    let event = admin.list_events(&format!("subject={}", doctor.id)).ok(200).results()[0].clone();
    assert_eq!(
        (&event["action"], &event["reason"]),
        (&json!("deactivate"), &json!("left the practice"))
    );
    assert_eq!((&event["before"], &event["after"]), (&json!("active"), &json!("inactive")));

    admin.update_user(&doctor.id, json!({"is_active": true})).ok(200);
    other.me().problem(401, "token_not_valid");
    Anonymous.refresh(&doctor.refresh).problem(401, "token_not_valid");
    doctor.sign_in().list_doctor_records("").ok(200);
    assert_eq!(
        actions(&admin, &format!("subject={}", doctor.id))
            .iter()
            .filter(|action| *action == "activate")
            .count(),
        1
    );
}

#[test]
fn another_role_begins_anew() {
    let (admin, patient) = (Admin::new(), Patient::new());
    let response = admin.update_user(&patient.id, json!({"role": "doctor"})).ok(200);
    assert_eq!(
        (response.text("role"), response.text("approval"), &response["profile"]),
        ("doctor", "approved", &Value::Null)
    );
    patient.me().problem(401, "token_not_valid");
    let event = admin.list_events(&format!("subject={}", patient.id)).ok(200).results()[0].clone();
    assert_eq!(
        (&event["action"], &event["before"], &event["after"]),
        (&json!("change_role"), &json!("patient"), &json!("doctor"))
    );
    let doctor = patient.sign_in();
    doctor.list_doctor_records("").ok(200);
    doctor.list_patient_records("").problem(403, "wrong_role");
    doctor
        .create_profile(json!({"specialization": "Cardiology", "license_number": "MD-1"}))
        .ok(201);
}

#[test]
fn changes_name_a_version_and_nothing_is_changed_for_nothing() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let read = admin.read_user(&user.id).ok(200);
    let patch = |etag: &str, body: Value| {
        admin
            .request("PATCH", &format!("/api/admin/users/{}/", user.id))
            .header("if-match", etag)
            .json(&body)
            .send()
    };
    patch("\"99\"", json!({"is_active": false})).problem(412, "precondition_failed");
    let same = patch(&read.header("etag"), json!({"is_active": true, "role": "patient"})).ok(200);
    assert_eq!(same.header("etag"), read.header("etag"));
    user.me().ok(200);
    let changed = patch(&read.header("etag"), json!({"is_active": false})).ok(200);
    assert_ne!(changed.header("etag"), read.header("etag"));
    patch(&read.header("etag"), json!({"is_active": true})).problem(412, "precondition_failed");
    admin.update_user(&user.id, json!({"is_active": "yes"})).refused("is_active", "invalid");
    admin.update_user(&user.id, json!({"role": "root"})).refused("role", "invalid_choice");
    admin
        .update_user("0190a5c0-0000-7000-8000-000000000001", json!({"is_active": true}))
        .problem(404, "not_found");
}

#[test]
fn admins_cannot_deactivate_or_demote_themselves() {
    let admin = Admin::new();
    let id = &admin.user().id;
    admin.update_user(id, json!({"is_active": false})).problem(403, "own_account");
    admin.update_user(id, json!({"role": "patient"})).problem(403, "own_account");
    admin.update_user(id, json!({"is_active": true, "role": "admin"})).ok(200);
    let other = Admin::new();
    other.update_user(id, json!({"role": "patient"})).ok(200);
    admin.list_users("").problem(401, "token_not_valid");
}

#[test]
fn staff_correct_names_and_the_trail_keeps_the_old_ones() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let before = admin.read_user(&user.id).ok(200);
    let changed = admin
        .update_user(
            &user.id,
            json!({"last_name": format!("{MARKER} married"), "reason": "a wedding"}),
        )
        .ok(200);
    assert_eq!(changed.text("last_name"), format!("{MARKER} married"));
    for name in ["first_name", "phone_number", "email", "role"] {
        assert_eq!(changed[name], before[name], "{name}");
    }
    assert_ne!(changed.header("etag"), before.header("etag"));
    assert_eq!(
        user.me().ok(200).text("last_name"),
        changed.text("last_name"),
        "the session goes on"
    );
    let event = admin.list_events(&format!("subject={}", user.id)).ok(200).results()[0].clone();
    assert_eq!((&event["action"], &event["reason"]), (&json!("update_user"), &json!("a wedding")));
    assert_eq!(event["before"], format!("last_name: {}", before.text("last_name")));
    assert_eq!(event["after"], format!("last_name: {MARKER} married"));
    let query = format!("search={}&limit=100", changed.text("last_name").replace(' ', "%20"));
    eventually("found by the new name", || {
        admin.list_users(&query).ok(200).ids("pk").contains(&user.id.as_str()).then_some(())
    });

    let several =
        json!({"first_name": " Ann ", "last_name": "", "phone_number": "+43 1", "is_active": true});
    let changed = admin.update_user(&user.id, several).ok(200);
    assert_eq!(
        (changed.text("first_name"), changed.text("last_name"), changed.text("phone_number")),
        ("Ann", "", "+43 1")
    );
    let refused = admin
        .update_user(
            &user.id,
            json!({"first_name": "x".repeat(256), "last_name": null, "phone_number": "1\n2"}),
        )
        .ok(400);
    assert_eq!(refused.errors(), ["first_name too_long", "last_name null", "phone_number invalid"]);
    // The directory that patients search shows the new name, too.
    let (patient, doctor, name) =
        (Patient::new(), Doctor::new(), format!("{MARKER}{}", crate::harness::unique()));
    admin.update_user(&doctor.id, json!({"last_name": name})).ok(200);
    let found = eventually("the directory knows", || {
        Some(patient.list_doctors(&format!("search={name}")).ok(200))
            .filter(|found| !found.results().is_empty())
    });
    assert_eq!(found.ids("pk"), [doctor.id.as_str()]);
    // A correction needs no second admin.
    assert_eq!(
        admin
            .update_user(&admin.user().id, json!({"first_name": MARKER}))
            .ok(200)
            .text("first_name"),
        MARKER
    );
}

#[test]
fn staff_end_all_sessions_of_a_user() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let other = user.sign_in();
    admin.end_sessions(&user.id).ok(204);
    user.me().problem(401, "token_not_valid");
    other.me().problem(401, "token_not_valid");
    Anonymous.refresh(&user.refresh).problem(401, "token_not_valid");
    user.sign_in().me().ok(200);
    assert!(
        actions(&admin, &format!("subject={}", user.id)).contains(&"end_all_sessions".to_owned())
    );
    admin.end_sessions("0190a5c0-0000-7000-8000-000000000001").problem(404, "not_found");
}

#[test]
fn staff_start_a_password_reset_and_learn_nothing() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let response = admin.start_password_reset(&user.id).ok(204);
    assert!(response.bytes.is_empty());
    account_mail(&user.email, "Set Your Password", 0);
    user.me().ok(200);
    assert_eq!(actions(&admin, &format!("subject={}", user.id))[0], "start_password_reset");
    admin.update_user(&user.id, json!({"is_active": false})).ok(200);
    admin.start_password_reset(&user.id).problem(409, "inactive");
}

#[test]
fn the_audit_trail_is_read_by_subject_or_by_actor() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    admin.read_user(&user.id).ok(200);
    let response = admin.list_events(&format!("subject={}", user.id)).ok(200);
    let event = &response.results()[0];
    let mut keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "action",
        "actor",
        "after",
        "at",
        "before",
        "file",
        "id",
        "outcome",
        "reason",
        "record",
        "records",
        "request_id",
        "session",
        "source_ip",
        "subject",
        "user_agent",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        (&event["subject"], &event["actor"]["role"], &event["outcome"]),
        (&json!(user.id), &json!("admin"), &json!("success"))
    );
    eventually("in the index of actors", || {
        let done = admin.list_events(&format!("actor={}", admin.user().id)).ok(200);
        let read = done.results().iter().find(|event| event["action"] == "read_user")?;
        (read["subject"] == user.id).then_some(())
    });
    let own = actions(&admin, &format!("subject={}", admin.user().id));
    assert!(own.contains(&"read_audit".to_owned()), "who looked at whose trail: {own:?}");
    admin.list_events("").refused("subject", "required");
    admin.list_events(&format!("subject={0}&actor={0}", user.id)).refused("subject", "not_alone");
    admin.list_events("subject=x").refused("subject", "invalid");
    let first = admin.list_events(&format!("subject={}&limit=1", user.id)).ok(200);
    assert_eq!((first.results().len(), first["next"].is_string()), (1, true));
}
