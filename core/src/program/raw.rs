//! The program file as it is written: strings for decimals and dates, inclusive `until`.

use super::cap::RawCap;
use super::coop::{RawActivity, RawRollover, RawWindow};
use super::customer_add::RawCustomerAdd;
use super::engagement::RawEngagement;
use super::measured::{RawMeasure, RawTable, Window};
use super::payees::RawPayees;
use super::requirement::Written as Requirement;
use super::tax::RawTax;
use super::{BusinessDay, DataRole, Grain, PaymentFx, PaysAs, Role, Unmapped, YearEnd};
use crate::decimal::Rounding;
use crate::waterfall::BelowMinimum;
use serde::Deserialize;
use toml::Spanned;

/// A text with its place in the file, so that a later check can name the line.
pub type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub program: Text,
    pub name: String,
    #[serde(default)]
    pub aliases: Vec<Text>,
    #[serde(default)]
    pub alias: Vec<Alias>,
    pub successor: Option<Text>,
    pub currency: Text,
    #[serde(default)]
    pub rounding: Rounds,
    pub pays: Vec<Role>,
    #[serde(default)]
    pub unmapped: Unmapped,
    #[serde(default = "july")]
    pub fiscal_year_start: u32,
    pub term: Vec<Term>,
    pub weekday: Option<Text>,
    #[serde(default)]
    pub requirement: Vec<Requirement>,
    #[serde(default)]
    pub country_class: Vec<CountryClass>,
    #[serde(default)]
    pub engagement: Vec<RawEngagement>,
    pub lever: Vec<Lever>,
    #[serde(default)]
    pub cap: Vec<RawCap>,
    #[serde(default)]
    pub split: Vec<Split>,
    #[serde(default)]
    pub coop: Coop,
    #[serde(default)]
    pub tax: Vec<RawTax>,
    pub payment: Payment,
}

fn july() -> u32 {
    7
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub term: Text,
    pub from: Option<Text>,
    pub until: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    pub name: Text,
    pub from: Option<Text>,
    pub until: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountryClass {
    pub class: Text,
    pub countries: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lever {
    pub lever: Text,
    pub name: String,
    pub draws: DataRole,
    pub grain: Option<Grain>,
    #[serde(default)]
    pub pays_as: PaysAs,
    #[serde(default)]
    pub product_groups: Vec<String>,
    #[serde(default)]
    pub partner_types: Vec<Role>,
    #[serde(default)]
    pub customer_countries: Vec<Text>,
    #[serde(default)]
    pub partner_countries: Vec<Text>,
    #[serde(default)]
    pub rate: Vec<Rate>,
    pub measure: Option<RawMeasure>,
    #[serde(default)]
    pub tiers: Vec<RawTable>,
    pub filter: Option<Filter>,
    pub engagement: Option<Text>,
    pub on: Option<Text>,
    #[serde(default)]
    pub payees: Vec<RawPayees>,
    pub customer_add: Option<RawCustomerAdd>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub rate: Option<Text>,
    pub amount: Option<Text>,
    pub from: Option<Text>,
    pub until: Option<Text>,
    pub product_groups: Option<Vec<String>>,
    pub partner_types: Option<Vec<Role>>,
    pub customer_countries: Option<Vec<Text>>,
    pub partner_countries: Option<Vec<Text>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub rebate: Text,
    pub coop: Option<Text>,
    pub fee: Option<Text>,
    /// `None`: as the program's.
    pub rounding: Option<Rounds>,
    pub from: Option<Text>,
    pub until: Option<Text>,
}

/// How amounts are rounded; a refund is the negative of its sale in all of these ways.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounds {
    /// To the nearest unit, a half away from zero.
    #[default]
    HalfUp,
    HalfEven,
    Down,
}

impl Rounds {
    pub fn rounding(self) -> Rounding {
        match self {
            Rounds::HalfUp => Rounding::HalfAwayFromZero,
            Rounds::HalfEven => Rounding::HalfEven,
            Rounds::Down => Rounding::TowardZero,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coop {
    #[serde(default)]
    pub threshold: Vec<CoopThreshold>,
    #[serde(default)]
    pub window: Vec<RawWindow>,
    #[serde(default)]
    pub activity: Vec<RawActivity>,
    #[serde(default)]
    pub rollover: Vec<RawRollover>,
    pub redecide: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoopThreshold {
    pub amount: Text,
    pub from: Option<Text>,
    pub until: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub all_of: Option<Vec<Filter>>,
    pub any_of: Option<Vec<Filter>>,
    pub not: Option<Box<Filter>>,
    pub column: Option<Text>,
    #[serde(rename = "in")]
    pub values: Option<Vec<String>>,
    pub at_least: Option<Text>,
    pub at_most: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub every: Option<Window>,
    #[serde(default = "fifteenth")]
    pub day: u32,
    #[serde(default = "two_months")]
    pub months_after: u32,
    pub minimum: Text,
    #[serde(default)]
    pub below_minimum: BelowMinimum,
    #[serde(default)]
    pub year_end: YearEnd,
    #[serde(default = "half_a_year")]
    pub profile_days: u32,
    pub business_day: Option<BusinessDay>,
    #[serde(default)]
    pub holidays: Vec<Text>,
    #[serde(default)]
    pub fx: PaymentFx,
    pub offset_group: Option<Text>,
    pub rebate: Option<Spanned<Calendar>>,
    pub coop: Option<Spanned<Calendar>>,
    pub fee: Option<Spanned<Calendar>>,
}

/// What the calendar of an earning type has of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    pub every: Option<Window>,
    pub day: Option<Spanned<u32>>,
    pub months_after: Option<Spanned<u32>>,
    pub business_day: Option<Spanned<BusinessDay>>,
    pub holidays: Option<Vec<Text>>,
}

fn fifteenth() -> u32 {
    15
}

fn half_a_year() -> u32 {
    180
}

fn two_months() -> u32 {
    2
}
