//! Numbers over time as bars: where each stands in the drawing. The template draws them.

use domain::counter::Counts;
use jiff::ToSpan;
use jiff::civil::Date;

/// The size of a drawing, in its own units; the page scales it.
pub(crate) const WIDTH: u32 = 640;
/// See [`WIDTH`]. The axis stands above the labels.
pub(crate) const HEIGHT: u32 = 150;
const TOP: u32 = 18;
/// See [`WIDTH`].
pub(crate) const AXIS: u32 = 128;

/// What was counted in a span of time, a day or a month.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// `2026-03-01`, or `2026-03`.
    pub(crate) name: String,
    /// What was counted.
    pub(crate) counts: Counts,
}

/// A drawing: bars, one for each span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plot {
    /// Its id in the page.
    pub(crate) id: &'static str,
    /// What it shows.
    pub(crate) title: &'static str,
    /// All together.
    pub(crate) sum: u64,
    /// The highest bar.
    pub(crate) most: u64,
    /// From left to right.
    pub(crate) bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bar {
    /// Its span.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) value: u64,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The days up to and with `last`, with zeros where nothing was counted.
pub(crate) fn days(counted: &[(Date, Counts)], last: Date, number: i32) -> Vec<Span> {
    first_day(last, number)
        .series(1.day())
        .take_while(|day| *day <= last)
        .map(|day| {
            let counts = counted
                .iter()
                .find(|(counted, _)| *counted == day)
                .map(|(_, counts)| *counts)
                .unwrap_or_default();
            Span { name: day.to_string(), counts }
        })
        .collect()
}

/// The months up to and with that of `last`, with zeros where nothing was counted.
pub(crate) fn months(counted: &[(Date, Counts)], last: Date, number: i32) -> Vec<Span> {
    first_month(last, number)
        .series(1.month())
        .take_while(|month| *month <= last)
        .map(|month| {
            let mut counts = Counts::default();
            for (_, more) in counted.iter().filter(|(day, _)| day.first_of_month() == month) {
                counts += *more;
            }
            Span { name: format!("{:04}-{:02}", month.year(), month.month()), counts }
        })
        .collect()
}

/// The first of so many days, of which the last is `last`.
pub(crate) fn first_day(last: Date, number: i32) -> Date {
    last.saturating_sub((number - 1).days())
}

/// The first day of the first of so many months, of which the last is that of `last`.
pub(crate) fn first_month(last: Date, number: i32) -> Date {
    last.first_of_month().saturating_sub((number - 1).months())
}

impl Plot {
    /// What `value` says of each span.
    pub(crate) fn new(
        id: &'static str,
        title: &'static str,
        spans: &[Span],
        value: impl Fn(&Counts) -> u64,
    ) -> Self {
        let values: Vec<u64> = spans.iter().map(|span| value(&span.counts)).collect();
        let most = values.iter().copied().max().unwrap_or_default();
        let step = WIDTH / u32::try_from(spans.len()).unwrap_or(WIDTH).max(1);
        let bars = spans.iter().zip(&values).zip(0_u32..).map(|((span, value), place)| {
            // Something is never drawn as nothing.
            let height =
                u64::from(AXIS - TOP).saturating_mul(*value).checked_div(most).unwrap_or_default();
            let height = u32::try_from(height).unwrap_or(AXIS - TOP).max(u32::from(*value > 0) * 2);
            Bar {
                name: span.name.clone(),
                value: *value,
                x: place * step + 1,
                y: AXIS - height,
                width: step.max(3) - 2,
                height,
            }
        });
        Self {
            id,
            title,
            sum: values.iter().fold(0, |sum, value| sum.saturating_add(*value)),
            most,
            bars: bars.collect(),
        }
    }

    /// The first span's name, for below the axis.
    pub(crate) fn first(&self) -> &str {
        self.bars.first().map_or("", |bar| &bar.name)
    }

    /// The last span's name.
    pub(crate) fn last(&self) -> &str {
        self.bars.last().map_or("", |bar| &bar.name)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn records(number: u64) -> Counts {
        Counts { records: number, ..Counts::default() }
    }

    #[test]
    fn days_without_anything_are_there() {
        let counted = [(date(2026, 2, 27), records(3)), (date(2026, 3, 1), records(1))];
        let days = days(&counted, date(2026, 3, 1), 4);
        let shown: Vec<_> =
            days.iter().map(|day| (day.name.as_str(), day.counts.records)).collect();
        assert_eq!(
            shown,
            [("2026-02-26", 0), ("2026-02-27", 3), ("2026-02-28", 0), ("2026-03-01", 1)]
        );
    }

    #[test]
    fn months_are_sums_of_days() {
        let counted = [
            (date(2025, 12, 31), records(3)),
            (date(2026, 2, 1), records(1)),
            (date(2026, 2, 28), records(1)),
        ];
        let months = months(&counted, date(2026, 3, 31), 4);
        let shown: Vec<_> =
            months.iter().map(|month| (month.name.as_str(), month.counts.records)).collect();
        assert_eq!(shown, [("2025-12", 3), ("2026-01", 0), ("2026-02", 2), ("2026-03", 0)]);
    }

    #[test]
    fn bars_stand_on_the_axis_and_within_the_drawing() {
        let counted: Vec<_> = (1..=28_i8)
            .map(|day| (date(2026, 2, day), records(u64::from(day.unsigned_abs()) * 1000)))
            .collect();
        let mut spans = days(&counted, date(2026, 2, 28), 30);
        spans[2].counts = records(1);
        let plot = Plot::new("records", "Records", &spans, |counts| counts.records);
        assert_eq!(
            (plot.bars.len(), plot.most, plot.first(), plot.last()),
            (30, 28_000, "2026-01-30", "2026-02-28")
        );
        for bar in &plot.bars {
            assert!(
                bar.x + bar.width <= WIDTH && bar.y + bar.height == AXIS && bar.y >= TOP,
                "{bar:?}"
            );
            assert_eq!(bar.height == 0, bar.value == 0, "{bar:?}");
        }
        assert_eq!(plot.bars[29].y, TOP);
        let empty = Plot::new("records", "Records", &[], |counts| counts.records);
        assert_eq!((empty.sum, empty.first()), (0, ""));
    }
}
