//! Use [`request!`](crate::request!) to declare the body of a request: one declaration gives the
//! struct, its reader and its schema in the OpenAPI document.

/// A field of a change that may be null.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Patch<T> {
    /// The field is absent: the present value stays.
    #[default]
    Keep,
    /// The field is null: the value is removed.
    Clear,
    /// The new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Returns the value after the change.
    pub fn apply(self, present: Option<T>) -> Option<T> {
        match self {
            Self::Keep => present,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// Declares the body of a request.
///
/// ```
/// use domain::id::RecordId;
/// use domain::text::{Name, Note};
/// use http_api::request;
/// use http_api::request::Patch;
///
/// request! {
///     /// A new thing.
///     pub struct NewThing {
///         record: RecordId = required,
///         name: Name = default(Name::default()),
///         note: Patch<Note> = patch,
///     }
/// }
/// ```
///
/// After `=` stands how the field is read, and with it the type of the field:
///
/// | how | the field may be | type |
/// |---|---|---|
/// | `required` | neither absent nor null | `T` |
/// | `required(U)` | the same, for a `U` that `check` turns into a `T` | `T` |
/// | `required_by(schema, parse)` | the same, for a rule with parameters | `T` |
/// | `optional` | absent | `Option<T>` |
/// | `default(value)` | absent | `T` |
/// | `nullable`, `nullable(rule)` | absent or null, which is the same | `Option<T>` |
/// | `patch`, `patch(rule)` | absent or null, which differ | [`Patch<T>`] |
/// | `by(reader)` | whatever the reader of [`Form`](crate::form::Form) takes | `T` |
///
/// All fields are read before the struct is made, so that a response names every mistake.
///
/// A rule over several fields goes behind the fields: `check |form| { ... }`. The fields are
/// variables there, `None` where they were refused.
///
/// A reader that depends on the configuration takes a parameter; the schema is made with the value
/// behind `=`: `struct NewFile(limits: Limits = Limits::DEFAULT) { ... }`.
#[macro_export]
macro_rules! request {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident { $($fields:tt)* }
        $(check |$form:ident| { $($check:tt)* })?
    ) => {
        $crate::request!(@struct [$(#[$meta])* $visibility] $name { $($fields)* });

        impl $crate::form::FromForm for $name {
            fn from_form(form: &mut $crate::form::Form) -> Option<Self> {
                $crate::request!(@read form { $($fields)* } $(|$form| { $($check)* })?)
            }
        }

        $crate::request_schema!($name);
    };
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident($parameter:ident: $type:ty = $usual:expr) {
            $($fields:tt)*
        }
    ) => {
        $crate::request!(@struct [$(#[$meta])* $visibility] $name { $($fields)* });

        impl $name {
            $visibility fn from_form(
                form: &mut $crate::form::Form,
                $parameter: $type,
            ) -> Option<Self> {
                $crate::request!(@read form { $($fields)* })
            }
        }

        $crate::request_schema!(
            $name: $crate::form::describe(|form| $name::from_form(form, $usual))
        );
    };
    (@struct [$($head:tt)*] $name:ident {
        $($(#[$meta:meta])* $visibility:vis $field:ident: $type:ty
            = $how:ident $(($($argument:tt)*))?,)+
    }) => {
        $($head)* struct $name {
            $($(#[$meta])* $visibility $field: $type,)+
        }
    };
    (@read $reader:ident {
        $($(#[$meta:meta])* $visibility:vis $field:ident: $type:ty
            = $how:ident $(($($argument:tt)*))?,)+
    } $(|$form:ident| { $($check:tt)* })?) => {{
        $(
            let $field = $crate::request!(
                @field $reader, stringify!($field), $type, $how $($($argument)*)?
            );
        )+
        $(
            let $form = $reader;
            $($check)*
        )?
        Some(Self { $($field: $field?,)+ })
    }};
    (@field $form:ident, $name:expr, $type:ty, required) => { $form.required::<$type>($name) };
    (@field $form:ident, $name:expr, $type:ty, required $read:ty) => {
        $form.required::<$read>($name)
    };
    (@field $form:ident, $name:expr, $type:ty, $($how:tt)+) => {{
        let value: Option<$type> = $crate::request!(@read_field $form, $name, $($how)+);
        value
    }};
    (@read_field $form:ident, $name:expr, required_by $schema:expr, $parse:expr) => {
        $form.required_by($name, $schema, $parse)
    };
    (@read_field $form:ident, $name:expr, optional) => { $form.optional($name) };
    (@read_field $form:ident, $name:expr, default $value:expr) => {
        $form.or_default($name, $value)
    };
    (@read_field $form:ident, $name:expr, nullable) => { $form.nullable($name) };
    (@read_field $form:ident, $name:expr, nullable $rule:expr) => {
        $form.nullable_with($name, $rule)
    };
    (@read_field $form:ident, $name:expr, patch) => { $form.patch($name) };
    (@read_field $form:ident, $name:expr, patch $rule:expr) => { $form.patch_with($name, $rule) };
    (@read_field $form:ident, $name:expr, by $read:expr) => { $form.by($read) };
}

#[cfg(test)]
mod tests {
    use domain::field::Reason;
    use domain::text::Name;
    use jiff::civil::Date;
    use serde_json::{Value, json};
    use utoipa::PartialSchema;

    use super::*;
    use crate::form::{Form, FromForm};

    request! {
        #[derive(PartialEq, Debug)]
        struct Sample {
            name: Name = required,
            other: Name = default(Name::default()),
            agreed: Option<bool> = optional,
            born: Option<Date> = nullable,
            note: Patch<Name> = patch,
            longer: String = required(Name),
        } check |form| {
            if let (Some(name), Some(other)) = (&name, &other)
                && name == other
            {
                form.reject("other", Reason::new("equal", "Must differ."));
            }
            let longer = longer.map(|longer| format!("{}!", longer.as_str()));
        }
    }

    request! {
        struct Limited(most: usize = 3) {
            parts: Vec<Name> = by(|form| form.list("parts", most, |part| part.required("name"))),
        }
    }

    fn form(body: &Value) -> Form {
        Form::new(body.as_object().unwrap().clone())
    }

    fn errors(body: &Value) -> Vec<String> {
        let problem = form(body).parse(Sample::from_form).unwrap_err();
        let errors = problem.errors().iter();
        errors.map(|error| format!("{} {}", error.field, error.reason.code)).collect()
    }

    #[test]
    fn a_body_becomes_a_struct() {
        let read = |body: &Value| form(body).parse(Sample::from_form).unwrap();
        let name = |text: &str| Name::parse(text).unwrap();
        let expected = Sample {
            name: name("a"),
            other: Name::default(),
            agreed: None,
            born: None,
            note: Patch::Keep,
            longer: "b!".to_owned(),
        };
        assert_eq!(read(&json!({"name": "a", "longer": "b"})), expected);
        let body = json!({"name": "a", "longer": "b", "other": "c", "agreed": true, "note": null,
            "born": "1985-04-12"});
        let born = Some("1985-04-12".parse().unwrap());
        let agreed = Some(true);
        let (other, note) = (name("c"), Patch::Clear);
        assert_eq!(read(&body), Sample { other, agreed, born, note, ..expected });
    }

    #[test]
    fn every_mistake_in_a_body_is_named_at_once() {
        let body = json!({"name": 1, "other": null, "agreed": "x", "born": "x", "note": 2});
        assert_eq!(
            errors(&body),
            [
                "name invalid",
                "other null",
                "agreed invalid",
                "born invalid",
                "note invalid",
                "longer required"
            ]
        );
        let same = json!({"name": "a", "other": "a", "born": "x", "longer": "b"});
        assert_eq!(errors(&same), ["born invalid", "other equal"], "rules over several fields too");
    }

    #[test]
    fn the_schema_says_what_is_read() {
        let schema = serde_json::to_value(Sample::schema()).unwrap();
        assert_eq!(schema["required"], json!(["name", "longer"]));
        let types = ["name", "other", "agreed", "born", "note", "longer"]
            .map(|name| schema["properties"][name]["type"].clone());
        let null = |name: &str| json!([name, "null"]);
        let text = json!("string");
        let expected =
            [text.clone(), text.clone(), json!("boolean"), null("string"), null("string"), text];
        assert_eq!(types, expected);
    }

    #[test]
    fn a_reader_with_a_parameter_is_described_with_its_usual_value() {
        let schema = serde_json::to_value(Limited::schema()).unwrap();
        assert_eq!(schema["properties"]["parts"]["maxItems"], 3);
        let read = |most| {
            let body = json!({"parts": [{"name": "a"}, {"name": "b"}]});
            form(&body).parse(|form| Limited::from_form(form, most))
        };
        assert_eq!(read(2).unwrap().parts.len(), 2);
        assert!(read(1).is_err());
    }

    #[test]
    fn a_patch_keeps_clears_or_sets() {
        assert_eq!(Patch::Keep.apply(Some(1)), Some(1));
        assert_eq!(Patch::Clear.apply(Some(1)), None);
        assert_eq!(Patch::Set(2).apply(Some(1)), Some(2));
    }
}
