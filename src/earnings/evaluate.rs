//! One line in, its outcomes out: per role, program and lever an earning, a refusal, or a place in an
//! aggregate; per role that nothing covers, the reason. Precedence of reasons is the order of the code.

use super::context::Context;
use super::facts::day;
use super::rows::Subject;
use super::rules::{Cover, OUT_OF_TERM, covers};
use crate::error::Result;
use earnest_core::calendar::Period;
use earnest_core::decimal::{RATE_SCALE, power_of_ten};
use earnest_core::earning::{Amounts, Terms, gross};
use earnest_core::program::{DataRole, Grain, PaysAs, Role};
use earnest_core::reason::Reason;
use std::collections::HashMap;
use std::sync::Arc;

/// A line as rules see it. Texts are keys into [`super::names::Names`].
#[derive(Clone, Copy)]
pub struct Facts {
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

type CoverKey = (usize, usize, Role, DataRole, i32);

/// The rules of one period, with what was looked up before.
pub struct Evaluator<'a> {
    pub context: &'a Context<'a>,
    pub period: Period,
    products: Vec<(Option<String>, Option<String>)>,
    product_keys: HashMap<(Option<String>, Option<String>), usize>,
    covers: HashMap<CoverKey, Arc<[Cover]>, foldhash::fast::RandomState>,
    reasons: HashMap<(usize, i32), Arc<[Reason]>, foldhash::fast::RandomState>,
    rates: HashMap<(usize, i32), Option<i128>, foldhash::fast::RandomState>,
    none: Arc<[Reason]>,
}

impl<'a> Evaluator<'a> {
    pub fn new(context: &'a Context<'a>, period: Period) -> Evaluator<'a> {
        Evaluator {
            context,
            period,
            products: Vec::new(),
            product_keys: HashMap::new(),
            covers: HashMap::default(),
            reasons: HashMap::default(),
            rates: HashMap::default(),
            none: Arc::new([]),
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
        let before = evaluated.outcomes.len();
        let context = self.context;
        let mut reason = Reason::NoProgram;
        for (program, rules) in context.programs.iter().enumerate() {
            if !rules.pays.contains(&role) {
                continue;
            }
            reason = reason.max(Reason::NoLever);
            let covers = self.covers(program, facts, role);
            for cover in covers.iter().filter(|cover| passes(program, cover.lever)) {
                match context.participant(program, partner, day(facts.transaction_on)) {
                    Ok(participant) => {
                        let who = (role, participant, partner);
                        let outcome = self.outcome(program, facts, cover, who)?;
                        evaluated.outcomes.push(outcome);
                    }
                    Err(unmapped) => reason = reason.max(unmapped),
                }
            }
        }
        if evaluated.outcomes.len() == before {
            evaluated.omitted.push(Omitted { role: role_key(role), partner, reason });
        }
        Ok(())
    }

    fn outcome(
        &mut self,
        program: usize,
        facts: &Facts,
        cover: &Cover,
        who: (Role, i32, i32),
    ) -> Result<Outcome> {
        let context = self.context;
        let (role, participant, partner) = who;
        let lever = &context.programs[program].levers[cover.lever];
        let subject = Subject {
            program: context.facts[program].key,
            term: cover.term,
            lever: context.facts[program].levers[cover.lever],
            role: role_key(role),
            participant,
            partner,
            group: cover.group,
        };
        let rate = self.exchange_rate(program, facts.currency);
        let share = match lever.pays_as {
            PaysAs::Split => cover.share,
            PaysAs::Rebate | PaysAs::Fee => power_of_ten(RATE_SCALE),
        };
        let terms = Terms {
            rate: cover.rate,
            share,
            exchange_rate: rate.unwrap_or_default(),
            minor_units: context.minor_units(facts.currency),
            program_minor_units: context.facts[program].minor_units,
        };
        let reasons =
            self.refusals(program, participant, cover.term == OUT_OF_TERM, rate.is_none());
        let verdict = if lever.grain == Grain::CustomerProductGroupPeriod {
            Verdict::Aggregated(terms, reasons)
        } else if reasons.is_empty() {
            Verdict::Earned(terms, Amounts::of(facts.base, &terms)?)
        } else if cover.term == OUT_OF_TERM {
            Verdict::Refused(reasons, None)
        } else {
            Verdict::Refused(reasons, Some(gross(facts.base, terms.rate, terms.minor_units)?))
        };
        Ok(Outcome { program, lever: cover.lever, subject, verdict })
    }

    fn covers(&mut self, program: usize, facts: &Facts, role: Role) -> Arc<[Cover]> {
        let key = (program, facts.product, role, facts.data_role, facts.transaction_on);
        if let Some(covers) = self.covers.get(&key) {
            return covers.clone();
        }
        let (product, sku) = &self.products[facts.product];
        let found = covers(
            &self.context.programs[program],
            &self.context.names,
            &self.context.products,
            (product.as_deref(), sku.as_deref()),
            (role, facts.data_role, day(facts.transaction_on)),
        );
        let found: Arc<[Cover]> = found.into();
        self.covers.insert(key, found.clone());
        found
    }

    /// All reasons against an earning, by precedence.
    fn refusals(
        &mut self,
        program: usize,
        participant: i32,
        out_of_term: bool,
        no_rate: bool,
    ) -> Arc<[Reason]> {
        let (context, period) = (self.context, self.period);
        let unmet = self.reasons.entry((program, participant)).or_insert_with(|| {
            let participant = context.names.participants.text(participant);
            match context.decisions.verdict(program, participant, period) {
                Some(verdict) if verdict.eligible => Arc::new([]),
                Some(verdict) => verdict.reasons.clone().into(),
                None => Arc::new([Reason::NotEnrolled]),
            }
        });
        if !out_of_term && !no_rate {
            return if unmet.is_empty() { self.none.clone() } else { unmet.clone() };
        }
        let term = out_of_term.then_some(Reason::OutOfTerm);
        let rate = no_rate.then_some(Reason::NoRate);
        term.into_iter().chain(unmet.iter().copied()).chain(rate).collect()
    }

    fn exchange_rate(&mut self, program: usize, currency: i32) -> Option<i128> {
        let context = self.context;
        *self.rates.entry((program, currency)).or_insert_with(|| {
            let from = context.names.currencies.text(currency);
            context.rates.rate(from, &context.programs[program].currency, self.period)
        })
    }
}
