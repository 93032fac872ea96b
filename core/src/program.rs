//! The typed image of a program file: terms, who may take part, what earns, how it is split and
//! paid. A file is checked on load, against itself; dates become half-open, decimals exact integers.

mod calendars;
pub mod cap;
mod coop;
mod countries;
mod customer_add;
mod due;
mod engagement;
mod lever;
mod load;
pub mod measured;
#[cfg(test)]
mod meeting_tests;
mod names;
mod pay;
mod payees;
pub mod places;
mod raw;
mod requirement;
pub mod review;
#[cfg(test)]
mod rules_tests;
pub mod tax;

pub use requirement::{
    Condition, ConditionKind, Follow, Redecide, Renewal, Requirement, TrailingRevenue,
};

use crate::calendar::{FiscalHalf, Period};
use crate::currency;
use crate::decimal::{MONEY_SCALE, Rounding, Unit};
use crate::determination::before;
use crate::earning::{EarningType, Shares};
use crate::waterfall::BelowMinimum;
use chrono::{NaiveDate, Weekday};
pub use coop::{CoopActivity, CoopRollover, CoopRules, CoopWindow};
pub use countries::Countries;
pub use customer_add::{CustomerAdd, First};
pub use due::Calendar;
pub use engagement::{Engagement, Select};
pub use payees::Payees;
use std::collections::BTreeMap;

/// A lasting incentive program with its dated rules. It is the key of payments and balances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub program: String,
    pub name: String,
    /// Old names, which exports may still use, each on its days.
    pub aliases: Vec<Alias>,
    /// Key of the program to which open balances move, if they do.
    pub successor: Option<String>,
    /// ISO 4217 code in which measures, balances and minimums are kept.
    pub currency: String,
    /// How what it earns and pays is rounded; ways that are the same on both sides of zero.
    pub rounding: Rounding,
    /// Roles of a line that the program pays.
    pub pays: Vec<Role>,
    pub unmapped: Unmapped,
    /// Month (1 to 12) that opens the fiscal year of the co-op fund.
    pub fiscal_year_start: u32,
    pub terms: Vec<Term>,
    /// The day of the week on which trailing revenue is assessed.
    pub weekday: Weekday,
    /// In order of precedence.
    pub requirements: Vec<Requirement>,
    pub engagements: Vec<Engagement>,
    /// In declared order.
    pub levers: Vec<Lever>,
    pub caps: Vec<cap::ProgramCap>,
    pub splits: Vec<Split>,
    /// Co-op earned in a half from which on it stays co-op; without any, co-op never converts.
    pub coop_thresholds: Vec<CoopThreshold>,
    /// When the co-op fund is used and claimed, and for what.
    pub coop: CoopRules,
    /// In order of precedence.
    pub taxes: Vec<tax::TaxRule>,
    pub payment: Payment,
    /// The days on which closed cycles were due, as they are recorded, whatever `payment` says since.
    pub closed_due: BTreeMap<(EarningType, Period), NaiveDate>,
    /// The file's text, part of what a run's digest covers.
    pub text: String,
}

/// A name that exports use for a program, on its days only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    pub days: Days,
}

/// Half-open range of days; `None` is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    pub from: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
}

impl Days {
    #[must_use]
    pub fn contain(&self, day: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day < until)
    }

    #[must_use]
    pub fn overlap(&self, other: &Days) -> bool {
        let (from, until) = (self.first().max(other.first()), self.end().min(other.end()));
        from < until
    }

    #[must_use]
    pub fn first(&self) -> NaiveDate {
        self.from.unwrap_or(NaiveDate::MIN)
    }

    /// First day after.
    #[must_use]
    pub fn end(&self) -> NaiveDate {
        self.until.unwrap_or(NaiveDate::MAX)
    }
}

/// What a partner is on a line, which is its partner type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Billed, with no reseller on the line.
    Direct,
    /// Billed, with a reseller on the line.
    Provider,
    /// The reseller on the line.
    Reseller,
}

impl Role {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Direct => "direct",
            Role::Provider => "provider",
            Role::Reseller => "reseller",
        }
    }
}

/// What happens to a partner id that the participant map doesn't have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmapped {
    /// Its lines are out of scope with `UNMAPPED`.
    #[default]
    OutOfScope,
    /// It is its own participant.
    #[serde(rename = "self")]
    Itself,
}

/// A dated version of the program's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub term: String,
    pub days: Days,
}

/// One rule that makes earnings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lever {
    pub lever: String,
    pub name: String,
    pub draws: DataRole,
    pub grain: Grain,
    pub pays_as: PaysAs,
    /// In force by date; of a measured lever, one of rate 0 for each of its tables.
    pub rates: Vec<LeverRate>,
    /// What it adds up before it earns; `None`: each line earns by its rate.
    pub measured: Option<measured::Measured>,
    pub filter: Option<Filter>,
    /// Position of its engagement.
    pub engagement: Option<usize>,
    /// Of its engagement's levers that would earn on a line, one does.
    pub competes: bool,
    /// Position of the lever that comes before; it earns on what that one leaves. `None`: on the base.
    pub after: Option<usize>,
    /// It earns on what the lever before earned instead.
    pub on_earned: bool,
    /// How reseller and provider divide what it earns, by date.
    pub payees: Vec<Payees>,
    /// It earns for new customers only.
    pub customer_add: Option<CustomerAdd>,
}

impl Lever {
    /// True if what it earns on a line isn't known from the line and its rate alone.
    #[must_use]
    pub fn meets_others(&self) -> bool {
        self.competes || self.after.is_some() || self.customer_add.is_some()
    }

    /// True if lines are summed before what they earn is rounded.
    #[must_use]
    pub fn sums(&self) -> bool {
        self.grain == Grain::CustomerProductGroupPeriod
    }

    /// Product groups that the lever names, in order of first mention; `*` is every product.
    pub fn product_groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for group in self.rates.iter().flat_map(|rate| &rate.product_groups) {
            if !groups.contains(&group.as_str()) {
                groups.push(group);
            }
        }
        groups
    }
}

/// Which of the two exports of the same money a lever draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataRole {
    Billing,
    Detail,
}

impl DataRole {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DataRole::Billing => "billing",
            DataRole::Detail => "detail",
        }
    }
}

/// What is rounded: each line, or the sum of a customer's lines of a product group in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Line,
    CustomerProductGroupPeriod,
}

/// As what a lever's earnings are paid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaysAs {
    /// Rebate, co-op and fee, by the program's split.
    #[default]
    Split,
    /// All of it rebate.
    Rebate,
    /// All of it a fee.
    Fee,
}

/// A dated rate. Of several that match a line, the first in the file counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeverRate {
    pub days: Days,
    /// At rate scale; 0 where an amount is fixed.
    pub rate: i128,
    /// What each line earns, whatever its base, in program currency at money scale.
    pub amount: Option<i128>,
    /// Groups it applies to; `*` is every product.
    pub product_groups: Vec<String>,
    /// Partner types (roles) it applies to; empty: all that the program pays.
    pub partner_types: Vec<Role>,
    pub countries: Countries,
}

/// How an earning is split, by date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    pub days: Days,
    pub shares: Shares,
}

/// What a half's co-op must reach to stay co-op, by date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoopThreshold {
    pub days: Days,
    /// In program currency, at money scale; co-op equal to it qualifies.
    pub amount: i128,
}

/// A structured condition on a transaction's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    AllOf(Vec<Filter>),
    AnyOf(Vec<Filter>),
    Not(Box<Filter>),
    /// The text column has one of these values.
    In {
        column: String,
        values: Vec<String>,
    },
    /// The amount column lies between these, both inclusive, at amount scale.
    Range {
        column: String,
        at_least: Option<i128>,
        at_most: Option<i128>,
    },
}

/// Text columns of transactions that filters may name.
pub const FILTER_TEXT_COLUMNS: &[&str] = &[
    "source",
    "format",
    "customer_id",
    "customer_country",
    "product_id",
    "sku_id",
    "charge_type",
    "term_and_billing_cycle",
    "publisher_name",
    "workload",
    "transaction_currency",
];

/// Amount columns of transactions that filters may name.
pub const FILTER_AMOUNT_COLUMNS: &[&str] = &["base", "quantity", "unit_price"];

/// When and how earnings are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Of each earning type, in their order.
    pub calendars: [Calendar; 3],
    /// In program currency, at money scale; a gross equal to it is paid.
    pub minimum: i128,
    pub below_minimum: BelowMinimum,
    pub year_end: YearEnd,
    /// For how many days a balance waits for a missing profile; then it is forfeited.
    pub profile_days: u32,
    pub fx: PaymentFx,
    /// Negative balances of programs that name the same group are offset against their positive ones.
    pub offset_group: Option<String>,
}

/// What happens to a term's earnings that stay below the minimum, when its last month is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YearEnd {
    /// They wait for the next term's.
    #[default]
    Carry,
    /// They are lost.
    Forfeit,
}

/// Where a due day moves to that is no business day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BusinessDay {
    Previous,
    Next,
}

/// How orders reach the payment currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentFx {
    /// Gross in program currency ÷ the cycle's payment rate.
    #[default]
    ThroughProgram,
    /// What was earned is paid in the currency in which it was earned, an order per currency.
    TransactionCurrency,
}

impl Program {
    /// To what amounts of its currency are rounded.
    #[must_use]
    pub fn unit(&self) -> Unit {
        let rounding = self.rounding;
        self.unit_of(&self.currency).unwrap_or(Unit { decimals: MONEY_SCALE, rounding })
    }

    /// To what it rounds amounts of a currency; `None`: nobody declared it.
    #[must_use]
    pub fn unit_of(&self, code: &str) -> Option<Unit> {
        let decimals = currency::minor_units(code)?;
        Some(Unit { decimals, rounding: self.rounding })
    }

    /// True if what was earned is paid in the currency in which it was earned.
    #[must_use]
    pub fn pays_as_earned(&self) -> bool {
        self.payment.fx == PaymentFx::TransactionCurrency
    }

    /// The term on a day.
    #[must_use]
    pub fn term_on(&self, day: NaiveDate) -> Option<&Term> {
        self.terms.iter().find(|term| term.days.contain(day))
    }

    /// The term on a day, or the last one that ended before it.
    #[must_use]
    pub fn term_by(&self, day: NaiveDate) -> Option<&Term> {
        let ended =
            self.terms.iter().filter(|term| term.days.until.is_some_and(|until| until <= day));
        self.term_on(day).or_else(|| ended.max_by_key(|term| term.days.until))
    }

    /// How what a lever earns is split on a day; all of it rebate where no split is declared.
    #[must_use]
    pub fn shares_on(&self, pays_as: PaysAs, day: NaiveDate) -> Shares {
        match pays_as {
            PaysAs::Rebate => Shares::REBATE,
            PaysAs::Fee => Shares::FEE,
            PaysAs::Split => {
                let split = self.splits.iter().find(|split| split.days.contain(day));
                split.map_or(Shares::REBATE, |split| split.shares)
            }
        }
    }

    /// True if some rate asks for a country of customers.
    #[must_use]
    pub fn asks_for_customer_countries(&self) -> bool {
        self.rates().any(|rate| !rate.countries.customer.is_empty())
    }

    /// True if some rate asks for a country of participants.
    #[must_use]
    pub fn asks_for_partner_countries(&self) -> bool {
        self.rates().any(|rate| !rate.countries.partner.is_empty())
    }

    fn rates(&self) -> impl Iterator<Item = &LeverRate> {
        self.levers.iter().flat_map(|lever| &lever.rates)
    }

    /// Until when a determination of that kind and window may be decided otherwise.
    #[must_use]
    pub fn redecides(&self, kind: &str, window: &str) -> Redecide {
        let trailing = |name: &str| {
            let conditions = self.requirements.iter().flat_map(|one| &one.conditions);
            conditions.filter(|one| one.name == name).find_map(|one| match &one.kind {
                ConditionKind::TrailingRevenue(trailing) => Some(trailing.redecide),
                _ => None,
            })
        };
        let lever = |name: &str| self.levers.iter().find(|lever| lever.lever == name);
        let asked = match kind {
            "coop_threshold" => Some(self.coop.redecide),
            "trailing_revenue" => before(window).and_then(trailing),
            "customer_add" => before(window)
                .and_then(lever)
                .and_then(|lever| Some(lever.customer_add.as_ref()?.redecide)),
            "baseline" => before(window)
                .and_then(before)
                .and_then(lever)
                .and_then(|lever| Some(lever.measured.as_ref()?.redecide)),
            _ => None,
        };
        asked.unwrap_or_default()
    }

    /// The fiscal half in whose fund a period's co-op lies.
    #[must_use]
    pub fn fund_half(&self, period: Period) -> FiscalHalf {
        FiscalHalf::of(period, self.fiscal_year_start)
    }

    /// The threshold of a half's co-op: the one in force on its last day. `None`: it never converts.
    #[must_use]
    pub fn coop_threshold(&self, half: FiscalHalf) -> Option<i128> {
        let last = half.last().last_day();
        let found = self.coop_thresholds.iter().find(|threshold| threshold.days.contain(last));
        found.map(|threshold| threshold.amount)
    }

    /// The days on which exports mean this program by that name: all of them for its key and its name,
    /// those of the alias for an old one.
    pub fn called<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Days> + 'a {
        let own = self.program == name || self.name == name;
        let old = self.aliases.iter().filter(move |alias| !own && alias.name == name);
        own.then_some(Days { from: None, until: None })
            .into_iter()
            .chain(old.map(|alias| alias.days))
    }
}
