//! Examples, put together from those of the single fields.

use std::collections::BTreeMap;

use http_api::form::ALTERNATIVES;
use serde_json::{Map, Value, json};

/// Makes examples of schemas.
pub(crate) struct Examples<'a> {
    pub(crate) schemas: &'a BTreeMap<String, Value>,
}

static NULL: Value = Value::Null;

impl Examples<'_> {
    /// Returns the schema to which a reference refers, or the schema itself if it is no reference.
    pub(crate) fn resolved<'b>(&'b self, schema: &'b Value) -> &'b Value {
        match schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
            Some(name) => self.schemas.get(name).unwrap_or(&NULL),
            None => schema,
        }
    }

    /// Makes an example of a body, or one of each of its [`ALTERNATIVES`].
    pub(crate) fn of_body(&self, schema: &Value) -> Vec<Value> {
        let schema = self.resolved(schema);
        let whole = self.of(schema);
        let Some(alternatives) = schema[ALTERNATIVES].as_array() else { return vec![whole] };
        let names = |alternative: &Value| alternative.as_array().cloned().unwrap_or_default();
        let examples = alternatives.iter().map(|alternative| {
            let (mut example, kept) = (whole.clone(), names(alternative));
            let others = alternatives.iter().flat_map(names).filter(|name| !kept.contains(name));
            if let Some(members) = example.as_object_mut() {
                others.for_each(|name| {
                    members.remove(name.as_str().unwrap_or_default());
                });
            }
            example
        });
        examples.collect()
    }

    /// Makes an example of a schema.
    pub(crate) fn of(&self, schema: &Value) -> Value {
        let schema = self.resolved(schema);
        let given =
            [&schema["const"], &schema["example"], &schema["examples"][0], &schema["enum"][0]];
        if let Some(given) = given.into_iter().find(|given| !given.is_null()) {
            return given.clone();
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let members = parts.iter().filter_map(|part| self.of(part).as_object().cloned());
            return members.flatten().collect::<Map<_, _>>().into();
        }
        for name in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[name].as_array() {
                return choices
                    .iter()
                    .find(|choice| choice["type"] != "null")
                    .map(|choice| self.of(choice))
                    .unwrap_or_default();
            }
        }
        match type_of(schema) {
            "object" => {
                let properties = schema["properties"].as_object().into_iter().flatten();
                let members: Map<_, _> =
                    properties.map(|(name, member)| (name.clone(), self.of(member))).collect();
                members.into()
            }
            "array" => json!([self.of(&schema["items"])]),
            "boolean" => json!(true),
            "integer" | "number" => schema["minimum"].as_i64().unwrap_or(1).max(1).into(),
            "string" => string(schema).into(),
            _ => Value::Null,
        }
    }
}

/// Returns the type of a schema other than null.
fn type_of(schema: &Value) -> &str {
    let several = schema["type"]
        .as_array()
        .and_then(|types| types.iter().filter_map(Value::as_str).find(|name| *name != "null"));
    several.or_else(|| schema["type"].as_str()).unwrap_or_default()
}

fn string(schema: &Value) -> &'static str {
    match schema["format"].as_str().unwrap_or_default() {
        "date-time" => "2026-03-01T10:00:00Z",
        "date" => "1985-04-12",
        "uri" | "uri-reference" => "https://example.org/",
        "uuid" => "0190a5c0-0000-7000-8000-000000000001",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_made_of_those_of_its_parts() {
        let schemas =
            BTreeMap::from([("Name".to_owned(), json!({"type": "string", "examples": ["Jane"]}))]);
        let examples = Examples { schemas: &schemas };
        let schema = json!({"allOf": [
            {"type": "object", "properties": {"name": {"$ref": "#/components/schemas/Name"},
                "role": {"enum": ["patient"]}}},
            {"type": "object", "properties": {"at": {"type": ["null", "string"],
                "format": "date-time"}, "of": {"type": "array", "items": {"oneOf": [
                {"type": "null"}, {"type": "integer", "minimum": 7},
            ]}}}},
        ]});
        let expected =
            json!({"name": "Jane", "role": "patient", "at": "2026-03-01T10:00:00Z", "of": [7]});
        assert_eq!(examples.of(&schema), expected);
    }

    #[test]
    fn of_fields_that_are_not_given_together_an_example_has_one() {
        let schemas = BTreeMap::from([(
            "Proof".to_owned(),
            json!({"type": "object", ALTERNATIVES: [["app"], ["paper"]], "properties":
                {"by": {"example": 1}, "app": {"example": 2}, "paper": {"example": 3}}}),
        )]);
        let examples = Examples { schemas: &schemas };
        let expected = [json!({"by": 1, "app": 2}), json!({"by": 1, "paper": 3})];
        assert_eq!(examples.of_body(&crate::reference("schemas", "Proof")), expected);
        let one = json!({"type": "object", "properties": {"by": {"example": 1}}});
        assert_eq!(examples.of_body(&one), [json!({"by": 1})]);
    }
}
