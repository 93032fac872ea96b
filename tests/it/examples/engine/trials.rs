//! How each kind of case is written as a program file and rows. Three decimals (KWD) unless a case says
//! otherwise; quantities are units if tiers have prices, else amounts.

use super::{
    AMOUNT, DAY, FORGONE, GROSS, LEVER, PERIOD, RATE, Results, Sold, TRANSACTION, TYPE, Trial, slices,
};
use crate::examples::compare::{Found, Row, exact, exacts};
use crate::examples::fields::{Failure, Fields};
use toml::Table;

type Made = Result<Option<Trial>, Failure>;

pub fn of(kind: &str, rule: &Fields, input: &Fields, expected: &Table) -> Made {
    match kind {
        "marginal" | "whole" | "interpolated" | "rolling" | "total" => tiers(rule, input, expected),
        "package" => package(rule, input),
        "sum" => sum(rule, input),
        "rate" => rate(rule, input),
        "cap" => cap(rule, input),
        "running_cap" => running_cap(rule, input),
        "growth" => growth(rule, input),
        "stack" => stack(rule, input),
        "split" => split(rule, input),
        "split_by_date" => split_by_date(rule, input),
        "semester_conversion" => semester_conversion(rule, input),
        "minimum_payment" => minimum_payment(rule, input),
        "payment_date" => payment_date(rule, input),
        "cumulative_settlement" => cumulative_settlement(rule, input),
        "delta" => delta(rule, input),
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

/// The table of a rule, whether it is of units, and whether windows longer than a month may have it;
/// `None` if its last tier ends, so that more is not for it to say.
fn table(rule: &Fields, window: &str, baseline: &str) -> Result<Option<(String, bool)>, Failure> {
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
        "[lever.measure]\nof = \"{}\"\nwindow = {window}\n{baseline}",
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

fn one(month: usize, of_units: bool, quantity: &str) -> Vec<Sold> {
    // Nothing sold is no line.
    match (quantity, of_units) {
        ("0", _) => Vec::new(),
        (_, true) => vec![units(month, quantity)],
        (_, false) => vec![sold(month, quantity)],
    }
}

fn tiers(rule: &Fields, input: &Fields, expected: &Table) -> Made {
    let tier_quantity = input.optional_text("tier_quantity")?;
    let window = if tier_quantity.is_some() { "{ days = 60 }" } else { "\"month\"" };
    let Some((text, of_units)) = table(rule, window, "")? else { return Ok(None) };
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    if input.has("quantities") {
        let quantities = input.texts("quantities")?;
        let count = quantities.len();
        let lines = quantities.iter().enumerate();
        let lines = lines.flat_map(|(place, quantity)| one(place, of_units, quantity)).collect();
        let read = move |results: &Results| {
            let each = (0..count)
                .map(|place| results.sum(AMOUNT, |row| row[PERIOD] == month(place)))
                .collect::<Result<Vec<_>, _>>()?;
            let total = results.sum(AMOUNT, |_| true)?;
            Ok(vec![("each", exacts(each)), ("total", exact(total))])
        };
        return Ok(Some(Trial { program, lines, read: Box::new(read) }));
    }
    let quantity = input.text("quantity")?;
    let mut lines = one(1, of_units, quantity);
    if let Some(whole) = tier_quantity {
        // Half of what picks the tier was sold in the month before.
        if whole != "150" || quantity != "75" {
            return Ok(None);
        }
        lines.extend(one(0, of_units, quantity));
    }
    // What a slice is of the whole is for the kernels to say.
    let slices_of = expected.get("slices").and_then(toml::Value::as_array);
    let shares = slices_of.is_some_and(|all| all.iter().any(|slice| slice.get("share").is_some()));
    let read = move |results: &Results| read_window(results, shares);
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
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

fn package(rule: &Fields, input: &Fields) -> Made {
    let (size, price) = (rule.text("size")?, rule.text("unit_price")?);
    let free = rule.optional_text("free")?.filter(|free| *free != "0");
    let free = free.map_or(String::new(), |free| format!("{{ up_to = \"{free}\", price = \"0\" }}, "));
    let text = format!(
        "[lever.measure]\nof = \"quantity\"\nwindow = \"month\"\n[[lever.tiers]]\nshape = \"marginal\"\n\
         tier = [{free}{{ price = \"{price}\", per = \"{size}\" }}]\n"
    );
    let program = program("KWD", &lever("packages", "X", &text), "minimum = \"0\"");
    let lines = one(1, true, input.text("quantity")?);
    let read = |results: &Results| Ok(vec![("total", exact(results.sum(AMOUNT, |_| true)?))]);
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

const UNITS: [&str; 2] = ["A", "B"];

/// Each unit of measure is a product with a lever of its own.
fn sum(rule: &Fields, input: &Fields) -> Made {
    let (mut rules, mut lines, mut names) = (String::new(), Vec::new(), Vec::new());
    let quantities = input.table("quantity")?;
    for (part, product) in rule.tables("parts")?.iter().zip(UNITS) {
        let unit = part.text("unit")?;
        let Some((text, of_units)) = table(part, "\"month\"", "")? else { return Ok(None) };
        rules.push_str(&lever(product, product, &text));
        let line = one(1, of_units, quantities.text(unit)?);
        lines.extend(line.into_iter().map(|line| Sold { product, ..line }));
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
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

/// What is earned, capped, paid, forfeited and carried of one cycle.
fn read_paid(results: &Results) -> Result<Row, Failure> {
    let paid = results.payments.iter().map(|row| Results::exact(&row[2]));
    let sums = |column: usize| results.balances.iter().map(move |row| Results::exact(&row[column]));
    let all = |amounts: Vec<Result<i128, Failure>>| amounts.into_iter().sum::<Result<i128, _>>();
    Ok(vec![
        ("earned", exact(results.sum(GROSS, |_| true)?)),
        ("capped", exact(results.sum(FORGONE, |_| true)?)),
        ("paid", exact(all(paid.collect())?)),
        ("forfeited", exact(all(sums(4).collect())?)),
        ("carried", exact(results.balances.last().map_or(Ok(0), |row| Results::exact(&row[5]))?)),
    ])
}

fn rate(rule: &Fields, input: &Fields) -> Made {
    let mut rules = of_rate(rule.text("rate")?);
    match (rule.optional_text("base_cap")?, rule.optional_text("cap")?) {
        (Some(_), Some(_)) => return Ok(None),
        (Some(limit), None) => rules.push_str(&capped(limit, "base")),
        (None, Some(limit)) => rules.push_str(&capped(limit, "payout")),
        (None, None) => {}
    }
    let below = match rule.optional_text("below_minimum")? {
        Some("forfeit") => "\nbelow_minimum = \"forfeit\"",
        _ => "",
    };
    let minimum = rule.optional_text("minimum")?.unwrap_or("0");
    let program = program("KWD", &rules, &format!("minimum = \"{minimum}\"{below}"));
    let lines = vec![sold(0, input.text("base")?)];
    Ok(Some(Trial { program, lines, read: Box::new(read_paid) }))
}

fn cap(rule: &Fields, input: &Fields) -> Made {
    let rules = of_rate("1") + &capped(rule.text("cap")?, "payout");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("earned")?)];
    Ok(Some(Trial { program, lines, read: Box::new(read_paid) }))
}

fn running_cap(rule: &Fields, input: &Fields) -> Made {
    let rules = of_rate("1") + &capped(rule.text("max_cap")?, "payout");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let earned = input.texts("earned")?;
    let lines = earned.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let count = earned.len();
    let read = move |results: &Results| {
        let by_month = |column| {
            (0..count)
                .map(|place| results.sum(column, |row| row[PERIOD] == month(place)))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(vec![("credited", exacts(by_month(AMOUNT)?)), ("capped", exacts(by_month(FORGONE)?))])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
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
    let lines = vec![
        dated(12, false, input.text("revenue")?),
        dated(12, true, input.text("last_year")?),
    ];
    let read = |results: &Results| {
        let of = |name: &str| {
            results.sum(AMOUNT, |row| row[LEVER] == name && row[PERIOD] == month(12))
        };
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

fn halves(results: &Results) -> Result<Row, Failure> {
    Ok(vec![
        ("rebate", exact(results.sum(AMOUNT, |row| row[TYPE] == "rebate")?)),
        ("coop", exact(results.sum(AMOUNT, |row| row[TYPE] == "coop")?)),
    ])
}

fn shared(rate: &str) -> String {
    of_rate(rate).replace("pays_as = \"rebate\"\n", "")
}

fn split(rule: &Fields, input: &Fields) -> Made {
    let currency = match rule.count("decimals")? {
        0 => "JPY",
        2 => "USD",
        _ => return Ok(None),
    };
    if rule.text("rounding")? != "half_up" || rule.text("remainder")? != "coop" {
        return Ok(None);
    }
    let (rebate, coop) = (rule.text("rebate_share")?, rule.text("coop_share")?);
    let rules = format!("{}[[split]]\nrebate = \"{rebate}\"\ncoop = \"{coop}\"\n", shared("1"));
    let program = program(currency, &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("earning")?)];
    Ok(Some(Trial { program, lines, read: Box::new(halves) }))
}

fn split_by_date(rule: &Fields, input: &Fields) -> Made {
    let schedule = rule.tables("schedule")?;
    if rule.count("decimals")? != 2 || rule.text("rounding")? != "half_up" {
        return Ok(None);
    }
    let mut rules = shared("1");
    for (place, part) in schedule.iter().enumerate() {
        let coop = match part.text("rebate_share")? {
            "1" => "0",
            "0.60" => "0.40",
            _ => return Ok(None),
        };
        rules.push_str(&format!(
            "[[split]]\nfrom = \"{}\"\nrebate = \"{}\"\ncoop = \"{coop}\"\n",
            part.text("from")?,
            part.text("rebate_share")?
        ));
        if let Some(next) = schedule.get(place + 1) {
            let until = next.day("from")?.pred_opt();
            let until = until.map_or(String::new(), |day| day.to_string());
            rules.push_str(&format!("until = \"{until}\"\n"));
        }
    }
    let program = program("USD", &rules, "minimum = \"0\"");
    let day = input.text("date")?.to_owned();
    let lines = vec![Sold { day, ..sold(0, input.text("earning")?) }];
    Ok(Some(Trial { program, lines, read: Box::new(halves) }))
}

fn semester_conversion(rule: &Fields, input: &Fields) -> Made {
    let rules = format!(
        "{}[[split]]\nrebate = \"0\"\ncoop = \"1\"\n[[coop.threshold]]\namount = \"{}\"\n",
        shared("1"),
        rule.text("threshold")?
    );
    let program = program("KWD", &rules, "minimum = \"0\"");
    let earned = input.texts("coop_earned")?;
    let lines = earned.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = |results: &Results| {
        let column = |at: usize| {
            results.funds.iter().map(|row| Results::exact(&row[at])).sum::<Result<i128, _>>()
        };
        Ok(vec![
            ("coop_earned", exact(column(0)?)),
            ("converted_to_rebate", exact(column(1)?)),
            ("claimable", exact(column(2)?)),
        ])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

fn minimum_payment(rule: &Fields, input: &Fields) -> Made {
    let mut payment = format!("minimum = \"{}\"", rule.text("minimum")?);
    for key in ["below_minimum", "year_end"] {
        if let Some(word) = rule.optional_text(key)? {
            payment.push_str(&format!("\n{key} = \"{word}\""));
        }
    }
    let earned = input.texts("earned")?;
    let count = earned.len();
    // The year that may end is the calendar's.
    let program = program("KWD", &of_rate("1"), &payment)
        .replace("term = \"T\"\n", "term = \"T\"\nfrom = \"2022-01-01\"\nuntil = \"2022-12-31\"\n");
    let lines = earned.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = move |results: &Results| {
        let of = |rows: &[Vec<String>], place: usize, column: usize| {
            let row = rows.iter().find(|row| row[0] == month(place + 2));
            row.map_or(Ok(0), |row| Results::exact(&row[column]))
        };
        let series = |rows: &[Vec<String>], column| {
            let found = (0..count).map(|place| of(rows, place, column));
            found.collect::<Result<Vec<_>, _>>()
        };
        let money = |amounts| Found::Series(amounts, earnest_core::decimal::EXACT_SCALE);
        Ok(vec![
            ("paid", money(series(&results.payments, 2)?)),
            ("carried", exacts(series(&results.balances, 5)?)),
            ("forfeited", money(series(&results.balances, 4)?)),
        ])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

fn payment_date(rule: &Fields, input: &Fields) -> Made {
    let payment = format!(
        "minimum = \"0\"\nday = {}\nmonths_after = {}",
        rule.count("day")?,
        rule.count("months_after")?
    );
    let program = program("KWD", &of_rate("1"), &payment);
    let day = format!("{}-10", input.text("earning_month")?);
    let lines = vec![Sold { day, ..sold(0, "10") }];
    let read = |results: &Results| {
        let date = results.payments.first().map_or(String::new(), |row| row[1].clone());
        Ok(vec![("pay_date", Found::Text(date))])
    };
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

fn cumulative_settlement(rule: &Fields, input: &Fields) -> Made {
    let Some((text, of_units)) = table(&rule.table("price")?, "\"quarter\"", "")? else {
        return Ok(None);
    };
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    let volumes = input.texts("volumes")?;
    if of_units || volumes.len() > 3 {
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
    Ok(Some(Trial { program, lines, read: Box::new(read) }))
}

/// The quantity before in a quarter's first month, what it rises by in the second.
fn delta(rule: &Fields, input: &Fields) -> Made {
    let price = rule.table("price")?;
    let plain = matches!(price.text("kind")?, "marginal" | "whole");
    if !plain || !input.has("previous") || input.has("already_billed") {
        return Ok(None);
    }
    let Some((text, of_units)) = table(&price, "\"quarter\"", "")? else { return Ok(None) };
    let program = program("KWD", &lever("tiers", "X", &text), "minimum = \"0\"");
    let scale = earnest_core::decimal::AMOUNT_SCALE;
    let (previous, current) = (input.text("previous")?, input.amount("current")?);
    let more = earnest_core::decimal::format(current - input.amount("previous")?, scale, 0);
    let mut lines = one(0, of_units, previous);
    lines.extend(one(1, of_units, &more));
    let read = |results: &Results| {
        let detail = results.detail(|row| row[PERIOD] == month(1))?;
        let amount = |key: &str| Results::exact(detail[key].as_str().unwrap_or("0"));
        Ok(vec![
            ("already", exact(amount("booked_before")?)),
            ("total", exact(amount("window_amount")?)),
            ("delta", exact(results.sum(AMOUNT, |row| row[PERIOD] == month(1))?)),
        ])
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
    let amounts = if input.has("amount") { vec![input.text("amount")?] } else { input.texts("amounts")? };
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
