//! Customers that are new, and who added them: once per customer, whoever the partner. The first look
//! finds every customer's first line and what was sold to it; a kernel decides. Closure key: customer.

mod frozen;
mod rows;

pub use frozen::FrozenAddition;

use super::context::Context;
use super::evaluate::{Evaluated, Outcome, Verdict};
use super::facts::day;
use super::rows::Line;
use super::unit::{self, Taker};
use super::{PeriodFiles, largest_first};
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::customer_add::{Sale, added};
use earnest_core::decimal::exact;
use earnest_core::program::{CustomerAdd, Days, First};
use earnest_core::reason::Reason;
use foldhash::fast::RandomState;
use frozen::Frozen;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Program and lever.
type Place = (usize, usize);
type ByPlace<T> = HashMap<Place, T, RandomState>;

/// Who added which customer under every lever that asks.
#[derive(Default)]
pub struct Additions {
    customers: ByPlace<HashMap<String, Customer, RandomState>>,
    changed: Vec<Changed>,
}

/// An award that a close froze, and that a correction of its rows undoes, or that moves with its line.
struct Changed {
    place: Place,
    award: FrozenAddition,
    /// Key of whom it moves to; `None`: it is undone.
    awarded_to: Option<i32>,
    /// What was sold by the line that decided, as rows are now if they were corrected, at money scale.
    measured: i128,
}

/// A customer under a lever.
struct Customer {
    /// The days on which it is new.
    window: Days,
    added: Option<Addition>,
}

/// How a customer was added.
struct Addition {
    participant: i32,
    /// `None`: a close froze it.
    decided: Option<Decided>,
}

/// What decided, as rows are now.
struct Decided {
    source: i32,
    transaction_id: String,
    role: i32,
    on: i32,
    /// In program currency at money scale.
    measured: i128,
}

impl Additions {
    /// Why a line of a participant doesn't earn under a lever that pays for new customers; `None`: it may,
    /// or the lever doesn't ask.
    pub fn against(
        &self,
        place: Place,
        customer: Option<&str>,
        on: i32,
        participant: i32,
    ) -> Option<Reason> {
        let customers = self.customers.get(&place)?;
        let customer = customer.and_then(|customer| customers.get(customer));
        match customer.filter(|customer| customer.window.contain(day(on))) {
            None => Some(Reason::CustomerNotNew),
            Some(Customer { added: None, .. }) => Some(Reason::MinimumNotMet),
            Some(Customer { added: Some(added), .. }) => {
                (added.participant != participant).then_some(Reason::CustomerUsed)
            }
        }
    }
}

/// What was sold to a customer under a lever, in the order in which it counts.
type Sales = BTreeMap<SaleKey, Sale>;
/// Day, transaction id, source and role.
type SaleKey = (i32, String, i32, i32);

/// What is known of a customer under a lever.
#[derive(Default)]
struct Seen {
    first: Option<i32>,
    sales: Sales,
    /// What tells whether it stays awarded, and to whom: the line that decided, and if rows were corrected
    /// all, whether or not they earn.
    awarded: Sales,
}

type SeenCustomers = ByPlace<HashMap<String, Seen, RandomState>>;

/// Finds who added which customer; nothing is read if no lever asks.
///
/// # Errors
/// If a file can't be read, or on overflow.
pub fn find(
    context: &Context,
    periods: &[PeriodFiles],
    frozen: &[FrozenAddition],
) -> Result<Additions> {
    let asking: Vec<(Place, &CustomerAdd)> = asking(context).collect();
    if asking.is_empty() {
        return Ok(Additions::default());
    }
    let awards = frozen::awards(context, asking.iter().map(|(place, _)| *place), frozen);
    let looks: Vec<SeenCustomers> = largest_first(periods)
        .into_iter()
        .par_bridge()
        .map(|(period, files)| {
            let (asking, awards) = (&asking, &awards);
            let seen = HashMap::default();
            let mut look = Look { context, period: *period, asking, awards, seen };
            unit::read_lines(context, *period, files, &mut look)?;
            Ok(look.seen)
        })
        .collect::<Result<_>>()?;
    let mut seen = SeenCustomers::default();
    for (place, customers) in looks.into_iter().flatten() {
        let known = seen.entry(place).or_default();
        for (customer, found) in customers {
            let known = known.entry(customer).or_default();
            known.first = known.first.into_iter().chain(found.first).min();
            known.sales.extend(found.sales);
            known.awarded.extend(found.awarded);
        }
    }
    let mut additions = Additions::default();
    for (place, asked) in asking {
        let customers = additions.customers.entry(place).or_default();
        let mut seen = seen.remove(&place).unwrap_or_default();
        for (&customer, award) in awards.get(&place).into_iter().flatten() {
            let none = Sales::new();
            let sales = seen.get(customer).map_or(&none, |seen| &seen.awarded);
            let (before, owner) = award.moves(context, sales);
            let sold = match award.row.corrected {
                true => award.measured(context, sales, owner)?,
                false => Some(award.row.measured),
            };
            let stands =
                !award.row.corrected || sold.is_some_and(|sold| sold >= award.row.threshold);
            if stands {
                seen.remove(customer);
                customers.insert(customer.to_owned(), award.customer(owner));
            }
            let awarded_to = stands.then_some(owner);
            if awarded_to != Some(before) {
                let (award, measured) = (award.row.clone(), sold.unwrap_or_default());
                additions.changed.push(Changed { place, award, awarded_to, measured });
            }
        }
        for (customer, seen) in seen {
            if let Some(found) = decide(context, place, asked, seen)? {
                customers.insert(customer, found);
            }
        }
    }
    Ok(additions)
}

/// The lever and the first and last day on which the customer is new.
fn window(lever: &str, days: &Days) -> String {
    let last = days.until.and_then(|until| until.pred_opt()).unwrap_or(NaiveDate::MAX);
    format!("{lever} {}..{last}", days.first())
}

/// Every lever that pays for new customers.
fn asking<'a>(context: &Context<'a>) -> impl Iterator<Item = (Place, &'a CustomerAdd)> {
    context.programs.iter().enumerate().flat_map(|(program, rules)| {
        let levers = rules.levers.iter().enumerate();
        levers
            .filter_map(move |(lever, rule)| Some(((program, lever), rule.customer_add.as_ref()?)))
    })
}

/// What a customer is under a lever; `None` if it was one before the lever began.
fn decide(
    context: &Context,
    (program, lever): Place,
    asked: &CustomerAdd,
    seen: Seen,
) -> Result<Option<Customer>> {
    let rules = &context.programs[program];
    let Some(first) = seen.first.map(day) else { return Ok(None) };
    if first < rules.first_day(&rules.levers[lever]) {
        return Ok(None);
    }
    let window = asked.window(first);
    let within = |on: i32| window.contain(day(on));
    let sales: Vec<_> = seen.sales.into_iter().filter(|((on, ..), _)| within(*on)).collect();
    let exact: Vec<Sale> = sales.iter().map(|(_, sale)| *sale).collect();
    let found = added(&exact, asked.minimum, context.facts[program].minor_units)?;
    let added = found.and_then(|found| {
        let ((on, transaction_id, source, role), sale) = sales.into_iter().nth(found.sale)?;
        let (participant, measured) = (sale.participant, found.measured);
        Some(Addition {
            participant,
            decided: Some(Decided { source, transaction_id, role, on, measured }),
        })
    });
    Ok(Some(Customer { window, added }))
}

struct Look<'a> {
    context: &'a Context<'a>,
    period: Period,
    asking: &'a [(Place, &'a CustomerAdd)],
    awards: &'a Frozen<'a>,
    seen: SeenCustomers,
}

impl Look<'_> {
    /// Notes a line of a customer that was awarded for good, as far as it tells whether and to whom it stays
    /// so.
    fn note_awarded(&mut self, line: &Line, customer: &str, outcome: &Outcome) -> Result<()> {
        let place = (outcome.program, outcome.lever);
        let award = self.awards.get(&place).and_then(|awards| awards.get(customer));
        let Some(award) = award else { return Ok(()) };
        let key = key(line, outcome);
        if award.row.corrected || award.is_decided_by(self.context, &key) {
            let participant = outcome.subject.participant;
            let rate = self.context.exchange_rate(outcome.program, line.currency, self.period);
            let exact = exact(line.base, rate.unwrap_or_default())?;
            note(&mut self.seen, place, customer, |seen| {
                seen.awarded.insert(key, Sale { participant, exact });
            });
        }
        Ok(())
    }
}

/// The place of a line in the order in which lines count.
fn key(line: &Line, outcome: &Outcome) -> SaleKey {
    let id = line.transaction_id.unwrap_or_default().to_owned();
    (line.transaction_on, id, line.source, outcome.subject.role)
}

impl Taker for Look<'_> {
    fn asks_for(&self, program: usize, lever: usize) -> bool {
        self.asking.iter().any(|(place, _)| *place == (program, lever))
    }

    /// What is taken back later, by whatever line, doesn't undo it.
    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        let Some(customer) = line.customer_id.filter(|_| line.base > 0) else { return Ok(()) };
        for (place, asked) in self.asking {
            if asked.first == First::Any || evaluated.firsts.contains(place) {
                let on = line.transaction_on;
                note(&mut self.seen, *place, customer, |seen| {
                    seen.first = Some(seen.first.map_or(on, |known| known.min(on)));
                });
            }
        }
        for outcome in &evaluated.outcomes {
            self.note_awarded(line, customer, outcome)?;
            let Verdict::Earned(terms, _) = &outcome.verdict else { continue };
            let sale = Sale {
                participant: outcome.subject.participant,
                exact: exact(line.base, terms.exchange_rate)?,
            };
            let place = (outcome.program, outcome.lever);
            note(&mut self.seen, place, customer, |seen| {
                seen.sales.insert(key(line, outcome), sale);
            });
        }
        Ok(())
    }
}

/// Notes something about a customer under a lever; its id is copied only when it is new.
fn note(customers: &mut SeenCustomers, place: Place, customer: &str, what: impl FnOnce(&mut Seen)) {
    let customers = customers.entry(place).or_default();
    if let Some(seen) = customers.get_mut(customer) {
        return what(seen);
    }
    let mut seen = Seen::default();
    what(&mut seen);
    customers.insert(customer.to_owned(), seen);
}
