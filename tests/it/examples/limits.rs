//! Caps, minimums, guarantees, draws, balances.

use super::Given;
use super::compare::{Found, Row, exact, exacts};
use super::fields::{Failure, Fields};
use earnest_core::caps::{Cap, balance, credit_once};
use earnest_core::decimal::{AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, power_of_ten};
use earnest_core::guarantee::{self, Recovery, draws, top_ups};
use earnest_core::minimum::{CycleTerms, RateRule};
use earnest_core::waterfall::BelowMinimum;

fn below_minimum(rule: &Fields) -> Result<BelowMinimum, Failure> {
    match rule.optional_text("below_minimum")? {
        None | Some("carry" | "net") => Ok(BelowMinimum::Carry),
        Some("forfeit") => Ok(BelowMinimum::Forfeit),
        Some(word) => Err(rule.unknown("below_minimum", word)),
    }
}

pub fn rate(given: &Given) -> Result<Row, Failure> {
    let rule = RateRule {
        rate: given.rule.rate("rate")?,
        base_cap: given.rule.optional_decimal("base_cap", AMOUNT_SCALE)?,
        cap: given.rule.optional_exact("cap")?,
        minimum: given.rule.optional_exact("minimum")?,
        below_minimum: below_minimum(&given.rule)?,
    };
    let found = rule.earn(given.input.amount("base")?)?;
    Ok(vec![
        ("earned", exact(found.earned)),
        ("paid", exact(found.paid)),
        ("capped", exact(found.capped)),
        ("forfeited", exact(found.forfeited)),
        ("carried", exact(found.carried)),
    ])
}

pub fn cap(given: &Given) -> Result<Row, Failure> {
    let found = credit_once(Some(given.rule.exact("cap")?), given.input.exact("earned")?)?;
    Ok(vec![("paid", exact(found.amount)), ("capped", exact(found.forgone))])
}

pub fn cap_balance(given: &Given) -> Result<Row, Failure> {
    let left = balance(given.rule.exact("max_cap")?, given.input.exact("total_earnings")?)?;
    Ok(vec![("balance", exact(left))])
}

pub fn running_cap(given: &Given) -> Result<Row, Failure> {
    let mut cap = Cap::new(given.rule.exact("max_cap")?)?;
    let earned = given.input.decimals("earned", EXACT_SCALE)?;
    let found = earned.iter().map(|&one| cap.credit(one)).collect::<Result<Vec<_>, _>>()?;
    let series = |amount: fn(&earnest_core::caps::Credited) -> i128| {
        Found::Series(found.iter().map(amount).collect(), EXACT_SCALE)
    };
    Ok(vec![
        ("credited", series(|one| one.amount)),
        ("capped", series(|one| one.forgone)),
        ("balance", exacts(found.iter().map(|one| one.left))),
    ])
}

pub fn minimum_payment(given: &Given) -> Result<Row, Failure> {
    let year_end_forfeits = match given.rule.optional_text("year_end")? {
        None | Some("carry") => false,
        Some("forfeit") => true,
        Some(word) => return Err(given.rule.unknown("year_end", word)),
    };
    let minimum = given.rule.decimal("minimum", EXACT_SCALE)?;
    let below_minimum = below_minimum(&given.rule)?;
    let terms = CycleTerms { minimum, below_minimum, year_end_forfeits };
    let cycles = terms.run(&given.input.decimals("earned", EXACT_SCALE)?)?;
    let series = |amounts: Vec<i128>| Found::Series(amounts, EXACT_SCALE);
    let money = |amount| Found::Decimal(amount, EXACT_SCALE);
    let paid = cycles.iter().map(|cycle| cycle.released.unwrap_or_default()).collect();
    let forfeited = cycles.iter().map(|cycle| cycle.movements.forfeited).collect();
    Ok(vec![
        ("paid", series(paid)),
        ("carried", Found::List(cycles.iter().map(|cycle| money(cycle.closing)).collect())),
        ("forfeited", series(forfeited)),
    ])
}

pub fn recoverable_draw(given: &Given) -> Result<Row, Failure> {
    let rule = &given.rule;
    let share = rule.optional_rate("recovery_share")?.unwrap_or(power_of_ten(RATE_SCALE));
    let from = rule.optional_count("recovery_from_period")?.map(|period| period as usize);
    let recovery = from.map(|from| Recovery { from, share });
    let earnings = given.input.decimals("earnings", EXACT_SCALE)?;
    let periods = draws(rule.exact("draw")?, recovery, &earnings)?;
    Ok(vec![
        ("draws", exacts(periods.iter().map(|period| period.draw))),
        ("recovered", exacts(periods.iter().map(|period| period.recovered))),
        ("paid", exacts(periods.iter().map(|period| period.paid))),
        ("balance", exacts(periods.iter().map(|period| period.balance))),
    ])
}

pub fn guarantee(given: &Given) -> Result<Row, Failure> {
    let amount = given.rule.exact("amount")?;
    let royalties = given.input.decimals("royalties", EXACT_SCALE)?;
    let at_start = match given.rule.optional_text("timing")? {
        None => {
            let cumulative = given.rule.flag("cumulative")?;
            return Ok(vec![("top_ups", exacts(top_ups(amount, &royalties, cumulative)?))]);
        }
        Some("start") => true,
        Some("end") => false,
        Some(word) => return Err(given.rule.unknown("timing", word)),
    };
    let found = guarantee::guarantee(amount, &royalties, at_start)?;
    Ok(vec![
        ("guarantee_paid", exacts(found.guarantee_paid)),
        ("royalty_paid", exacts(found.royalty_paid)),
    ])
}

pub fn running_balance(given: &Given) -> Result<Row, Failure> {
    let entries = given.input.decimals("entries", EXACT_SCALE)?;
    let found = guarantee::running_balance(&entries)?;
    Ok(vec![
        ("balance", exacts(found.iter().map(|entry| entry.0))),
        ("withdrawable", exacts(found.iter().map(|entry| entry.1))),
    ])
}
