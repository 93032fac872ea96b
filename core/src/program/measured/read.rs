//! From the file as written to the typed image of levers over a measure.

use super::{Baseline, DatedTable, Measured, Per, Quantity, Side, Window};
use crate::Error;
use crate::calendar::Period;
use crate::decimal::{AMOUNT_SCALE, RATE_SCALE, Rounding};
use crate::guarantee::{Due, Recovery};
use crate::program::load::Place;
use crate::program::pay::money;
use crate::program::{Days, Program, Redecide, raw};
use crate::tiers::{Conventions, Edge, Shape, Terms, Tier, TierTable, UnitScale};
use chrono::NaiveDate;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMeasure {
    #[serde(default)]
    of: Quantity,
    #[serde(default)]
    per: Per,
    window: Spanned<Value>,
    at: Option<Side>,
    minimum: Option<raw::Text>,
    at_least: Option<raw::Text>,
    at_most: Option<raw::Text>,
    guarantee: Option<Spanned<RawGuarantee>>,
    recover: Option<Spanned<RawRecovery>>,
    baseline: Option<raw::Text>,
    redecide: Option<Spanned<Redecide>>,
    #[serde(default)]
    zero: Zero,
    #[serde(default)]
    payees: BTreeMap<String, String>,
}

/// What who adds nothing earns.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Zero {
    #[default]
    Nothing,
    /// The flat of the first tier.
    Flat,
}

/// How the least of a window longer than a month is due.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawGuarantee {
    Start,
    End,
    Cumulative,
    Draw,
}

/// What pays advances back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecovery {
    /// The month of the window, counted from 1.
    from: usize,
    share: raw::Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTable {
    pub shape: Spanned<TableShape>,
    #[serde(default)]
    edge: RawEdge,
    unit_scale: Option<RawScale>,
    pub from: Option<raw::Text>,
    pub until: Option<raw::Text>,
    tier: Vec<RawTier>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableShape {
    Marginal,
    Whole,
    Interpolated,
    Rolling,
    Total,
}

/// Counts a measure in larger units.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScale {
    divide_by: raw::Text,
    rounding: Option<RawRounding>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawRounding {
    HalfUp,
    HalfEven,
    Down,
    Ceiling,
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
    per: Option<raw::Text>,
    amount: Option<raw::Text>,
    flat: Option<raw::Text>,
}

/// Reads a lever's measure and tables; `None` if it has neither.
///
/// # Errors
/// With file, line, what was expected, what was found.
pub(in crate::program) fn measured(
    place: &Place,
    program: &raw::Program,
    lever: &raw::Lever,
) -> Result<Option<Measured>, Error> {
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
        .map(|table| dated_table(place, table, measure))
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
    let bound =
        |at: &Option<raw::Text>| at.as_ref().map(|at| bound(place, program, at)).transpose();
    let (window, trailing_days) = window(place, &measure.window)?;
    let measured = Measured {
        of: measure.of,
        per: measure.per,
        window,
        trailing_days,
        flat_on_zero: measure.zero == Zero::Flat,
        payees: measure.payees.clone(),
        at: measure.at.unwrap_or_default(),
        minimum: measure.minimum.as_ref().map(amount).transpose()?,
        at_least: bound(&measure.at_least)?,
        at_most: bound(&measure.at_most)?,
        due: due(place, measure)?,
        baseline: measure.baseline.as_ref().map(|at| baseline(place, at)).transpose()?,
        redecide: measure.redecide.as_ref().map(|one| *one.get_ref()).unwrap_or_default(),
        tables,
    };
    if let (Some(written), false) = (&measure.redecide, measured.compares()) {
        let message = "expected `redecide` beside a `baseline` that is measured only: \
                       `last_year`, `previous` or `high_water`";
        return Err(place.error_at(written.span().start, message));
    }
    fits(place, lever, &measured)?;
    bounds_fit(place, measure, &measured)?;
    Ok(Some(measured))
}

/// Least or most that a window earns.
fn bound(place: &Place, program: &raw::Program, at: &raw::Text) -> Result<i128, Error> {
    let amount = money(place, program, at)?;
    if amount < 0 {
        return Err(place.error(at, "expected an amount of 0 or more"));
    }
    Ok(amount)
}

/// How the least is due.
fn due(place: &Place, written: &RawMeasure) -> Result<Due, Error> {
    let named = written.guarantee.as_ref().map(|named| *named.get_ref());
    let Some(recover) = &written.recover else {
        return Ok(match named {
            None | Some(RawGuarantee::Start) => Due::Start,
            Some(RawGuarantee::End) => Due::End,
            Some(RawGuarantee::Cumulative) => Due::Cumulative,
            Some(RawGuarantee::Draw) => Due::Draw(None),
        });
    };
    let RawRecovery { from, share } = recover.get_ref();
    if named != Some(RawGuarantee::Draw) || *from == 0 {
        let message =
            "expected `recover` beside `guarantee = \"draw\"` only, `from` a month counted from 1";
        return Err(place.error_at(recover.span().start, message));
    }
    Ok(Due::Draw(Some(Recovery { from: *from, share: place.share(share)? })))
}

/// Refuses bounds that cross, and those of windows that several cycles settle, unless the file says how
/// the least is due month by month.
fn bounds_fit(place: &Place, written: &RawMeasure, measured: &Measured) -> Result<(), Error> {
    let long = measured.window != Window::Month;
    if let Some(named) = &written.guarantee {
        let refuse = |message: &str| Err(place.error_at(named.span().start, message));
        if measured.at_least.is_none() || !long {
            return refuse(
                "expected `guarantee` beside `at_least` and a window longer than a month only",
            );
        }
        if matches!(measured.due, Due::Cumulative | Due::Draw(_)) && measured.minimum.is_some() {
            return refuse("expected no `minimum` beside what is guaranteed in each month");
        }
    }
    if let (Some(least), true, None) = (&written.at_least, long, &written.guarantee) {
        let message = "expected `window = \"month\"` beside `at_least`, or `guarantee`: \
                       how it is due across cycles that close in between";
        return Err(place.error(least, message));
    }
    if let (Some(most), true) = (&written.at_most, long) {
        let message = "expected `window = \"month\"` beside `at_most`: it doesn't go across \
                       cycles that close in between; a cap does";
        return Err(place.error(most, message));
    }
    if let (Some(at), Some(least), Some(most)) =
        (&written.at_least, measured.at_least, measured.at_most)
        && least > most
    {
        return Err(place.error(at, "expected `at_least` not above `at_most`"));
    }
    Ok(())
}

/// A named window, or the month with the days before its end.
fn window(place: &Place, at: &Spanned<Value>) -> Result<(Window, Option<u32>), Error> {
    let named = match at.get_ref() {
        Value::String(name) => match name.as_str() {
            "month" => Some(Window::Month),
            "quarter" => Some(Window::Quarter),
            "half" => Some(Window::Half),
            "year" => Some(Window::Year),
            _ => None,
        },
        _ => None,
    };
    let table = at.get_ref().as_table().filter(|table| table.len() == 1);
    let days = table.and_then(|table| table.get("days")).and_then(Value::as_integer);
    let days =
        days.and_then(|days| u32::try_from(days).ok()).filter(|days| (1..=3_660).contains(days));
    match (named, days) {
        (Some(window), _) => Ok((window, None)),
        (None, Some(days)) => Ok((Window::Month, Some(days))),
        (None, None) => {
            let message = format!(
                "expected `month`, `quarter`, `half`, `year` or `{{ days = 365 }}`, found `{}`",
                at.get_ref().to_string().trim_matches('"')
            );
            Err(place.error_at(at.span().start, &message))
        }
    }
}

/// Refuses what doesn't go together.
fn fits(place: &Place, lever: &raw::Lever, measured: &Measured) -> Result<(), Error> {
    let refuse = |message: &str| Err(place.error(&lever.lever, message));
    let whole = |dated: &DatedTable| dated.table.shape() == Shape::Whole;
    if measured.trailing_days.is_some() && !measured.tables.iter().all(whole) {
        return refuse(
            "expected tables of shape `whole` beside `window = { days = … }`: the days before \
             pick the tier of what the month adds",
        );
    }
    if measured.baseline.is_some() && (measured.trailing_days.is_some() || measured.flat_on_zero) {
        return refuse("expected no `baseline` beside trailing days or `zero = \"flat\"`");
    }
    if measured.flat_on_zero && measured.per == Per::Customer {
        return refuse(
            "expected `zero = \"flat\"` per participant or company: who bought nothing is no customer",
        );
    }
    if !measured.payees.is_empty() && measured.per != Per::Company {
        return refuse("expected `payees` beside `per = \"company\"` only");
    }
    if measured.window != Window::Month
        && let Some(table) = lever.tiers.iter().find(|table| settles_once(table))
    {
        let message = "expected `window = \"month\"`: tables of shape `interpolated`, `rolling` or `total`, \
                       with packages or a `unit_scale` don't go across cycles that close in between";
        return Err(place.error_at(table.shape.span().start, message));
    }
    Ok(())
}

/// True of tables for windows of one month, which one cycle settles.
fn settles_once(table: &RawTable) -> bool {
    !matches!(table.shape.get_ref(), TableShape::Marginal | TableShape::Whole)
        || table.unit_scale.is_some()
        || table.tier.iter().any(|tier| tier.per.is_some())
}

fn baseline(place: &Place, at: &raw::Text) -> Result<Baseline, Error> {
    match at.get_ref().as_str() {
        "last_year" => Ok(Baseline::LastYear),
        "previous" => Ok(Baseline::Previous),
        "high_water" => Ok(Baseline::HighWater),
        text => place.decimal(at, AMOUNT_SCALE).map(Baseline::Fixed).map_err(|_| {
            let message = format!(
                "expected `last_year`, `previous`, `high_water` or an amount, found `{text}`"
            );
            place.error(at, &message)
        }),
    }
}

fn dated_table(place: &Place, raw: &RawTable, measure: &RawMeasure) -> Result<DatedTable, Error> {
    let days = place.days(raw.from.as_ref(), raw.until.as_ref())?;
    let line = raw.shape.span().start;
    let shape = match raw.shape.get_ref() {
        TableShape::Marginal => Shape::Marginal,
        TableShape::Whole => Shape::Whole,
        TableShape::Interpolated => Shape::Interpolated,
        TableShape::Rolling => Shape::Rolling,
        TableShape::Total => Shape::Total,
    };
    let ends = raw.tier.last().is_none_or(|last| last.up_to.is_some());
    if ends && shape != Shape::Interpolated {
        let message =
            "expected a last tier without `up_to`: the table must say what every measure earns";
        return Err(place.error_at(line, message));
    }
    let tier = |written| tier(place, written, (measure.of, shape), line);
    let tiers = raw.tier.iter().map(tier).collect::<Result<_, _>>()?;
    let edge = match raw.edge {
        RawEdge::Lower => Edge::Inclusive,
        RawEdge::Upper => Edge::Next,
    };
    let conventions = Conventions {
        edge,
        flat_on_zero: measure.zero == Zero::Flat,
        unit_scale: raw.unit_scale.as_ref().map(|scale| unit_scale(place, scale)).transpose()?,
        ..Conventions::default()
    };
    let table = TierTable::new(shape, tiers, conventions)
        .map_err(|error| place.error_at(line, &error.0))?;
    Ok(DatedTable { days, table })
}

fn unit_scale(place: &Place, raw: &RawScale) -> Result<UnitScale, Error> {
    let divide_by = place.decimal(&raw.divide_by, AMOUNT_SCALE)?;
    if divide_by <= 0 {
        return Err(place.error(&raw.divide_by, "expected a number above 0 to divide by"));
    }
    let rounding = raw.rounding.map(|rounding| match rounding {
        RawRounding::HalfUp => Rounding::HalfAwayFromZero,
        RawRounding::HalfEven => Rounding::HalfEven,
        RawRounding::Down => Rounding::TowardZero,
        RawRounding::Ceiling => Rounding::Ceiling,
    });
    Ok(UnitScale { divide_by, rounding })
}

fn tier(
    place: &Place,
    raw: &RawTier,
    (of, shape): (Quantity, Shape),
    line: usize,
) -> Result<Tier, Error> {
    let per = raw.per.as_ref().map(|per| place.decimal(per, AMOUNT_SCALE)).transpose()?;
    let terms = match (of, &raw.rate, &raw.price, &raw.amount) {
        (Quantity::Amount, Some(rate), None, None) => Terms::Rate(place.share(rate)?),
        (Quantity::Quantity, None, Some(price), None) => {
            Terms::UnitPrice { price: not_negative(place, price)?, per }
        }
        (_, None, None, Some(amount)) if shape == Shape::Interpolated => {
            Terms::Amount(not_negative(place, amount)?)
        }
        (_, None, None, None) if raw.flat.is_some() => Terms::None,
        _ => {
            let message = "expected in each tier a `rate` if amounts are measured, a `price` per unit if \
                           quantities are, only a `flat`, or an `amount` if the shape is `interpolated`";
            return Err(place.error_at(line, message));
        }
    };
    if per.is_some() && !matches!(terms, Terms::UnitPrice { .. }) {
        return Err(place.error_at(line, "expected `per` beside `price` only: units in a package"));
    }
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
pub(in crate::program) fn check(
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
