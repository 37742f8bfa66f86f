//! Tests of the decisions: every actor, relation and operation, compared with a table of its own.

use std::collections::HashSet;

use Decision::{
    Allow, NotApproved, NotAuthenticated, NotFound, OwnAccount, SecondFactorRequired,
    TokenNotValid, WrongRole,
};
use Relation::{Assigned, Author, Oneself, Owner, Stranger, Unknown};

use super::*;
use crate::email::Email;
use crate::id::SessionId;
use crate::record::RecordType;
use crate::text::Description;

const RELATIONS: [Relation; 6] = [Unknown, Oneself, Owner, Assigned, Author, Stranger];
const LOCAL: Rules = Rules { doctors_need_second_factor: false };
const STRICT: Rules = Rules { doctors_need_second_factor: true };

fn user(role: Role, approval: Option<Approval>, second_factor: bool) -> Actor {
    Actor::Confirmed(Standing { role, approval, second_factor })
}

/// Lists all possible actors, each with the name of its column in the tables below.
fn actors() -> Vec<(&'static str, Actor)> {
    let doctor = |approval, second_factor| user(Role::Doctor, approval, second_factor);
    vec![
        ("anonymous", Actor::Anonymous),
        ("unproved", Actor::InvalidToken),
        ("claimed patient", Actor::Claimed(Role::Patient)),
        ("claimed doctor", Actor::Claimed(Role::Doctor)),
        ("claimed admin", Actor::Claimed(Role::Admin)),
        ("patient", user(Role::Patient, None, false)),
        ("patient 2f", user(Role::Patient, None, true)),
        ("doctor", doctor(Some(Approval::Approved), false)),
        ("doctor 2f", doctor(Some(Approval::Approved), true)),
        ("unapproved", doctor(Some(Approval::Pending), false)),
        ("unapproved", doctor(Some(Approval::Refused), true)),
        ("unapproved", doctor(Some(Approval::Suspended), true)),
        ("unapproved", doctor(None, true)),
        ("admin", user(Role::Admin, None, false)),
        ("admin 2f", user(Role::Admin, None, true)),
    ]
}

/// Decides on an actor before the object is looked at, for each audience. Repeats the rules by
/// other means: as a table.
fn admission(audience: Audience, actor: &str, rules: Rules) -> Decision {
    use Audience::{Admins, Doctors, Patients, PatientsAndDoctors, Public, Readers, SignedIn};
    match (audience, actor) {
        (Public, _) => Allow,
        (_, "anonymous") => NotAuthenticated,
        (_, "unproved") => TokenNotValid,
        (SignedIn, _) => Allow,
        (PatientsAndDoctors | Readers, "claimed admin" | "admin" | "admin 2f") => WrongRole,
        (PatientsAndDoctors, _) => Allow,
        (Readers, "claimed doctor" | "claimed patient" | "patient" | "patient 2f") => Allow,
        (Readers, _) => admission(Doctors, actor, rules),
        (Patients, "claimed patient" | "patient" | "patient 2f") => Allow,
        (Doctors, "claimed doctor" | "doctor 2f") => Allow,
        (Doctors, "doctor") if rules == STRICT => SecondFactorRequired,
        (Doctors, "doctor") => Allow,
        (Doctors, "unapproved") => NotApproved,
        (Admins, "claimed admin" | "admin 2f") => Allow,
        (Admins, "admin") => SecondFactorRequired,
        (Patients | Doctors | Admins, _) => WrongRole,
    }
}

/// Lists the operations of each audience once more, by name.
fn audiences() -> Vec<(Audience, &'static str)> {
    let public = "jwks register login login_with_second_factor request_sign_in_link \
                  confirm_device refresh revoke_refresh_token request_password_reset \
                  reset_password verify_email read_registration discard_registration \
                  change_email confirm_recovery cancel_recovery read_schema swagger_ui \
                  swagger_ui_bundle swagger_ui_style swagger_ui_start problem_page health ready";
    let signed_in = "logout list_sessions end_session logout_all change_password \
                     resend_verification request_email_change me access_log set_up_second_factor \
                     confirm_second_factor disable_second_factor \
                     list_notifications read_notification peek_notification count_unread \
                     mark_all_read delete_all";
    let patients_and_doctors = "create_profile update_profile replace_profile";
    let patients = "list_doctors list_patient_records create_record read_patient_record \
                    update_record replace_record read_access_log \
                    read_patient_record_history \
                    read_patient_history delete_file renew_upload";
    let readers = "download_file";
    let doctors = "list_doctor_records read_doctor_record create_annotation update_annotation \
                   replace_annotation read_doctor_record_history read_doctor_history";
    let admins = "open_console list_users search_users create_user read_user update_user \
                   end_sessions \
                  start_password_reset start_email_change start_second_factor_removal \
                  list_recoveries approve_recovery staff_cancel_recovery \
                  list_doctors_by_approval \
                  approve_doctor refuse_doctor suspend_doctor list_events \
                  staff_list_records staff_list_files staff_list_annotations \
                  staff_list_notifications look_up_record break_glass correct_assignment \
                  show_dashboard list_mails redrive_mails resend_mail";
    vec![
        (Audience::Public, public),
        (Audience::SignedIn, signed_in),
        (Audience::PatientsAndDoctors, patients_and_doctors),
        (Audience::Patients, patients),
        (Audience::Readers, readers),
        (Audience::Doctors, doctors),
        (Audience::Admins, admins),
    ]
}

#[test]
fn some_paths_name_a_record() {
    let naming: Vec<&str> = Operation::ALL
        .iter()
        .filter(|operation| operation.names_record())
        .map(|it| it.as_str())
        .collect();
    let expected = [
        "read_patient_record",
        "update_record",
        "replace_record",
        "read_access_log",
        "read_patient_record_history",
        "read_doctor_record",
        "read_doctor_record_history",
    ];
    assert_eq!(naming.iter().collect::<HashSet<_>>(), expected.iter().collect());
}

#[test]
fn every_operation_is_for_somebody() {
    let mut seen = HashSet::new();
    for (audience, operations) in audiences() {
        for word in operations.split_whitespace() {
            let operation: Operation = word.parse().unwrap();
            assert_eq!(operation.audience(), audience, "{word}");
            assert!(seen.insert(operation), "{word}");
        }
    }
    let forgotten: Vec<_> =
        Operation::ALL.iter().filter(|operation| !seen.contains(operation)).collect();
    assert!(forgotten.is_empty(), "name them in `audiences`: {forgotten:?}");
}

#[test]
fn before_the_object_is_looked_at_only_the_actor_counts() {
    for operation in Operation::ALL.iter().copied() {
        for (name, actor) in actors() {
            for rules in [LOCAL, STRICT] {
                let expected = admission(operation.audience(), name, rules);
                assert_eq!(
                    decide(rules, actor, operation, Unknown),
                    expected,
                    "{operation} by {actor:?} under {rules:?}"
                );
            }
        }
    }
}

#[test]
fn nobody_learns_of_an_object_who_may_not_ask_for_it() {
    for operation in Operation::ALL.iter().copied() {
        for (_, actor) in actors() {
            let admitted = match (actor, decide(STRICT, actor, operation, Unknown)) {
                (Actor::Claimed(_), Allow) if operation.audience() != Audience::Public => {
                    for relation in RELATIONS.into_iter().filter(|relation| *relation != Unknown) {
                        let decision = decide(STRICT, actor, operation, relation);
                        assert_eq!(
                            decision, TokenNotValid,
                            "{operation} on {relation:?}: nothing has borne out the claim"
                        );
                    }
                    continue;
                }
                (_, admitted) => admitted,
            };
            for relation in RELATIONS.into_iter().filter(|_| admitted != Allow) {
                assert_eq!(
                    decide(STRICT, actor, operation, relation),
                    admitted,
                    "{operation} by {actor:?} on {relation:?}"
                );
            }
        }
    }
}

#[test]
fn an_object_is_for_those_to_whom_it_is_something() {
    let not_to_oneself =
        ["update_user", "start_email_change", "start_second_factor_removal", "approve_recovery"];
    for operation in Operation::ALL.iter().copied() {
        let (best, others): (&[&str], &[Relation]) = match operation.audience() {
            Audience::Public => (
                &["anonymous", "unproved", "claimed doctor", "patient", "unapproved", "admin"],
                &RELATIONS,
            ),
            Audience::SignedIn => (
                &["patient", "doctor", "unapproved", "admin", "admin 2f"],
                &[Unknown, Oneself, Owner],
            ),
            Audience::PatientsAndDoctors => {
                (&["patient", "doctor", "unapproved"], &[Unknown, Oneself, Owner])
            }
            Audience::Patients => (&["patient", "patient 2f"], &[Unknown, Owner]),
            Audience::Doctors
                if ["update_annotation", "replace_annotation"].contains(&operation.as_str()) =>
            {
                (&["doctor 2f"], &[Unknown, Author])
            }
            Audience::Doctors => (&["doctor 2f"], &[Unknown, Assigned, Author]),
            // Decided as for the record; tested separately.
            Audience::Readers => continue,
            Audience::Admins => (&["admin 2f"], &RELATIONS),
        };
        for (_, actor) in actors().into_iter().filter(|(name, _)| best.contains(name)) {
            for relation in RELATIONS {
                let expected = match relation {
                    Oneself if not_to_oneself.contains(&operation.as_str()) => OwnAccount,
                    relation if others.contains(&relation) => Allow,
                    _ => NotFound,
                };
                assert_eq!(
                    decide(STRICT, actor, operation, relation),
                    expected,
                    "{operation} by {actor:?} on {relation:?}"
                );
            }
        }
    }
}

#[test]
fn a_record_is_seen_by_its_patient_and_the_doctor_it_is_assigned_to() {
    for (name, actor) in actors() {
        for relation in RELATIONS.into_iter().filter(|relation| *relation != Unknown) {
            let expected = match name {
                "patient" | "patient 2f" => relation == Owner,
                "doctor 2f" => [Assigned, Author].contains(&relation),
                _ => false,
            };
            assert_eq!(may_read(STRICT, actor, relation), expected, "{actor:?} {relation:?}");
            let download = decide(STRICT, actor, Operation::DownloadFile, relation);
            assert_eq!(download == Allow, expected, "a file by {actor:?} {relation:?}");
        }
    }
    let doctor = user(Role::Doctor, Some(Approval::Approved), false);
    assert!(may_read(LOCAL, doctor, Assigned));
    assert!(!may_read(LOCAL, doctor, Owner), "a chart of the time as a patient");
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(last: u8) -> T {
    format!("0190a5c0-0000-7000-8000-0000000000{last:02}").parse().unwrap()
}

fn account() -> Account {
    let account = Account::new(id(1), Email::parse("jane@example.com").unwrap(), Role::Doctor);
    Account { approval: Some(Approval::Suspended), ..account }
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn session() -> Session {
    Session {
        id: id(5),
        user_id: id(1),
        token_hash: String::new(),
        previous: None,
        last_used_at: now(),
        second_factor: true,
        password_version: 0,
        device: String::new(),
        ttl: now().as_second() + 1,
    }
}

#[test]
fn a_token_is_worth_what_account_and_session_say() {
    let confirmed = |account: &Account, session: &Session| {
        Actor::confirmed(Some((account, session)), Role::Doctor, now())
    };
    let (account, session) = (account(), session());
    assert_eq!(confirmed(&account, &session), user(Role::Doctor, Some(Approval::Suspended), true));
    let alone = Session { second_factor: false, ..session.clone() };
    assert_eq!(confirmed(&account, &alone), user(Role::Doctor, Some(Approval::Suspended), false));
    let set_up = Account { second_factor: true, ..account.clone() };
    assert_eq!(
        confirmed(&set_up, &alone),
        user(Role::Doctor, Some(Approval::Suspended), false),
        "set up, but not used"
    );

    assert_eq!(Actor::confirmed(None, Role::Doctor, now()), Actor::InvalidToken, "gone");
    assert_eq!(
        confirmed(&Account { is_active: false, ..account.clone() }, &session),
        Actor::InvalidToken,
        "deactivated"
    );
    assert_eq!(
        confirmed(&Account { role: Role::Patient, ..account.clone() }, &session),
        Actor::InvalidToken,
        "another role since"
    );
    assert_eq!(
        confirmed(&account, &Session { ttl: now().as_second(), ..session.clone() }),
        Actor::InvalidToken,
        "the session is over"
    );
    let ended_through =
        |last| Account { sessions_ended_through: Some(id::<SessionId>(last)), ..account.clone() };
    assert_eq!(
        confirmed(&ended_through(5), &session),
        Actor::InvalidToken,
        "ended with the others"
    );
    assert_eq!(
        confirmed(&ended_through(4), &session),
        confirmed(&account, &session),
        "begun since"
    );
    let with_another = |password_version| Account { password_version, ..account.clone() };
    assert_eq!(
        confirmed(&with_another(1), &session),
        Actor::InvalidToken,
        "another password since"
    );
    let with_it = Session { password_version: 1, ..session.clone() };
    assert_eq!(
        confirmed(&with_another(1), &with_it),
        confirmed(&account, &session),
        "begun with it"
    );
    assert_eq!(
        confirmed(&account, &with_it),
        Actor::InvalidToken,
        "begun with one that the account does not have"
    );
}

#[test]
fn what_an_object_is_to_a_user_follows_from_who_is_named_in_it() {
    let (patient, doctor, other): (UserId, UserId, UserId) = (id(1), id(2), id(3));
    let record = Record {
        id: id(9),
        patient_id: patient,
        doctor_id: doctor,
        record_type: RecordType::General,
        description: Description::default(),
        file_count: 0,
        annotation_count: 0,
        updated_at: now(),
        version: 1,
        content_version: Some(1),
        update_notification_id: None,
        annotation_notification_id: None,
    };
    assert_eq!(
        [patient, doctor, other].map(|user| Relation::to_record(user, &record)),
        [Owner, Assigned, Stranger]
    );
    let own = Record { doctor_id: patient, ..record };
    assert_eq!(
        Relation::to_record(patient, &own),
        Owner,
        "a chart is its patient's, whoever else they are"
    );
    assert_eq!([patient, other].map(|user| Relation::to_chart(user, patient)), [Owner, Stranger]);
    assert_eq!(
        [doctor, other].map(|user| Relation::to_annotation(user, doctor)),
        [Author, Assigned]
    );
    assert_eq!(
        [patient, other].map(|user| Relation::to_account(user, patient)),
        [Oneself, Stranger]
    );
}
