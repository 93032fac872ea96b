//! Clawbacks, refunds, write-offs, commission that follows payment.

use super::Given;
use super::compare::{Found, Row, day, exact, exacts};
use super::fields::{Failure, Fields};
use chrono::NaiveDate;
use earnest_core::reversal::{self, Clawback, PostIn, WriteOffTerms};

pub fn clawback(given: &Given) -> Result<Row, Failure> {
    let (rule, input) = (&given.rule, &given.input);
    let post_in = match rule.text("post_in")? {
        "cancellation_month" => PostIn::CancellationMonth,
        "earned_month" => PostIn::EarnedMonth,
        word => return Err(rule.unknown("post_in", word)),
    };
    let clawback = Clawback {
        post_in,
        reverse_attainment: rule.flag("reverse_attainment")?,
        earned_in: input.month("earned_month")?,
        canceled_in: input.month("cancelled_month")?,
        earning: input.exact("earning")?,
    };
    let deal_amount = input.optional_exact("deal_amount")?.unwrap_or(0);
    let attainment = input.optional_exact("attainment")?;
    let found = clawback.post(deal_amount, attainment.unwrap_or(0))?;
    let posting = |(month, amount): (earnest_core::calendar::Period, i128)| {
        Found::Row(vec![("month", Found::Text(month.to_string())), ("amount", exact(amount))])
    };
    let mut row = vec![
        ("postings", Found::List(found.postings.into_iter().map(posting).collect())),
        ("net", exact(found.net)),
    ];
    if attainment.is_some() {
        row.push(("attainment_after", exact(found.attainment_after)));
    }
    Ok(row)
}

/// Days and amounts of documents or payments.
fn dated(rows: &[Fields]) -> Result<Vec<(NaiveDate, i128)>, Failure> {
    rows.iter().map(|row| Ok((row.day("date")?, row.amount("amount")?))).collect()
}

pub fn refund(given: &Given) -> Result<Row, Failure> {
    let documents = dated(&given.input.tables("documents")?)?;
    let found = reversal::documents(given.rule.rate("rate")?, &documents)?;
    let month = |(month, amount): (earnest_core::calendar::Period, i128)| {
        Found::Row(vec![("month", Found::Text(month.to_string())), ("amount", exact(amount))])
    };
    Ok(vec![
        ("lines", exacts(found.lines)),
        ("total", exact(found.total)),
        ("by_month", Found::List(found.by_month.into_iter().map(month).collect())),
    ])
}

pub fn writeoff(given: &Given) -> Result<Row, Failure> {
    let terms = WriteOffTerms {
        months: given.rule.small_count("writeoff_after_months")?,
        deduction_day: given.rule.count("deduction_day")?,
        hold_day: given.rule.count("hold_day")?,
    };
    let found = terms.write_off(given.input.day("payout_date")?, given.input.exact("amount")?)?;
    Ok(vec![
        ("writeoff_date", day(found.write_off_on)),
        ("deduction_date", day(found.deducted_on)),
        ("hold_from", day(found.hold_from)),
        ("deduction", exact(found.deduction)),
    ])
}

pub fn paid_trigger(given: &Given) -> Result<Row, Failure> {
    let payments = dated(&given.input.tables("payments")?)?;
    let run_on = given.input.day("run_date")?;
    let found = reversal::on_paid(given.rule.rate("rate")?, &payments, run_on)?;
    Ok(vec![
        ("settlements", Found::Count(found.settlements)),
        ("commission", exact(found.commission)),
    ])
}
