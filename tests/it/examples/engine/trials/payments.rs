//! Rates with caps and minimums, what cycles pay and carry.

use super::super::{AMOUNT, FORGONE, GROSS, PERIOD, Results, Trial};
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
    Ok(Some(Trial::new(program, lines, read_paid)))
}

pub fn cap(rule: &Fields, input: &Fields) -> Made {
    let rules = of_rate("1") + &capped(rule.text("cap")?, "payout");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("earned")?)];
    Ok(Some(Trial::new(program, lines, read_paid)))
}

pub fn cap_balance(rule: &Fields, input: &Fields) -> Made {
    let rules = of_rate("1") + &capped(rule.text("max_cap")?, "payout");
    let program = program("KWD", &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("total_earnings")?)];
    let read = |results: &Results| {
        let left = results.caps.first().map_or(Ok(0), |row| Results::exact(&row[2]))?;
        Ok(vec![("balance", exact(left))])
    };
    Ok(Some(Trial::new(program, lines, read)))
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
    Ok(Some(Trial::new(program, lines, read)))
}

pub fn minimum_payment(rule: &Fields, input: &Fields) -> Made {
    let mut payment = format!("minimum = \"{}\"", rule.text("minimum")?);
    for key in ["below_minimum", "year_end"] {
        // What is netted with later earnings is carried.
        if let Some(word) = rule.optional_text(key)?.filter(|word| *word != "net") {
            payment.push_str(&format!("\n{key} = \"{word}\""));
        }
    }
    let earned = input.texts("earned")?;
    let count = earned.len();
    let mut program = program("KWD", &of_rate("1"), &payment);
    if rule.has("year_end") {
        // The year that ends is the calendar's.
        if count > 12 {
            return Ok(None);
        }
        let year = "term = \"T\"\nfrom = \"2022-01-01\"\nuntil = \"2022-12-31\"\n";
        program = program.replace("term = \"T\"\n", year);
    }
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
    Ok(Some(Trial::new(program, lines, read)))
}

/// Nothing is paid, since the minimum is out of reach: what would be is the part of a balance below it.
pub fn running_balance(input: &Fields) -> Made {
    let program = program("KWD", &of_rate("1"), "minimum = \"1000000000\"");
    let entries = input.texts("entries")?;
    let count = entries.len();
    let lines = entries.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = move |results: &Results| {
        let of = |place: usize, column: usize| {
            let row = results.balances.iter().find(|row| row[0] == month(place + 2));
            row.map_or(Ok(0), |row| Results::exact(&row[column]))
        };
        let series =
            |column| (0..count).map(|place| of(place, column)).collect::<Result<Vec<_>, _>>();
        Ok(vec![("balance", exacts(series(5)?)), ("withdrawable", exacts(series(6)?))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}
