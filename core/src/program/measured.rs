//! Levers over a measure: what is added up, for whom, over which window, and the dated tables that say
//! what it earns.

mod read;

pub use read::{RawMeasure, RawTable};
pub(super) use read::{check, measured};

use super::{Days, Redecide};
use crate::calendar::Period;
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

    /// The day whose term, split and cap an earning has that is booked in a month, of the window that
    /// begins with `first`.
    #[must_use]
    pub fn rules_day(&self, first: Period, booked: Period) -> NaiveDate {
        let period = booked.min(self.window.last(first));
        match self.at {
            Side::Start => period.first_day(),
            Side::End => period.last_day(),
        }
    }
}
