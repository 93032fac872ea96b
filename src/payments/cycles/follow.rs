//! An account in closed cycles. In: what enters them, and what was recorded of them. Out: the same state
//! that settling them left, so that open cycles go on from it.

use super::{Account, Open, World};
use crate::closes::Outcome;
use crate::error::{Error, Result};
use crate::payments::as_earned::Parted;
use crate::payments::orders::{Item, Payment};
use crate::payments::year_end;
use earnest_core::calendar::Period;
use earnest_core::decimal::{MONEY_SCALE, format};
use earnest_core::lots::Lots;
use earnest_core::waterfall::Movements;
use std::collections::BTreeMap;

impl<'a> Account<'a> {
    /// Orders of closed cycles, each with the cycle into which it came back: a closed one only if that
    /// recorded it, else the oldest open one.
    pub(super) fn closed_payments(&mut self, world: &World<'_, 'a>) {
        for paid in world.closed.payments(self.position, self.earning_type, self.participant) {
            let id = &paid.payment_id;
            let said = world.statuses.of(self.position, self.participant, id);
            let mut payment = Payment::of_closed(paid, said);
            let recorded = world.closed.returned_in(self.position, self.participant, id);
            let open = world.closed.last.map_or(paid.cycle, |last| last.plus(1));
            let by_day =
                payment.comes_back_in(self.program, self.earning_type).map(|cycle| cycle.max(open));
            payment.returns_in = recorded.or(by_day);
            self.payments.push(payment);
        }
    }

    /// A closed cycle, in which `found` entered: what it ordered, forfeited and left is what was recorded, so that
    /// nobody waits for a profile otherwise than was known then. Gives its closing balance.
    pub(super) fn follow(
        &mut self,
        world: &World<'_, 'a>,
        open: &mut Open<'a>,
        (cycle, found): (Period, &Movements),
        record: Option<&Outcome>,
    ) -> Result<i128> {
        let recorded = record.cloned().unwrap_or_default();
        let of = recorded.movements;
        let entered = Movements { ordered: 0, forfeited: 0, ..of };
        if entered != *found {
            return Err(self.differs(cycle, &entered, found));
        }
        let due_on = self.due_day(cycle);
        open.lots.wait(due_on, !world.payees.has_profile(self.position, self.participant, due_on));
        let later: i128 = recorded.forfeited.iter().map(|forfeited| forfeited.amount).sum();
        if of.ordered != 0 || of.forfeited != later {
            let carried = self.left_by_orders(open, cycle)?;
            self.release(open, carried);
            open.lots.take(of.ordered + of.forfeited - later);
        }
        for forfeited in &recorded.forfeited {
            let (term, amount) = (forfeited.term.as_str(), forfeited.amount);
            let forfeiture = match term.strip_prefix(year_end::LAPSED) {
                Some(origin) => Some(self.lapse(open, cycle, (origin.parse()?, amount))?),
                None => open.terms.record(cycle, term, amount)?,
            };
            let forfeiture = forfeiture.ok_or_else(|| self.lacks(cycle, term))?;
            self.take(open, forfeiture)?;
            if of.closing() == 0 {
                self.release(open, Vec::new());
            }
        }
        if recorded.lots.is_empty() {
            self.keep_lots(open, cycle, of.closing())?;
        } else {
            open.lots = Lots::recorded(recorded.lots);
            self.verify_lots(open, cycle, of.closing())?;
        }
        Ok(of.closing())
    }

    fn lacks(&self, cycle: Period, term: &str) -> Error {
        let program = &self.program.program;
        Error::usage(format!(
            "program `{program}`: expected a term `{term}` that ends, of which closed cycle {cycle} forfeited \
             earnings"
        ))
        .hint("bring its name and its `until` back; a closed cycle stays")
    }

    fn differs(&self, cycle: Period, expected: &Movements, found: &Movements) -> Error {
        let money = |(name, amount)| format!("{name} {}", format(amount, MONEY_SCALE, 2));
        let differing = expected.entering().into_iter().zip(found.entering());
        let (expected, found): (Vec<_>, Vec<_>) =
            differing.filter(|(expected, found)| expected != found).unzip();
        let [expected, found] =
            [expected, found].map(|all| all.into_iter().map(money).collect::<Vec<_>>().join(", "));
        let (program, participant) = (&self.program.program, self.participant);
        let kind = self.earning_type.name();
        Error::check(format!(
            "closed cycle {cycle}, {program}/{participant}/{kind}: expected {expected} as it was \
             closed, found {found}"
        ))
        .hint(
            "a closed cycle stays; see whether `[payment]` or `[[coop.threshold]]` of the program was \
             changed",
        )
    }

    /// What the orders of a closed cycle left in other currencies.
    fn left_by_orders(&self, open: &Open<'a>, cycle: Period) -> Result<Vec<Item<'a>>> {
        let orders = self.payments.iter().filter(|payment| payment.cycle == cycle);
        let mut paid: BTreeMap<&str, i128> = BTreeMap::new();
        for payment in orders.filter(|payment| payment.order.rate.is_none()) {
            *paid.entry(&payment.currency).or_default() += payment.order.gross;
        }
        if paid.is_empty() {
            return Ok(Vec::new());
        }
        let parted = Parted::of(self.items(open), |purse| paid.contains_key(&*purse.currency));
        let earned = parted
            .ordered
            .iter()
            .map(|(currency, items)| (&**currency, items.iter().map(|item| item.own_amount).sum()));
        let earned: BTreeMap<&str, i128> = earned.collect();
        if paid == earned {
            return Ok(parted.carried);
        }
        let text = |of: &BTreeMap<&str, i128>| {
            let each = of
                .iter()
                .map(|(currency, own)| format!("{currency} {}", format(*own, MONEY_SCALE, 2)));
            let each: Vec<_> = each.collect();
            if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
        };
        let (program, participant) = (&self.program.program, self.participant);
        let (expected, found) = (text(&paid), text(&earned));
        Err(Error::check(format!(
            "closed cycle {cycle}, {program}/{participant}/{}: expected orders of {expected} as it \
             was closed, found {found} earned",
            self.earning_type.name()
        ))
        .hint("a closed cycle stays; see whether `fx` in `[payment]` of the program was changed"))
    }
}
