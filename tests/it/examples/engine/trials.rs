//! How each kind of case is written as a program file and rows. Three decimals (KWD) unless a case says
//! otherwise; quantities are units if tiers have prices, else amounts.

mod choice;
mod fund;
mod guarantees;
mod life;
mod payments;
mod tables;

use super::exports::Sold;
use super::{AMOUNT, DAY, LEVER, PERIOD, Results, TRANSACTION, Trial};
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
        "cap_balance" => payments::cap_balance(rule, input),
        "running_cap" => payments::running_cap(rule, input),
        "growth" => growth(rule, input),
        "stack" => stack(rule, input),
        "split" => fund::split(rule, input),
        "split_by_date" => fund::split_by_date(rule, input),
        "semester_conversion" => fund::semester_conversion(rule, input),
        "sublimit" => fund::sublimit(rule, input),
        "coop_calendar" => fund::coop_calendar(rule, input),
        "minimum_payment" => payments::minimum_payment(rule, input),
        "running_balance" => payments::running_balance(input),
        "guarantee" => guarantees::guarantee(rule, input),
        "recoverable_draw" => guarantees::recoverable_draw(rule, input),
        "commitment" => tables::commitment(rule, input),
        "payment_date" => life::payment_date(rule, input),
        "estimated_payment_month" => life::estimated_payment_month(rule, input),
        "earning_start" => life::earning_start(rule, input),
        "adjustment_period" => life::adjustment_period(input),
        "settlement_grouping" => life::settlement_grouping(rule, input),
        "paid_trigger" => life::paid_trigger(rule, input),
        "clawback" => life::clawback(rule, input),
        "refund" => refund(rule, input),
        "cumulative_settlement" => tables::cumulative_settlement(rule, input),
        "delta" => tables::delta(rule, input),
        "distinct_sum" => choice::distinct_sum(rule, input),
        "in_range" => choice::in_range(rule, input),
        "most_specific" => choice::most_specific(rule, input),
        "band" => choice::band(rule, input),
        "uplift" => choice::uplift(rule, input),
        "new_customer" => choice::new_customer(rule, input),
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
    on(&day, amount)
}

/// A line of a day.
fn on(day: &str, amount: &str) -> Sold {
    let (day, quantity, amount) = (day.to_owned(), "1".to_owned(), amount.to_owned());
    Sold { product: "X", day, quantity, amount, ..Sold::default() }
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

/// A line of a month, or of the month a year before.
fn dated(month: usize, back: bool, amount: &str) -> Sold {
    let line = sold(month, amount);
    let year: i32 = line.day[..4].parse().unwrap_or_default();
    Sold { day: format!("{}{}", year - i32::from(back), &line.day[4..]), ..line }
}

/// The months of a quarter, the last ones if there are fewer amounts, and the last for what is left.
fn in_quarter(first: usize, amounts: &[&str], place: usize) -> usize {
    first + (place + 3_usize.saturating_sub(amounts.len())).min(2)
}

fn growth(rule: &Fields, input: &Fields) -> Made {
    let Some(first) = quarter(input.optional_text("quarter")?) else { return Ok(None) };
    if input.has("month") {
        return Ok(None);
    }
    let mut rules = above_last_year("growth", rule.text("rate")?);
    if let Some(limit) = rule.optional_text("cap")? {
        rules.push_str(&capped(limit, "payout"));
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let mut lines = Vec::new();
    for (name, back) in [("current", false), ("baseline", true)] {
        let amounts = input.texts(name)?;
        for (place, amount) in amounts.iter().enumerate() {
            lines.push(dated(in_quarter(first, &amounts, place), back, amount));
        }
    }
    let read = move |results: &Results| {
        let last = month(first + 2);
        let within = |row: &[String]| (first..first + 3).any(|place| row[PERIOD] == month(place));
        let detail = results.detail(|row| row[PERIOD] == last)?;
        let amount = |key: &str| Results::exact(detail[key].as_str().unwrap_or("0"));
        let day = results.earnings.iter().find(|row| row[PERIOD] == last);
        Ok(vec![
            ("current", exact(amount("measured")?)),
            ("baseline", exact(amount("baseline")?)),
            ("growth", exact(amount("counted")?)),
            ("earning", exact(results.sum(AMOUNT, within)?)),
            ("earning_date", Found::Text(day.map_or(String::new(), |row| row[DAY].clone()))),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// Each component is a lever: a rate on the base, or on what lies above last year's.
fn stack(rule: &Fields, input: &Fields) -> Made {
    let (mut rules, mut caps, mut names) = (String::new(), String::new(), Vec::new());
    let (mut bases, mut baselines) = (Vec::new(), Vec::new());
    for (place, part) in rule.tables("components")?.iter().enumerate() {
        let (lever, rate) = (format!("l{place}"), part.text("rate")?);
        bases.push(part.text("base")?);
        if let Some(baseline) = part.optional_text("baseline")? {
            baselines.push(baseline);
            rules.push_str(&above_last_year(&lever, rate));
        } else {
            rules.push_str(&at_rate(&lever, rate));
        }
        if let Some(limit) = part.optional_text("cap")? {
            let cap = capped(limit, "payout").replace("\"cap\"", &format!("\"{lever}\""));
            caps.push_str(&format!("{cap}levers = [\"{lever}\"]\n"));
        }
        names.push((lever, part.text("name")?.to_owned()));
    }
    bases.dedup();
    baselines.dedup();
    if bases.len() != 1 || baselines.len() > 1 {
        return Ok(None);
    }
    let program = program("KWD", &(rules + &caps), "minimum = \"0\"");
    let mut lines = vec![dated(12, false, input.text(bases[0])?)];
    for baseline in baselines {
        lines.push(dated(12, true, input.text(baseline)?));
    }
    let read = move |results: &Results| {
        let mut subtotals = Vec::new();
        for (lever, name) in &names {
            let of = |row: &[String]| row[LEVER] == *lever && row[PERIOD] == month(12);
            let amount = exact(results.sum(AMOUNT, of)?);
            subtotals
                .push(Found::Row(vec![("name", Found::Text(name.clone())), ("amount", amount)]));
        }
        let total = results.sum(AMOUNT, |row| row[PERIOD] == month(12))?;
        Ok(vec![("subtotals", Found::List(subtotals)), ("total", exact(total))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

fn refund(rule: &Fields, input: &Fields) -> Made {
    let program = program("KWD", &of_rate(rule.text("rate")?), "minimum = \"0\"");
    let documents = input.tables("documents")?;
    let mut lines = Vec::new();
    let mut before = "";
    for (place, document) in documents.iter().enumerate() {
        let amount = document.text("amount")?;
        // What takes back all of the document before is linked to it.
        let refunds = (place > 0 && amount.strip_prefix('-') == Some(before)).then(|| place - 1);
        before = amount;
        lines.push(Sold { refunds, ..on(document.text("date")?, amount) });
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
    Ok(Some(Trial::new(program, lines, read)))
}

/// Each event is a customer's month: a rate and a flat of it, at least and at most so much. Allowances are the
/// kernels'.
fn percentage(rule: &Fields, input: &Fields) -> Made {
    if ["free_events", "free_amount"].iter().any(|key| rule.has(key)) {
        return Ok(None);
    }
    let mut text = "[lever.measure]\nwindow = \"month\"\nper = \"customer\"\n".to_owned();
    for (key, ours) in [("event_minimum", "at_least"), ("event_maximum", "at_most")] {
        if let Some(bound) = rule.optional_text(key)? {
            text.push_str(&format!("{ours} = \"{bound}\"\n"));
        }
    }
    let flat = rule.optional_text("fixed")?.unwrap_or("0");
    text.push_str(&format!(
        "[[lever.tiers]]\nshape = \"marginal\"\ntier = [{{ rate = \"{}\", flat = \"{flat}\" }}]\n",
        rule.text("rate")?
    ));
    let program = program("KWD", &lever("events", "X", &text), "minimum = \"0\"");
    let events = input.texts("events")?;
    // Who buys for nothing is no customer.
    if input.amounts("events")?.contains(&0) {
        return Ok(None);
    }
    let event = |(customer, amount): (usize, &&str)| Sold { customer, ..sold(0, amount) };
    let lines = events.iter().enumerate().map(event).collect();
    let read = |results: &Results| Ok(vec![("total", exact(results.sum(AMOUNT, |_| true)?))]);
    Ok(Some(Trial::new(program, lines, read)))
}
