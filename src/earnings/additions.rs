//! Customers that are new, and who added them: once per customer, whoever the partner. The first look
//! finds every customer's first line and what was sold to it; a kernel decides. Closure key: customer.

use super::context::Context;
use super::evaluate::{Evaluated, Verdict};
use super::facts::day;
use super::rows::Line;
use super::unit::{self, Taker};
use super::{PeriodFiles, largest_first};
use crate::columns;
use crate::error::Result;
use crate::schema::{DETERMINATIONS, Kind};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::customer_add::{Sale, added};
use earnest_core::decimal::exact;
use earnest_core::program::{CustomerAdd, Days, First};
use earnest_core::reason::Reason;
use foldhash::fast::RandomState;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// A customer that was added for good: rows known later don't change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenAddition {
    /// Position of the program.
    pub program: usize,
    pub customer: String,
    /// The lever and the days on which the customer is new, as `determinations` say.
    pub window: String,
    pub participant: String,
}

impl FrozenAddition {
    fn is_of(&self, context: &Context, (program, lever): Place) -> bool {
        let key = &context.programs[program].levers[lever].lever;
        self.program == program
            && self.window.rsplit_once(' ').is_some_and(|(lever, _)| lever == key)
    }

    /// What it is under its lever; `None` if its window can't be read, or nobody by that name sells.
    fn customer(&self, context: &Context) -> Option<Customer> {
        let (_, days) = self.window.rsplit_once(' ')?;
        let (first, last) = days.split_once("..")?;
        let (first, last): (NaiveDate, NaiveDate) = (first.parse().ok()?, last.parse().ok()?);
        let window = Days { from: Some(first), until: last.succ_opt() };
        let participant = context.names.participants.key(&self.participant).unwrap_or(-1);
        Some(Customer { window, added: Some(Addition::frozen(participant)) })
    }
}

/// Program and lever.
type Place = (usize, usize);
type ByPlace<T> = HashMap<Place, T, RandomState>;

/// Who added which customer under every lever that asks.
#[derive(Default)]
pub struct Additions(ByPlace<HashMap<String, Customer, RandomState>>);

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
    on: i32,
    /// In program currency at money scale.
    measured: i128,
}

impl Addition {
    fn frozen(participant: i32) -> Addition {
        Addition { participant, decided: None }
    }
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
        let customers = self.0.get(&place)?;
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
type Sales = BTreeMap<(i32, String, i32, i32), Sale>;

/// What is known of a customer under a lever.
#[derive(Default)]
struct Seen {
    first: Option<i32>,
    sales: Sales,
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
    let looks: Vec<SeenCustomers> = largest_first(periods)
        .into_iter()
        .par_bridge()
        .map(|(period, files)| {
            let mut look = Look { asking: &asking, seen: HashMap::default() };
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
        }
    }
    let mut additions = Additions::default();
    for (place, asked) in asking {
        let customers = additions.0.entry(place).or_default();
        for (customer, seen) in seen.remove(&place).unwrap_or_default() {
            if let Some(found) = decide(context, place, asked, seen)? {
                customers.insert(customer, found);
            }
        }
        for frozen in frozen.iter().filter(|frozen| frozen.is_of(context, place)) {
            customers
                .extend(frozen.customer(context).map(|found| (frozen.customer.clone(), found)));
        }
    }
    Ok(additions)
}

impl Additions {
    /// Rows of the `determinations` table: who added which customer, by which line. Those that a close
    /// froze are kept elsewhere.
    ///
    /// # Errors
    /// If a program's dates lie outside the calendar, which would be a bug.
    pub fn determinations(&self, context: &Context) -> Result<RecordBatch> {
        let mut rows: Vec<(Place, &str, &Customer, i32, &Decided)> = Vec::new();
        for (place, customers) in &self.0 {
            for (id, customer) in customers {
                let Some(added) = &customer.added else { continue };
                let Some(decided) = &added.decided else { continue };
                rows.push((*place, id.as_str(), customer, added.participant, decided));
            }
        }
        rows.sort_by_key(|(place, id, ..)| (*place, *id));
        type Row<'a> = (Place, &'a str, &'a Customer, i32, &'a Decided);
        let text = |of: &dyn Fn(&Row) -> String| columns::texts(rows.iter().map(of));
        let program = |row: &Row| &context.programs[row.0.0];
        let lever = |row: &Row| &program(row).levers[row.0.1];
        let minimum = |row: &Row| lever(row).customer_add.as_ref().map_or(0, |add| add.minimum);
        let cycle = |row: &Row| program(row).due_cycle(Period::of(day(row.4.on))).to_string();
        let names = &context.names;
        let column = |name: &str, kind: Kind| -> Result<ArrayRef> {
            Ok(match name {
                "program" => text(&|row| program(row).program.clone()),
                "kind" => text(&|_| "customer_add".to_owned()),
                "subject" => text(&|row| row.1.to_owned()),
                "window" => text(&|row| window(&lever(row).lever, &row.2.window)),
                "cycle" => text(&cycle),
                "outcome" => text(&|_| "added".to_owned()),
                "program_currency" => text(&|row| program(row).currency.clone()),
                "measured" => columns::decimals(kind, rows.iter().map(|row| row.4.measured))?,
                "threshold" => columns::decimals(kind, rows.iter().map(minimum))?,
                "decided_on" => columns::days(rows.iter().map(|row| Some(day(row.4.on)))),
                "awarded_to" => text(&|row| names.participants.text(row.3).to_owned()),
                "source" => text(&|row| names.sources.text(row.4.source).to_owned()),
                "transaction_id" => text(&|row| row.4.transaction_id.clone()),
                _ => new_null_array(&kind.data_type(), rows.len()),
            })
        };
        let all = DETERMINATIONS.columns.iter().map(|one| column(one.name, one.kind));
        columns::batch(&DETERMINATIONS, all.collect::<Result<_>>()?)
    }
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
        let ((on, transaction_id, source, _), sale) = sales.into_iter().nth(found.sale)?;
        let (participant, measured) = (sale.participant, found.measured);
        Some(Addition {
            participant,
            decided: Some(Decided { source, transaction_id, on, measured }),
        })
    });
    Ok(Some(Customer { window, added }))
}

struct Look<'a> {
    asking: &'a [(Place, &'a CustomerAdd)],
    seen: SeenCustomers,
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
            let Verdict::Earned(terms, _) = &outcome.verdict else { continue };
            let sale = Sale {
                participant: outcome.subject.participant,
                exact: exact(line.base, terms.exchange_rate)?,
            };
            let id = line.transaction_id.unwrap_or_default().to_owned();
            let key = (line.transaction_on, id, line.source, outcome.subject.role);
            let place = (outcome.program, outcome.lever);
            note(&mut self.seen, place, customer, |seen| {
                seen.sales.insert(key, sale);
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
