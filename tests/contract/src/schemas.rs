//! The schemas of the OpenAPI document are such that generators of clients lose nothing of what is
//! sent and received.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use crate::document::{FILE, committed};

/// Calls `visit` with every object in a value and its place.
fn walk<'a>(value: &'a Value, place: &str, visit: &mut impl FnMut(&'a Value, &str)) {
    match value {
        Value::Object(members) => {
            visit(value, place);
            for (name, member) in members {
                walk(member, &format!("{place}/{name}"), visit);
            }
        }
        Value::Array(entries) => {
            for (at, entry) in entries.iter().enumerate() {
                walk(entry, &format!("{place}/{at}"), visit);
            }
        }
        _ => {}
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap_or_else(|| {
            panic!("{FILE} refers to {path}, which is missing");
        }),
        None => schema,
    }
}

/// Returns the schemas of all bodies of requests, by operation.
fn bodies(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|item| item.as_object().unwrap().values());
    let bodies = operations.filter_map(|operation| {
        let schema = &operation["requestBody"]["content"].as_object()?.values().next()?["schema"];
        Some((operation["operationId"].as_str()?.to_owned(), resolved(document, schema)))
    });
    bodies.collect()
}

#[test]
fn bodies_of_requests_are_objects_without_alternatives() {
    let document = committed(FILE);
    let bodies = bodies(&document);
    assert!(bodies.len() > 20, "these are all: {bodies:?}");
    for (operation, body) in bodies {
        assert_eq!(body["type"], "object", "{operation}");
        walk(body, &operation, &mut |schema, place| {
            for word in ["anyOf", "oneOf", "allOf", "not", "if", "$ref"] {
                assert!(
                    schema.get(word).is_none(),
                    "{place} has {word}, of which generators make types that lose fields: make it \
                     an object with optional fields, and a value that may be null a `type: \
                     [string, null]`"
                );
            }
        });
    }
}

#[test]
fn forms_of_a_response_have_names_and_a_value_that_tells_them_apart() {
    let document = committed(FILE);
    let mut unions = BTreeSet::new();
    walk(&document, "", &mut |schema, place| {
        assert!(
            schema.get("anyOf").is_none(),
            "{place} has anyOf: use oneOf with a discriminator, or a type with a pattern"
        );
        let Some(forms) = schema["oneOf"].as_array() else { return };
        let named = forms.iter().filter(|form| **form != serde_json::json!({"type": "null"}));
        let named: Vec<&Value> = named.collect();
        for form in &named {
            let is_bare = form.as_object().unwrap().len() == 1 && form["$ref"].is_string();
            assert!(is_bare, "{place} has a form without a name, or something beside its name");
        }
        if forms.len() == 2 && named.len() == 1 {
            return;
        }
        let discriminator = &schema["discriminator"];
        let property = discriminator["propertyName"].as_str().unwrap_or_else(|| {
            panic!("{place} has forms without a discriminator");
        });
        let mapping = discriminator["mapping"].as_object().unwrap();
        assert_eq!(mapping.len(), forms.len(), "{place} must map each form");
        for (value, target) in mapping {
            let form = forms.iter().find(|form| form["$ref"] == *target);
            let form = resolved(&document, form.unwrap_or_else(|| panic!("{place}: {target}")));
            assert_eq!(
                form["properties"][property]["enum"],
                serde_json::json!([value]),
                "{place}: {property} of {target} must have one value"
            );
            let required = form["required"].as_array().unwrap();
            assert!(required.iter().any(|name| name == property), "{place}: {target}");
        }
        unions.insert(place.to_owned());
    });
    assert_eq!(unions, BTreeSet::from(["/components/schemas/Profile".to_owned()]));
}

/// Returns all patterns of the document.
fn patterns(document: &Value) -> BTreeSet<&str> {
    let mut patterns = BTreeSet::new();
    walk(document, "", &mut |schema, _| patterns.extend(schema["pattern"].as_str()));
    patterns
}

/// Returns why engines would read a pattern differently, or refuse it. Those of ECMAScript with and
/// without the flag `u`, RE2, Java, Python and Rust agree on what is left.
fn difference(pattern: &str) -> Option<String> {
    let mut rest = pattern.chars();
    let mut in_class = false;
    while let Some(character) = rest.next() {
        let after = rest.as_str();
        match character {
            '\\' => match rest.next()? {
                't' | 'n' | 'r' => {}
                'x' => {
                    let digits: Vec<char> = rest.by_ref().take(2).collect();
                    if digits.len() != 2 || !digits.iter().all(char::is_ascii_hexdigit) {
                        return Some("\\x without two digits".to_owned());
                    }
                }
                other if r"^$\.*+?()[]{}|/-".contains(other) => {}
                other => return Some(format!("\\{other}")),
            },
            '(' if after.starts_with('?') && !after.starts_with("?:") => {
                return Some(format!("({}", after.chars().take(3).collect::<String>()));
            }
            '{' => {
                let bounds = after.split('}').next()?;
                let small = |text: &str| text.parse::<u16>().is_ok_and(|number| number <= 1000);
                if !bounds.split(',').all(|bound| bound.is_empty() || small(bound)) {
                    return Some(format!("{{{bounds}}}"));
                }
            }
            '[' | ']' => in_class = character == '[',
            '.' if !in_class => {
                return Some("a dot, which some engines take for fewer characters".to_owned());
            }
            '\u{10000}'.. => return Some("a character beyond U+FFFF".to_owned()),
            _ => {}
        }
    }
    None
}

#[test]
fn patterns_mean_the_same_to_all_engines() {
    let document = committed(FILE);
    let patterns = patterns(&document);
    assert!(patterns.len() > 10, "these are all: {patterns:?}");
    for pattern in patterns {
        assert_eq!(difference(pattern), None, "{pattern}");
        Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let is_whole = pattern.starts_with('^') && pattern.ends_with('$');
        assert!(is_whole, "{pattern} must be anchored: engines search for a match");
    }
    for (pattern, expected) in [
        (r"^(?!a)$", "(?!a"),
        (r"^(?<name>a)\1$", "(?<n"),
        (r"^\p{L}$", r"\p"),
        (r"^\d$", r"\d"),
        (r"^\u0041$", r"\u"),
        (r"^a{2000}$", "{2000}"),
    ] {
        assert_eq!(difference(pattern).as_deref(), Some(expected), "{pattern}");
    }
}

/// Returns the places below which everything describes bodies of requests or their queries.
fn places_of_what_is_sent(document: &Value) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    walk(document, "", &mut |member, place| {
        if member["in"] == "query" {
            places.insert(format!("{place}/"));
        }
        let content = member["requestBody"]["content"].as_object();
        for media_type in content.into_iter().flat_map(|content| content.values()) {
            let reference = media_type["schema"]["$ref"].as_str();
            let reference = reference.unwrap_or_else(|| panic!("{place} has a body without name"));
            places.insert(format!("{}/", reference.trim_start_matches('#')));
        }
    });
    places
}

fn is_below(places: &BTreeSet<String>, place: &str) -> bool {
    places.iter().any(|above| place.starts_with(above))
}

/// Returns whether a class of characters has only the lower case of hexadecimal digits.
fn is_of_lower_case(class: &str) -> bool {
    class.contains("a-f") && !class.contains("A-F")
}

#[test]
fn hexadecimal_digits_may_be_sent_in_upper_case_except_in_paths() {
    let document = committed(FILE);
    let sent = places_of_what_is_sent(&document);
    let mut ids = BTreeSet::new();
    walk(&document, "", &mut |schema, place| {
        let Some(pattern) = schema["pattern"].as_str() else { return };
        // Each object has one URL: domain::id takes ids of paths in one form only, in which
        // responses have them.
        let is_id = schema["format"] == "uuid";
        let is_canonical = is_id && !is_below(&sent, place);
        assert_eq!(is_of_lower_case(pattern), is_canonical, "{place}: {pattern}");
        ids.extend(is_id.then_some(is_canonical));
    });
    assert_eq!(ids, BTreeSet::from([false, true]), "there are ids of both forms");
}

#[test]
fn domains_of_addresses_may_be_sent_in_unicode_and_are_returned_in_ascii() {
    let document = committed(FILE);
    let sent = places_of_what_is_sent(&document);
    let mut formats = BTreeSet::new();
    walk(&document, "", &mut |schema, place| {
        let format = schema["format"].as_str().unwrap_or_default();
        if format.ends_with("email") {
            let expected = if is_below(&sent, place) { "idn-email" } else { "email" };
            assert_eq!(format, expected, "{place}");
            formats.insert(format);
        }
    });
    assert_eq!(formats, BTreeSet::from(["email", "idn-email"]));
}

#[test]
fn filters_by_time_are_texts_that_say_which_bound_is_included() {
    let document = committed(FILE);
    let mut names = BTreeSet::new();
    walk(&document, "", &mut |parameter, place| {
        let Some(name) = parameter["name"].as_str() else { return };
        let expected = match name {
            "created_after" => "The bound is included.",
            "created_before" => "The bound is not included.",
            _ => return,
        };
        let description = parameter["description"].as_str().unwrap();
        assert!(description.ends_with(expected), "{place}: {description}");
        let schema = &parameter["schema"];
        assert_eq!(schema["type"], "string", "{place}");
        let pattern = Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
        for text in ["2026-03-01", "2028-02-29", "2026-03-01T10:00:00.123456Z", "9999-12-31"] {
            assert!(pattern.is_match(text), "{place}: {text}");
        }
        for text in ["", "2026-02-29", "2026-03-01T10:00:00", "yesterday"] {
            assert!(!pattern.is_match(text), "{place}: {text}");
        }
        names.insert(name);
    });
    assert_eq!(names, BTreeSet::from(["created_after", "created_before"]));
}

/// Returns how many bytes a value of a schema has at most, as JSON within JSON: a character has up
/// to four, and a quote or backslash as many with what is put before it.
fn largest(document: &Value, schema: &Value) -> u64 {
    let schema = resolved(document, schema);
    let limit = |name: &str| {
        schema[name].as_u64().unwrap_or_else(|| panic!("{schema} has no {name}: its size is open"))
    };
    let options = ["anyOf", "oneOf"].iter().find_map(|name| schema[name].as_array());
    if let Some(options) = options {
        return options.iter().map(|option| largest(document, option)).max().unwrap_or_default();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts.iter().map(|part| largest(document, part)).sum();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| value.to_string().len() as u64 + 2).max().unwrap();
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    let size_of = |kind: &Value| match kind.as_str().unwrap_or_else(|| panic!("{schema}")) {
        "string" => 4 * limit("maxLength") + 4,
        "array" => limit("maxItems") * (largest(document, &schema["items"]) + 1) + 2,
        "object" => {
            let members = schema["properties"].as_object().unwrap().iter();
            members.map(|(name, member)| name.len() as u64 + 6 + largest(document, member)).sum()
        }
        // Numbers, `true`, `false` and `null`.
        _ => 24,
    };
    kinds.iter().map(size_of).max().unwrap()
}

#[test]
fn a_page_of_the_longest_users_leaves_the_function() {
    let document = committed(FILE);
    // These are no pages by size (`http_api::page::listing_of_short`).
    for list in ["Listing_DoctorEntry", "Listing_User", "Listing_UserEntry"] {
        let schema = &document["components"]["schemas"][list];
        let bytes = largest(&document, schema);
        assert!(bytes < 5_500_000, "{list} may have {bytes} bytes: use `http_api::page::listing`");
    }
}
