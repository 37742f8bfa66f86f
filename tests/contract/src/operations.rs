//! Routers, `domain::access` and the access table have the same operations.
//!
//! Each operation of the API is in the OpenAPI document of a router and has a row in the access
//! table (tests/api/access.md). The pages of the console have their own tests.

use domain::access::{Audience, Operation};

use crate::assert_same;
use crate::workspace;

/// Operations of pages of the console only.
const CONSOLE_ONLY: &[Operation] = &[
    Operation::OpenConsole,
    Operation::StaffListRecords,
    Operation::StaffListFiles,
    Operation::StaffListAnnotations,
    Operation::StaffListNotifications,
    Operation::LookUpRecord,
    Operation::BreakGlass,
    Operation::CorrectAssignment,
    Operation::ShowDashboard,
    Operation::ListMails,
    Operation::RedriveMails,
    Operation::ResendMail,
];

/// Public documents and pages with their assets. Their responses are not JSON, so they have no rows
/// in the access table.
const PUBLIC_PAGES: &[Operation] = &[
    Operation::ReadSchema,
    Operation::SwaggerUi,
    Operation::SwaggerUiBundle,
    Operation::SwaggerUiStyle,
    Operation::SwaggerUiStart,
    Operation::ProblemPage,
];

/// An operation of a router.
struct RoutedOperation {
    id: String,
    /// Method and path, with `{}` for each parameter.
    request: String,
}

fn routed_operations() -> Vec<RoutedOperation> {
    let mut routed = Vec::new();
    for (_, document) in openapi::routers() {
        let document = serde_json::to_value(document).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let id = operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{method} {path} has no operationId"));
                let request = normalized(&format!("{} {path}", method.to_uppercase()));
                routed.push(RoutedOperation { id: id.to_owned(), request });
            }
        }
    }
    routed
}

/// Returns the path without the names of parameters and the trailing slash.
fn normalized(path: &str) -> String {
    path.trim_end_matches('/')
        .split('{')
        .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
        .collect::<Vec<_>>()
        .join("{}")
}

#[test]
fn routers_and_access_rules_have_the_same_operations() {
    let routed: Vec<String> =
        routed_operations().into_iter().map(|operation| operation.id).collect();
    let declared = Operation::ALL
        .iter()
        .filter(|operation| !CONSOLE_ONLY.contains(operation))
        .map(|operation| operation.as_str());
    assert_same(
        routed.iter().map(String::as_str),
        declared.clone(),
        "shared/domain/src/access/operations.rs must have the operation ids of all routers, and no \
         others except CONSOLE_ONLY here",
    );
    assert_eq!(routed.len(), declared.count(), "an operation id is used twice: rename one");
}

#[test]
fn every_operation_has_a_row_in_the_access_table() {
    let table = workspace::read("tests/api/access.md");
    let section = table.split("\n## ").find(|section| section.starts_with("Operations")).unwrap();
    // Skips the header.
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2).map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1);
        format!("{}: {}", cells.next().unwrap(), normalized(cells.next().unwrap()))
    });
    assert_same(
        rows,
        routed_operations()
            .into_iter()
            .filter(|operation| !PUBLIC_PAGES.iter().any(|page| page.as_str() == operation.id))
            .map(|operation| format!("{}: {}", operation.id, operation.request)),
        "tests/api/access.md must have one row for each operation of the routers: add the expected \
         responses there, and the request in tests/api/src/access_table.rs",
    );
}

#[test]
fn operations_without_a_row_are_public() {
    for operation in PUBLIC_PAGES {
        assert_eq!(
            operation.audience(),
            Audience::Public,
            "{operation} needs a row in tests/api/access.md"
        );
    }
}
