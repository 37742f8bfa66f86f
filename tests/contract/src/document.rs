//! The committed OpenAPI document is up to date and agrees with the template.

use openapi::Scope;
use serde_json::Value;

use crate::assert_same;
use crate::routes::{Path, paths};
use crate::template::{Template, number};
use crate::workspace;

pub(crate) const FILE: &str = "functions/docs/openapi.json";
const PUBLIC_FILE: &str = "functions/docs/openapi-public.json";

pub(crate) fn committed(file: &str) -> Value {
    serde_json::from_str(&workspace::read(file))
        .unwrap_or_else(|error| panic!("{file} is not JSON: {error}"))
}

#[test]
fn the_committed_documents_are_up_to_date() {
    for (scope, file) in [(Scope::All, FILE), (Scope::Public, PUBLIC_FILE)] {
        let document = openapi::document(scope).unwrap();
        let (ours, committed): (Vec<&str>, String) =
            (document.lines().collect(), workspace::read(file));
        let differs = committed.lines().enumerate().find(|(at, line)| ours.get(*at) != Some(line));
        assert!(
            document == committed,
            "{file} is outdated: run `make openapi`; the first line that differs: {differs:?}"
        );
    }
}

#[test]
fn the_public_document_lacks_the_operations_of_staff_and_nothing_else() {
    let (all, mut public) = (committed(FILE), committed(PUBLIC_FILE));
    let (all_paths, public_paths) =
        (all["paths"].as_object().unwrap(), public["paths"].as_object().unwrap());
    let missing = all_paths.keys().filter(|path| !public_paths.contains_key(*path));
    let of_staff = all_paths.keys().filter(|path| path.starts_with("/api/admin/"));
    assert_same(missing, of_staff, "the operations of staff are those below /api/admin/");
    assert!(public_paths.iter().all(|(path, item)| all_paths[path] == *item));
    let text = public.take().to_string();
    for word in ["api/admin", "Administration"] {
        assert!(!text.contains(word), "{PUBLIC_FILE} contains {word}");
    }
}

#[test]
fn the_document_has_the_routes_of_the_routers() {
    let document = committed(FILE);
    let documented = document["paths"].as_object().unwrap().iter();
    let documented = documented.flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .keys()
            .map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    // The pages of the console and of the portal are not part of the API.
    let is_of_the_api = |path: &Path| !["console", "portal"].contains(&path.function);
    let routed = paths().into_iter().filter(is_of_the_api).flat_map(|path| {
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
    let (document, template) = (committed(FILE), Template::load());
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
