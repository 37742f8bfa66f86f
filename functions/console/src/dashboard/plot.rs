//! Bar charts of numbers over time: the geometry of the bars, which the template draws.

use domain::counter::Counts;
use jiff::ToSpan;
use jiff::civil::Date;

/// The size of a plot in its own units; the page scales it.
pub(crate) const WIDTH: u32 = 640;
/// See [`WIDTH`]. The axis is above the labels.
pub(crate) const HEIGHT: u32 = 150;
const TOP: u32 = 18;
/// See [`WIDTH`].
pub(crate) const AXIS: u32 = 128;

/// What was counted in a day or a month.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CountedPeriod {
    /// `2026-03-01`, or `2026-03`.
    pub(crate) name: String,
    pub(crate) counts: Counts,
}

/// A bar chart with a bar for each period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plot {
    /// The id of its element.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) sum: u64,
    /// The highest value.
    pub(crate) max: u64,
    pub(crate) bars: Vec<Bar>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bar {
    /// The name of its period.
    pub(crate) name: String,
    pub(crate) value: u64,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Returns the days up to and including `last`, with zeros where nothing was counted.
pub(crate) fn days(counted: &[(Date, Counts)], last: Date, number: i32) -> Vec<CountedPeriod> {
    first_day(last, number)
        .series(1.day())
        .take_while(|day| *day <= last)
        .map(|day| {
            let counts = counted
                .iter()
                .find(|(counted, _)| *counted == day)
                .map(|(_, counts)| *counts)
                .unwrap_or_default();
            CountedPeriod { name: day.to_string(), counts }
        })
        .collect()
}

/// Returns the months up to and including that of `last`, with zeros where nothing was counted.
pub(crate) fn months(counted: &[(Date, Counts)], last: Date, number: i32) -> Vec<CountedPeriod> {
    first_month(last, number)
        .series(1.month())
        .take_while(|month| *month <= last)
        .map(|month| {
            let mut counts = Counts::default();
            for (_, more) in counted.iter().filter(|(day, _)| day.first_of_month() == month) {
                counts += *more;
            }
            CountedPeriod { name: format!("{:04}-{:02}", month.year(), month.month()), counts }
        })
        .collect()
}

/// Returns the first of a number of days that end with `last`.
pub(crate) fn first_day(last: Date, number: i32) -> Date {
    last.saturating_sub((number - 1).days())
}

/// Returns the first day of a number of months that end with that of `last`.
pub(crate) fn first_month(last: Date, number: i32) -> Date {
    last.first_of_month().saturating_sub((number - 1).months())
}

impl Plot {
    /// Plots a value of each period.
    pub(crate) fn new(
        id: &'static str,
        title: &'static str,
        periods: &[CountedPeriod],
        value: impl Fn(&Counts) -> u64,
    ) -> Self {
        let values: Vec<u64> = periods.iter().map(|period| value(&period.counts)).collect();
        let max = values.iter().copied().max().unwrap_or_default();
        let step = WIDTH / u32::try_from(periods.len()).unwrap_or(WIDTH).max(1);
        let bars = periods.iter().zip(&values).zip(0_u32..).map(|((period, value), position)| {
            // A value above zero has a visible bar.
            let height =
                u64::from(AXIS - TOP).saturating_mul(*value).checked_div(max).unwrap_or_default();
            let height = u32::try_from(height).unwrap_or(AXIS - TOP).max(u32::from(*value > 0) * 2);
            Bar {
                name: period.name.clone(),
                value: *value,
                x: position * step + 1,
                y: AXIS - height,
                width: step.max(3) - 2,
                height,
            }
        });
        Self {
            id,
            title,
            sum: values.iter().fold(0, |sum, value| sum.saturating_add(*value)),
            max,
            bars: bars.collect(),
        }
    }

    /// Returns the name of the first period.
    pub(crate) fn first(&self) -> &str {
        self.bars.first().map_or("", |bar| &bar.name)
    }

    /// Returns the name of the last period.
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
        let mut periods = days(&counted, date(2026, 2, 28), 30);
        periods[2].counts = records(1);
        let plot = Plot::new("records", "Records", &periods, |counts| counts.records);
        assert_eq!(
            (plot.bars.len(), plot.max, plot.first(), plot.last()),
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
