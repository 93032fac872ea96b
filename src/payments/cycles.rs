//! One account (participant × program × earning type) through its cycles. In: its postings, sorted
//! by the cycle that they enter, its adjustments, what the bank says of its payments, and what closed
//! cycles made of it. Out: balances, lots, orders with their items, and the accruals of open cycles.

use super::Posting;
use super::adjustments::Adjustment;
use super::orders::{Item, Ordering, Payment};
use super::payees::{Method, Payees};
use super::statuses::Statuses;
use super::year_end::{self, Forfeiture};
use crate::closes::{Closed, Outcome};
use crate::error::{Error, Result};
use crate::exchange_rates::ExchangeRates;
use chrono::NaiveDate;
use earnest_core::calendar::Period;
use earnest_core::decimal::{MONEY_SCALE, format};
use earnest_core::earning::{EarningType, EntryKind};
use earnest_core::lots::{Lot, Lots};
use earnest_core::program::Program;
use earnest_core::reason::{CarryReason, PostingReason};
use earnest_core::waterfall::{Movements, Settled, Terms, settle};
use std::collections::BTreeMap;

/// An account and what became of it.
pub struct Account<'a> {
    pub program: &'a Program,
    /// Of the program.
    pub position: usize,
    pub earning_type: EarningType,
    pub participant: &'a str,
    postings: &'a [Posting],
    adjustments: &'a [Adjustment],
    pub balances: Vec<(Period, Settled)>,
    /// What is left at the end of each cycle, by origin.
    pub lots: Vec<(Period, Vec<Lot>)>,
    pub payments: Vec<Payment<'a>>,
    /// At year end, and for want of a profile.
    pub forfeitures: Vec<Forfeiture<'a>>,
    /// What became of adjustments that entered a cycle.
    pub adjusted: Vec<(&'a Adjustment, Period, Option<PostingReason>)>,
}

/// What decides besides the account itself.
pub struct World<'w, 'a> {
    pub payees: &'w Payees,
    pub rates: &'w ExchangeRates,
    pub statuses: &'a Statuses,
    pub closed: &'w Closed,
    pub as_of: NaiveDate,
}

/// What no order has released yet.
struct Open<'a> {
    /// Postings before these entered, and were released.
    entered: usize,
    released: usize,
    /// Forfeitures that items of an order have named.
    named: usize,
    /// Adjustments that entered.
    adjusted: usize,
    /// Returns and adjustments since the last order.
    items: Vec<Item<'a>>,
    /// The part of them that doesn't count toward the minimum.
    uncounted: i128,
    terms: year_end::Terms<'a>,
    lots: Lots,
}

impl<'a> Account<'a> {
    /// `postings` are those of one account, sorted by period and lever.
    pub fn of(
        (program, position): (&'a Program, usize),
        (participant, earning_type): (&'a str, EarningType),
        postings: &'a [Posting],
        adjustments: &'a [Adjustment],
    ) -> Account<'a> {
        Account {
            program,
            position,
            earning_type,
            participant,
            postings,
            adjustments,
            balances: Vec::new(),
            lots: Vec::new(),
            payments: Vec::new(),
            forfeitures: Vec::new(),
            adjusted: Vec::new(),
        }
    }

    /// What was earned per period; periods that add up to zero are left out. What changes earnings of
    /// closed cycles is apart.
    pub fn accruals(&self) -> impl Iterator<Item = (Period, i128)> + use<> {
        let mut periods: BTreeMap<Period, i128> = BTreeMap::new();
        let regular = |posting: &&Posting| {
            posting.converted_in.is_none() && posting.kind == EntryKind::Regular
        };
        for posting in self.postings.iter().filter(regular) {
            *periods.entry(posting.period).or_default() += posting.amount;
        }
        periods.into_iter().filter(|(_, amount)| *amount != 0)
    }

    /// What changes earnings of closed cycles: kind, the cycle that it enters, period, amount.
    pub fn changes(&self) -> impl Iterator<Item = (EntryKind, Period, Period, i128)> + use<> {
        let mut changes: BTreeMap<(EntryKind, Period, Period), i128> = BTreeMap::new();
        for posting in self.postings.iter().filter(|posting| posting.converted_in.is_none()) {
            if let (EntryKind::Late | EntryKind::Adjustment, Some(cycle)) =
                (posting.kind, posting.entered)
            {
                *changes.entry((posting.kind, cycle, posting.period)).or_default() +=
                    posting.amount;
            }
        }
        let changes = changes.into_iter().filter(|(_, amount)| *amount != 0);
        changes.map(|((kind, cycle, period), amount)| (kind, cycle, period, amount))
    }

    /// Approved adjustments whose cycle isn't due.
    pub fn not_due(&self) -> &'a [Adjustment] {
        &self.adjustments[self.adjusted.len()..]
    }

    /// What was converted from co-op: cycle, the half's last month, amount.
    pub fn conversions(&self) -> impl Iterator<Item = (Period, Period, i128)> + '_ {
        self.postings.iter().filter_map(|posting| {
            posting.converted_in.map(|cycle| (cycle, posting.period, posting.amount))
        })
    }

    /// Settles every open cycle that is due, going on from what closed ones recorded. An order releases
    /// all that entered since the order before it.
    pub fn settle(&mut self, world: &World<'_, 'a>) -> Result<()> {
        let program = self.program;
        let adjusted = self.adjustments.iter().filter_map(|adjustment| adjustment.cycle);
        let earned = self.postings.first().map(|posting| posting.cycle(program));
        let closed = world.closed;
        let records = closed.outcomes(self.position, self.earning_type, self.participant);
        let recorded = records.and_then(|records| records.keys().next().copied());
        let Some(mut cycle) = adjusted.chain(earned).chain(recorded).min() else { return Ok(()) };
        self.closed_payments(world, records);
        let mut open = Open {
            entered: 0,
            released: 0,
            named: 0,
            adjusted: 0,
            items: Vec::new(),
            uncounted: 0,
            terms: year_end::Terms::new(program),
            lots: Lots::default(),
        };
        let mut opening = 0;
        while program.due_day(cycle) <= world.as_of
            && (opening != 0 || self.is_awaited(&open, cycle) || closed.is_closed(cycle))
        {
            opening = if closed.is_closed(cycle) {
                let record = records.and_then(|records| records.get(&cycle));
                self.follow(world, &mut open, (cycle, opening), record)?
            } else {
                self.cycle(world, &mut open, cycle, opening)?
            };
            cycle = cycle.plus(1);
        }
        Ok(())
    }

    /// Whether something enters in this cycle or later.
    fn is_awaited(&self, open: &Open, cycle: Period) -> bool {
        let returns = |payment: &Payment| payment.returns_in.is_some_and(|into| into >= cycle);
        open.entered < self.postings.len()
            || open.adjusted < self.adjustments.len()
            || self.payments.iter().any(returns)
    }

    /// Orders of closed cycles, each with the cycle into which it came back: a closed one only if that
    /// recorded it, else the oldest open one.
    fn closed_payments(
        &mut self,
        world: &World<'_, 'a>,
        records: Option<&BTreeMap<Period, Outcome>>,
    ) {
        let paid = world.closed.payments(self.position, self.earning_type, self.participant);
        let mut returned: BTreeMap<Period, i128> = records
            .into_iter()
            .flatten()
            .map(|(cycle, record)| (*cycle, record.movements.returned))
            .collect();
        for paid in paid {
            let said = world.statuses.of(self.position, self.participant, &paid.payment_id);
            self.payments.push(Payment::of_closed(paid, said));
        }
        let mut back: Vec<&mut Payment> =
            self.payments.iter_mut().filter(|one| one.history.returned_on.is_some()).collect();
        back.sort_by(|a, b| {
            let key = |one: &Payment| (one.history.returned_on, one.payment_id.clone());
            key(a).cmp(&key(b))
        });
        for payment in back {
            let amount = payment.order.gross_program;
            let mut into = payment.comes_back_in(self.program);
            while let Some(cycle) = into.filter(|cycle| world.closed.is_closed(*cycle)) {
                let left = returned.entry(cycle).or_default();
                if *left >= amount {
                    *left -= amount;
                    break;
                }
                into = Some(cycle.plus(1));
            }
            payment.returns_in = into;
        }
    }

    /// A closed cycle: what it ordered and forfeited is what was recorded. Gives its closing balance.
    fn follow(
        &mut self,
        world: &World<'_, 'a>,
        open: &mut Open<'a>,
        (cycle, opening): (Period, i128),
        record: Option<&Outcome>,
    ) -> Result<i128> {
        let found = self.enter(open, (cycle, opening), true);
        let recorded = record.cloned().unwrap_or_default();
        let of = recorded.movements;
        let entered = Movements { ordered: 0, forfeited: 0, ..of };
        if entered != found {
            return Err(self.differs(cycle, &entered, &found));
        }
        let due_on = self.program.due_day(cycle);
        open.lots.wait(due_on, !world.payees.has_profile(self.position, self.participant, due_on));
        let later: i128 = recorded.forfeited.iter().map(|forfeited| forfeited.amount).sum();
        if of.ordered != 0 || of.forfeited != later {
            self.release(open);
        }
        for forfeited in &recorded.forfeited {
            let (term, amount) = (forfeited.term.as_str(), forfeited.amount);
            let forfeiture = match term.strip_prefix(year_end::LAPSED) {
                Some(origin) => Some(Forfeiture::lapse(cycle, origin.parse()?, amount)),
                None => open.terms.record(cycle, term, amount),
            };
            if let Some(forfeiture) = forfeiture {
                self.take(open, forfeiture);
            }
            if of.closing() == 0 {
                self.release(open);
            }
        }
        self.keep_lots(open, cycle, of.closing())?;
        Ok(of.closing())
    }

    fn differs(&self, cycle: Period, expected: &Movements, found: &Movements) -> Error {
        let text = |of: &Movements| {
            let money = |amount| format(amount, MONEY_SCALE, 2);
            let known = [of.opening, of.earned, of.adjusted, of.converted_in];
            let [opening, earned, adjusted, converted] = known.map(money);
            let other = match of.closing() - known.iter().sum::<i128>() {
                0 => String::new(),
                other => format!(", other {}", money(other)),
            };
            format!(
                "opening {opening}, earned {earned}, adjusted {adjusted}, converted {converted}{other}"
            )
        };
        let (program, participant) = (&self.program.program, self.participant);
        let kind = self.earning_type.name();
        let (expected, found) = (text(expected), text(found));
        Error::check(format!(
            "closed cycle {cycle}, {program}/{participant}/{kind}: expected {expected} as it was \
             closed, found {found}"
        ))
        .hint("a closed cycle stays; see whether `[payment]` of the program was changed")
    }

    /// Settles a cycle; gives its closing balance.
    fn cycle(
        &mut self,
        world: &World<'_, 'a>,
        open: &mut Open<'a>,
        cycle: Period,
        opening: i128,
    ) -> Result<i128> {
        let movements = self.enter(open, (cycle, opening), false);
        let moved = Movements { opening, ..Movements::default() } != movements;
        if opening == 0 && !moved {
            return Ok(0);
        }
        let due_on = self.program.due_day(cycle);
        let method = world.payees.on(self.position, self.participant, due_on);
        open.lots.wait(due_on, !world.payees.has_profile(self.position, self.participant, due_on));
        let mut settled = settle(movements, &self.terms(world, &method, open.uncounted, cycle))?;
        if let (Some(order), Ok(method)) = (settled.order, &method) {
            let ordering = Ordering {
                program: self.program,
                earning_type: self.earning_type,
                participant: self.participant,
                cycle,
                due_on,
                method,
                order,
            };
            let said = |id: &str| world.statuses.of(self.position, self.participant, id);
            let orders = ordering.orders(self.items(open), said)?;
            self.payments.extend(orders);
        }
        if settled.order.is_some() || settled.movements.forfeited != 0 {
            self.release(open);
        }
        let year_end = open.terms.test(cycle, settled.closing);
        self.forfeit(open, &mut settled, year_end);
        let days = self.program.payment.profile_days;
        let lapsed = open.lots.clone().lapse(due_on, days);
        let lapsed =
            lapsed.into_iter().map(|(origin, amount)| Forfeiture::lapse(cycle, origin, amount));
        self.forfeit(open, &mut settled, lapsed.collect());
        self.keep_lots(open, cycle, settled.closing)?;
        self.balances.push((cycle, settled));
        Ok(settled.closing)
    }

    /// What is left of each cycle's entries, which is the balance.
    fn keep_lots(&mut self, open: &Open, cycle: Period, closing: i128) -> Result<()> {
        let found = open.lots.balance();
        if found != closing {
            let place = self.participant;
            return Err(Error::check(format!(
                "balance of {place} in {cycle}: expected lots of {closing}, found {found}"
            )));
        }
        self.lots.push((cycle, open.lots.lots().to_vec()));
        Ok(())
    }

    /// What enters in a cycle: postings, payments that came back, adjustments.
    /// In closed cycles adjustments were tested before.
    fn enter(
        &mut self,
        open: &mut Open<'a>,
        (cycle, opening): (Period, i128),
        recorded: bool,
    ) -> Movements {
        let (program, postings) = (self.program, self.postings);
        let due =
            postings[open.entered..].partition_point(|posting| posting.cycle(program) <= cycle);
        let entering = &postings[open.entered..open.entered + due];
        open.entered += due;
        open.terms.enter(entering);
        let mut movements = Movements { opening, ..sums(entering) };
        for payment in self.payments.iter().filter(|payment| payment.returns_in == Some(cycle)) {
            movements.returned += payment.order.gross_program;
            open.items.extend(Item::of_return(payment, cycle));
        }
        let adjustments = self.adjustments;
        while let Some(adjustment) =
            adjustments.get(open.adjusted).filter(|next| next.cycle.is_some_and(|on| on <= cycle))
        {
            open.adjusted += 1;
            let amount = adjustment.amount;
            if !recorded && !adjustment.kind.fits(movements.closing(), amount) {
                self.adjusted.push((adjustment, cycle, Some(PostingReason::Exceeds)));
                continue;
            }
            adjustment.kind.post(&mut movements, amount);
            open.items.push(Item::of_adjustment(adjustment, cycle));
            if !adjustment.counts_toward_minimum {
                open.uncounted += amount;
            }
            self.adjusted.push((adjustment, cycle, None));
        }
        open.lots.enter(cycle, movements.closing() - opening);
        movements
    }

    /// Takes what a year's end or a missing profile takes.
    fn forfeit(
        &mut self,
        open: &mut Open<'a>,
        settled: &mut Settled,
        forfeitures: Vec<Forfeiture<'a>>,
    ) {
        for forfeiture in forfeitures {
            settled.forfeit(forfeiture.amount);
            self.take(open, forfeiture);
            if settled.closing == 0 {
                self.release(open);
            }
        }
    }

    /// Takes a forfeiture from the lots, or gives it back.
    fn take(&mut self, open: &mut Open<'a>, forfeiture: Forfeiture<'a>) {
        let amount = forfeiture.amount;
        if forfeiture.lever == year_end::LAPSE {
            open.terms.lapse(amount);
        }
        if amount < 0 {
            open.lots.enter(forfeiture.cycle, -amount);
        } else {
            open.lots.take(amount);
        }
        self.forfeitures.push(forfeiture);
    }

    /// The whole balance was ordered or lost.
    fn release(&self, open: &mut Open<'a>) {
        (open.released, open.named) = (open.entered, self.forfeitures.len());
        open.items.clear();
        open.uncounted = 0;
        open.terms.release();
        open.lots = Lots::default();
    }

    /// Everything since the last order.
    fn items(&self, open: &Open<'a>) -> Vec<Item<'a>> {
        let postings: &'a [Posting] = &self.postings[open.released..open.entered];
        let postings = postings.iter().map(|posting| Item::of_posting(self.program, posting));
        let forfeited = self.forfeitures[open.named..].iter().map(Item::of_forfeiture);
        postings.chain(forfeited).chain(open.items.iter().cloned()).collect()
    }

    fn terms(
        &self,
        world: &World,
        method: &Result<Method, CarryReason>,
        uncounted: i128,
        cycle: Period,
    ) -> Terms {
        let payment = &self.program.payment;
        let (minimum, below_minimum) = (payment.minimum, payment.below_minimum);
        let terms =
            Terms { minimum, below_minimum, uncounted, hold: None, rate: None, minor_units: 0 };
        match method {
            Ok(method) => Terms {
                rate: world.rates.rate(method.currency, &self.program.currency, cycle),
                minor_units: method.minor_units,
                ..terms
            },
            Err(reason) => Terms { hold: Some(*reason), ..terms },
        }
    }
}

/// What enters a balance: earned, adjusted, and converted from co-op.
fn sums(postings: &[Posting]) -> Movements {
    let mut sums = Movements::default();
    for posting in postings {
        let sum = match (posting.converted_in, posting.kind) {
            (Some(_), _) => &mut sums.converted_in,
            (None, EntryKind::Adjustment) => &mut sums.adjusted,
            (None, EntryKind::Regular | EntryKind::Late) => &mut sums.earned,
        };
        *sum += posting.amount;
    }
    sums
}
