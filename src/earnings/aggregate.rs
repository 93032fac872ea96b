//! Aggregate earnings: lines of the same program, lever, participant, role, customer, product group,
//! period, currency and rules add exact base first, then round as a row does. Shares re-add. A refund is
//! summed by what its line was: with it if both are of one period, else with others that take back of the
//! same sum; what these take is rounded up to each period, so that of a sum that is refunded whole nothing
//! is left.

use super::context::Context;
use super::credits::Credits;
use super::evaluate::{Outcome, Verdict};
use super::facts::day;
use super::names::Names;
use super::originals::Originals;
use super::rows::{Line, Share, Subject};
use super::sink::{Origin, Sink};
use super::unit::RefundLine;
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::earning::{Amounts, Terms, gross, shares};
use earnest_core::reason::Reason;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A line that waits for its aggregate.
struct Member {
    source: i32,
    transaction_id: String,
    /// Of a linked refund: what it takes back.
    original: Option<String>,
    transaction_on: i32,
    partner: i32,
    base: i128,
    /// Since when it is known, if it takes away.
    known_on: Option<i32>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    program: usize,
    lever: usize,
    term: i32,
    role: i32,
    participant: i32,
    group: i32,
    currency: i32,
    customer: Option<String>,
    /// Last day of the segment of constant rules, since 1970; of refunds, that of what they refund.
    last_day: i32,
    /// Lines that are refused for different reasons don't add up.
    reasons: Arc<[Reason]>,
}

struct Group {
    outcome: Outcome,
    terms: Terms,
    members: Vec<Member>,
}

/// The aggregates of a period, collected line by line.
#[derive(Default)]
pub struct Aggregates(BTreeMap<Key, Group>);

impl Aggregates {
    /// Takes a line's outcome, if it is aggregated; of a linked refund's piece, its original's.
    pub fn collect(&mut self, line: &Line, outcome: &Outcome) {
        let Some((key, terms)) = Key::of(line, outcome) else { return };
        let group = self.0.entry(key).or_insert_with(|| Group {
            outcome: outcome.clone(),
            terms,
            members: Vec::new(),
        });
        group.members.push(Member {
            source: line.source,
            transaction_id: line.transaction_id.unwrap_or_default().to_owned(),
            original: line.original_transaction_id.map(str::to_owned),
            transaction_on: line.transaction_on,
            partner: outcome.subject.partner,
            base: line.base,
            known_on: line.known_on,
        });
    }

    /// Leaves out what takes back of sums of its own period.
    pub fn of_other_periods(&mut self, period: Period) {
        self.0.retain(|key, _| key.period() != period);
    }

    /// Hands over every aggregate that earns, in order.
    ///
    /// # Errors
    /// On overflow, or if the taker fails.
    pub fn earned(
        &self,
        (names, period): (&Names, Period),
        taken_back: &TakenBack,
        mut take: impl FnMut(&Summed) -> Result<()>,
    ) -> Result<()> {
        let earned = self.0.iter().filter(|(key, _)| key.reasons.is_empty());
        for (key, group) in earned {
            take(&Summed::of(key, group, (names, period), taken_back)?)?;
        }
        Ok(())
    }

    /// Calculates every aggregate and hands it to the sink.
    ///
    /// # Errors
    /// On overflow, or if the disk refuses.
    pub fn finish(
        mut self,
        sink: &mut Sink,
        credits: &Credits,
        taken_back: &TakenBack,
    ) -> Result<()> {
        for group in self.0.values_mut() {
            group.members.sort_unstable_by(|a, b| {
                (a.source, &a.transaction_id, &a.original).cmp(&(
                    b.source,
                    &b.transaction_id,
                    &b.original,
                ))
            });
        }
        let place = (sink.names(), sink.period());
        self.earned(place, taken_back, |summed| summed.write(sink, credits))?;
        for (key, group) in self.0.iter().filter(|(key, _)| !key.reasons.is_empty()) {
            refuse(sink, key, group, taken_back)?;
        }
        Ok(())
    }
}

/// An aggregate with what it earns, gross.
pub struct Summed<'a> {
    pub line: Line<'a>,
    pub outcome: Outcome,
    pub terms: Terms,
    pub amounts: Amounts,
    /// What tells it apart from others of its lever.
    pub key: String,
    /// Of refunds of another period.
    pub refunded: Option<Refunded>,
    members: &'a [Member],
}

/// The sum that refunds take back of.
pub struct Refunded {
    pub key: String,
    pub period: Period,
    /// Its last day, since 1970.
    pub on: i32,
    /// What earlier periods take back of it: base, at amount scale, and amounts; negative.
    pub before: i128,
    pub taken: Amounts,
}

impl<'a> Summed<'a> {
    fn of(
        key: &'a Key,
        group: &'a Group,
        (names, period): (&Names, Period),
        taken_back: &TakenBack,
    ) -> Result<Summed<'a>> {
        let base: i128 = group.members.iter().map(|member| member.base).sum();
        let before = taken_back.before(key, period);
        let taken = Amounts::of(before, &group.terms)?;
        let others = key.period() != period;
        let refunded = others.then(|| Refunded {
            key: key.text(names, key.period()),
            period: key.period(),
            on: key.last_day,
            before,
            taken,
        });
        // All of what is taken back is known when its last part is.
        let known = group.members.iter().filter_map(|member| member.known_on);
        let known_on = known.max().filter(|_| others);
        let first = group.members.iter().min_by_key(|member| (member.source, member.partner));
        let partner = group.members.iter().map(|member| member.partner).min().unwrap_or_default();
        let subject = Subject { partner, ..group.outcome.subject };
        Ok(Summed {
            line: Line {
                source: first.map_or(0, |member| member.source),
                transaction_id: None,
                original_transaction_id: None,
                customer_id: key.customer.as_deref(),
                transaction_on: if others {
                    period.last_day().to_epoch_days()
                } else {
                    key.last_day
                },
                period: names.period(period),
                currency: key.currency,
                base,
                quantity: 0,
                known_on,
            },
            outcome: Outcome { subject, ..group.outcome.clone() },
            terms: group.terms,
            amounts: Amounts::of(before + base, &group.terms)?.minus(&taken),
            key: key.text(names, period),
            refunded,
            members: &group.members,
        })
    }

    fn write(&self, sink: &mut Sink, credits: &Credits) -> Result<()> {
        let Summed { line, outcome, terms, amounts: gross, key, refunded, members } = self;
        let item = (line, Some(key.as_str()));
        let amounts = match refunded {
            Some(of) => credits.of_piece(item, outcome, terms, (&of.taken, gross))?,
            None => credits.of(item, outcome, terms, gross)?,
        };
        let fund_period = refunded.as_ref().map_or(sink.period(), |of| of.period);
        let origin = Origin { fund_period, aggregate_key: Some(key), tier_detail: None };
        let ids = sink.earned(line, outcome, terms, (gross, &amounts), &origin)?;
        let bases: Vec<i128> = members.iter().map(|member| member.base).collect();
        for (earning_id, earning_type) in ids.into_iter().flatten() {
            let (earning_amount, program_amount) = amounts.part(earning_type);
            let earning_shares = shares(earning_amount, &bases)?;
            let program_shares = shares(program_amount, &bases)?;
            for (member, (share, program_share)) in
                members.iter().zip(earning_shares.into_iter().zip(program_shares))
            {
                sink.source(
                    earning_id,
                    &Share {
                        source: member.source,
                        transaction_id: &member.transaction_id,
                        original_transaction_id: member.original.as_deref(),
                        currency: line.currency,
                        base: member.base,
                        measured: None,
                        earning_share: share,
                        program_share,
                    },
                )?;
            }
        }
        Ok(())
    }
}

fn refuse(sink: &mut Sink, key: &Key, group: &Group, taken_back: &TakenBack) -> Result<()> {
    let bases: Vec<i128> = group.members.iter().map(|member| member.base).collect();
    let computable = !key.reasons.contains(&Reason::OutOfTerm);
    let forgone = if computable {
        let before = taken_back.before(key, sink.period());
        let all = |base| gross(base, group.terms.rate, group.terms.unit);
        let total = all(before + bases.iter().sum::<i128>())? - all(before)?;
        Some(shares(total, &bases)?)
    } else {
        None
    };
    for (position, member) in group.members.iter().enumerate() {
        let line = Line {
            source: member.source,
            transaction_id: Some(&member.transaction_id),
            original_transaction_id: member.original.as_deref(),
            customer_id: key.customer.as_deref(),
            transaction_on: member.transaction_on,
            period: sink.period_key(),
            currency: key.currency,
            base: member.base,
            quantity: 0,
            known_on: None,
        };
        let subject = Subject { partner: member.partner, ..group.outcome.subject };
        let forgone = forgone.as_ref().map(|forgone| forgone[position]);
        sink.refused(&line, &subject, &key.reasons, forgone)?;
    }
    Ok(())
}

/// What refunds take back of sums of lines of other periods, by period. Base at amount scale, negative.
#[derive(Default)]
pub struct TakenBack(BTreeMap<Key, BTreeMap<Period, i128>>);

impl TakenBack {
    /// # Errors
    /// If what is refunded was not calculated.
    pub fn of(
        context: &Context,
        refunds: &[(Period, Vec<RefundLine>)],
        originals: &Originals,
    ) -> Result<TakenBack> {
        let mut found = TakenBack::default();
        if !context.sums {
            return Ok(found);
        }
        for (period, refunds) in refunds {
            for (refund, reversal) in refunds.iter().flat_map(|refund| refund.reversals(context)) {
                let original = originals.of(reversal)?;
                if original.period == *period || reversal.excess > 0 {
                    continue;
                }
                let line = refund.summed(reversal, original);
                for outcome in &original.outcomes() {
                    let Some((key, _)) = Key::of(&line, outcome) else { continue };
                    *found.0.entry(key).or_default().entry(*period).or_default() += line.base;
                }
            }
        }
        Ok(found)
    }

    /// What periods before one take back of a sum of another.
    fn before(&self, key: &Key, period: Period) -> i128 {
        match self.0.get(key) {
            Some(by_period) if key.period() != period => {
                by_period.range(..period).map(|(_, base)| base).sum()
            }
            _ => 0,
        }
    }
}

impl Key {
    /// What a line, or a refund's piece, is summed by under an outcome; `None`: it isn't.
    fn of(line: &Line, outcome: &Outcome) -> Option<(Key, Terms)> {
        let Verdict::Aggregated(terms, reasons, last_day) = &outcome.verdict else { return None };
        let key = Key {
            program: outcome.program,
            lever: outcome.lever,
            term: outcome.subject.term,
            role: outcome.subject.role,
            participant: outcome.subject.participant,
            group: outcome.subject.group,
            currency: line.currency,
            customer: line.customer_id.map(str::to_owned),
            last_day: *last_day,
            reasons: reasons.clone(),
        };
        Some((key, *terms))
    }

    /// The period of what is summed, or refunded.
    fn period(&self) -> Period {
        Period::of(day(self.last_day))
    }

    /// `customer/product group/period/currency/last day of the segment`: what tells aggregates of a
    /// lever apart.
    fn text(&self, names: &Names, period: Period) -> String {
        [
            self.customer.as_deref().unwrap_or_default(),
            names.groups.text(self.group),
            &period.to_string(),
            names.currencies.text(self.currency),
            &day(self.last_day).to_string(),
        ]
        .join("/")
    }
}
