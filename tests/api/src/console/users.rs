//! `/admin/users/...`: creating, finding, changing and editing users.

use serde_json::json;

use crate::harness::console::{ConsoleBrowser, hidden_field};
use crate::harness::{
    Admin, Doctor, MARKER, Patient, User, account_mail, eventually, new_email, report,
    report_about, unique,
};

/// Returns the version of an account, as in its entity tag.
pub(super) fn account_version(admin: &Admin, id: &str) -> String {
    admin.read_user(id).ok(200).header("etag").trim_matches('"').to_owned()
}

#[test]
fn staff_create_a_user_or_learn_what_is_wrong() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let refused = browser.post(
        "/admin/users/",
        &[("email", "nobody"), ("first_name", &"x".repeat(300)), ("role", "patient")],
    );
    assert_eq!(refused.status, 400, "{refused}");
    let page = refused.body_text();
    for part in [
        "id=\"email-error\"",
        "aria-describedby=\"email-error\"",
        "id=\"first_name-error\"",
        "value=\"nobody\"",
        "role=\"alert\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let email = new_email();
    assert_eq!(browser.post("/admin/users/", &[("email", &email), ("role", "doctor")]).status, 303);
    account_mail(&email, "Set Your Password", 0);
    let taken = browser.post("/admin/users/", &[("email", &email), ("role", "doctor")]);
    assert_eq!(taken.status, 400, "{taken}");
    assert!(taken.body_text().contains("already exists"), "{taken}");
}

#[test]
fn staff_change_a_user() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let path = format!("/admin/users/{}/", user.id);
    let version = hidden_field(&browser.page(&path), "version");
    let done = browser
        .post(&path, &[("version", &version), ("is_active", "false"), ("reason", "left us")]);
    assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
    user.me().problem(401, "token_not_valid");
    let page = browser.page(&done.header("location"));
    for part in ["The change was saved.", "role=\"status\"", ">Activate<", "left us", "deactivate"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(
        browser.post(&path, &[("version", &version), ("is_active", "true")]).status,
        412,
        "somebody else was first"
    );
    let version = hidden_field(&page, "version");
    assert_eq!(browser.post(&path, &[("version", &version), ("is_active", "true")]).status, 303);
    let version = hidden_field(&browser.page(&path), "version");
    assert_eq!(browser.post(&path, &[("version", &version), ("role", "doctor")]).status, 303);
    assert_eq!(admin.read_user(&user.id).ok(200)["role"], "doctor");
    assert_eq!(browser.post(&format!("{path}password-reset/"), &[]).status, 303);
    account_mail(&user.email, "Set Your Password", 0);
    let own = format!("/admin/users/{}/", admin.user().id);
    assert!(!browser.page(&own).contains("Change the role"), "nobody deposes themself");
    assert_eq!(
        browser
            .post(
                &own,
                &[("version", &account_version(&admin, &admin.user().id)), ("is_active", "false")]
            )
            .status,
        403
    );
}

#[test]
fn staff_see_that_an_address_bounced_and_have_mails_sent_to_it_again() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let (path, mails) =
        (format!("/admin/users/{}/", user.id), format!("/admin/mail/users/{}/", user.id));
    account_mail(&user.email, "Confirm Your Email Address", 0);
    eventually("the mail can be sent again", || {
        browser.page(&mails).contains(">Send again<").then_some(())
    });
    assert!(!browser.page(&path).contains("Mail to the address"));
    for (kind, problem, failure) in [
        ("Permanent", "a mail bounced", "<code>bounced</code>"),
        ("Complaint", "a mail was reported as spam", "<code>bounced</code>"),
    ] {
        let order = json!({"mail_id": user.id});
        assert!(report(&report_about(&order, &user.id, &user.email, kind)));
        let page = browser.page(&path);
        for part in ["None is sent since", problem, ">Send mails to the address again<"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let page = browser.page(&mails);
        assert!(page.contains(failure) && page.contains("No mail is sent to the user"), "{page}");
        assert!(!page.contains(">Send again<"), "the mailer would drop it: {page}");
        let version = hidden_field(&browser.page(&path), "version");
        let fields =
            [("version", version.as_str()), ("email_bounced", "false"), ("reason", "works")];
        let done = browser.post(&path, &fields);
        assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
        let page = browser.page(&path);
        assert!(!page.contains("None is sent since") && page.contains("email_bounced: false"));
        assert_eq!(user.me().ok(200)["email_bounced"], false);
        assert!(browser.page(&mails).contains(">Send again<"));
    }
}

#[test]
fn staff_edit_a_user_or_learn_what_is_wrong() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let (path, edit) =
        (format!("/admin/users/{}/", user.id), format!("/admin/users/{}/edit/", user.id));
    assert!(browser.page(&path).contains(&format!("href=\"{edit}\"")));
    let page = browser.page(&edit);
    assert!(page.contains(&format!("value=\"{}\"", user.last_name)), "{page}");
    let version = hidden_field(&page, "version");
    let refused = browser.post(
        &edit,
        &[("version", &version), ("first_name", &"x".repeat(300)), ("last_name", "Typed")],
    );
    assert_eq!(refused.status, 400, "{refused}");
    for part in [
        "id=\"first_name-error\"",
        "aria-describedby=\"first_name-error\"",
        "value=\"Typed\"",
        "role=\"alert\"",
    ] {
        assert!(refused.body_text().contains(part), "{part}: {refused}");
    }
    let done = browser.post(
        &edit,
        &[("version", &version), ("first_name", "Ann"), ("last_name", "Lee"), ("reason", "a typo")],
    );
    assert_eq!(done.header("location"), format!("{path}?done=changed"), "{done}");
    let read = admin.read_user(&user.id).ok(200);
    assert_eq!(
        (read.text("first_name"), read.text("last_name"), read.text("phone_number")),
        ("Ann", "Lee", "")
    );
    let page = browser.page(&done.header("location"));
    for part in ["update_user", "a typo", "first_name: Ann; last_name: Lee"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert_eq!(
        browser.post(&edit, &[("version", &version), ("first_name", "Eve")]).status,
        412,
        "somebody else was first"
    );

    let change = format!("{path}email-change/");
    for (email, complaint) in [
        ("nobody", "email-error"),
        (&user.email, "present address"),
        (&User::new("patient").email, "already exists"),
    ] {
        let refused = browser.post(&change, &[("email", email), ("reason", "Lost.")]);
        assert!(
            refused.status == 400 && refused.body_text().contains(complaint),
            "{complaint}: {refused}"
        );
    }
    let email = new_email();
    let refused = browser.post(&change, &[("email", &email)]);
    assert!(refused.body_text().contains("email-reason-error"), "{refused}");
    assert_eq!(
        browser.post(&change, &[("email", &email), ("reason", "Lost.")]).header("location"),
        format!("{path}?done=email-change-started")
    );
    account_mail(&email, "Confirm the New Email Address", 0);
}

/// Each form is independent: an error in one leaves the other as it was, and does not allow
/// overwriting later changes.
#[test]
fn a_refused_form_keeps_the_other_and_its_own_version() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let edit = format!("/admin/users/{}/edit/", user.id);
    let refused =
        browser.post(&format!("/admin/users/{}/email-change/", user.id), &[("email", "nobody")]);
    assert!(refused.status == 400 && refused.body_text().contains("email-error"), "{refused}");
    for part in [
        format!("value=\"{}\"", user.first_name),
        format!("value=\"{}\"", user.last_name),
        "value=\"nobody\"".to_owned(),
    ] {
        assert!(refused.body_text().contains(&part), "{part}: {refused}");
    }

    let version = hidden_field(&browser.page(&edit), "version");
    admin.update_user(&user.id, json!({"last_name": "Meanwhile"})).ok(200);
    let long = "x".repeat(300);
    let refused = browser.post(
        &edit,
        &[
            ("version", &version),
            ("first_name", &long),
            ("last_name", "Typed"),
            ("reason", "a typo"),
        ],
    );
    assert_eq!(refused.status, 400, "{refused}");
    let page = refused.body_text();
    for part in ["value=\"Typed\"", "value=\"a typo\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let again = browser.post(
        &edit,
        &[
            ("version", &hidden_field(page, "version")),
            ("first_name", "Ann"),
            ("last_name", "Typed"),
        ],
    );
    assert_eq!(again.status, 412, "somebody else was first: {again}");
    assert_eq!(admin.read_user(&user.id).ok(200).text("last_name"), "Meanwhile");
}

#[test]
fn users_are_found_and_filtered() {
    let (admin, user) = (Admin::new(), User::new("patient"));
    let browser = ConsoleBrowser::of(&admin);
    let found = |query: &str| browser.page(&format!("/admin/users/?{query}")).contains(&user.email);
    assert!(found(&format!("id={}", user.id)));
    assert!(!found(&format!("id={}&role=doctor", user.id)));
    assert!(!found(&format!("id={}&is_active=false", user.id)));
    assert!(!found(&format!("id={}&created_before=2026-01-02", user.id)));
    let by_address =
        |email: &str| browser.search("/admin/users/", &[("email", email)]).contains(&user.email);
    eventually("by address", || by_address(&user.email.to_uppercase()).then_some(()));
    assert!(!by_address(&new_email()));
    let filtered = [("email", user.email.as_str()), ("role", "doctor")];
    assert!(!browser.search("/admin/users/", &filtered).contains(&user.email));
    eventually("by name", || found(&format!("search={}", user.last_name)).then_some(()));
    // A new user each time: other tests register users, too.
    eventually("among the newest", || {
        let newest = User::new("patient");
        browser.page("/admin/users/?role=patient").contains(&newest.email).then_some(())
    });
    assert_eq!(browser.post("/admin/search/", &[("list", "/elsewhere/")]).status, 404);
    assert_eq!(browser.get("/admin/users/?cursor=x").status, 400);
    let (older, newer) = (Patient::new(), Doctor::new());
    eventually("profiles", || {
        let patients = browser.search("/admin/patient-profiles/", &[("email", &older.email)]);
        let doctors = browser.search(
            "/admin/doctor-profiles/",
            &[("email", &newer.email), ("specialization", "cardiology")],
        );
        (patients.contains(&older.email)
            && patients.contains("1985-04-12")
            && doctors.contains(&newer.email))
        .then_some(())
    });
    assert!(
        !browser
            .search("/admin/doctor-profiles/", &[("email", &older.email)])
            .contains(&format!("{}/", older.id))
    );
}

#[test]
fn a_list_goes_on_page_by_page() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let name = format!("{MARKER}{}", unique());
    for _ in 0..26 {
        admin
            .create_user(json!({"email": new_email(), "role": "patient", "last_name": name}))
            .ok(201);
    }
    let first = eventually("26 in the index", || {
        Some(browser.page(&format!("/admin/users/?search={name}")))
            .filter(|page| page.contains("rel=\"next\""))
    });
    assert_eq!(first.matches("<th scope=\"row\">").count(), 25);
    let next = first
        .split("rel=\"next\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let second = browser.page(&next);
    assert_eq!(second.matches("<th scope=\"row\">").count(), 1);
    assert!(!second.contains("rel=\"next\""));
    assert_eq!(
        ConsoleBrowser::of(&Admin::new()).get(&next).status,
        400,
        "somebody else's place in the list"
    );
}
