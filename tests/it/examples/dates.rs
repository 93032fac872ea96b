//! Payment calendars, eligible months, windows, settlement periods and groups.

use super::Given;
use super::compare::{Found, Row, day};
use super::fields::Failure;
use earnest_core::calendar::Period;
use earnest_core::decimal::AMOUNT_SCALE;
use earnest_core::earning::EarningType;
use earnest_core::eligibility::{Fact, Holding, month_of, together};
use earnest_core::periods::{self, Event, Frequency};
use earnest_core::program::{Days, Program};

/// A program of one lever, with splits and payment terms as TOML.
pub fn program(splits: &str, payment: &str) -> Result<Program, Failure> {
    let text = format!(
        r#"
program = "p"
name = "P"
currency = "USD"
pays = ["direct"]
[[term]]
term = "all"
[[lever]]
lever = "core"
name = "Core"
draws = "billing"
product_groups = ["*"]
[[lever.rate]]
rate = "0.04"
{splits}
[payment]
{payment}
"#
    );
    Ok(Program::parse("example", &text)?)
}

fn month(period: Period) -> Found {
    Found::Text(period.to_string())
}

pub fn payment_date(given: &Given) -> Result<Row, Failure> {
    let (on, after) = (given.rule.count("day")?, given.rule.count("months_after")?);
    let program = program("", &format!("day = {on}\nmonths_after = {after}\nminimum = \"0\""))?;
    let cycle = program.due_cycle(given.input.month("earning_month")?, EarningType::Rebate);
    Ok(vec![("pay_date", day(program.due_day(cycle, EarningType::Rebate)))])
}

pub fn estimated_payment_month(given: &Given) -> Result<Row, Failure> {
    let after = given.rule.small_count("months_after_generation")?;
    let (usage, generated) =
        (given.input.month("usage_month")?, given.input.month("generated_month")?);
    let (estimated, late) = periods::estimated_payment(usage, generated, after);
    Ok(vec![("estimated_month", month(estimated)), ("late", Found::Flag(late))])
}

pub fn earning_start(given: &Given) -> Result<Row, Failure> {
    match given.rule.optional_text("granularity")? {
        None | Some("month") => {}
        Some(word) => return Err(given.rule.unknown("granularity", word)),
    }
    let always = Days { from: None, until: None };
    let met = given.input.days("requirements_met_on")?;
    let holdings: Vec<Holding> = met
        .iter()
        .map(|&met| Holding::of([(&always, Vec::from_iter(Fact::of(Some(met), None)))]))
        .collect();
    let days = together(&holdings);
    let eligible = |period: &Period| month_of(&days, *period).held.is_some();
    let earning_month = given.input.month("earning_month")?;
    let months = met.iter().map(|&day| Period::of(day));
    let (first, last) = (months.clone().min(), months.max());
    let start = first.zip(last).and_then(|(first, last)| first.through(last).find(eligible));
    let start = start.ok_or_else(|| Failure("expected requirements".to_owned()))?;
    Ok(vec![("eligible", Found::Flag(eligible(&earning_month))), ("start", day(start.first_day()))])
}

pub fn adjustment_period(given: &Given) -> Result<Row, Failure> {
    let applies_to = given.input.month("applies_to")?;
    let found = periods::adjustment(applies_to, given.input.month("processed_in")?)?;
    Ok(vec![
        ("shown_in_earnings_of", month(found.earnings_of)),
        ("paid_with_payment_of", month(found.payment_of)),
    ])
}

pub fn grace_window(given: &Given) -> Result<Row, Failure> {
    let (grace, on) = (given.rule.small_count("grace_days")?, given.rule.count("calculation_day")?);
    let window = periods::grace_window(given.input.month("period")?, grace, on)?;
    Ok(vec![("from", day(window.from)), ("to", day(window.to)), ("run_date", day(window.run_on))])
}

pub fn settlement_periods(given: &Given) -> Result<Row, Failure> {
    let frequency = match given.rule.text("frequency")? {
        "half_month" => Frequency::HalfMonth,
        "month" => Frequency::Month,
        "quarter" => Frequency::Quarter,
        "half_year" => Frequency::HalfYear,
        "year" => Frequency::Year,
        word => return Err(given.rule.unknown("frequency", word)),
    };
    let invoices = given.input.days("invoice_dates")?;
    let settled = periods::settlements(frequency, &invoices, given.input.day("settle_to")?);
    let settlement = |one: periods::Settlement| {
        Found::Row(vec![
            ("from", day(one.from)),
            ("to", day(one.to)),
            ("invoices", Found::Count(one.documents)),
        ])
    };
    Ok(vec![("settlements", Found::List(settled.into_iter().map(settlement).collect()))])
}

/// One settlement per key, in which `month` is that of the invoice's date.
pub fn settlement_grouping(given: &Given) -> Result<Row, Failure> {
    let group_by = given.rule.texts("group_by")?;
    let mut keys = Vec::new();
    for invoice in given.input.tables("invoices")? {
        let columns = invoice.columns()?;
        let part = |name: &&str| match (*name, columns.get(name)) {
            (_, Some(text)) => Ok((*text).to_owned()),
            ("month", None) => Ok(Period::of(invoice.day("date")?).to_string()),
            _ => Err(Failure(format!("expected a column `{name}`"))),
        };
        keys.push(group_by.iter().map(part).collect::<Result<Vec<String>, Failure>>()?);
    }
    Ok(vec![("settlements", Found::Count(periods::groups(&keys).len()))])
}

pub fn period_aggregate(given: &Given) -> Result<Row, Failure> {
    let mut events = Vec::new();
    for event in given.input.tables("events")? {
        let unit = event.text("unit")?.to_owned();
        events.push(Event { day: event.day("date")?, unit, quantity: event.amount("quantity")? });
    }
    let found = periods::aggregate(&given.input.days("period_starts")?, &events)?;
    let period = |one: periods::Aggregate| {
        Found::Row(vec![
            ("from", day(one.from)),
            ("until", day(one.until)),
            ("totals", Found::Totals(one.totals, AMOUNT_SCALE)),
        ])
    };
    Ok(vec![("periods", Found::List(found.into_iter().map(period).collect()))])
}
