//! Rates with caps and minimums, splits, the co-op fund, what cycles pay.

use super::super::{AMOUNT, FORGONE, GROSS, PERIOD, Results, Sold, TYPE, Trial};
use super::{Made, capped, month, of_rate, program, sold};
use crate::examples::compare::{Found, Row, exact, exacts};
use crate::examples::fields::{Failure, Fields};

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

pub fn rate(rule: &Fields, input: &Fields) -> Made {
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

pub fn cap(rule: &Fields, input: &Fields) -> Made {
    let rules = of_rate("1") + &capped(rule.text("cap")?, "payout");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("earned")?)];
    Ok(Some(Trial { program, lines, read: Box::new(read_paid) }))
}

pub fn running_cap(rule: &Fields, input: &Fields) -> Made {
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

fn halves(results: &Results) -> Result<Row, Failure> {
    Ok(vec![
        ("rebate", exact(results.sum(AMOUNT, |row| row[TYPE] == "rebate")?)),
        ("coop", exact(results.sum(AMOUNT, |row| row[TYPE] == "coop")?)),
    ])
}

fn shared(rate: &str) -> String {
    of_rate(rate).replace("pays_as = \"rebate\"\n", "")
}

pub fn split(rule: &Fields, input: &Fields) -> Made {
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

pub fn split_by_date(rule: &Fields, input: &Fields) -> Made {
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

pub fn semester_conversion(rule: &Fields, input: &Fields) -> Made {
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

pub fn minimum_payment(rule: &Fields, input: &Fields) -> Made {
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

pub fn payment_date(rule: &Fields, input: &Fields) -> Made {
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
