//! The committed OpenAPI document is up to date and agrees with the template.

use serde_json::Value;

use crate::assert_same;
use crate::routes::paths;
use crate::template::{Template, number};
use crate::workspace;

const FILE: &str = "functions/docs/openapi.json";
const YAML: &str = "functions/docs/openapi.yaml";

fn committed() -> Value {
    serde_json::from_str(&workspace::read(FILE))
        .unwrap_or_else(|error| panic!("{FILE} is not JSON: {error}"))
}

#[test]
fn the_committed_document_is_up_to_date() {
    let document = openapi::document().unwrap();
    let (ours, committed): (Vec<&str>, String) =
        (document.lines().collect(), workspace::read(FILE));
    let differs = committed.lines().enumerate().find(|(at, line)| ours.get(*at) != Some(line));
    assert!(
        document == committed,
        "{FILE} is outdated: run `make openapi`; the first line that differs: {differs:?}"
    );
}

#[test]
fn the_committed_yaml_is_the_committed_document() {
    let (json, committed) = (workspace::read(FILE), workspace::read(YAML));
    assert!(openapi::yaml(&json).unwrap() == committed, "{YAML} is old: run `make openapi`");
    let parsed: Value = serde_saphyr::from_str(&committed).unwrap();
    assert!(parsed == self::committed(), "{YAML} and {FILE} are different documents");
}

#[test]
fn the_document_has_the_routes_of_the_routers() {
    let document = committed();
    let documented = document["paths"].as_object().unwrap().iter();
    let documented = documented.flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .keys()
            .map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    // The pages of the console are not part of the API.
    let routed =
        paths().into_iter().filter(|path| !path.template.starts_with("/admin/")).flat_map(|path| {
            path.methods.into_iter().map(move |method| format!("{method} {}", path.template))
        });
    assert_same(
        documented,
        routed,
        &format!("{FILE} must have the routes of the routers: run `make openapi`"),
    );
}

#[test]
fn the_document_contains_the_default_limits_of_files() {
    let (document, template) = (committed(), Template::load());
    let default =
        |parameter: &str| number(&template.section("Parameters")[parameter]["Default"], parameter);
    let files = &document["components"]["schemas"]["NewRecord"]["properties"]["files"];
    let advice = "UploadLimits::DEFAULT in functions/records/src/new_files.rs must be the defaults \
        of template.yaml: correct one of them";
    assert_eq!(files["maxItems"], default("MaxFilesPerRecord"), "{advice}");
    assert_eq!(
        files["items"]["properties"]["size_bytes"]["maximum"],
        default("MaxFileBytes"),
        "{advice}"
    );
}
