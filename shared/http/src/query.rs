//! Use [`QueryParameters`] to read query parameters: the filters of a list and the page.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::field::{FieldError, FieldValue, Reason};
use domain::id::UserId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

use crate::form::{complete, no_nul};
use crate::page::{Address, MAX_LIMIT, Paging};
use crate::problem::Problem;
use crate::state::HttpState;

/// The query of a request.
pub struct QueryParameters {
    parameters: Vec<Pair>,
    path: String,
}

impl QueryParameters {
    /// Reads the filters with `read`, then `limit` and `cursor`. `list` names the list.
    ///
    /// # Errors
    /// 400 with every parameter that is malformed or given twice, and a cursor of another caller,
    /// list or set of filters.
    pub fn parse<F, K: DeserializeOwned>(
        self,
        http: &HttpState,
        caller: UserId,
        list: &'static str,
        read: impl FnOnce(&mut Parameters) -> Option<F>,
    ) -> Result<(F, Paging<K>), Problem> {
        let base = http.public_url.to_string();
        let Self { parameters, path } = self;
        let mut parameters = Parameters { given: parameters, ..Parameters::default() };
        let filters = read(&mut parameters);
        let seal = http.seal(caller, list, &parameters.read);
        let after = parameters.optional_by("cursor", cursor_schema, |text| seal.open(text));
        // A link to the next page repeats the filters and the limit.
        parameters.read.retain(|(name, _)| *name != "cursor");
        let limit = parameters.optional_by("limit", limit_schema, limit);
        let address = Address { base, path, parameters: parameters.read };
        let read = || {
            Some((
                filters?,
                Paging { limit: limit?.unwrap_or(http.page_size), after: after?, seal, address },
            ))
        };
        complete(read(), parameters.errors)
    }
}

impl QueryParameters {
    /// Returns the text of a parameter as it was sent, to show it again; empty when absent.
    pub fn typed(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|pair| pair.name == name)
            .map(|pair| pair.value.as_str())
            .unwrap_or_default()
    }

    /// Reads the query of a request that is not for a list.
    ///
    /// # Errors
    /// 400 with every parameter that is malformed or given twice.
    pub fn parse_alone<T>(
        self,
        read: impl FnOnce(&mut Parameters) -> Option<T>,
    ) -> Result<T, Problem> {
        let mut parameters = Parameters { given: self.parameters, ..Parameters::default() };
        let value = read(&mut parameters);
        complete(value, parameters.errors)
    }
}

impl<S: Sync> FromRequestParts<S> for QueryParameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            parameters: pairs(query.as_bytes()).collect(),
            path: parts.uri.path().to_owned(),
        })
    }
}

/// Query parameters, read one by one. Unknown ones are ignored; an empty one counts as absent.
///
/// Each method returns `None` once it has recorded an error, as in [`crate::form::Form`].
#[derive(Default)]
pub struct Parameters {
    given: Vec<Pair>,
    /// The parameters that were read and present, in the order of reading.
    read: Vec<(&'static str, String)>,
    errors: Vec<FieldError>,
    /// The descriptions of what is read, instead of values: see [`describe`].
    described_parameters: Option<Vec<Parameter>>,
}

impl Parameters {
    /// Reads a parameter of a domain type.
    pub fn optional<T: FieldValue>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.optional_by(name, || T::schema().into(), |text| T::from_json(&Value::from(text)))
    }

    /// Reads a parameter that is `true` or `false`, also as clients in Python write them. The
    /// document offers the first two.
    pub fn flag(&mut self, name: &'static str) -> Option<Option<bool>> {
        self.optional_by(
            name,
            || bool::schema().into(),
            |text| match text {
                "true" | "True" | "TRUE" | "1" => Ok(true),
                "false" | "False" | "FALSE" | "0" => Ok(false),
                _ => Err(Reason::new("invalid_choice", "Must be one of: true false.")),
            },
        )
    }

    /// Reads the first moment of a period: a timestamp (RFC 3339), or a date, which means its start
    /// in UTC.
    pub fn first_moment(&mut self, name: &'static str) -> Option<Option<Timestamp>> {
        self.optional_by(name, || bound_schema("The bound is included."), timestamp)
    }

    /// Reads the moment at which a period has ended, in the forms of
    /// [`first_moment`](Self::first_moment).
    pub fn end(&mut self, name: &'static str) -> Option<Option<Timestamp>> {
        self.optional_by(name, || bound_schema("The bound is not included."), timestamp)
    }

    /// Records an error, for rules over several parameters.
    pub fn reject(&mut self, name: &'static str, reason: Reason) {
        self.errors.push(FieldError::new(name, reason));
    }

    /// Reads a parameter by a rule of its own; `schema` describes it.
    pub fn optional_by<T>(
        &mut self,
        name: &'static str,
        schema: impl FnOnce() -> Schema,
        parse: impl FnOnce(&str) -> Result<T, Reason>,
    ) -> Option<Option<T>> {
        if let Some(described) = &mut self.described_parameters {
            described.push(
                ParameterBuilder::new()
                    .name(name)
                    .parameter_in(ParameterIn::Query)
                    .schema(Some(schema()))
                    .build(),
            );
            return None;
        }
        let mut pairs = self.given.iter().filter(|pair| pair.name == name);
        let result = match (pairs.next(), pairs.next()) {
            (None, None) => return Some(None),
            (Some(pair), None) if pair.value.is_empty() => return Some(None),
            (Some(pair), None) if pair.value.contains('\0') => Err(no_nul()),
            (Some(pair), None) if pair.is_lossy => Err(not_utf_8()),
            (Some(pair), None) => {
                self.read.push((name, pair.value.clone()));
                parse(&pair.value)
            }
            (_, _) => Err(Reason::new("duplicate", "Must be given only once.")),
        };
        result.map(Some).map_err(|reason| self.errors.push(FieldError::new(name, reason))).ok()
    }
}

/// A parameter of a query or a field of an HTML form.
pub struct Pair {
    /// Its name, decoded.
    pub name: String,
    /// Its value, decoded.
    pub value: String,
    /// Whether name or value lack bytes that were sent, because they were not UTF-8.
    pub is_lossy: bool,
}

/// Returns the pairs of a query or of an HTML form. An unescaped U+FFFD stands for bytes that were
/// replaced on the way: clients that send the character itself escape it.
pub fn pairs(encoded: &[u8]) -> impl Iterator<Item = Pair> {
    const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
    encoded.split(|byte| *byte == b'&').flat_map(|part| {
        let is_replaced = part.windows(REPLACEMENT.len()).any(|bytes| bytes == REPLACEMENT);
        let is_lossy = is_replaced || percent_decode(part).decode_utf8().is_err();
        form_urlencoded::parse(part).map(move |(name, value)| Pair {
            name: name.into_owned(),
            value: value.into_owned(),
            is_lossy,
        })
    })
}

/// Returns the reason why a lossy pair is refused.
pub fn not_utf_8() -> Reason {
    Reason::new("invalid", "Must be in UTF-8.")
}

/// Returns the parameters that a reader reads, and those of all lists. As in
/// [`crate::form::describe`], the reader runs without values.
#[expect(clippy::expect_used, reason = "a document without the parameters would be wrong")]
pub fn describe<F>(read: impl FnOnce(&mut Parameters) -> Option<F>) -> Vec<Parameter> {
    let described_parameters = Some(Vec::new());
    let mut parameters = Parameters { described_parameters, ..Parameters::default() };
    read(&mut parameters);
    parameters.optional_by("cursor", cursor_schema, |_| Ok(()));
    parameters.optional_by("limit", limit_schema, limit);
    parameters.described_parameters.expect("set above, and only added to")
}

/// Declares the filters of a list for the OpenAPI document: `filters!(RecordFilters: |parameters|
/// filter(parameters, "doctor"))`.
#[macro_export]
macro_rules! filters {
    ($(#[$doc:meta])* $visibility:vis $name:ident: $read:expr) => {
        $(#[$doc])*
        $visibility enum $name {}

        impl $crate::utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<$crate::utoipa::openapi::path::ParameterIn>,
            ) -> Vec<$crate::utoipa::openapi::path::Parameter> {
                $crate::query::describe($read)
            }
        }
    };
}

filters!(
    /// The parameters of a list without filters.
    pub NoFilters: |_| Some(())
);

fn text_schema() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Describes a bound of a period. It is one string with a pattern: from two forms, generators of
/// clients would make types that lose values. The pattern matches only days that exist, because
/// tools that make requests from the document expect every match to be accepted.
fn bound_schema(which: &str) -> Schema {
    let description = format!(
        "A moment as in RFC 3339, such as `2026-03-01T10:00:00+01:00`, or a date for its first \
         moment in UTC. {which}"
    );
    text_schema()
        .description(Some(description))
        .max_length(Some("2026-03-01T10:00:00.123456789+01:00".len()))
        .pattern(Some(format!("^(?:{DAY})(?:{TIME})?$")))
        .examples(["2026-03-01"])
        .into()
}

/// A day that exists, for a pattern.
const DAY: &str = concat!(
    "[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|",
    "(?:0[13578]|1[02])-31)|",
    // Leap years.
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29",
);

/// A time with its offset from UTC, for a pattern.
const TIME: &str = concat!(
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?",
    "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
);

fn cursor_schema() -> Schema {
    let description =
        "Where the page begins. Take it from the `next` of the page before, with the same filters.";
    text_schema()
        .description(Some(description))
        .max_length(Some(1024))
        .pattern(Some("^[A-Za-z0-9_-]*$"))
        .into()
}

fn limit_schema() -> Schema {
    let description =
        "The greatest number of entries on the page, 20 unless the operator has said otherwise.";
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)));
    limit
        .description(Some(description))
        .minimum(Some(1))
        .maximum(Some(MAX_LIMIT))
        .examples([20])
        .into()
}

fn timestamp(text: &str) -> Result<Timestamp, Reason> {
    let invalid = || {
        Reason::new("invalid", "Must be a date as YYYY-MM-DD or a date and time as in RFC 3339.")
    };
    if text.len() == 10 {
        let date: Date = text.parse().map_err(|_| invalid())?;
        return Ok(date
            .to_zoned(TimeZone::UTC)
            .map_or_else(|_| nearest(date), |at| at.timestamp()));
    }
    // A plus sign before the offset that was not escaped arrives as a space.
    let (date, time) = text.split_at_checked("YYYY-MM-DDT".len()).ok_or_else(invalid)?;
    let text = format!("{date}{}", time.replace(' ', "+"));
    text.parse().or_else(|_| {
        let pieces = Pieces::parse(&text).map_err(|_| invalid())?;
        if pieces.time().is_none() || pieces.offset().is_none() {
            return Err(invalid());
        }
        Ok(nearest(pieces.date()))
    })
}

/// Returns the first or last timestamp for a date beyond it: timestamps end 26 hours before the
/// year 10000, so that each of them has a date in every time zone.
fn nearest(date: Date) -> Timestamp {
    if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX }
}

fn limit(text: &str) -> Result<usize, Reason> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        Reason::new("invalid", format!("Must be a whole number from 1 to {MAX_LIMIT}."))
    })
}

#[cfg(test)]
mod tests {
    use domain::record::RecordType;
    use regex::Regex;

    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters { given: pairs(query.as_bytes()).collect(), ..Parameters::default() }
    }

    #[test]
    fn parameters_are_read_by_type() {
        let mut given = parameters(
            "type=imaging&read=true&from=2026-03-01&to=2026-03-01T10:00:00%2B02:00&\
             plus=2026-03-01T10:00:00+02:00&space=2026-03-01+10:00:00%2B02:00&empty=",
        );
        assert_eq!(given.optional("type"), Some(Some(RecordType::Imaging)));
        assert_eq!(given.flag("read"), Some(Some(true)));
        assert_eq!(
            given.first_moment("from").unwrap().unwrap().to_string(),
            "2026-03-01T00:00:00Z"
        );
        assert_eq!(given.first_moment("to").unwrap().unwrap().to_string(), "2026-03-01T08:00:00Z");
        assert_eq!(given.first_moment("plus"), given.first_moment("to"));
        assert_eq!(given.first_moment("space"), given.first_moment("to"));
        assert_eq!(given.end("to"), given.first_moment("to"));
        assert_eq!(given.flag("empty"), Some(None));
        assert_eq!(given.flag("absent"), Some(None));
        assert!(given.errors.is_empty());
    }

    #[test]
    fn flags_are_taken_as_clients_in_python_write_them() {
        for (text, expected) in [
            ("true", Some(Some(true))),
            ("True", Some(Some(true))),
            ("1", Some(Some(true))),
            ("false", Some(Some(false))),
            ("False", Some(Some(false))),
            ("0", Some(Some(false))),
            ("", Some(None)),
            ("yes", None),
            ("None", None),
            ("2", None),
            ("tRUE", None),
        ] {
            assert_eq!(parameters(&format!("is_read={text}")).flag("is_read"), expected, "{text}");
        }
    }

    #[test]
    fn the_last_day_of_the_calendar_is_a_bound() {
        for text in [
            "9999-12-31",
            "9999-12-30",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T00:00:00-12:00",
            "9999-12-31 23:59:59 14:00",
        ] {
            let at = timestamp(text).unwrap_or_else(|reason| panic!("{text}: {reason:?}"));
            assert!(at >= "9999-12-30T00:00:00Z".parse().unwrap(), "{text}: {at}");
        }
        for text in ["9999-12-32", "10000-01-01", "9999-12-31T25:00:00Z", "9999-12-31T23:59:59"] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_pattern_of_bounds_matches_days_that_exist() {
        let schema = serde_json::to_value(bound_schema("")).unwrap();
        let pattern = Regex::new(schema["pattern"].as_str().unwrap()).unwrap();
        for year in ["0000", "0004", "1900", "1904", "1999", "2000", "2024", "2026", "2100", "9999"]
        {
            for (month, day) in (0..14).flat_map(|month| (0..33).map(move |day| (month, day))) {
                let text = format!("{year}-{month:02}-{day:02}");
                assert_eq!(pattern.is_match(&text), timestamp(&text).is_ok(), "{text}");
            }
        }
        for text in [
            "2026-03-01T00:00:00Z",
            "2026-03-01T23:59:59.123456789+23:59",
            "2026-03-01T10:00:00.5-00:00",
            "2024-02-29T10:00:00+01:00",
            "9999-12-31T23:59:59-12:00",
            "0000-01-01T00:00:00+23:59",
        ] {
            assert!(pattern.is_match(text), "{text}");
            assert!(timestamp(text).is_ok(), "{text}");
            assert!(text.len() as u64 <= schema["maxLength"].as_u64().unwrap(), "{text}");
        }
        for text in [
            "2026-02-29T10:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T10:60:00Z",
            "2026-03-01T10:00:00",
            "2026-03-01T10:00:00+1:00",
            "2026-03-01T10:00:00+01:60",
            "26-03-01",
            "2026-3-1",
            "today",
        ] {
            assert!(!pattern.is_match(text), "{text}");
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_name_the_parameter() {
        let mut given = parameters(
            "type=x&read=yes&from=2026-02-30&to=yesterday&twice=true&twice=true&other=%EF%BF%BD&\
             nul=a%00b&bytes=%FF&limit=101&ignored=%FF",
        );
        assert_eq!(given.optional::<RecordType>("type"), None);
        assert_eq!(given.flag("read"), None);
        assert_eq!(given.first_moment("from"), None);
        assert_eq!(given.first_moment("to"), None);
        assert_eq!(given.flag("twice"), None);
        assert_eq!(given.optional::<String>("nul"), None);
        assert_eq!(given.flag("bytes"), None);
        assert_eq!(given.optional_by("limit", limit_schema, limit), None);
        let errors: Vec<String> = given
            .errors
            .iter()
            .map(|error| format!("{} {}", error.field, error.reason.code))
            .collect();
        let expected = [
            "type invalid_choice",
            "read invalid_choice",
            "from invalid",
            "to invalid",
            "twice duplicate",
            "nul invalid",
            "bytes invalid",
            "limit invalid",
        ];
        assert_eq!(errors, expected);
    }

    #[test]
    fn filters_are_described_by_what_is_asked_for() {
        let parameters = describe(|parameters| {
            let record_type = parameters.optional::<RecordType>("record_type");
            let is_read = parameters.flag("is_read");
            Some((record_type?, is_read?))
        });
        let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["record_type", "is_read", "cursor", "limit"]);
        let limit = serde_json::to_value(&parameters[3]).unwrap();
        assert_eq!(
            (&limit["in"], &limit["schema"]["maximum"]),
            (&Value::from("query"), &Value::from(MAX_LIMIT))
        );
    }

    #[test]
    fn limits_are_1_to_100() {
        for (text, expected) in [
            ("1", Some(1)),
            ("100", Some(100)),
            ("0", None),
            ("101", None),
            ("-1", None),
            ("1.0", None),
            ("x", None),
        ] {
            assert_eq!(limit(text).ok(), expected, "{text}");
        }
    }
}
