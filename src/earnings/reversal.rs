//! Linked refunds: each piece takes back what its original earned, or shares its refusal.

use super::aggregate::Aggregates;
use super::context::Context;
use super::credits::Credits;
use super::evaluate::{Outcome, Verdict};
use super::links::Reversal;
use super::originals::{Original, Originals};
use super::rows::Line;
use super::shares::Shares;
use super::sink::{Origin, Sink, widen};
use super::unit::RefundLine;
use crate::error::Result;
use earnest_core::earning::Amounts;
use earnest_core::reason::Reason;

/// Writes the outcomes of a period's linked refunds; what they take back of sums is collected.
///
/// # Errors
/// If the disk refuses, on overflow, or if what is refunded was not calculated.
pub fn reverse(
    context: &Context,
    sink: &mut Sink,
    mut refunds: Vec<RefundLine>,
    originals: &Originals,
    (aggregates, shares, credits): (&mut Aggregates, &mut Shares, &Credits),
) -> Result<()> {
    refunds.sort_by(|a, b| (a.source, &a.transaction_id).cmp(&(b.source, &b.transaction_id)));
    for (refund, reversal) in refunds.iter().flat_map(|refund| refund.reversals(context)) {
        let original = originals.of(reversal)?;
        let outcomes = original.outcomes();
        let mut line = refund.piece(sink.period_key(), reversal, original);
        if reversal.excess > 0 {
            line.base = -reversal.excess;
            for outcome in &outcomes {
                sink.refused(&line, &outcome.subject, &[Reason::RefundExcess], Some(0))?;
            }
            // As against a piece of the same line.
            line.original_transaction_id = None;
        } else {
            let summed = refund.summed(reversal, original);
            outcomes.iter().for_each(|outcome| aggregates.collect(&summed, outcome));
            piece(sink, (shares, credits), context, &line, (original, &outcomes), reversal)?;
        }
        // The roles in which nothing covers a refund are those of its original.
        for omitted in &original.omitted {
            sink.omitted(&line, omitted, outcomes.is_empty())?;
        }
    }
    Ok(())
}

/// A piece of a refund under each outcome of its original; sums wait until all of them are known.
fn piece(
    sink: &mut Sink,
    (shares, credits): (&mut Shares, &Credits),
    context: &Context,
    line: &Line,
    (original, outcomes): (&Original, &[Outcome]),
    reversal: &Reversal,
) -> Result<()> {
    let steps = (reversal.before, reversal.cumulated, reversal.base);
    let (before, cumulated, base) = steps;
    let origin = Origin { fund_period: original.period, aggregate_key: None, tier_detail: None };
    for outcome in outcomes {
        match &outcome.verdict {
            Verdict::Earned(terms, amounts) => {
                let taken = |from, to| amounts.reversed(from, to, base, terms.units());
                let (earlier, reversed) = (taken(0, before)?, taken(before, cumulated)?);
                let item = (line, None);
                let credited = credits.of_piece(item, outcome, terms, (&earlier, &reversed))?;
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
