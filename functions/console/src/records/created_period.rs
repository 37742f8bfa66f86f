//! Narrowing a list by time of creation: a year, a month, a day.

use domain::field::Reason;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use store::Span;

/// How many years back a list offers to look into. What is older is found by `?created=` all the
/// same.
const YEARS_OFFERED: i16 = 10;

/// A year, a month or a day in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CreatedPeriod {
    Year(i16),
    Month(i16, i8),
    Day(Date),
}

impl std::fmt::Display for CreatedPeriod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Year(year) => write!(f, "{year:04}"),
            Self::Month(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Day(day) => write!(f, "{day}"),
        }
    }
}

impl std::str::FromStr for CreatedPeriod {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let created = match text.len() {
            4 => text.parse().ok().map(Self::Year),
            7 => format!("{text}-01")
                .parse::<Date>()
                .ok()
                .map(|day| Self::Month(day.year(), day.month())),
            10 => text.parse().ok().map(Self::Day),
            _ => None,
        };
        let created =
            created.filter(|created| created.first().year() >= 1970 && created.to_string() == text);
        created.ok_or_else(|| {
            Reason::new(
                "invalid",
                "Must be a year, a month or a day, as 2026, 2026-03 or 2026-03-05.",
            )
        })
    }
}

impl CreatedPeriod {
    fn first(self) -> Date {
        match self {
            Self::Year(year) => date(year, 1, 1),
            Self::Month(year, month) => date(year, month, 1),
            Self::Day(day) => day,
        }
    }

    /// Returns the time span of the period, half-open.
    pub(crate) fn span(self) -> Span {
        let first = self.first();
        let next = match self {
            Self::Year(_) => first.saturating_add(1.year()),
            Self::Month(..) => first.saturating_add(1.month()),
            Self::Day(_) => first.saturating_add(1.day()),
        };
        let start = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
        Span { created_after: start(first), created_before: start(next) }
    }

    /// Returns the year, month and day that lead to this period.
    pub(crate) fn breadcrumbs(self) -> Vec<Self> {
        let first = self.first();
        let year = Self::Year(first.year());
        let month = Self::Month(first.year(), first.month());
        match self {
            Self::Year(_) => vec![year],
            Self::Month(..) => vec![year, month],
            Self::Day(_) => vec![year, month, self],
        }
    }

    /// Returns the periods one level below `narrowed`, years without one: newest first, none in
    /// the future.
    pub(crate) fn parts(narrowed: Option<Self>, now: Timestamp) -> Vec<Self> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let parts: Vec<Self> = match narrowed {
            None => (0..YEARS_OFFERED).map(|ago| Self::Year(today.year() - ago)).collect(),
            Some(Self::Year(year)) => {
                (1..=12).rev().map(|month| Self::Month(year, month)).collect()
            }
            Some(Self::Month(year, month)) => {
                let first = date(year, month, 1);
                (1..=first.days_in_month())
                    .rev()
                    .filter_map(|day| Date::new(year, month, day).ok())
                    .map(Self::Day)
                    .collect()
            }
            Some(Self::Day(_)) => Vec::new(),
        };
        parts.into_iter().filter(|part| part.first() <= today).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(parts: Vec<CreatedPeriod>) -> Vec<String> {
        parts.iter().map(CreatedPeriod::to_string).collect()
    }

    #[test]
    fn years_months_and_days_are_spans() {
        let span = |text: &str| {
            let Span { created_after, created_before } =
                text.parse::<CreatedPeriod>().unwrap().span();
            format!("{} {}", created_after.unwrap(), created_before.unwrap())
        };
        assert_eq!(span("2026"), "2026-01-01T00:00:00Z 2027-01-01T00:00:00Z");
        assert_eq!(span("2026-12"), "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z");
        assert_eq!(span("2028-02-29"), "2028-02-29T00:00:00Z 2028-03-01T00:00:00Z");
        for text in [
            "",
            "26",
            "0026",
            "1969",
            "2026-13",
            "2026-00",
            "2026-02-30",
            "2026-3-5",
            "20260305",
            "２０２６",
            "+026",
            "2026-03-05T00:00:00Z",
        ] {
            assert!(text.parse::<CreatedPeriod>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_list_is_narrowed_step_by_step() {
        let now: Timestamp = "2026-03-05T12:00:00Z".parse().unwrap();
        let parts = |text: &str| words(CreatedPeriod::parts(text.parse().ok(), now));
        assert_eq!(
            (parts("").len(), parts("")[0].as_str(), parts("")[9].as_str()),
            (10, "2026", "2017")
        );
        assert_eq!(parts("2026"), ["2026-03", "2026-02", "2026-01"]);
        assert_eq!(
            parts("2026-03"),
            ["2026-03-05", "2026-03-04", "2026-03-03", "2026-03-02", "2026-03-01"]
        );
        assert_eq!(
            (
                parts("2025").len(),
                parts("2024-02").len(),
                parts("2024-02-03").len(),
                parts("2027").len()
            ),
            (12, 29, 0, 0)
        );
        assert_eq!(
            words("2026-03-05".parse::<CreatedPeriod>().unwrap().breadcrumbs()),
            ["2026", "2026-03", "2026-03-05"]
        );
    }
}
