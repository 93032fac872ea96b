//! One line in, its outcomes out: per role, program and lever an earning, a refusal, or a place in an
//! aggregate; per role that nothing covers, the reason. Precedence of reasons is the order of the code.

use super::context::Context;
use super::facts::day;
use super::holders::{Holder, Holders};
use super::ineligible::Bar;
use super::meet::{self, SoFar};
use super::rows::Subject;
use super::rules::{Cover, OUT_OF_TERM, baselines, covers};
use super::segments::{DaySegments, Segments};
use crate::error::Result;
use arrow::array::Array;
use earnest_core::calendar::Period;
use earnest_core::earning::{Amounts, Terms};
use earnest_core::program::{DataRole, First, Role};
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
    /// `None` where it isn't known.
    pub customer_country: Option<&'a str>,
    pub customer_id: Option<&'a str>,
    /// What is against the product, the customer and the line itself.
    pub bars: &'a [Bar],
}

/// What a lever makes of a line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Outcome {
    pub program: usize,
    pub lever: usize,
    pub subject: Subject,
    pub verdict: Verdict,
    /// Position of the rate among the lever's.
    pub rated: usize,
    /// What made the amount besides base and rate; `None`: nothing.
    pub how: Option<Box<How>>,
}

/// What made an amount besides base and rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct How {
    /// The fixed amount, in program currency at money scale.
    pub fixed: Option<i128>,
    /// What levers before left of the base, or what the one before earned, at amount scale.
    pub left: Option<i128>,
    pub earned: Option<i128>,
    /// The part of the earning that the payee has, at rate scale.
    pub payee: Option<i128>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    Earned(Terms, Amounts),
    /// Reasons by precedence; what it would have earned (money scale), if computable.
    Refused(Arc<[Reason]>, Option<i128>),
    /// It is summed with others first, up to the last day of their segment of constant rules (since 1970);
    /// refused for these reasons if there are any.
    Aggregated(Terms, Arc<[Reason]>, i32),
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
#[derive(Default)]
pub struct Evaluated {
    pub outcomes: Vec<Outcome>,
    pub omitted: Vec<Omitted>,
    /// Program, lever and participant key whose baselines it adds to, whatever its outcome.
    pub baselines: Vec<(usize, usize, i32)>,
    /// The closes at which the line counted, of those since which lines of baselines were corrected.
    pub counted: Vec<Period>,
    /// Program and lever that ask which line of their products is a customer's first, and hold this one's.
    pub firsts: Vec<(usize, usize)>,
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
    /// Program and lever that ask which line of their products is a customer's first, in any role.
    firsts: Vec<(usize, usize)>,
}

/// The rules of one period. What was looked up once is found again by position.
pub struct Evaluator<'a> {
    pub context: &'a Context<'a>,
    pub period: Period,
    products: Vec<(Option<String>, Option<String>)>,
    product_keys: HashMap<(Option<String>, Option<String>), usize>,
    days: DaySegments,
    segments: Segments,
    /// Position in `sets`, plus one, by product, segment, role and data role; 0: not looked up yet.
    slots: Vec<u32>,
    sets: Vec<CoverSet>,
    set_keys: HashMap<CoverSet, u32>,
    holders: Holders<'a>,
    /// By program and currency key; `None`: not looked up yet.
    rates: Vec<Option<Option<i128>>>,
    /// Some lever competes with others.
    competing: bool,
    /// It is being found which lines are customers' first.
    seeking: bool,
    /// Of the line and role at hand.
    so_far: SoFar,
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
            segments: Segments::of(context.programs, period),
            slots: Vec::new(),
            sets: Vec::new(),
            set_keys: HashMap::new(),
            holders: Holders::new(context, period),
            rates: vec![None; context.programs.len() * names.currencies.values.len()],
            competing: context.additions.is_some()
                && context.programs.iter().any(|program| program.levers.iter().any(|l| l.competes)),
            seeking: context.additions.is_none(),
            so_far: SoFar::new(),
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
        evaluated.counted.clear();
        evaluated.firsts.clear();
        if self.seeking {
            let set = self.cover_set(facts, Role::Direct);
            evaluated.firsts.extend(&self.sets[set].firsts);
        }
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
        let before = evaluated.outcomes.len();
        let mut reason = self.sets[set].reason;
        let mut decided = None;
        self.so_far.clear();
        for position in 0..self.sets[set].covers.len() {
            let (program, cover) = self.sets[set].covers[position];
            if decided == Some((program, cover.lever)) || !passes(program, cover.lever) {
                continue;
            }
            let rate = self.exchange_rate(program, facts.currency);
            let holder = &self.holders.on(partner, facts.transaction_on)[program];
            let rules = &self.context.programs[program].levers[cover.lever].rates[cover.rated];
            let of_partner = holder.as_ref().map_or(&[][..], |holder| &holder.countries);
            if !rules.countries.hold(facts.customer_country, of_partner) {
                continue;
            }
            decided = Some((program, cover.lever));
            match holder {
                Ok(holder) => {
                    let who = (role, holder, partner);
                    let so_far = &mut self.so_far;
                    let rules = (self.context, &self.segments);
                    let outcome = outcome(rules, program, facts, &cover, rate, who, so_far)?;
                    evaluated.outcomes.push(outcome);
                }
                Err(unmapped) => reason = reason.max(*unmapped),
            }
        }
        if self.competing {
            meet::select(self.context, &mut evaluated.outcomes[before..]);
        }
        if evaluated.outcomes.len() == before {
            evaluated.omitted.push(Omitted { role: role_key(role), partner, reason });
        }
        for &(program, lever) in &self.sets[set].baselines {
            let holder = &self.holders.on(partner, facts.transaction_on)[program];
            let Ok(holder) = holder else { continue };
            let countries = &self.context.programs[program].levers[lever].rates[0].countries;
            if passes(program, lever) && countries.hold(facts.customer_country, &holder.countries) {
                evaluated.baselines.push((program, lever, holder.participant));
            }
        }
        Ok(())
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
        let mut set = CoverSet {
            reason: Reason::NoProgram,
            covers: Vec::new(),
            baselines: Vec::new(),
            firsts: self.find_firsts(facts),
        };
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

    /// The levers whose customers' first lines are sought among their products, and hold this one's.
    fn find_firsts(&self, facts: &Facts) -> Vec<(usize, usize)> {
        let (product, sku) = &self.products[facts.product];
        let (names, groups) = (&self.context.names, &self.context.products);
        let product = (product.as_deref(), sku.as_deref());
        let on = day(facts.transaction_on);
        let mut found = Vec::new();
        for (program, rules) in self.context.programs.iter().enumerate().filter(|_| self.seeking) {
            for (lever, rule) in rules.levers.iter().enumerate() {
                let asks = rule.customer_add.as_ref().map(|asked| asked.first);
                if asks == Some(First::Products) && groups.are_held(rule, names, product, on) {
                    found.push((program, lever));
                }
            }
        }
        found
    }

    fn exchange_rate(&mut self, program: usize, currency: i32) -> Option<i128> {
        let context = self.context;
        let names = &context.names;
        *self.rates[program * names.currencies.values.len() + key(currency)]
            .get_or_insert_with(|| context.exchange_rate(program, currency, self.period))
    }
}

/// What a lever makes of a line in a role; what it earns is added to `so_far` if others ask for it.
fn outcome(
    (context, segments): (&Context, &Segments),
    program: usize,
    facts: &Facts,
    cover: &Cover,
    exchange_rate: Option<i128>,
    (role, holder, partner): (Role, &Holder, i32),
    so_far: &mut SoFar,
) -> Result<Outcome> {
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
    let terms = Terms {
        rate: cover.rate,
        shares: cover.shares,
        exchange_rate: exchange_rate.unwrap_or_default(),
        unit: context.unit(program, facts.currency),
        program_unit: context.facts[program].unit,
    };
    let place = (program, cover.lever);
    let unadded = context.additions.as_ref().and_then(|additions| {
        additions.against(place, facts.customer_id, facts.transaction_on, holder.participant)
    });
    let against = Against { program, bars: facts.bars, unadded, term: cover.term, exchange_rate };
    let refused = against.any() || !holder.unmet.is_empty();
    let instead = meet::instead(context, place, facts.base, so_far);
    let amounts = || amounts(instead.unwrap_or(facts.base), facts.base, cover, role, &terms);
    let verdict = if lever.measured.is_some() {
        match refused {
            false => Verdict::Measured(terms),
            true => Verdict::Refused(against.reasons(holder), None),
        }
    } else if lever.sums() {
        let last_day = segments.last_day(place, facts.transaction_on);
        Verdict::Aggregated(terms, against.reasons(holder), last_day)
    } else if !refused {
        let (whole, own) = amounts()?;
        if context.facts[program].stacks {
            so_far.push((program, cover.lever, whole));
        }
        Verdict::Earned(terms, own)
    } else {
        // A fixed amount is in program currency.
        let in_term = cover.term != OUT_OF_TERM;
        let computable = in_term && (cover.amount.is_none() || exchange_rate.is_some());
        let forgone = if computable { Some(amounts()?.1.earned) } else { None };
        Verdict::Refused(against.reasons(holder), forgone)
    };
    let payee = cover
        .payees
        .map(|share| if role == Role::Reseller { share } else { context.one() - share });
    let left = instead.filter(|_| !lever.on_earned);
    let earned = instead.filter(|_| lever.on_earned);
    let how = How { fixed: cover.amount, left, earned, payee };
    let how = (how != How::default()).then(|| Box::new(how));
    Ok(Outcome { program, lever: cover.lever, subject, verdict, rated: cover.rated, how })
}

/// What a line earns by a cover, at its rate of what is `rated`: before payees divide it, in transaction currency; and the payee's own.
fn amounts(
    rated: i128,
    base: i128,
    cover: &Cover,
    role: Role,
    terms: &Terms,
) -> Result<(i128, Amounts)> {
    let whole = match cover.amount {
        Some(amount) => Amounts::fixed(amount, base, terms)?,
        None => Amounts::of(rated, terms)?,
    };
    let own = match cover.payees {
        Some(share) => whole.payee(share, role == Role::Reseller, terms)?,
        None => whole,
    };
    Ok((whole.earned, own))
}

/// Slots of a product and segment: three roles, two data roles.
const SLOTS: usize = 6;

/// What is against a line under a lever, besides the requirements that its participant doesn't meet.
struct Against<'a> {
    program: usize,
    bars: &'a [Bar],
    /// Why its customer isn't one that the participant added, if the lever asks.
    unadded: Option<Reason>,
    term: i32,
    exchange_rate: Option<i128>,
}

impl Against<'_> {
    fn any(&self) -> bool {
        self.term == OUT_OF_TERM
            || self.exchange_rate.is_none()
            || self.unadded.is_some()
            || self.bars.iter().any(|bar| bar.concerns(self.program))
    }

    /// All reasons against an earning, each once, by precedence.
    fn reasons(&self, holder: &Holder) -> Arc<[Reason]> {
        if !self.any() {
            return holder.unmet.clone();
        }
        let term = (self.term == OUT_OF_TERM).then_some(Reason::OutOfTerm);
        let barred = |of_line: bool| {
            let bars = self.bars.iter().filter(move |bar| bar.of_line == of_line);
            bars.filter(|bar| bar.concerns(self.program)).map(|bar| bar.reason)
        };
        let rate = self.exchange_rate.is_none().then_some(Reason::NoRate);
        let of_partner = term.into_iter().chain(holder.unmet.iter().copied());
        // A customer that wasn't added is against the customer, so it comes before the line itself.
        let of_customer = barred(false).chain(self.unadded);
        let of_line = barred(true).chain(rate);
        let mut reasons: Vec<Reason> = Vec::new();
        for reason in of_partner.chain(of_customer).chain(of_line) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons.into()
    }
}

fn key(key: i32) -> usize {
    usize::try_from(key).unwrap_or_default()
}
