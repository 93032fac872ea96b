//! The split of rebate and co-op; the co-op fund, its calendar and limits.

use super::super::{AMOUNT, Results, TYPE, Trial};
use super::{Made, of_rate, on, program, sold};
use crate::examples::compare::{Found, Row, day, exact};
use crate::examples::engine::exports::Sold;
use crate::examples::fields::{Failure, Fields};
use chrono::NaiveDate;
use earnest_core::calendar::{FiscalHalf, Period};
use earnest_core::decimal::{RATE_SCALE, format, power_of_ten};

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
        3 => "KWD",
        _ => return Ok(None),
    };
    if rule.text("remainder")? != "coop" {
        return Ok(None);
    }
    let rounding = rule.text("rounding")?;
    let (rebate, coop) = (rule.text("rebate_share")?, rule.text("coop_share")?);
    let rules = format!(
        "{}[[split]]\nrebate = \"{rebate}\"\ncoop = \"{coop}\"\nrounding = \"{rounding}\"\n",
        shared("1")
    );
    let program = program(currency, &rules, "minimum = \"0\"");
    let lines = vec![sold(0, input.text("earning")?)];
    Ok(Some(Trial::new(program, lines, halves)))
}

pub fn split_by_date(rule: &Fields, input: &Fields) -> Made {
    let schedule = rule.tables("schedule")?;
    if rule.count("decimals")? != 2 || rule.text("rounding")? != "half_up" {
        return Ok(None);
    }
    let mut rules = shared("1");
    for (place, part) in schedule.iter().enumerate() {
        let coop = format(power_of_ten(RATE_SCALE) - part.rate("rebate_share")?, RATE_SCALE, 0);
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
    let lines = vec![on(input.text("date")?, input.text("earning")?)];
    Ok(Some(Trial::new(program, lines, halves)))
}

pub fn semester_conversion(rule: &Fields, input: &Fields) -> Made {
    let rules =
        all_coop() + &format!("[[coop.threshold]]\namount = \"{}\"\n", rule.text("threshold")?);
    let program = program("KWD", &rules, "minimum = \"0\"");
    let earned = input.texts("coop_earned")?;
    let lines = earned.iter().enumerate().map(|(place, amount)| sold(place, amount)).collect();
    let read = |results: &Results| {
        let column = |at: usize| {
            results.funds.iter().map(|row| Results::exact(&row[at])).sum::<Result<i128, _>>()
        };
        Ok(vec![
            ("coop_earned", exact(column(1)?)),
            ("converted_to_rebate", exact(column(2)?)),
            ("claimable", exact(column(3)?)),
        ])
    };
    Ok(Some(Trial::new(program, lines, read)))
}

/// All that is sold is co-op.
fn all_coop() -> String {
    shared("1") + "[[split]]\nrebate = \"0\"\ncoop = \"1\"\n"
}

/// One partner claims what the case says, another one all that it earned, which shows the limit.
pub fn sublimit(rule: &Fields, input: &Fields) -> Made {
    let mut rules = all_coop() + "[[coop.window]]\nuse_months = 6\nclaim_days = 46\n";
    let share = rule.text("share")?;
    rules.push_str(&format!(
        "[[coop.activity]]\nactivity = \"A\"\nname = \"A\"\nshare = \"{share}\"\n"
    ));
    if let Some(floor) = rule.optional_text("floor")? {
        if rule.amount("floor")? > input.amount("coop_earned")? {
            // A fund never pays more than it has.
            return Ok(None);
        }
        rules.push_str(&format!("amount = \"{floor}\"\n"));
    }
    let program = program("KWD", &rules, "minimum = \"0\"");
    let earned = input.text("coop_earned")?;
    let lines = [0, 1].map(|partner| Sold { partner, ..sold(0, earned) }).to_vec();
    let claimed = input.optional_text("claimed")?;
    let read = move |results: &Results| {
        let of = |all: bool| results.claims.iter().filter(move |row| row[0].contains('-') == all);
        let sum = |all: bool, column: usize| -> Result<i128, Failure> {
            of(all).map(|row| Results::exact(&row[column])).sum()
        };
        let limited = |row: &Vec<String>| row[2] == "SUB_LIMIT";
        let mut row: Row = Vec::new();
        if of(true).any(limited) {
            row.push(("limit", exact(sum(true, 3)?)));
        }
        // What the fund lacks is refused too, and says nothing of the limit.
        if of(false).all(|row| row[2].is_empty() || limited(row)) && of(false).next().is_some() {
            row.extend([("allowed", exact(sum(false, 3)?)), ("refused", exact(sum(false, 4)?))]);
        }
        Ok(row)
    };
    let claim = |partner: &str, asked: &str| {
        let (days, amount) = ("2022-08,2022-09-01,Submitted,2022-09-01", format!("{asked},KWD"));
        format!("{partner},KEY,{partner},,A,{days},{amount},,")
    };
    let mut trial = Trial::new(program, lines, read).with("claims", claim("PKEY-1", earned));
    if let Some(claimed) = claimed {
        trial = trial.with("claims", claim("PKEY", claimed));
    }
    Ok(Some(trial))
}

/// A program file counts days where the source names months and a day.
pub fn coop_calendar(rule: &Fields, input: &Fields) -> Made {
    let (opens, closes) = (rule.table("claim_opens")?, rule.table("claim_closes")?);
    let start = rule.count("fiscal_year_start_month")?;
    let use_months = i32::from(rule.small_count("use_months")?);
    let earned_on = input.day("earning_date")?;
    let half = FiscalHalf::of(Period::of(earned_on), start);
    let (first, last) = (half.end(), half.end().plus(use_months - 1));
    let opened = first.plus(opens.small_count("months_after_use_start")?.into());
    let closed = last.plus(closes.small_count("months_after_use_end")?.into());
    let days = |from: NaiveDate, until: NaiveDate| (until - from).num_days();
    let rules = format!(
        "{}[[coop.window]]\nuse_months = {use_months}\nclaim_opens_after = {}\nclaim_days = {}\n",
        all_coop(),
        days(first.first_day(), opened.day(opens.count("day")?)),
        days(last.last_day(), closed.day(closes.count("day")?)),
    );
    let program = program("KWD", &rules, "minimum = \"0\"")
        .replace("pays = ", &format!("fiscal_year_start = {start}\npays = "));
    let lines = vec![on(&earned_on.to_string(), "100")];
    let read = |results: &Results| {
        let [fund] = &results.funds[..] else {
            return Err(Failure(format!("expected one fund, found {}", results.funds.len())));
        };
        let until = |column: usize| {
            let end: Option<NaiveDate> = fund[column].parse().ok();
            let last = end.and_then(|end| end.pred_opt()).map(day);
            last.ok_or_else(|| Failure("expected the end of a window".to_owned()))
        };
        // Exports write `FY21H1`, the source `FY21 H1`.
        let mut row = vec![
            ("half", Found::Text(fund[0].replace('H', " H"))),
            ("use_from", Found::Text(fund[4].clone())),
            ("use_to", until(5)?),
            ("claim_from", Found::Text(fund[6].clone())),
            ("claim_to", until(7)?),
        ];
        if let Some(claim) = results.claims.first() {
            row.push(("claim_open", Found::Flag(claim[1] != "refused")));
        }
        Ok(row)
    };
    let mut trial = Trial::new(program, lines, read);
    if input.has("claim_date") {
        let on = input.day("claim_date")?;
        let used_in = Period::of(on).min(last);
        let claim = format!("KEY,KEY,PKEY,{half},A,{used_in},{on},Submitted,{on},1,KWD,,");
        trial = trial.with("claims", claim);
    }
    Ok(Some(trial))
}
