//! `/admin/recoveries/` and the recovery of a user: start, approval, cancellation.

use crate::harness::console::{ConsoleBrowser, hidden_field};
use crate::harness::{Admin, AuthenticatorApp, PASSWORD, User};

/// Returns the row of a user in the list of recoveries; empty when there is none.
#[track_caller]
fn recovery_of(browser: &ConsoleBrowser, user: &str) -> String {
    let mut path = "/admin/recoveries/".to_owned();
    loop {
        let page = browser.page(&path);
        let mut rows = page.split("<tr>");
        if let Some(row) = rows.find(|row| row.contains(&format!("/admin/users/{user}/"))) {
            return row.split("</tr>").next().unwrap().to_owned();
        }
        match page.split_once("href=\"/admin/recoveries/?cursor=") {
            Some((_, rest)) => {
                let cursor = rest.split('"').next().unwrap();
                path = format!("/admin/recoveries/?cursor={cursor}");
            }
            None => return String::new(),
        }
    }
}

#[test]
fn what_an_admin_starts_for_a_user_is_approved_by_another_or_cancelled() {
    let (admin, second, user) = (Admin::new(), Admin::new(), User::new("doctor"));
    let [browser, other] = [&admin, &second].map(|admin| ConsoleBrowser::of(admin));
    let path = format!("/admin/users/{}/", user.id);
    let removal = format!("{path}second-factor-removal/");
    assert!(!browser.page(&path).contains(&removal), "there is no second factor");
    assert_eq!(browser.post(&removal, &[("reason", "Lost.")]).status, 409);
    user.confirm_address();
    let app = AuthenticatorApp::new(user.set_up_second_factor(PASSWORD).ok(200).text("secret"));
    user.confirm_second_factor(&app.code(0)).ok(200);
    assert!(browser.page(&path).contains(&removal));
    assert_eq!(browser.post(&removal, &[]).status, 400, "without a reason");
    assert_eq!(
        browser.post(&removal, &[("reason", "Telephone lost.")]).header("location"),
        format!("{path}?done=removal-started")
    );

    let approve = format!("{path}recovery/approve/");
    let row = recovery_of(&browser, &user.id);
    assert!(row.contains("Telephone lost.") && !row.contains(&approve), "{row}");
    let recovery = hidden_field(&row, "recovery");
    assert_eq!(browser.post(&approve, &[("recovery", &recovery)]).status, 403);
    let row = recovery_of(&other, &user.id);
    assert!(row.contains(&approve), "{row}");
    assert_eq!(
        other.post(&approve, &[("recovery", &recovery)]).header("location"),
        "/admin/recoveries/?done=recovery-approved"
    );
    let row = recovery_of(&other, &user.id);
    assert!(row.contains(&second.user().full_name()) && !row.contains(&approve), "{row}");
    assert_eq!(
        other
            .post(&format!("{path}recovery/cancel/"), &[("recovery", &recovery)])
            .header("location"),
        "/admin/recoveries/?done=recovery-cancelled"
    );
    assert_eq!(recovery_of(&other, &user.id), "");
    let own = format!("/admin/users/{}/edit/", admin.user().id);
    assert!(!browser.page(&own).contains("email-change"), "for others only");
}
