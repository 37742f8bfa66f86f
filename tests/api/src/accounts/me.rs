//! Tests of `/api/accounts/me/`.

use serde_json::json;

use crate::accounts::second_factor::Guarded;
use crate::harness::{Admin, Doctor, Patient, User};

// TestUserModel: test_profile_property_patient, test_user_str_representation
#[test]
fn everybody_sees_themselves() {
    let patient = Patient::new();
    let me = patient.me().ok(200);
    assert_eq!(
        me.keys(),
        [
            "approval",
            "email",
            "email_bounced",
            "email_verified",
            "first_name",
            "last_name",
            "phone_number",
            "pk",
            "profile",
            "role",
            "second_factor"
        ]
    );
    assert_eq!(
        (me.text("pk"), me.text("email"), me.text("role")),
        (&*patient.id, &*patient.email, "patient")
    );
    let address = me["profile"]["address"].clone();
    assert_eq!(
        me["profile"],
        json!({"role": "patient", "date_of_birth": "1985-04-12", "gender": "other",
            "address": address})
    );
    assert!(address.is_string());
    assert_eq!(me.header("etag"), "\"2\"", "created with a profile since");
    let doctor = Doctor::new();
    let profile = doctor.me().ok(200)["profile"].clone();
    assert_eq!(
        profile.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["license_number", "role", "specialization", "years_of_experience"]
    );
}

#[test]
fn users_see_whether_their_address_is_confirmed_and_a_second_factor_set_up() {
    let user = User::new("patient");
    let before = user.me().ok(200);
    assert_eq!(
        (&before["email_verified"], &before["second_factor"]),
        (&json!(false), &json!(false))
    );
    let guarded = Guarded::of(user);
    let after = guarded.user.me().ok(200);
    assert_eq!((&after["email_verified"], &after["second_factor"]), (&json!(true), &json!(true)));
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[test]
fn doctors_see_what_staff_say_of_their_licence() {
    assert_eq!(Patient::new().me().ok(200)["approval"], json!(null));
    let doctor = Doctor::pending();
    assert_eq!(doctor.me().ok(200)["approval"], "pending");
    Admin::new().approve_doctor(&doctor.id).ok(200);
    assert_eq!(doctor.me().ok(200)["approval"], "approved");
}
