//! How an earning came about that isn't a line's base × rate, as JSON. Of a measure: the window, what it
//! measures, its tiers; the tiers' amounts re-add to `window_amount`, and that less `booked_before` is the
//! earning, gross; a company's stands on each of its locations' earnings, which re-add. Of a line: the
//! fixed `amount` in program currency, what levers before it `left` of the base, the `payee_share` that
//! its payee has. Decimals are strings.

use super::evaluate::Outcome;
use super::windows::{Earned, Solved};
use earnest_core::calendar::Period;
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, MONEY_SCALE, RATE_SCALE, format};
use earnest_core::tiers::Terms;
use serde_json::{Map, Value, json};

/// Of a line; `None` if it is its base × rate.
pub fn of_line(outcome: &Outcome, terms: &earnest_core::earning::Terms) -> Option<String> {
    let how = outcome.how.as_ref()?;
    let mut detail = Map::new();
    let mut insert = |key: &str, text: Option<String>| {
        detail.extend(text.map(|text| (key.to_owned(), json!(text))));
    };
    let money = |value| format(value, MONEY_SCALE, terms.program_minor_units);
    insert("amount", how.fixed.map(money));
    insert("left", how.left.map(|left| format(left, AMOUNT_SCALE, 0)));
    insert("payee_share", how.payee.map(|share| format(share, RATE_SCALE, 0)));
    Some(Value::Object(detail).to_string())
}

/// Of a measure.
pub fn json(solved: &Solved, earned: &Earned, last: Period) -> String {
    let window = solved.window;
    let step = &earned.step;
    let minor = earned.terms.minor_units;
    let quantity = |value| format(value, AMOUNT_SCALE, 0);
    let money = |value| format(value, MONEY_SCALE, minor);
    let slices: Vec<Value> = step
        .slices
        .iter()
        .map(|slice| {
            let mut tier = Map::new();
            tier.insert("tier".to_owned(), json!(slice.tier));
            tier.insert("of".to_owned(), json!(quantity(slice.quantity)));
            match slice.terms {
                Terms::Rate(rate) => {
                    tier.insert("rate".to_owned(), json!(format(rate, RATE_SCALE, 0)));
                }
                Terms::UnitPrice { price, per } => {
                    tier.insert("price".to_owned(), json!(format(price, RATE_SCALE, 0)));
                    if let Some(per) = per {
                        tier.insert("per".to_owned(), json!(quantity(per)));
                    }
                }
                Terms::Amount(whole) => {
                    tier.insert("whole".to_owned(), json!(format(whole, RATE_SCALE, 0)));
                }
                Terms::None => {}
            }
            if slice.flat != 0 {
                tier.insert("flat".to_owned(), json!(format(slice.flat, EXACT_SCALE, 0)));
            }
            tier.insert("amount".to_owned(), json!(money(slice.amount)));
            Value::Object(tier)
        })
        .collect();
    let mut detail = json!({
        "window": [window.to_string(), last.to_string()],
        "measured": quantity(step.cumulated),
        "counted": quantity(step.counted),
        "tiers": slices,
        "window_amount": money(step.after),
        "booked_before": money(step.before),
    });
    if let Some(baseline) = earned.baseline {
        detail["baseline"] = json!(quantity(baseline));
    }
    if let Some(trailing) = earned.trailing {
        detail["trailing"] = json!(quantity(trailing));
    }
    if let Some(company) = &solved.subject.company {
        detail["company"] = json!(company);
    }
    detail.to_string()
}
