//! Aggregate earnings: lines of the same program, lever, participant, role, customer, product group,
//! period, currency and rules add exact base first, then round as a row does. Shares re-add.

use super::credits::Credits;
use super::evaluate::{Outcome, Verdict};
use super::facts::day;
use super::names::Names;
use super::rows::{Line, Share, Subject};
use super::segments::Segments;
use super::sink::{Origin, Sink};
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
    transaction_on: i32,
    partner: i32,
    base: i128,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    program: usize,
    lever: usize,
    term: i32,
    role: i32,
    participant: i32,
    group: i32,
    currency: i32,
    customer: Option<String>,
    /// Last day of the segment of constant rules, since 1970.
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
    /// Takes the aggregated outcomes of a line, in force and in this period.
    pub fn collect(&mut self, segments: &Segments, line: &Line, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let Verdict::Aggregated(terms, reasons) = &outcome.verdict else { continue };
            let key = Key {
                program: outcome.program,
                lever: outcome.lever,
                term: outcome.subject.term,
                role: outcome.subject.role,
                participant: outcome.subject.participant,
                group: outcome.subject.group,
                currency: line.currency,
                customer: line.customer_id.map(str::to_owned),
                last_day: segments.last_day((outcome.program, outcome.lever), line.transaction_on),
                reasons: reasons.clone(),
            };
            let group = self.0.entry(key).or_insert_with(|| Group {
                outcome: outcome.clone(),
                terms: *terms,
                members: Vec::new(),
            });
            group.members.push(Member {
                source: line.source,
                transaction_id: line.transaction_id.unwrap_or_default().to_owned(),
                transaction_on: line.transaction_on,
                partner: outcome.subject.partner,
                base: line.base,
            });
        }
    }

    /// Hands over every aggregate that earns, in order.
    ///
    /// # Errors
    /// On overflow, or if the taker fails.
    pub fn earned(
        &self,
        names: &Names,
        period: Period,
        mut take: impl FnMut(&Summed) -> Result<()>,
    ) -> Result<()> {
        let earned = self.0.iter().filter(|(key, _)| key.reasons.is_empty());
        for (key, group) in earned {
            take(&Summed::of(key, group, names, period)?)?;
        }
        Ok(())
    }

    /// Calculates every aggregate and hands it to the sink.
    ///
    /// # Errors
    /// On overflow, or if the disk refuses.
    pub fn finish(mut self, sink: &mut Sink, credits: &Credits) -> Result<()> {
        for group in self.0.values_mut() {
            group.members.sort_unstable_by(|a, b| {
                (a.source, &a.transaction_id).cmp(&(b.source, &b.transaction_id))
            });
        }
        self.earned(sink.names(), sink.period(), |summed| summed.write(sink, credits))?;
        for (key, group) in self.0.iter().filter(|(key, _)| !key.reasons.is_empty()) {
            refuse(sink, key, group)?;
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
    members: &'a [Member],
}

impl<'a> Summed<'a> {
    fn of(key: &'a Key, group: &'a Group, names: &Names, period: Period) -> Result<Summed<'a>> {
        let base = group.members.iter().map(|member| member.base).sum();
        let first = group.members.iter().min_by_key(|member| (member.source, member.partner));
        let partner = group.members.iter().map(|member| member.partner).min().unwrap_or_default();
        let subject = Subject { partner, ..group.outcome.subject };
        Ok(Summed {
            line: Line {
                source: first.map_or(0, |member| member.source),
                transaction_id: None,
                original_transaction_id: None,
                customer_id: key.customer.as_deref(),
                transaction_on: key.last_day,
                period: names.period(period),
                currency: key.currency,
                base,
                quantity: 0,
                known_on: None,
            },
            outcome: Outcome { subject, ..group.outcome.clone() },
            terms: group.terms,
            amounts: Amounts::of(base, &group.terms)?,
            key: key.text(names, period),
            members: &group.members,
        })
    }

    fn write(&self, sink: &mut Sink, credits: &Credits) -> Result<()> {
        let Summed { line, outcome, terms, amounts: gross, key, members } = self;
        let amounts = credits.of((line, Some(key)), outcome, terms, gross)?;
        let origin =
            Origin { fund_period: sink.period(), aggregate_key: Some(key), tier_detail: None };
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
                        original_transaction_id: None,
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

fn refuse(sink: &mut Sink, key: &Key, group: &Group) -> Result<()> {
    let bases: Vec<i128> = group.members.iter().map(|member| member.base).collect();
    let computable = !key.reasons.contains(&Reason::OutOfTerm);
    let forgone = if computable {
        let total = gross(bases.iter().sum(), group.terms.rate, group.terms.unit)?;
        Some(shares(total, &bases)?)
    } else {
        None
    };
    for (position, member) in group.members.iter().enumerate() {
        let line = Line {
            source: member.source,
            transaction_id: Some(&member.transaction_id),
            original_transaction_id: None,
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

impl Key {
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
