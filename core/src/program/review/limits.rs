//! Tiers that nothing reaches or that pay less for more, caps below minimums, funds that can't be claimed.

use super::super::cap::{CapOn, CapPer, ProgramCap};
use super::super::measured::Measured;
use super::super::places::Places;
use super::super::{Lever, PaysAs, Program};
use super::Finding;
use crate::calendar::Period;
use crate::decimal::{
    AMOUNT_SCALE, MONEY_SCALE, RATE_SCALE, Rounding, format, power_of_ten, round_factors,
};
use crate::earning::EarningType;
use crate::tiers::{Shape, TierTable};
use crate::waterfall::BelowMinimum;

/// Whole tables whose total falls at an edge, and tiers that the lever's minimum leaves out.
pub(super) fn tiers(program: &Program, places: &Places, findings: &mut Vec<Finding>) {
    for (place, lever) in program.levers.iter().enumerate() {
        let Some(measured) = &lever.measured else { continue };
        for (table, dated) in measured.tables.iter().enumerate() {
            let line = places.rate(place, table);
            below_minimum(measured, &dated.table, line, findings);
            falls(&dated.table, line, findings);
        }
    }
}

fn below_minimum(measured: &Measured, table: &TierTable, line: usize, findings: &mut Vec<Finding>) {
    let Some(minimum) = measured.minimum else { return };
    // What a baseline leaves may be small however large the measure is.
    if table.shape() != Shape::Whole || measured.baseline.is_some() {
        return;
    }
    for (position, tier) in table.tiers().iter().enumerate() {
        let Some(to) = tier.to.filter(|to| *to < minimum) else { break };
        let message = format!(
            "expected tiers that some measure reaches, found tier {} up to {} below the minimum {}",
            position + 1,
            format(to, AMOUNT_SCALE, 0),
            format(minimum, AMOUNT_SCALE, 0)
        );
        findings.push(Finding::error(line, message, "take the tier out, or lower the minimum"));
    }
}

fn falls(table: &TierTable, line: usize, findings: &mut Vec<Finding>) {
    for (position, tier) in table.tiers().iter().enumerate() {
        let Some(to) = tier.to else { continue };
        let (Ok(before), Ok(after)) = (table.price(to - 1), table.price(to + 1)) else { continue };
        if after.total < before.total {
            let message = format!(
                "expected a total that rises with volume, found that it falls above {} (tier {})",
                format(to, AMOUNT_SCALE, 0),
                position + 1
            );
            let remedy = "give the next tier more, or let each slice earn at its own tier with \
                          `shape = \"marginal\"`; leave it if the guide says so";
            findings.push(Finding::warning(line, message, remedy));
        }
    }
}

/// Caps that keep a payee below the minimum, and caps whose days cut a window.
pub(super) fn caps(program: &Program, places: &Places, findings: &mut Vec<Finding>) {
    for (cap, line) in program.caps.iter().zip(&places.caps) {
        below_payment_minimum(program, cap, *line, findings);
        let window = |day| cap.window.first(Period::of(day), program.fiscal_year_start);
        for day in [cap.days.from, cap.days.until].into_iter().flatten() {
            if day == window(day).first_day() || ends_with_terms(program, day) {
                continue;
            }
            let first = window(day);
            let message = format!(
                "expected a cap that begins and ends with a window, found a change on {day} within {} \
                 to {}: the limit counts for what lies on either side",
                first.first_day(),
                cap.window.last(first).last_day()
            );
            let remedy = "move the date to the window's edge, or leave it if the guide says so";
            findings.push(Finding::warning(*line, message, remedy));
        }
    }
}

/// True if a term begins or ends on the day: there is nothing on one of its sides, or other rules.
fn ends_with_terms(program: &Program, day: chrono::NaiveDate) -> bool {
    program.terms.iter().any(|term| term.days.from == Some(day) || term.days.until == Some(day))
}

fn below_payment_minimum(
    program: &Program,
    cap: &ProgramCap,
    line: usize,
    findings: &mut Vec<Finding>,
) {
    let one_payee = !matches!(cap.per, CapPer::Customer);
    if cap.on != CapOn::Payout || !one_payee {
        return;
    }
    let shares = cap.levers.iter().filter_map(|&lever| program.levers.get(lever));
    let Some(share) = shares.map(|lever| payable_share(program, cap, lever)).max() else { return };
    let factors = [(cap.limit, MONEY_SCALE), (share, RATE_SCALE)];
    let Ok(most) = round_factors(&factors, MONEY_SCALE, Rounding::default()) else { return };
    if most >= program.payment.minimum {
        return;
    }
    let alone = (0..program.levers.len()).all(|lever| cap.levers.contains(&lever));
    let message = format!(
        "expected a cap that leaves at least the payment's minimum {}, found `{}`, of which at most {} \
         is paid",
        format(program.payment.minimum, MONEY_SCALE, 0),
        cap.cap,
        format(most, MONEY_SCALE, 0)
    );
    let remedy = "raise the limit or lower the minimum";
    let lost = program.payment.below_minimum == BelowMinimum::Forfeit;
    findings.push(if alone && lost {
        Finding::error(line, format!("{message}: all of it is forfeited"), remedy)
    } else {
        Finding::warning(line, message, format!("{remedy}; leave it if other earnings add to it"))
    });
}

/// The largest share of what a lever earns that is paid, at rate scale: co-op is not.
fn payable_share(program: &Program, cap: &ProgramCap, lever: &Lever) -> i128 {
    let one = power_of_ten(RATE_SCALE);
    if lever.pays_as != PaysAs::Split {
        return one;
    }
    let splits = program.splits.iter().flat_map(|split| [split.days.from, split.days.until]);
    let terms = program.terms.iter().map(|term| term.days.first());
    let days = splits.flatten().chain(terms).chain([cap.days.first()]);
    let counts =
        |day: &chrono::NaiveDate| cap.days.contain(*day) && program.term_on(*day).is_some();
    let paid = |day| one - program.shares_on(lever.pays_as, day).of(EarningType::Coop);
    days.filter(counts).map(paid).max().unwrap_or(one)
}

/// Funds whose claims end before they begin, and thresholds of programs that earn no co-op.
pub(super) fn funds(program: &Program, places: &Places, findings: &mut Vec<Finding>) {
    let earns = program.levers.iter().any(|lever| lever.pays_as == PaysAs::Split)
        && program.splits.iter().any(|split| split.shares.of(EarningType::Coop) > 0);
    let rules = places.thresholds.iter().chain(&places.windows);
    if let (false, Some(line)) = (earns, rules.min()) {
        let message =
            "expected a `[[split]]` with co-op, found rules of a co-op fund that never earns";
        findings.push(Finding::warning(*line, message, "add the split, or take the rules out"));
    }
    for (window, line) in program.coop.windows.iter().zip(&places.windows) {
        let first = window.days.from.or(program.terms.first().and_then(|term| term.days.from));
        let Some(day) = first else { continue };
        let Some(windows) = window.of(program.fund_half(Period::of(day))) else { continue };
        if windows.claim_to < windows.claim_from {
            let message = format!(
                "expected claims that end after they open, found that they open on {} and end on {}",
                windows.claim_from, windows.claim_to
            );
            let remedy = "count `claim_opens_after` from the first day of use, `claim_days` from the \
                          day after the last";
            findings.push(Finding::error(*line, message, remedy));
        }
    }
}
