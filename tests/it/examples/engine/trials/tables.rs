//! Tables of tiers, packages and units; what changed since, settlements of a window.

use super::super::{AMOUNT, LEVER, PERIOD, RATE, Results, Trial, slices};
use super::{Made, lever, month, program, sold, units};
use crate::examples::compare::{Found, Row, exact, exacts};
use crate::examples::engine::exports::Sold;
use crate::examples::fields::{Failure, Fields};
use earnest_core::decimal::{AMOUNT_SCALE, format, parse};
use toml::Table;

/// The table of a rule, and whether it is of units. A last tier that ends is open in the program file;
/// the kernels refuse a case that asks for more.
fn table(rule: &Fields, window: &str) -> Result<Option<(String, bool)>, Failure> {
    let kind = rule.text("kind")?;
    let mut tiers = Vec::new();
    let mut of_units = false;
    let all = rule.tables("tiers")?;
    let last = all.len() - 1;
    for (place, tier) in all.iter().enumerate() {
        let mut keys = Vec::new();
        for (key, ours) in [
            ("to", "up_to"),
            ("rate", "rate"),
            ("unit_price", "price"),
            ("amount", "amount"),
            ("flat", "flat"),
            ("per", "per"),
        ] {
            let open = key == "to" && place == last && kind != "interpolated";
            if let Some(value) = tier.optional_text(key)?.filter(|_| !open) {
                keys.push(format!("{ours} = \"{value}\""));
            }
            of_units |= key == "unit_price" && tier.has(key);
        }
        tiers.push(format!("{{ {} }}", keys.join(", ")));
    }
    if rule.has("negative") && rule.text("negative")? != "zero" {
        return Ok(None);
    }
    let mut text = format!(
        "[lever.measure]\nof = \"{}\"\nwindow = {window}\n",
        if of_units { "quantity" } else { "amount" }
    );
    if rule.flag("flat_on_zero")? {
        text.push_str("zero = \"flat\"\n");
    }
    text.push_str(&format!("[[lever.tiers]]\nshape = \"{kind}\"\n"));
    if rule.optional_text("edge")? == Some("next") {
        text.push_str("edge = \"upper\"\n");
    }
    if let Some(scale) = rule.optional_table("unit_scale")? {
        let rounding = scale.optional_text("rounding")?;
        let rounding = rounding.map_or(String::new(), |word| format!(", rounding = \"{word}\""));
        text.push_str(&format!(
            "unit_scale = {{ divide_by = \"{}\"{rounding} }}\n",
            scale.text("divide_by")?
        ));
    }
    text.push_str(&format!("tier = [{}]\n", tiers.join(", ")));
    Ok(Some((text, of_units)))
}

/// A line of a product, of units or of an amount. Nothing sold is no line of the lever's products.
fn one(product: &'static str, month: usize, of_units: bool, quantity: &str) -> Sold {
    let (product, line) = match (parse(quantity, AMOUNT_SCALE), of_units) {
        (Ok(0), _) => ("other", sold(month, "1")),
        (_, true) => (product, units(month, quantity)),
        (_, false) => (product, sold(month, quantity)),
    };
    Sold { product, ..line }
}

pub fn tiers(rule: &Fields, input: &Fields, expected: &Table) -> Made {
    let tier_quantity = input.optional_text("tier_quantity")?;
    let window = if tier_quantity.is_some() { "{ days = 60 }" } else { "\"month\"" };
    let Some((text, of_units)) = table(rule, window)? else { return Ok(None) };
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    if input.has("quantities") {
        let quantities = input.texts("quantities")?;
        let count = quantities.len();
        let lines = quantities.iter().enumerate();
        let lines = lines.map(|(place, quantity)| one("X", place, of_units, quantity)).collect();
        let read = move |results: &Results| {
            let each = (0..count)
                .map(|place| results.sum(AMOUNT, |row| row[PERIOD] == month(place)))
                .collect::<Result<Vec<_>, _>>()?;
            let total = results.sum(AMOUNT, |_| true)?;
            Ok(vec![("each", exacts(each)), ("total", exact(total))])
        };
        return Ok(Some(Trial::new(program, lines, read)));
    }
    let quantity = input.text("quantity")?;
    let mut lines = vec![one("X", 1, of_units, quantity)];
    if let Some(whole) = tier_quantity {
        // What else picks the tier was sold in the month before.
        let before = parse(whole, AMOUNT_SCALE)? - parse(quantity, AMOUNT_SCALE)?;
        if before < 0 {
            return Ok(None);
        }
        lines.push(one("X", 0, of_units, &format(before, AMOUNT_SCALE, 0)));
    }
    // What a slice is of the whole is for the kernels to say.
    let slices_of = expected.get("slices").and_then(toml::Value::as_array);
    let shares = slices_of.is_some_and(|all| all.iter().any(|slice| slice.get("share").is_some()));
    if shares && !expected.contains_key("total") {
        return Ok(None);
    }
    let read = move |results: &Results| read_window(results, shares);
    Ok(Some(Trial::new(program, lines, read)))
}

/// What the window of February has earned, with its tiers.
fn read_window(results: &Results, shares: bool) -> Result<Row, Failure> {
    let of_month = |row: &[String]| row[PERIOD] == month(1);
    let mut row: Row = vec![("total", exact(results.sum(AMOUNT, of_month)?))];
    if !results.earnings.iter().any(|row| of_month(row)) {
        return Ok(row);
    }
    let slices = slices(&results.detail(of_month)?)?;
    let lines = slices.iter().map(|slice| match slice[2].1 {
        Found::Decimal(amount, _) => amount,
        _ => 0,
    });
    row.push(("lines", exacts(lines.collect::<Vec<_>>())));
    if let Some(last) = slices.last()
        && let Found::Count(tier) = last[0].1
    {
        row.push(("tier", Found::Count(tier)));
    }
    let rate = results.earnings.iter().find(|row| of_month(row)).map(|row| row[RATE].clone());
    row.push(("rate", exact(Results::exact(&rate.unwrap_or_default())?)));
    if !shares {
        row.push(("slices", Found::List(slices.into_iter().map(Found::Row).collect())));
    }
    Ok(row)
}

pub fn package(rule: &Fields, input: &Fields) -> Made {
    let (program, lines) = packages(rule, input.text("quantity")?)?;
    let read = |results: &Results| Ok(vec![("total", exact(results.sum(AMOUNT, |_| true)?))]);
    Ok(Some(Trial::new(program, lines, read)))
}

fn packages(rule: &Fields, quantity: &str) -> Result<(String, Vec<Sold>), Failure> {
    let (size, price) = (rule.text("size")?, rule.text("unit_price")?);
    let free = rule.optional_text("free")?.filter(|free| *free != "0");
    let free =
        free.map_or(String::new(), |free| format!("{{ up_to = \"{free}\", price = \"0\" }}, "));
    let text = format!(
        "[lever.measure]\nof = \"quantity\"\nwindow = \"month\"\n[[lever.tiers]]\nshape = \"marginal\"\n\
         tier = [{free}{{ price = \"{price}\", per = \"{size}\" }}]\n"
    );
    let program = program("KWD", &lever("packages", "X", &text), "minimum = \"0\"");
    Ok((program, vec![one("X", 1, true, quantity)]))
}

const UNITS: [&str; 4] = ["A", "B", "C", "D"];

/// Each unit of measure is a product with a lever of its own.
pub fn sum(rule: &Fields, input: &Fields) -> Made {
    let (mut rules, mut lines, mut names) = (String::new(), Vec::new(), Vec::new());
    let quantities = input.table("quantity")?;
    let parts = rule.tables("parts")?;
    if parts.len() > UNITS.len() {
        return Ok(None);
    }
    for (part, product) in parts.iter().zip(UNITS) {
        let unit = part.text("unit")?;
        let Some((text, of_units)) = table(part, "\"month\"")? else { return Ok(None) };
        rules.push_str(&lever(product, product, &text));
        lines.push(one(product, 1, of_units, quantities.text(unit)?));
        names.push(unit.to_owned());
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let read = move |results: &Results| {
        let mut items = Vec::new();
        for (name, product) in names.iter().zip(UNITS) {
            let detail = results.detail(|row| row[LEVER] == product)?;
            items.extend(slices(&detail)?.into_iter().map(|mut slice| {
                slice.push(("unit", Found::Text(name.clone())));
                Found::Row(slice)
            }));
        }
        let total = results.sum(AMOUNT, |_| true)?;
        Ok(vec![("total", exact(total)), ("items", Found::List(items))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

pub fn cumulative_settlement(rule: &Fields, input: &Fields) -> Made {
    let Some((text, of_units)) = table(&rule.table("price")?, "\"year\"")? else {
        return Ok(None);
    };
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"")
        .replace("pays = ", "fiscal_year_start = 1\npays = ");
    let volumes = input.texts("volumes")?;
    if of_units || volumes.len() > 12 {
        return Ok(None);
    }
    let count = volumes.len();
    let lines = volumes.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = move |results: &Results| {
        let settled = (0..count)
            .map(|place| results.sum(AMOUNT, |row| row[PERIOD] == month(place)))
            .collect::<Result<Vec<_>, _>>()?;
        let total = results.sum(AMOUNT, |_| true)?;
        Ok(vec![("settlements", exacts(settled)), ("total", exact(total))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// What was billed before, elsewhere, is taken off what is paid by a manual adjustment of the same cycle.
fn billed_elsewhere(price: &Fields, input: &Fields) -> Made {
    if price.text("kind")? != "package" {
        return Ok(None);
    }
    let (program, lines) = packages(price, input.text("current")?)?;
    let (period, approved, billed) = (month(1), month(3), input.text("already_billed")?);
    let row = format!(
        "KEY,adjustment,KEY,PKEY,rebate,{period},-{billed},KWD,Ops Adjustment,billed elsewhere,asks,\
         approves,{approved}-01,yes,yes"
    );
    let read = |results: &Results| {
        let paid = results.payments.iter().map(|row| Results::exact(&row[2]));
        Ok(vec![
            ("total", exact(results.sum(AMOUNT, |_| true)?)),
            ("delta", exact(paid.sum::<Result<i128, _>>()?)),
        ])
    };
    Ok(Some(Trial::new(program, lines, read).with("manual-adjustments", row)))
}

/// The quantity before in a quarter's first month, what it rises by in the second. Of a sum, each unit of
/// measure is a product with a lever of its own.
pub fn delta(rule: &Fields, input: &Fields) -> Made {
    let price = rule.table("price")?;
    match (input.has("previous"), input.has("already_billed")) {
        (true, false) => {}
        (false, true) => return billed_elsewhere(&price, input),
        _ => return Ok(None),
    }
    let (mut rules, mut lines) = (String::new(), Vec::new());
    let mut add = |product: &'static str, part: &Fields, before: &str, now: &str| {
        let plain = matches!(part.text("kind")?, "marginal" | "whole");
        // A package of one is a unit, if whole ones are counted.
        let counted = !before.contains('.') && !now.contains('.');
        let Some((text, of_units)) = table(part, "\"quarter\"")?.filter(|_| plain) else {
            return Ok(false);
        };
        let text = if counted { text.replace(", per = \"1\"", "") } else { text };
        rules.push_str(&lever(product, product, &text));
        let (before_it, now) = (parse(before, AMOUNT_SCALE)?, parse(now, AMOUNT_SCALE)?);
        let more = format(now - before_it, AMOUNT_SCALE, 0);
        lines.push(one(product, 0, of_units, before));
        lines.push(one(product, 1, of_units, &more));
        Ok::<bool, Failure>(true)
    };
    if price.text("kind")? == "sum" {
        let (before, now) = (input.table("previous")?, input.table("current")?);
        let parts = price.tables("parts")?;
        if parts.len() > UNITS.len() {
            return Ok(None);
        }
        for (part, product) in parts.iter().zip(UNITS) {
            let unit = part.text("unit")?;
            if !add(product, part, before.text(unit)?, now.text(unit)?)? {
                return Ok(None);
            }
        }
    } else if !add("X", &price, input.text("previous")?, input.text("current")?)? {
        return Ok(None);
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let read = |results: &Results| {
        let second = |row: &&Vec<String>| row[PERIOD] == month(1);
        let of = |key: &str| {
            let details = results.earnings.iter().filter(second).map(|earned| {
                let detail = results.detail(|row| row[..] == earned[..])?;
                Results::exact(detail[key].as_str().unwrap_or("0"))
            });
            details.sum::<Result<i128, _>>()
        };
        Ok(vec![
            ("already", exact(of("booked_before")?)),
            ("total", exact(of("window_amount")?)),
            ("delta", exact(results.sum(AMOUNT, |row| row[PERIOD] == month(1))?)),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// What a whole period costs at least and at most, or, of one that goes on, what a month of it costs. What of
/// a whole one was billed before is for the kernels to say.
pub fn commitment(rule: &Fields, input: &Fields) -> Made {
    let ends = input.flag("period_end")?;
    if ends && (input.has("already_billed") || input.has("already_quantity")) {
        return Ok(None);
    }
    let Some((mut text, of_units)) = table(&rule.table("price")?, "\"month\"")? else {
        return Ok(None);
    };
    for (key, ours) in [("minimum", "at_least"), ("maximum", "at_most")] {
        if let Some(bound) = rule.optional_text(key)? {
            let window = "window = \"month\"\n";
            text = text.replace(window, &format!("{window}{ours} = \"{bound}\"\n"));
        }
    }
    let lines = vec![one("X", 1, of_units, input.text("quantity")?)];
    if !ends {
        let before = one("X", 0, of_units, input.optional_text("already_quantity")?.unwrap_or("0"));
        let billed = input.optional_exact("already_billed")?;
        let lines = vec![before, lines[0].clone()];
        return Ok(Some(super::guarantees::before_the_end(&text, lines, billed)));
    }
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    let read = |results: &Results| {
        let of_month = |row: &[String]| row[PERIOD] == month(1);
        let detail = results.detail(of_month)?;
        let topped_up = Results::exact(detail["topped_up"].as_str().unwrap_or("0"))?;
        let mut charged = Vec::new();
        for slice in slices(&detail)? {
            if let Found::Decimal(amount, _) = slice[2].1 {
                charged.push(amount);
            }
        }
        Ok(vec![
            ("charge", exact(charged.into_iter().sum())),
            ("top_up", exact(topped_up.max(0))),
            ("reduction", exact((-topped_up).max(0))),
            ("total", exact(results.sum(AMOUNT, of_month)?)),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}
