//! The client in Rust reads the profile of each role. The Makefile copies this file into the client
//! that it generates.

use health_records_client::models::Profile;

const PATIENT: &str = r#"{"role": "patient", "date_of_birth": "1985-04-12", "gender": "female",
    "address": null}"#;
const DOCTOR: &str = r#"{"role": "doctor", "specialization": "Cardiology",
    "license_number": "MD-1001", "years_of_experience": 12}"#;

#[test]
fn a_profile_is_that_of_its_role() {
    match serde_json::from_str(PATIENT).unwrap() {
        Profile::Patient(patient) => {
            let born = patient.date_of_birth.map(|date| date.to_string());
            assert_eq!(born, Some("1985-04-12".to_owned()));
            assert_eq!(patient.address, Some(None), "null is not absent");
        }
        Profile::Doctor(doctor) => panic!("{doctor:?}"),
    }
    match serde_json::from_str(DOCTOR).unwrap() {
        Profile::Doctor(doctor) => {
            assert_eq!(doctor.specialization, "Cardiology");
            assert_eq!(doctor.years_of_experience, 12);
        }
        Profile::Patient(patient) => panic!("{patient:?}"),
    }
}
