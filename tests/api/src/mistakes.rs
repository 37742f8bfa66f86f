//! What the Django service did wrong, and the tests that show that this service does it right.

use std::path::Path;

/// Each mistake with its tests: the file below `tests/` and the function in it.
const MISTAKES: [(&str, &[(&str, &str)]); 22] = [
    (
        "a PATCH with a file failed with 500 after saving the other fields",
        &[("api/src/records/update.rs", "files_are_added_by_a_change")],
    ),
    (
        "addresses that differ in case alone were different accounts",
        &[("api/src/accounts/register.rs", "an_email_is_one_whatever_its_case")],
    ),
    (
        "concurrent registrations or creations of a profile failed with 500",
        &[
            ("api/src/races.rs", "of_eight_identical_registrations_one_succeeds"),
            ("api/src/races.rs", "of_eight_profile_creations_one_succeeds"),
        ],
    ),
    (
        "read_at was the time of creation, and HEAD marked a notification as read",
        &[
            ("api/src/notifications.rs", "reading_a_notification_marks_it_as_read"),
            ("api/src/notifications.rs", "head_does_not_mark_as_read"),
        ],
    ),
    (
        "a doctor to whom a record was reassigned was not notified",
        &[("api/src/notifications.rs", "every_change_notifies_the_other_side")],
    ),
    (
        "a later doctor could rewrite a former doctor's note",
        &[
            ("api/src/records/annotations.rs", "a_later_doctor_cannot_change_a_former_ones_note"),
            ("api/src/access.rs", "objects_of_others_look_like_objects_that_do_not_exist"),
        ],
    ),
    (
        "a note could be moved to another patient's record",
        &[("api/src/records/annotations.rs", "a_note_stays_with_its_record")],
    ),
    (
        "inactive doctors were listed and could be assigned",
        &[("api/src/accounts/doctors.rs", "an_inactive_doctor_is_neither_listed_nor_assigned")],
    ),
    (
        "deleting a doctor deleted the records of patients",
        &[("api/src/records/update.rs", "records_outlive_their_doctor")],
    ),
    (
        "files were public, stayed after their deletion, and opened in the browser",
        &[
            ("system/src/files.rs", "objects_are_private_and_download_urls_work_for_a_minute"),
            ("system/src/files.rs", "a_deleted_file_is_gone_with_its_object"),
            ("system/src/files.rs", "uploads_after_the_deletion_are_removed"),
        ],
    ),
    (
        "a former doctor could still read the record through notifications",
        &[("api/src/records/update.rs", "a_former_doctor_loses_the_record_at_once_everywhere")],
    ),
    (
        "a user who registered as a doctor was offered to patients without approval",
        &[
            ("api/src/admin/doctors.rs", "a_doctor_waits_for_the_approval_and_gets_it"),
            ("api/src/accounts/doctors.rs", "a_doctor_without_a_profile_is_not_listed"),
        ],
    ),
    (
        "CORS was not active",
        &[
            ("system/src/gateway.rs", "preflight_allows_only_the_configured_origin"),
            ("api/src/errors.rs", "a_browser_may_read_every_response"),
        ],
    ),
    (
        "logins were not throttled",
        &[
            ("api/src/accounts/throttling.rs", "five_failures_are_free_and_then_the_wait_doubles"),
            ("api/src/accounts/throttling.rs", "unknown_accounts_are_throttled_as_known_ones"),
        ],
    ),
    (
        "refresh tokens could not be used, and sessions could not be ended",
        &[
            ("api/src/accounts/token_refresh.rs", "a_refresh_token_gives_new_tokens"),
            ("api/src/accounts/token_refresh.rs", "a_reused_refresh_token_ends_its_session"),
            ("api/src/accounts/token_refresh.rs", "logout_ends_the_session_and_no_other"),
        ],
    ),
    (
        "any password was accepted",
        &[("api/src/accounts/register.rs", "weak_passwords_are_refused")],
    ),
    (
        "mails were queued inside the transaction, and a retry duplicated the note",
        &[
            ("api/src/idempotency.rs", "an_annotation_is_created_once"),
            ("system/src/mails.rs", "each_notification_is_one_mail"),
            ("system/src/mails.rs", "repeated_stream_records_send_one_mail"),
            ("system/src/mails.rs", "the_api_works_while_nothing_is_mailed_and_nothing_is_lost"),
        ],
    ),
    // Here no request waits for a queue, because the stream carries the mails; requests wait for
    // the table alone.
    (
        "a restart of the broker blocked the API for good",
        &[
            ("system/src/mails.rs", "the_api_works_while_nothing_is_mailed_and_nothing_is_lost"),
            ("store/src/faults.rs", "a_silent_table_is_unavailable_within_three_seconds"),
        ],
    ),
    (
        "failures were not logged",
        &[("system/tests/logs.rs", "every_request_is_logged_and_none_has_failed")],
    ),
    (
        "responses and their cost grew without limit",
        &[
            ("api/src/pages.rs", "lists_are_walked_by_their_links"),
            ("api/src/budgets.rs", "a_page_costs_the_same_in_a_short_and_in_a_long_chart"),
        ],
    ),
    (
        "errors had four formats",
        &[
            ("api/src/errors.rs", "a_problem_has_every_member"),
            ("api/src/harness/http.rs", "check_problem"),
        ],
    ),
    (
        "the OpenAPI document did not match the API",
        &[("contract/src/routes.rs", "every_path_reaches_its_function")],
    ),
];

#[test]
fn every_mistake_has_tests_that_exist() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (mistake, tests) in MISTAKES {
        assert!(!tests.is_empty(), "{mistake}");
        for (file, name) in tests {
            let code = std::fs::read_to_string(folder.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(
                code.contains(&format!("fn {name}(")),
                "{name} is not in {file}: which test covers \"{mistake}\"?"
            );
        }
    }
}
