//! Rebate and co-op: the split, the half's conversion, the calendar, limits on claims.

use super::Given;
use super::compare::{Found, Row, day, exact};
use super::dates::program;
use super::fields::{Failure, Fields};
use earnest_core::decimal::{
    AMOUNT_SCALE, EXACT_SCALE, RATE_SCALE, format, power_of_ten, subtract, sum,
};
use earnest_core::fund::{self, FundCalendar, SubLimit};
use earnest_core::program::PaysAs;

/// Rebate and co-op of an earning at a rebate share: one is rounded, the other is the rest.
fn split_at(given: &Given, rebate_share: i128) -> Result<Row, Failure> {
    let earning = (given.input.exact("earning")?, EXACT_SCALE);
    let decimals = given.rule.count("decimals")?;
    let rounding = given.rule.rounding("rounding")?.unwrap_or_default();
    let coop_share = subtract(power_of_ten(RATE_SCALE), rebate_share)?;
    let (rebate, coop) = match given.rule.optional_text("remainder")? {
        None | Some("coop") => fund::split(earning, rebate_share, decimals, rounding)?,
        Some("rebate") => {
            let (coop, rebate) = fund::split(earning, coop_share, decimals, rounding)?;
            (rebate, coop)
        }
        Some(word) => return Err(given.rule.unknown("remainder", word)),
    };
    Ok(vec![("rebate", exact(rebate)), ("coop", exact(coop))])
}

/// Rebate share of a table that may state the co-op share too.
fn rebate_share(fields: &Fields) -> Result<i128, Failure> {
    let share = fields.rate("rebate_share")?;
    match fields.optional_rate("coop_share")? {
        Some(coop) if sum([share, coop])? != power_of_ten(RATE_SCALE) => {
            Err(Failure("expected shares that add up to 1".to_owned()))
        }
        _ => Ok(share),
    }
}

pub fn split(given: &Given) -> Result<Row, Failure> {
    split_at(given, rebate_share(&given.rule)?)
}

/// The schedule becomes dated splits of a program file.
pub fn split_by_date(given: &Given) -> Result<Row, Failure> {
    let mut schedule = Vec::new();
    for entry in given.rule.tables("schedule")? {
        schedule.push((entry.day("from")?, rebate_share(&entry)?));
    }
    schedule.sort_unstable();
    let mut splits = String::new();
    for (position, (from, share)) in schedule.iter().enumerate() {
        let until = schedule.get(position + 1).and_then(|next| next.0.pred_opt());
        let until = until.map(|until| format!("until = \"{until}\"\n")).unwrap_or_default();
        let coop = subtract(power_of_ten(RATE_SCALE), *share)?;
        let (rebate, coop) = (format(*share, RATE_SCALE, 1), format(coop, RATE_SCALE, 1));
        splits += &format!(
            "[[split]]\nfrom = \"{from}\"\n{until}rebate = \"{rebate}\"\ncoop = \"{coop}\"\n"
        );
    }
    let program = program(&splits, "minimum = \"0\"")?;
    let shares = program.shares_on(PaysAs::Split, given.input.day("date")?);
    split_at(given, shares.rebate)
}

pub fn semester_conversion(given: &Given) -> Result<Row, Failure> {
    let earned = given.input.decimals("coop_earned", EXACT_SCALE)?;
    let found = fund::convert(given.rule.exact("threshold")?, &earned)?;
    Ok(vec![
        ("coop_earned", exact(found.earned)),
        ("converted_to_rebate", exact(found.converted_to_rebate)),
        ("claimable", exact(found.claimable)),
    ])
}

pub fn sublimit(given: &Given) -> Result<Row, Failure> {
    let floor = given.rule.optional_decimal("floor", AMOUNT_SCALE)?;
    let limit = SubLimit { share: given.rule.rate("share")?, floor };
    let claimed = given.input.optional_decimal("claimed", AMOUNT_SCALE)?;
    let found = limit.claim(given.input.amount("coop_earned")?, claimed.unwrap_or(0))?;
    let mut row = vec![("limit", exact(found.limit))];
    if claimed.is_some() {
        row.extend([("allowed", exact(found.allowed)), ("refused", exact(found.refused))]);
    }
    Ok(row)
}

pub fn coop_calendar(given: &Given) -> Result<Row, Failure> {
    let rule = &given.rule;
    let (opens, closes) = (rule.table("claim_opens")?, rule.table("claim_closes")?);
    let calendar = FundCalendar {
        fiscal_year_start_month: rule.count("fiscal_year_start_month")?,
        use_months: rule.small_count("use_months")?,
        claim_opens: (opens.small_count("months_after_use_start")?, opens.count("day")?),
        claim_closes: (closes.small_count("months_after_use_end")?, closes.count("day")?),
    };
    let windows = calendar.windows(given.input.day("earning_date")?)?;
    // Exports write `FY21H1`, the source `FY21 H1`.
    let half = windows.half.to_string().replace('H', " H");
    let mut row = vec![
        ("half", Found::Text(half)),
        ("use_from", day(windows.use_from)),
        ("use_to", day(windows.use_to)),
        ("claim_from", day(windows.claim_from)),
        ("claim_to", day(windows.claim_to)),
    ];
    if given.input.has("claim_date") {
        let on = given.input.day("claim_date")?;
        row.push(("claim_open", Found::Flag(windows.claim_open(on))));
    }
    if given.input.has("use_date") {
        let on = given.input.day("use_date")?;
        row.push(("use_open", Found::Flag(windows.use_open(on))));
    }
    Ok(row)
}
