//! Access to the expanded template.

use serde_json::{Map, Value};

pub(crate) struct Template(Value);

impl Template {
    /// Reads the template from the file that `TEMPLATE_JSON` names.
    pub(crate) fn load() -> Self {
        let path = std::env::var("TEMPLATE_JSON").expect(
            "TEMPLATE_JSON is not set: run these tests with `make test`, or set it to a file with \
             the expanded template",
        );
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("TEMPLATE_JSON names {path}, which cannot be read: {error}")
        });
        Self(serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("TEMPLATE_JSON names {path}, which is not JSON: {error}")
        }))
    }

    /// Returns a section of the template, such as `Parameters`.
    pub(crate) fn section(&self, name: &str) -> &Map<String, Value> {
        self.0[name].as_object().unwrap_or_else(|| panic!("template.yaml has no {name}"))
    }

    /// Returns a resource with type, properties and policies.
    pub(crate) fn resource(&self, id: &str) -> &Value {
        self.section("Resources")
            .get(id)
            .unwrap_or_else(|| panic!("template.yaml has no resource {id}: add or rename it"))
    }

    /// Returns the properties of a resource, which must be of this type.
    pub(crate) fn properties(&self, id: &str, kind: &str) -> &Value {
        let resource = self.resource(id);
        assert_eq!(resource["Type"], kind, "{id} of template.yaml must be a {kind}");
        &resource["Properties"]
    }

    /// Returns logical ids and properties of all resources of a type.
    pub(crate) fn all(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let of_type =
            self.section("Resources").iter().filter(move |(_, resource)| resource["Type"] == kind);
        of_type.map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }
}

/// Returns the logical id of a function's resource: `BootstrapAdminFunction` for `bootstrap-admin`.
pub(crate) fn resource_id(function: &str, kind: &str) -> String {
    let words =
        function.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    format!("{}{kind}", words.collect::<String>())
}

/// Returns a value as text, with references in the notation of `Fn::Sub`: `${Table.Arn}`.
pub(crate) fn text(value: &Value) -> String {
    let reference = |name: &str| format!("${{{name}}}");
    match value {
        Value::String(text) => text.clone(),
        Value::Object(function) if function.len() == 1 => match function.iter().next() {
            Some((name, Value::String(id))) if name == "Ref" => reference(id),
            Some((name, Value::String(template))) if name == "Fn::Sub" => template.clone(),
            Some((name, Value::Array(path))) if name == "Fn::GetAtt" => {
                reference(&path.iter().map(text).collect::<Vec<_>>().join("."))
            }
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

/// Returns the texts of a list; a single value counts as a list of one.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}

/// Returns the logical id in a reference, such as `Table` in `${Table.Arn}`.
pub(crate) fn id(value: &Value) -> String {
    let text = text(value);
    let name = text.split_once("${").and_then(|(_, rest)| rest.split(['}', '.']).next());
    name.unwrap_or_else(|| panic!("{text} does not refer to a resource")).to_owned()
}

/// Returns a whole number.
pub(crate) fn number(value: &Value, what: &str) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{what} must be a whole number in template.yaml, not {value}"))
}
