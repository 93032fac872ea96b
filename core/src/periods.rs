//! In: days of events, invoices or postings. Out: the periods, windows and groups into which they fall,
//! days inclusive at both ends unless said otherwise.

use crate::Error;
use crate::calendar::Period;
use crate::decimal::sum;
use chrono::{Datelike, Days, NaiveDate};
use std::collections::BTreeMap;

/// How long a settlement period is. Half months are days 1 to 15 and 16 to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    HalfMonth,
    Month,
    Quarter,
    HalfYear,
    Year,
}

impl Frequency {
    /// First and last day of the period in which a day lies.
    #[must_use]
    pub fn period_of(self, day: NaiveDate) -> (NaiveDate, NaiveDate) {
        let month = Period::of(day);
        let months = match self {
            Frequency::HalfMonth if day.day() <= 15 => return (month.day(1), month.day(15)),
            Frequency::HalfMonth => return (month.day(16), month.last_day()),
            Frequency::Month => 1,
            Frequency::Quarter => 3,
            Frequency::HalfYear => 6,
            Frequency::Year => 12,
        };
        let first = month.plus(-(month.month() - 1).cast_signed() % months);
        (first.first_day(), first.plus(months - 1).last_day())
    }
}

/// A settlement of the documents of one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub documents: usize,
}

/// Settles the periods that ended before a day; periods without documents are not settled.
/// Source: OCA commission modules.
#[must_use]
pub fn settlements(
    frequency: Frequency,
    documents: &[NaiveDate],
    settle_to: NaiveDate,
) -> Vec<Settlement> {
    let mut counts: BTreeMap<(NaiveDate, NaiveDate), usize> = BTreeMap::new();
    for &day in documents {
        let period = frequency.period_of(day);
        if period.1 < settle_to {
            *counts.entry(period).or_default() += 1;
        }
    }
    let settlement = |((from, to), documents)| Settlement { from, to, documents };
    counts.into_iter().map(settlement).collect()
}

/// Positions of documents by equal keys (participant, period, currency …), one settlement each.
#[must_use]
pub fn groups(keys: &[Vec<String>]) -> BTreeMap<&[String], Vec<usize>> {
    let mut groups: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (position, key) in keys.iter().enumerate() {
        groups.entry(key).or_default().push(position);
    }
    groups
}

/// What a run takes that also waits for late transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraceWindow {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub run_on: NaiveDate,
}

/// The window of a period's run: some days after the period count too, and the run is on a day of the
/// next month. Source: Salesforce Trailhead, rebate management.
///
/// # Errors
/// If the window ends after the last day that there is.
pub fn grace_window(
    period: Period,
    grace_days: u16,
    calculation_day: u32,
) -> Result<GraceWindow, Error> {
    let to = period.last_day().checked_add_days(Days::new(grace_days.into()));
    Ok(GraceWindow {
        from: period.first_day(),
        to: to.ok_or_else(|| Error(format!("expected {grace_days} days after {period}")))?,
        run_on: period.plus(1).day(calculation_day),
    })
}

/// An event of one unit of measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub day: NaiveDate,
    pub unit: String,
    /// At the caller's scale.
    pub quantity: i128,
}

/// What the events of a period add up to, by unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    pub from: NaiveDate,
    /// First day after.
    pub until: NaiveDate,
    pub totals: BTreeMap<String, i128>,
}

/// Adds events up in the periods between starts, half-open. What lies outside all of them is left out,
/// periods without events are not listed. Source: Kill Bill, consumable usage in arrear.
///
/// # Errors
/// On overflow, or if starts don't rise.
pub fn aggregate(starts: &[NaiveDate], events: &[Event]) -> Result<Vec<Aggregate>, Error> {
    let mut found = Vec::new();
    for pair in starts.windows(2) {
        let (from, until) = (pair[0], pair[1]);
        if from >= until {
            return Err(Error(format!("expected a start after {from}, found {until}")));
        }
        let mut totals: BTreeMap<String, i128> = BTreeMap::new();
        for event in events.iter().filter(|event| from <= event.day && event.day < until) {
            let total = totals.entry(event.unit.clone()).or_default();
            *total = sum([*total, event.quantity])?;
        }
        if !totals.is_empty() {
            found.push(Aggregate { from, until, totals });
        }
    }
    Ok(found)
}

/// The month in which an earning is paid, and whether its calculation came late. What is calculated
/// later than the month after its usage waits for a later cycle.
/// Source: Partner Center docs, incentives payment FAQ; RULES 5.
#[must_use]
pub fn estimated_payment(usage: Period, generated: Period, months_after: u16) -> (Period, bool) {
    let on_time = usage.plus(1);
    (generated.max(on_time).plus(months_after.into()), generated > on_time)
}

/// First and last day of `YYYY`, `YYYY-Hn`, `YYYY-Qn` or `YYYY-MM`, of calendar years.
///
/// # Errors
/// If the text is none of them.
pub fn span(text: &str) -> Result<(NaiveDate, NaiveDate), Error> {
    let bad = || Error(format!("expected a year, half, quarter or month, found `{text}`"));
    let (year, rest) = text.split_once('-').unwrap_or((text, ""));
    let part = |count: i32, letter: char| -> Result<i32, Error> {
        let number = rest.strip_prefix(letter).ok_or_else(bad)?;
        let number: i32 = number.parse().map_err(|_| bad())?;
        if (1..=count).contains(&number) { Ok((number - 1) * 12 / count) } else { Err(bad()) }
    };
    let (first, months) = match rest.chars().next() {
        None => (0, 12),
        Some('H') => (part(2, 'H')?, 6),
        Some('Q') => (part(4, 'Q')?, 3),
        Some(_) => {
            let month: Period = text.parse()?;
            return Ok((month.first_day(), month.last_day()));
        }
    };
    let first = format!("{year}-01").parse::<Period>().map_err(|_| bad())?.plus(first);
    Ok((first.first_day(), first.plus(months - 1).last_day()))
}

/// Where an adjustment shows: in the earnings of the month that it corrects, and in the payment of the
/// month that processed it. Source: Partner Center docs, incentives payment issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdjustmentPeriods {
    pub earnings_of: Period,
    pub payment_of: Period,
}

/// The periods of an adjustment.
///
/// # Errors
/// If it is processed before the month that it corrects.
pub fn adjustment(applies_to: Period, processed_in: Period) -> Result<AdjustmentPeriods, Error> {
    if processed_in < applies_to {
        return Err(Error(format!(
            "expected {applies_to} to be corrected later, not {processed_in}"
        )));
    }
    Ok(AdjustmentPeriods { earnings_of: applies_to, payment_of: processed_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn periods_hold_their_days() {
        let cases = [
            (Frequency::HalfMonth, "2024-02-15", "2024-02-01", "2024-02-15"),
            (Frequency::HalfMonth, "2024-02-16", "2024-02-16", "2024-02-29"),
            (Frequency::Month, "2023-02-16", "2023-02-01", "2023-02-28"),
            (Frequency::Quarter, "2023-12-31", "2023-10-01", "2023-12-31"),
            (Frequency::Quarter, "2023-01-01", "2023-01-01", "2023-03-31"),
            (Frequency::HalfYear, "2023-07-01", "2023-07-01", "2023-12-31"),
            (Frequency::Year, "2023-07-01", "2023-01-01", "2023-12-31"),
        ];
        for (frequency, on, from, to) in cases {
            assert_eq!(frequency.period_of(day(on)), (day(from), day(to)), "{frequency:?} {on}");
        }
    }

    #[test]
    fn only_ended_periods_are_settled() {
        let days = [day("2022-01-03"), day("2022-01-20")];
        let count = |to: &str| settlements(Frequency::HalfMonth, &days, day(to)).len();
        assert_eq!(
            ["2022-01-15", "2022-01-16", "2022-01-31", "2022-02-01"].map(count),
            [0, 1, 1, 2]
        );
    }

    #[test]
    fn spans_are_of_calendar_years() {
        let cases = [
            ("2022", "2022-01-01", "2022-12-31"),
            ("2022-H2", "2022-07-01", "2022-12-31"),
            ("2024-Q1", "2024-01-01", "2024-03-31"),
            ("2022-Q4", "2022-10-01", "2022-12-31"),
            ("2024-02", "2024-02-01", "2024-02-29"),
        ];
        for (text, from, to) in cases {
            assert_eq!(span(text), Ok((day(from), day(to))), "{text}");
        }
        for bad in ["", "22-Q1", "2022-Q5", "2022-Q0", "2022-H3", "2022-13", "2022-Q"] {
            assert!(span(bad).is_err(), "`{bad}`");
        }
    }

    #[test]
    fn late_earnings_wait() {
        let month = |text: &str| text.parse::<Period>().expect("a month");
        let at = |generated| estimated_payment(month("2023-06"), month(generated), 1);
        assert_eq!(at("2023-07"), (month("2023-08"), false));
        assert_eq!(at("2023-09"), (month("2023-10"), true));
        assert_eq!(at("2023-06"), (month("2023-08"), false));
    }

    #[test]
    fn starts_must_rise() {
        assert!(aggregate(&[day("2022-02-01"), day("2022-01-01")], &[]).is_err());
        assert_eq!(aggregate(&[day("2022-02-01")], &[]), Ok(vec![]));
    }
}
