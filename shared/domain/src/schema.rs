//! JSON schemas of the domain's types for the OpenAPI document, built from the limits that the
//! values are checked against.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::invisible::BRAILLE_BLANK;

// Patterns are read by the engines of many languages, so they contain only what ECMAScript (with
// and without its flag `u`), RE2, Java, Python and Rust read alike: no look-around, no `\u` and no
// `\p`, but characters from U+0100 to U+FFFF as they are. Adjacent repetitions have no character in
// common, so that engines that backtrack take linear time.

/// The characters that [`str::trim`] removes, for a character class of a pattern.
const WHITE: &str = concat!(
    r"\t-\r \x85\xa0",
    "\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}",
);

/// The invisible characters of the basic plane, for a character class of a pattern.
const INVISIBLE: &str = concat!(
    r"\xad",
    "\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}-\u{180f}\u{200b}-\u{200f}",
    "\u{202a}-\u{202e}\u{2060}-\u{206f}\u{2800}\u{3164}\u{fe00}-\u{fe0f}\u{feff}\u{ffa0}",
    "\u{fff0}-\u{fffb}",
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
            Self::One => concat!(r"\x00-\x1f\x7f-\x9f", "\u{2028}\u{2029}"),
            Self::Many => r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f",
        }
    }

    /// Returns the white space that is not forbidden, for a character class of a pattern.
    fn space(self) -> &'static str {
        match self {
            Self::One => {
                concat!(r" \xa0", "\u{1680}\u{2000}-\u{200a}\u{202f}\u{205f}\u{3000}")
            }
            Self::Many => concat!(
                r"\t\n\r \xa0",
                "\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}",
            ),
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
    let forbidden = lines.forbidden();
    let inner = format!("[^{forbidden}]");
    let visible = format!("[^{forbidden}{WHITE}{INVISIBLE}]");
    let pattern = match lines {
        // Invisible characters are removed before white space around the text is.
        Lines::One => {
            let around = format!("[{WHITE}{INVISIBLE}]*");
            let seen = format!("{visible}(?:{inner}*{visible})?{around}");
            let seen = if may_be_blank { format!("(?:{seen})?") } else { seen };
            format!("^{around}{seen}$")
        }
        Lines::Many => {
            let around = format!("[{WHITE}]*");
            let end = format!("(?:{inner}*[^{forbidden}{WHITE}])?{around}");
            if may_be_blank {
                format!("^{around}(?:[^{forbidden}{WHITE}]{end})?$")
            } else {
                let before = format!("(?:[{INVISIBLE}][{}{INVISIBLE}]*)?", lines.space());
                format!("^{around}{before}{visible}{end}$")
            }
        }
    };
    string(description, usize::from(!may_be_blank), max, example).pattern(Some(pattern)).build()
}

/// Returns the schema of a file name, with or without a path, that is not blank, `.` or `..`.
pub(crate) fn file_name(description: &str, max: usize, example: &str) -> Object {
    let (forbidden, space) = (Lines::One.forbidden(), Lines::One.space());
    let around = format!("[{WHITE}{INVISIBLE}]*");
    let inner = format!(r"[^{forbidden}/\\]");
    let visible = format!(r"[^{forbidden}{WHITE}{INVISIBLE}/\\]");
    let no_dot = format!(r"[^{forbidden}{WHITE}{INVISIBLE}/\\\.]");
    // The blank of Braille is white space between other characters.
    let removed = INVISIBLE.replace(BRAILLE_BLANK, "");
    let dot = format!(r"\.[{removed}]*");
    // Something other than one or two dots, as far as it must be read to know that.
    let further = format!("(?:{no_dot}|[{space}{BRAILLE_BLANK}][{space}{INVISIBLE}]*{visible})");
    let start = format!(r"(?:{no_dot}|{dot}(?:{dot}\.|(?:{dot})?{further}))");
    let name = format!("{start}(?:{inner}*{visible})?");
    let pattern = format!(r"^(?:[^\x00]*[/\\])?{around}{name}{around}[/\\]*$");
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

/// Returns the schema of an id as it is written, in paths too.
pub fn id(description: &str) -> Object {
    id_of(description, "[0-9a-f]")
}

/// Returns the schema of an id in a body or a query, where the digits may be in upper case.
pub(crate) fn sent_id(description: &str) -> Object {
    id_of(description, "[0-9A-Fa-f]")
}

fn id_of(description: &str, digit: &str) -> Object {
    let pattern = [8, 4, 4, 4, 12].map(|count| format!("{digit}{{{count}}}")).join("-");
    string(description, 36, 36, "0190a5c0-0000-7000-8000-000000000001")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .pattern(Some(format!("^{pattern}$")))
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

/// Gives a type its schema in responses: the same as in requests, or another one.
macro_rules! response_schema {
    ($name:ident) => {
        $crate::schema::response_schema!($name, <Self as $crate::field::FieldValue>::schema());
    };
    ($name:ident, $schema:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use response_schema;

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use crate::field::FieldValue;
    use crate::file::FileName;
    use crate::text::{Address, Name, Note, Specialization};

    /// Returns all texts of at most `length` of the characters.
    fn texts(characters: &[char], length: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..length {
            let to = all.len();
            for at in from..to {
                for character in characters {
                    let longer = format!("{}{character}", all[at]);
                    all.push(longer);
                }
            }
            from = to;
        }
        all
    }

    fn assert_described<T: FieldValue>(characters: &[char], length: usize) {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let pattern = Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
        let least = schema["minLength"].as_u64().unwrap_or(0);
        for text in texts(characters, length) {
            let matches = pattern.is_match(&text) && text.chars().count() as u64 >= least;
            assert_eq!(T::from_json(&json!(text)).is_ok(), matches, "{text:?} {}", pattern);
        }
    }

    #[test]
    fn patterns_of_texts_match_what_is_accepted() {
        let characters = ['a', ' ', '\n', '\u{2800}', '\u{85}', '\u{1}', '\u{200b}'];
        assert_described::<Name>(&characters, 5);
        assert_described::<Specialization>(&characters, 5);
        // A tab and a line feed are part of longer texts, a vertical tab is not.
        let characters = ['a', ' ', '\n', '\u{2028}', '\u{b}', '\u{1}'];
        assert_described::<Address>(&characters, 5);
        assert_described::<Note>(&characters, 5);
        assert_described::<Note>(&['a', '\t', '\n', '\u{200b}', '\u{1}'], 5);
    }

    #[test]
    fn the_pattern_of_file_names_matches_what_is_accepted() {
        assert_described::<FileName>(&['a', '.', '/', ' ', '\n', '\u{200b}'], 6);
        assert_described::<FileName>(&['a', '.', '/', ' ', '\n', '\u{2800}'], 5);
        assert_described::<FileName>(&['a', '.', '\\', '/', '\u{1}', '\u{3000}'], 5);
    }
}
