//! What values look like, for the document of the API: made of the limits that the values are
//! checked against.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

/// White space as Rust trims it, within the brackets of a pattern.
const WHITE: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Which white space may stand within a text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Such as stands on one line.
    One,
    /// Line ends and tabs, too.
    Many,
}

impl Lines {
    /// The control characters that may not, within the brackets of a pattern.
    fn forbidden(self) -> &'static str {
        match self {
            Self::One => r"\u0000-\u001f\u007f-\u009f",
            Self::Many => r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f",
        }
    }
}

/// What the documentation comments of a type say, as one text.
pub(crate) fn description(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace(['[', ']'], "")
}

/// A string of at least `min` and at most `max` characters.
pub(crate) fn string(description: &str, min: usize, max: usize, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .min_length((min > 0).then_some(min))
        .max_length(Some(max))
        .examples([example])
}

/// Text that is trimmed and holds no control characters; `max` counts what is left.
pub(crate) fn text(
    description: &str,
    lines: Lines,
    may_be_blank: bool,
    max: usize,
    example: &str,
) -> Object {
    let inner = format!("[^{}]", lines.forbidden());
    let pattern = if may_be_blank {
        format!("^[{WHITE}]*{inner}*[{WHITE}]*$")
    } else {
        let visible = format!("[^{}{WHITE}]", lines.forbidden());
        format!("^[{WHITE}]*{visible}(?:{inner}*{visible})?[{WHITE}]*$")
    };
    string(description, usize::from(!may_be_blank), max, example).pattern(Some(pattern)).build()
}

/// The name of a file, a path before it perhaps, that is neither blank nor `.` nor `..`.
pub(crate) fn file_name(description: &str, max: usize, example: &str) -> Object {
    let inner = format!(r"[^{}/\\]", Lines::One.forbidden());
    let visible = format!(r"[^{}{WHITE}/\\]", Lines::One.forbidden());
    let dots = format!(r"(?!\.{{1,2}}[{WHITE}]*[/\\]*$)");
    let pattern = format!(
        r"^(?:[^\u0000]*[/\\])?[{WHITE}]*{dots}{visible}(?:{inner}*{visible})?[{WHITE}]*[/\\]*$"
    );
    string(description, 1, max, example).pattern(Some(pattern)).build()
}

/// A sign that stands `times` times, each with white space or one of `between` before it.
pub(crate) fn grouped(
    description: &str,
    sign: &str,
    between: &str,
    times: usize,
    example: &str,
) -> Object {
    let space = format!("[{WHITE}{between}]*");
    // People group as they like: as much again is more than anybody needs.
    string(description, times, 4 * times, example)
        .pattern(Some(format!("^(?:{space}{sign}){{{times}}}{space}$")))
        .build()
}

/// An id.
pub fn id(description: &str) -> Object {
    string(description, 36, 36, "0190a5c0-0000-7000-8000-000000000001")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .pattern(Some("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"))
        .build()
}

/// One of a few words.
pub fn words(description: &str, words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words))
        .build()
}

/// A whole number.
pub(crate) fn integer(description: &str, min: u64, max: u64, example: u64) -> Object {
    let format = if max > u64::from(i32::MAX.unsigned_abs()) {
        KnownFormat::Int64
    } else {
        KnownFormat::Int32
    };
    // Numbers beyond what every client can read do not occur.
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some(description))
        .format(Some(SchemaFormat::KnownFormat(format)))
        .minimum(Some(number(min)))
        .maximum(Some(number(max)))
        .examples([number(example)])
        .build()
}

/// Gives types their schema in answers, too: what they take is what they show.
macro_rules! response_schema {
    ($($name:ident),+) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                <Self as $crate::field::FieldValue>::schema().into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}
pub(crate) use response_schema;
