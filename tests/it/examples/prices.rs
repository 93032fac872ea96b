//! Tiers, packages, percentages, sums, deltas, settlements, commitments.

use super::Given;
use super::compare::{Found, Row, amount, exact, exacts, rate};
use super::fields::{Failure, Fields};
use earnest_core::Error;
use earnest_core::decimal::{AMOUNT_SCALE, sum};
use earnest_core::delta::{Commitment, Delta, between, settlements, since};
use earnest_core::events::Percentage;
use earnest_core::package::Package;
use earnest_core::price::{Bill, Item, Price, PriceList, Quantities};
use earnest_core::tiers::{
    AboveLast, Conventions, Edge, Negative, Priced, Shape, Terms, Tier, TierTable, UnitScale,
};

fn shape(kind: &str) -> Option<Shape> {
    Some(match kind {
        "marginal" => Shape::Marginal,
        "whole" => Shape::Whole,
        "interpolated" => Shape::Interpolated,
        "rolling" => Shape::Rolling,
        "total" => Shape::Total,
        _ => return None,
    })
}

fn tier(fields: &Fields) -> Result<Tier, Failure> {
    let per = fields.optional_decimal("per", AMOUNT_SCALE)?;
    let price = fields.optional_rate("unit_price")?.map(|price| Terms::UnitPrice { price, per });
    let share = fields.optional_rate("rate")?.map(Terms::Rate);
    let whole = fields.optional_rate("amount")?.map(Terms::Amount);
    let mut terms = [price, share, whole].into_iter().flatten();
    let first = terms.next();
    if terms.next().is_some() || (per.is_some() && price.is_none()) {
        return Err(Failure(
            "expected one of unit_price (with per), rate, amount in a tier".to_owned(),
        ));
    }
    Ok(Tier {
        to: fields.optional_decimal("to", AMOUNT_SCALE)?,
        terms: first.unwrap_or_default(),
        flat: fields.optional_rate("flat")?.unwrap_or(0),
    })
}

fn conventions(rule: &Fields) -> Result<Conventions, Failure> {
    let edge = match rule.optional_text("edge")? {
        None | Some("inclusive") => Edge::Inclusive,
        Some("next") => Edge::Next,
        Some(word) => return Err(rule.unknown("edge", word)),
    };
    let above_last = match rule.optional_text("above_last")? {
        None | Some("refused") => AboveLast::Refused,
        Some("last_tier") => AboveLast::LastTier,
        Some(word) => return Err(rule.unknown("above_last", word)),
    };
    let negative = match rule.optional_text("negative")? {
        None | Some("mirrored") => Negative::Mirrored,
        Some("zero") => Negative::Zero,
        Some(word) => return Err(rule.unknown("negative", word)),
    };
    let scale = |fields: Fields| -> Result<UnitScale, Failure> {
        let divide_by = fields.amount("divide_by")?;
        Ok(UnitScale { divide_by, rounding: fields.rounding("rounding")? })
    };
    let unit_scale = rule.optional_table("unit_scale")?.map(scale).transpose()?;
    let flat_on_zero = rule.flag("flat_on_zero")?;
    Ok(Conventions { edge, above_last, negative, flat_on_zero, unit_scale })
}

fn table(rule: &Fields) -> Result<TierTable, Failure> {
    let kind = rule.text("kind")?;
    let shape = shape(kind).ok_or_else(|| rule.unknown("kind", kind))?;
    let tiers = rule.tables("tiers")?.iter().map(tier).collect::<Result<_, _>>()?;
    Ok(TierTable::new(shape, tiers, conventions(rule)?)?)
}

fn price(rule: &Fields) -> Result<Price, Failure> {
    if rule.text("kind")? == "package" {
        let free = rule.optional_decimal("free", AMOUNT_SCALE)?.unwrap_or(0);
        let (size, price) = (rule.amount("size")?, rule.rate("unit_price")?);
        return Ok(Price::Package(Package { size, price, free }));
    }
    Ok(Price::Tiers(table(rule)?))
}

fn price_list(rule: &Fields) -> Result<PriceList, Failure> {
    if rule.text("kind")? != "sum" {
        return Ok(PriceList::of(price(rule)?));
    }
    let part = |part: &Fields| Ok::<_, Failure>((part.text("unit")?.to_owned(), price(part)?));
    let parts = rule.tables("parts")?.iter().map(part).collect::<Result<_, _>>()?;
    Ok(PriceList::new(parts)?)
}

/// One quantity, or one per unit.
fn quantities(input: &Fields, name: &str) -> Result<Quantities, Failure> {
    if !input.is_table(name) {
        return Ok(PriceList::single(input.amount(name)?));
    }
    let units = input.table(name)?;
    let quantity = |unit: &&str| Ok((unit.to_string(), units.amount(unit)?));
    units.columns()?.keys().map(quantity).collect()
}

fn terms_row(terms: Terms, row: &mut Row) {
    match terms {
        Terms::Rate(share) => row.push(("rate", rate(share))),
        Terms::UnitPrice { price, .. } => row.push(("unit_price", rate(price))),
        Terms::Amount(_) | Terms::None => {}
    }
}

fn priced_row(priced: &Priced, quantity: i128) -> Row {
    let average = |priced: Priced| -> Box<dyn Fn(u32) -> Result<i128, Error>> {
        Box::new(move |decimals| priced.average(quantity, decimals))
    };
    let slice = |slice: &earnest_core::tiers::Slice| {
        let slice = *slice;
        let share = Box::new(move |decimals| slice.share(quantity, decimals));
        let mut row = vec![
            ("tier", Found::Count(slice.tier)),
            ("quantity", amount(slice.quantity)),
            ("amount", exact(slice.amount)),
            ("share", Found::Quotient(share)),
        ];
        terms_row(slice.terms, &mut row);
        Found::Row(row)
    };
    let mut row = vec![
        ("total", exact(priced.total)),
        ("unit_average", Found::Shown(average(priced.clone()))),
        ("blended_rate", Found::Quotient(average(priced.clone()))),
        ("slices", Found::List(priced.slices.iter().map(slice).collect())),
        ("lines", exacts(priced.slices.iter().map(|slice| slice.amount))),
    ];
    if let Some(tier) = priced.tier {
        row.push(("tier", Found::Count(tier)));
    }
    if let Some(last) = priced.slices.last() {
        terms_row(last.terms, &mut row);
    }
    row
}

/// Prices each of several quantities alone.
fn each(quantities: &[i128], price: impl Fn(i128) -> Result<i128, Error>) -> Result<Row, Failure> {
    let each = quantities.iter().map(|&one| price(one)).collect::<Result<Vec<_>, _>>()?;
    let total = sum(each.iter().copied())?;
    Ok(vec![("each", exacts(each)), ("total", exact(total))])
}

pub fn tiers(given: &Given) -> Result<Row, Failure> {
    let table = table(&given.rule)?;
    if given.input.has("quantities") {
        let quantities = given.input.amounts("quantities")?;
        return each(&quantities, |one| Ok(table.price(one)?.total));
    }
    let quantity = given.input.amount("quantity")?;
    let tier_quantity = given.input.optional_decimal("tier_quantity", AMOUNT_SCALE)?;
    let priced = table.price_at(quantity, tier_quantity.unwrap_or(quantity))?;
    Ok(priced_row(&priced, quantity))
}

fn items(items: &[Item]) -> Found {
    let item = |item: &Item| {
        Found::Row(vec![
            ("unit", Found::Text(item.unit.clone())),
            ("tier", Found::Count(item.tier)),
            ("quantity", amount(item.quantity)),
            ("amount", exact(item.amount)),
        ])
    };
    Found::List(items.iter().map(item).collect())
}

/// Packages, and sums of units.
pub fn bill(given: &Given) -> Result<Row, Failure> {
    let list = price_list(&given.rule)?;
    if given.rule.text("kind")? != "sum" && given.input.has("quantity") {
        let quantity = given.input.amount("quantity")?;
        return Ok(priced_row(&price(&given.rule)?.price(quantity)?, quantity));
    }
    if given.input.has("quantities") {
        let quantities = given.input.amounts("quantities")?;
        return each(&quantities, |one| Ok(list.bill(&PriceList::single(one))?.total));
    }
    let bill = list.bill(&quantities(&given.input, "quantity")?)?;
    Ok(vec![("total", exact(bill.total)), ("items", items(&bill.items))])
}

pub fn percentage(given: &Given) -> Result<Row, Failure> {
    let rule = &given.rule;
    let free_events = rule.optional_count("free_events")?.map(|count| count as usize);
    let percentage = Percentage {
        rate: rule.rate("rate")?,
        fixed: rule.optional_rate("fixed")?.unwrap_or(0),
        free_events,
        free_amount: rule.optional_decimal("free_amount", AMOUNT_SCALE)?,
        event_minimum: rule.optional_decimal("event_minimum", AMOUNT_SCALE)?,
        event_maximum: rule.optional_decimal("event_maximum", AMOUNT_SCALE)?,
    };
    let charged = percentage.charge(&given.input.amounts("events")?)?;
    Ok(vec![
        ("total", exact(charged.total)),
        ("each", exacts(charged.each)),
        ("paid_amount", amount(charged.paid_amount)),
        ("paid_events", Found::Count(charged.paid_events)),
    ])
}

fn billed_items(input: &Fields) -> Result<Vec<Item>, Failure> {
    let item = |row: &Fields| {
        Ok(Item {
            unit: row.optional_text("unit")?.unwrap_or_default().to_owned(),
            tier: row.optional_count("tier")?.unwrap_or(1) as usize,
            quantity: row.optional_decimal("quantity", AMOUNT_SCALE)?.unwrap_or(0),
            amount: row.exact("amount")?,
        })
    };
    input.tables("already_billed")?.iter().map(item).collect()
}

/// What was billed before: by quantities, by items, or as an amount.
fn change(input: &Fields, list: &PriceList, now: &Bill) -> Result<Delta, Failure> {
    if input.is_list("already_billed") {
        return Ok(between(&billed_items(input)?, now)?);
    }
    let mut delta = Delta::default();
    if input.has("previous") {
        delta = between(&list.bill(&quantities(input, "previous")?)?.items, now)?;
    }
    match input.optional_exact("already_billed")? {
        Some(already) if input.has("previous") => {
            Ok(Delta { items: delta.items, ..since(already, now)? })
        }
        Some(already) => Ok(since(already, now)?),
        None if input.has("previous") => Ok(delta),
        None => Err(Failure("expected previous or already_billed in the input".to_owned())),
    }
}

pub fn delta(given: &Given) -> Result<Row, Failure> {
    let list = price_list(&given.rule.table("price")?)?;
    let now = list.bill(&quantities(&given.input, "current")?)?;
    let delta = change(&given.input, &list, &now)?;
    Ok(vec![
        ("already", exact(delta.already)),
        ("total", exact(delta.total)),
        ("delta", exact(delta.delta)),
        ("items", items(&delta.items)),
    ])
}

pub fn cumulative_settlement(given: &Given) -> Result<Row, Failure> {
    let list = price_list(&given.rule.table("price")?)?;
    let settled = settlements(&list, &given.input.amounts("volumes")?)?;
    let total = sum(settled.iter().copied())?;
    Ok(vec![("settlements", exacts(settled)), ("total", exact(total))])
}

pub fn commitment(given: &Given) -> Result<Row, Failure> {
    let (rule, input) = (&given.rule, &given.input);
    let list = price_list(&rule.table("price")?)?;
    let mut all = quantities(input, "quantity")?;
    let mut before = Vec::new();
    if input.has("already_quantity") {
        let already = quantities(input, "already_quantity")?;
        if already.values().any(|&quantity| quantity != 0) {
            before = list.bill(&already)?.items;
        }
        for (unit, quantity) in already {
            let total = all.entry(unit).or_default();
            *total = sum([*total, quantity])?;
        }
    }
    let charge = between(&before, &list.bill(&all)?)?;
    let commitment = Commitment {
        minimum: rule.optional_exact("minimum")?,
        maximum: rule.optional_exact("maximum")?,
    };
    let already_billed = input.optional_exact("already_billed")?.unwrap_or(0);
    let found = commitment.apply(&charge, already_billed, input.flag("period_end")?)?;
    Ok(vec![
        ("charge", exact(found.charge)),
        ("top_up", exact(found.top_up)),
        ("reduction", exact(found.reduction)),
        ("reductions", exacts(found.reductions)),
        ("total", exact(found.total)),
        ("items", items(&charge.items)),
    ])
}
