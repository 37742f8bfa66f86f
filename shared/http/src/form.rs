//! JSON bodies, read field by field, so that all mistakes in a body are reported at once. Declare
//! bodies with [`request!`](crate::request!); use [`Form`] directly where a reader is not a struct.

use std::fmt;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use crypto::sha256_base64url;
use domain::field::{FieldError, FieldValue, Reason};
use domain::problem::Code;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Object, Schema, SchemaType, Type};

use crate::problem::Problem;
use crate::request::Patch;

/// The greatest length of a body in bytes: above the largest valid one (a description of 5,000
/// characters and twenty files, every character written as a `\u` escape), far below Lambda's
/// limit.
pub const BODY_LIMIT: usize = 128 * 1024;

/// The body of a request: a JSON object whose fields are read one by one. Unknown fields are
/// ignored.
///
/// Each method returns `None` once it has recorded an error. Read all fields before the first `?`.
#[derive(Default)]
pub struct Form {
    fields: Map<String, Value>,
    /// The prefix of field names in errors: `files[2].`.
    prefix: String,
    errors: Vec<FieldError>,
    /// The schema of what is read, instead of values: see [`describe`].
    described_schema: Option<Box<Object>>,
}

/// Name of a schema member that lists mutually exclusive fields, one list for each alternative.
/// Used for examples; removed from the document.
pub const ALTERNATIVES: &str = "x-alternatives";

/// A type that is read from the body of a request.
pub trait FromForm: Sized {
    /// Reads every field before the first `?`; `None` when an error was recorded.
    fn from_form(form: &mut Form) -> Option<Self>;
}

/// A body that is read without parameters.
pub struct Body<T>(pub T);

enum FieldInput<T> {
    Absent,
    Null,
    Value(T),
}

impl Form {
    /// Makes a form of the fields of an object.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields, ..Self::default() }
    }

    /// Returns a fingerprint of the body, before anything is read. It depends on fields and values,
    /// not on their order and layout.
    pub(crate) fn fingerprint(&self) -> String {
        #[expect(clippy::expect_used, reason = "one fingerprint for all bodies would be wrong")]
        let sorted = serde_json::to_vec(&self.fields).expect("JSON that was read can be written");
        sha256_base64url(&sorted)
    }

    /// Records an error, for rules over several fields.
    pub fn reject(&mut self, name: &str, reason: Reason) {
        self.errors.push(FieldError::new(format!("{}{name}", self.prefix), reason));
    }

    /// Records the error of a result, or returns its value.
    fn record_error<T>(&mut self, name: &str, result: Result<T, Reason>) -> Option<T> {
        result.map_err(|reason| self.reject(name, reason)).ok()
    }

    fn given<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Option<FieldInput<T>> {
        let result = match self.fields.get(name) {
            None => Ok(FieldInput::Absent),
            Some(Value::Null) => Ok(FieldInput::Null),
            Some(Value::String(text)) if text.contains('\0') => Err(no_nul()),
            Some(value) => parse(value).map(FieldInput::Value),
        };
        self.record_error(name, result)
    }

    fn absent_or<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Option<Option<T>> {
        match self.given(name, parse)? {
            FieldInput::Absent => Some(None),
            FieldInput::Null => {
                self.record_error(name, Err(Reason::new("null", "Must not be null.")))
            }
            FieldInput::Value(value) => Some(Some(value)),
        }
    }

    /// Adds a field to the schema, and returns whether there is a schema instead of values.
    fn describes(&mut self, name: &str, required: bool, schema: impl FnOnce() -> Schema) -> bool {
        let Some(described) = &mut self.described_schema else { return false };
        described.properties.insert(name.to_owned(), schema().into());
        described.required.extend(required.then(|| name.to_owned()));
        true
    }

    /// Reads a field that must be present; the error is `required` when absent, `null` when null.
    pub fn required<T: FieldValue>(&mut self, name: &str) -> Option<T> {
        self.required_by(name, T::schema, T::from_json)
    }

    /// Reads a field that must be present, by a rule with parameters; `schema` describes it.
    pub fn required_by<T>(
        &mut self,
        name: &str,
        schema: impl FnOnce() -> Object,
        parse: impl FnOnce(&Value) -> Result<T, Reason>,
    ) -> Option<T> {
        if self.describes(name, true, || schema().into()) {
            return None;
        }
        match self.absent_or(name, parse)? {
            Some(value) => Some(value),
            None => self.record_error(name, Err(Reason::required())),
        }
    }

    /// Reads a field that may be absent, but not null.
    pub fn optional<T: FieldValue>(&mut self, name: &str) -> Option<Option<T>> {
        if self.describes(name, false, || T::schema().into()) {
            return None;
        }
        self.absent_or(name, T::from_json)
    }

    /// Reads one of two fields, and not both.
    pub fn one_of<A: FieldValue, B: FieldValue, T>(
        &mut self,
        (name, one): (&str, impl FnOnce(A) -> T),
        (other_name, other): (&str, impl FnOnce(B) -> T),
    ) -> Option<T> {
        let read = self.either((name, one), (other_name, other));
        self.describe_pair([name, other_name], "Give one of them, and only one:");
        match read? {
            Some(value) => Some(value),
            None => self.record_error(
                name,
                Err(Reason::new("required", format!("This field is required, or {other_name}."))),
            ),
        }
    }

    /// Reads one of two fields, or none.
    pub fn at_most_one_of<A: FieldValue, B: FieldValue, T>(
        &mut self,
        one: (&str, impl FnOnce(A) -> T),
        other: (&str, impl FnOnce(B) -> T),
    ) -> Option<Option<T>> {
        let names = [one.0, other.0];
        let read = self.either(one, other);
        self.describe_pair(names, "Give at most one of them:");
        read
    }

    /// Says in the schema that two fields are not given together. A `oneOf` would say it to
    /// machines, but generators of clients make types of it that lose fields.
    fn describe_pair(&mut self, names: [&str; 2], rule: &str) {
        if let Some(described) = &mut self.described_schema {
            let [one, other] = names;
            describe_alternatives(
                described,
                format!("{rule} `{one}` or `{other}`."),
                names.map(|name| vec![name.to_owned()]),
            );
        }
    }

    fn either<A: FieldValue, B: FieldValue, T>(
        &mut self,
        (name, one): (&str, impl FnOnce(A) -> T),
        (other_name, other): (&str, impl FnOnce(B) -> T),
    ) -> Option<Option<T>> {
        let (value, other_value) = (self.optional(name), self.optional(other_name));
        match (value?, other_value?) {
            (Some(value), None) => Some(Some(one(value))),
            (None, Some(value)) => Some(Some(other(value))),
            (None, None) => Some(None),
            (Some(_), Some(_)) => self.record_error(
                other_name,
                Err(Reason::new("exclusive", format!("Must not be given beside {name}."))),
            ),
        }
    }

    /// Reads a field that has a default; it must not be null.
    pub fn or_default<T: FieldValue>(&mut self, name: &str, default: T) -> Option<T> {
        self.optional(name).map(|value| value.unwrap_or(default))
    }

    /// Reads a field that may be absent or null, which is the same.
    pub fn nullable<T: FieldValue>(&mut self, name: &str) -> Option<Option<T>> {
        self.nullable_with(name, Ok)
    }

    /// Reads a field that may be absent or null, which is the same, and whose value must also keep
    /// a rule.
    pub fn nullable_with<T: FieldValue>(
        &mut self,
        name: &str,
        check: impl FnOnce(T) -> Result<T, Reason>,
    ) -> Option<Option<T>> {
        self.patch_with(name, check).map(|value| value.apply(None))
    }

    /// Reads a field of a change that may be null.
    pub fn patch<T: FieldValue>(&mut self, name: &str) -> Option<Patch<T>> {
        self.patch_with(name, Ok)
    }

    /// Reads a field of a change that may be null, and whose value must also keep a rule.
    pub fn patch_with<T: FieldValue>(
        &mut self,
        name: &str,
        check: impl FnOnce(T) -> Result<T, Reason>,
    ) -> Option<Patch<T>> {
        if self.describes(name, false, || or_null(T::schema())) {
            return None;
        }
        Some(match self.given(name, |value| T::from_json(value).and_then(check))? {
            FieldInput::Absent => Patch::Keep,
            FieldInput::Null => Patch::Clear,
            FieldInput::Value(value) => Patch::Set(value),
        })
    }

    /// Reads fields with a reader of their own.
    pub fn by<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        read(self)
    }

    /// Reads a list of at most `max` objects, each with `read`; empty when absent.
    pub fn list<T>(
        &mut self,
        name: &str,
        max: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        if self.describes(name, false, || {
            ArrayBuilder::new().items(describe(&mut read)).max_items(Some(max)).into()
        }) {
            return None;
        }
        let entries = self.absent_or(name, |value| match value.as_array() {
            None => Err(Reason::new("invalid", "Must be a list.")),
            Some(entries) if entries.len() > max => {
                Err(Reason::new("too_many", format!("Must have at most {max} entries.")))
            }
            Some(entries) => Ok(entries.clone()),
        })?;
        let mut values = Vec::new();
        let before = self.errors.len();
        for (index, entry) in entries.unwrap_or_default().into_iter().enumerate() {
            let Value::Object(fields) = entry else {
                self.reject(
                    &format!("{name}[{index}]"),
                    Reason::new("invalid", "Must be an object."),
                );
                continue;
            };
            let mut form = Self {
                fields,
                prefix: format!("{}{name}[{index}].", self.prefix),
                errors: Vec::new(),
                described_schema: None,
            };
            values.extend(read(&mut form));
            self.errors.append(&mut form.errors);
        }
        (self.errors.len() == before).then_some(values)
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// 400 with every error.
    pub fn parse<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Result<T, Problem> {
        let value = read(&mut self);
        complete(value, self.errors)
    }
}

/// Returns the schema of what a reader reads. The reader runs on a form that records the fields
/// instead of returning values, so that the schema cannot differ from what is read.
#[expect(clippy::expect_used, reason = "a schema of something else would be wrong")]
pub fn describe<T>(read: impl FnOnce(&mut Form) -> Option<T>) -> RefOr<Schema> {
    let described_schema = Some(Box::new(Object::with_type(Type::Object)));
    let mut form = Form { described_schema, ..Form::default() };
    read(&mut form);
    Schema::Object(*form.described_schema.expect("set above, and only added to")).into()
}

/// Returns the schema of a body whose fields depend on the caller's role: one object with the
/// fields of all roles, none of them required.
pub fn by_role<const N: usize>(schemas: [(&str, RefOr<Schema>); N]) -> RefOr<Schema> {
    let mut all = Object::with_type(Type::Object);
    let (mut rules, mut alternatives) = (Vec::new(), Vec::new());
    for (role, schema) in schemas {
        let RefOr::T(Schema::Object(schema)) = schema else { continue };
        let name = |field: &String| {
            let must = if schema.required.contains(field) { " (required)" } else { "" };
            format!("`{field}`{must}")
        };
        let names: Vec<String> = schema.properties.keys().map(name).collect();
        rules.push(format!("Fields of a {role}: {}.", names.join(", ")));
        alternatives.push(schema.properties.keys().cloned().collect());
        all.properties.extend(schema.properties);
    }
    describe_alternatives(&mut all, rules.join(" "), alternatives);
    all.into()
}

/// Adds to a schema which of its fields are not given together.
fn describe_alternatives(
    schema: &mut Object,
    rule: String,
    alternatives: impl IntoIterator<Item = Vec<String>>,
) {
    let alternatives: Vec<Vec<String>> = alternatives.into_iter().collect();
    schema.description = Some(rule);
    schema.extensions.get_or_insert_default().insert(ALTERNATIVES.to_owned(), json!(alternatives));
}

/// Returns the schema with null added.
fn or_null(mut schema: Object) -> Schema {
    if let SchemaType::Type(of) = schema.schema_type {
        schema.schema_type = SchemaType::Array(vec![of, Type::Null]);
    }
    if let Some(words) = &mut schema.enum_values {
        words.push(Value::Null);
    }
    schema.into()
}

/// Gives a type a schema in the OpenAPI document: that of its reader, or another one,
/// `request_schema!(NewProfile: by_role([...]))`. [`request!`](crate::request!) does it by itself.
#[macro_export]
macro_rules! request_schema {
    ($name:ident) => {
        $crate::request_schema!(
            $name: $crate::form::describe(<$name as $crate::form::FromForm>::from_form)
        );
    };
    ($name:ident: $schema:expr) => {
        impl $crate::utoipa::PartialSchema for $name {
            fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $schema
            }
        }

        impl $crate::utoipa::ToSchema for $name {}
    };
}

/// Returns what was read, unless errors were recorded.
pub(crate) fn complete<T>(value: Option<T>, errors: Vec<FieldError>) -> Result<T, Problem> {
    match value {
        Some(value) if errors.is_empty() => Ok(value),
        None if errors.is_empty() => Err(Problem::internal("a field was refused without an error")),
        _ => Err(Problem::validation(errors)),
    }
}

pub(crate) fn no_nul() -> Reason {
    Reason::new("invalid", "Must not contain the character NUL.")
}

impl<S: Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        // Parsers may ignore a byte order mark (RFC 8259, section 8.1). Some clients send one.
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        if bytes.is_empty() {
            // An empty body is an object without fields, as in the Django service: the problem
            // names the missing fields.
            return Ok(Self::default());
        }
        if !is_json(&parts.headers) {
            return Err(Problem::unsupported_media_type());
        }
        match json(bytes)? {
            Value::Object(fields) => Ok(Self::new(fields)),
            _ => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                Code::NotAnObject,
                "The body must be a JSON object.",
            )),
        }
    }
}

/// The character U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The character U+FFFD, by which the gateway replaces bytes that are not UTF-8.
pub(crate) const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Reads a body.
///
/// # Errors
/// 413 when it is longer than [`BODY_LIMIT`], 415 when it is compressed.
pub async fn read(headers: &HeaderMap, body: axum::body::Body) -> Result<Bytes, Problem> {
    // Lambda hands over whole bodies, so being too long is the only way to fail.
    let bytes =
        to_bytes(body, BODY_LIMIT).await.map_err(|_| Problem::payload_too_large(BODY_LIMIT))?;
    let is_plain = headers.get_all(header::CONTENT_ENCODING).iter().all(|line| {
        let codings = line.to_str().unwrap_or("invalid").split(',').map(str::trim);
        codings.into_iter().all(|it| it.is_empty() || it.eq_ignore_ascii_case("identity"))
    });
    if is_plain { Ok(bytes) } else { Err(Problem::unsupported_content_coding()) }
}

/// Reads JSON in which no object has a name twice.
fn json(bytes: &[u8]) -> Result<Value, Problem> {
    let malformed = |detail| Problem::new(StatusCode::BAD_REQUEST, Code::MalformedJson, detail);
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(REPLACEMENT));
    let text = text.ok_or_else(|| {
        malformed(
            "The body is not in UTF-8, or contains U+FFFD, the character that stands for what was \
             not.",
        )
    })?;
    // Syntax is checked by the parser, and the visitor adds one rule.
    serde_json::from_str::<UniqueNames>(text).map(|value| value.0).map_err(|error| {
        malformed(if error.is_data() {
            "An object in the body has the same name twice."
        } else {
            "The body is not well-formed JSON in UTF-8."
        })
    })
}

/// A value in which no object has a name twice: of two values, another parser might take the other
/// one.
struct UniqueNames(Value);

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueNamesVisitor;

        impl<'de> Visitor<'de> for UniqueNamesVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(UniqueNames(entry)) = entries.next_element()? {
                    list.push(entry);
                }
                Ok(Value::Array(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
                let mut object = Map::new();
                while let Some((name, UniqueNames(value))) = fields.next_entry()? {
                    if object.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name is there twice"));
                    }
                }
                Ok(Value::Object(object))
            }
        }

        deserializer.deserialize_any(UniqueNamesVisitor).map(Self)
    }
}

/// Returns whether the body is declared as `application/json`, with any parameters. If one of them
/// is a charset, it must be UTF-8.
fn is_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(line)), None) = (lines.next().map(|line| line.to_str()), lines.next()) else {
        return false;
    };
    let mut parts = line.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                matches!(
                    value.trim().trim_matches('"').to_ascii_lowercase().as_str(),
                    "utf-8" | "utf8"
                )
            }
            _ => true,
        })
}

impl<T: FromForm, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Form::from_request(request, state).await?.parse(T::from_form).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use domain::text::Name;

    use super::*;

    fn form(value: Value) -> Form {
        Form::new(value.as_object().unwrap().clone())
    }

    /// Returns the errors of a form as `field code`.
    fn errors(form: &Form) -> Vec<String> {
        form.errors.iter().map(|error| format!("{} {}", error.field, error.reason.code)).collect()
    }

    #[test]
    fn all_errors_are_reported_at_once() {
        let mut form =
            form(json!({"null": null, "number": 7, "long": "x".repeat(256), "nul": "a\0b",
                "good": " x "}));
        assert_eq!(form.required::<Name>("absent"), None);
        assert_eq!(form.required::<Name>("null"), None);
        assert_eq!(form.or_default("null", Name::default()), None);
        assert_eq!(form.required::<Name>("number"), None);
        assert_eq!(form.optional::<Name>("long"), None);
        assert_eq!(form.nullable::<Name>("nul"), None);
        assert_eq!(form.required::<String>("nul"), None, "also where the type would take it");
        assert_eq!(form.required::<Name>("good").unwrap().as_str(), "x");
        form.reject("good", Reason::new("taken", "Is taken."));
        let expected = [
            "absent required",
            "null null",
            "null null",
            "number invalid",
            "long too_long",
            "nul invalid",
            "nul invalid",
            "good taken",
        ];
        assert_eq!(errors(&form), expected);
        assert_eq!(
            form.parse(|_| Some(())).unwrap_err().status(),
            400,
            "errors weigh more than a value"
        );
    }

    #[test]
    fn what_is_absent_is_not_what_is_null() {
        let mut form = form(json!({"null": null, "set": "b"}));
        let a = || Some("a".to_owned());
        assert_eq!(form.or_default("absent", "a".to_owned()), a());
        assert_eq!(form.optional::<String>("absent"), Some(None));
        assert_eq!(form.nullable::<String>("absent"), Some(None));
        assert_eq!(form.nullable::<String>("null"), Some(None));
        assert_eq!(form.patch::<String>("absent"), Some(Patch::Keep));
        assert_eq!(form.patch::<String>("null"), Some(Patch::Clear));
        assert_eq!(form.patch("set"), Some(Patch::Set("b".to_owned())));
        let refuse = |_: String| Err(Reason::new("no", "No."));
        assert_eq!(form.patch_with("absent", refuse), Some(Patch::Keep));
        assert_eq!(form.nullable_with("set", refuse), None);
        assert_eq!(errors(&form), ["set no"]);
    }

    #[test]
    fn a_reader_is_described_by_what_it_asks_for() {
        let schema = describe(|form| {
            let name = form.required::<Name>("name");
            let born = form.nullable::<jiff::civil::Date>("born");
            let agreed = form.optional::<bool>("agreed");
            let files = form.list("files", 3, |file| file.required::<Name>("name"));
            form.reject("name", Reason::new("no", "No."));
            Some((name?, born?, agreed?, files?))
        });
        let schema = serde_json::to_value(schema).unwrap();
        assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["name"])));
        let properties = &schema["properties"];
        assert_eq!(properties.as_object().unwrap().len(), 4);
        assert_eq!(properties["name"]["maxLength"], Name::MAX);
        assert_eq!(
            (&properties["born"]["type"], &properties["born"]["format"]),
            (&json!(["string", "null"]), &json!("date"))
        );
        assert_eq!(properties["agreed"]["type"], "boolean");
        assert_eq!(
            (&properties["files"]["maxItems"], &properties["files"]["items"]["required"]),
            (&json!(3), &json!(["name"]))
        );
        assert_eq!(properties["files"]["items"]["properties"]["name"], properties["name"]);
    }

    #[test]
    fn two_fields_exclude_each_other_in_the_schema_too() {
        let read = |form: &mut Form| {
            form.at_most_one_of(
                ("name", |name: Name| name.as_str().to_owned()),
                ("at", |at: jiff::civil::Date| at.to_string()),
            )
        };
        assert_eq!(read(&mut form(json!({}))), Some(None));
        assert_eq!(read(&mut form(json!({"name": "a"}))), Some(Some("a".to_owned())));
        let mut both = form(json!({"name": "a", "at": "1985-04-12"}));
        assert_eq!((read(&mut both), errors(&both)), (None, vec!["at exclusive".to_owned()]));
        let schema = serde_json::to_value(describe(read)).unwrap();
        assert_eq!(schema[ALTERNATIVES], json!([["name"], ["at"]]));
        assert_eq!(schema["description"], "Give at most one of them: `name` or `at`.");
        assert_eq!(schema["required"], Value::Null);
    }

    #[test]
    fn one_of_two_is_given_and_not_both() {
        let read = |body: Value| {
            let mut form = form(body);
            let read = form.one_of(
                ("name", |name: Name| name.as_str().to_owned()),
                ("at", |at: jiff::civil::Date| at.to_string()),
            );
            (read, errors(&form))
        };
        assert_eq!(read(json!({"name": "a"})), (Some("a".to_owned()), vec![]));
        assert_eq!(read(json!({"at": "1985-04-12"})), (Some("1985-04-12".to_owned()), vec![]));
        assert_eq!(read(json!({})), (None, vec!["name required".to_owned()]));
        assert_eq!(
            read(json!({"name": "a", "at": "1985-04-12"})),
            (None, vec!["at exclusive".to_owned()])
        );
        assert_eq!(
            read(json!({"name": null, "at": 1})),
            (None, vec!["name null".to_owned(), "at invalid".to_owned()])
        );

        let schema = describe(|form| {
            let before = form.required::<Name>("before");
            let one = form.one_of(("name", |_: Name| ()), ("at", |_: jiff::civil::Date| ()));
            let after = form.required::<Name>("after");
            Some((before?, one?, after?))
        });
        let schema = serde_json::to_value(schema).unwrap();
        assert_eq!(schema["required"], json!(["before", "after"]), "neither of the two");
        assert_eq!(schema[ALTERNATIVES], json!([["name"], ["at"]]));
        assert_eq!(schema["description"], "Give one of them, and only one: `name` or `at`.");
        assert_eq!(schema["properties"].as_object().unwrap().len(), 4);
    }

    #[test]
    fn a_body_that_depends_on_the_role_is_one_object_of_optional_fields() {
        let doctor = describe(|form| {
            let name = form.required::<Name>("name");
            let at = form.optional::<jiff::civil::Date>("at");
            Some((name?, at?))
        });
        let patient = describe(|form| form.nullable::<Name>("note"));
        let schema =
            serde_json::to_value(by_role([("doctor", doctor), ("patient", patient)])).unwrap();
        assert_eq!(
            (&schema["type"], &schema["required"], &schema[ALTERNATIVES]),
            (&json!("object"), &Value::Null, &json!([["at", "name"], ["note"]]))
        );
        assert_eq!(schema["properties"].as_object().unwrap().len(), 3);
        assert_eq!(
            schema["description"],
            "Fields of a doctor: `at`, `name` (required). Fields of a patient: `note`."
        );
    }

    #[test]
    fn lists_name_the_entry() {
        let read = |form: &mut Form| form.required::<Name>("name");
        let mut form = form(
            json!({"files": [{"name": "a"}, {"name": 1}, 2, {}], "one": [{"name": "a"}], "none": {},
                "null": null}),
        );
        assert_eq!(form.list("absent", 3, read), Some(vec![]));
        assert_eq!(form.list("one", 1, read).unwrap().len(), 1);
        assert_eq!(form.list("files", 4, read), None);
        assert_eq!(form.list("files", 3, read), None);
        assert_eq!(form.list("none", 3, read), None);
        assert_eq!(form.list("null", 3, read), None);
        let expected = [
            "files[1].name invalid",
            "files[2] invalid",
            "files[3].name required",
            "files too_many",
            "none invalid",
            "null null",
        ];
        assert_eq!(errors(&form), expected);
    }

    async fn body(
        content_type: Option<&str>,
        body: impl Into<axum::body::Body>,
    ) -> Result<Form, (u16, &'static str)> {
        let mut request = Request::new(body.into());
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        Form::from_request(request, &())
            .await
            .map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[tokio::test]
    async fn bodies_are_json_objects() {
        let json = Some("application/json");
        assert!(body(json, "{}").await.is_ok());
        assert!(body(Some("Application/JSON; charset=\"UTF-8\"; x=y"), "{}").await.is_ok());
        assert!(body(json, "").await.unwrap().fields.is_empty());
        assert!(body(None, "").await.unwrap().fields.is_empty());
        for text in ["[]", "\"{}\"", "null", "1", "true"] {
            assert_eq!(body(json, text).await.err().unwrap(), (400, "not_an_object"), "{text}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(1000), "}".repeat(1000));
        for text in [
            "{",
            "{} {}",
            "{'a': 1}",
            "{\"a\": \"\\ud800\"}",
            "{\"a\": NaN}",
            "{\"a\": 1e999}",
            "\u{feff}\u{feff}{}",
            &deep,
        ] {
            assert_eq!(body(json, text.to_owned()).await.err().unwrap(), (400, "malformed_json"));
        }
        assert_eq!(
            body(json, &b"{\"a\": \"\xff\"}"[..]).await.err().unwrap(),
            (400, "malformed_json")
        );
    }

    async fn malformed(text: impl Into<axum::body::Body>) -> String {
        let mut request = Request::new(text.into());
        let json = header::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let problem = Form::from_request(request, &()).await.err().unwrap();
        assert_eq!((problem.status().as_u16(), problem.code()), (400, "malformed_json"));
        problem.detail().to_owned()
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_skipped() {
        let json = Some("application/json");
        let form = body(json, "\u{feff}{\"a\": 1}").await.unwrap();
        assert_eq!(form.fields, json!({"a": 1}).as_object().unwrap().clone());
        assert!(body(json, "\u{feff}").await.unwrap().fields.is_empty());
        let utf_16: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(malformed(utf_16).await.contains("not in UTF-8"));
    }

    #[tokio::test]
    async fn what_is_not_utf_8_is_refused_also_after_the_gateway_has_replaced_it() {
        for text in
            [&b"{\"password\": \"caf\xe9\"}"[..], "{\"password\": \"caf\u{fffd}\"}".as_bytes()]
        {
            assert!(malformed(text).await.contains("not in UTF-8"));
        }
        assert!(body(Some("application/json"), "{\"a\": \"é\"}").await.is_ok());
    }

    #[tokio::test]
    async fn no_object_has_a_name_twice() {
        for text in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"b": [{"a": {"c": null, "c": null}}]}"#,
        ] {
            assert!(malformed(text).await.contains("the same name twice"), "{text}");
        }
        assert!(malformed(r#"{"a": 1, "a": 2"#).await.contains("the same name twice"));
        let text = r#"{"a": {"a": [-1, 1.5, true, null, "b"]}, "b": {"a": {}}, "A": 1}"#;
        let form = body(Some("application/json"), text).await.unwrap();
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(form.fields), expected);
    }

    #[tokio::test]
    async fn compressed_bodies_are_refused_with_what_is_taken() {
        let send = async |codings: &[&'static str]| {
            let mut request = Request::new(axum::body::Body::from("{}"));
            let headers = request.headers_mut();
            headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            for coding in codings {
                headers.append(header::CONTENT_ENCODING, coding.parse().unwrap());
            }
            Form::from_request(request, &()).await
        };
        for codings in [&["gzip"][..], &["br"], &["identity, gzip"], &["identity", "deflate"]] {
            let problem = send(codings).await.err().unwrap();
            assert_eq!(
                (problem.status().as_u16(), problem.code()),
                (415, "unsupported_media_type")
            );
            assert_eq!(problem.header(&header::ACCEPT_ENCODING).unwrap(), "identity");
            assert!(problem.detail().contains("Content-Encoding"));
        }
        for codings in [&[][..], &[""], &["Identity"]] {
            assert!(send(codings).await.is_ok());
        }
    }

    #[tokio::test]
    async fn other_bodies_are_refused() {
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/json, application/json"),
        ] {
            assert_eq!(
                body(content_type, "{}").await.err().unwrap(),
                (415, "unsupported_media_type")
            );
        }
        assert_eq!(
            body(Some("application/json; charset=latin1"), "{}").await.err().unwrap().0,
            415
        );
        let mut twice = Request::new(axum::body::Body::from("{}"));
        for content_type in ["application/json", "text/plain"] {
            twice.headers_mut().append(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        assert_eq!(Form::from_request(twice, &()).await.err().unwrap().status(), 415);
    }

    #[tokio::test]
    async fn long_bodies_are_refused() {
        let object = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        let json = Some("application/json");
        assert!(body(json, object(BODY_LIMIT)).await.is_ok());
        assert_eq!(
            body(json, object(BODY_LIMIT + 1)).await.err().unwrap(),
            (413, "payload_too_large")
        );
    }
}
