//! `/admin/doctors/` and `/admin/doctor-profiles/`: finding doctors, deciding about them, and the
//! decisions in `/admin/audit/`.

use serde_json::json;

use crate::harness::console::{ConsoleBrowser, hidden_field};
use crate::harness::{Admin, Doctor, MARKER, eventually, new_email, unique};

#[test]
fn a_rare_specialization_is_found_among_many_doctors() {
    let admin = Admin::new();
    let browser = ConsoleBrowser::of(&admin);
    let (name, rare) = (format!("{MARKER}{}", unique()), format!("{MARKER}{}", unique()));
    let doctors: Vec<Doctor> = (0..3).map(|_| Doctor::of(&rare)).collect();
    for doctor in &doctors {
        admin.update_user(&doctor.id, json!({"last_name": format!("{name}Z")})).ok(200);
    }
    for _ in 0..30 {
        admin
            .create_user(
                json!({"email": new_email(), "role": "doctor", "last_name": format!("{name}A")}),
            )
            .ok(201);
    }
    for search in [format!("search={name}&"), String::new()] {
        let path =
            format!("/admin/doctor-profiles/?{search}specialization={}", rare.to_uppercase());
        let page = eventually(&path, || {
            let found = |page: &String| {
                doctors.iter().all(|doctor| page.contains(&format!("/admin/users/{}/", doctor.id)))
            };
            Some(browser.page(&path)).filter(found)
        });
        assert_eq!(page.matches("<th scope=\"row\">").count(), 3, "{page}");
        assert!(page.contains("A specialization must match as a whole"), "{page}");
        assert!(search.is_empty() || !page.contains("rel=\"next\""), "{page}");
    }
}

#[test]
fn staff_decide_about_doctors_and_read_the_trail() {
    let (admin, doctor) = (Admin::new(), Doctor::pending());
    let browser = ConsoleBrowser::of(&admin);
    eventually("on the work list", || {
        browser.page("/admin/doctors/").contains(&doctor.email).then_some(())
    });
    let path = format!("/admin/users/{}/", doctor.id);
    let version = hidden_field(&browser.page(&path), "version");
    let refuse = format!("/admin/doctors/{}/refuse/", doctor.id);
    assert_eq!(browser.post(&refuse, &[("version", &version)]).status, 400, "a reason is needed");
    let approve = format!("/admin/doctors/{}/approve/", doctor.id);
    let done = browser.post(&approve, &[("version", &version)]);
    assert_eq!(done.header("location"), format!("{path}?done=decided"), "{done}");
    doctor.list_doctor_records("").ok(200);
    let suspend = format!("/admin/doctors/{}/suspend/", doctor.id);
    let version = hidden_field(&browser.page(&path), "version");
    assert_eq!(
        browser.post(&suspend, &[("version", &version), ("reason", "for the test")]).status,
        303
    );
    doctor.list_doctor_records("").problem(403, "not_approved");

    let trail = browser.page(&format!("/admin/audit/?user={}&side=subject", doctor.id));
    for part in [
        "approve_doctor",
        "suspend_doctor",
        "for the test",
        "before: <bdi>approved</bdi>",
        "after: <bdi>suspended</bdi>",
    ] {
        assert!(trail.contains(part), "{part}: {trail}");
    }
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let narrowed = browser.page(&format!(
        "/admin/audit/?user={}&side=subject&action=suspend_doctor&outcome=success",
        doctor.id
    ));
    assert_eq!(rows(&narrowed), 1, "{narrowed}");
    let by_mail =
        browser.search("/admin/audit/", &[("user", &doctor.email), ("action", "approve_doctor")]);
    assert_eq!(rows(&by_mail), 1, "{by_mail}");
    eventually("what the admin did", || {
        let page = browser.page(&format!(
            "/admin/audit/?user={}&side=actor&action=suspend_doctor",
            admin.user().id
        ));
        (rows(&page) == 1).then_some(())
    });
    assert_eq!(rows(&browser.page("/admin/audit/")), 0, "nobody was asked for");
    assert_eq!(browser.get("/admin/audit/?user=nobody").status, 400);
    assert_eq!(browser.get(&format!("/admin/audit/?user={}", doctor.email)).status, 400);
    assert_eq!(rows(&browser.search("/admin/audit/", &[("user", &new_email())])), 0);
}
