//! Tests of email addresses: confirmed by a token, and changed by a token sent to the new address.

use crate::harness::{
    Anonymous, PASSWORD, User, account_mail, account_mails_to, aws, eventually, new_email, origin,
};

fn is_verified(user: &User) -> bool {
    aws::get_item(&format!("USER#{}", user.id), "ACCOUNT").unwrap()["email_verified"]["BOOL"]
        .as_bool()
        .unwrap()
}

#[test]
fn a_new_user_confirms_the_address() {
    let user = User::new("patient");
    assert!(!is_verified(&user));
    let mail = account_mail(&user.email, "Confirm Your Email Address", 0);
    assert!(mail.text.contains(&format!("{}/verify-email#token=", origin())), "{}", mail.text);
    assert_eq!(user.verify_email(&mail.token()).ok(200).keys(), ["detail"]);
    assert!(is_verified(&user));
    user.me().ok(200);
    user.verify_email(&mail.token()).refused("token", "invalid");
    assert_eq!(
        account_mails_to(&user.email).len(),
        1,
        "however often the stream has told of the user"
    );
}

#[test]
fn a_mail_that_was_lost_is_sent_again_until_the_address_is_confirmed() {
    let user = User::new("doctor");
    account_mail(&user.email, "Confirm Your Email Address", 0);
    let first = user.resend_verification().ok(202);
    let token = account_mail(&user.email, "Confirm Your Email Address", 1).token();
    user.verify_email(&token).ok(200);
    let second = user.resend_verification().ok(202);
    assert_eq!(first.bytes, second.bytes);
    // A later mail arrives, so the one that must not be sent would have arrived, too.
    Anonymous.request_password_reset(&user.email).ok(202);
    account_mail(&user.email, "Set Your Password", 0);
    assert_eq!(account_mails_to(&user.email).len(), 3);
    Anonymous.resend_verification().problem(401, "not_authenticated");
}

#[test]
fn an_account_moves_to_another_address() {
    let user = User::new("patient");
    let (old, new) = (user.email.clone(), new_email());
    Anonymous.request_password_reset(&old).ok(202);
    let sent_before = account_mail(&old, "Set Your Password", 0).token();
    user.request_email_change(&new, PASSWORD).ok(202);
    let token = account_mail(&new, "Confirm Your New Email Address", 0).token();
    assert_eq!(user.me().ok(200).text("email"), old, "nothing has changed yet");
    Anonymous.change_email(&token).ok(200);
    assert_eq!(user.me().ok(200).text("email"), new);
    assert!(is_verified(&user));
    Anonymous.login(&old, PASSWORD).problem(401, "invalid_credentials");
    Anonymous.login(&new, PASSWORD).ok(200);
    Anonymous.change_email(&token).refused("token", "invalid");
    account_mail(&old, "Email Address Changed", 0);
    Anonymous
        .reset_password(&sent_before, "a password from the old address")
        .refused("token", "invalid");
    let events = aws::query(&format!("AUDIT#{}", user.id));
    assert!(
        events
            .iter()
            .any(|event| event["action"]["S"] == "change_email"
                && event["outcome"]["S"] == "success")
    );
    // The old address can be registered again.
    Anonymous.register(serde_json::json!({"email": old, "password": PASSWORD})).ok(201);
}

#[test]
fn an_address_change_ends_when_another_one_is_confirmed() {
    let user = User::new("patient");
    let (typo, new) = (new_email(), new_email());
    let [first, second] = [&typo, &new].map(|email| {
        user.request_email_change(email, PASSWORD).ok(202);
        account_mail(email, "Confirm Your New Email Address", 0).token()
    });
    Anonymous.change_email(&second).ok(200);
    Anonymous.change_email(&first).refused("token", "invalid");
    assert_eq!(user.me().ok(200).text("email"), new);
}

#[test]
fn an_address_is_respelt() {
    let user = User::new("patient");
    let (local, domain) = user.email.split_once('@').unwrap();
    let respelt = format!("{}@{domain}", local.to_uppercase());
    user.request_email_change(&respelt, PASSWORD).ok(202);
    let token = account_mail(&respelt, "Confirm Your New Email Address", 0).token();
    Anonymous.change_email(&token).ok(200);
    assert_eq!(user.me().ok(200).text("email"), respelt);
    Anonymous.login(&user.email, PASSWORD).ok(200);
}

#[test]
fn nobody_learns_from_a_change_who_has_an_account() {
    let (user, owner) = (User::new("patient"), User::new("patient"));
    let (free, taken) = (
        user.request_email_change(&new_email(), PASSWORD).ok(202),
        user.request_email_change(&owner.email, PASSWORD).ok(202),
    );
    assert_eq!(free.bytes, taken.bytes);
    account_mail(&owner.email, "You Have an Account Already", 0);
    assert!(
        account_mails_to(&owner.email)
            .iter()
            .all(|mail| !mail.subject.ends_with("New Email Address"))
    );

    user.request_email_change(&user.email, PASSWORD).refused("email", "unchanged");
    user.request_email_change(&new_email(), "not-the-password-at-all")
        .refused("password", "incorrect");
    Anonymous.request_email_change(&new_email(), PASSWORD).problem(401, "not_authenticated");
}

#[test]
fn an_address_that_was_taken_meanwhile_stays_its_owners() {
    let user = User::new("patient");
    let new = new_email();
    user.request_email_change(&new, PASSWORD).ok(202);
    let token = account_mail(&new, "Confirm Your New Email Address", 0).token();
    Anonymous.register(serde_json::json!({"email": new, "password": PASSWORD})).ok(201);
    Anonymous.change_email(&token).problem(409, "email_taken");
    assert_eq!(user.me().ok(200).text("email"), user.email);
    eventually("the new owner's mail", || (account_mails_to(&new).len() >= 2).then_some(()));
}
