//! JSON schemas of the domain's types for the OpenAPI document, built from the limits that the
//! values are checked against.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

/// The characters that [`str::trim`] removes, for a character class of a pattern.
const WHITE: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// The characters of the basic plane that nobody sees, for a character class of a pattern. Those
/// beyond it cannot be written such that all engines of patterns read them.
const INVISIBLE: &str = concat!(
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e",
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb",
);

/// Whether a text may have several lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// One line.
    One,
    /// Several lines, with tabs.
    Many,
}

impl Lines {
    /// Returns the forbidden characters, for a character class of a pattern: control characters,
    /// and those that begin another line.
    fn forbidden(self) -> &'static str {
        match self {
            Self::One => r"\u0000-\u001f\u007f-\u009f\u2028\u2029",
            Self::Many => r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f",
        }
    }
}

/// Joins the lines of a type's doc comment.
pub(crate) fn description(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace(['[', ']'], "")
}

/// Returns the schema of a string of at least `min` and at most `max` characters.
pub(crate) fn string(description: &str, min: usize, max: usize, example: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .min_length((min > 0).then_some(min))
        .max_length(Some(max))
        .examples([example])
}

/// Returns the schema of a text without control characters, at most `max` characters long after
/// trimming.
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
        let visible = format!("[^{}{WHITE}{INVISIBLE}]", lines.forbidden());
        format!("^[{WHITE}]*{inner}*{visible}{inner}*[{WHITE}]*$")
    };
    string(description, usize::from(!may_be_blank), max, example).pattern(Some(pattern)).build()
}

/// Returns the schema of a file name, with or without a path, that is not blank, `.` or `..`.
pub(crate) fn file_name(description: &str, max: usize, example: &str) -> Object {
    let inner = format!(r"[^{}/\\]", Lines::One.forbidden());
    let visible = format!(r"[^{}{WHITE}{INVISIBLE}/\\]", Lines::One.forbidden());
    let dots = format!(r"(?!\.{{1,2}}[{WHITE}]*[/\\]*$)");
    let name = format!("(?=[^{WHITE}]){inner}*{visible}{inner}*");
    let pattern = format!(r"^(?:[^\u0000]*[/\\])?[{WHITE}]*{dots}{name}[{WHITE}]*[/\\]*$");
    string(description, 1, max, example).pattern(Some(pattern)).build()
}

/// Returns the schema of characters of a class, with white space or characters of `separators`
/// between them. There are as many characters as one of `times` says.
pub(crate) fn grouped<const N: usize>(
    description: &str,
    class: &str,
    separators: &str,
    times: [usize; N],
    example: &str,
) -> Object {
    let space = format!("[{WHITE}{separators}]*");
    // Up to three separators per character are more than enough.
    let (least, most) = times
        .iter()
        .fold((usize::MAX, 0), |(least, most), number| (least.min(*number), most.max(*number)));
    let forms = times.map(|number| format!("(?:{space}{class}){{{number}}}")).join("|");
    let forms = if N == 1 { forms } else { format!("(?:{forms})") };
    string(description, least, 4 * most, example).pattern(Some(format!("^{forms}{space}$"))).build()
}

/// Returns the schema of an id.
pub fn id(description: &str) -> Object {
    string(description, 36, 36, "0190a5c0-0000-7000-8000-000000000001")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .pattern(Some("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"))
        .build()
}

/// Returns the schema of an enum of strings.
pub fn string_enum(description: &str, values: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(values))
        .build()
}

/// Returns the schema of an integer.
pub(crate) fn integer(description: &str, min: u64, max: u64, example: u64) -> Object {
    let format = if max > u64::from(i32::MAX.unsigned_abs()) {
        KnownFormat::Int64
    } else {
        KnownFormat::Int32
    };
    // Larger numbers do not occur.
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

/// Gives types the same schema in responses as in requests.
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
