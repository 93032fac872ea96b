//! Days, months and fiscal halves. Ranges are half-open; "today" is always an argument.

use crate::Error;
use chrono::{Datelike, Days, NaiveDate};
use std::fmt::{self, Write};
use std::str::FromStr;

/// A calendar month, counted from year 0: `2026-01` is `2026 × 12`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Period(i32);

impl Period {
    #[must_use]
    pub fn of(day: NaiveDate) -> Period {
        Period(day.year() * 12 + day.month0().cast_signed())
    }

    #[must_use]
    pub fn plus(self, months: i32) -> Period {
        Period(self.0 + months)
    }

    /// How many months later it is than `other`.
    #[must_use]
    pub fn months_since(self, other: Period) -> i32 {
        self.0 - other.0
    }

    /// First day.
    ///
    /// # Panics
    /// Never for years that dates can have.
    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        self.day(1)
    }

    /// First day after.
    #[must_use]
    pub fn end(self) -> NaiveDate {
        self.plus(1).first_day()
    }

    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.end() - Days::new(1)
    }

    /// The given day of the month, or its last day if it has fewer.
    #[must_use]
    pub fn day(self, day: u32) -> NaiveDate {
        let (year, month) = (self.0.div_euclid(12), self.0.rem_euclid(12).cast_unsigned() + 1);
        (1..=day.min(31))
            .rev()
            .find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
            .unwrap_or(NaiveDate::MIN)
    }

    /// All periods from `self` to `last`, both included.
    pub fn through(self, last: Period) -> impl Iterator<Item = Period> {
        (self.0..=last.0).map(Period)
    }

    #[must_use]
    pub fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// 1 to 12.
    #[must_use]
    pub fn month(self) -> u32 {
        self.0.rem_euclid(12).cast_unsigned() + 1
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.year(), self.month());
        let Some(year) = u32::try_from(year).ok().filter(|year| *year < 10_000) else {
            return write!(f, "{year}-{month:02}");
        };
        // Digit by digit, since widths are slow, and the key of every sum holds three months.
        let digit = |number: u32| char::from_digit(number % 10, 10).unwrap_or('0');
        let years = [year / 1000, year / 100, year / 10, year].map(digit);
        let months = ['-', digit(month / 10), digit(month)];
        years.into_iter().chain(months).try_for_each(|character| f.write_char(character))
    }
}

impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Period, Error> {
        let bad = || Error(format!("expected a month YYYY-MM, found `{text}`"));
        let (year, month) = text.split_once('-').ok_or_else(bad)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(bad());
        }
        let (year, month): (i32, i32) =
            (year.parse().map_err(|_| bad())?, month.parse().map_err(|_| bad())?);
        if (1..=12).contains(&month) { Ok(Period(year * 12 + month - 1)) } else { Err(bad()) }
    }
}

/// A fiscal half-year: `FY21H2` is January to June 2021 when the fiscal year starts in July.
/// Source: Partner Center docs, co-op halves H1 = July–December, H2 = January–June.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiscalHalf {
    first: Period,
    start_month: u32,
}

impl FiscalHalf {
    /// The half in which a period lies; `start_month` (1 to 12) opens the fiscal year.
    #[must_use]
    pub fn of(period: Period, start_month: u32) -> FiscalHalf {
        let into_year = (period.month() + 12 - start_month) % 12;
        FiscalHalf { first: period.plus(-(into_year % 6).cast_signed()), start_month }
    }

    #[must_use]
    pub fn first(self) -> Period {
        self.first
    }

    #[must_use]
    pub fn last(self) -> Period {
        self.first.plus(5)
    }

    /// First period after.
    #[must_use]
    pub fn end(self) -> Period {
        self.first.plus(6)
    }

    #[must_use]
    pub fn next(self) -> FiscalHalf {
        FiscalHalf { first: self.first.plus(6), ..self }
    }

    #[must_use]
    pub fn previous(self) -> FiscalHalf {
        FiscalHalf { first: self.first.plus(-6), ..self }
    }

    /// The half of that name (`FY21H2`, `FY21 H2` or `FY2021H2`); years of two digits are of this century.
    ///
    /// # Errors
    /// If the text is none.
    pub fn named(text: &str, start_month: u32) -> Result<FiscalHalf, Error> {
        let bad = || Error(format!("expected a fiscal half `FY21H1`, found `{text}`"));
        let rest = text.trim().strip_prefix("FY").ok_or_else(bad)?;
        let (year, half) = rest.split_once('H').ok_or_else(bad)?;
        let year = year.trim_end();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !(year.len() == 2 || year.len() == 4) || !digits(year) || !["1", "2"].contains(&half) {
            return Err(bad());
        }
        let number: i32 = year.parse().map_err(|_| bad())?;
        let year = if year.len() == 2 { 2000 + number } else { number };
        // A fiscal year is named by the calendar year in which it ends.
        let opens = if start_month == 1 { year } else { year - 1 };
        let first = Period(opens * 12 + start_month.cast_signed() - 1);
        let opening = FiscalHalf { first, start_month };
        Ok(if half == "1" { opening } else { opening.next() })
    }
}

impl fmt::Display for FiscalHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = if self.first.month() == self.start_month { 1 } else { 2 };
        let opening = if half == 1 { self.first } else { self.first.plus(-6) };
        // A fiscal year is named by the calendar year in which it ends.
        let year = opening.plus(11).year();
        write!(f, "FY{:02}H{half}", year.rem_euclid(100))
    }
}

/// Half-open ranges of days, sorted, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayRanges(Vec<(NaiveDate, NaiveDate)>);

impl DayRanges {
    /// Every day there is.
    #[must_use]
    pub fn always() -> DayRanges {
        DayRanges(vec![(NaiveDate::MIN, NaiveDate::MAX)])
    }

    /// Joins overlapping and touching ranges; empty ones are dropped. `None` is open.
    pub fn union_of(
        ranges: impl IntoIterator<Item = (Option<NaiveDate>, Option<NaiveDate>)>,
    ) -> DayRanges {
        let mut sorted: Vec<_> = ranges
            .into_iter()
            .map(|(from, until)| (from.unwrap_or(NaiveDate::MIN), until.unwrap_or(NaiveDate::MAX)))
            .filter(|(from, until)| from < until)
            .collect();
        sorted.sort_unstable();
        let mut joined: Vec<(NaiveDate, NaiveDate)> = Vec::with_capacity(sorted.len());
        for (from, until) in sorted {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        DayRanges(joined)
    }

    /// The days that lie in both.
    #[must_use]
    pub fn intersect(&self, other: &DayRanges) -> DayRanges {
        let mut both = Vec::new();
        for &(from, until) in &self.0 {
            for &(other_from, other_until) in &other.0 {
                let (from, until) = (from.max(other_from), until.min(other_until));
                if from < until {
                    both.push((from, until));
                }
            }
        }
        DayRanges(both)
    }

    /// The ranges that have days in `[from, until)`, uncut.
    pub fn within(
        &self,
        from: NaiveDate,
        until: NaiveDate,
    ) -> impl Iterator<Item = (NaiveDate, NaiveDate)> + '_ {
        self.0.iter().copied().filter(move |range| range.0 < until && from < range.1)
    }

    #[must_use]
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.0.iter().any(|range| range.0 <= day && day < range.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn periods_count_over_the_year_s_end() {
        let period: Period = "2019-11".parse().expect("a month");
        assert_eq!(period.plus(2).to_string(), "2020-01");
        assert_eq!(period.plus(3).last_day(), day("2020-02-29"));
        assert_eq!(period.plus(3).day(31), day("2020-02-29"));
        assert_eq!(Period::of(day("2020-02-29")).first_day(), day("2020-02-01"));
        for bad in ["2020", "2020-13", "2020-00", "20-01", "2020-1", "x"] {
            assert!(bad.parse::<Period>().is_err(), "`{bad}`");
        }
    }

    #[test]
    fn fiscal_halves_are_named_by_the_year_they_end_in() {
        let half = |text: &str| FiscalHalf::of(text.parse().expect("a month"), 7).to_string();
        assert_eq!(half("2020-07"), "FY21H1");
        assert_eq!(half("2020-12"), "FY21H1");
        assert_eq!(half("2021-01"), "FY21H2");
        assert_eq!(half("2021-06"), "FY21H2");
        assert_eq!(half("2021-07"), "FY22H1");
        assert_eq!(
            FiscalHalf::of("2021-04".parse().expect("a month"), 7).first().to_string(),
            "2021-01"
        );
        assert_eq!(FiscalHalf::of("2021-04".parse().expect("a month"), 1).to_string(), "FY21H1");
        for (start, name) in [(7, "FY21H1"), (7, "FY21H2"), (1, "FY21H1"), (4, "FY99H2")] {
            let half = FiscalHalf::named(name, start).expect("a half");
            assert_eq!(half.to_string(), name);
            assert_eq!(FiscalHalf::of(half.first(), start), half);
            assert_eq!(half.next().previous(), half);
            assert!(half < half.next() && half.next().first() == half.end());
        }
        let named = |text| FiscalHalf::named(text, 7).map(|half| half.to_string());
        assert_eq!(named("FY2021 H2"), Ok("FY21H2".to_owned()));
        for bad in ["", "FY21", "21H1", "FY21H3", "FY1H1", "FY+1H1", "FY21H1x"] {
            assert!(named(bad).is_err(), "`{bad}`");
        }
    }

    #[test]
    fn ranges_join_and_meet() {
        let a = DayRanges::union_of([
            (Some(day("2020-01-01")), Some(day("2020-02-01"))),
            (Some(day("2020-02-01")), Some(day("2020-03-01"))),
            (Some(day("2020-06-01")), None),
            (Some(day("2020-05-02")), Some(day("2020-05-02"))),
        ]);
        let b = DayRanges::union_of([
            (None, Some(day("2020-01-02"))),
            (Some(day("2020-02-28")), Some(day("2020-06-02"))),
        ]);
        let both = a.intersect(&b);
        assert_eq!(both.0.len(), 3);
        assert!(both.contains(day("2020-01-01")) && !both.contains(day("2020-01-02")));
        assert!(both.contains(day("2020-02-29")) && !both.contains(day("2020-03-01")));
        assert!(both.contains(day("2020-06-01")) && !both.contains(day("2020-06-02")));
        assert!(!a.contains(day("2020-05-02")));
    }
}
