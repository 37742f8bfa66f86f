//! What routers offer, what `domain::access` decides about and what the table of who may do what
//! walks over are the same.
//!
//! An operation of the API stands in the OpenAPI document of a router and has a row in the table.
//! Pages of the console stand in no document and have no rows: they are held by the console's own
//! tests.

use domain::access::{Audience, Operation};

use crate::assert_same;
use crate::workspace;

/// What is decided about pages of the console and nothing else.
const OF_PAGES: &[Operation] = &[
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

/// Documents, pages and what belongs to them, for anyone: they answer no JSON that a row could
/// describe.
const PUBLISHED: &[Operation] = &[
    Operation::ReadSchema,
    Operation::SwaggerUi,
    Operation::SwaggerUiBundle,
    Operation::SwaggerUiStyle,
    Operation::SwaggerUiStart,
    Operation::ProblemPage,
];

/// An operation of a router.
struct Offered {
    id: String,
    /// Method and path, with nothing in the braces of what varies.
    request: String,
}

fn offered() -> Vec<Offered> {
    let mut offered = Vec::new();
    for (_, document) in openapi::routers() {
        let document = serde_json::to_value(document).unwrap();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let id = operation["operationId"]
                    .as_str()
                    .unwrap_or_else(|| panic!("{method} {path} has no operationId"));
                let request = nameless(&format!("{} {path}", method.to_uppercase()));
                offered.push(Offered { id: id.to_owned(), request });
            }
        }
    }
    offered
}

/// The path without the names of what varies and the slash at its end: routers and table write them
/// as suits them.
fn nameless(path: &str) -> String {
    path.trim_end_matches('/')
        .split('{')
        .map(|part| part.split_once('}').map_or(part, |(_, rest)| rest))
        .collect::<Vec<_>>()
        .join("{}")
}

#[test]
fn routers_and_access_know_the_same_operations() {
    let offered: Vec<String> = offered().into_iter().map(|operation| operation.id).collect();
    let decided = Operation::ALL
        .iter()
        .filter(|operation| !OF_PAGES.contains(operation))
        .map(|operation| operation.as_str());
    assert_same(
        offered.iter().map(String::as_str),
        decided.clone(),
        "Operation in shared/domain/src/access.rs must have the operation ids of all routers, and \
         no others but OF_PAGES here",
    );
    assert_eq!(offered.len(), decided.count(), "an operation id stands in two routers");
}

#[test]
fn every_operation_has_its_row_in_the_table_of_who_may_do_what() {
    let table = workspace::read("tests/api/access.md");
    let section = table.split("\n## ").find(|section| section.starts_with("Operations")).unwrap();
    // The names of the columns and the line below come first.
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2).map(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1);
        format!("{}: {}", cells.next().unwrap(), nameless(cells.next().unwrap()))
    });
    assert_same(
        rows,
        offered()
            .into_iter()
            .filter(|operation| {
                !PUBLISHED.iter().any(|published| published.as_str() == operation.id)
            })
            .map(|operation| format!("{}: {}", operation.id, operation.request)),
        "tests/api/access.md must have one row for each operation of the routers: say there what \
         everybody is answered, and in \
         tests/api/src/access_table.rs what they send",
    );
}

#[test]
fn what_has_no_row_for_being_published_is_for_anyone() {
    for operation in PUBLISHED {
        assert_eq!(
            operation.audience(),
            Audience::Public,
            "{operation} needs a row in tests/api/access.md"
        );
    }
}
