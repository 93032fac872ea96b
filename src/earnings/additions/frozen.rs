//! Customers whose adding a close froze. Only a correction of the rows that decided it undoes it: the line
//! is gone, is another customer's or participant's, or what was sold up to it misses the minimum now.

use super::{Addition, ByPlace, Customer, Place, Sales};
use crate::earnings::context::Context;
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::customer_add::{Sale, measured};
use earnest_core::program::Days;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// A row of `determinations` that a close froze: a customer was added, or no longer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenAddition {
    /// Position of the program.
    pub program: usize,
    pub customer: String,
    /// The lever and the days on which the customer is new, as `determinations` say.
    pub window: String,
    /// The cycle that decides it.
    pub cycle: Period,
    /// `None`: it was undone.
    pub participant: Option<String>,
    /// The transaction that decided, and its source.
    pub transaction_id: String,
    pub source: String,
    /// Its day then.
    pub on: NaiveDate,
    /// What had to be sold, in program currency at money scale.
    pub threshold: i128,
}

/// The awards in force, by place and customer.
pub type Frozen<'a> = ByPlace<HashMap<&'a str, Award<'a>, RandomState>>;

/// A frozen award.
#[derive(Clone, Copy)]
pub struct Award<'a> {
    pub row: &'a FrozenAddition,
    /// Key of whom it was awarded to; negative: nobody sells by that name.
    pub participant: i32,
    days: Days,
}

impl<'a> Award<'a> {
    /// `None` if it was undone, or its window can't be read.
    fn of(row: &'a FrozenAddition, context: &Context) -> Option<Award<'a>> {
        let (first, last) = row.window.rsplit_once(' ')?.1.split_once("..")?;
        let (first, last): (NaiveDate, NaiveDate) = (first.parse().ok()?, last.parse().ok()?);
        let participant = context.names.participants.key(row.participant.as_ref()?).unwrap_or(-1);
        let days = Days { from: Some(first), until: last.succ_opt() };
        Some(Award { row, participant, days })
    }

    /// The customer under its lever.
    pub fn customer(&self) -> Customer {
        let added = Addition { participant: self.participant, decided: None };
        Customer { window: self.days, added: Some(added) }
    }

    /// What its participant has sold by the line that decided, at money scale; `None`: the line is gone.
    /// `sales` are those to the customer, whether or not they earn.
    ///
    /// # Errors
    /// On overflow.
    pub fn measured(&self, context: &Context, sales: &Sales) -> Result<Option<i128>> {
        let within = sales.iter().filter(|((on, ..), sale)| {
            self.days.contain(crate::earnings::facts::day(*on))
                && sale.participant == self.participant
        });
        let within: Vec<(bool, Sale)> = within
            .map(|((_, id, source, _), sale)| {
                let source = context.names.sources.text(*source);
                ((id, source) == (&self.row.transaction_id, self.row.source.as_str()), *sale)
            })
            .collect();
        let Some(last) = within.iter().rposition(|(decides, _)| *decides) else { return Ok(None) };
        let sold = within[..=last].iter().map(|(_, sale)| sale.exact);
        Ok(Some(measured(sold, context.facts[self.row.program].minor_units)?))
    }
}

/// The newest row of every customer under every lever that asks, as far as it awards.
pub fn awards<'a>(
    context: &Context,
    places: impl Iterator<Item = Place>,
    rows: &'a [FrozenAddition],
) -> Frozen<'a> {
    let mut awards = Frozen::default();
    for place in places {
        let (program, lever) = (place.0, &context.programs[place.0].levers[place.1].lever);
        let ours = rows.iter().filter(|row| {
            row.program == program
                && row.window.rsplit_once(' ').is_some_and(|(named, _)| named == lever)
        });
        let mut newest: HashMap<&str, &FrozenAddition, RandomState> = HashMap::default();
        for row in ours {
            let known = newest.entry(&row.customer).or_insert(row);
            // Of one cycle, an award comes after what it replaces.
            let rank = |row: &FrozenAddition| (row.cycle, row.participant.is_some());
            if rank(row) > rank(known) {
                *known = row;
            }
        }
        let in_force = newest.into_iter();
        let in_force =
            in_force.filter_map(|(customer, row)| Some((customer, Award::of(row, context)?)));
        awards.insert(place, in_force.collect());
    }
    awards
}
