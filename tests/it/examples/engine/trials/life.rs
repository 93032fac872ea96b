//! When things count: payment calendars, eligible months, adjustments, what cancels and what follows
//! payment.

use super::super::{AMOUNT, PAID_IN, PERIOD, Results, Trial};
use super::{Made, lever, of_rate, on, program};
use crate::examples::compare::{Found, exact};
use crate::examples::engine::exports::Sold;
use crate::examples::fields::{Failure, Fields};
use std::collections::BTreeSet;

pub fn payment_date(rule: &Fields, input: &Fields) -> Made {
    let payment = format!(
        "minimum = \"0\"\nday = {}\nmonths_after = {}",
        rule.count("day")?,
        rule.count("months_after")?
    );
    let program = program("KWD", &of_rate("1"), &payment);
    let day = format!("{}-10", input.text("earning_month")?);
    let lines = vec![on(&day, "10")];
    let read = |results: &Results| {
        let date = results.payments.first().map_or(String::new(), |row| row[1].clone());
        Ok(vec![("pay_date", Found::Text(date))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// What is calculated in the month after the usage, as usual. What comes later enters the oldest open
/// cycle, which takes closes.
pub fn estimated_payment_month(rule: &Fields, input: &Fields) -> Made {
    let (used, generated) = (input.month("usage_month")?, input.month("generated_month")?);
    if generated != used.plus(1) {
        return Ok(None);
    }
    let after = rule.count("months_after_generation")? + 1;
    let payment = format!("minimum = \"0\"\nmonths_after = {after}");
    let program = program("KWD", &of_rate("1"), &payment);
    let lines = vec![on(&used.last_day().to_string(), "10")];
    let read = |results: &Results| {
        let text = |found: Option<&Vec<String>>, column: usize| {
            found.map_or_else(String::new, |row| row[column].clone())
        };
        let estimated = text(results.earnings.first(), PAID_IN);
        let late = text(results.items.first(), 2) == "late";
        Ok(vec![("estimated_month", Found::Text(estimated)), ("late", Found::Flag(late))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// Each requirement is an agreement from its day on.
pub fn earning_start(rule: &Fields, input: &Fields) -> Made {
    if rule.optional_text("granularity")?.is_some_and(|word| word != "month") {
        return Ok(None);
    }
    let (mut rules, mut lines, mut agreements) = (String::new(), Vec::new(), Vec::new());
    for (place, met_on) in input.days("requirements_met_on")?.into_iter().enumerate() {
        rules.push_str(&format!(
            "[[requirement]]\nrequirement = \"mpn_agreement\"\nname = \"r{place}\"\n\
             types = [\"R{place}\"]\n"
        ));
        agreements.push(format!("PKEY,R{place},Active,{met_on},"));
        lines.push(on(&met_on.to_string(), "10"));
    }
    let earning_month = input.month("earning_month")?;
    lines.push(on(&earning_month.last_day().to_string(), "10"));
    let program = program("KWD", &(rules + &of_rate("1")), "minimum = \"0\"");
    let read = move |results: &Results| {
        let months: BTreeSet<&str> = results.eligible.iter().map(|row| row[0].as_str()).collect();
        let eligible = months.contains(earning_month.to_string().as_str());
        let start = months.first().map_or(String::new(), |month| format!("{month}-01"));
        Ok(vec![("eligible", Found::Flag(eligible)), ("start", Found::Text(start))])
    };
    let mut trial = Trial::new(program, lines, read);
    for agreement in agreements {
        trial = trial.with("agreements", agreement);
    }
    Ok(Some(trial))
}

/// A manual adjustment that is approved in the month that processes it.
pub fn adjustment_period(input: &Fields) -> Made {
    let (concerns, approved_in) = (input.month("applies_to")?, input.month("processed_in")?);
    let row = format!(
        "KEY,adjustment,KEY,PKEY,rebate,{concerns},100,KWD,Ops Adjustment,an example,asks,approves,\
         {},yes,yes",
        approved_in.first_day()
    );
    let program = program("KWD", &of_rate("1"), "minimum = \"0\"");
    let read = |results: &Results| {
        let [item] = &results.items[..] else {
            return Err(Failure(format!("expected one payment, found {}", results.items.len())));
        };
        Ok(vec![
            ("shown_in_earnings_of", Found::Text(item[1].clone())),
            ("paid_with_payment_of", Found::Text(item[0].clone())),
        ])
    };
    Ok(Some(Trial::new(program, Vec::new(), read).with("manual-adjustments", row)))
}

/// A sum of lines is one of a partner, month and currency.
pub fn settlement_grouping(rule: &Fields, input: &Fields) -> Made {
    if rule.texts("group_by")? != ["agent", "month", "currency"] {
        return Ok(None);
    }
    let (mut agents, mut lines, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for invoice in input.tables("invoices")? {
        let (agent, currency) = (invoice.text("agent")?, invoice.text("currency")?);
        let day = invoice.day("date")?.to_string();
        if !agents.contains(&agent) {
            agents.push(agent);
        }
        let partner = agents.iter().position(|known| *known == agent).unwrap_or_default();
        if currency != "KWD" {
            rates.push(format!("earning,{currency},KWD,{},1", &day[..7]));
        }
        lines.push(Sold { partner, currency: Some(currency.to_owned()), ..on(&day, "10") });
    }
    let sums = "grain = \"customer_product_group_period\"\n[[lever.rate]]\nrate = \"1\"\n";
    let program = program("KWD", &lever("core", "X", sums), "minimum = \"0\"");
    let read = |results: &Results| Ok(vec![("settlements", Found::Count(results.earnings.len()))]);
    rates.sort();
    rates.dedup();
    let mut trial = Trial::new(program, lines, read);
    for rate in rates {
        trial = trial.with("exchange-rates", rate);
    }
    Ok(Some(trial))
}

/// A payment is a line that becomes known on its day; the job runs as of the case's.
pub fn paid_trigger(rule: &Fields, input: &Fields) -> Made {
    let program = program("KWD", &of_rate(rule.text("rate")?), "minimum = \"0\"");
    let mut lines = Vec::new();
    for payment in input.tables("payments")? {
        let day = payment.day("date")?.to_string();
        lines.push(Sold { known_on: Some(day.clone()), ..on(&day, payment.text("amount")?) });
    }
    let read = |results: &Results| {
        let months: BTreeSet<&String> = results.earnings.iter().map(|row| &row[PERIOD]).collect();
        let commission = results.sum(AMOUNT, |_| true)?;
        Ok(vec![("settlements", Found::Count(months.len())), ("commission", exact(commission))])
    };
    let as_of = input.day("run_date")?;
    Ok(Some(Trial { as_of, ..Trial::new(program, lines, read) }))
}

/// A refund of all that was earned, in the month of the cancellation. What counts toward a quota is for
/// the kernels to say.
pub fn clawback(rule: &Fields, input: &Fields) -> Made {
    let (earned, canceled) = (input.month("earned_month")?, input.month("cancelled_month")?);
    if rule.text("post_in")? != "cancellation_month" || earned >= canceled {
        return Ok(None);
    }
    let program = program("KWD", &of_rate("1"), "minimum = \"0\"");
    let earning = input.text("earning")?;
    let day = |month: earnest_core::calendar::Period| month.day(10).to_string();
    let refund = on(&day(canceled), &format!("-{earning}"));
    let lines = vec![on(&day(earned), earning), Sold { refunds: Some(0), ..refund }];
    let read = |results: &Results| {
        let posting = |row: &Vec<String>| {
            let amount = exact(Results::exact(&row[AMOUNT])?);
            let month = Found::Text(row[PERIOD].clone());
            Ok(Found::Row(vec![("month", month), ("amount", amount)]))
        };
        let postings = results.earnings.iter().map(posting).collect::<Result<Vec<_>, Failure>>()?;
        let net = results.sum(AMOUNT, |_| true)?;
        Ok(vec![("postings", Found::List(postings)), ("net", exact(net))])
    };
    Ok(Some(Trial::new(program, lines, read)))
}
