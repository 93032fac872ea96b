//! Levers over a measure: what is added up, for whom, over which window, and the dated tables that say
//! what it earns.

mod read;

pub use read::{RawMeasure, RawTable};
pub(super) use read::{check, measured};

use super::{Days, Follow, PaysAs, Program, Redecide};
use crate::calendar::Period;
use crate::earning::EarningType;
use crate::guarantee::Due;
use crate::tiers::TierTable;
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a lever adds up before it earns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub of: Quantity,
    pub per: Per,
    pub window: Window,
    /// Days up to the last of each month, whose measure picks the tier of what the month adds; the
    /// window is the month.
    pub trailing_days: Option<u32>,
    /// Who is eligible and adds nothing is due the flat of the first tier.
    pub flat_on_zero: bool,
    /// Of measures per company: whom all of a company's earnings are paid to, by company.
    pub payees: BTreeMap<String, String>,
    /// Which side rules where tables change within a window, or splits, terms and caps within a month.
    pub at: Side,
    /// A measure below it earns nothing. At amount scale.
    pub minimum: Option<i128>,
    /// Least and most that a window earns, in program currency at money scale.
    pub at_least: Option<i128>,
    pub at_most: Option<i128>,
    /// How the least is due; of a window of one month, from its start on.
    pub due: Due,
    /// What is left above it is what the tables are applied to.
    pub baseline: Option<Baseline>,
    /// Until when it may be measured anew, if it is measured.
    pub redecide: Redecide,
    /// By date, apart from each other.
    pub tables: Vec<DatedTable>,
}

/// What is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Base in program currency.
    #[default]
    Amount,
    /// Units.
    Quantity,
}

/// For whom it is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    #[default]
    Participant,
    /// A participant's customer.
    Customer,
    /// All locations of a company together.
    Company,
}

/// Over which months it is added up; all but the month are parts of the fiscal year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    Month,
    Quarter,
    Half,
    Year,
}

impl Window {
    #[must_use]
    pub fn months(self) -> i32 {
        match self {
            Window::Month => 1,
            Window::Quarter => 3,
            Window::Half => 6,
            Window::Year => 12,
        }
    }

    /// The first month of the window that a month lies in; `start_month` (1 to 12) opens the fiscal
    /// year.
    #[must_use]
    pub fn first(self, period: Period, start_month: u32) -> Period {
        let into_year = (period.month() + 12 - start_month) % 12;
        period.plus(-(into_year.cast_signed() % self.months()))
    }

    /// The last month of the window that begins with a month.
    #[must_use]
    pub fn last(self, first: Period) -> Period {
        first.plus(self.months() - 1)
    }
}

/// A side of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    #[default]
    Start,
    End,
}

/// What a measure is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The same window a year before.
    LastYear,
    /// The window before.
    Previous,
    /// The highest of all windows before.
    HighWater,
    /// At amount scale.
    Fixed(i128),
}

impl Baseline {
    /// A day before every transaction.
    pub const EVER: NaiveDate = match NaiveDate::from_ymd_opt(1, 1, 1) {
        Some(day) => day,
        None => NaiveDate::MIN,
    };

    /// The days whose measure a window that begins with a month is compared with, both inclusive; of all
    /// windows before from [`Baseline::EVER`] on. `None`: nothing is measured.
    #[must_use]
    pub fn days(self, window: Window, first: Period) -> Option<(NaiveDate, NaiveDate)> {
        let before = |month: Period| month.plus(-1).last_day();
        match self {
            Baseline::LastYear | Baseline::Previous => {
                let compared = self.first(window, first)?;
                Some((compared.first_day(), window.last(compared).last_day()))
            }
            Baseline::HighWater => Some((Baseline::EVER, before(first))),
            Baseline::Fixed(_) => None,
        }
    }

    /// The first month of the one window compared with, if it is one.
    #[must_use]
    pub fn first(self, window: Window, first: Period) -> Option<Period> {
        match self {
            Baseline::LastYear => Some(first.plus(-12)),
            Baseline::Previous => Some(first.plus(-window.months())),
            Baseline::HighWater | Baseline::Fixed(_) => None,
        }
    }
}

/// A table and the days on which it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedTable {
    pub days: Days,
    pub table: TierTable,
}

impl Measured {
    /// True if it is compared with, or its tier picked by, what was sold on other days.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        self.compares() || self.trailing_days.is_some()
    }

    /// True if what it is compared with is measured too.
    #[must_use]
    pub fn compares(&self) -> bool {
        self.baseline.is_some_and(|on| !matches!(on, Baseline::Fixed(_)))
    }

    /// The table of the window that begins with a month.
    #[must_use]
    pub fn table(&self, first: Period) -> Option<&TierTable> {
        let days =
            Days { from: Some(first.first_day()), until: Some(self.window.last(first).end()) };
        let mut within = self.tables.iter().filter(|table| table.days.overlap(&days));
        let found = match self.at {
            Side::Start => within.next(),
            Side::End => within.next_back(),
        };
        found.map(|dated| &dated.table)
    }

    /// The day whose term, split and cap an earning has by the rules of a month, of the window that begins
    /// with `first`; after the window, its last month's.
    #[must_use]
    pub fn rules_day(&self, first: Period, month: Period) -> NaiveDate {
        let period = month.min(self.window.last(first));
        match self.at {
            Side::Start => period.first_day(),
            Side::End => period.last_day(),
        }
    }
}

impl Program {
    /// The month whose rules (term, split, cap, half of the fund) an earning of a measure has that is booked in
    /// a month and that lines of month `of` brought about: what is sold has the booked month's; a refund its
    /// line's, as the first month shows that has the same ones, unless the booked month (after the window, its
    /// last one) has these too. Source: RULES 2, a refund reverses its original's.
    #[must_use]
    pub fn rules_month(&self, lever: usize, of: Period, booked: Period) -> Period {
        let measured = self.levers[lever].measured.as_ref().filter(|_| of != booked);
        let Some(measured) = measured else { return booked };
        let first = measured.window.first(of, self.fiscal_year_start);
        let own = booked.min(measured.window.last(first));
        let from = |month| self.same_rules_from(lever, measured, (first, month));
        let refunded = from(of);
        if refunded == from(own) { own } else { refunded }
    }

    /// The first month of a window from which on no rule of its earnings changed up to `month`.
    fn same_rules_from(
        &self,
        lever: usize,
        measured: &Measured,
        (first, month): (Period, Period),
    ) -> Period {
        let day = measured.rules_day(first, month);
        let caps = self.caps.iter().filter(|cap| cap.levers.contains(&lever)).map(|cap| cap.days);
        let terms = self.terms.iter().map(|term| term.days);
        let pays_as = self.levers[lever].pays_as;
        let splits = self.splits.iter().filter(|_| pays_as == PaysAs::Split);
        let days = terms.chain(splits.map(|split| split.days)).chain(caps);
        let changes = days.flat_map(|days| [days.from, days.until]).flatten();
        let changes = changes.filter(|change| *change <= day).map(|change| {
            let month = Period::of(change);
            month.plus(i32::from(measured.rules_day(first, month) < change))
        });
        let cap = self.cap_on(lever, day).map(|(_, cap)| match (cap.follow, measured.per) {
            // Who belongs to a company may be another one each month.
            (Follow::Company, Per::Participant | Per::Customer) => month,
            _ => cap.window.first(month, self.fiscal_year_start),
        });
        let coop = self.shares_on(pays_as, day).of(EarningType::Coop) != 0;
        let half = coop.then(|| self.fund_half(month).first());
        changes.chain(cap).chain(half).fold(first, Period::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "T1"
[[split]]
until = "2021-02-14"
rebate = "0.6"
coop = "0.4"
[[split]]
from = "2021-02-15"
rebate = "0.9"
coop = "0.1"
[[lever]]
lever = "volume"
name = "Volume"
draws = "billing"
product_groups = ["*"]
[lever.measure]
window = "year"
at = "start"
[[lever.tiers]]
shape = "whole"
tier = [{ rate = "0.01" }]
[payment]
minimum = "0"
"#;

    fn month(text: &str) -> Period {
        text.parse().expect("a month")
    }

    fn check(text: &str, months: &[(&str, &str, &str)]) {
        let program = Program::parse("p.toml", text).expect("a program");
        for (of, booked, rules) in months {
            let found = program.rules_month(0, month(of), month(booked));
            assert_eq!(found, month(rules), "of {of}, booked in {booked}");
        }
    }

    #[test]
    fn a_refund_has_its_line_s_rules_from_the_first_month_that_has_them() {
        // Halves begin in July and January; the split changes within February.
        let at_start = [
            ("2021-01", "2021-01", "2021-01"),
            ("2020-11", "2020-12", "2020-12"),
            ("2020-11", "2021-01", "2020-07"),
            ("2021-01", "2021-02", "2021-02"),
            ("2021-01", "2021-03", "2021-01"),
            ("2021-03", "2021-06", "2021-06"),
            ("2021-03", "2021-09", "2021-06"),
            ("2020-11", "2021-09", "2020-07"),
        ];
        check(PROGRAM, &at_start);
        let at_end = PROGRAM.replace("\"start\"", "\"end\"");
        check(&at_end, &[("2021-01", "2021-02", "2021-01"), ("2021-02", "2021-03", "2021-03")]);
        let rebate = PROGRAM.replace("product_groups", "pays_as = \"rebate\"\nproduct_groups");
        check(&rebate, &[("2020-11", "2021-03", "2021-03"), ("2020-11", "2021-09", "2021-06")]);
    }

    #[test]
    fn caps_and_their_windows_are_rules_too() {
        let cap =
            "[[cap]]\ncap = \"c\"\nper = \"participant\"\nlimit = \"9\"\nlevers = [\"volume\"]\n";
        let rebate = PROGRAM.replace("product_groups", "pays_as = \"rebate\"\nproduct_groups");
        let capped = |more: &str| rebate.replace("[payment]", &format!("{cap}{more}[payment]"));
        check(&capped("window = \"quarter\"\n"), &[("2020-12", "2021-03", "2020-10")]);
        check(&capped("window = \"year\"\n"), &[("2020-12", "2021-03", "2021-03")]);
        let until = capped("window = \"year\"\nuntil = \"2021-01-31\"\n");
        check(&until, &[("2020-12", "2021-03", "2020-07"), ("2021-02", "2021-03", "2021-03")]);
        let follow = capped("window = \"year\"\nfollow = \"company\"\n");
        check(&follow, &[("2020-12", "2021-03", "2020-12"), ("2021-03", "2021-03", "2021-03")]);
    }
}
