//! The predecessor's mistakes, and which tests keep them mistakes of the past.

use std::path::Path;

/// The mistake; the tests, each as the file below `tests/` and the function in it.
const MISTAKES: [(&str, &[(&str, &str)]); 22] = [
    (
        "PATCH with a file fails after saving the other fields",
        &[("api/src/records/update.rs", "files_are_added_by_a_change")],
    ),
    (
        "duplicate accounts by the case of the email",
        &[("api/src/accounts/register.rs", "an_email_is_one_whatever_its_case")],
    ),
    (
        "races in register and profile-create fail",
        &[
            ("api/src/races.rs", "of_eight_identical_registrations_one_succeeds"),
            ("api/src/races.rs", "of_eight_profile_creations_one_succeeds"),
        ],
    ),
    (
        "read_at is when it was created; HEAD marks as read",
        &[
            ("api/src/notifications.rs", "reading_a_notification_marks_it_as_read"),
            ("api/src/notifications.rs", "looking_by_head_reads_nothing"),
        ],
    ),
    (
        "a new doctor is not notified",
        &[("api/src/notifications.rs", "every_change_is_told_to_those_it_concerns")],
    ),
    (
        "a later doctor rewrites a former one's note",
        &[
            ("api/src/records/annotations.rs", "a_later_doctor_cannot_change_a_former_ones_note"),
            ("api/src/access.rs", "what_is_somebody_elses_is_what_does_not_exist"),
        ],
    ),
    (
        "a note moves to another patient's record",
        &[("api/src/records/annotations.rs", "a_note_stays_with_its_record")],
    ),
    (
        "inactive doctors are listed and assigned",
        &[("api/src/accounts/doctors.rs", "an_inactive_doctor_is_neither_listed_nor_assigned")],
    ),
    (
        "deleting a doctor deletes patients' records",
        &[("api/src/records/update.rs", "records_outlive_their_doctor")],
    ),
    (
        "files are public, outlive their deletion, and open in the browser",
        &[
            ("system/src/files.rs", "objects_are_private_and_download_urls_work_for_minutes"),
            ("system/src/files.rs", "a_deleted_file_is_gone_with_its_object"),
            ("system/src/files.rs", "what_is_uploaded_after_the_deletion_is_cleaned_up"),
        ],
    ),
    (
        "a former doctor reads on through notifications",
        &[("api/src/records/update.rs", "a_former_doctor_loses_the_record_at_once_everywhere")],
    ),
    (
        "whoever registers as a doctor is offered to patients at once",
        &[
            ("api/src/admin/doctors.rs", "a_doctor_waits_for_the_approval_and_gets_it"),
            ("api/src/accounts/doctors.rs", "a_doctor_without_a_profile_is_not_listed"),
        ],
    ),
    (
        "CORS is not active",
        &[
            ("system/src/gateway.rs", "a_browser_may_ask_from_the_configured_origin"),
            ("api/src/errors.rs", "a_browser_may_read_every_answer"),
        ],
    ),
    (
        "logins are not throttled",
        &[
            ("api/src/accounts/throttling.rs", "five_failures_are_free_and_then_the_wait_doubles"),
            ("api/src/accounts/throttling.rs", "unknown_accounts_are_throttled_as_known_ones"),
        ],
    ),
    (
        "refresh tokens cannot be used, nothing can be revoked",
        &[
            ("api/src/accounts/token_refresh.rs", "a_refresh_token_gives_new_tokens"),
            ("api/src/accounts/token_refresh.rs", "a_reused_refresh_token_ends_its_session"),
            ("api/src/accounts/token_refresh.rs", "logout_ends_the_session_and_no_other"),
        ],
    ),
    ("any password is taken", &[("api/src/accounts/register.rs", "weak_passwords_are_refused")]),
    (
        "mail is queued inside the transaction, and a retry duplicates the note",
        &[
            ("api/src/idempotency.rs", "an_annotation_is_created_once"),
            ("system/src/mails.rs", "each_notification_is_one_mail"),
            ("system/src/mails.rs", "whatever_is_told_twice_is_mailed_once"),
            ("system/src/mails.rs", "the_api_works_while_nothing_is_mailed_and_nothing_is_lost"),
        ],
    ),
    // No request waits for a queue: the stream carries the mails. What a request waits for is the
    // table.
    (
        "a broker that restarts hangs the API for good",
        &[
            ("system/src/mails.rs", "the_api_works_while_nothing_is_mailed_and_nothing_is_lost"),
            ("store/src/faults.rs", "a_silent_table_is_unavailable_within_three_seconds"),
        ],
    ),
    (
        "failures are logged nowhere",
        &[("system/tests/logs.rs", "every_request_is_logged_and_none_has_failed")],
    ),
    (
        "answers and their cost grow without limit",
        &[
            ("api/src/pages.rs", "lists_are_walked_by_their_links"),
            ("api/src/budgets.rs", "a_page_costs_the_same_in_a_short_and_in_a_long_chart"),
        ],
    ),
    (
        "errors have four formats",
        &[
            ("api/src/errors.rs", "a_problem_has_every_member"),
            ("api/src/harness/http.rs", "check_problem"),
        ],
    ),
    (
        "the OpenAPI document is wrong",
        &[("contract/src/routes.rs", "every_path_reaches_its_function")],
    ),
];

#[test]
fn each_is_held_by_tests_that_exist() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for (mistake, tests) in MISTAKES {
        assert!(!tests.is_empty(), "{mistake}");
        for (file, name) in tests {
            let code = std::fs::read_to_string(folder.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(
                code.contains(&format!("fn {name}(")),
                "{name} is not in {file}: which test keeps this a mistake of the past: {mistake}?"
            );
        }
    }
}
