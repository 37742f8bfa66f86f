//! Parsing and validation of request fields: [`FieldValue`] for types that a field can have,
//! [`Reason`] and [`FieldError`] for refused ones.

use serde_json::Value;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

/// Why a value was refused: a code for programs and a sentence for people. Neither contains the
/// value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Reason {
    /// The code: `required`, `null`, `blank`, `invalid`, `invalid_choice`, `too_long`, ... Part of
    /// the API, so it never changes.
    pub code: &'static str,
    /// One sentence in English.
    pub message: String,
}

impl Reason {
    /// Creates a reason.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Makes the reason of a field that is absent.
    pub fn required() -> Self {
        Self::new("required", "This field is required.")
    }

    /// Makes the reason of a text with more than `max` characters.
    pub(crate) fn too_long(max: usize) -> Self {
        Self::new("too_long", format!("Must have at most {max} characters."))
    }
}

/// A refused field of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    /// The field's name in the request, such as `files[2].name`.
    pub field: String,
    /// Why it was refused.
    pub reason: Reason,
}

impl FieldError {
    /// Creates an error.
    pub fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self { field: field.into(), reason }
    }
}

/// A type that a field of a JSON body can have.
pub trait FieldValue: Sized {
    /// Parses a value that is present and not null.
    ///
    /// # Errors
    /// A [`Reason`] when the value has the wrong type or breaks a rule of the type.
    fn from_json(value: &Value) -> Result<Self, Reason>;

    /// Returns the schema of accepted values, for the OpenAPI document.
    fn schema() -> Object;
}

/// Returns the string in a JSON value.
///
/// # Errors
/// `invalid` for other types: numbers and booleans are not converted.
pub fn string(value: &Value) -> Result<&str, Reason> {
    value.as_str().ok_or_else(|| Reason::new("invalid", "Must be a string."))
}

/// Returns the integer in a JSON value, written as `3`, `3.0` or `3e0`. Numbers beyond the range of
/// the type become its limits.
pub fn integer(value: &Value) -> Option<i64> {
    let large = || value.is_u64().then_some(i64::MAX);
    let written_as_fraction =
        || value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i64);
    value.as_i64().or_else(large).or_else(written_as_fraction)
}

/// Longest opaque text, such as a token, in characters. No token is longer, and tools that make
/// requests from the document would need seconds for each text that only the body limits.
const OPAQUE_LENGTH: usize = 4096;

/// An opaque text, such as a token.
impl FieldValue for String {
    fn from_json(value: &Value) -> Result<Self, Reason> {
        let text = string(value)?;
        if text.chars().nth(OPAQUE_LENGTH).is_some() {
            return Err(Reason::too_long(OPAQUE_LENGTH));
        }
        Ok(text.to_owned())
    }

    fn schema() -> Object {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(OPAQUE_LENGTH))
            .pattern(Some(r"^[^\x00]*$"))
            .build()
    }
}

impl FieldValue for bool {
    fn from_json(value: &Value) -> Result<Self, Reason> {
        value.as_bool().ok_or_else(|| Reason::new("invalid", "Must be true or false."))
    }

    fn schema() -> Object {
        ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some("True or false."))
            .examples([true])
            .build()
    }
}

impl FieldValue for jiff::civil::Date {
    fn from_json(value: &Value) -> Result<Self, Reason> {
        let invalid = || Reason::new("invalid", "Must be a date that exists, as YYYY-MM-DD.");
        let text = string(value)?.trim();
        // The parser also accepts date-times; a date alone has ten characters.
        if text.len() == 10 { text.parse().map_err(|_| invalid()) } else { Err(invalid()) }
    }

    fn schema() -> Object {
        let date = SchemaFormat::KnownFormat(KnownFormat::Date);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(date))
            .max_length(Some(10))
            .examples(["1985-04-12"])
            .build()
    }
}

/// Declares an enum whose values are strings in requests, responses and the table.
macro_rules! string_enum {
    ($(#[doc = $doc:literal])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the string that represents the value in requests, responses and the table.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::field::Reason;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text).ok_or_else(|| {
                    $crate::field::Reason::new("invalid_choice", concat!("Must be one of:" $(, " ",
                        $word)+, "."))
                })
            }
        }

        impl $crate::field::FieldValue for $name {
            fn from_json(value: &serde_json::Value) -> Result<Self, $crate::field::Reason> {
                $crate::field::string(value)?.parse()
            }

            fn schema() -> utoipa::openapi::schema::Object {
                let description = $crate::schema::description(&[$($doc),*]);
                $crate::schema::string_enum(&description, [$($word,)+])
            }
        }

        $crate::schema::response_schema!($name);
    };
}
pub(crate) use string_enum;
