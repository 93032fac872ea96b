//! Trailing revenue. In: revenue per day, exact, and a weekly assessment. Out: the first assessment
//! at which the sum of the days before reached an amount. From then on it counts for good: a later
//! dip changes nothing, nor do earlier days on which it was not assessed.

use crate::Error;
use crate::calendar::Period;
use crate::decimal::{EXACT_SCALE, Unit, subtract, sum};
use crate::eligibility::Range;
use chrono::{Datelike, Days, NaiveDate, Weekday};
use std::collections::BTreeMap;

/// What is measured at each assessment, and against what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// At money scale; a measure equal to it qualifies.
    pub amount: i128,
    /// The window is `(day − days, day]`.
    pub days: u32,
    /// Of the currency of amount and revenue: measures are rounded to it, once.
    pub unit: Unit,
}

/// The assessment that qualified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualified {
    pub on: NaiveDate,
    /// What was measured, at money scale.
    pub measured: i128,
}

/// The days of that weekday within a half-open range.
pub fn assessments(weekday: Weekday, range: Range) -> impl Iterator<Item = NaiveDate> {
    let first = range.0.iter_days().take(7).find(|day| day.weekday() == weekday);
    let days = first.into_iter().flat_map(|first| first.iter_days().step_by(7));
    days.take_while(move |day| *day < range.1)
}

/// The first assessment that reaches the amount. `revenue` is what was sold on each day, net of
/// refunds, at exact scale; `assessments` are in order.
///
/// # Errors
/// On overflow.
pub fn qualified(
    revenue: &BTreeMap<NaiveDate, i128>,
    assessments: impl IntoIterator<Item = NaiveDate>,
    measure: &Measure,
) -> Result<Option<Qualified>, Error> {
    let span = Days::new(measure.days.into());
    let (mut coming, mut leaving) = (revenue.iter().peekable(), revenue.iter().peekable());
    let mut exact = 0;
    for day in assessments {
        while let Some((_, amount)) = coming.next_if(|(on, _)| **on <= day) {
            exact = sum([exact, *amount])?;
        }
        let before = day.checked_sub_days(span).unwrap_or(NaiveDate::MIN);
        while let Some((_, amount)) = leaving.next_if(|(on, _)| **on <= before) {
            exact = subtract(exact, *amount)?;
        }
        let measured = measure.unit.round(exact, EXACT_SCALE)?;
        if measured >= measure.amount {
            return Ok(Some(Qualified { on: day, measured }));
        }
    }
    Ok(None)
}

/// What was sold from one day to another, both inclusive, at money scale.
///
/// # Errors
/// On overflow.
pub fn measured(
    revenue: &BTreeMap<NaiveDate, i128>,
    (first, last): (NaiveDate, NaiveDate),
    unit: Unit,
) -> Result<i128, Error> {
    let within = revenue.iter().filter(|(on, _)| first <= **on && **on <= last);
    unit.round(sum(within.map(|(_, amount)| *amount))?, EXACT_SCALE)
}

/// The days on which revenue of the periods `first` to `last` is assessed, as of a day: what lies
/// ahead of it is not known yet.
#[must_use]
pub fn assessed(first: Period, last: Period, as_of: NaiveDate) -> Range {
    let known = as_of.succ_opt().unwrap_or(NaiveDate::MAX);
    (first.first_day(), last.end().min(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::{MONEY_SCALE, power_of_ten};

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    /// Amounts in thousandths of the currency.
    fn sold(days: &[(&str, i128)]) -> BTreeMap<NaiveDate, i128> {
        let exact = power_of_ten(EXACT_SCALE - MONEY_SCALE);
        days.iter().map(|(on, amount)| (day(on), amount * exact)).collect()
    }

    const BAR: Measure = Measure { amount: 25_000_000, days: 365, unit: Unit::new(2) };

    fn on(revenue: &BTreeMap<NaiveDate, i128>, from: &str, until: &str) -> Option<(String, i128)> {
        let days = assessments(Weekday::Mon, (day(from), day(until)));
        let found = qualified(revenue, days, &BAR).expect("no overflow");
        found.map(|found| (found.on.to_string(), found.measured))
    }

    #[test]
    fn assessments_are_a_week_apart() {
        let of = |from, until| -> Vec<String> {
            let range = (day(from), day(until));
            assessments(Weekday::Mon, range).map(|day| day.to_string()).collect()
        };
        assert_eq!(of("2021-02-01", "2021-02-15"), ["2021-02-01", "2021-02-08"]);
        assert_eq!(of("2021-02-02", "2021-02-15"), ["2021-02-08"]);
        assert_eq!(of("2021-02-02", "2021-02-08"), [""; 0]);
        assert_eq!(of("2021-02-09", "2021-02-08"), [""; 0]);
    }

    /// 1 March 2021 is a Monday; 365 days before it is 1 March 2020.
    #[test]
    fn the_window_leaves_its_first_day_out_and_holds_its_last() {
        let early = sold(&[("2020-03-01", 1), ("2021-03-01", 24_999_999)]);
        assert_eq!(on(&early, "2021-03-01", "2021-03-08"), Some(("2021-03-01".into(), 25_000_000)));
        let out = sold(&[("2020-03-01", 10_000), ("2021-03-01", 24_990_000)]);
        assert_eq!(on(&out, "2021-03-01", "2021-03-08"), None);
        let within = sold(&[("2020-03-02", 10_000), ("2021-03-01", 24_990_000)]);
        assert_eq!(
            on(&within, "2021-03-01", "2021-03-08"),
            Some(("2021-03-01".into(), 25_000_000))
        );
        let next_day = sold(&[("2021-03-02", 25_000_000)]);
        assert_eq!(on(&next_day, "2021-03-01", "2021-03-08"), None);
        assert_eq!(
            on(&next_day, "2021-03-01", "2021-03-09"),
            Some(("2021-03-08".into(), 25_000_000))
        );
    }

    #[test]
    fn measures_are_rounded_once_and_net_of_refunds() {
        // Three times 8,333.331 is 24,999.993, which is 24,999.99; 0.004 more is 25,000.00 once rounded.
        let short =
            [("2021-01-04", 8_333_331), ("2021-01-05", 8_333_331), ("2021-01-06", 8_333_331)];
        assert_eq!(on(&sold(&short), "2021-02-01", "2021-02-02"), None);
        let enough = [&short[..], &[("2021-01-07", 4)]].concat();
        assert_eq!(
            on(&sold(&enough), "2021-02-01", "2021-02-02").map(|found| found.1),
            Some(25_000_000)
        );
        let refunded = [&enough[..], &[("2021-01-29", -1_000)]].concat();
        assert_eq!(on(&sold(&refunded), "2021-02-01", "2021-02-02"), None);
        // Refunded only after an assessment had found it.
        assert!(on(&sold(&refunded), "2021-01-11", "2021-02-02").is_some());
    }

    #[test]
    fn days_ahead_are_not_assessed() {
        let (first, last) =
            ("2021-01".parse().expect("a month"), "2021-03".parse().expect("a month"));
        assert_eq!(
            assessed(first, last, day("2021-02-10")),
            (day("2021-01-01"), day("2021-02-11"))
        );
        assert_eq!(
            assessed(first, last, day("2021-06-10")),
            (day("2021-01-01"), day("2021-04-01"))
        );
    }

    /// Every assessment, measured again by asking each day of its window.
    #[test]
    fn sliding_is_adding_up_each_window() {
        let mut seed: u64 = 7;
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for _ in 0..100 {
            let start = day("2020-01-01");
            let days: Vec<(NaiveDate, i128)> = (0..60)
                .map(|_| {
                    let amount = i128::from(random() % 2_000_000) - 400_000;
                    (start + Days::new(random() % 700), amount)
                })
                .collect();
            let mut revenue: BTreeMap<NaiveDate, i128> = BTreeMap::new();
            for (on, amount) in &days {
                *revenue.entry(*on).or_default() +=
                    amount * power_of_ten(EXACT_SCALE - MONEY_SCALE);
            }
            let measure = Measure { amount: 12_000_000, days: 180, unit: Unit::new(3) };
            let asked = || assessments(Weekday::Wed, (start, day("2022-01-01")));
            let expected = asked().find_map(|on| {
                let after = on - Days::new(180);
                let within = days.iter().filter(|(day, _)| after < *day && *day <= on);
                let measured: i128 = within.map(|(_, amount)| amount).sum();
                let window = (after + Days::new(1), on);
                assert_eq!(super::measured(&revenue, window, measure.unit), Ok(measured));
                (measured >= measure.amount).then_some(Qualified { on, measured })
            });
            assert_eq!(qualified(&revenue, asked(), &measure), Ok(expected));
        }
    }
}
