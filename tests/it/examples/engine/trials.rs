//! How each kind of case is written as a program file and rows. Three decimals (KWD) unless a case says
//! otherwise; quantities are units if tiers have prices, else amounts.

mod payments;
mod tables;

use super::{AMOUNT, DAY, LEVER, PERIOD, Results, Sold, TRANSACTION, Trial};
use crate::examples::compare::{Found, exact, exacts};
use crate::examples::fields::{Failure, Fields};
use toml::Table;

type Made = Result<Option<Trial>, Failure>;

pub fn of(kind: &str, rule: &Fields, input: &Fields, expected: &Table) -> Made {
    match kind {
        "marginal" | "whole" | "interpolated" | "rolling" | "total" => {
            tables::tiers(rule, input, expected)
        }
        "package" => tables::package(rule, input),
        "sum" => tables::sum(rule, input),
        "rate" => payments::rate(rule, input),
        "cap" => payments::cap(rule, input),
        "running_cap" => payments::running_cap(rule, input),
        "growth" => growth(rule, input),
        "stack" => stack(rule, input),
        "split" => payments::split(rule, input),
        "split_by_date" => payments::split_by_date(rule, input),
        "semester_conversion" => payments::semester_conversion(rule, input),
        "minimum_payment" => payments::minimum_payment(rule, input),
        "payment_date" => payments::payment_date(rule, input),
        "cumulative_settlement" => tables::cumulative_settlement(rule, input),
        "delta" => tables::delta(rule, input),
        "refund" => refund(rule, input),
        "in_range" => in_range(rule, input),
        "percentage" => percentage(rule, input),
        _ => Ok(None),
    }
}

fn program(currency: &str, rules: &str, payment: &str) -> String {
    format!(
        "program = \"KEY\"\nname = \"KEY\"\ncurrency = \"{currency}\"\npays = [\"direct\"]\n\
         [[term]]\nterm = \"T\"\n{rules}\n[payment]\n{payment}\n"
    )
}

fn lever(name: &str, product: &str, rules: &str) -> String {
    format!(
        "[[lever]]\nlever = \"{name}\"\nname = \"{name}\"\ndraws = \"billing\"\n\
         product_groups = [\"KEY-{product}\"]\npays_as = \"rebate\"\n{rules}"
    )
}

fn at_rate(name: &str, rate: &str) -> String {
    lever(name, "X", &format!("[[lever.rate]]\nrate = \"{rate}\"\n"))
}

fn of_rate(rate: &str) -> String {
    at_rate("core", rate)
}

fn capped(limit: &str, on: &str) -> String {
    format!(
        "[[cap]]\ncap = \"cap\"\nlimit = \"{limit}\"\non = \"{on}\"\nper = \"participant\"\n\
         window = \"year\"\n"
    )
}

/// A line of a month from January 2022 on.
fn sold(month: usize, amount: &str) -> Sold {
    let day = format!("{:04}-{:02}-10", 2022 + month / 12, month % 12 + 1);
    Sold { product: "X", day, quantity: "1".to_owned(), amount: amount.to_owned(), refunds: None }
}

/// A line of a number of units.
fn units(month: usize, quantity: &str) -> Sold {
    Sold { quantity: quantity.to_owned(), ..sold(month, "1") }
}

fn month(month: usize) -> String {
    format!("{:04}-{:02}", 2022 + month / 12, month % 12 + 1)
}

/// A lever of a rate on what lies above last year's quarter.
fn above_last_year(name: &str, rate: &str) -> String {
    let text = format!(
        "[lever.measure]\nwindow = \"quarter\"\nbaseline = \"last_year\"\n[[lever.tiers]]\n\
         shape = \"marginal\"\ntier = [{{ rate = \"{rate}\" }}]\n"
    );
    lever(name, "X", &text)
}

/// The first month of a quarter, counted from January 2022; without one, of the first of 2023.
fn quarter(text: Option<&str>) -> Option<usize> {
    let Some(text) = text else { return Some(12) };
    let (year, quarter) = text.split_once("-Q")?;
    let (year, quarter): (usize, usize) = (year.parse().ok()?, quarter.parse().ok()?);
    Some((year.checked_sub(2022)? * 12) + (quarter - 1) * 3)
}

fn dated(place: usize, back: bool, amount: &str) -> Sold {
    let line = sold(place, amount);
    let year: i32 = line.day[..4].parse().unwrap_or_default();
    Sold { day: format!("{}{}", year - i32::from(back), &line.day[4..]), ..line }
}

fn growth(rule: &Fields, input: &Fields) -> Made {
    let Some(first) = quarter(input.optional_text("quarter")?) else { return Ok(None) };
    let (current, baseline) = (input.texts("current")?, input.texts("baseline")?);
    let mut rules = above_last_year("growth", rule.text("rate")?);
    if let Some(limit) = rule.optional_text("cap")? {
        rules.push_str(&capped(limit, "payout"));
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let mut lines = Vec::new();
    for (place, amount) in current.iter().enumerate() {
        lines.push(dated(first + place, false, amount));
    }
    for (place, amount) in baseline.iter().enumerate() {
        lines.push(dated(first + place, true, amount));
    }
    let (last, count) = (first + current.len() - 1, current.len());
    let read = move |results: &Results| {
        let within = |row: &[String]| (0..count).any(|place| row[PERIOD] == month(first + place));
        let detail = results.detail(|row| row[PERIOD] == month(last))?;
        let amount = |key: &str| Results::exact(detail[key].as_str().unwrap_or("0"));
        let day = results.earnings.iter().find(|row| row[PERIOD] == month(last));
        Ok(vec![
            ("current", exact(amount("measured")?)),
            ("baseline", exact(amount("baseline")?)),
            ("growth", exact(amount("counted")?)),
            ("earning", exact(results.sum(AMOUNT, within)?)),
            ("earning_date", Found::Text(day.map_or(String::new(), |row| row[DAY].clone()))),
        ])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

const COMPONENTS: [&str; 2] = ["core", "growth"];

/// A rate, and another on what lies above last year's.
fn stack(rule: &Fields, input: &Fields) -> Made {
    let (mut rules, mut caps) = (String::new(), String::new());
    let parts = rule.tables("components")?;
    for (part, name) in parts.iter().zip(COMPONENTS) {
        let known = part.text("name")? == name && part.text("base")? == "revenue";
        let above = part.optional_text("baseline")?;
        if !known || parts.len() != COMPONENTS.len() || above.is_some_and(|on| on != "last_year") {
            return Ok(None);
        }
        let rate = part.text("rate")?;
        rules.push_str(&match above {
            Some(_) => above_last_year(name, rate),
            None => at_rate(name, rate),
        });
        if let Some(limit) = part.optional_text("cap")? {
            let cap = capped(limit, "payout").replace("\"cap\"", &format!("\"{name}\""));
            caps.push_str(&format!("{cap}levers = [\"{name}\"]\n"));
        }
    }
    rules.push_str(&caps);
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines =
        vec![dated(12, false, input.text("revenue")?), dated(12, true, input.text("last_year")?)];
    let read = |results: &Results| {
        let of =
            |name: &str| results.sum(AMOUNT, |row| row[LEVER] == name && row[PERIOD] == month(12));
        let mut subtotals = Vec::new();
        for name in COMPONENTS {
            let name_of = Found::Text(name.to_owned());
            subtotals.push(Found::Row(vec![("name", name_of), ("amount", exact(of(name)?))]));
        }
        let total = results.sum(AMOUNT, |row| row[PERIOD] == month(12))?;
        Ok(vec![("subtotals", Found::List(subtotals)), ("total", exact(total))])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

fn refund(rule: &Fields, input: &Fields) -> Made {
    let program = program("KWD", &of_rate(rule.text("rate")?), "minimum = \"0\"");
    let documents = input.tables("documents")?;
    let mut lines = Vec::new();
    for (place, document) in documents.iter().enumerate() {
        let amount = document.text("amount")?;
        let refunds = (place > 0 && amount.starts_with('-')).then(|| place - 1);
        let day = document.text("date")?.to_owned();
        lines.push(Sold { day, refunds, ..sold(0, amount) });
    }
    let count = lines.len();
    let read = move |results: &Results| {
        let of = |place: usize| {
            let ends = format!("-{place}");
            results.sum(AMOUNT, move |row| row[TRANSACTION].ends_with(&ends))
        };
        let each = (0..count).map(of).collect::<Result<Vec<_>, _>>()?;
        let mut months: Vec<String> =
            results.earnings.iter().map(|row| row[PERIOD].clone()).collect();
        months.sort();
        months.dedup();
        let mut by_month = Vec::new();
        for month in months {
            let total = exact(results.sum(AMOUNT, |row| row[PERIOD] == month)?);
            by_month.push(Found::Row(vec![("month", Found::Text(month)), ("amount", total)]));
        }
        let total = results.sum(AMOUNT, |_| true)?;
        let by_month = Found::List(by_month);
        Ok(vec![("lines", exacts(each)), ("total", exact(total)), ("by_month", by_month)])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

fn in_range(rule: &Fields, input: &Fields) -> Made {
    let mut bounds = String::new();
    for (key, ours) in [("from", "at_least"), ("to", "at_most")] {
        if let Some(bound) = rule.optional_text(key)? {
            bounds.push_str(&format!("{ours} = \"{bound}\"\n"));
        }
    }
    let rate = of_rate(rule.text("rate")?);
    let rules = format!("{rate}[lever.filter]\ncolumn = \"base\"\n{bounds}");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let amounts =
        if input.has("amount") { vec![input.text("amount")?] } else { input.texts("amounts")? };
    let count = amounts.len();
    let lines = amounts.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = move |results: &Results| {
        let each = (0..count)
            .map(|place| results.sum(AMOUNT, |row| row[PERIOD] == month(place)))
            .collect::<Result<Vec<_>, _>>()?;
        let total = results.sum(AMOUNT, |_| true)?;
        let rejected = Found::Flag(results.earnings.is_empty());
        Ok(vec![("each", exacts(each)), ("total", exact(total)), ("rejected", rejected)])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

/// A rate of each event; fixed amounts, allowances and bounds are the kernels'.
fn percentage(rule: &Fields, input: &Fields) -> Made {
    let others = ["fixed", "free_events", "free_amount", "event_minimum", "event_maximum"];
    if others.iter().any(|key| rule.has(key)) {
        return Ok(None);
    }
    let program = program("KWD", &of_rate(rule.text("rate")?), "minimum = \"0\"");
    let events = input.texts("events")?;
    let lines = events.iter().map(|amount| sold(0, amount)).collect();
    let read = |results: &Results| Ok(vec![("total", exact(results.sum(AMOUNT, |_| true)?))]);
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}
