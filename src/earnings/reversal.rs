//! Linked refunds: each piece takes back what its original earned, or shares its refusal.

use super::context::Context;
use super::credits::Credits;
use super::evaluate::{Omitted, Outcome, Verdict};
use super::originals::{Original, Originals};
use super::rows::Line;
use super::shares::Shares;
use super::sink::{Origin, Sink, widen};
use super::unit::RefundLine;
use crate::error::Result;
use earnest_core::earning::Amounts;
use earnest_core::reason::Reason;

/// A refunded line with its outcomes.
type Refunded<'a> = (&'a Original, &'a [Outcome]);

/// Writes the outcomes of a period's linked refunds.
///
/// # Errors
/// If the disk refuses, on overflow, or if what is refunded was not calculated.
pub fn reverse(
    context: &Context,
    sink: &mut Sink,
    mut refunds: Vec<RefundLine>,
    originals: &Originals,
    (shares, credits): (&mut Shares, &Credits),
) -> Result<()> {
    refunds.sort_by(|a, b| (a.source, &a.transaction_id).cmp(&(b.source, &b.transaction_id)));
    for refund in &refunds {
        let line = Line {
            source: refund.source,
            transaction_id: Some(&refund.transaction_id),
            original_transaction_id: None,
            customer_id: refund.customer_id.as_deref(),
            transaction_on: refund.transaction_on,
            period: sink.period_key(),
            currency: refund.currency,
            base: 0,
            quantity: 0,
            known_on: refund.known_on,
        };
        for reversal in &context.links.refunds[refund.number] {
            let kept = originals.of(reversal)?;
            let outcomes = kept.outcomes();
            let original = (kept, &*outcomes);
            if reversal.excess > 0 {
                let line = Line { base: -reversal.excess, ..line };
                excess(sink, &line, original, refund.netted)?;
            } else {
                let line = Line {
                    base: reversal.before - reversal.cumulated,
                    original_transaction_id: Some(&kept.transaction_id),
                    ..line
                };
                let steps = (reversal.before, reversal.cumulated, reversal.base);
                piece(sink, (shares, credits), context, &line, original, steps)?;
                omit(sink, &line, original, refund.netted)?;
            }
        }
    }
    Ok(())
}

/// A piece of a refund under each outcome of its original.
fn piece(
    sink: &mut Sink,
    (shares, credits): (&mut Shares, &Credits),
    context: &Context,
    line: &Line,
    (original, outcomes): Refunded,
    steps: (i128, i128, i128),
) -> Result<()> {
    let (before, cumulated, base) = steps;
    let origin = Origin { fund_period: original.period, aggregate_key: None, tier_detail: None };
    for outcome in outcomes {
        match &outcome.verdict {
            Verdict::Earned(terms, amounts) => {
                let taken = |from, to| amounts.reversed(from, to, base, terms.units());
                let (earlier, reversed) = (taken(0, before)?, taken(before, cumulated)?);
                let credited = credits.of_piece(line, outcome, terms, (&earlier, &reversed))?;
                sink.earned(line, outcome, terms, (&reversed, &credited), &origin)?;
            }
            Verdict::Refused(reasons, forgone) => {
                let unit = context.unit(outcome.program, line.currency);
                let forgone = forgone
                    .map(|earned| {
                        let whole = Amounts { earned, ..Amounts::default() };
                        whole.reversed(before, cumulated, base, (unit, unit))
                    })
                    .transpose()?;
                let forgone = forgone.map(|reversed| widen(reversed.earned));
                sink.refused(line, &outcome.subject, reasons, forgone)?;
            }
            Verdict::Measured(_) => shares.piece(sink, line, outcome, original, steps)?,
            Verdict::Aggregated(..) => {}
        }
    }
    Ok(())
}

/// The roles in which nothing covers a refund: those of its original, and where nothing but sums covers
/// that, the refund being in none. Of one that is netted they stand beside what nets it.
fn omit(sink: &mut Sink, line: &Line, (original, outcomes): Refunded, netted: bool) -> Result<()> {
    if netted {
        return Ok(());
    }
    let summed = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Aggregated(..));
    let whole = outcomes.iter().all(|outcome| summed(&outcome));
    for omitted in &original.omitted {
        sink.omitted(line, omitted, whole)?;
    }
    let mut roles: Vec<i32> = Vec::new();
    for Outcome { subject, .. } in outcomes.iter().filter(summed) {
        let mut in_role = outcomes.iter().filter(|outcome| outcome.subject.role == subject.role);
        if roles.contains(&subject.role) || !in_role.all(|outcome| summed(&outcome)) {
            continue;
        }
        roles.push(subject.role);
        let omitted =
            Omitted { role: subject.role, partner: subject.partner, reason: Reason::NoLever };
        sink.omitted(line, &omitted, whole)?;
    }
    Ok(())
}

/// What exceeds every line the refund could be linked to: nothing to take back.
fn excess(sink: &mut Sink, line: &Line, last: Refunded, netted: bool) -> Result<()> {
    let id = Some(&*last.0.transaction_id);
    let refused = Line { original_transaction_id: id, ..*line };
    for outcome in last.1 {
        if !matches!(outcome.verdict, Verdict::Aggregated(..)) {
            sink.refused(&refused, &outcome.subject, &[Reason::RefundExcess], Some(0))?;
        }
    }
    omit(sink, line, last, netted)
}
