//! Which rule applies: filters, the most specific rule, bands, new customers.

use super::super::{AMOUNT, LEVER, PERIOD, Results, Trial};
use super::{Made, capped, lever, month, of_rate, program, sold, units};
use crate::examples::compare::{Found, Row, exact, exacts};
use crate::examples::engine::exports::Sold;
use crate::examples::fields::{Failure, Fields};

pub fn in_range(rule: &Fields, input: &Fields) -> Made {
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
    Ok(Some(Trial::new(program, lines, read)))
}

/// Of these levers, which stand in the order of precedence, the first that covers a line earns.
const FIRST: &str = "[[engagement]]\nengagement = \"rules\"\nselect = \"first\"\n";

/// A lever among others.
fn one_of(name: &str, rules: &str) -> String {
    lever(name, name, rules).replace("draws = ", "engagement = \"rules\"\ndraws = ")
}

/// A rate, or an amount per line.
fn pays(rule: &Fields) -> Result<String, Failure> {
    Ok(match rule.optional_text("fixed")? {
        Some(fixed) => format!("[[lever.rate]]\namount = \"{fixed}\"\n"),
        None => format!("[[lever.rate]]\nrate = \"{}\"\n", rule.text("rate")?),
    })
}

/// Which lever earned, and what.
fn read_chosen(results: &Results) -> Result<Row, Failure> {
    let mut row = vec![
        ("matched", Found::Flag(!results.earnings.is_empty())),
        ("total", exact(results.sum(AMOUNT, |_| true)?)),
    ];
    if let Some(earned) = results.earnings.first() {
        row.push(("scope", Found::Text(earned[LEVER].clone())));
    }
    Ok(row)
}

/// A scope is a product group. The line's product is in those that match.
pub fn most_specific(rule: &Fields, input: &Fields) -> Made {
    let (order, scopes) = (rule.texts("order")?, rule.tables("rules")?);
    let mut rules = FIRST.to_owned();
    for scope in order.iter().rev() {
        for written in &scopes {
            if written.text("scope")? == *scope {
                rules.push_str(&one_of(scope, &pays(written)?));
            }
        }
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("amount")?)];
    let mut trial = Trial::new(program, lines, read_chosen);
    for scope in input.texts("matches")? {
        trial = trial.with("product-groups", format!("KEY-{scope},KEY-X,,2010-01-01,"));
    }
    Ok(Some(trial))
}

/// The value that picks the band is a quantity.
pub fn band(rule: &Fields, input: &Fields) -> Made {
    let mut rules = FIRST.to_owned();
    for (place, band) in rule.tables("bands")?.iter().enumerate() {
        let mut pays = pays(band)? + "[lever.filter]\ncolumn = \"quantity\"\n";
        for (key, ours) in [("from", "at_least"), ("to", "at_most")] {
            if let Some(bound) = band.optional_text(key)? {
                pays.push_str(&format!("{ours} = \"{bound}\"\n"));
            }
        }
        let named = one_of(&format!("band{place}"), &pays);
        rules.push_str(&named.replace(&format!("KEY-band{place}"), "KEY-X"));
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![units(0, input.text("value")?)];
    Ok(Some(Trial::new(program, lines, read_chosen)))
}

/// A bill a month, each of at least the threshold, in the customer's first months.
pub fn new_customer(rule: &Fields, input: &Fields) -> Made {
    let months = rule.count("months")?;
    let mut rules = of_rate(rule.text("rate")?);
    rules.push_str(&format!(
        "[lever.customer_add]\nmonths = {months}\n[lever.filter]\ncolumn = \"base\"\n\
         at_least = \"{}\"\n",
        rule.text("monthly_threshold")?
    ));
    if let Some(limit) = rule.optional_text("cap")? {
        if months > 12 {
            return Ok(None);
        }
        rules.push_str(&capped(limit, "payout"));
    }
    // The cap's year is the calendar's, and so are the first months.
    let program = program("KWD", &rules, "minimum = \"0\"")
        .replace("pays = ", "fiscal_year_start = 1\npays = ");
    let bill = input.text("monthly_bill")?;
    let lines = (0..months as usize).map(|place| sold(place, bill)).collect();
    let read = |results: &Results| {
        let earning = exact(results.sum(AMOUNT, |_| true)?);
        Ok(vec![("qualifies", Found::Flag(!results.earnings.is_empty())), ("earning", earning)])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// A lever on what another one earns.
pub fn uplift(rule: &Fields, input: &Fields) -> Made {
    let more = format!("[[lever.rate]]\nrate = \"{}\"\n", rule.text("uplift")?);
    let more = lever("more", "X", &more).replace("draws = ", "on = \"earned by core\"\ndraws = ");
    let rules = of_rate(rule.text("rate")?) + &more;
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("amount")?)];
    Ok(Some(Trial::new(program, lines, read_chosen)))
}

/// The key is a line's id: the same row again doesn't count again. What all rows add up to is for the kernels
/// to say.
pub fn distinct_sum(rule: &Fields, input: &Fields) -> Made {
    let (key, value) = (rule.text("key")?, rule.text("value")?);
    let mut rules = of_rate("1");
    let include = rule.optional_table("include")?;
    let mut field = None;
    if let Some(include) = include {
        let values = include.texts("values")?;
        rules.push_str(&format!("[lever.filter]\ncolumn = \"workload\"\nin = {values:?}\n"));
        field = Some(include.text("field")?);
    }
    let mut lines = Vec::new();
    for row in input.tables("rows")? {
        let id = Some(row.text(key)?.to_owned());
        let workload = field.map_or(Ok(""), |field| row.text(field))?.to_owned();
        lines.push(Sold { id, workload, ..sold(0, row.text(value)?) });
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let read = |results: &Results| {
        Ok(vec![
            ("distinct_total", exact(results.sum(AMOUNT, |_| true)?)),
            ("distinct_count", Found::Count(results.earnings.len())),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}
