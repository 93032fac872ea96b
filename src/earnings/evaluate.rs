//! One line in, its outcomes out: per role, program and lever an earning, a refusal, or a place in an
//! aggregate; per role that nothing covers, the reason. Precedence of reasons is the order of the code.

use super::context::Context;
use super::facts::day;
use super::ineligible::Bar;
use super::rows::Subject;
use super::rules::{Cover, OUT_OF_TERM, baselines, covers};
use super::segments::DaySegments;
use crate::error::Result;
use arrow::array::Array;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{RATE_SCALE, power_of_ten};
use earnest_core::earning::{Amounts, Terms, gross};
use earnest_core::program::{DataRole, Grain, PaysAs, Role};
use earnest_core::reason::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// A line as rules see it. Texts are keys into [`super::names::Names`].
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Key of the product within the unit.
    pub product: usize,
    /// Partner keys.
    pub billed: Option<i32>,
    pub reseller: Option<i32>,
    pub data_role: DataRole,
    /// Days since 1970.
    pub transaction_on: i32,
    pub currency: i32,
    /// At amount scale.
    pub base: i128,
    /// What is against the product, the customer and the line itself.
    pub bars: &'a [Bar],
}

/// What a lever makes of a line.
#[derive(Clone)]
pub struct Outcome {
    pub program: usize,
    pub lever: usize,
    pub subject: Subject,
    pub verdict: Verdict,
}

#[derive(Clone)]
pub enum Verdict {
    Earned(Terms, Amounts),
    /// Reasons by precedence; what it would have earned (money scale), if computable.
    Refused(Arc<[Reason]>, Option<i128>),
    /// It is summed with others first; refused for these reasons if there are any.
    Aggregated(Terms, Arc<[Reason]>),
    /// It adds to a measure, which earns.
    Measured(Terms),
}

/// A role that no lever covers. Partner is a key or −1.
#[derive(Clone, Copy)]
pub struct Omitted {
    pub role: i32,
    pub partner: i32,
    pub reason: Reason,
}

/// All outcomes of a line.
#[derive(Clone, Default)]
pub struct Evaluated {
    pub outcomes: Vec<Outcome>,
    pub omitted: Vec<Omitted>,
    /// Program, lever and participant key whose baselines it adds to, whatever its outcome.
    pub baselines: Vec<(usize, usize, i32)>,
}

impl Evaluated {
    /// True if every role of the line is out of scope.
    pub fn whole(&self) -> bool {
        self.outcomes.is_empty()
    }
}

/// The key of the role `none`.
pub const NO_ROLE: i32 = 3;

/// The key of a role.
pub fn role_key(role: Role) -> i32 {
    match role {
        Role::Direct => 0,
        Role::Provider => 1,
        Role::Reseller => 2,
    }
}

/// Which levers cover a product in a role, over all programs.
#[derive(Clone, PartialEq, Eq, Hash)]
struct CoverSet {
    /// Why there is no more, if nothing covers it.
    reason: Reason,
    covers: Vec<(usize, Cover)>,
    /// Program and lever whose baseline looks at the product in the role, on any day.
    baselines: Vec<(usize, usize)>,
}

/// Who a partner earns for until a day, program by program.
struct Span {
    /// First day after, since 1970.
    until: i32,
    holders: Vec<Result<Holder, Reason>>,
}

/// A participant in a period, with the requirements it doesn't meet, by precedence.
struct Holder {
    participant: i32,
    unmet: Arc<[Reason]>,
}

/// The rules of one period. What was looked up once is found again by position.
pub struct Evaluator<'a> {
    pub context: &'a Context<'a>,
    pub period: Period,
    products: Vec<(Option<String>, Option<String>)>,
    product_keys: HashMap<(Option<String>, Option<String>), usize>,
    days: DaySegments,
    /// Position in `sets`, plus one, by product, segment, role and data role; 0: not looked up yet.
    slots: Vec<u32>,
    sets: Vec<CoverSet>,
    set_keys: HashMap<CoverSet, u32>,
    /// By partner key.
    spans: Vec<Vec<Span>>,
    /// By program and currency key; `None`: not looked up yet.
    rates: Vec<Option<Option<i128>>>,
}

impl<'a> Evaluator<'a> {
    pub fn new(context: &'a Context<'a>, period: Period) -> Evaluator<'a> {
        let names = &context.names;
        Evaluator {
            context,
            period,
            products: Vec::new(),
            product_keys: HashMap::new(),
            days: DaySegments::of(context.programs, &context.products, period),
            slots: Vec::new(),
            sets: Vec::new(),
            set_keys: HashMap::new(),
            spans: names.partners.values.iter().map(|_| Vec::new()).collect(),
            rates: vec![None; context.programs.len() * names.currencies.values.len()],
        }
    }

    /// The key of a product within the unit.
    pub fn product(&mut self, product: Option<&str>, sku: Option<&str>) -> usize {
        let pair = (product.map(str::to_owned), sku.map(str::to_owned));
        if let Some(&key) = self.product_keys.get(&pair) {
            return key;
        }
        self.products.push(pair.clone());
        self.product_keys.insert(pair, self.products.len() - 1);
        self.slots.resize(self.products.len() * self.days.count * SLOTS, 0);
        self.products.len() - 1
    }

    /// Evaluates a line. `passes` says whether a lever's filter lets it through.
    ///
    /// # Errors
    /// On overflow.
    pub fn evaluate(
        &mut self,
        facts: &Facts,
        passes: impl Fn(usize, usize) -> bool,
        evaluated: &mut Evaluated,
    ) -> Result<()> {
        evaluated.outcomes.clear();
        evaluated.omitted.clear();
        evaluated.baselines.clear();
        let billed_as = if facts.reseller.is_some() { Role::Provider } else { Role::Direct };
        let roles = [(Role::Reseller, facts.reseller), (billed_as, facts.billed)];
        for (role, partner) in roles {
            if let Some(partner) = partner {
                self.evaluate_role(facts, role, partner, &passes, evaluated)?;
            }
        }
        if facts.billed.is_none() && facts.reseller.is_none() {
            let reason = Reason::NoProgram;
            evaluated.omitted.push(Omitted { role: NO_ROLE, partner: -1, reason });
        }
        Ok(())
    }

    fn evaluate_role(
        &mut self,
        facts: &Facts,
        role: Role,
        partner: i32,
        passes: &impl Fn(usize, usize) -> bool,
        evaluated: &mut Evaluated,
    ) -> Result<()> {
        let set = self.cover_set(facts, role);
        let span = self.span(partner, facts.transaction_on);
        let before = evaluated.outcomes.len();
        let mut reason = self.sets[set].reason;
        for position in 0..self.sets[set].covers.len() {
            let (program, cover) = self.sets[set].covers[position];
            if !passes(program, cover.lever) {
                continue;
            }
            let rate = self.exchange_rate(program, facts.currency);
            match &self.spans[key(partner)][span].holders[program] {
                Ok(holder) => {
                    let who = (role, holder, partner);
                    let outcome = self.outcome(program, facts, &cover, rate, who)?;
                    evaluated.outcomes.push(outcome);
                }
                Err(unmapped) => reason = reason.max(*unmapped),
            }
        }
        if evaluated.outcomes.len() == before {
            evaluated.omitted.push(Omitted { role: role_key(role), partner, reason });
        }
        for &(program, lever) in &self.sets[set].baselines {
            let holder = &self.spans[key(partner)][span].holders[program];
            if let Ok(holder) = holder
                && passes(program, lever)
            {
                evaluated.baselines.push((program, lever, holder.participant));
            }
        }
        Ok(())
    }

    fn outcome(
        &self,
        program: usize,
        facts: &Facts,
        cover: &Cover,
        exchange_rate: Option<i128>,
        who: (Role, &Holder, i32),
    ) -> Result<Outcome> {
        let context = self.context;
        let (role, holder, partner) = who;
        let lever = &context.programs[program].levers[cover.lever];
        let subject = Subject {
            program: context.facts[program].key,
            term: cover.term,
            lever: context.facts[program].levers[cover.lever],
            role: role_key(role),
            participant: holder.participant,
            partner,
            group: cover.group,
        };
        let share = match lever.pays_as {
            PaysAs::Split => cover.share,
            PaysAs::Rebate | PaysAs::Fee => power_of_ten(RATE_SCALE),
        };
        let terms = Terms {
            rate: cover.rate,
            share,
            exchange_rate: exchange_rate.unwrap_or_default(),
            minor_units: context.minor_units(facts.currency),
            program_minor_units: context.facts[program].minor_units,
        };
        let out_of_term = cover.term == OUT_OF_TERM;
        let barred = facts.bars.iter().any(|bar| bar.concerns(program));
        let refused = out_of_term || exchange_rate.is_none() || !holder.unmet.is_empty() || barred;
        let refusals = || refusals(holder, (program, facts.bars), out_of_term, exchange_rate);
        let verdict = if lever.measured.is_some() {
            match refused {
                false => Verdict::Measured(terms),
                true => Verdict::Refused(refusals(), None),
            }
        } else if lever.grain == Grain::CustomerProductGroupPeriod {
            Verdict::Aggregated(terms, refusals())
        } else if !refused {
            Verdict::Earned(terms, Amounts::of(facts.base, &terms)?)
        } else {
            let forgone = || gross(facts.base, terms.rate, terms.minor_units);
            let forgone = if out_of_term { None } else { Some(forgone()?) };
            Verdict::Refused(refusals(), forgone)
        };
        Ok(Outcome { program, lever: cover.lever, subject, verdict })
    }

    /// Position of the cover set of a line in a role.
    fn cover_set(&mut self, facts: &Facts, role: Role) -> usize {
        let segment = facts.product * self.days.count + self.days.segment(facts.transaction_on);
        let detail = usize::from(facts.data_role == DataRole::Detail);
        let slot = segment * SLOTS + key(role_key(role)) * 2 + detail;
        if self.slots[slot] == 0 {
            let set = self.find_covers(facts, role);
            let next = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
            let found = *self.set_keys.entry(set.clone()).or_insert(next);
            if found == next {
                self.sets.push(set);
            }
            self.slots[slot] = found + 1;
        }
        self.slots[slot] as usize - 1
    }

    fn find_covers(&self, facts: &Facts, role: Role) -> CoverSet {
        let (product, sku) = &self.products[facts.product];
        let mut set =
            CoverSet { reason: Reason::NoProgram, covers: Vec::new(), baselines: Vec::new() };
        for (program, rules) in self.context.programs.iter().enumerate() {
            if !rules.pays.contains(&role) {
                continue;
            }
            set.reason = set.reason.max(Reason::NoLever);
            let products = (product.as_deref(), sku.as_deref());
            let asked = (role, facts.data_role, day(facts.transaction_on));
            let (names, groups) = (&self.context.names, &self.context.products);
            let compared = baselines(rules, names, groups, products, asked);
            set.baselines.extend(compared.into_iter().map(|lever| (program, lever)));
            let found = covers(rules, names, groups, products, asked);
            set.covers.extend(found.into_iter().map(|cover| (program, cover)));
        }
        set
    }

    /// Position of the span of a day among a partner's.
    fn span(&mut self, partner: i32, on: i32) -> usize {
        if self.spans[key(partner)].is_empty() {
            self.spans[key(partner)] = self.find_spans(partner);
        }
        let spans = &self.spans[key(partner)];
        spans.iter().position(|span| on < span.until).unwrap_or(spans.len() - 1)
    }

    fn find_spans(&self, partner: i32) -> Vec<Span> {
        let context = self.context;
        let within = |day: &NaiveDate| self.period.first_day() < *day && *day < self.period.end();
        let mut ends: Vec<NaiveDate> = context.mapping_days(partner).filter(within).collect();
        ends.push(self.period.end());
        ends.sort_unstable();
        ends.dedup();
        let holders = |last: NaiveDate| {
            let holder = |program| {
                let participant = context.participant(program, partner, last)?;
                Ok(Holder { participant, unmet: self.unmet(program, participant) })
            };
            (0..context.programs.len()).map(holder).collect()
        };
        ends.iter()
            .map(|end| Span {
                until: end.to_epoch_days(),
                holders: holders(end.pred_opt().unwrap_or(*end)),
            })
            .collect()
    }

    /// The requirements that a participant doesn't meet in the period.
    fn unmet(&self, program: usize, participant: i32) -> Arc<[Reason]> {
        let participant = self.context.names.participants.text(participant);
        match self.context.decisions.verdict(program, participant, self.period) {
            Some(verdict) if verdict.eligible => Arc::new([]),
            Some(verdict) => verdict.reasons.clone().into(),
            None => Arc::new([Reason::NotEnrolled]),
        }
    }

    fn exchange_rate(&mut self, program: usize, currency: i32) -> Option<i128> {
        let context = self.context;
        let names = &context.names;
        *self.rates[program * names.currencies.values.len() + key(currency)]
            .get_or_insert_with(|| context.exchange_rate(program, currency, self.period))
    }
}

/// Slots of a product and segment: three roles, two data roles.
const SLOTS: usize = 6;

/// All reasons against an earning, each once, by precedence.
fn refusals(
    holder: &Holder,
    (program, bars): (usize, &[Bar]),
    out_of_term: bool,
    exchange_rate: Option<i128>,
) -> Arc<[Reason]> {
    if !out_of_term && exchange_rate.is_some() && bars.is_empty() {
        return holder.unmet.clone();
    }
    let term = out_of_term.then_some(Reason::OutOfTerm);
    let barred = bars.iter().filter(|bar| bar.concerns(program)).map(|bar| bar.reason);
    let rate = exchange_rate.is_none().then_some(Reason::NoRate);
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in term.into_iter().chain(holder.unmet.iter().copied()).chain(barred).chain(rate) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.into()
}

fn key(key: i32) -> usize {
    usize::try_from(key).unwrap_or_default()
}
