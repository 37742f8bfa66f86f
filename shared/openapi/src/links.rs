//! OpenAPI links: which values of a response are the id of another operation.

use serde_json::{Map, Value, json};

/// The operation and its status; where the value is in its body; the operations that take it as
/// `id`.
const LINKS: &[(&str, &str, &str, &[&str])] = &[
    (
        "create_record",
        "201",
        "/id",
        &["read_patient_record", "update_record", "replace_record", "read_access_log"],
    ),
    ("create_record", "201", "/files/0/id", &["delete_file", "renew_upload"]),
    (
        "list_patient_records",
        "200",
        "/results/0/id",
        &["read_patient_record", "update_record", "replace_record", "read_access_log"],
    ),
    ("list_patient_records", "200", "/results/0/files/0/id", &["delete_file", "renew_upload"]),
    ("list_patient_records", "200", "/results/0/annotations/0/id", &["read_patient_history"]),
    ("list_doctor_records", "200", "/results/0/id", &["read_doctor_record"]),
    (
        "list_doctor_records",
        "200",
        "/results/0/annotations/0/id",
        &["update_annotation", "replace_annotation", "read_doctor_history"],
    ),
    (
        "create_annotation",
        "201",
        "/id",
        &["update_annotation", "replace_annotation", "read_doctor_history"],
    ),
    ("create_annotation", "201", "/record", &["read_doctor_record"]),
    ("list_notifications", "200", "/results/0/id", &["read_notification", "peek_notification"]),
    ("list_sessions", "200", "/results/0/id", &["end_session"]),
    (
        "create_user",
        "201",
        "/pk",
        &["read_user", "update_user", "end_sessions", "start_password_reset", "start_email_change"],
    ),
    (
        "list_users",
        "200",
        "/results/0/pk",
        &["read_user", "update_user", "end_sessions", "start_password_reset", "start_email_change"],
    ),
    (
        "list_doctors_by_approval",
        "200",
        "/results/0/pk",
        &["approve_doctor", "refuse_doctor", "suspend_doctor"],
    ),
];

/// Adds the links of a response.
pub(crate) fn add(operation: &str, status: &str, response: &mut Value) {
    let from_here = LINKS.iter().filter(|(from, at, _, _)| *from == operation && *at == status);
    let links: Map<String, Value> = from_here
        .flat_map(|(_, _, pointer, targets)| {
            targets.iter().map(move |target| {
                let link = json!({ "operationId": target,
                    "parameters": { "id": format!("$response.body#{pointer}") } });
                ((*target).to_owned(), link)
            })
        })
        .collect();
    if !links.is_empty() {
        response["links"] = links.into();
    }
}
