//! Customers whose adding a close froze. Only a correction of the rows that decided it undoes it: a line of
//! the customer was replaced or withdrawn, and the one that decided is gone or is another customer's, or what
//! was sold up to it misses the minimum now. If its partner earns for another participant now, the award
//! moves there with the line.

use super::{Addition, ByPlace, Customer, Place, SaleKey, Sales};
use crate::earnings::context::Context;
use crate::error::Result;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::customer_add::{Sale, measured};
use earnest_core::determination;
use earnest_core::program::{Days, Redecide};
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
    /// The role in which its partner earned; `None`: that wasn't recorded.
    pub role: Option<String>,
    /// Its day then.
    pub on: NaiveDate,
    /// What was sold by it and what had to be, in program currency at money scale.
    pub measured: i128,
    pub threshold: i128,
    /// The cycle whose close froze it; `None`: its rule never decides again, whatever is corrected.
    pub closed_by: Option<Period>,
    /// A closed cycle's row, which stays; else it is published again.
    pub kept: bool,
    /// Some line of the customer by its day counted at that close, and was replaced or withdrawn since.
    pub corrected: bool,
    /// The line that decided names other partners since.
    pub resold: bool,
}

impl FrozenAddition {
    /// The first and last day on which the customer is new.
    #[must_use]
    pub fn days(&self) -> Option<(NaiveDate, NaiveDate)> {
        determination::days(&self.window)
    }
}

/// The awards in force, by place and customer.
pub type Frozen<'a> = ByPlace<HashMap<&'a str, Award<'a>, RandomState>>;

/// A frozen award.
pub struct Award<'a> {
    pub row: &'a FrozenAddition,
    /// Keys of whom it was awarded to, the newest first; negative: nobody sells by that name.
    participants: Vec<i32>,
    days: Days,
}

impl<'a> Award<'a> {
    /// Of the newest row; `None` if that was undone, or its window can't be read. `rows` are those of its
    /// customer.
    fn of(row: &'a FrozenAddition, rows: &[&FrozenAddition], context: &Context) -> Option<Self> {
        let (first, last) = row.days()?;
        let key = |name: &String| context.names.participants.key(name).unwrap_or(-1);
        let mut participants = vec![key(row.participant.as_ref()?)];
        let same = rows.iter().filter(|other| {
            (&other.customer, &other.window) == (&row.customer, &row.window)
                && (&other.source, &other.transaction_id) == (&row.source, &row.transaction_id)
        });
        participants.extend(same.filter_map(|other| other.participant.as_ref()).map(key));
        Some(Award { row, participants, days: Days { from: Some(first), until: last.succ_opt() } })
    }

    /// The customer under its lever, added by a participant.
    pub fn customer(&self, participant: i32) -> Customer {
        Customer { window: self.days, added: Some(Addition { participant, decided: None }) }
    }

    /// True of the line that decided.
    pub fn is_decided_by(&self, context: &Context, (id, source): (&str, i32)) -> bool {
        (id, context.names.sources.text(source))
            == (self.row.transaction_id.as_str(), self.row.source.as_str())
    }

    /// To whom it was awarded last, and to whom the line that decided belongs now. `sales` are those to the
    /// customer, whether or not they earn. If the line isn't among them, or was corrected to be another
    /// partner's, the award doesn't move.
    pub fn moves(&self, context: &Context, sales: &Sales) -> (i32, i32) {
        let role = |key: i32| context.names.roles.text(key);
        let ours = |key: &SaleKey| {
            self.is_decided_by(context, (&key.1, key.2))
                && self.row.role.as_ref().is_none_or(|named| named == role(key.3))
        };
        let deciding = sales.iter().filter(|(key, _)| ours(key));
        let owners: Vec<i32> = deciding.map(|(_, sale)| sale.participant).collect();
        let before = self.participants[0];
        let stays = self.row.resold || owners.contains(&before);
        (before, owners.first().copied().filter(|_| !stays).unwrap_or(before))
    }

    /// What was sold by the line that decided, at money scale, by whom it was or is awarded to; `None`: the
    /// line is gone. `sales` are those to the customer, whether or not they earn.
    ///
    /// # Errors
    /// On overflow.
    pub fn measured(&self, context: &Context, sales: &Sales, owner: i32) -> Result<Option<i128>> {
        let within = sales.iter().filter(|((on, ..), sale)| {
            let theirs = sale.participant == owner || self.participants.contains(&sale.participant);
            theirs && self.days.contain(crate::earnings::facts::day(*on))
        });
        let within: Vec<(bool, Sale)> = within
            .map(|(key, sale)| (self.is_decided_by(context, (&key.1, key.2)), *sale))
            .collect();
        let Some(last) = within.iter().rposition(|(decides, _)| *decides) else { return Ok(None) };
        let sold = within[..=last].iter().map(|(_, sale)| sale.exact);
        Ok(Some(measured(sold, context.facts[self.row.program].unit)?))
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
        let (program, rules) = (place.0, &context.programs[place.0].levers[place.1]);
        let lever = &rules.lever;
        if rules.customer_add.as_ref().is_some_and(|asked| asked.redecide == Redecide::Always) {
            continue;
        }
        let ours = rows.iter().filter(|row| {
            row.program == program
                && row.window.rsplit_once(' ').is_some_and(|(named, _)| named == lever)
        });
        let mut by_customer: HashMap<&str, Vec<&FrozenAddition>, RandomState> = HashMap::default();
        for row in ours {
            by_customer.entry(&row.customer).or_default().push(row);
        }
        let in_force = by_customer.into_iter().filter_map(|(customer, rows)| {
            // Of one cycle, an award comes after what it replaces.
            let newest = rows.iter().max_by_key(|row| (row.cycle, row.participant.is_some()))?;
            Some((customer, Award::of(newest, &rows, context)?))
        });
        awards.insert(place, in_force.collect());
    }
    awards
}
