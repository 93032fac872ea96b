//! Levers over a measure: what is added up, for whom, over which window, and the dated tables that say
//! what it earns. From the file as written to the typed image.

use super::load::Place;
use super::{Days, Program, raw};
use crate::Error;
use crate::calendar::Period;
use crate::decimal::{AMOUNT_SCALE, RATE_SCALE};
use crate::tiers::{Conventions, Edge, Shape, Terms, Tier, TierTable};
use chrono::NaiveDate;
use serde::Deserialize;

/// What a lever adds up before it earns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub of: Quantity,
    pub per: Per,
    pub window: Window,
    /// Which side rules where tables change within a window, or splits, terms and caps within a month.
    pub at: Side,
    /// A measure below it earns nothing. At amount scale.
    pub minimum: Option<i128>,
    /// What is left above it is what the tables are applied to.
    pub baseline: Option<Baseline>,
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
    /// At amount scale.
    Fixed(i128),
}

impl Baseline {
    /// The first month of the window compared with; `None` for a fixed amount.
    #[must_use]
    pub fn first(self, window: Window, first: Period) -> Option<Period> {
        match self {
            Baseline::LastYear => Some(first.plus(-12)),
            Baseline::Previous => Some(first.plus(-window.months())),
            Baseline::Fixed(_) => None,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMeasure {
    #[serde(default)]
    of: Quantity,
    #[serde(default)]
    per: Per,
    window: Window,
    at: Option<Side>,
    minimum: Option<raw::Text>,
    baseline: Option<raw::Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTable {
    shape: toml::Spanned<TableShape>,
    #[serde(default)]
    edge: RawEdge,
    pub from: Option<raw::Text>,
    pub until: Option<raw::Text>,
    tier: Vec<RawTier>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TableShape {
    Marginal,
    Whole,
}

/// To which tier a measure equal to an edge belongs.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawEdge {
    #[default]
    Lower,
    Upper,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTier {
    up_to: Option<raw::Text>,
    rate: Option<raw::Text>,
    price: Option<raw::Text>,
    flat: Option<raw::Text>,
}

/// Reads a lever's measure and tables; `None` if it has neither.
///
/// # Errors
/// With file, line, what was expected, what was found.
pub(super) fn measured(place: &Place, lever: &raw::Lever) -> Result<Option<Measured>, Error> {
    let Some(measure) = &lever.measure else {
        return match lever.tiers.first() {
            Some(table) => {
                let message = "expected `[lever.measure]` beside `[[lever.tiers]]`: \
                               what is added up, and over which window";
                Err(place.error_at(table.shape.span().start, message))
            }
            None => Ok(None),
        };
    };
    if lever.tiers.is_empty() || !lever.rate.is_empty() {
        let message =
            "expected `[[lever.tiers]]`, and no `[[lever.rate]]`, beside `[lever.measure]`";
        return Err(place.error(&lever.lever, message));
    }
    if lever.grain.is_some() {
        let message =
            "expected no `grain` beside `[lever.measure]`: what is measured is rounded as a whole";
        return Err(place.error(&lever.lever, message));
    }
    let mut tables = lever
        .tiers
        .iter()
        .map(|table| dated_table(place, table, measure.of))
        .collect::<Result<Vec<_>, Error>>()?;
    tables.sort_by_key(|table| table.days.first());
    if let Some(pair) = tables.windows(2).find(|pair| pair[0].days.overlap(&pair[1].days)) {
        let message = format!(
            "expected tables apart from each other, found one from {} within another",
            pair[1].days.first()
        );
        return Err(place.error(&lever.lever, &message));
    }
    let amount = |at: &raw::Text| place.decimal(at, AMOUNT_SCALE);
    Ok(Some(Measured {
        of: measure.of,
        per: measure.per,
        window: measure.window,
        at: measure.at.unwrap_or_default(),
        minimum: measure.minimum.as_ref().map(amount).transpose()?,
        baseline: measure.baseline.as_ref().map(|at| baseline(place, at)).transpose()?,
        tables,
    }))
}

fn baseline(place: &Place, at: &raw::Text) -> Result<Baseline, Error> {
    match at.get_ref().as_str() {
        "last_year" => Ok(Baseline::LastYear),
        "previous" => Ok(Baseline::Previous),
        text => place.decimal(at, AMOUNT_SCALE).map(Baseline::Fixed).map_err(|_| {
            let message = format!("expected `last_year`, `previous` or an amount, found `{text}`");
            place.error(at, &message)
        }),
    }
}

fn dated_table(place: &Place, raw: &RawTable, of: Quantity) -> Result<DatedTable, Error> {
    let days = place.days(raw.from.as_ref(), raw.until.as_ref())?;
    let line = raw.shape.span().start;
    if raw.tier.last().is_none_or(|last| last.up_to.is_some()) {
        let message =
            "expected a last tier without `up_to`: the table must say what every measure earns";
        return Err(place.error_at(line, message));
    }
    let tiers =
        raw.tier.iter().map(|tier| self::tier(place, tier, of, line)).collect::<Result<_, _>>()?;
    let shape = match raw.shape.get_ref() {
        TableShape::Marginal => Shape::Marginal,
        TableShape::Whole => Shape::Whole,
    };
    let edge = match raw.edge {
        RawEdge::Lower => Edge::Inclusive,
        RawEdge::Upper => Edge::Next,
    };
    let conventions = Conventions { edge, ..Conventions::default() };
    let table = TierTable::new(shape, tiers, conventions)
        .map_err(|error| place.error_at(line, &error.0))?;
    Ok(DatedTable { days, table })
}

fn tier(place: &Place, raw: &RawTier, of: Quantity, line: usize) -> Result<Tier, Error> {
    let terms = match (of, &raw.rate, &raw.price) {
        (Quantity::Amount, Some(rate), None) => Terms::Rate(place.share(rate)?),
        (Quantity::Quantity, None, Some(price)) => {
            Terms::UnitPrice { price: not_negative(place, price)?, per: None }
        }
        (_, None, None) if raw.flat.is_some() => Terms::None,
        _ => {
            let message = "expected in each tier a `rate` if amounts are measured, a `price` per unit if \
                           quantities are, or only a `flat`";
            return Err(place.error_at(line, message));
        }
    };
    let to = raw.up_to.as_ref().map(|edge| place.decimal(edge, AMOUNT_SCALE)).transpose()?;
    let flat = raw.flat.as_ref().map(|flat| not_negative(place, flat)).transpose()?;
    Ok(Tier { to, terms, flat: flat.unwrap_or_default() })
}

/// An amount in program currency, at rate scale.
fn not_negative(place: &Place, at: &raw::Text) -> Result<i128, Error> {
    let amount = place.decimal(at, RATE_SCALE)?;
    if amount < 0 {
        return Err(place.error(at, "expected an amount of 0 or more"));
    }
    Ok(amount)
}

/// Refuses windows that span a change without saying which side rules.
///
/// # Errors
/// With file, line and remedy.
pub(super) fn check(
    place: &Place,
    program: &Program,
    measured: &Measured,
    lever: &raw::Lever,
) -> Result<(), Error> {
    if lever.measure.as_ref().is_some_and(|measure| measure.at.is_some()) {
        return Ok(());
    }
    let window = |day: NaiveDate| measured.window.first(Period::of(day), program.fiscal_year_start);
    let shared = measured.tables.windows(2).find_map(|pair| {
        let (last, next) = (pair[0].days.end().pred_opt()?, pair[1].days.first());
        (window(last) == window(next)).then_some(next)
    });
    let within_month = |days: &mut dyn Iterator<Item = Days>| {
        days.flat_map(|days| [days.from, days.until]).flatten().find(|day| {
            *day != Period::of(*day).first_day()
                && measured.tables.iter().any(|table| table.days.contain(*day))
        })
    };
    let terms = within_month(&mut program.terms.iter().map(|term| term.days));
    let splits = within_month(&mut program.splits.iter().map(|split| split.days));
    let named = |&position: &usize| program.levers[position].lever == *lever.lever.get_ref();
    let caps = program.caps.iter().filter(|cap| cap.levers.iter().any(named));
    let caps = within_month(&mut caps.map(|cap| cap.days));
    if let Some(day) = shared.or(terms).or(splits).or(caps) {
        let message = format!(
            "expected `at = \"start\"` or `\"end\"` in `[lever.measure]`: rules change on {day}, within \
             a window or month of the lever"
        );
        return Err(place.error(&lever.lever, &message));
    }
    Ok(())
}
