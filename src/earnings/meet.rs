//! How levers meet on a line: what levers before leave of its base, and which lever of an engagement earns.

use super::context::Context;
use super::evaluate::{Outcome, Verdict};
use super::sink::widen;
use earnest_core::compete::{Candidate, Specificity, winner};
use earnest_core::reason::Reason;
use std::sync::Arc;

/// What levers earned so far on a line in a role: program, lever, amount in transaction currency at money
/// scale, before payees divide it.
pub type SoFar = Vec<(usize, usize, i128)>;

/// What a lever earns on (amount scale) if it isn't the base itself: what the levers before it leave of the
/// base, never less than nothing, or what the one before earned.
pub fn instead(
    context: &Context,
    place: (usize, usize),
    base: i128,
    so_far: &SoFar,
) -> Option<i128> {
    let (program, lever) = place;
    let levers = &context.programs[program].levers;
    let before = levers[lever].after?;
    let chain = std::iter::successors(Some(before), |&before| levers[before].after);
    let earned = |before: usize| {
        let found = so_far.iter().find(|(of, lever, _)| (*of, *lever) == (program, before));
        found.map_or(0, |(_, _, earned)| *earned)
    };
    if levers[lever].on_earned {
        return Some(widen(earned(before)));
    }
    let left = base - widen(chain.map(earned).sum());
    Some(if base < 0 { left.min(0) } else { left.max(0) })
}

/// Refuses what loses against another lever of its engagement. The outcomes are those of a line in a role,
/// in declared order.
pub fn select(context: &Context, outcomes: &mut [Outcome]) {
    for first in 0..outcomes.len() {
        let program = outcomes[first].program;
        let levers = &context.programs[program].levers;
        let engagement = levers[outcomes[first].lever].engagement;
        let rivals = |outcome: &Outcome| {
            outcome.program == program
                && levers[outcome.lever].engagement == engagement
                && levers[outcome.lever].competes
        };
        let Some(engagement) = engagement.filter(|_| rivals(&outcomes[first])) else { continue };
        if outcomes[..first].iter().any(rivals) {
            continue;
        }
        let earning: Vec<usize> = (first..outcomes.len())
            .filter(|&place| rivals(&outcomes[place]) && would_earn(&outcomes[place].verdict))
            .collect();
        let candidates: Vec<Candidate> =
            earning.iter().map(|&place| candidate(context, &outcomes[place])).collect();
        let select = context.programs[program].engagements[engagement].select;
        let Some(winner) = winner(select, &candidates) else { continue };
        for (position, place) in earning.into_iter().enumerate() {
            if position != winner {
                outrank(&mut outcomes[place].verdict);
            }
        }
    }
}

fn candidate(context: &Context, outcome: &Outcome) -> Candidate {
    let lever = &context.programs[outcome.program].levers[outcome.lever];
    let group = context.names.groups.text(outcome.subject.group);
    Candidate {
        specificity: Specificity::of(lever, &lever.rates[outcome.rated], group),
        amount: match &outcome.verdict {
            Verdict::Earned(_, amounts) => amounts.earned,
            _ => 0,
        },
    }
}

fn would_earn(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Earned(..) | Verdict::Measured(_) => true,
        Verdict::Aggregated(_, reasons, _) => reasons.is_empty(),
        Verdict::Refused(..) => false,
    }
}

fn outrank(verdict: &mut Verdict) {
    let reasons = || Arc::from([Reason::Outranked]);
    *verdict = match verdict {
        Verdict::Earned(_, amounts) => Verdict::Refused(reasons(), Some(amounts.earned)),
        Verdict::Aggregated(terms, _, last_day) => {
            Verdict::Aggregated(*terms, reasons(), *last_day)
        }
        Verdict::Measured(_) | Verdict::Refused(..) => Verdict::Refused(reasons(), None),
    };
}
