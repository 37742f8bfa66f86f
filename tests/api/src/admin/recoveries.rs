//! Tests of changes of addresses and removals of second factors that staff start: they wait, need a
//! second admin, and can be cancelled by the user.

use serde_json::{Value, json};

use crate::harness::{
    Admin, Anonymous, AuthenticatorApp, Client, Doctor, IsolatedSystem, PASSWORD, Patient, User,
    account_mail, account_mails_to, eventually, let_it_wait, new_email, recover, unique,
    wait_until_idle,
};

const STARTED: &str = "Change of Your Email Address Started";
const CONFIRM: &str = "Confirm the New Email Address";
const REMOVAL_STARTED: &str = "Removal of Your Second Factor Started";
const RESET: &str = "Set Your Password";
const NEXT_PASSWORD: &str = "amber-kettle-northbound-73";

/// Returns what waits for a user, as staff see it.
#[track_caller]
fn waiting(admin: &Admin, user: &str) -> Option<Value> {
    let mut page = admin.list_recoveries("limit=100").ok(200);
    loop {
        if let Some(found) = page.results().iter().find(|recovery| recovery["user"] == user) {
            return Some(found.clone());
        }
        let next = page["next"].as_str()?.to_owned();
        page = admin.get(crate::harness::path_of(&next)).ok(200);
    }
}

#[track_caller]
fn id_of_waiting(admin: &Admin, user: &str) -> String {
    waiting(admin, user).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Lets the function run, which other tests do, too.
#[track_caller]
fn carry_out() {
    recover(&json!({})).unwrap();
}

/// Returns the events of a user's own log with this action, newest first.
#[track_caller]
fn logged(user: &Client, action: &str) -> Vec<Value> {
    let log = user.access_log("limit=100").ok(200);
    log.results().iter().filter(|event| event["action"] == action).cloned().collect()
}

/// Makes an admin through the API, who signs in with a second factor.
#[track_caller]
fn accomplice_of(admin: &Admin) -> Client {
    let email = new_email();
    admin.create_user(json!({"email": email, "role": "admin"})).ok(201);
    let token = account_mail(&email, RESET, 0).token();
    Anonymous.reset_password(&token, PASSWORD).ok(200);
    let signed_in = Anonymous.login(&email, PASSWORD).ok(200);
    let client = Client::with_token(signed_in["tokens"]["access"].as_str().unwrap());
    let app = AuthenticatorApp::new(client.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    client.confirm_second_factor(&app.code(0)).ok(200);
    client
}

#[test]
fn the_script_of_an_insider_fails_at_every_step() {
    let (insider, honest, patient) = (Admin::new(), Admin::new(), Patient::new());
    let (old, new) = (patient.email.clone(), new_email());
    let path = format!("/api/admin/users/{}/email-change/", patient.id);
    insider.post(&path, &json!({"email": new})).refused("reason", "required");
    insider.start_email_change(&patient.id, &new).ok(204);
    let address_is_old =
        || assert_eq!(patient.me().ok(200).text("email"), old, "the patient is still signed in");

    // Another attempt does not take the place of the one of which the patient was told.
    insider.start_email_change(&patient.id, &new_email()).problem(409, "recovery_waiting");
    let recovery = id_of_waiting(&insider, &patient.id);
    insider.approve_recovery(&patient.id, &recovery).problem(403, "own_account");
    let accomplice = accomplice_of(&insider);
    accomplice.approve_recovery(&patient.id, &recovery).problem(403, "own_account");

    // The insider reads the new mailbox.
    let token = account_mail(&new, CONFIRM, 0).token();
    Anonymous.change_email(&token).refused("token", "invalid");
    Anonymous.cancel_recovery(&token).refused("token", "invalid");
    Anonymous.confirm_recovery(&token).ok(200);
    Anonymous.confirm_recovery(&token).refused("token", "invalid");
    carry_out();
    address_is_old();
    let_it_wait(&patient.id);
    carry_out();
    address_is_old();

    // Nothing signs in with the new address, and what sets a password goes to the old one.
    Anonymous.login(&new, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.request_password_reset(&new).ok(202);
    insider.start_password_reset(&patient.id).ok(204);
    account_mail(&old, RESET, 0);
    Anonymous.request_password_reset(&old).ok(202);
    let reset = account_mail(&old, RESET, 1).token();
    wait_until_idle();
    let subjects: Vec<String> =
        account_mails_to(&new).into_iter().map(|mail| mail.subject).collect();
    assert!(subjects.iter().all(|subject| subject.ends_with(CONFIRM)), "{subjects:?}");
    Anonymous.reset_password(&reset, NEXT_PASSWORD).ok(200);
    let signed_in = Anonymous.login(&old, NEXT_PASSWORD).ok(200);
    let patient_again = Client::with_token(signed_in["tokens"]["access"].as_str().unwrap());

    // The patient reads who did it and why, and cancels it with the link.
    let started = &logged(&patient_again, "start_email_change")[0];
    assert_eq!(
        (&started["actor"]["pk"], &started["actor"]["role"], &started["reason"]),
        (&json!(insider.user().id), &json!("admin"), &json!("The mailbox is lost."))
    );
    assert_eq!((&started["before"], &started["after"]), (&json!(old), &json!(new)));
    assert_eq!(started["emergency"], true, "it counts as emergency access");
    let tried = logged(&patient_again, "approve_recovery");
    assert_eq!(tried.len(), 2);
    assert!(tried.iter().all(|event| event["outcome"] == "denied"), "{tried:?}");
    let confirmed = &logged(&patient_again, "confirm_recovery")[0];
    assert_eq!(confirmed["actor"]["role"], Value::Null, "not as the patient: {confirmed}");
    let mail = account_mail(&old, STARTED, 0);
    assert!(!mail.text.contains(&new) && !mail.text.contains("The mailbox is lost."));
    assert!(mail.text.contains("within 14 days"), "{}", mail.text);
    Anonymous.confirm_recovery(&mail.token()).refused("token", "invalid");
    Anonymous.cancel_recovery(&mail.token()).ok(200);
    Anonymous.cancel_recovery(&mail.token()).refused("token", "invalid");
    assert_eq!(logged(&patient_again, "cancel_recovery").len(), 1);
    assert_eq!(waiting(&honest, &patient.id), None);
    honest.approve_recovery(&patient.id, &recovery).problem(404, "not_found");
    carry_out();
    assert_eq!(patient_again.me().ok(200).text("email"), old);

    // What a second admin has looked at is what is approved.
    insider.start_email_change(&patient.id, &new_email()).ok(204);
    honest.approve_recovery(&patient.id, &recovery).problem(404, "not_found");
    honest.staff_cancel_recovery(&patient.id, &recovery).problem(404, "not_found");
    let next = id_of_waiting(&honest, &patient.id);
    honest.staff_cancel_recovery(&patient.id, &next).ok(204);
    assert_eq!(waiting(&honest, &patient.id), None);
    assert_eq!(logged(&patient_again, "cancel_recovery")[0]["actor"]["role"], "admin");
}

#[test]
fn an_address_changes_after_72_hours_a_confirmation_and_the_approval_of_a_second_admin() {
    let (admin, second, patient) = (Admin::new(), Admin::new(), Patient::new());
    let (old, new) = (patient.email.clone(), new_email());
    admin.start_email_change(&patient.id, &new).ok(204);
    let seen = waiting(&second, &patient.id).unwrap();
    assert_eq!(
        (&seen["kind"], &seen["email"], &seen["new_email"], &seen["needs_approval"]),
        (&json!("change_email"), &json!(old), &json!(new), &json!(true))
    );
    assert_eq!(
        (&seen["confirmed_at"], &seen["approved_by"], &seen["started_by"]),
        (&Value::Null, &Value::Null, &json!(admin.user().id))
    );
    let time = |name: &str| crate::harness::moment(&seen[name]);
    assert_eq!(time("due_at").duration_since(time("started_at")).as_hours(), 72);
    let recovery = seen["id"].as_str().unwrap();
    second.approve_recovery(&patient.id, recovery).ok(204);
    second.approve_recovery(&patient.id, recovery).ok(204);
    assert_eq!(waiting(&admin, &patient.id).unwrap()["approved_by"], json!(second.user().id));
    let_it_wait(&patient.id);
    carry_out();
    patient.me().ok(200);

    let cancel = account_mail(&old, STARTED, 0).token();
    Anonymous.confirm_recovery(&account_mail(&new, CONFIRM, 0).token()).ok(200);
    eventually("the address has changed", || {
        carry_out();
        (admin.read_user(&patient.id).ok(200).text("email") == new).then_some(())
    });
    patient.me().problem(401, "token_not_valid");
    account_mail(&old, "Email Address Changed", 0);
    Anonymous.login(&old, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.cancel_recovery(&cancel).refused("token", "invalid");
    Anonymous.request_password_reset(&new).ok(202);
    Anonymous.reset_password(&account_mail(&new, RESET, 0).token(), NEXT_PASSWORD).ok(200);
    let signed_in = Anonymous.login(&new, NEXT_PASSWORD).ok(200);
    let patient = Client::with_token(signed_in["tokens"]["access"].as_str().unwrap());
    let changed = &logged(&patient, "change_email")[0];
    assert_eq!(
        (&changed["actor"]["pk"], &changed["actor"]["role"], &changed["reason"]),
        (&json!(admin.user().id), &json!("admin"), &json!("The mailbox is lost.")),
        "the log does not say that the patient did it"
    );
    assert_eq!(logged(&patient, "approve_recovery")[0]["actor"]["pk"], json!(second.user().id));
}

/// Signs in with a second factor, which is set up before.
#[track_caller]
fn with_second_factor(user: &User) -> AuthenticatorApp {
    user.confirm_address();
    let app = AuthenticatorApp::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    user.confirm_second_factor(&app.code(0)).ok(200);
    app
}

#[test]
fn a_lost_second_factor_is_removed_after_72_hours_and_the_approval_of_a_second_admin() {
    let (admin, second, doctor) = (Admin::new(), Admin::new(), Doctor::new());
    admin.start_second_factor_removal(&doctor.id).problem(409, "second_factor_not_set_up");
    with_second_factor(&doctor);
    admin.start_second_factor_removal(&doctor.id).ok(204);
    admin.start_email_change(&doctor.id, &new_email()).problem(409, "recovery_waiting");
    let cancel = account_mail(&doctor.email, REMOVAL_STARTED, 0).token();
    Anonymous.cancel_recovery(&cancel).ok(200);
    assert_eq!(waiting(&admin, &doctor.id), None);

    admin.start_second_factor_removal(&doctor.id).ok(204);
    let recovery = id_of_waiting(&admin, &doctor.id);
    admin.approve_recovery(&doctor.id, &recovery).problem(403, "own_account");
    let_it_wait(&doctor.id);
    carry_out();
    Anonymous.login(&doctor.email, PASSWORD).problem(401, "mfa_required");
    second.approve_recovery(&doctor.id, &recovery).ok(204);
    eventually("the factor is removed", || {
        carry_out();
        (Anonymous.login(&doctor.email, PASSWORD).status == 200).then_some(())
    });
    doctor.me().problem(401, "token_not_valid");
    account_mail(&doctor.email, "Second Factor Removed", 0);
    let doctor = doctor.sign_in();
    let removed = &logged(&doctor, "disable_second_factor")[0];
    assert_eq!(
        (&removed["actor"]["pk"], &removed["reason"]),
        (&json!(admin.user().id), &json!("The telephone is lost."))
    );
    doctor.set_up_second_factor(PASSWORD).ok(200);
}

#[test]
fn a_recovery_is_void_when_the_account_has_changed() {
    let (admin, second) = (Admin::new(), Admin::new());
    let (moved, taken) = (Patient::new(), Patient::new());
    let (own, new) = (new_email(), new_email());
    for (patient, email) in [(&moved, &own), (&taken, &new)] {
        admin.start_email_change(&patient.id, email).ok(204);
        let recovery = id_of_waiting(&admin, &patient.id);
        second.approve_recovery(&patient.id, &recovery).ok(204);
        Anonymous.confirm_recovery(&account_mail(email, CONFIRM, 0).token()).ok(200);
    }
    let other = new_email();
    moved.request_email_change(&other, PASSWORD).ok(202);
    let token = account_mail(&other, "Confirm Your New Email Address", 0).token();
    Anonymous.change_email(&token).ok(200);
    Anonymous.register(json!({"email": new, "password": PASSWORD})).ok(201);
    [&moved, &taken].into_iter().for_each(|patient| let_it_wait(&patient.id));
    carry_out();
    assert_eq!(moved.me().ok(200).text("email"), other);
    assert_eq!(taken.me().ok(200).text("email"), taken.email);
}

#[test]
fn staff_start_nothing_for_themselves_or_for_nobody() {
    let (admin, patient) = (Admin::new(), Patient::new());
    admin.start_email_change(&admin.user().id, &new_email()).problem(403, "own_account");
    admin.start_second_factor_removal(&admin.user().id).problem(403, "own_account");
    admin.start_email_change(&patient.id, &patient.email).refused("email", "unchanged");
    admin.start_email_change(&patient.id, &Patient::new().email).refused("email", "taken");
    admin.start_email_change(&patient.id, "nobody").refused("email", "invalid");
    let unknown = "0190a5c0-0000-7000-8000-000000000001";
    admin.start_email_change(unknown, &new_email()).problem(404, "not_found");
    admin.start_second_factor_removal(unknown).problem(404, "not_found");
    admin.approve_recovery(&patient.id, unknown).problem(404, "not_found");
    admin.staff_cancel_recovery(&patient.id, unknown).problem(404, "not_found");
    admin.approve_recovery(&patient.id, "x").refused("recovery", "invalid");
    admin.update_user(&patient.id, json!({"is_active": false})).ok(200);
    admin.start_email_change(&patient.id, &new_email()).problem(409, "inactive");
    admin.start_second_factor_removal(&patient.id).problem(409, "inactive");
    Anonymous.confirm_recovery(&unique()).refused("token", "invalid");
    Anonymous.cancel_recovery(&unique()).refused("token", "invalid");
}

#[test]
fn an_only_admin_needs_no_approval_unless_there_was_another_one_lately() {
    let system = IsolatedSystem::start();
    let (admin, doctor) = (Admin::new(), Doctor::new());
    with_second_factor(&doctor);
    admin.start_second_factor_removal(&doctor.id).ok(204);
    assert_eq!(waiting(&admin, &doctor.id).unwrap()["needs_approval"], false);
    carry_out();
    Anonymous.login(&doctor.email, PASSWORD).problem(401, "mfa_required");
    let_it_wait(&doctor.id);
    assert_eq!(recover(&json!({})).unwrap()["carried_out"], 1);
    Anonymous.login(&doctor.email, PASSWORD).ok(200);

    let other = Admin::new();
    admin.update_user(&other.user().id, json!({"is_active": false})).ok(200);
    let doctor = doctor.sign_in();
    let app = AuthenticatorApp::new(doctor.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    doctor.confirm_second_factor(&app.code(0)).ok(200);
    let id = doctor.me().ok(200).text("pk").to_owned();
    admin.start_second_factor_removal(&id).ok(204);
    assert_eq!(waiting(&admin, &id).unwrap()["needs_approval"], true);
    drop(system);
}

#[test]
fn an_operator_recovers_the_only_admin() {
    let system = IsolatedSystem::start();
    let admin = Admin::new();
    let user = admin.user();
    user.confirm_address();
    let session = user.sign_in();
    let app = AuthenticatorApp::new(session.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    session.confirm_second_factor(&app.code(0)).ok(200);
    let event = |email: &str| json!({"email": email, "reason": "Telephone and codes are lost."});
    for nobody in [new_email(), Patient::new().email.clone()] {
        let error = recover(&event(&nobody)).unwrap_err();
        assert!(error.contains("no active admin") && !error.contains(&nobody), "{error}");
    }
    recover(&json!({"email": user.email})).unwrap_err();

    assert_eq!(recover(&event(&user.email)).unwrap()["user_id"], json!(user.id));
    admin.me().problem(401, "token_not_valid");
    let client = user.sign_in();
    let recovered = &logged(&client, "recover_admin")[0];
    assert_eq!(recovered["reason"], "Telephone and codes are lost.");

    // The address is lost, too.
    let (old, new) = (user.email.clone(), new_email());
    let event = json!({"email": old, "reason": "All is lost.", "new_email": new});
    recover(&event).unwrap();
    Anonymous.login(&old, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.login(&new, PASSWORD).ok(200);

    Admin::new();
    let error = recover(&json!({"email": new, "reason": "Again."})).unwrap_err();
    assert!(error.contains("other active admins"), "{error}");
    drop(system);
}

#[test]
fn deactivating_a_user_keeps_neither_the_mail_nor_the_link_from_them() {
    let (admin, patient) = (Admin::new(), Patient::new());
    admin.start_email_change(&patient.id, &new_email()).ok(204);
    admin.update_user(&patient.id, json!({"is_active": false})).ok(200);
    let token = account_mail(&patient.email, STARTED, 0).token();
    Anonymous.cancel_recovery(&token).ok(200);
    assert_eq!(waiting(&admin, &patient.id), None);
}
