//! Days that nothing covers, and rules whose days never come.

use super::super::places::Places;
use super::super::{Days, Program};
use super::{Finding, roles};
use crate::calendar::Period;

/// Ranges between dated rules that none of them covers: days before the first and after the last one are
/// meant to be open.
fn between(dated: &mut [(Days, usize)]) -> Vec<(Days, usize)> {
    dated.sort_by_key(|(days, line)| (days.first(), *line));
    let mut gaps = Vec::new();
    let Some((first, _)) = dated.first() else { return gaps };
    let mut covered = first.end();
    for (days, line) in dated.iter() {
        if covered < days.first() {
            gaps.push((Days { from: Some(covered), until: days.from }, *line));
        }
        covered = covered.max(days.end());
    }
    gaps
}

/// The range in words, to its last day.
fn in_words(days: &Days) -> String {
    let last = days.until.and_then(|until| until.pred_opt());
    match (days.from, last) {
        (Some(from), Some(last)) if from == last => format!("on {last}"),
        (Some(from), Some(last)) => format!("from {from} to {last}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(last)) => format!("until {last}"),
        (None, None) => "on all days".to_owned(),
    }
}

const CLOSE: &str = "extend one of its neighbors, or add what rules then; leave it if it is meant";

/// Gaps in terms, rates, tables, splits, thresholds and windows.
pub(super) fn gaps(program: &Program, places: &Places, findings: &mut Vec<Finding>) {
    let lined = |days: Vec<Days>, lines: &[usize]| -> Vec<(Days, usize)> {
        let line = |place: usize| lines.get(place).copied().unwrap_or(places.program);
        days.into_iter().enumerate().map(|(place, days)| (days, line(place))).collect()
    };
    let mut terms = lined(program.terms.iter().map(|term| term.days).collect(), &places.terms);
    for (gap, line) in between(&mut terms) {
        let message = format!("expected terms without gaps, found none {}", in_words(&gap));
        findings.push(Finding::warning(line, format!("{message}: lines are unearned then"), CLOSE));
    }
    let in_term = |days: &Days| program.terms.iter().any(|term| term.days.overlap(days));
    let mut splits = lined(program.splits.iter().map(|split| split.days).collect(), &places.splits);
    for (gap, line) in between(&mut splits).into_iter().filter(|(gap, _)| in_term(gap)) {
        let message = format!("expected splits without gaps, found none {}", in_words(&gap));
        findings.push(Finding::warning(line, format!("{message}: all is rebate then"), CLOSE));
    }
    for (place, lever) in program.levers.iter().enumerate() {
        for group in lever.product_groups() {
            for role in &program.pays {
                let rates = lever.rates.iter().enumerate().filter(|(_, rate)| {
                    rate.product_groups.iter().any(|own| own == group)
                        && roles(program, &rate.partner_types).contains(role)
                });
                let mut dated: Vec<(Days, usize)> =
                    rates.map(|(rate, own)| (own.days, places.rate(place, rate))).collect();
                for (gap, line) in between(&mut dated).into_iter().filter(|(gap, _)| in_term(gap)) {
                    let what = if lever.measured.is_some() { "tables" } else { "rates" };
                    let message = format!(
                        "expected {what} without gaps, found none of `{}` for `{group}` {}",
                        lever.lever,
                        in_words(&gap)
                    );
                    findings.push(Finding::warning(line, message, CLOSE));
                }
            }
        }
    }
    // What rules a half is what is in force on its last day.
    let thresholds = program.coop_thresholds.iter().map(|threshold| threshold.days).collect();
    let windows = program.coop.windows.iter().map(|window| window.days).collect();
    for (what, mut dated) in [
        ("[[coop.threshold]]", lined(thresholds, &places.thresholds)),
        ("[[coop.window]]", lined(windows, &places.windows)),
    ] {
        for (gap, line) in between(&mut dated) {
            let half = program.fund_half(Period::of(gap.first()));
            if !gap.contain(half.last().last_day()) {
                continue;
            }
            let message = format!(
                "expected {what} without gaps, found none on {}, the last day of {half}",
                half.last().last_day()
            );
            findings.push(Finding::warning(line, message, CLOSE));
        }
    }
}

/// Rules of which no day lies in a term.
pub(super) fn never(program: &Program, places: &Places, findings: &mut Vec<Finding>) {
    let outside = |days: &Days| !program.terms.iter().any(|term| term.days.overlap(days));
    let splits = program.splits.iter().map(|split| split.days).zip(&places.splits);
    let caps = program.caps.iter().map(|cap| cap.days).zip(&places.caps);
    let asked = program.requirements.iter().map(|one| one.days).zip(&places.requirements);
    let all = splits
        .map(|dated| ("a split", dated))
        .chain(caps.map(|dated| ("a cap", dated)))
        .chain(asked.map(|dated| ("a requirement", dated)));
    for (what, (days, line)) in all.filter(|(_, (days, _))| outside(days)) {
        let message = format!(
            "expected {what} with days in a term, found one {}: it never counts",
            in_words(&days)
        );
        let remedy = "correct its dates, or take it out";
        findings.push(Finding::warning(*line, message, remedy));
    }
}
