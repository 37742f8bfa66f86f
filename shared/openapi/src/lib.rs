//! The document of the API (OpenAPI 3.1): what the handlers of all functions say of themselves, put
//! together, and finished by what follows from rules: who may call what, which problems every
//! operation can have, headers, examples, links.

mod example;
mod links;
mod problems;
mod shared;

use std::collections::BTreeMap;

use domain::access::{Audience, Operation};
use domain::problem::Code;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};

use crate::example::Examples;
use crate::problems::Problems;

/// The whole document, in the order in which it is read.
#[derive(Serialize)]
struct OpenApiDocument {
    openapi: &'static str,
    info: Value,
    servers: Value,
    tags: Value,
    paths: BTreeMap<String, Value>,
    components: BTreeMap<&'static str, BTreeMap<String, Value>>,
}

/// Returns the descriptions of the routes of all functions that serve HTTP, by function name.
pub fn routers() -> [(&'static str, OpenApi); 5] {
    [
        ("accounts", accounts::router().into_openapi()),
        ("records", records::router().into_openapi()),
        ("notifications", notifications::router().into_openapi()),
        ("admin", admin::router().into_openapi()),
        ("docs", docs::router().into_openapi()),
    ]
}

/// The operations that a document describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All but those of staff.
    Public,
    /// Those of staff, too.
    All,
}

/// Returns the document as text.
///
/// # Errors
/// A wrong description of the handlers: two functions with one path, two schemas with one name, an
/// unknown operation or problem.
pub fn document(scope: Scope) -> Result<String, String> {
    let (mut paths, mut schemas) = merged(scope)?;
    name_entries(&mut schemas);
    schemas.values_mut().for_each(limited);
    schemas.values_mut().for_each(bare_references);
    let examples = Examples { schemas: &schemas };
    let mut problems = Problems::new(&examples);
    for (path, item) in &mut paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            finish(path, method, operation, &examples, &mut problems)
                .map_err(|error| format!("{method} {path}: {error}"))?;
        }
    }
    let responses = problems.responses;
    for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
        schema.remove(http_api::form::ALTERNATIVES);
    }
    let components = BTreeMap::from([
        ("schemas", schemas),
        ("responses", responses),
        ("parameters", shared::parameters()),
        ("headers", shared::headers()),
        ("securitySchemes", shared::security_schemes()),
    ]);
    let document = OpenApiDocument {
        openapi: "3.1.1",
        info: shared::info(),
        servers: shared::servers(),
        tags: shared::tags(scope),
        paths,
        components,
    };
    let document = serde_json::to_value(&document)
        .map(sorted)
        .and_then(|value| ordered(&value))
        .map_err(|error| error.to_string())?;
    Ok(in_ascii(&document) + "\n")
}

/// Escapes all other characters of a JSON text, most of which nobody would see there.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            text.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

type Named = BTreeMap<String, Value>;

/// Merges the paths and schemas of the functions.
fn merged(scope: Scope) -> Result<(Named, Named), String> {
    let (mut paths, mut schemas) = (Named::new(), Named::new());
    schemas.insert("GatewayError".to_owned(), shared::gateway_error());
    // No handler names it: problems are what handlers fail with.
    let mut of_problems = vec![problem_schema::<http_api::problem::ProblemDocument>()];
    <http_api::problem::ProblemDocument as ToSchema>::schemas(&mut of_problems);
    let of_problems =
        of_problems.into_iter().map(|(name, schema)| Ok((name, serde_json::to_value(schema)?)));
    schemas.extend(
        of_problems
            .collect::<Result<Named, serde_json::Error>>()
            .map_err(|error| error.to_string())?,
    );
    let is_in_scope = |function: &str| scope == Scope::All || function != "admin";
    for (function, document) in routers().into_iter().filter(|(name, _)| is_in_scope(name)) {
        let mut document = serde_json::to_value(document).map_err(|error| error.to_string())?;
        for (path, item) in taken_object(&mut document["paths"]) {
            if paths.insert(path.clone(), item).is_some() {
                return Err(format!("{path} of {function} is another function's path, too"));
            }
        }
        for (name, schema) in taken_object(&mut document["components"]["schemas"]) {
            let before = schemas.insert(name.clone(), schema.clone());
            if before.is_some_and(|before| before != schema) {
                return Err(format!(
                    "{name} of {function} is another function's schema, too: give one of them \
                     #[schema(as = ...)]"
                ));
            }
        }
    }
    Ok((paths, schemas))
}

fn problem_schema<T: ToSchema>() -> (String, RefOr<Schema>) {
    ("Problem".to_owned(), T::schema())
}

fn taken_object(value: &mut Value) -> Map<String, Value> {
    match value.take() {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Refers to the entries of pages by their names, where the generator has written them out.
fn name_entries(schemas: &mut Named) {
    let known = schemas.clone();
    for (name, page) in schemas.iter_mut() {
        let Some(entry) = name.strip_prefix("Listing_").filter(|entry| known.contains_key(*entry))
        else {
            continue;
        };
        let items = &mut page["properties"]["results"]["items"];
        if known.get(entry) == Some(&*items) {
            *items = reference("schemas", entry);
        }
    }
}

/// Makes a reference to a shared component.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Adds what follows from rules to what a handler says of its operation.
fn finish(
    path: &str,
    method: &str,
    operation: &mut Value,
    examples: &Examples<'_>,
    problems: &mut Problems<'_>,
) -> Result<(), String> {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let known: Operation =
        id.parse().map_err(|_| format!("domain::access knows no operation {id}"))?;
    describe(operation, known.audience());
    operation["security"] = shared::security(known.audience());
    add_parameters(path, operation, known);
    if let Some(body) = operation.get_mut("requestBody") {
        finish_body(body, examples);
    }
    problems.add(path, method, operation, known)?;
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        if response.get("$ref").is_none() {
            finish_success(status, response, examples, known);
            links::add(&id, status, response);
        }
    }
    Ok(())
}

/// Joins the lines of a handler's documentation comment to paragraphs, and makes the first sentence
/// the summary.
fn describe(operation: &mut Value, audience: Audience) {
    let part = |name: &str| operation[name].as_str().unwrap_or_default().trim().to_owned();
    let (first, rest) = (part("summary"), part("description"));
    let gap = if first.ends_with('.') { "\n\n" } else { "\n" };
    let text = format!("{first}{gap}{rest}").replace("[`", "`").replace("`]", "`");
    let paragraphs = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut paragraphs: Vec<String> =
        paragraphs.filter(|paragraph| !paragraph.is_empty()).collect();
    let summary = paragraphs
        .first()
        .map(|first| first.split(". ").next().unwrap_or(first).trim_end_matches('.').to_owned());
    paragraphs.push(shared::for_whom(audience).to_owned());
    operation["summary"] = summary.unwrap_or_default().into();
    operation["description"] = paragraphs.join("\n\n").into();
}

/// Adds the variables of the path that the handler has not described, and the request headers that
/// belong to the operation's responses.
fn add_parameters(path: &str, operation: &mut Value, known: Operation) {
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for parameter in &mut parameters {
        if let Some(schema) = parameter.get_mut("schema") {
            limited(schema);
            if parameter.get("description").is_none()
                && let Some(description) =
                    parameter["schema"]["description"].as_str().map(str::to_owned)
            {
                parameter["description"] = description.into();
            }
        }
    }
    for name in path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        if !parameters.iter().any(|parameter| parameter["name"] == name) {
            parameters.push(shared::path_parameter(name));
        }
    }
    if known.is_idempotent() {
        parameters.push(reference("parameters", "IdempotencyKey"));
    }
    if known.has_token_transport() {
        parameters.push(reference("parameters", "TokenTransport"));
    }
    if known.problems().iter().any(|(_, code)| *code == Code::PreconditionFailed) {
        parameters.push(reference("parameters", "IfMatch"));
    }
    if operation["responses"].get("304").is_some() {
        parameters.push(reference("parameters", "IfNoneMatch"));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

fn finish_body(body: &mut Value, examples: &Examples<'_>) {
    if let Some(media) =
        body["content"].as_object_mut().and_then(|content| content.values_mut().next())
    {
        limited(&mut media["schema"]);
        let schema = examples.resolved(&media["schema"]);
        // A body of which nothing must be there need not be there itself.
        let required = schema["required"].as_array().is_some_and(|names| !names.is_empty());
        let values = examples.of_body(schema).into_iter().enumerate();
        let named =
            values.map(|(at, value)| (format!("example{}", at + 1), json!({ "value": value })));
        media["examples"] = named.collect::<Map<_, _>>().into();
        body["required"] = required.into();
    }
}

fn finish_success(status: &str, response: &mut Value, examples: &Examples<'_>, known: Operation) {
    let mut names: Vec<String> =
        response["headers"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
    names.extend(shared::EVERYWHERE.map(str::to_owned));
    if known.is_idempotent() {
        names.push("Idempotent-Replayed".to_owned());
    }
    if known.has_token_transport() {
        names.push("Set-Cookie".to_owned());
    }
    if status == "201" {
        names.push("Location".to_owned());
    }
    if status == "304" {
        names.extend(["ETag".to_owned(), "Cache-Control".to_owned()]);
    }
    for (media_type, media) in response["content"].as_object_mut().into_iter().flatten() {
        // Of YAML the schema says what it means, not how it is written.
        let is_document = ["openapi", "yaml"].iter().any(|word| media_type.contains(word));
        if !is_document && !media_type.contains("json") {
            media["schema"] = json!({ "type": "string", "maxLength": 10_000_000 });
            continue;
        }
        limited(&mut media["schema"]);
        if examples.resolved(&media["schema"])["properties"]["next"].is_object() {
            names.push("Link".to_owned());
        }
        if !is_document {
            media["example"] = examples.of(&media["schema"]);
        }
    }
    if response["content"].is_null()
        && let Some(response) = response.as_object_mut()
    {
        response.remove("content");
    }
    let headers = names.into_iter().map(|name| {
        let header = reference("headers", &name);
        (name, header)
    });
    response["headers"] = headers.collect::<Map<_, _>>().into();
}

/// Adds default limits to strings and numbers that declare none: those of a body, and of numbers of
/// 64 bits that every client can read.
fn limited(schema: &mut Value) {
    let is = |schema: &Value, name: &str| {
        schema["type"] == name
            || schema["type"].as_array().is_some_and(|types| types.iter().any(|it| it == name))
    };
    if is(schema, "string") && schema.get("enum").is_none() && schema.get("maxLength").is_none() {
        let max = if schema["format"] == "date-time" { 64 } else { http_api::form::BODY_LIMIT };
        schema["maxLength"] = max.into();
    }
    if is(schema, "integer") {
        let max: i64 =
            if schema["format"] == "int32" { i32::MAX.into() } else { 9_007_199_254_740_991 };
        for (name, value) in
            [("format", json!("int64")), ("minimum", json!(0)), ("maximum", json!(max))]
        {
            if schema.get(name).is_none() {
                schema[name] = value;
            }
        }
    }
    match schema {
        Value::Object(members) => members
            .iter_mut()
            .filter(|(name, _)| *name != "example" && *name != "examples")
            .for_each(|(_, below)| limited(below)),
        Value::Array(entries) => entries.iter_mut().for_each(limited),
        _ => {}
    }
}

/// Removes everything next to `$ref`: some generators take a described `$ref` for an unnamed
/// schema. The description of the only form moves to the schema.
fn bare_references(schema: &mut Value) {
    if let Some(forms) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        let is_only = forms.iter().filter(|form| form["type"] != "null").count() == 1;
        let mut description = None;
        for form in forms.iter_mut().filter_map(Value::as_object_mut) {
            if form.contains_key("$ref") {
                description = form.remove("description").filter(|_| is_only).or(description);
            }
        }
        if let Some(description) = description {
            schema["description"] = description;
        }
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(bare_references),
        Value::Array(entries) => entries.iter_mut().for_each(bare_references),
        _ => {}
    }
}

/// Sorts the members of a value's objects by name, whatever order the build keeps them in.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, member)| (name, sorted(member)))
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        Value::Array(entries) => entries.into_iter().map(sorted).collect(),
        simple => simple,
    }
}

/// The sections of the document, in the order in which they are written.
const SECTIONS: [&str; 6] = ["openapi", "info", "servers", "tags", "paths", "components"];

/// Returns the document as text, with its sections in the order of [`SECTIONS`].
fn ordered(document: &Value) -> Result<String, serde_json::Error> {
    let mut members = Vec::new();
    for name in SECTIONS {
        let text = serde_json::to_string_pretty(&document[name])?.replace('\n', "\n  ");
        members.push(format!("  \"{name}\": {text}"));
    }
    Ok(format!("{{\n{}\n}}", members.join(",\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_added_where_there_are_none() {
        let mut schema = json!({"type": "object", "properties": {
            "a": {"type": ["string", "null"]}, "b": {"type": "string", "maxLength": 3},
                "c": {"type": "integer", "minimum": 1},
        }});
        limited(&mut schema);
        assert_eq!(schema["properties"]["a"]["maxLength"], http_api::form::BODY_LIMIT);
        assert_eq!(schema["properties"]["b"]["maxLength"], 3);
        assert_eq!(
            schema["properties"]["c"],
            json!({"type": "integer", "minimum": 1, "format": "int64",
                "maximum": 9_007_199_254_740_991_i64})
        );
    }

    #[test]
    fn references_to_forms_stand_alone() {
        let form = |name: &str| json!({"$ref": name, "description": name});
        let mut schema = json!({"properties": {
            "one": {"oneOf": [form("a"), {"type": "null"}]},
            "two": {"oneOf": [form("a"), form("b")]},
        }});
        bare_references(&mut schema);
        assert_eq!(
            schema["properties"],
            json!({"one": {"description": "a", "oneOf": [{"$ref": "a"}, {"type": "null"}]},
                "two": {"oneOf": [{"$ref": "a"}, {"$ref": "b"}]}})
        );
    }

    #[test]
    fn characters_that_nobody_sees_are_escaped() {
        let text = json!({"a": "\u{202e}\u{1f3f4}b"}).to_string();
        assert_eq!(in_ascii(&text), r#"{"a":"\u202e\ud83c\udff4b"}"#);
    }

    #[test]
    fn a_comment_becomes_summary_and_paragraphs() {
        let mut operation = json!({"summary": "Do it, and", "description": "more of it. Then \
             rest.\n\nSee [`this`]\nand that."});
        describe(&mut operation, Audience::Public);
        assert_eq!(operation["summary"], "Do it, and more of it");
        assert_eq!(
            operation["description"],
            "Do it, and more of it. Then rest.\n\nSee `this` and that.\n\nFor anyone."
        );
    }
}
