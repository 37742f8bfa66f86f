//! What holds for all pages of the console: who may see them, what their forms need, how text and
//! errors appear.

use jiff::Timestamp;
use serde_json::json;

use super::session::{SIGN_IN, assert_sent_away, form_token, sealed, session_of};
use super::users::account_version;
use crate::harness::console::{ConsoleBrowser, check_page, encoded, hidden_field, hostile};
use crate::harness::{
    Admin, Client, Doctor, MARKER, Patient, Request, User, eventually, new_email, unique,
};

/// Every page and form for staff. Braces in a path contain the kind of object that it names.
const ROUTES: &[(&str, &str)] = &[
    ("GET", "/admin/"),
    ("GET", "/admin/users/"),
    ("POST", "/admin/users/"),
    ("GET", "/admin/users/new/"),
    ("GET", "/admin/users/{id}/"),
    ("POST", "/admin/users/{id}/"),
    ("GET", "/admin/users/{id}/edit/"),
    ("POST", "/admin/users/{id}/edit/"),
    ("POST", "/admin/users/{id}/email-change/"),
    ("POST", "/admin/users/{id}/end-sessions/"),
    ("POST", "/admin/users/{id}/password-reset/"),
    ("POST", "/admin/users/{id}/second-factor-removal/"),
    ("POST", "/admin/users/{id}/recovery/approve/"),
    ("POST", "/admin/users/{id}/recovery/cancel/"),
    ("GET", "/admin/recoveries/"),
    ("GET", "/admin/doctors/"),
    ("POST", "/admin/doctors/{id}/approve/"),
    ("POST", "/admin/doctors/{id}/refuse/"),
    ("POST", "/admin/doctors/{id}/suspend/"),
    ("GET", "/admin/doctor-profiles/"),
    ("GET", "/admin/patient-profiles/"),
    ("GET", "/admin/audit/"),
    ("GET", "/admin/records/"),
    ("GET", "/admin/records/{id}/"),
    ("POST", "/admin/records/{id}/break-glass/"),
    ("POST", "/admin/records/{id}/assignment/"),
    ("GET", "/admin/files/"),
    ("GET", "/admin/annotations/"),
    ("GET", "/admin/notifications/"),
    ("GET", "/admin/export.json"),
    ("GET", "/admin/mail/"),
    ("GET", "/admin/mail/users/{id}/"),
    ("POST", "/admin/mail/redrive/"),
    ("POST", "/admin/mail/resend/"),
    ("POST", "/admin/search/"),
    ("POST", "/admin/sign-out/"),
    ("POST", "/admin/session/"),
];

/// Returns fields for any form of the console, with its token.
fn any_form<'a>(
    csrf: &'a str,
    version: &'a str,
    new_email: &'a str,
    doctor: &'a Doctor,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("csrf", csrf),
        ("version", version),
        ("reason", "none"),
        ("email", new_email),
        ("first_name", "Changed"),
        ("role", "doctor"),
        ("is_active", "false"),
        ("doctor", &doctor.id),
        ("mail", &doctor.id),
        ("recovery", &doctor.id),
    ]
}

#[test]
fn every_page_is_for_staff_alone() {
    let (admin, patient, doctor) = (Admin::new(), Patient::new(), Doctor::new());
    let half = admin.user().sign_in();
    let gone = Admin::new();
    let now = Timestamp::now();
    let with = |user: &str, client: &Client| {
        let session = session_of(client);
        (ConsoleBrowser::with(sealed(user, &session, now, now)), form_token(&session))
    };
    let anonymous = ConsoleBrowser::without_cookie();
    let others = [
        ("a patient", with(&patient.id, &patient), 303),
        ("a doctor", with(&doctor.id, &doctor), 303),
        ("an admin with a password alone", with(&admin.user().id, &half), 403),
        ("an admin with somebody else's session", with(&admin.user().id, &patient), 303),
        ("a deactivated admin", with(&gone.user().id, &gone), 303),
        ("nobody", with("0190a5c0-0000-7000-8000-000000000001", &admin), 303),
    ];
    gone.user().deactivate();
    let staff = ConsoleBrowser::of(&admin);
    assert_eq!(
        staff.csrf(),
        form_token(&session_of(&admin)),
        "the forms of the others are as good"
    );
    let (version, email) = (account_version(&admin, &patient.id), new_email());
    let record = patient.record_for(&doctor);
    let filled = |path: &str| match path {
        // A path with a slash at its end is redirected.
        "/admin/" => "/admin".to_owned(),
        path => path.replace(
            "{id}",
            if path.starts_with("/admin/records/") { record.text("id") } else { &patient.id },
        ),
    };
    for (method, path) in ROUTES.iter().filter(|(_, path)| *path != "/admin/session/") {
        let path = filled(path);
        if *method == "GET" {
            assert_sent_away(&anonymous.get(&path));
            assert_sent_away(&{
                let response = admin.request("GET", &path).send_unchecked();
                check_page(&response);
                response
            });
        }
        for (who, (browser, csrf), status) in &others {
            let response = match *method {
                "GET" => browser.get(&path),
                _ => browser.post_raw(&path, &any_form(csrf, &version, &email, &doctor), &[]),
            };
            assert_eq!(response.status, *status, "{who} at {path}: {response}");
            if response.status == 303 {
                assert_sent_away(&response);
            }
            for secret in [&patient.email, &patient.last_name, &doctor.email] {
                assert!(
                    !response.body_text().contains(secret),
                    "{who} at {path} learns something: {response}"
                );
            }
        }
    }
    for (method, path) in ROUTES.iter().filter(|(method, _)| *method == "GET") {
        let response = staff.get(&filled(path));
        assert!(response.status == 200 || *path == "/admin/", "{method} {path}: {response}");
    }
}

/// The token of a form proves that it comes from a page of the session, not that the session is
/// still live.
#[test]
fn a_form_does_nothing_once_the_session_is_over() {
    let (admin, patient, doctor, other) =
        (Admin::new(), Patient::new(), Doctor::new(), Doctor::new());
    let record = patient.record_for(&doctor).text("id").to_owned();
    let ended: Vec<(&str, Admin, ConsoleBrowser, String)> =
        ["deactivated", "made a patient", "signed out by somebody else"]
            .map(|how| {
                let former = Admin::new();
                let browser = ConsoleBrowser::of(&former);
                let csrf = browser.csrf();
                let id = &former.user().id;
                match how {
                    "deactivated" => admin.update_user(id, json!({"is_active": false})).ok(200),
                    "made a patient" => admin.update_user(id, json!({"role": "patient"})).ok(200),
                    _ => admin.end_sessions(id).ok(204),
                };
                (how, former, browser, csrf)
            })
            .into();
    let state = || {
        let versions = [&patient.id, &doctor.id].map(|id| account_version(&admin, id));
        let record = patient.read_patient_record(&record).ok(200);
        (
            versions,
            record.header("etag"),
            record["doctor"].clone(),
            admin.list_users(&format!("id={}", doctor.id)).ok(200).body.clone(),
        )
    };
    let before = state();
    let email = new_email();
    for (_, path) in
        ROUTES.iter().filter(|(method, path)| *method == "POST" && *path != "/admin/session/")
    {
        let (id, version) = match *path {
            path if path.starts_with("/admin/records/") => (&record, before.1.trim_matches('"')),
            path if path.starts_with("/admin/doctors/") => (&doctor.id, before.0[1].as_str()),
            _ => (&patient.id, before.0[0].as_str()),
        };
        let path = path.replace("{id}", id);
        for (how, _, browser, csrf) in &ended {
            let response = browser.post_raw(
                &path,
                &any_form(csrf, version, &email, &other),
                &[("sec-fetch-site", "same-origin")],
            );
            assert_eq!(response.header("location"), SIGN_IN, "{how}, at {path}: {response}");
            assert_sent_away(&response);
        }
    }
    assert_eq!(state(), before);
    patient.me().ok(200);
    for subject in [&patient.id, &doctor.id] {
        let events = admin.list_events(&format!("subject={subject}&limit=100")).ok(200);
        for (how, former, ..) in &ended {
            assert!(
                events
                    .results()
                    .iter()
                    .all(|event| event["actor"]["pk"] != former.user().id.as_str()),
                "{how}: {events}"
            );
        }
    }
    assert!(admin.search_users(&email).ok(200).results().is_empty());
}

#[test]
fn a_form_comes_from_a_page_of_the_session() {
    let (admin, other, user) = (Admin::new(), Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let (own, others) = (browser.csrf(), ConsoleBrowser::of(&other).csrf());
    assert_ne!(own, others);
    let path = format!("/admin/users/{}/end-sessions/", user.id);
    for fields in [vec![], vec![("csrf", "")], vec![("csrf", "x")], vec![("csrf", others.as_str())]]
    {
        let response = browser.post_raw(&path, &fields, &[("sec-fetch-site", "same-origin")]);
        assert_eq!(response.status, 403, "{response}");
    }
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let response = browser.post_raw(&path, &[("csrf", own.as_str())], &[header]);
        assert_eq!(response.status, 403, "{response}");
    }
    assert_sent_away(&ConsoleBrowser::without_cookie().post_raw(
        &path,
        &[("csrf", own.as_str())],
        &[],
    ));
    user.me().ok(200);
    let done =
        browser.post_raw(&path, &[("csrf", own.as_str())], &[("sec-fetch-site", "same-origin")]);
    assert_eq!(
        done.header("location"),
        format!("/admin/users/{}/?done=sessions-ended", user.id),
        "{done}"
    );
    user.me().problem(401, "token_not_valid");
}

#[test]
fn forms_are_taken_in_one_way_alone() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let path = format!("/admin/users/{}/edit/", user.id);
    let (csrf, version) = (browser.csrf(), hidden_field(&browser.page(&path), "version"));
    let send = |fields: &str| {
        let request = browser.request("POST", &path).header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = format!("csrf={csrf}&version={version}&last_name=Doe&{fields}");
        let response = request.body(form).send_unchecked();
        check_page(&response);
        response
    };
    for (fields, expected) in [
        ("first_name=Jan%E9", "Must be in UTF-8."),
        ("first_name=Jan\u{fffd}", "Must be in UTF-8."),
        ("first_n%E4me=Jane", "Must be in UTF-8."),
        ("first_name=Jan%E9&reason=%EF%BF%BD", "Must be in UTF-8."),
        ("first_name=Jane&first_name=Joan", "Must contain each field only once."),
        ("first_name=Jane&first_name=", "Must contain each field only once."),
        (&format!("first_name=Jane&csrf={csrf}"), "Must contain each field only once."),
        (&format!("{0}=1&{0}=2", "x".repeat(30_000)), "Must contain each field only once."),
    ] {
        let refused = send(fields);
        assert_eq!(refused.status, 400, "{refused}");
        assert!(refused.body_text().contains(expected), "{refused}");
    }
    assert_eq!(user.me().ok(200)["last_name"], user.last_name, "nothing has changed");
    let done = send("first_name=Ren%C3%A9e&reason=");
    assert_eq!(done.status, 303, "{done}");
    assert_eq!(user.me().ok(200)["first_name"], "Ren\u{e9}e");
}

#[test]
fn errors_are_pages() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    for (path, status) in [
        ("/admin/nothing/", 404),
        ("/admin/users/nobody/", 404),
        ("/admin/users/0190a5c0-0000-7000-8000-000000000001/", 404),
    ] {
        let response = browser.get(path);
        assert_eq!(response.status, status, "{response}");
        assert!(response.body_text().contains(&response.header("x-request-id")), "{response}");
    }
    let wrong = browser.request("DELETE", "/admin/users/").send_unchecked();
    check_page(&wrong);
    assert_eq!(wrong.status, 405, "{wrong}");
    let long = browser.post_raw("/admin/users/", &[("email", &"x".repeat(200_000))], &[]);
    assert_eq!(long.status, 413, "{long}");
}

#[test]
fn anyone_may_see_the_sign_in_page_and_what_it_needs() {
    let page = ConsoleBrowser::without_cookie().page(SIGN_IN);
    for asset in ["console.css", "console.js"] {
        let url = page
            .split('"')
            .find(|part| part.starts_with(&format!("/admin/assets/{asset}?v=")))
            .unwrap()
            .to_owned();
        let response = Request::new("GET", &url).send_unchecked();
        assert_eq!(response.status, 200, "{response}");
        assert_eq!(response.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert!(response.header("content-type").starts_with("text/"), "{response}");
        let again = Request::new("GET", &url)
            .header("if-none-match", &response.header("etag"))
            .send_unchecked();
        assert_eq!((again.status, again.bytes.len()), (304, 0), "{again}");
    }
}

#[test]
fn text_of_users_is_escaped_in_pages() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let hostile = format!("{MARKER}<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>");
    let email = new_email();
    let response = browser.post(
        "/admin/users/",
        &[
            ("email", &email),
            ("first_name", &hostile),
            ("last_name", &hostile),
            ("role", "patient"),
        ],
    );
    assert_eq!(response.status, 303, "{response}");
    let location = response.header("location");
    let page = browser.page(&location);
    assert!(page.contains("The user was created"), "{page}");
    assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"), "{page}");
    for raw in ["<img src=x", "onerror=alert(1)>\"", "<script>alert"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    let id = location.trim_start_matches("/admin/users/").split('/').next().unwrap();
    let list = browser.page(&format!("/admin/users/?id={id}&done=%3Cscript%3E"));
    assert!(!list.contains("<img src=x") && !list.contains("%3Cscript"), "{list}");
    let searched = browser.page(&format!(
        "/admin/users/?search={}",
        encoded(&[("", "\"><script>alert(1)</script>")]).replacen('=', "", 1)
    ));
    assert!(!searched.contains("<script>"), "{searched}");
}

#[test]
fn pages_stay_small_whatever_people_write() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let name = format!("{MARKER}{}", unique());
    let hostile_names =
        json!({"first_name": hostile(255), "last_name": format!("{name}{}", hostile(200))});
    let mut users = Vec::new();
    for _ in 0..25 {
        let mut body = hostile_names.clone();
        body["email"] = json!(new_email());
        body["role"] = json!("doctor");
        users.push(admin.create_user(body).ok(201).text("pk").to_owned());
    }
    let list = format!("/admin/users/?search={name}");
    eventually(&list, || {
        (browser.page(&list).matches("<th scope=\"row\">").count() == 25).then_some(())
    });

    admin.update_user(&admin.user().id, hostile_names).ok(200);
    for number in 0..51 {
        let (first_name, last_name) = (hostile(250 + number % 2), hostile(250 - number % 2));
        admin
            .update_user(
                &users[0],
                json!({"first_name": first_name, "last_name": last_name, "reason": hostile(1_000)}),
            )
            .ok(200);
    }
    let mut path = format!("/admin/audit/?user={}&action=update_user", users[0]);
    let mut rows = 0;
    loop {
        let page = browser.page(&path);
        rows += page.matches("<th scope=\"row\">").count();
        let Some((_, rest)) = page.split_once("rel=\"next\" href=\"") else { break };
        path = rest.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(rows, 51, "none is left out");
    browser.page(&format!("/admin/users/{}/", users[0]));

    let long = "\"".repeat(20_000);
    for path in [format!("/admin/users/{}/edit/", users[0]), "/admin/users/".to_owned()] {
        let refused = browser.post(
            &path,
            &[("version", "1"), ("first_name", &long), ("email", &long), ("role", "doctor")],
        );
        assert_eq!(refused.status, 400, "{refused}");
    }
}
