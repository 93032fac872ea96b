//! How an earning came about that isn't a line's base × rate, as JSON. Of a measure: the window, what it
//! measures, its tiers, and the month from which on what was `refunded` was sold
//! if that has other rules; the tiers' amounts and what they are `topped_up` by (negative: reduced by) where the
//! window earns at least or at most something re-add to `window_amount`, and that less `booked_before` is the
//! earning, gross; a company's stands on each of its locations' earnings, which re-add. Of a line: the
//! fixed `amount` in program currency, what levers before it `left` of the base, what the one before
//! `earned`, the `payee_share` that its payee has. Decimals are strings.

use super::context::Context;
use super::evaluate::Outcome;
use super::windows::{Earned, Solved};
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, MONEY_SCALE, RATE_SCALE, Unit, format};
use earnest_core::measure::TierSlice;
use earnest_core::tiers::Terms;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Of a line; `None` if it is its base × rate.
pub fn of_line(outcome: &Outcome, terms: &earnest_core::earning::Terms) -> Option<String> {
    let how = outcome.how.as_ref()?;
    let mut detail = Map::new();
    let mut insert = |key: &str, text: Option<String>| {
        detail.extend(text.map(|text| (key.to_owned(), json!(text))));
    };
    insert("amount", how.fixed.map(|fixed| money(fixed, terms.program_unit)));
    insert("earned", how.earned.map(|earned| format(earned, AMOUNT_SCALE, 0)));
    insert("left", how.left.map(|left| format(left, AMOUNT_SCALE, 0)));
    insert("payee_share", how.payee.map(|share| format(share, RATE_SCALE, 0)));
    Some(Value::Object(detail).to_string())
}

/// How a measure came to what it earns. Fields stand in order of their names, as in every JSON text of
/// the tables.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: Option<String>,
    booked_before: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<&'a str>,
    counted: String,
    measured: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded: Option<String>,
    tiers: Vec<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topped_up: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trailing: Option<String>,
    window: [String; 2],
    window_amount: String,
}

#[derive(Serialize)]
struct Tier {
    amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    flat: Option<String>,
    of: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    tier: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<String>,
}

/// Of a measure.
pub fn json(context: &Context, solved: &Solved, earned: &Earned) -> String {
    let step = &earned.step;
    let unit = earned.terms.unit;
    let detail = Detail {
        baseline: earned.baseline.map(quantity),
        booked_before: money(step.before, unit),
        company: solved.subject.company.as_deref(),
        counted: quantity(step.counted),
        measured: quantity(step.cumulated),
        refunded: solved.refunded(context).map(|month| month.to_string()),
        tiers: step.slices.iter().map(|slice| tier(slice, unit)).collect(),
        topped_up: (step.topped_up != 0).then(|| money(step.topped_up, unit)),
        trailing: earned.trailing.map(quantity),
        window: [solved.window, solved.last_month(context)].map(|month| month.to_string()),
        window_amount: money(step.after, unit),
    };
    serde_json::to_string(&detail).unwrap_or_default()
}

fn tier(slice: &TierSlice, unit: Unit) -> Tier {
    let at_rate_scale = |value| Some(format(value, RATE_SCALE, 0));
    let (mut rate, mut price, mut per, mut whole) = (None, None, None, None);
    match slice.terms {
        Terms::Rate(value) => rate = at_rate_scale(value),
        Terms::UnitPrice { price: value, per: units } => {
            price = at_rate_scale(value);
            per = units.map(quantity);
        }
        Terms::Amount(value) => whole = at_rate_scale(value),
        Terms::None => {}
    }
    Tier {
        amount: money(slice.amount, unit),
        flat: (slice.flat != 0).then(|| format(slice.flat, EXACT_SCALE, 0)),
        of: quantity(slice.quantity),
        per,
        price,
        rate,
        tier: slice.tier,
        whole,
    }
}

fn quantity(value: i128) -> String {
    format(value, AMOUNT_SCALE, 0)
}

fn money(value: i128, unit: Unit) -> String {
    format(value, MONEY_SCALE, unit.decimals)
}
