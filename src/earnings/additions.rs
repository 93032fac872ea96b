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
use crate::warehouse::{Records, Spill, SpillWriter};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::customer_add::{Sale, added};
use earnest_core::decimal::exact;
use earnest_core::id;
use earnest_core::program::{CustomerAdd, Days, First};
use earnest_core::reason::Reason;
use foldhash::fast::RandomState;
use frozen::{Award, Frozen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
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

/// An award that was decided for good, and that a correction of its rows undoes, or that moves with its line; or
/// stays, and is no closed cycle's.
struct Changed {
    place: Place,
    award: FrozenAddition,
    /// Key of whom it moves to; `None`: it is undone.
    awarded_to: Option<i32>,
    /// What was sold by the line that decided, as rows are now if they were corrected, at money scale.
    measured: i128,
    /// It is published as it was.
    stays: bool,
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
type SaleKey<T = String> = (i32, T, i32, i32);

/// What is known of a customer under a lever.
#[derive(Default)]
struct Seen {
    first: Option<i32>,
    sales: Sales,
    /// What tells whether it stays awarded, and to whom: the line that decided, and if rows were corrected
    /// all, whether or not they earn.
    awarded: Sales,
}

/// What a line tells of a customer under a lever, as it waits until all lines have been looked at: all of a
/// customer is in one bucket.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    place: Place,
    customer: &'a str,
    #[serde(borrow)]
    told: Told<'a>,
}

/// A day of the customer's first line, or a sale: its place, its participant and its exact amount.
#[derive(Serialize, Deserialize)]
enum Told<'a> {
    First(i32),
    Sold(#[serde(borrow)] SaleKey<&'a str>, i32, i128),
    Awarded(#[serde(borrow)] SaleKey<&'a str>, i32, i128),
}

/// The bucket of a customer under a lever.
fn bucket(context: &Context, (program, lever): Place, customer: &str) -> usize {
    let place = [program as u64, lever as u64].map(u64::to_le_bytes);
    context.bucket(id::digest([&place[0][..], &place[1], customer.as_bytes()]))
}

/// Finds who added which customer; nothing is read if no lever asks.
///
/// # Errors
/// If a file can't be read, the disk refuses, or on overflow.
pub fn find(
    context: &Context,
    periods: &[PeriodFiles],
    frozen: &[FrozenAddition],
) -> Result<Additions> {
    let asking: Vec<(Place, &CustomerAdd)> = asking(context).collect();
    if asking.is_empty() {
        return Ok(Additions::default());
    }
    let frozen = frozen::awards(context, asking.iter().map(|(place, _)| *place), frozen);
    let told = Spill::new(context.store);
    largest_first(periods).into_iter().par_bridge().try_for_each(|(period, files)| {
        let (asking, awards) = (&asking, &frozen);
        let (firsts, writer) = (ByPlace::default(), told.writer());
        let mut look = Look { context, period: *period, asking, awards, firsts, told: writer };
        unit::read_lines(context, *period, files, &mut look)?;
        look.finish()
    })?;
    let mut buckets: BTreeMap<usize, Vec<(Place, &Award)>> = BTreeMap::new();
    buckets.extend(told.parts().into_iter().map(|bucket| (bucket, Vec::new())));
    for (&place, awards) in &frozen {
        for (customer, award) in awards {
            let awards = buckets.entry(bucket(context, place, customer)).or_default();
            awards.push((place, award));
        }
    }
    let parts: Vec<Additions> = buckets
        .into_par_iter()
        .map(|(bucket, awards)| of_bucket(context, &asking, &awards, &told.read(bucket)?))
        .collect::<Result<_>>()?;
    let mut all = Additions::default();
    for (place, _) in asking {
        all.customers.entry(place).or_default();
    }
    for part in parts {
        for (place, customers) in part.customers {
            all.customers.entry(place).or_default().extend(customers);
        }
        all.changed.extend(part.changed);
    }
    Ok(all)
}

/// Who added which customer of a bucket.
fn of_bucket(
    context: &Context,
    asking: &[(Place, &CustomerAdd)],
    awards: &[(Place, &Award)],
    told: &Records,
) -> Result<Additions> {
    let mut seen: ByPlace<HashMap<&str, Seen, RandomState>> = ByPlace::default();
    for record in told.iter() {
        let Record { place, customer, told } = record?;
        let seen = seen.entry(place).or_default().entry(customer).or_default();
        match told {
            Told::First(on) => seen.first = Some(seen.first.map_or(on, |known| known.min(on))),
            Told::Sold((on, id, source, role), participant, exact) => {
                seen.sales.insert((on, id.to_owned(), source, role), Sale { participant, exact });
            }
            Told::Awarded((on, id, source, role), participant, exact) => {
                seen.awarded.insert((on, id.to_owned(), source, role), Sale { participant, exact });
            }
        }
    }
    let mut additions = Additions::default();
    for (place, award) in awards {
        let customer = award.row.customer.as_str();
        let none = Sales::new();
        let seen = seen.entry(*place).or_default();
        let sales = seen.get(customer).map_or(&none, |seen| &seen.awarded);
        let (before, owner) = award.moves(context, sales);
        let sold = match award.row.corrected {
            true => award.measured(context, sales, owner)?,
            false => Some(award.row.measured),
        };
        let stands = !award.row.corrected || sold.is_some_and(|sold| sold >= award.row.threshold);
        if stands {
            seen.remove(customer);
            let customers = additions.customers.entry(*place).or_default();
            customers.insert(customer.to_owned(), award.customer(owner));
        }
        let awarded_to = stands.then_some(owner);
        if awarded_to != Some(before) || !award.row.kept {
            let stays = awarded_to == Some(before);
            let (award, measured) = (award.row.clone(), sold.unwrap_or_default());
            additions.changed.push(Changed { place: *place, award, awarded_to, measured, stays });
        }
    }
    for &(place, asked) in asking {
        let customers = additions.customers.entry(place).or_default();
        for (customer, seen) in seen.remove(&place).into_iter().flatten() {
            if let Some(found) = decide(context, place, asked, seen)? {
                customers.insert(customer.to_owned(), found);
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
    let found = added(&exact, asked.minimum, context.facts[program].unit)?;
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
    /// The days of customers' first lines in the period.
    firsts: ByPlace<HashMap<String, i32, RandomState>>,
    told: SpillWriter<'a, usize>,
}

impl Look<'_> {
    /// Notes a line of a customer that was awarded for good, as far as it tells whether and to whom it stays
    /// so.
    fn note_awarded(&mut self, line: &Line, customer: &str, outcome: &Outcome) -> Result<()> {
        let place = (outcome.program, outcome.lever);
        let award = self.awards.get(&place).and_then(|awards| awards.get(customer));
        let Some(award) = award else { return Ok(()) };
        let id = line.transaction_id.unwrap_or_default();
        if award.row.corrected || award.is_decided_by(self.context, (id, line.source)) {
            let participant = outcome.subject.participant;
            let rate = self.context.exchange_rate(outcome.program, line.currency, self.period);
            let exact = exact(line.base, rate.unwrap_or_default())?;
            self.tell(place, customer, Told::Awarded(key(line, outcome), participant, exact))?;
        }
        Ok(())
    }

    fn tell(&mut self, place: Place, customer: &str, told: Told) -> Result<()> {
        let bucket = bucket(self.context, place, customer);
        self.told.add(bucket, &Record { place, customer, told })
    }

    fn finish(mut self) -> Result<()> {
        for (place, customers) in std::mem::take(&mut self.firsts) {
            for (customer, on) in customers {
                self.tell(place, &customer, Told::First(on))?;
            }
        }
        self.told.finish()
    }
}

/// The place of a line in the order in which lines count.
fn key<'a>(line: &Line<'a>, outcome: &Outcome) -> SaleKey<&'a str> {
    let id = line.transaction_id.unwrap_or_default();
    (line.transaction_on, id, line.source, outcome.subject.role)
}

impl Taker for Look<'_> {
    fn asks_for(&self, program: usize, lever: usize) -> bool {
        self.asking.iter().any(|(place, _)| *place == (program, lever))
    }

    fn keeps_originals(&self) -> bool {
        false
    }

    /// What is taken back later, by whatever line, doesn't undo it.
    fn line(&mut self, line: &Line, evaluated: &Evaluated) -> Result<()> {
        let Some(customer) = line.customer_id.filter(|_| line.base > 0) else { return Ok(()) };
        for (place, asked) in self.asking {
            if asked.first == First::Any || evaluated.firsts.contains(place) {
                let (on, firsts) = (line.transaction_on, self.firsts.entry(*place).or_default());
                match firsts.get_mut(customer) {
                    Some(first) => *first = on.min(*first),
                    None => _ = firsts.insert(customer.to_owned(), on),
                }
            }
        }
        for outcome in &evaluated.outcomes {
            self.note_awarded(line, customer, outcome)?;
            let Verdict::Earned(terms, _) = &outcome.verdict else { continue };
            let place = (outcome.program, outcome.lever);
            let exact = exact(line.base, terms.exchange_rate)?;
            let participant = outcome.subject.participant;
            self.tell(place, customer, Told::Sold(key(line, outcome), participant, exact))?;
        }
        Ok(())
    }
}
